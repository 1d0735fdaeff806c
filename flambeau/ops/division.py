"""Division in its kinds, remainders, powers and roots."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval
from ..errors import shown
from .formulas import analytic, conj, two, two_or_number
from .lowering import pointwise as low
from .lowering.common import primitive
from .rules import common_dtype, pointwise, with_a_tensor
from .table import Spec, call, row

row(
    "true_divide(Operand input, Operand other) -> Tensor", operator="truediv",
    reflected=lambda self, other: call.reciprocal(self) * other,
    rule=pointwise("float"), numpy=np.true_divide, forms="fmio", node="Div",
    lower=primitive("div"),
    grads={"input": lambda grad, other: grad / conj(other),
           "other": lambda grad, input, other: -grad * conj(input / other / other)},
    samples=lambda m: [
        ((m(2, 3), m(3, low=0.5, high=2.0)), {}), ((m(2, 1), 4), {}),
        ((m(), m(2, low=1.0, high=2.0)), {}), ((m(0), 2.0), {}),
        ((m.complex(2), m.complex(2)), {}),
    ],
    doc="input / other; integers are divided as floating numbers.",
)  # fmt: skip


# --- division with rounding ---------------------------------------------------------------------


def _floor(a: Any, b: Any) -> Any:
    if np.result_type(a, b).kind in "iu":
        return np.floor_divide(a, b)
    # NumPy gives NaN for x // 0; here, as in C, it is the quotient's infinity.
    out = np.floor_divide(a, b)
    zero = np.equal(b, 0)
    return np.where(zero, np.true_divide(a, b), out) if zero.any() else out


def _truncated(a: Any, b: Any) -> Any:
    if np.result_type(a, b).kind in "iu":
        out = np.floor_divide(a, b)
        inexact = np.multiply(out, b) != a
        return out + ((out < 0) & inexact).astype(out.dtype)
    return np.trunc(np.true_divide(a, b))


def _no_zero_divisor(fetch: Any, a: Any, b: Any, *params: Any) -> None:
    """RuntimeError where integers would be divided by zero."""
    if common_dtype((a, b)).category > dtypes.INT:
        return
    divisor = fetch(1)
    count = a.numel if isinstance(a, Aval) else 1
    if count and not np.all(divisor):
        raise RuntimeError(
            "ZeroDivisionError: an integer is divided by zero (use torch.true_divide for "
            "a floating result)"
        )


_INTEGER_PAIRS = two_or_number(2.0, low=0.5, high=3.0)

row(
    "div_rounded(Operand input, Operand other, str rounding_mode) -> Tensor",
    rule=lambda a, b, mode: pointwise(allow="if")(a, b), check=_no_zero_divisor,
    numpy=lambda a, b, mode: _floor(a, b) if mode == "floor" else _truncated(a, b),
    forms="", node="DivBackward2",
    lower=low.div_rounded,
    grads={"input": lambda grad: call.zeros_like(grad),
           "other": lambda grad: call.zeros_like(grad)},
    samples=lambda m: [
        ((m(2, 3), m(3, low=0.5, high=2.0), "floor"), {}), ((m(3), 2.0, "trunc"), {}),
    ],
    doc="div() with the quotient rounded.",
)  # fmt: skip


def _div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """input / other. `rounding_mode` "trunc" rounds the quotient towards zero, "floor" down; both
    keep integers, and refuse integer division by zero with RuntimeError."""
    if rounding_mode is None:
        return call.true_divide(input, other)
    if rounding_mode not in ("trunc", "floor"):
        raise RuntimeError(
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
            f"{shown(rounding_mode)}"
        )
    return call.div_rounded(input, other, rounding_mode)


row("div(Operand input, Operand other, *, str? rounding_mode=None) -> Tensor", body=_div,
    forms="fmio", alias=("divide",), doc="Quotients, rounded or not.",
    samples=lambda m: [
        ((m(2, 3), m(3, low=0.5, high=2.0)), {}), ((m(3), 2.0), {"rounding_mode": "floor"}),
    ],
)  # fmt: skip

row(
    "floor_divide(Operand input, Operand other) -> Tensor", operator="floordiv",
    rule=pointwise(allow="if"), check=_no_zero_divisor, numpy=_floor, forms="fmio",
    lower=low.floor_divide,
    samples=_INTEGER_PAIRS, not_differentiable="PyTorch has no derivative of it",
    doc="The quotient rounded down. RuntimeError where an integer is divided by zero.",
)  # fmt: skip


def _remainder(a: Any, b: Any) -> Any:
    out = np.fmod(a, b)
    if out.dtype.kind in "iu":
        return np.remainder(a, b)
    # By hand, since NumPy gives zeros the sign of b, and PyTorch leaves them that of a.
    wrong = (out != 0) & ((out < 0) != np.less(b, 0))
    return np.where(wrong, out + b, out) if wrong.any() else out


row(
    "remainder(Operand input, Operand other) -> Tensor", operator="mod",
    rule=with_a_tensor(pointwise(allow="if")), rounds=True, check=_no_zero_divisor,
    numpy=_remainder, forms="fmio",
    lower=low.remainder,
    node="RemainderBackward1", number_node="RemainderBackward0",
    grads={"input": lambda grad: grad,
           "other": lambda grad, input, other: -grad * call.div_rounded(input, other, "floor")},
    samples=lambda m: [((m(2, 3), m(3, low=0.5, high=2.0)), {}), ((m(3), 0.7), {})],
    doc="What is left of input // other: it has the sign of other.",
)  # fmt: skip

row(
    "fmod(Tensor input, Operand other) -> Tensor",
    rule=pointwise(allow="if"), rounds=True, check=_no_zero_divisor, numpy=np.fmod, forms="fmio",
    lower=low.fmod,
    node="FmodBackward1", number_node="FmodBackward0",
    grads={"input": lambda grad: grad,
           "other": lambda grad, input, other: -grad * call.div_rounded(input, other, "trunc")},
    samples=lambda m: [((m(2, 3), m(3, low=0.5, high=2.0)), {}), ((m(3), 0.7), {})],
    doc="What is left of the quotient rounded towards zero: it has the sign of input.",
)  # fmt: skip


# --- powers and roots ---------------------------------------------------------------------------

row(
    "reciprocal(Tensor input) -> Tensor",
    rule=pointwise("float"), numpy=lambda x: np.true_divide(1, x), forms="fmio",
    lower=lambda b, x: b.div(1.0, x),
    grads={"input": lambda grad, result: -grad * conj(result * result)},
    samples=analytic(low=0.5, high=2.0), doc="1 / input.",
)  # fmt: skip

row(
    "sqrt(Tensor input) -> Tensor",
    rule=pointwise("float"), numpy=np.sqrt, forms="fmio",
    lower=primitive("sqrt"),
    grads={"input": lambda grad, result: grad / conj(result * 2)},
    samples=analytic(low=0.5, high=2.0), doc="The square root; NaN for negative real numbers.",
)  # fmt: skip

row(
    "rsqrt(Tensor input) -> Tensor",
    rule=pointwise("float"), numpy=lambda x: np.true_divide(1, np.sqrt(x)), forms="fmio",
    lower=lambda b, x: b.div(1.0, b.sqrt(x)),
    grads={"input": lambda grad, result: grad * -0.5 * conj(result * result * result)},
    samples=analytic(low=0.5, high=2.0), doc="1 / sqrt(input).",
)  # fmt: skip


def _integer_power(a: Any, b: Any, kind: Any) -> Any:
    """Integer powers that wrap around; a negative exponent leaves 1 and -1, all else is 0."""
    a, b = np.asarray(a, kind), np.asarray(b)
    negative = b < 0
    if not negative.any():
        return np.power(a, b, dtype=kind)
    out = np.power(a, np.where(negative, 0, b), dtype=kind)
    units = np.where(a == 1, 1, np.where(a == -1, 1 - 2 * (b & 1), 0))
    return np.where(negative, units, out)


def _power(a: Any, b: Any) -> Any:
    kind = np.result_type(a, b)
    return _integer_power(a, b, kind) if kind.kind in "iu" else np.power(a, b)


def _scalar_power_rule(x: Aval, exponent: Any) -> Spec:
    spec = pointwise()(x, type(exponent))
    if spec.aval.dtype.category <= dtypes.INT and exponent < 0:
        raise RuntimeError(
            "Integers to negative integer powers are not allowed "
            f"(dtype {x.dtype}, exponent {exponent})."
        )
    return spec


def _scalar_power(x: np.ndarray, exponent: Any) -> Any:
    if exponent == 2:
        return np.multiply(x, x)
    if exponent == 0.5 and x.dtype.kind == "f":
        return np.sqrt(x)
    if x.dtype.kind in "iub":
        return np.power(x, np.array(exponent).astype(np.int64)) if x.dtype.itemsize == 8 else (
            np.power(x.astype(np.int64), np.int64(exponent)))
    return np.power(x, exponent)


def _power_grad(grad: Any, input: Any, exponent: Any) -> Any:
    if exponent == 0:
        return call.zeros_like(grad)
    if exponent == 1:
        return grad
    if exponent == 2:
        return grad * conj(input * 2)
    return grad * conj(call.pow_number(input, exponent - 1) * exponent)


row(
    "pow_number(Tensor input, number exponent) -> Tensor",
    rule=_scalar_power_rule, numpy=_scalar_power, forms="", node="PowBackward0",
    lower=low.pow_number,
    grads={"input": _power_grad},
    samples=lambda m: [
        ((m(2, 3), 2), {}), ((m(2, 3, low=0.5, high=2.0), -1.5), {}),
        ((m(3, low=0.5, high=2.0), 0.5), {}), ((m(), 3), {}), ((m(0), 2), {}), ((m(2), 0), {}),
        ((m.complex(2), 3), {}), ((m(2, low=0.5, high=2.0), 1j), {}),
    ],
    doc="pow() with a number as exponent.",
)  # fmt: skip


def _base_grad(grad: Any, input: Any, exponent: Any) -> Any:
    # Where the exponent is 0, x ** -1 may be infinite, but the derivative is 0.
    factor = exponent * call.pow_tensors(input, exponent - 1)
    return call.where_chosen(exponent == 0, 0, grad * conj(factor))


def _exponent_grad(grad: Any, input: Any, exponent: Any, result: Any) -> Any:
    slope = grad * conj(result * call.log(_as_tensor(input, result)))
    flat = (_as_tensor(input, result) == 0) & _not_negative(exponent)
    return call.where_chosen(flat, 0, slope)


def _not_negative(exponent: Any) -> Any:
    return exponent.real >= 0 if exponent.is_complex() else exponent >= 0


def _as_tensor(x: Any, like: Any) -> Any:
    return x if hasattr(x, "is_complex") else call.full((), x, dtype=like.dtype)


row(
    "pow_tensors(Tensor input, Tensor exponent) -> Tensor",
    rule=pointwise(allow="ifc"), numpy=_power, forms="", node="PowBackward1",
    lower=low.pow_tensors,
    grads={"input": _base_grad, "exponent": _exponent_grad},
    samples=lambda m: [
        ((m(2, 3, low=0.5, high=2.0), m(3)), {}), ((m(low=0.5, high=2.0), m(2)), {}),
        ((m(0), m(0)), {}), ((m.complex(2), m.complex(2)), {}),
    ],
    doc="pow() with two tensors.",
)  # fmt: skip

row(
    "pow_base(Operand input, Tensor exponent) -> Tensor",
    rule=pointwise(), numpy=_power, forms="", node="PowBackward2",
    lower=low.pow_tensors,
    grads={"exponent": _exponent_grad},
    samples=lambda m: [((2.0, m(2, 3)), {}), ((3, m()), {})],
    doc="pow() with a number as base.",
)  # fmt: skip


def _pow(input: Any, exponent: Any) -> Any:
    """input ** exponent, where one of the two may be a number.

    RuntimeError for integers to a negative integer number.
    """
    if not hasattr(exponent, "is_complex"):
        return call.pow_number(input, exponent)
    if hasattr(input, "is_complex"):
        return call.pow_tensors(input, exponent)
    return call.pow_base(input, exponent)


row("pow(Operand input, Operand exponent) -> Tensor", operator="pow", body=_pow, forms="fmio",
    samples=lambda m: [
        ((m(2, 3), 2), {}), ((m(3, low=0.5, high=2.0), m(3)), {}), ((2.0, m(3)), {}),
    ],
    doc="Powers.")  # fmt: skip


def _float_power(input: Any, exponent: Any) -> Any:
    """Powers computed in double precision: the result is float64 or complex128."""
    wide = []
    for x in (input, exponent):
        if hasattr(x, "is_complex"):
            x = x.to(dtypes.complex128 if x.is_complex() else dtypes.float64)
        elif not isinstance(x, complex):
            x = float(x)
        wide.append(x)
    return call.pow(*wide)


row("float_power(Operand input, Operand exponent) -> Tensor", body=_float_power, forms="fmio", out="exact",
    samples=lambda m: [((m(2, 3), 2), {}), ((m(3, low=0.5, high=2.0), m(3)), {})],
    doc="Powers in double precision.")  # fmt: skip

row(
    "ldexp(Tensor input, Tensor other) -> Tensor",
    rule=pointwise("float"), forms="fmio",
    numpy=lambda x, power: np.multiply(x, np.exp2(power)),
    lower=lambda b, x, power: b.mul(x, b.exp2(power)),
    grads={"input": lambda grad, other: grad * conj(call.pow_base(2.0, other)),
           "other": lambda grad, result: grad * conj(result) * math.log(2)},
    samples=two(), doc="input * 2 ** other.",
)  # fmt: skip

row(
    "gcd(Tensor input, Tensor other) -> Tensor", rule=pointwise(allow="i"), numpy=np.gcd,
    forms="fmio", samples=lambda m: [((m.int(2, 3), m.int(3)), {}), ((m.int(0), m.int()), {})],
    doc="The greatest common divisor.",
)  # fmt: skip

row(
    "lcm(Tensor input, Tensor other) -> Tensor", rule=pointwise(allow="i"), numpy=np.lcm,
    forms="fmio", samples=lambda m: [((m.int(2, 3), m.int(3)), {}), ((m.int(0), m.int()), {})],
    doc="The least common multiple.",
)  # fmt: skip
