"""Comparisons, choices between elements by a mask or by size, and tests of single elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes, layout
from ..core.aval import Aval, aval
from .formulas import refusing, two, two_or_number
from .rules import common_dtype, common_shape, pointwise
from .table import Spec, call, row

_COMPARED = two_or_number()


row(
    "eq(Tensor input, Operand other) -> Tensor", rule=pointwise("bool"), numpy=np.equal,
    forms="fmio", samples=_COMPARED, doc="Whether input == other, element by element.",
)  # fmt: skip

row(
    "ne(Tensor input, Operand other) -> Tensor", rule=pointwise("bool"), numpy=np.not_equal,
    forms="fmio", alias=("not_equal",), samples=_COMPARED,
    doc="Whether input != other, element by element.",
)  # fmt: skip

row(
    "lt(Tensor input, Operand other) -> Tensor", rule=pointwise("bool", allow="bif"),
    numpy=np.less, forms="fmio", alias=("less",), samples=_COMPARED,
    doc="Whether input < other, element by element.",
)  # fmt: skip

row(
    "le(Tensor input, Operand other) -> Tensor", rule=pointwise("bool", allow="bif"),
    numpy=np.less_equal, forms="fmio", alias=("less_equal",), samples=_COMPARED,
    doc="Whether input <= other, element by element.",
)  # fmt: skip

row(
    "gt(Tensor input, Operand other) -> Tensor", rule=pointwise("bool", allow="bif"),
    numpy=np.greater, forms="fmio", alias=("greater",), samples=_COMPARED,
    doc="Whether input > other, element by element.",
)  # fmt: skip

row(
    "ge(Tensor input, Operand other) -> Tensor", rule=pointwise("bool", allow="bif"),
    numpy=np.greater_equal, forms="fmio", alias=("greater_equal",), samples=_COMPARED,
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
    grads={"input": lambda grad, input, other: _shared(grad, input < other, input == other),
           "other": lambda grad, input, other: _shared(grad, other < input, input == other)},
    samples=two(), doc="The larger of two elements; NaN where one of them is.",
)  # fmt: skip

row(
    "minimum(Tensor input, Tensor other) -> Tensor", rule=_no_complex("minimum"),
    numpy=np.minimum, forms="fmo",
    grads={"input": lambda grad, input, other: _shared(grad, input > other, input == other),
           "other": lambda grad, input, other: _shared(grad, other > input, input == other)},
    samples=two(), doc="The smaller of two elements; NaN where one of them is.",
)  # fmt: skip

row(
    "fmax(Tensor input, Tensor other) -> Tensor", rule=_no_complex("fmax"), numpy=np.fmax,
    forms="fmo",
    grads={"input": lambda grad, input, other: _chosen(grad, (input >= other) | call.isnan(other)),
           "other": lambda grad, input, other: _passed(grad, (input >= other) | call.isnan(other))},
    samples=two(), doc="The larger of two elements; a number wins over NaN.",
)  # fmt: skip

row(
    "fmin(Tensor input, Tensor other) -> Tensor", rule=_no_complex("fmin"), numpy=np.fmin,
    forms="fmo",
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
    "heaviside(Tensor input, Tensor values) -> Tensor", rule=_heaviside_rule, forms="fmio",
    numpy=lambda x, values: np.where(x == 0, values, np.where(np.isnan(x), x, x > 0)),
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
    close = (a == b) | (np.isfinite(a) & np.isfinite(b) & (np.abs(a - b) <= atol + rtol * np.abs(b)))
    return close | (np.isnan(a) & np.isnan(b)) if equal_nan else close


row(
    "isclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, "
    "bool equal_nan=False) -> Tensor",
    rule=_isclose_rule, numpy=_isclose, samples=two(),
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


# --- choices by a mask --------------------------------------------------------------------------


def _where_rule(condition: Aval, a: Any, b: Any) -> Spec:
    if condition.dtype is not dtypes.bool_ and condition.dtype is not dtypes.uint8:
        raise RuntimeError(
            f"expected condition to be a boolean tensor, but got a tensor with dtype "
            f"{condition.dtype}"
        )
    dt = common_dtype((a, b))
    return Spec(aval(common_shape((condition, a, b)), dt, condition.device), dt)


def _where(condition: np.ndarray, a: Any, b: Any) -> Any:
    if condition.dtype != np.bool_:
        condition = condition != 0
    kind = next((x.dtype for x in (a, b) if isinstance(x, np.ndarray)), None)
    if kind is not None and kind.kind in "iu":
        a, b = _as_integer(a, kind), _as_integer(b, kind)
    return np.where(condition, a, b)


def _as_integer(x: Any, kind: np.dtype[Any]) -> Any:
    """An integer number as C converts it: out of range it wraps around."""
    return np.array(x, np.int64).astype(kind) if isinstance(x, int) else x


row(
    "where_chosen(Tensor condition, Operand input, Operand other) -> Tensor",
    rule=_where_rule, numpy=_where, forms="", node="WhereBackward0", keeps=("condition",),
    grads={"input": lambda grad, condition: call.where_chosen(condition, grad, 0),
           "other": lambda grad, condition: call.where_chosen(condition, 0, grad)},
    samples=lambda m: [((m.bool(2, 3), m(2, 3), m(2, 3)), {}), ((m.bool(2, 1), m(3), m()), {}), ((m.bool(3), m(3), 2.0), {}), ((m.bool(2, 0), m(0), 1), {})],
    doc="where() with its three arguments.",
)  # fmt: skip


def _where_body(condition: Any, input: Any = None, other: Any = None) -> Any:
    """`input` where `condition` holds, else `other`: tensors or numbers, broadcast together.

    With the condition alone: the indices of its true elements, as a tuple with one tensor for each
    dimension. RuntimeError if the condition is not boolean.
    """
    if other is None:
        if input is not None:
            raise TypeError(
                "where(): expected (condition) or (condition, input, other), got no `other`"
            )
        return call.nonzero(condition, as_tuple=True)
    return call.where_chosen(condition, input, other)


row("where(Tensor condition, Operand input, Operand other) -> Tensor", body=_where_body,
    forms="fo", doc="Elements of one tensor or another.",
    samples=lambda m: [((m.bool(2, 3), m(2, 3), m(2, 3)), {}), ((m.bool(2, 1), m(3), 2.0), {})],
)  # fmt: skip

row(
    "where_method(Tensor input, Tensor condition, Operand other) -> Tensor", forms="m",
    body=lambda input, condition, other: call.where_chosen(condition, input, other),
    alias=("where",), samples=lambda m: [((m(2, 3), m.bool(3), 2.0), {})],
    doc="The tensor's own elements where `condition` holds, else those of `other`.",
)  # fmt: skip


def _mask_rule(x: Aval, mask: Aval, value: Any) -> Spec:
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(f"only supports boolean masks, but got mask with dtype {mask.dtype}")
    if isinstance(value, Aval) and value.ndim:
        raise RuntimeError(
            "only supports a 0-dimensional value tensor, but got tensor with "
            f"{value.ndim} dimension(s) (shape {list(value.shape)})"
        )
    if value is complex and not x.dtype.is_complex:
        raise RuntimeError(f"a complex value cannot be converted to {x.dtype} without overflow")
    return Spec(x.with_shape(layout.broadcast(x.shape, mask.shape)), x.dtype)


def _mask_filled(x: np.ndarray, mask: np.ndarray, value: Any) -> np.ndarray:
    if not isinstance(value, np.ndarray):
        if isinstance(value, float) and x.dtype.kind in "iu":
            value = int(value)
        value = _as_integer(value, x.dtype) if x.dtype.kind in "iu" else x.dtype.type(value)
    return np.where(mask, value, x)


row(
    "masked_fill(Tensor input, Tensor mask, Operand value) -> Tensor",
    rule=_mask_rule, numpy=_mask_filled, forms="fmi", keeps=("mask",),
    grads={"input": lambda grad, mask: grad.masked_fill(mask, 0),
           "value": lambda grad, mask: call.where_chosen(mask, grad, 0).sum()},
    samples=lambda m: [((m(2, 3), m.bool(2, 3), 1.5), {}), ((m(3), m.bool(2, 1), m()), {}), ((m(), m.bool(2), -1), {}), ((m(0), m.bool(0), 2.0), {})],
    doc="input with the elements that `mask` marks replaced by a number or 0-d tensor.",
)  # fmt: skip


# --- bounds -------------------------------------------------------------------------------------


def _bounded(x: Aval, *bounds: Any) -> Spec:
    spec = pointwise()(x, *(b for b in bounds if b is not None))
    if spec.aval.dtype.is_complex:
        raise NotImplementedError(f"not supported for complex dtype {spec.aval.dtype}")
    return spec


def _clip(x: np.ndarray, low: Any, high: Any) -> Any:
    # In this order, so that the upper bound wins where the two are crossed.
    if low is not None:
        x = np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


def _within(grad: Any, input: Any, low: Any, high: Any) -> Any:
    """The gradient where an element is within its bounds, zero elsewhere."""
    if low is None:
        inside = input <= high
    else:
        inside = input >= low if high is None else (input >= low) & (input <= high)
    return call.where_chosen(inside, grad, 0)


row(
    "clamp_numbers(Tensor input, Scalar min, Scalar max) -> Tensor",
    rule=_bounded, numpy=_clip, forms="", node="ClampBackward1",
    grads={"input": lambda grad, input, min, max: _within(grad, input, min, max)},
    samples=lambda m: [((m(2, 3), -0.55, 0.55), {}), ((m(), 0, 1), {}), ((m(0), -1, 1.0), {})],
    doc="clamp() between two numbers.",
)  # fmt: skip

row(
    "clamp_low(Tensor input, Scalar min) -> Tensor",
    rule=_bounded, numpy=lambda x, low: np.maximum(x, low), forms="", node="ClampBackward1",
    grads={"input": lambda grad, input, min: _within(grad, input, min, None)},
    samples=lambda m: [((m(2, 3), 0.05), {}), ((m(), 0), {})],
    doc="clamp() with a lower number alone.",
)  # fmt: skip

row(
    "clamp_high(Tensor input, Scalar max) -> Tensor",
    rule=_bounded, numpy=lambda x, high: np.minimum(x, high), forms="", node="ClampBackward1",
    grads={"input": lambda grad, input, max: _within(grad, input, None, max)},
    samples=lambda m: [((m(2, 3), 0.05), {}), ((m(), 0), {})],
    doc="clamp() with an upper number alone.",
)  # fmt: skip


def _below(grad: Any, input: Any, low: Any, high: Any) -> Any:
    chosen = input < low
    return call.where_chosen(chosen if high is None else chosen & (low < high), grad, 0)


def _above(grad: Any, input: Any, low: Any, high: Any) -> Any:
    chosen = input > high
    return call.where_chosen(chosen if low is None else chosen | (high < low), grad, 0)


row(
    "clamp_tensors(Tensor input, Tensor? min, Tensor? max) -> Tensor",
    rule=_bounded, numpy=_clip, forms="", node="ClampBackward0",
    grads={"input": lambda grad, input, min, max: _within(grad, input, min, max),
           "min": lambda grad, input, min, max: _below(grad, input, min, max),
           "max": lambda grad, input, min, max: _above(grad, input, min, max)},
    samples=lambda m: [((m(2, 3), m(3), m(2, 1) + 0.5), {}), ((m(3), None, m()), {}), ((m(3), m(3), None), {}), ((m(0), m(0), None), {})],
    doc="clamp() between the elements of tensors.",
)  # fmt: skip


def _clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    """Elements below `min` raised to it, those above `max` lowered to it; None is no bound.

    The bounds are two numbers or two tensors, which broadcast. Where min is above max, the result
    is max. RuntimeError if both bounds are None.
    """
    if min is None and max is None:
        raise RuntimeError("clamp(): at least one of 'min' or 'max' must not be None")
    tensors = [b for b in (min, max) if hasattr(b, "is_complex")]
    if tensors:
        if len(tensors) < (min is not None) + (max is not None):
            raise TypeError(
                "clamp(): min and max must be two numbers or two tensors, got "
                f"{type(min).__name__} and {type(max).__name__}"
            )
        return call.clamp_tensors(input, min, max)
    if min is None:
        return call.clamp_high(input, max)
    return call.clamp_low(input, min) if max is None else call.clamp_numbers(input, min, max)


row("clamp(Tensor input, any min=None, any max=None) -> Tensor", body=_clamp, forms="fmio",
    alias=("clip",), doc="Elements cut to an interval.",
    samples=lambda m: [((m(2, 3), -0.55, 0.55), {}), ((m(3),), {"max": 0.05}), ((m(3), m(3)), {})],
)  # fmt: skip

row(
    "clamp_min(Tensor input, Operand min) -> Tensor",
    rule=_bounded, numpy=lambda x, low: np.maximum(x, low), forms="fmio",
    grads={"input": lambda grad, input, min: _within(grad, input, min, None),
           "min": lambda grad, input, min: call.where_chosen(input < min, grad, 0)},
    samples=lambda m: [((m(2, 3), 0.05), {}), ((m(2, 1), m(3)), {})],
    doc="Elements below `min` raised to it.",
)  # fmt: skip

row(
    "clamp_max(Tensor input, Operand max) -> Tensor",
    rule=_bounded, numpy=lambda x, high: np.minimum(x, high), forms="fmio",
    grads={"input": lambda grad, input, max: _within(grad, input, None, max),
           "max": lambda grad, input, max: call.where_chosen(input > max, grad, 0)},
    samples=lambda m: [((m(2, 3), 0.05), {}), ((m(2, 1), m(3)), {})],
    doc="Elements above `max` lowered to it.",
)  # fmt: skip
