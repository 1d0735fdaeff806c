"""Rows of the Bessel functions and the Airy function. As in PyTorch, some have derivatives and the
others give results that need none."""

from __future__ import annotations

from typing import Any

from ..core.dtypes import finfo
from . import bessel_functions as bessel
from .formulas import one
from .rules import pointwise
from .table import call, row

_real = pointwise("float", allow="bif")

row(
    "i0(Tensor input) -> Tensor", rule=_real, numpy=bessel.i0, forms="fmio", alias=("special.i0",),
    node="I0Backward0",
    grads={"input": lambda grad, input: grad * call.i1(input)},
    samples=one(), doc="The modified Bessel function of the first kind, of order 0.",
)  # fmt: skip

row(
    "i0e(Tensor input) -> Tensor", rule=_real, numpy=bessel.i0e, forms="fo", where="special",
    node="SpecialI0E",
    grads={"input": lambda grad, input, result: grad * (call.i1e(input) - input.sgn() * result)},
    samples=one(), doc="exp(-|input|) * i0(input), which does not overflow.",
)  # fmt: skip


def _over(x: Any, result: Any) -> tuple[Any, Any]:
    """I1(x) / x, for x that is not tiny, and where that is."""
    large = x.abs() > finfo(x.dtype).eps
    return result / call.where(large, x, 1.0), large


def _i1_grad(grad: Any, x: Any, result: Any) -> Any:
    over, large = _over(x, result)
    return grad * call.where(large, call.i0(x) - over, 0.5)


row(
    "i1(Tensor input) -> Tensor", rule=_real, numpy=bessel.i1, forms="fo", where="special",
    node="SpecialI1Backward0",
    grads={"input": lambda grad, input, result: _i1_grad(grad, input, result)},
    samples=one(), doc="The modified Bessel function of the first kind, of order 1.",
)  # fmt: skip


def _i1e_grad(grad: Any, x: Any, result: Any) -> Any:
    over, large = _over(x, result)
    return grad * call.where(large, call.i0e(x) - x.sgn() * result - over, 0.5)


row(
    "i1e(Tensor input) -> Tensor", rule=_real, numpy=bessel.i1e, forms="fo", where="special",
    node="SpecialI1E",
    grads={"input": lambda grad, input, result: _i1e_grad(grad, input, result)},
    samples=one(), doc="exp(-|input|) * i1(input), which does not overflow.",
)  # fmt: skip

for _name, _function, _doc in (
    ("bessel_j0", bessel.j0, "The Bessel function of the first kind, of order 0."),
    ("bessel_j1", bessel.j1, "The Bessel function of the first kind, of order 1."),
    ("bessel_y0", bessel.y0, "The Bessel function of the second kind, of order 0."),
    ("bessel_y1", bessel.y1, "The Bessel function of the second kind, of order 1."),
    ("modified_bessel_i0", bessel.i0, "The modified Bessel function of the first kind, of order 0."),
    ("modified_bessel_i1", bessel.i1, "The modified Bessel function of the first kind, of order 1."),
    ("modified_bessel_k0", bessel.k0, "The modified Bessel function of the second kind, of order 0."),
    ("modified_bessel_k1", bessel.k1, "The modified Bessel function of the second kind, of order 1."),
    ("scaled_modified_bessel_k0", bessel.k0e, "exp(x) * modified_bessel_k0(x)."),
    ("scaled_modified_bessel_k1", bessel.k1e, "exp(x) * modified_bessel_k1(x)."),
    ("spherical_bessel_j0", bessel.spherical_j0, "sin(x) / x, and 1 at zero."),
    ("airy_ai", bessel.airy_ai, "The Airy function Ai."),
):
    _argument = "x" if _name.startswith(("scaled", "spherical", "airy")) else "input"
    row(f"{_name}(Tensor {_argument}) -> Tensor", rule=_real, numpy=_function, forms="fo",
        where="special", samples=one(low=0.1, high=6.0), doc=_doc)  # fmt: skip
