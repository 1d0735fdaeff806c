"""What the elementwise operations of the compiler mean, in NumPy.

The compiler's graph (`graph.ir`) and the loop language (`codegen.loop`) share their names, and both
are defined by this module. A bool is NumPy's, bfloat16 is its bits in uint16.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.dtypes import to_bfloat16, to_float32
from ..core.philox import philox

Array = np.ndarray[Any, Any]


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The dtype that NumPy has for one of ours."""
    return np.dtype("uint16" if name == "bfloat16" else name)


def constant(value: Any, dtype: str) -> Array:
    """A Python number as a 0-d array; integers wrap around."""
    kind = numpy_dtype(dtype)
    if dtype == "bfloat16":
        return to_bfloat16(np.asarray(value, np.float64).astype(np.float32))
    if kind.kind in "iu":
        return np.asarray(int(value) % (1 << 64), np.uint64).astype(kind)
    return np.asarray(value).astype(kind)


def cast(x: Any, source: str, target: str) -> Array:
    """To another dtype. Floats become integers by truncation, of any value where they don't fit;
    16-bit floats are rounded from float32."""
    x = np.asarray(x)
    if source == target:
        return x
    if source == "bfloat16":
        x = to_float32(x)
    if target == "bfloat16":
        return to_bfloat16(x.astype(np.float32))
    if target == "bool":
        return np.asarray(x != 0)
    if target == "float16":
        return x.astype(np.float32).astype(np.float16)
    if x.dtype.kind == "f" and target in ("uint8", "int8", "int16"):
        x = x.astype(np.int32)  # where the narrow integer doesn't fit, its low bits
    return x.astype(target)


def pointwise(op: str, *args: Any) -> Any:
    """An operation of `codegen.loop`'s UNARY, BINARY and TERNARY."""
    if op in _OF_BOOLS and np.asarray(args[-1]).dtype.kind == "b":
        return _OF_BOOLS[op](*args)
    return POINTWISE[op](*args)


def _fma(a: Any, b: Any, c: Any) -> Any:
    """Rounded once: exact for float32 but for double rounding, by long double for float64."""
    kind = np.result_type(a, b, c)
    wide = np.float64 if kind == np.float32 else np.longdouble
    return (np.asarray(a, wide) * np.asarray(b, wide) + np.asarray(c, wide)).astype(kind)


def _shift(left: bool) -> Callable[[Any, Any], Any]:
    def shift(a: Any, b: Any) -> Any:
        kind = np.asarray(a).dtype
        width = 8 * kind.itemsize
        far = (b < 0) | (b >= width)
        by = np.where(far, 0, b).astype(kind)
        if left:
            return np.where(far, 0, np.left_shift(a, by)).astype(kind)
        sign = np.where(np.asarray(a) < 0, -1, 0) if kind.kind == "i" else 0
        return np.where(far, sign, np.right_shift(a, by)).astype(kind)

    return shift


def _by_element(f: Callable[[float], float]) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        x = np.asarray(x)
        values = [f(v) for v in x.astype(np.float64).ravel().tolist()]
        return np.array(values, np.float64).reshape(x.shape).astype(x.dtype)

    return run


def _isnan(x: Any) -> Any:
    return np.isnan(x) if np.asarray(x).dtype.kind == "f" else np.zeros(np.shape(x), bool)


def _keep_integers(f: Any) -> Callable[[Any], Any]:
    return lambda x: f(x) if np.asarray(x).dtype.kind == "f" else x


_OF_BOOLS: dict[str, Callable[..., Any]] = {
    "add": np.logical_or, "sub": np.logical_xor, "mul": np.logical_and,
}  # fmt: skip
"""A bool is a byte that is 0 or 1."""

POINTWISE: dict[str, Callable[..., Any]] = {
    "neg": np.negative, "abs": np.abs, "sqrt": np.sqrt,
    "rsqrt": lambda x: np.asarray(x).dtype.type(1) / np.sqrt(x),
    "exp": np.exp, "exp2": np.exp2, "log": np.log, "log2": np.log2, "log10": np.log10,
    "log1p": np.log1p, "expm1": np.expm1, "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "tanh": np.tanh,
    "erf": _by_element(math.erf), "erfc": _by_element(math.erfc),
    "floor": _keep_integers(np.floor), "ceil": _keep_integers(np.ceil),
    "trunc": _keep_integers(np.trunc), "rint": _keep_integers(np.rint),
    "not": np.invert,
    "isnan": _isnan,
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide,
    "min": np.minimum, "max": np.maximum, "fmin": np.fmin, "fmax": np.fmax,
    "pow": np.power, "atan2": np.arctan2, "copysign": np.copysign,
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "eq": np.equal, "ne": np.not_equal,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
    "shl": _shift(True), "shr": _shift(False),
    "floordiv": np.floor_divide, "remainder": np.remainder, "fmod": np.fmod,
    "select": np.where, "fma": _fma, "philox": philox,
}  # fmt: skip
