"""The compiler's graph in NumPy, node by node: what a lowering means, without LLVM.

Buffers are as in the rest of the engine: a bool is NumPy's, bfloat16 is its bits in uint16.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any

import numpy as np

from ..core.dtypes import to_bfloat16, to_float32
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


def numpy_dtype(name: str) -> np.dtype[Any]:
    return np.dtype("uint16" if name == "bfloat16" else name)


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


def constant(value: Any, dtype: str) -> Array:
    """A Python number as a 0-d array; integers wrap around."""
    kind = numpy_dtype(dtype)
    if dtype == "bfloat16":
        return to_bfloat16(np.asarray(value, np.float64).astype(np.float32))
    if kind.kind in "iu":
        return np.asarray(int(value) % (1 << 64), np.uint64).astype(kind)
    return np.asarray(value).astype(kind)


def cast(x: Array, source: str, target: str) -> Array:
    """To another dtype. Floats become integers by truncation, of any value where they don't fit."""
    if source == target:
        return x
    if source == "bfloat16":
        x = to_float32(x)
    if target == "bfloat16":
        return to_bfloat16(x.astype(np.float32))
    if target == "bool":
        return np.asarray(x != 0)
    if x.dtype.kind == "f" and target in ("uint8", "int8", "int16"):
        x = x.astype(np.int32)  # where the narrow integer doesn't fit, its low bits
    return x.astype(target)


# --- elementwise --------------------------------------------------------------------------------


def pointwise(op: str, *args: Any) -> Any:
    """One of `codegen.loop`'s UNARY, BINARY and TERNARY."""
    kind = np.asarray(args[-1]).dtype.kind
    if kind == "b" and op in _OF_BOOLS:
        return _OF_BOOLS[op](*args)
    if kind != "f" and op in _ROUNDINGS:
        return args[0]
    return POINTWISE[op](*args)


def _by_element(f: Callable[[float], float]) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        x = np.asarray(x)
        values = [f(v) for v in x.astype(np.float64).ravel().tolist()]
        return np.array(values, np.float64).reshape(x.shape).astype(x.dtype)

    return run


def _fma(a: Any, b: Any, c: Any) -> Any:
    """Rounded once, but for rare cases that round twice."""
    kind = np.asarray(a).dtype
    wide = np.float64 if kind == np.float32 else np.longdouble
    return (np.asarray(a, wide) * np.asarray(b, wide) + np.asarray(c, wide)).astype(kind)


def _isnan(x: Any) -> Any:
    return np.isnan(x) if np.asarray(x).dtype.kind == "f" else np.zeros(np.shape(x), bool)


_OF_BOOLS: dict[str, Callable[..., Any]] = {
    "add": np.logical_or, "sub": np.logical_xor, "mul": np.logical_and,
}  # fmt: skip
"""A bool is a byte that is 0 or 1."""
_ROUNDINGS = frozenset(["floor", "ceil", "trunc", "rint"])

POINTWISE: dict[str, Callable[..., Any]] = {
    "neg": np.negative, "abs": np.abs, "sqrt": np.sqrt,
    "rsqrt": lambda x: np.asarray(x).dtype.type(1) / np.sqrt(x),
    "exp": np.exp, "exp2": np.exp2, "log": np.log, "log2": np.log2, "log10": np.log10,
    "log1p": np.log1p, "expm1": np.expm1, "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "tanh": np.tanh,
    "erf": _by_element(math.erf), "erfc": _by_element(math.erfc),
    "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "rint": np.rint,
    "not": np.invert, "isnan": _isnan,
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.true_divide,
    "min": np.minimum, "max": np.maximum, "fmin": np.fmin, "fmax": np.fmax,
    "pow": np.power, "atan2": np.arctan2, "copysign": np.copysign,
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "eq": np.equal, "ne": np.not_equal,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
    "shl": np.left_shift, "shr": np.right_shift,
    "floordiv": np.floor_divide, "remainder": np.remainder, "fmod": np.fmod,
    "select": np.where, "fma": _fma,
}  # fmt: skip


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
