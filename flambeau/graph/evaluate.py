"""The compiler's graph in NumPy, node by node: what a lowering means, without LLVM.

Buffers are as in the rest of the engine: a bool is NumPy's, bfloat16 is its bits in uint16.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Sequence
from typing import Any

import numpy as np

from .elementwise import cast, constant, numpy_dtype, pointwise
from .evaluate_specials import SPECIALS, special, window
from .ir import Node

__all__ = ["SPECIALS", "evaluate", "pointwise", "special", "value_of"]

Array = np.ndarray[Any, Any]


def evaluate(
    outputs: Sequence[Node], inputs: Sequence[Array], numbers: Sequence[float] = ()
) -> list[Array]:
    """The outputs' arrays, for arrays that the "input" nodes name and numbers that the "number"
    nodes name."""
    values: dict[Node, Any] = {}
    with np.errstate(all="ignore"):
        for node in ordered(outputs):
            args = [values[a] for a in node.args]
            values[node] = _checked(node, value_of(node, args, inputs, numbers))
    return [np.array(values[node], order="C") for node in outputs]


def ordered(outputs: Iterable[Node], known: Container[Node] = ()) -> list[Node]:
    """All nodes that outputs are made of, arguments first; not what `known` nodes are made of."""
    out: list[Node] = []
    seen: set[Node] = set()
    todo = [(node, False) for node in outputs]
    while todo:
        node, ready = todo.pop()
        if ready:
            out.append(node)
        elif node not in seen:
            seen.add(node)
            todo.append((node, True))
            if node not in known:
                todo.extend((a, False) for a in node.args)
    return out


def _checked(node: Node, value: Any) -> Any:
    """The value, if it has the node's shape and dtype."""
    if isinstance(node.dtype, tuple):
        assert len(value) == len(node.dtype), node
        return value
    found = np.asarray(value)
    wanted = (tuple(node.shape), numpy_dtype(node.dtype))
    assert (found.shape, found.dtype) == wanted, (node, found.shape, found.dtype)
    return found


def value_of(node: Node, args: list[Any], inputs: Sequence[Array], numbers: Sequence[float]) -> Any:
    """A node's value, from its arguments'."""
    op, attr = node.op, node.attr
    if op == "input":
        return inputs[attr]
    if op == "number":
        return constant(numbers[attr], node.dtype)
    if op == "const":
        return constant(attr, node.dtype)
    if op == "iota":
        shape = [-1 if i == attr else 1 for i in range(len(node.shape))]
        return np.broadcast_to(np.arange(node.shape[attr]).reshape(shape), node.shape)
    if op == "copy":
        return args[0]
    if op == "cast":
        return cast(args[0], node.args[0].dtype, node.dtype)
    if op == "reduce":
        kind, dims, keepdim = attr
        return reduce(args[0], kind, dims, keepdim, node.dtype)
    if op == "view":
        shape, strides, offset = attr
        at = offset + (int(args[1]) if len(args) > 1 else 0)
        return window(np.ascontiguousarray(args[0]).reshape(-1), shape, strides, at).copy()
    if op == "take":
        return np.take(args[0], args[1], axis=attr)
    if op == "part":
        return args[0][attr]
    if op == "special":
        name, params = attr
        if name not in SPECIALS:
            raise NotImplementedError(f"evaluate: no special is called {name}")
        return SPECIALS[name](args, params)
    return pointwise(op, *args)


# --- reductions ---------------------------------------------------------------------------------


def reduce(x: Array, kind: str, dims: tuple[int, ...], keepdim: bool, dtype: str) -> Any:
    """One of `codegen.loop`'s REDUCTIONS over dimensions."""
    if kind in ("argmax", "argmin"):
        return _arg_extreme(x, kind, dims, keepdim)
    if kind in ("sum", "prod"):
        f = np.sum if kind == "sum" else np.prod
        return f(x, axis=dims, dtype=dtype, keepdims=keepdim)
    if kind in ("any", "all"):
        return (np.any if kind == "any" else np.all)(x, axis=dims, keepdims=keepdim)
    worst = _extreme_of(x.dtype, smallest=kind == "max")
    if kind == "max":
        return np.max(x, axis=dims, keepdims=keepdim, initial=worst)
    return np.min(x, axis=dims, keepdims=keepdim, initial=worst)


def _extreme_of(kind: np.dtype[Any], smallest: bool) -> Any:
    if kind.kind == "f":
        return -math.inf if smallest else math.inf
    if kind.kind == "b":
        return not smallest
    limits = np.iinfo(kind)
    return limits.min if smallest else limits.max


def _arg_extreme(x: Array, kind: str, dims: tuple[int, ...], keepdim: bool) -> Array:
    """The first extreme's place among the reduced elements, in row-major order; 0 of none."""
    kept = [d for d in range(x.ndim) if d not in dims]
    count = math.prod(x.shape[d] for d in dims)
    rows = x.transpose(*kept, *dims).reshape(*(x.shape[d] for d in kept), count)
    if not rows.size:
        out = np.zeros(rows.shape[:-1], np.int64)
    else:
        out = np.asarray((np.argmax if kind == "argmax" else np.argmin)(rows, axis=-1))
    if keepdim:
        out = out.reshape([1 if d in dims else n for d, n in enumerate(x.shape)])
    return out
