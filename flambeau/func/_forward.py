"""`jvp`, `linearize`: derivatives of functions, forwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau as torch
from flambeau.autograd import levels
from flambeau.autograd.dual import DualLevel, transposed_twice

from . import _tree
from ._reverse import cut, split_aux, variables

Tensor = torch.Tensor


def _pairs(name: str, primals: Any, tangents: Any) -> tuple[list[Any], list[Any], _tree.Tree]:
    """The leaves of primals and tangents, which must be alike."""
    for what, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, tuple):
            raise RuntimeError(
                f"{name}: Expected {what} to be a tuple. E.g. it should be valid to call f(*{what})."
            )
    if not primals:
        raise RuntimeError(f"{name}: Expected primals to be a non-empty tuple")
    xs, tree = _tree.flatten(primals)
    ts, other = _tree.flatten(tangents)
    if tree != other:
        raise RuntimeError(
            f"{name}: Expected primals and tangents to have the same python structure. For example, "
            "if primals is a tuple of 3 tensors, tangents also must be."
        )
    for x, t in zip(xs, ts, strict=True):
        if not isinstance(x, Tensor) or not isinstance(t, Tensor):
            raise RuntimeError(f"{name}: Expected all primals and tangents to be tensors")
        if x.shape != t.shape:
            raise RuntimeError(
                f"{name}: Expected a tangent of the primal's shape {list(x.shape)}, got "
                f"{list(t.shape)}"
            )
    return xs, ts, tree


def jvp(
    func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False,
    has_aux: bool = False,
) -> Any:  # fmt: skip
    """The output of `func(*primals)`, and J t: the derivative in the direction of `tangents`.

    Both are tuples of the same structure. strict: an output that does not depend on the primals is an
    error. With `has_aux`, `func` gives (output, aux), and aux is the third result.
    """
    name = "jvp(f, primals, tangents)"
    xs, ts, tree = _pairs(name, primals, tangents)
    with DualLevel() as level:
        duals = [level.wrap(x, t) for x, t in zip(xs, ts, strict=True)]
        found = func(*_tree.unflatten(duals, tree))
        output, aux = split_aux(name, found, has_aux)
        outputs, out_tree = _tree.flatten(output)
        values, moved = [], []
        for o in outputs:
            if not isinstance(o, Tensor):
                raise RuntimeError(
                    f"{name}: Expected f(*args) to return only tensors, got {type(o).__name__}"
                )
            t = level.tangent(o)
            if t is None and strict:
                raise RuntimeError(
                    f"{name}: an output is independent of all primals (strict=True)"
                )
            values.append(level.primal(o))
            moved.append(torch.zeros_like(values[-1]) if t is None else t)
        if has_aux:
            aux = _tree.map_leaves(lambda x: level.primal(x) if isinstance(x, Tensor) else x, aux)
    result = _tree.unflatten(values, out_tree), _tree.unflatten(moved, out_tree)
    return (*result, aux) if has_aux else result


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """The output of `func(*primals)`, and the function t → J t at this place, which does not run
    `func` again."""
    name = "linearize(f, *primals)"
    leaves, tree = _tree.flatten(primals)
    outer = torch.is_grad_enabled()
    with torch.enable_grad():
        own = variables(leaves, name, outer)
        outputs, out_tree = _tree.flatten(func(*_tree.unflatten(own, tree)))
    level = levels.innermost(own)

    def push(*tangents: Any) -> Any:
        _, ts, _ = _pairs("jvp_fn(*tangents)", primals, tangents)
        with torch.enable_grad():
            moved = transposed_twice(outputs, own, ts, True, level)
            found = [
                torch.zeros_like(o) if t is None else cut(t, own, outer)
                for o, t in zip(outputs, moved, strict=True)
            ]
        return _tree.unflatten(found, out_tree)

    return _tree.unflatten([cut(o, own, outer) for o in outputs], out_tree), push
