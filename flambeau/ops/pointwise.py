"""Functions of single elements: signs, rounding, tests of what a number is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval
from .formulas import analytic, conj, one, refusing, zeros
from .lowering import pointwise as low
from .lowering.common import of_floats, primitive
from .rules import pointwise
from .table import Spec, call, row

# --- signs --------------------------------------------------------------------------------------

row(
    "abs(Tensor input) -> Tensor", operator="abs",
    rule=pointwise("real", allow="ifc"), numpy=np.abs, forms="fmio", out="exact", alias=("absolute",),
    lower=low.absolute,
    grads={"input": lambda grad, input: grad * call.sgn(input)},
    samples=analytic(), doc="The absolute value; of complex numbers the modulus, a real number.",
)  # fmt: skip


def _positive(input: Any) -> Any:
    """The tensor itself. RuntimeError for booleans, as for negation."""
    if input.dtype is dtypes.bool_:
        raise RuntimeError("positive(): the `+` operator on a bool tensor is not supported")
    return input


row("positive(Tensor input) -> Tensor", body=_positive, samples=one(), doc="The tensor itself.")


def _sign(x: np.ndarray) -> Any:
    if x.dtype.kind in "bc":
        return x if x.dtype.kind == "b" else np.sign(x)
    return np.subtract(x > 0, x < 0, dtype=x.dtype)  # unlike NumPy's, 0 for NaN


_no_complex_sign = refusing("c", NotImplementedError, "complex numbers have no sign: use sgn()")

row(
    "sign(Tensor input) -> Tensor",
    rule=_no_complex_sign, numpy=_sign, forms="fmio", out="exact", grads={"input": zeros},
    lower=low.sign,
    samples=one(), doc="-1, 0 or 1. For complex numbers there is sgn().",
)  # fmt: skip


def _sgn_grad(grad: Any, input: Any, result: Any) -> Any:
    if not input.is_complex():
        return zeros(grad)
    size = input.abs()
    slope = (grad - result * result * conj(grad)) / (size * 2)
    return slope.masked_fill(size == 0, 0)


row(
    "sgn(Tensor input) -> Tensor",
    rule=pointwise(), numpy=_sign, forms="fmio", out="exact", grads={"input": _sgn_grad},
    lower=low.sign,
    samples=analytic(), doc="sign() for every dtype: a complex number divided by its modulus.",
)  # fmt: skip

row(
    "signbit(Tensor input) -> Tensor",
    rule=refusing("c", NotImplementedError, "complex numbers have no sign bit", "bool"),
    numpy=lambda x: x < 0 if x.dtype.kind in "biu" else np.signbit(x), forms="fmo", out="exact",
    lower=low.signbit,
    samples=one(), doc="Whether the sign bit is set: true for negative zero too.",
)  # fmt: skip

row(
    "copysign(Tensor input, Operand other) -> Tensor",
    rule=pointwise("float", allow="bif"), numpy=np.copysign, forms="fmio",
    number_node="CopysignBackward1",
    lower=primitive("copysign"),
    grads={"input": lambda grad, input, result: grad * (call.sgn(input) * call.sgn(result)),
           "other": lambda grad, result: zeros(result)},
    samples=lambda m: [((m(2, 3), m(3)), {}), ((m(2, 1), -2.0), {}), ((m(), m(2)), {})],
    doc="The size of input with the sign of other.",
)  # fmt: skip


# --- rounding -----------------------------------------------------------------------------------


def _rounded(function: Any) -> Any:
    return lambda x: x if x.dtype.kind in "iu" else function(x)


row(
    "floor(Tensor input) -> Tensor", rule=pointwise(allow="if"), numpy=_rounded(np.floor),
    forms="fmio", out="exact", grads={"input": zeros}, samples=one(), doc="Rounded down.",
    lower=of_floats("floor"),
)  # fmt: skip

row(
    "ceil(Tensor input) -> Tensor", rule=pointwise(allow="if"), numpy=_rounded(np.ceil),
    forms="fmio", out="exact", grads={"input": zeros}, samples=one(), doc="Rounded up.",
    lower=of_floats("ceil"),
)  # fmt: skip

row(
    "trunc(Tensor input) -> Tensor", rule=pointwise(allow="if"), numpy=_rounded(np.trunc),
    forms="fmio", out="exact", alias=("fix",), grads={"input": zeros}, samples=one(),
    lower=of_floats("trunc"),
    doc="Rounded towards zero.",
)  # fmt: skip


def _round_rule(x: Aval, decimals: int | None) -> Spec:
    return pointwise(allow="f" if decimals else "if")(x)


def _round(x: np.ndarray, decimals: int | None) -> Any:
    if not decimals:
        return _rounded(np.rint)(x)
    scale = x.dtype.type(10.0 ** abs(decimals))
    return np.rint(x * scale) / scale if decimals > 0 else np.rint(x / scale) * scale


row(
    "round(Tensor input, *, int? decimals=None) -> Tensor", rule=_round_rule, numpy=_round,
    node=lambda decimals: f"RoundBackward{int(decimals is not None)}",
    forms="fmio", alias=("special.round",), out="exact", grads={"input": zeros},
    lower=low.rounded,
    samples=lambda m: [*one()(m), ((m(3),), {"decimals": 1}), ((m(3),), {"decimals": -1})],
    doc="Rounded to the nearest, halves to the even one; `decimals` places behind the point.",
)  # fmt: skip

row(
    "frac(Tensor input) -> Tensor", rule=pointwise(allow="f"), numpy=lambda x: x - np.trunc(x),
    forms="fmio", grads={"input": lambda grad: grad}, samples=one(low=0.1, high=0.9),
    lower=lambda b, x: b.sub(x, b.trunc(x)),
    doc="What is behind the point, with the sign of input.",
)  # fmt: skip

row(
    "deg2rad(Tensor input) -> Tensor",
    rule=refusing("c", RuntimeError, "not supported for complex tensors", "float"),
    numpy=lambda x: x * (math.pi / 180), forms="fmio", node="Deg2Rad",
    lower=lambda b, x: b.mul(x, math.pi / 180),
    grads={"input": lambda grad: grad * (math.pi / 180)}, samples=one(), doc="Degrees to radians.",
)  # fmt: skip

row(
    "rad2deg(Tensor input) -> Tensor",
    rule=refusing("c", RuntimeError, "not supported for complex tensors", "float"),
    numpy=lambda x: x * (180 / math.pi), forms="fmio", node="Rad2Deg",
    lower=lambda b, x: b.mul(x, 180 / math.pi),
    grads={"input": lambda grad: grad * (180 / math.pi)}, samples=one(), doc="Radians to degrees.",
)  # fmt: skip


# --- tests of what a number is ------------------------------------------------------------------

row(
    "isnan(Tensor input) -> Tensor", rule=pointwise("bool"), numpy=np.isnan, samples=one(),
    lower=low.isnan,
    doc="Whether an element is not a number.",
)  # fmt: skip

row(
    "isinf(Tensor input) -> Tensor", rule=pointwise("bool"), numpy=np.isinf, samples=one(),
    lower=low.isinf,
    doc="Whether an element is infinite.",
)  # fmt: skip

row(
    "isfinite(Tensor input) -> Tensor", rule=pointwise("bool"), numpy=np.isfinite, samples=one(),
    lower=low.isfinite,
    doc="Whether an element is neither infinite nor NaN.",
)  # fmt: skip

row(
    "isposinf(Tensor input) -> Tensor", numpy=lambda x: x == np.inf, forms="fmo", out="exact",
    rule=refusing("c", RuntimeError, "does not support complex inputs", "bool"), samples=one(),
    lower=low.equals(math.inf),
    doc="Whether an element is positive infinity.",
)  # fmt: skip

row(
    "isneginf(Tensor input) -> Tensor", numpy=lambda x: x == -np.inf, forms="fmo", out="exact",
    rule=refusing("c", RuntimeError, "does not support complex inputs", "bool"), samples=one(),
    lower=low.equals(-math.inf),
    doc="Whether an element is negative infinity.",
)  # fmt: skip

row(
    "isreal(Tensor input) -> Tensor", rule=pointwise("bool"), numpy=np.isreal, samples=one(),
    lower=lambda b, x: b.full(x.shape, True, "bool"),
    doc="Whether an element has no imaginary part.",
)  # fmt: skip


def _nan_replaced(x: np.ndarray, nan: float, posinf: float, neginf: float) -> Any:
    return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


row(
    "nan_replaced(Tensor input, float nan, float posinf, float neginf) -> Tensor",
    rule=lambda x, *numbers: Spec(x), numpy=_nan_replaced, forms="", node="NanToNum",
    lower=low.nan_replaced,
    grads={"input": lambda grad, input: call.where_chosen(call.isfinite(input), grad, 0)},
    samples=lambda m: [((m(2, 3), 0.0, 1.0, -1.0), {})],
    doc="nan_to_num() with every replacement given.",
)  # fmt: skip


def _nan_to_num(
    input: Any, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """NaN replaced by `nan` (0), infinities by `posinf` and `neginf` (the dtype's limits)."""
    if input.dtype.category < dtypes.FLOAT:
        return input.clone()
    limits = dtypes.finfo(input.dtype)
    return call.nan_replaced(
        input,
        0.0 if nan is None else nan,
        limits.max if posinf is None else posinf,
        limits.min if neginf is None else neginf,
    )


row("nan_to_num(Tensor input, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor",
    body=_nan_to_num, forms="fmio", out="exact", samples=one(),
    doc="Numbers in place of NaN and infinities.")  # fmt: skip
