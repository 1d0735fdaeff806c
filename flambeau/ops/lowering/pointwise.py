"""Lowerings of arithmetic, comparisons, choices and functions of single elements."""

from __future__ import annotations

import math
from typing import Any

from .common import (
    Lowering,
    Node,
    alike,
    common,
    for_floats,
    fraction_lost,
    is_constant,
    is_float,
    is_int,
    scaled,
)  # fmt: skip

_BITS = {"bool": 1, "uint8": 8, "int8": 8, "int16": 16, "int32": 32, "int64": 64}

# --- arithmetic ---------------------------------------------------------------------------------

_OF_BOOLS = {"add": "or", "mul": "and", "max": "or", "min": "and"}


def arithmetic(op: str) -> Lowering:
    """A binary operation, which booleans have as a logical one."""

    def lower(b: Any, x: Node, y: Node) -> Node:
        x, y = alike(b, x, y)
        return b.pointwise(_OF_BOOLS.get(op, op) if x.dtype == "bool" else op, x, y)

    return lower


def prefer(op: str) -> Lowering:
    """The larger or the smaller of two, a number winning over NaN."""

    def lower(b: Any, x: Node, y: Node) -> Node:
        if is_float(x):
            return b.pointwise("f" + op, x, y)
        return b.pointwise(_OF_BOOLS[op] if x.dtype == "bool" else op, x, y)

    return lower


def add(b: Any, x: Node, y: Node, alpha: Node) -> Node | None:
    x, y = alike(b, x, y)
    if x.dtype == "bool":
        return b.or_(x, y) if is_constant(alpha, 1) else None
    return b.add(x, scaled(b, y, alpha))


def sub(b: Any, x: Node, y: Node, alpha: Node) -> Node:
    x, y = alike(b, x, y)
    return b.sub(x, scaled(b, y, alpha))


def addcmul(b: Any, x: Node, y: Node, z: Node, value: Node) -> Node | None:
    x, y, z = alike(b, x, y, z)
    if x.dtype == "bool" or fraction_lost(value, x):
        return None
    return b.add(x, scaled(b, b.mul(y, z), value))


def addcdiv(b: Any, x: Node, y: Node, z: Node, value: Node) -> Node | None:
    x, y, z = alike(b, x, y, z)
    return b.add(x, scaled(b, b.div(y, z), value)) if is_float(x) else None


def lerp(b: Any, start: Node, end: Node, weight: Node) -> Node:
    """From the nearer end, so that weights 0 and 1 give the ends exactly."""
    weight = b.cast(weight, start.dtype)
    difference = b.sub(end, start)
    return b.select(
        b.lt(b.abs(weight), 0.5),
        b.add(start, b.mul(weight, difference)),
        b.sub(end, b.mul(difference, b.sub(1, weight))),
    )


# --- division -----------------------------------------------------------------------------------


def _floor(b: Any, x: Node, y: Node) -> Node:
    found = b.floordiv(x, y)
    return b.select(b.eq(y, 0), b.div(x, y), found) if is_float(x) else found


def floor_divide(b: Any, x: Node, y: Node) -> Node:
    return _floor(b, *alike(b, x, y))


def div_rounded(b: Any, x: Node, y: Node, mode: str) -> Node:
    x, y = alike(b, x, y)
    if mode == "floor":
        return _floor(b, x, y)
    if is_float(x):
        return b.trunc(b.div(x, y))
    down = b.floordiv(x, y)
    up = b.and_(b.lt(down, 0), b.ne(b.mul(down, y), x))
    return b.add(down, b.cast(up, x.dtype))


def remainder(b: Any, x: Node, y: Node) -> Node:
    """Zeros keep the sign of x, as in PyTorch."""
    x, y = alike(b, x, y)
    if not is_float(x):
        return b.remainder(x, y)
    left = b.fmod(x, y)
    wrong = b.and_(b.ne(left, 0), b.xor(b.lt(left, 0), b.lt(y, 0)))
    return b.select(wrong, b.add(left, y), left)


def fmod(b: Any, x: Node, y: Node) -> Node:
    x, y = alike(b, x, y)
    if is_float(x):
        return b.fmod(x, y)
    left = b.remainder(x, y)
    wrong = b.and_(b.ne(left, 0), b.xor(b.lt(x, 0), b.lt(y, 0)))
    return b.select(wrong, b.sub(left, y), left)


# --- powers -------------------------------------------------------------------------------------


def pow_number(b: Any, x: Node, exponent: Any) -> Node | None:
    if isinstance(exponent, complex) or x.dtype == "bool":
        return None
    if exponent == 2:
        return b.mul(x, x)
    if is_int(x):
        whole = int(exponent)
        return _whole_power(b, x, whole) if 0 <= whole == exponent else None
    if exponent == 0.5:
        return b.sqrt(x)
    if exponent in (1, 3):
        return _whole_power(b, x, int(exponent))
    if exponent == -1:
        return b.div(1.0, x)
    return b.pow(x, float(exponent))


def _whole_power(b: Any, x: Node, exponent: int) -> Node:
    """By squaring; 0 gives ones. Integers wrap around as in any other order."""
    out = None
    square = x
    while exponent:
        if exponent & 1:
            out = square if out is None else b.mul(out, square)
        exponent >>= 1
        if exponent:
            square = b.mul(square, square)
    return b.full(x.shape, 1, x.dtype) if out is None else out


def pow_tensors(b: Any, x: Node, y: Node) -> Node | None:
    x, y = alike(b, x, y)
    return b.pow(x, y) if is_float(x) else None


def hypot(b: Any, x: Node, y: Node) -> Node:
    """Scaled by the larger one; infinite beside NaN where one is infinite."""
    x, y = b.abs(x), b.abs(y)
    top, low = b.max(x, y), b.min(x, y)
    ratio = b.div(low, b.select(b.eq(top, 0), 1, top))
    out = b.mul(top, b.sqrt(b.add(b.mul(ratio, ratio), 1)))
    return b.select(b.or_(b.eq(x, math.inf), b.eq(y, math.inf)), math.inf, out)


# --- signs and rounding -------------------------------------------------------------------------


def absolute(b: Any, x: Node) -> Node:
    return x if x.dtype in ("uint8", "bool") else b.abs(x)


def sign(b: Any, x: Node) -> Node:
    """0 for NaN, unlike NumPy's."""
    if x.dtype == "bool":
        return x
    return b.sub(b.cast(b.gt(x, 0), x.dtype), b.cast(b.lt(x, 0), x.dtype))


def signbit(b: Any, x: Node) -> Node:
    if x.dtype in ("bool", "uint8"):
        return b.full(x.shape, False, "bool")
    return b.lt(b.copysign(1.0, x), 0) if is_float(x) else b.lt(x, 0)


def rounded(b: Any, x: Node, decimals: int | None) -> Node:
    if not is_float(x):
        return x
    if not decimals:
        return b.rint(x)
    scale = 10.0 ** abs(decimals)
    if decimals > 0:
        return b.div(b.rint(b.mul(x, scale)), scale)
    return b.mul(b.rint(b.div(x, scale)), scale)


# --- what a number is ---------------------------------------------------------------------------


def _never(b: Any, x: Node) -> Node:
    return b.full(x.shape, False, "bool")


def isnan(b: Any, x: Node) -> Node:
    return b.isnan(x) if is_float(x) else _never(b, x)


def isinf(b: Any, x: Node) -> Node:
    return b.eq(b.abs(x), math.inf) if is_float(x) else _never(b, x)


def isfinite(b: Any, x: Node) -> Node:
    return b.lt(b.abs(x), math.inf) if is_float(x) else b.full(x.shape, True, "bool")


def equals(value: float) -> Lowering:
    """Whether floats are this infinity."""
    return lambda b, x: b.eq(x, value) if is_float(x) else _never(b, x)


def nan_replaced(b: Any, x: Node, nan: float, high: float, low: float) -> Node:
    if not is_float(x):
        return x
    out = b.select(b.eq(x, math.inf), high, b.select(b.eq(x, -math.inf), low, x))
    return b.select(b.isnan(x), nan, out)


def isclose(b: Any, x: Node, y: Node, rtol: float, atol: float, equal_nan: bool) -> Node:
    if not is_float(x):
        if rtol == atol == 0:
            return b.eq(x, y)
        x, y = b.cast(x, "float64"), b.cast(y, "float64")
    near = b.le(b.abs(b.sub(x, y)), b.add(b.mul(b.abs(y), rtol), atol))
    close = b.or_(b.eq(x, y), b.and_(b.and_(isfinite(b, x), isfinite(b, y)), near))
    return b.or_(close, b.and_(b.isnan(x), b.isnan(y))) if equal_nan else close


def compare(op: str) -> Lowering:
    """A comparison; booleans are compared as 0 and 1."""

    def lower(b: Any, x: Node, y: Node) -> Node:
        x, y = alike(b, x, y)
        if x.dtype == "bool":
            x, y = b.cast(x, "uint8"), b.cast(y, "uint8")
        return b.pointwise(op, x, y)

    return lower


# --- choices ------------------------------------------------------------------------------------


def where(b: Any, condition: Node, x: Node, y: Node) -> Node:
    return b.select(b.cast(condition, "bool"), *alike(b, x, y))


def masked_fill(b: Any, x: Node, mask: Node, value: Node) -> Node | None:
    if fraction_lost(value, x):
        return None
    return b.select(mask, b.cast(value, x.dtype), x)


def clamp(b: Any, x: Node, low: Node | None, high: Node | None) -> Node | None:
    """In this order, so that the upper bound wins where the two are crossed."""
    given = [v for v in (x, low, high) if v is not None]
    dtype = common(*given)
    if dtype == "bool":
        return None
    x = b.cast(x, dtype)
    if low is not None:
        x = b.max(x, b.cast(low, dtype))
    return x if high is None else b.min(x, b.cast(high, dtype))


# --- logic --------------------------------------------------------------------------------------


def logical(op: str) -> Lowering:
    """On what is true: numbers other than zero."""
    return lambda b, *nodes: b.pointwise(op, *[b.cast(x, "bool") for x in nodes])


def bitwise_not(b: Any, x: Node) -> Node:
    return b.not_(x) if x.dtype == "bool" else b.xor(x, 255 if x.dtype == "uint8" else -1)


def left_shift(b: Any, x: Node, y: Node) -> Node:
    x, y = alike(b, x, y)
    inside = _shiftable(b, x, y)
    return b.select(inside, b.shl(x, b.select(inside, y, 0)), 0)


def right_shift(b: Any, x: Node, y: Node) -> Node:
    x, y = alike(b, x, y)
    inside = _shiftable(b, x, y)
    beyond = b.select(b.lt(x, 0), -1, b.full((), 0, x.dtype)) if x.dtype != "uint8" else 0
    return b.select(inside, b.shr(x, b.select(inside, y, 0)), beyond)


def _shiftable(b: Any, x: Node, y: Node) -> Node:
    inside = b.lt(y, _BITS[x.dtype])
    return inside if x.dtype == "uint8" else b.and_(inside, b.ge(y, 0))


# --- exponentials -------------------------------------------------------------------------------


def sigmoid(b: Any, x: Node) -> Node:
    return b.div(1.0, b.add(b.exp(b.neg(x)), 1.0))


def logaddexp(b: Any, x: Node, y: Node) -> Node:
    tail = b.log1p(b.exp(b.neg(b.abs(b.sub(x, y)))))
    return b.select(b.eq(x, y), b.add(x, math.log(2)), b.add(b.max(x, y), tail))


def logaddexp2(b: Any, x: Node, y: Node) -> Node:
    tail = b.mul(b.log1p(b.exp2(b.neg(b.abs(b.sub(x, y))))), 1 / math.log(2))
    return b.select(b.eq(x, y), b.add(x, 1.0), b.add(b.max(x, y), tail))


def xlogy(b: Any, x: Node, y: Node) -> Node:
    x, y = alike(b, x, y)
    nothing = b.and_(b.eq(x, 0), b.not_(b.isnan(y)))
    return b.select(nothing, 0.0, b.mul(x, b.log(y)))


def xlog1py(b: Any, x: Node, y: Node) -> Node:
    x, y = alike(b, x, y)
    nothing = b.and_(b.eq(x, 0), b.not_(b.isnan(y)))
    return b.select(nothing, 0.0, b.mul(x, b.log1p(y)))


@for_floats
def entr(b: Any, x: Node) -> Node:
    inner = b.select(b.gt(x, 0), b.neg(b.mul(x, b.log(b.select(b.gt(x, 0), x, 1)))), -math.inf)
    return b.select(b.isnan(x), x, b.select(b.eq(x, 0), 0.0, inner))


def logit(b: Any, x: Node, eps: float | None) -> Node:
    if eps is not None:
        x = b.min(b.max(x, eps), 1 - eps)
    return b.log(b.div(x, b.sub(1.0, x)))


@for_floats
def tanh_backward(b: Any, g: Node, y: Node) -> Node:
    return b.mul(g, b.sub(1.0, b.mul(y, y)))


@for_floats
def sigmoid_backward(b: Any, g: Node, y: Node) -> Node:
    return b.mul(g, b.mul(b.sub(1.0, y), y))


def heaviside(b: Any, x: Node, values: Node) -> Node:
    if x.dtype == "bool":
        return b.or_(x, values)
    return b.select(b.eq(x, 0), values, b.cast(b.gt(x, 0), x.dtype))


def sinc(b: Any, x: Node) -> Node:
    angle = b.mul(x, math.pi)
    return b.select(b.eq(x, 0), 1.0, b.div(b.sin(angle), angle))


def angle(b: Any, x: Node) -> Node | None:
    """Of real numbers: pi for negative ones."""
    if not is_float(x):
        return None
    return b.select(b.isnan(x), x, b.select(b.lt(x, 0), math.pi, b.full((), 0.0, x.dtype)))


