"""Trigonometric and hyperbolic functions and their inverses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .formulas import analytic, conj, two
from .lowering import pointwise as low
from .lowering.common import primitive
from .rules import pointwise
from .table import call, row

row(
    "sin(Tensor input) -> Tensor", rule=pointwise("float"), numpy=np.sin, forms="fmio",
    lower=primitive("sin"),
    grads={"input": lambda grad, input: grad * conj(call.cos(input))},
    samples=analytic(), doc="The sine.",
)  # fmt: skip

row(
    "cos(Tensor input) -> Tensor", rule=pointwise("float"), numpy=np.cos, forms="fmio",
    lower=primitive("cos"),
    grads={"input": lambda grad, input: grad * -conj(call.sin(input))},
    samples=analytic(), doc="The cosine.",
)  # fmt: skip

row(
    "tan(Tensor input) -> Tensor", rule=pointwise("float"), numpy=np.tan, forms="fmio",
    lower=primitive("tan"),
    grads={"input": lambda grad, result: grad * conj(result * result + 1)},
    samples=analytic(), doc="The tangent.",
)  # fmt: skip

row(
    "asin(Tensor input) -> Tensor", rule=pointwise("float"), numpy=np.arcsin, forms="fmio",
    lower=primitive("asin"),
    alias=("arcsin",),
    grads={"input": lambda grad, input: grad * conj(call.rsqrt(1 - input * input))},
    samples=analytic(low=-0.8, high=0.8), doc="The inverse sine, in [-pi / 2, pi / 2].",
)  # fmt: skip

row(
    "acos(Tensor input) -> Tensor", rule=pointwise("float"), numpy=np.arccos, forms="fmio",
    lower=primitive("acos"),
    alias=("arccos",),
    grads={"input": lambda grad, input: grad * -conj(call.rsqrt(1 - input * input))},
    samples=analytic(low=-0.8, high=0.8), doc="The inverse cosine, in [0, pi].",
)  # fmt: skip

row(
    "atan(Tensor input) -> Tensor", rule=pointwise("float"), numpy=np.arctan, forms="fmio",
    lower=primitive("atan"),
    alias=("arctan",),
    grads={"input": lambda grad, input: grad / conj(input * input + 1)},
    samples=analytic(), doc="The inverse tangent, in [-pi / 2, pi / 2].",
)  # fmt: skip


def _atan2_grad(grad: Any, towards: Any, away: Any) -> Any:
    """Zero at the origin, where the angle has no derivative."""
    square = towards * towards + away * away
    return grad * (away / square).masked_fill(square == 0, 0)


row(
    "atan2(Tensor input, Tensor other) -> Tensor",
    rule=pointwise("float", allow="bif"), numpy=np.arctan2, forms="fmio", alias=("arctan2",),
    lower=primitive("atan2"),
    node="Atan2Backward0",
    grads={"input": lambda grad, input, other: _atan2_grad(grad, input, other),
           "other": lambda grad, input, other: _atan2_grad(grad, other, -input)},
    samples=two(low=0.3, high=2.0), doc="The angle of the point (other, input), in [-pi, pi].",
)  # fmt: skip

row(
    "sinh(Tensor input) -> Tensor", rule=pointwise("float"), numpy=np.sinh, forms="fmio",
    lower=primitive("sinh"),
    grads={"input": lambda grad, input: grad * conj(call.cosh(input))},
    samples=analytic(), doc="The hyperbolic sine.",
)  # fmt: skip

row(
    "cosh(Tensor input) -> Tensor", rule=pointwise("float"), numpy=np.cosh, forms="fmio",
    lower=primitive("cosh"),
    grads={"input": lambda grad, input: grad * conj(call.sinh(input))},
    samples=analytic(), doc="The hyperbolic cosine.",
)  # fmt: skip

row(
    "asinh(Tensor input) -> Tensor", rule=pointwise("float"), numpy=np.arcsinh, forms="fmio",
    lower=primitive("asinh"),
    alias=("arcsinh",),
    grads={"input": lambda grad, input: grad * conj(call.rsqrt(input * input + 1))},
    samples=analytic(), doc="The inverse hyperbolic sine.",
)  # fmt: skip


def _acosh_slope(input: Any) -> Any:
    if input.is_complex():  # the square would have another branch
        return call.rsqrt(input - 1) * call.rsqrt(input + 1)
    return call.rsqrt(input * input - 1)


row(
    "acosh(Tensor input) -> Tensor", rule=pointwise("float"), numpy=np.arccosh, forms="fmio",
    lower=primitive("acosh"),
    alias=("arccosh",),
    grads={"input": lambda grad, input: grad * conj(_acosh_slope(input))},
    samples=analytic(low=1.2, high=3.0), doc="The inverse hyperbolic cosine, for input >= 1.",
)  # fmt: skip

row(
    "atanh(Tensor input) -> Tensor", rule=pointwise("float"), numpy=np.arctanh, forms="fmio",
    lower=primitive("atanh"),
    alias=("arctanh",),
    grads={"input": lambda grad, input: grad / conj(1 - input * input)},
    samples=analytic(low=-0.8, high=0.8), doc="The inverse hyperbolic tangent, for |input| < 1.",
)  # fmt: skip

row(
    "hypot(Tensor input, Tensor other) -> Tensor",
    rule=pointwise(allow="f"), numpy=np.hypot, forms="fmio",
    lower=low.hypot,
    grads={"input": lambda grad, input, result: grad * (input / result),
           "other": lambda grad, other, result: grad * (other / result)},
    samples=two(low=0.3, high=2.0), doc="sqrt(input ** 2 + other ** 2) without overflow.",
)  # fmt: skip


def _sinc(x: np.ndarray) -> Any:
    angle = x * math.pi
    return np.where(x == 0, x.dtype.type(1), np.sin(angle) / angle)


def _sinc_grad(grad: Any, input: Any) -> Any:
    angle = input * math.pi
    slope = (angle * call.cos(angle) - call.sin(angle)) / (angle * input)
    return grad * conj(slope).masked_fill(input == 0, 0)


row(
    "sinc(Tensor input) -> Tensor",
    rule=pointwise("float"), numpy=_sinc, forms="fmio", alias=("special.sinc",), grads={"input": _sinc_grad},
    lower=low.sinc,
    samples=analytic(low=0.2, high=2.0), doc="sin(pi * input) / (pi * input), and one at zero.",
)  # fmt: skip
