"""`jacrev`, `jacfwd`, `hessian`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flambeau as torch

from . import _tree
from ._forward import jvp
from ._reverse import Chosen, split_aux, vjp
from ._vmap import vmap

Tensor = torch.Tensor


def _basis(tensors: list[Any]) -> list[Any]:
    """The unit vectors of the space that all the tensors make together: (numel of all, *shape) each."""
    total = sum(t.numel() for t in tensors)
    out, start = [], 0
    for t in tensors:
        n = t.numel()
        dtype = t.dtype
        part = torch.zeros(total, n, dtype=dtype, device=t.device)
        part[start : start + n] = torch.eye(n, dtype=dtype, device=t.device)
        out.append(part.view(total, *t.shape))
        start += n
    return out


def _only_tensors(name: str, tensors: list[Any]) -> None:
    for t in tensors:
        if not isinstance(t, Tensor):
            raise RuntimeError(f"{name}: Expected f to return only tensors, got {type(t).__name__}")


def jacrev(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False,
    chunk_size: int | None = None, _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:  # fmt: skip
    """A function that gives the Jacobian of `func`, row by row backwards: shape (*output, *input).

    Nested outputs and arguments give nested Jacobians: for each output one for each of the chosen
    arguments. chunk_size: how many rows at a time.
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        chosen = Chosen("jacrev(f, argnums)(*args)", args, argnums)

        def of_leaves(*leaves: Any) -> Any:
            return chosen.call(func, list(leaves), kwargs)

        output, pull, *aux = vjp(of_leaves, *chosen.leaves, has_aux=has_aux)
        outputs, out_tree = _tree.flatten(output)
        _only_tensors("jacrev", outputs)
        basis = _basis(outputs)
        rows = vmap(lambda *cotangents: pull(_tree.unflatten(cotangents, out_tree)),
                    chunk_size=chunk_size)(*basis)  # fmt: skip
        found, start = [], 0
        for o in outputs:
            n = o.numel()
            parts = [
                g[start : start + n].reshape(*o.shape, *x.shape)
                for g, x in zip(rows, chosen.leaves, strict=True)
            ]
            found.append(chosen.shaped(parts))
            start += n
        jacobian = _tree.unflatten(found, out_tree)
        return (jacobian, *aux) if has_aux else jacobian

    return wrapper


def jacfwd(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False, *,
    randomness: str = "error",
) -> Callable[..., Any]:  # fmt: skip
    """A function that gives the Jacobian of `func`, column by column forwards; see `jacrev`."""

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        chosen = Chosen("jacfwd(f, argnums)(*args)", args, argnums)
        kept: list[Any] = []

        def of_leaves(*leaves: Any) -> Any:
            found, aux = split_aux("jacfwd", chosen.call(func, list(leaves), kwargs), has_aux)
            return (found, aux) if has_aux else found

        def push(*tangents: Any) -> Any:
            output, moved, *aux = jvp(of_leaves, tuple(chosen.leaves), tangents, has_aux=has_aux)
            leaves, tree = _tree.flatten(moved)
            kept[:] = [tree, output]
            return (leaves, *aux) if has_aux else leaves

        _only_tensors("jacfwd", chosen.leaves)
        out_dims: Any = (0, None) if has_aux else 0
        found = vmap(push, randomness=randomness, out_dims=out_dims)(*_basis(chosen.leaves))
        columns, *aux = found if has_aux else (found,)
        jacobian = _tree.unflatten([_by_input(c, chosen) for c in columns], kept[0])
        return (jacobian, *aux) if has_aux else jacobian

    return wrapper


def _by_input(columns: Any, chosen: Chosen) -> Any:
    """The Jacobian of one output (numel of all inputs, *output), for each input."""
    parts, start = [], 0
    for x in chosen.leaves:
        n = x.numel()
        part = columns[start : start + n].movedim(0, -1)
        parts.append(part.reshape(*columns.shape[1:], *x.shape))
        start += n
    return chosen.shaped(parts)


def hessian(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """A function that gives the second derivatives of `func`, forwards over backwards."""
    return jacfwd(jacrev(func, argnums), argnums)
