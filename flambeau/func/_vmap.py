"""`vmap`: a function of one sample, run for a whole batch at once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flambeau as torch
from flambeau.autograd.batching import BatchLevel

from . import _tree

Tensor = torch.Tensor


def _name(func: Any) -> str:
    return getattr(func, "__name__", type(func).__name__)


def _dims(in_dims: Any, args: tuple[Any, ...], name: str) -> tuple[list[Any], list[Any], _tree.Tree]:
    """The leaves of the arguments, and for each its batch dimension, or None."""
    call = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"{call}: expected `in_dims` to be int or a (potentially nested) tuple matching the "
            f"structure of inputs, got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"{call}: got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over a "
            "function with no inputs. The latter is unsupported."
        )
    leaves, tree = _tree.flatten(args)
    dims = _tree.broadcast(in_dims, tree)
    if dims is None:
        raise ValueError(
            f"{call}: in_dims is not compatible with the structure of `inputs`. in_dims has structure "
            f"{in_dims} but there are {len(args)} inputs: {[type(a).__name__ for a in args]}."
        )
    return leaves, [_dim(x, d, call) for x, d in zip(leaves, dims, strict=True)], tree


def _dim(x: Any, dim: Any, call: str) -> Any:
    if dim is None:
        return None
    if not isinstance(dim, int):
        raise ValueError(f"{call}: Got in_dim={dim} for an input but in_dim must be an int or None.")
    if not isinstance(x, Tensor):
        raise ValueError(
            f"{call}: Got in_dim={dim} for an input but the input is of type {type(x)}. We cannot vmap "
            "over non-Tensor arguments, please use None as the respective in_dim"
        )
    if not -x.dim() <= dim < x.dim():
        raise ValueError(
            f"{call}: Got in_dim={dim} for some input, but that input is a Tensor of dimensionality "
            f"{x.dim()} so expected in_dim to satisfy -{x.dim()} <= in_dim < {x.dim()}."
        )
    return dim % x.dim()


def _batch_size(leaves: list[Any], dims: list[Any], name: str) -> int:
    sizes = [x.size(d) for x, d in zip(leaves, dims, strict=True) if d is not None]
    if not sizes:
        raise ValueError(f"vmap({name}): at least one input must have an in_dim that is not None.")
    if any(s != sizes[0] for s in sizes):
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{sizes} for the mapped dimension"
        )
    return int(sizes[0])


def _outputs(
    level: BatchLevel, found: Any, out_dims: Any, name: str
) -> tuple[list[Any], _tree.Tree, list[Any]]:
    """The results of the function as batches, and where their batch dimension is."""
    leaves, tree = _tree.flatten(found)
    dims = _tree.broadcast(out_dims, tree)
    if dims is None and isinstance(out_dims, tuple) and len(out_dims) == 1:
        dims = _tree.broadcast(out_dims[0], tree)
    if dims is None:
        raise ValueError(
            f"vmap({name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the "
            f"structure of `outputs`, {len(leaves)} tensors"
        )
    return [_output(level, x, d, name) for x, d in zip(leaves, dims, strict=True)], tree, dims


def _output(level: BatchLevel, x: Any, out_dim: Any, name: str) -> Any:
    if not isinstance(x, Tensor):
        if out_dim is None or x is None:
            return x
        raise ValueError(
            f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(x)}. Did you mean "
            "to set out_dims= to None for output?"
        )
    inner, dim = level.whole(x)
    if out_dim is None:
        if dim is not None:
            raise ValueError(
                f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None"
            )
        return inner
    if not isinstance(out_dim, int):
        raise ValueError(f"vmap({name}, ..., out_dims={out_dim}): `out_dims` must be int or None")
    if dim is None:
        inner, dim = inner.unsqueeze(0).expand(level.size, *inner.shape), 0
    if not -inner.dim() <= out_dim < inner.dim():
        raise IndexError(
            f"Dimension out of range (expected to be in range of [-{inner.dim()}, {inner.dim() - 1}], "
            f"but got {out_dim})"
        )
    return inner.movedim(dim, out_dim) if dim != out_dim % inner.dim() else inner


def run_batched(
    func: Callable[..., Any], leaves: list[Any], dims: list[Any], tree: _tree.Tree, size: int,
    randomness: str, kwargs: dict[str, Any], out_dims: Any = 0,
) -> tuple[list[Any], _tree.Tree, list[Any]]:  # fmt: skip
    """One vmap, without chunks."""
    with BatchLevel(size, randomness) as level:
        wrapped = [
            x if d is None else level.wrap(x, d) for x, d in zip(leaves, dims, strict=True)
        ]
        found = func(*_tree.unflatten(wrapped, tree), **kwargs)
        return _outputs(level, found, out_dims, _name(func))


def vmap(
    func: Callable[..., Any], in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:  # fmt: skip
    """`func` for a batch: it is called once, with tensors that have the shapes of one sample.

    in_dims: for each input (nested as they are) the dimension that is the batch, None for inputs
        that are the same for all samples. out_dims: where the results have it.
    randomness: what random operations inside do: "error", "different" numbers for each sample, or
        the "same".
    chunk_size: run so many samples at a time; None for all.

    ValueError where dimensions do not fit, RuntimeError where `func` looks at data (`if x > 0`).
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            "Only allowed values for randomness are 'error', 'different', or 'same'. Got "
            f"{randomness}"
        )
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")
    in_dims = tuple(in_dims) if isinstance(in_dims, list) else in_dims

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        name = _name(func)
        leaves, dims, tree = _dims(in_dims, args, name)
        size = _batch_size(leaves, dims, name)

        def run(part: list[Any], count: int) -> tuple[list[Any], _tree.Tree, list[Any]]:
            return run_batched(func, part, dims, tree, count, randomness, kwargs, out_dims)

        if chunk_size is None or chunk_size >= size:
            found, out_tree, _ = run(leaves, size)
            return _tree.unflatten(found, out_tree)
        parts = []
        for start in range(0, size, chunk_size):
            count = min(chunk_size, size - start)
            chunk = [
                x if d is None else x.narrow(d, start, count)
                for x, d in zip(leaves, dims, strict=True)
            ]
            parts.append(run(chunk, count))
        columns = zip(*[part[0] for part in parts], strict=True)
        joined = [
            column[0] if d is None else torch.cat(list(column), d)
            for column, d in zip(columns, parts[0][2], strict=True)
        ]
        return _tree.unflatten(joined, parts[0][1])

    return wrapped
