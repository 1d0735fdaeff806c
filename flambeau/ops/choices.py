"""Choices between elements: by a mask (where, masked_fill) and by bounds (clamp)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes, layout
from ..core.aval import Aval, aval
from . import mask_kernels
from .lowering import pointwise as low
from .rules import common_dtype, common_shape, pointwise
from .table import Spec, call, row

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
    if kind is not None and kind.kind == "f":
        a, b = (x if isinstance(x, np.ndarray) else kind.type(x) for x in (a, b))
        return mask_kernels.chosen(condition, a, b)
    return np.where(condition, a, b)


def _as_integer(x: Any, kind: np.dtype[Any]) -> Any:
    """An integer number as C converts it: out of range it wraps around."""
    return np.array(x, np.int64).astype(kind) if isinstance(x, int) else x


row(
    "where_chosen(Tensor condition, Operand input, Operand other) -> Tensor",
    rule=_where_rule, numpy=_where, forms="", node="WhereBackward0", keeps=("condition",),
    lower=low.where,
    grads={"input": lambda grad, condition: call.where_chosen(condition, grad, 0),
           "other": lambda grad, condition: call.where_chosen(condition, 0, grad)},
    samples=lambda m: [
        ((m.bool(2, 3), m(2, 3), m(2, 3)), {}), ((m.bool(2, 1), m(3), m()), {}),
        ((m.bool(3), m(3), 2.0), {}), ((m.bool(2, 0), m(0), 1), {}),
    ],
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
    forms="fo", out="exact", doc="Elements of one tensor or another.",
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
    kind = value.dtype.is_complex if isinstance(value, Aval) else value is complex
    if kind and not x.dtype.is_complex:
        raise RuntimeError(f"a complex value cannot be converted to {x.dtype} without overflow")
    return Spec(x.with_shape(layout.broadcast(x.shape, mask.shape)), x.dtype)


def _mask_check(fetch: Any, x: Aval, mask: Aval, value: Any) -> None:
    """A number that the dtype does not have."""
    if value is float or value is int or value is complex:
        dtypes.check_number(fetch(2), x.dtype)


def _mask_filled(x: np.ndarray, mask: np.ndarray, value: Any) -> np.ndarray:
    if not isinstance(value, np.ndarray):
        if isinstance(value, float) and x.dtype.kind in "iu":
            value = int(value)
        value = _as_integer(value, x.dtype) if x.dtype.kind in "iu" else x.dtype.type(value)
    return mask_kernels.chosen(mask, value, x)


row(
    "masked_fill(Tensor input, Tensor mask, Operand value) -> Tensor",
    rule=_mask_rule, numpy=_mask_filled, forms="fmi", keeps=("mask",), check=_mask_check,
    lower=low.masked_fill,
    node="MaskedFillBackward1", number_node="MaskedFillBackward0",
    grads={"input": lambda grad, mask: grad.masked_fill(mask, 0),
           "value": lambda grad, mask: call.where_chosen(mask, grad, 0).sum()},
    samples=lambda m: [
        ((m(2, 3), m.bool(2, 3), 1.5), {}), ((m(3), m.bool(2, 1), m()), {}),
        ((m(), m.bool(2), -1), {}), ((m(0), m.bool(0), 2.0), {}),
    ],
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
    lower=low.clamp,
    grads={"input": lambda grad, input, min, max: _within(grad, input, min, max)},
    samples=lambda m: [((m(2, 3), -0.55, 0.55), {}), ((m(), 0, 1), {}), ((m(0), -1, 1.0), {})],
    doc="clamp() between two numbers.",
)  # fmt: skip

row(
    "clamp_low(Tensor input, Scalar min) -> Tensor",
    rule=_bounded, numpy=lambda x, low: np.maximum(x, low), forms="", node="ClampBackward1",
    lower=lambda b, x, least: low.clamp(b, x, least, None),
    grads={"input": lambda grad, input, min: _within(grad, input, min, None)},
    samples=lambda m: [((m(2, 3), 0.05), {}), ((m(), 0), {})],
    doc="clamp() with a lower number alone.",
)  # fmt: skip

row(
    "clamp_high(Tensor input, Scalar max) -> Tensor",
    rule=_bounded, numpy=lambda x, high: np.minimum(x, high), forms="", node="ClampBackward1",
    lower=lambda b, x, most: low.clamp(b, x, None, most),
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
    lower=low.clamp,
    grads={"input": lambda grad, input, min, max: _within(grad, input, min, max),
           "min": lambda grad, input, min, max: _below(grad, input, min, max),
           "max": lambda grad, input, min, max: _above(grad, input, min, max)},
    samples=lambda m: [
        ((m(2, 3), m(3), m(2, 1) + 0.5), {}), ((m(3), None, m()), {}), ((m(3), m(3), None), {}),
        ((m(0), m(0), None), {}),
    ],
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
    lower=lambda b, x, least: low.clamp(b, x, least, None),
    node="ClampMinBackward1", number_node="ClampMinBackward0",
    grads={"input": lambda grad, input, min: _within(grad, input, min, None),
           "min": lambda grad, input, min: call.where_chosen(input < min, grad, 0)},
    samples=lambda m: [((m(2, 3), 0.05), {}), ((m(2, 1), m(3)), {})],
    doc="Elements below `min` raised to it.",
)  # fmt: skip

row(
    "clamp_max(Tensor input, Operand max) -> Tensor",
    rule=_bounded, numpy=lambda x, high: np.minimum(x, high), forms="fmio",
    lower=lambda b, x, most: low.clamp(b, x, None, most),
    node="ClampMaxBackward1", number_node="ClampMaxBackward0",
    grads={"input": lambda grad, input, max: _within(grad, input, None, max),
           "max": lambda grad, input, max: call.where_chosen(input > max, grad, 0)},
    samples=lambda m: [((m(2, 3), 0.05), {}), ((m(2, 1), m(3)), {})],
    doc="Elements above `max` lowered to it.",
)  # fmt: skip
