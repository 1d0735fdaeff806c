"""Rows of the incomplete gamma functions, the zeta function, entropy and the normal
distribution."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import gamma_functions as gamma
from . import special_functions as special
from .formulas import one
from .lowering import pointwise as elementwise
from .lowering import special as low
from .rules import pointwise, with_a_tensor
from .table import call, row

_real = pointwise("float", allow="bif")
_floats = pointwise(allow="f")
_either = with_a_tensor(_real)


def _lacking(name: str, what: str) -> Callable[[Any], Any]:
    """A derivative that PyTorch has none of either."""

    def refuse(grad: Any) -> Any:
        raise NotImplementedError(f"{name}(): the derivative for '{what}' is not implemented")

    return refuse


# --- incomplete gamma functions -------------------------------------------------------------------


def _density(a: Any, x: Any) -> Any:
    return call.exp(call.xlogy(a - 1, x) - x - call.lgamma(a))


def _pairs(m: Any) -> list[Any]:
    return [((m(*a, low=0.3, high=4.0).detach(), m(*b, low=0.3, high=6.0)), {})
            for a, b in (((2, 3), (2, 3)), ((2, 1), (3,)), ((), (2,)), ((0, 2), (2,)))]  # fmt: skip


row(
    "igamma(Tensor input, Tensor other) -> Tensor", rule=_floats, numpy=gamma.gammainc,
    forms="fmio", alias=("special.gammainc",),
    grads={"input": _lacking("igamma", "input"),
           "other": lambda grad, input, other: grad * _density(input, other)},
    samples=_pairs, doc="The regularized lower incomplete gamma function P(input, other).",
)  # fmt: skip
row(
    "igammac(Tensor input, Tensor other) -> Tensor", rule=_floats, numpy=gamma.gammaincc,
    forms="fmio", alias=("special.gammaincc",),
    grads={"input": _lacking("igammac", "input"),
           "other": lambda grad, input, other: -(grad * _density(input, other))},
    samples=_pairs, doc="The regularized upper incomplete gamma function Q = 1 - P.",
)  # fmt: skip

row(
    "zeta(Operand input, Operand other) -> Tensor", rule=_either, numpy=gamma.zeta, forms="fo",
    where="special", node="SpecialZeta", number_node="SpecialZetaBackward2",
    grads={"input": _lacking("zeta", "input"),
           "other": lambda grad, input, other: grad * -input * call.zeta(input + 1, other)},
    samples=lambda m: [((m(2, 3, low=1.5, high=6.0).detach(), m(3, low=0.3, high=4.0)), {}),
                       ((2.0, m(3, low=0.3, high=4.0)), {}), ((m(2, low=2.0, high=5.0).detach(), 1.0), {})],
    doc="Hurwitz's zeta function: the sum of (other + k) ** -input.",
)  # fmt: skip


# --- entropy ----------------------------------------------------------------------------------------


def _entr(x: np.ndarray) -> Any:
    with np.errstate(all="ignore"):
        inner = np.where(x > 0, -x * np.log(np.where(x > 0, x, 1)), -np.inf)
        return np.where(np.isnan(x), x, np.where(x == 0, 0, inner)).astype(x.dtype)


row(
    "entr(Tensor input) -> Tensor", rule=_real, numpy=_entr, forms="fo", where="special",
    lower=elementwise.entr, node="SpecialEntr", grads={"input": lambda grad, input: grad * (-1 - call.log(input))},
    samples=one(low=0.2, high=3.0), doc="-x log(x); 0 at 0, -inf below.",
)  # fmt: skip


def _xlog1py(x: Any, y: Any) -> Any:
    with np.errstate(all="ignore"):
        dt = (x if isinstance(x, np.ndarray) else y).dtype
        x, y = np.asarray(x, dt), np.asarray(y, dt)
        out = np.multiply(x, np.log1p(y))
        return np.where(np.equal(x, 0) & ~np.isnan(y), out.dtype.type(0), out)


def _log1p_or_zero(x: Any, y: Any) -> Any:
    """log(1 + y), and zero where 0 * log(0) counts as zero."""
    y = y if hasattr(y, "log1p") else call.full_like(x, y)
    return y.log1p().masked_fill((x == 0) & (y <= -1), 0)


row(
    "xlog1py(Operand input, Operand other) -> Tensor", rule=_either, numpy=_xlog1py, forms="fo",
    lower=elementwise.xlog1py, where="special", node="SpecialXlog1Py", number_node="SpecialXlog1PyBackward2",
    grads={"input": lambda grad, input, other: grad * _log1p_or_zero(input, other),
           "other": lambda grad, input, other: grad * input / (other + 1)},
    samples=lambda m: [((m(2, 3), m(3, low=-0.5, high=2.0)), {}), ((m(2), 3.0), {}),
                       ((2.0, m(3, low=-0.5, high=2.0)), {})],
    doc="input * log(1 + other), and zero where input is zero.",
)  # fmt: skip


# --- the normal distribution ------------------------------------------------------------------------


def _bell(x: Any) -> Any:
    """The standard normal density."""
    return call.exp(x * x * -0.5) / math.sqrt(2 * math.pi)


row(
    "ndtr(Tensor input) -> Tensor", rule=_real, forms="fo", where="special", node="MulBackward1",
    numpy=lambda x: (special.erfc(x.astype(np.float64) * -math.sqrt(0.5)) / 2).astype(x.dtype),
    lower=low.ndtr,
    grads={"input": lambda grad, input: grad * _bell(input)},
    samples=one(), doc="The area under the standard normal curve left of x.",
)  # fmt: skip


def _log_ndtr_slope(grad: Any, input: Any) -> Any:
    return grad * math.sqrt(2 / math.pi) / call.erfcx(input * -math.sqrt(0.5))


row(
    "log_ndtr(Tensor input) -> Tensor", rule=_real, numpy=gamma.log_ndtr, forms="fo",
    lower=low.log_ndtr,
    where="special", node="SpecialLogNdtr",
    grads={"input": lambda grad, input: _log_ndtr_slope(grad, input)},
    samples=one(), doc="The logarithm of ndtr(input), where that is near 0 too.",
)  # fmt: skip

row(
    "ndtri(Tensor input) -> Tensor", rule=_real, numpy=gamma.ndtri, forms="fo", where="special",
    node="SpecialNdtri",
    grads={"input": lambda grad, result:
           grad * math.sqrt(2 * math.pi) * call.exp(result * result / 2)},
    samples=one(low=0.1, high=0.9), doc="The x that ndtr() gives this area.",
)  # fmt: skip
