"""Comparisons of elements, the larger and the smaller of two, and closeness."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.aval import Aval
from .formulas import refusing, two, two_or_number
from .lowering import pointwise as low
from .rules import pointwise
from .table import Spec, call, row

_COMPARED = two_or_number()


row(
    "eq(Tensor input, Operand other) -> Tensor", operator="eq", rule=pointwise("bool"), numpy=np.equal,
    forms="fmio", rounds=True, samples=_COMPARED, doc="Whether input == other, element by element.",
    lower=low.compare("eq"),
)  # fmt: skip

row(
    "ne(Tensor input, Operand other) -> Tensor", operator="ne", rule=pointwise("bool"), numpy=np.not_equal,
    forms="fmio", alias=("not_equal",), rounds=True, samples=_COMPARED,
    lower=low.compare("ne"),
    doc="Whether input != other, element by element.",
)  # fmt: skip

row(
    "lt(Tensor input, Operand other) -> Tensor", operator="lt", rule=pointwise("bool", allow="bif"),
    numpy=np.less, forms="fmio", alias=("less",), rounds=True, samples=_COMPARED,
    lower=low.compare("lt"),
    doc="Whether input < other, element by element.",
)  # fmt: skip

row(
    "le(Tensor input, Operand other) -> Tensor", operator="le", rule=pointwise("bool", allow="bif"),
    numpy=np.less_equal, forms="fmio", alias=("less_equal",), rounds=True, samples=_COMPARED,
    lower=low.compare("le"),
    doc="Whether input <= other, element by element.",
)  # fmt: skip

row(
    "gt(Tensor input, Operand other) -> Tensor", operator="gt", rule=pointwise("bool", allow="bif"),
    numpy=np.greater, forms="fmio", alias=("greater",), rounds=True, samples=_COMPARED,
    lower=low.compare("gt"),
    doc="Whether input > other, element by element.",
)  # fmt: skip

row(
    "ge(Tensor input, Operand other) -> Tensor", operator="ge", rule=pointwise("bool", allow="bif"),
    numpy=np.greater_equal, forms="fmio", alias=("greater_equal",), rounds=True, samples=_COMPARED,
    lower=low.compare("ge"),
    doc="Whether input >= other, element by element.",
)  # fmt: skip


def _shared(grad: Any, loses: Any, ties: Any) -> Any:
    """The gradient of an extremum for one operand: none where it loses, half where both are it."""
    return call.where_chosen(ties, grad / 2, grad).masked_fill(loses, 0)


def _no_complex(name: str) -> Any:
    return refusing("c", RuntimeError, f"{name} not implemented for complex tensors.")


row(
    "maximum(Tensor input, Tensor other) -> Tensor", rule=_no_complex("maximum"),
    numpy=np.maximum, forms="fmo",
    lower=low.arithmetic("max"),
    grads={"input": lambda grad, input, other: _shared(grad, input < other, input == other),
           "other": lambda grad, input, other: _shared(grad, other < input, input == other)},
    samples=two(), doc="The larger of two elements; NaN where one of them is.",
)  # fmt: skip

row(
    "minimum(Tensor input, Tensor other) -> Tensor", rule=_no_complex("minimum"),
    numpy=np.minimum, forms="fmo",
    lower=low.arithmetic("min"),
    grads={"input": lambda grad, input, other: _shared(grad, input > other, input == other),
           "other": lambda grad, input, other: _shared(grad, other > input, input == other)},
    samples=two(), doc="The smaller of two elements; NaN where one of them is.",
)  # fmt: skip

row(
    "fmax(Tensor input, Tensor other) -> Tensor", rule=_no_complex("fmax"), numpy=np.fmax,
    forms="fmo",
    lower=low.prefer("max"),
    grads={"input": lambda grad, input, other: _chosen(grad, (input >= other) | call.isnan(other)),
           "other": lambda grad, input, other: _passed(grad, (input >= other) | call.isnan(other))},
    samples=two(), doc="The larger of two elements; a number wins over NaN.",
)  # fmt: skip

row(
    "fmin(Tensor input, Tensor other) -> Tensor", rule=_no_complex("fmin"), numpy=np.fmin,
    forms="fmo",
    lower=low.prefer("min"),
    grads={"input": lambda grad, input, other: _chosen(grad, (input <= other) | call.isnan(other)),
           "other": lambda grad, input, other: _passed(grad, (input <= other) | call.isnan(other))},
    samples=two(), doc="The smaller of two elements; a number wins over NaN.",
)  # fmt: skip


def _chosen(grad: Any, first: Any) -> Any:
    return call.where_chosen(first, grad, 0)


def _passed(grad: Any, first: Any) -> Any:
    return call.where_chosen(first, 0, grad)


def _heaviside_rule(x: Aval, values: Aval) -> Spec:
    if x.dtype is not values.dtype:
        raise RuntimeError(
            f"not implemented for tensors with different dtypes: {x.dtype} and {values.dtype}"
        )
    return _no_complex("heaviside")(x, values)


row(
    "heaviside(Tensor input, Tensor values) -> Tensor", rule=_heaviside_rule, forms="fmio", out="exact",
    numpy=lambda x, values: np.where(x == 0, values, x > 0),
    lower=low.heaviside,
    samples=two(), not_differentiable="PyTorch has no derivative of it",
    doc="0 below zero, 1 above, `values` at zero.",
)  # fmt: skip


# --- closeness ----------------------------------------------------------------------------------


def _isclose_rule(a: Aval, b: Aval, rtol: float, atol: float, equal_nan: bool) -> Spec:
    if a.dtype is not b.dtype:
        raise RuntimeError(f"{a.dtype} did not match {b.dtype}")
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not value >= 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {value}")
    return pointwise("bool")(a, b)


def _isclose(a: Any, b: Any, rtol: float, atol: float, equal_nan: bool) -> Any:
    if a.dtype.kind in "biu":
        if rtol == atol == 0:
            return a == b
        a, b = a.astype(np.float64), b.astype(np.float64)
    near = np.abs(a - b) <= atol + rtol * np.abs(b)
    close = (a == b) | (np.isfinite(a) & np.isfinite(b) & near)
    return close | (np.isnan(a) & np.isnan(b)) if equal_nan else close


row(
    "isclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, "
    "bool equal_nan=False) -> Tensor",
    rule=_isclose_rule, numpy=_isclose, samples=two(),
    lower=low.isclose,
    doc="Whether |input - other| <= atol + rtol * |other|, element by element.",
)  # fmt: skip


def _allclose(
    input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether isclose() holds for all elements, as a Python bool.

    RuntimeError if the dtypes differ or the shapes don't broadcast.
    """
    return bool(call.isclose(input, other, rtol, atol, equal_nan).all())


row("allclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, "
    "bool equal_nan=False) -> bool", body=_allclose,
    doc="Whether two tensors are close everywhere.")  # fmt: skip


def _equal(input: Any, other: Any) -> bool:
    """Whether shapes and all elements are equal, as a Python bool."""
    for name, x in (("input", input), ("other", other)):
        if not hasattr(x, "is_complex"):
            raise TypeError(
                f"equal(): argument '{name}' must be Tensor, not {type(x).__name__}"
            )
    return input.shape == other.shape and bool(call.eq(input, other).all())


row("equal(Tensor input, Tensor other) -> bool", body=_equal,
    doc="Whether two tensors have the same shape and elements.")  # fmt: skip
