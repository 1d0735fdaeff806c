"""Rows of the error function and its kin, the gamma function and its derivatives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.dtypes import finfo
from ..runtime.shortage import room
from . import special_functions as special
from .formulas import one
from .lowering import special as low
from .lowering.common import primitive
from .rules import pointwise
from .table import Spec, call, row

_real = pointwise("float", allow="bif")
_SLOPE = 2 / math.sqrt(math.pi)

row(
    "erf(Tensor input) -> Tensor", rule=_real, numpy=special.erf, forms="fmio",
    alias=("special.erf",),
    lower=primitive("erf"),
    grads={"input": lambda grad, input: grad * (call.exp(-(input * input)) * _SLOPE)},
    samples=one(), doc="The error function.",
)  # fmt: skip

row(
    "erfc(Tensor input) -> Tensor", rule=_real, numpy=special.erfc, forms="fmio",
    alias=("special.erfc",),
    lower=primitive("erfc"),
    grads={"input": lambda grad, input: grad * (call.exp(-(input * input)) * -_SLOPE)},
    samples=one(), doc="1 - erf(input), exact where erf is near one.",
)  # fmt: skip

def _erfcx_slope(x: Any, result: Any) -> Any:
    """2 x erfcx(x) - 2 / sqrt(pi); far out, where nothing is left of that difference, the slope of
    1 / (x sqrt(pi)), which erfcx is there."""
    far = x > finfo(x.dtype).eps ** -0.5
    near = call.where(far, 0, x)
    return call.where(far, -result / call.where(far, x, 1), near * result * 2 - _SLOPE)


row(
    "erfcx(Tensor input) -> Tensor", rule=_real, numpy=special.erfcx, forms="fo",
    lower=low.erfcx,
    where="special", node="SpecialErfcx",
    grads={"input": lambda grad, input, result: grad * _erfcx_slope(input, result)},
    samples=one(), doc="exp(input ** 2) * erfc(input), which does not underflow.",
)  # fmt: skip

row(
    "erfinv(Tensor input) -> Tensor", rule=_real, numpy=special.erfinv, forms="fmio",
    lower=low.erfinv,
    alias=("special.erfinv",),
    grads={"input": lambda grad, result: grad * (call.exp(result * result) / _SLOPE)},
    samples=one(low=-0.8, high=0.8), doc="The inverse of erf, on [-1, 1].",
)  # fmt: skip

row(
    "lgamma(Tensor input) -> Tensor", rule=_real, numpy=special.lgamma, forms="fmio",
    lower=low.lgamma,
    alias=("special.gammaln",),
    grads={"input": lambda grad, input: grad * call.digamma(input)},
    samples=one(low=0.3, high=4.0), doc="The logarithm of the absolute value of gamma(input).",
)  # fmt: skip

row(
    "digamma(Tensor input) -> Tensor", rule=_real, numpy=special.digamma, forms="fmio",
    lower=low.digamma,
    alias=("special.digamma", "special.psi"),
    grads={"input": lambda grad, input: grad * call.polygamma_of(input, 1)},
    samples=one(low=0.3, high=4.0), doc="The derivative of lgamma.",
)  # fmt: skip


def _polygamma_rule(x: Any, n: int) -> Spec:
    if n < 0:
        raise RuntimeError(f"polygamma(n, x) does not support negative n, got {n}")
    return _real(x)


row(
    "polygamma_of(Tensor input, int n) -> Tensor",
    rule=_polygamma_rule, forms="mi", alias=("polygamma",), node="Polygamma",
    numpy=lambda x, n: special.polygamma(x, n) if n else special.digamma(x),
    lower=low.polygamma,
    grads={"input": lambda grad, input, n: grad * call.polygamma_of(input, n + 1)},
    samples=one(2, low=0.3, high=4.0), doc="polygamma() with the tensor first.",
)  # fmt: skip


def _polygamma(n: int, input: Any) -> Any:
    """The n-th derivative of digamma. RuntimeError for negative n."""
    return call.polygamma_of(input, n)


row("polygamma(int n, Tensor input) -> Tensor", body=_polygamma, forms="fo",
    alias=("special.polygamma",),
    doc="Derivatives of digamma.")  # fmt: skip


def _mvlgamma_places(x: Any, p: int) -> Any:
    """x, x - 1/2, ... x - (p - 1) / 2 along a new last dimension."""
    return x.unsqueeze(-1) - call.arange(p, dtype=x.dtype) / 2


def _mvlgamma_rule(x: Any, p: int) -> Spec:
    if p < 1:
        raise RuntimeError(f"p has to be greater than or equal to 1, got {p}")
    room(8 * max(x.numel, 1) * p, "mvlgamma")  # it is computed of all terms at once
    return _real(x)


def _mvlgamma(x: Any, p: int) -> Any:
    places = x[..., None] - np.arange(p, dtype=x.dtype) / 2
    constant = p * (p - 1) / 4 * math.log(math.pi)
    return (special.lgamma(places).sum(-1) + constant).astype(x.dtype)


row(
    "mvlgamma(Tensor input, int p) -> Tensor", rule=_mvlgamma_rule, numpy=_mvlgamma, forms="fmio",
    lower=low.mvlgamma,
    alias=("special.multigammaln",),
    grads={"input": lambda grad, input, p:
           grad * call.digamma(_mvlgamma_places(input, p)).sum(-1)},
    samples=one(3, low=1.5, high=4.0),
    doc="The logarithm of the multivariate gamma function of dimension p (Muirhead 1982).",
)  # fmt: skip
