"""Activation functions of neural networks. Where the derivative is worth one operation of its own,
there is a row `<name>_backward`, whose own derivatives are written with other rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval
from . import mask_kernels
from .formulas import Samples, float_only, one, with_gradient
from .lowering import activations as low
from .lowering.pointwise import arithmetic
from .rules import matching, pointwise
from .table import Spec, call, row

_SLOPES: Samples = lambda m: [((m(2, 3), m(2, 3)), {}), ((m(), m()), {})]  # noqa: E731


def _kept(chosen: Any, grad: Any) -> Any:
    """The gradient where it passes, zero elsewhere."""
    return mask_kernels.kept(chosen, grad)


# --- cut off ------------------------------------------------------------------------------------


def _relu_rule(x: Aval) -> Spec:
    if x.dtype is dtypes.bool_:
        raise RuntimeError("Boolean inputs are not supported")
    return pointwise(allow="if")(x)


row(
    "relu(Tensor input) -> Tensor",
    rule=_relu_rule, numpy=lambda x: np.maximum(x, 0), forms="fmi",
    lower=low.relu,
    grads={"input": lambda grad, result: call.threshold_backward(grad, result, 0)},
    samples=one(), doc="max(0, input).",
)  # fmt: skip

row(
    "threshold_backward(Tensor grad_output, Tensor input, number threshold) -> Tensor",
    rule=with_gradient, forms="", numpy=lambda g, x, threshold: _kept(~(x <= threshold), g),
    lower=low.threshold_backward,
    grads={"grad_output": lambda grad, input, threshold:
           call.threshold_backward(grad, input, threshold)},
    samples=lambda m: [((m(2, 3), m(2, 3), 0), {})],
    doc="The gradient where input is above the threshold, zero elsewhere.",
)  # fmt: skip



def _threshold_rule(x: Aval, threshold: Any, value: Any) -> Spec:
    spec = pointwise(allow="if")(x)
    for number in (threshold, value):
        dtypes.check_number(number, x.dtype)
    return spec


row(
    "threshold(Tensor input, number threshold, number value) -> Tensor",
    rule=_threshold_rule, forms="fi",
    numpy=lambda x, threshold, value:
        np.where(x <= threshold.real, np.asarray(value.real).astype(x.dtype), x),
    lower=low.threshold,
    grads={"input": lambda grad, input, threshold:
           call.threshold_backward(grad, input, threshold)},
    samples=one(0.05, -1.0), doc="input where it is above the threshold, `value` elsewhere.",
)  # fmt: skip



def _hardtanh_rule(x: Aval, low: float, high: float) -> Spec:
    """Bounds are numbers of the dtype; PyTorch has wide unsigned integers for no clamp."""
    spec = _relu_rule(x)
    if x.dtype.category == dtypes.INT:
        if not x.dtype.is_signed and x.dtype is not dtypes.uint8:
            raise NotImplementedError(f"not implemented for {x.dtype}")
        if not x.dtype.is_signed and min(low, high) < 0:
            raise RuntimeError(f"negative limits {low} and {high} for {x.dtype}")
        for bound in (low, high):
            dtypes.check_number(bound, x.dtype)
    return spec


row(
    "hardtanh(Tensor input, float min_val=-1.0, float max_val=1.0) -> Tensor",
    rule=_hardtanh_rule, forms="fi", where="nn",
    numpy=lambda x, low, high: np.minimum(np.maximum(x, x.dtype.type(low)), x.dtype.type(high)),
    lower=low.hardtanh,
    grads={"input": lambda grad, input, min_val, max_val:
           call.hardtanh_backward(grad, input, min_val, max_val)},
    samples=one(-0.55, 0.55), doc="input cut to [min_val, max_val].",
)  # fmt: skip

row(
    "hardtanh_backward(Tensor grad_output, Tensor input, float min_val, float max_val) -> Tensor",
    rule=with_gradient, forms="",
    numpy=lambda g, x, low, high: _kept(~((x <= low) | (x >= high)), g),
    lower=low.hardtanh_backward,
    grads={"grad_output": lambda grad, input, min_val, max_val:
           call.hardtanh_backward(grad, input, min_val, max_val)},
    samples=lambda m: [((m(2, 3), m(2, 3), -0.55, 0.55), {})],
    doc="The gradient where input is inside the bounds, zero elsewhere.",
)  # fmt: skip

row("relu6(Tensor input) -> Tensor", body=lambda input: call.hardtanh(input, 0.0, 6.0),
    where="nn", forms="fi", samples=one(), doc="min(max(0, input), 6).")  # fmt: skip

row(
    "hardsigmoid(Tensor input) -> Tensor",
    rule=float_only, forms="fi", where="nn", numpy=lambda x: np.clip(x + 3, 0, 6) / 6,
    lower=low.hardsigmoid,
    grads={"input": lambda grad, input:
           call.where_chosen((input > -3) & (input < 3), grad / 6, 0)},
    samples=one(), doc="relu6(input + 3) / 6.",
)  # fmt: skip

row(
    "hardswish(Tensor input) -> Tensor",
    rule=float_only, forms="fi", where="nn", numpy=lambda x: x * np.clip(x + 3, 0, 6) / 6,
    lower=low.hardswish,
    grads={"input": lambda grad, input: call.hardswish_backward(grad, input)},
    samples=one(), doc="input * relu6(input + 3) / 6.",
)  # fmt: skip


def _hardswish_slope(g: Any, x: Any) -> Any:
    return np.where(x <= -3, g.dtype.type(0), np.where(x < 3, g * (x / 3 + 0.5), g))


row(
    "hardswish_backward(Tensor grad_output, Tensor input) -> Tensor",
    rule=with_gradient, forms="", numpy=_hardswish_slope,
    lower=low.hardswish_backward,
    grads={"grad_output": lambda grad, input: call.hardswish_backward(grad, input),
           "input": lambda grad, grad_output, input:
               call.hardtanh_backward(grad * grad_output, input, -3.0, 3.0) / 3},
    samples=_SLOPES, doc="The gradient of hardswish.",
)  # fmt: skip


def _shrink_rule(x: Aval, lambd: float) -> Spec:
    if not lambd >= 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    return float_only(x)


row(
    "softshrink(Tensor input, float lambd=0.5) -> Tensor",
    rule=_shrink_rule, forms="fo", out="exact", where="nn",
    numpy=lambda x, lambd: np.where(
        x > lambd, x - lambd, np.where(x < -lambd, x + lambd, np.where(np.isnan(x), x, 0))),
    lower=low.softshrink,
    grads={"input": lambda grad, input, lambd: call.shrink_backward(grad, input, lambd)},
    samples=one(0.25), doc="input moved towards zero by lambd, and zero within it.",
)  # fmt: skip

row(
    "hardshrink(Tensor input, float lambd=0.5) -> Tensor",
    rule=float_only, forms="fmo", out="exact",
    numpy=lambda x, lambd: np.where((x >= -lambd) & (x <= lambd), x.dtype.type(0), x),
    lower=low.hardshrink,
    grads={"input": lambda grad, input, lambd: call.shrink_backward(grad, input, lambd)},
    samples=one(0.25), doc="input where |input| > lambd, zero elsewhere.",
)  # fmt: skip

row(
    "shrink_backward(Tensor grad_output, Tensor input, float lambd) -> Tensor",
    rule=with_gradient, forms="",
    numpy=lambda g, x, lambd: _kept(~((x >= -lambd) & (x <= lambd)), g),
    lower=low.shrink_backward,
    grads={"grad_output": lambda grad, input, lambd: call.shrink_backward(grad, input, lambd)},
    samples=lambda m: [((m(2, 3), m(2, 3), 0.25), {})],
    doc="The gradient where |input| > lambd, zero elsewhere.",
)  # fmt: skip


# --- leaky and exponential ----------------------------------------------------------------------

row(
    "leaky_relu(Tensor input, float negative_slope=0.01) -> Tensor",
    rule=float_only, forms="fi", where="nn",
    numpy=lambda x, slope: mask_kernels.chosen(x > 0, x, x * x.dtype.type(slope)),
    lower=low.leaky_relu,
    grads={"input": lambda grad, input, negative_slope:
           call.leaky_relu_backward(grad, input, negative_slope)},
    samples=one(0.1), doc="input where it is positive, negative_slope * input elsewhere.",
)  # fmt: skip

row(
    "leaky_relu_backward(Tensor grad_output, Tensor input, float negative_slope) -> Tensor",
    rule=with_gradient, forms="",
    numpy=lambda g, x, slope: mask_kernels.chosen(x > 0, g, g * g.dtype.type(slope)),
    lower=low.leaky_relu_backward,
    grads={"grad_output": lambda grad, input, negative_slope:
           call.leaky_relu_backward(grad, input, negative_slope)},
    samples=lambda m: [((m(2, 3), m(2, 3), 0.1), {})],
    doc="The gradient, times negative_slope where input is not positive.",
)  # fmt: skip


def _prelu(input: Any, weight: Any) -> Any:
    """input where it is positive, weight * input elsewhere.

    `weight` has one element, or one for each channel (dimension 1 of input).
    """
    if weight.ndim > 1:
        raise RuntimeError(
            f"prelu(): expected `weight` to be a scalar or 1D tensor, but got {list(weight.shape)}"
        )
    if weight.numel() != 1:
        if input.ndim == 0:
            raise RuntimeError("prelu(): a 0-d input takes a weight of one element")
        channels = input.shape[1] if input.ndim > 1 else 1
        if weight.numel() != channels:
            raise RuntimeError(
                f"prelu(): mismatch of parameter numbers and input channel size: weight has "
                f"{weight.numel()} elements, input {list(input.shape)} has {channels} channels"
            )
        weight = weight.reshape((1, -1) + (1,) * (input.ndim - 2))
    elif weight.ndim:
        weight = weight.reshape(())
    return call.prelu_kernel(input, weight)


row("prelu(Tensor input, Tensor weight) -> Tensor", body=_prelu,
    samples=lambda m: [((m(2, 3), m(3)), {}), ((m(2, 3, 2), m(1)), {}), ((m(), m()), {})],
    doc="A leaky ReLU whose slope is a tensor.")  # fmt: skip


def _prelu_rule(x: Aval, weight: Aval) -> Spec:
    dt = matching(x, weight)
    return Spec(float_only(x).aval.with_dtype(dt))


row(
    "prelu_kernel(Tensor input, Tensor weight) -> Tensor",
    rule=_prelu_rule, forms="", numpy=lambda x, w: np.where(x > 0, x, x * w), node="PreluKernel",
    lower=low.prelu,
    grads={"input": lambda grad, input, weight:
               call.where_chosen(input > 0, grad, grad * weight),
           "weight": lambda grad, input: call.where_chosen(input > 0, 0, grad * input)},
    samples=lambda m: [((m(2, 3), m(1, 3)), {}), ((m(2), m()), {})],
    doc="prelu() with a weight that broadcasts.",
)  # fmt: skip

row(
    "rrelu_with_noise(Tensor input, Tensor noise) -> Tensor",
    rule=with_gradient, forms="", numpy=np.multiply,
    lower=arithmetic("mul"),
    grads={"input": lambda grad, noise: grad * noise,
           "noise": lambda grad, input: grad * input},
    samples=_SLOPES, doc="rrelu() with its slopes drawn.",
)  # fmt: skip


def _rrelu(
    input: Any, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False,
    generator: Any = None,
) -> Any:  # fmt: skip
    """A leaky ReLU. In training the slope of each element that is not positive is drawn from
    [lower, upper]; otherwise it is the middle of the two."""
    if lower > upper:
        raise RuntimeError(f"rrelu(): lower {lower} should not be above upper {upper}")
    if not training:
        return call.leaky_relu(input, (lower + upper) / 2)
    negative = input.detach() <= 0
    if not input.is_cpu:  # all elements are drawn: how many are negative would have to be waited for
        slopes = call.full_like(input.detach(), 1.0).uniform_(lower, upper, generator=generator)
        return call.rrelu_with_noise(input, call.where(negative, slopes, 1.0))
    # PyTorch draws in float64 for these elements alone, in their order.
    noise = call.full(tuple(input.shape), 1.0, dtype=input.dtype)
    count = int(negative.sum())
    if count:
        drawn = call.empty((count,), dtype=dtypes.float64)
        noise[negative] = drawn.uniform_(lower, upper, generator=generator).to(input.dtype)
    return call.rrelu_with_noise(input, noise)


row("rrelu(Tensor input, float lower=0.125, float upper=1 / 3, bool training=False) -> Tensor",
    body=_rrelu, forms="fi", samples=one(), doc="A leaky ReLU with random slopes.")  # fmt: skip


def _elu(x: Any, alpha: float, scale: float, input_scale: float) -> Any:
    kind = x.dtype.type
    negative = np.expm1(np.minimum(x, 0) * kind(input_scale)) * kind(alpha * scale)
    return np.where(x > 0, x * kind(scale), negative)


def _elu_slope(g: Any, x: Any, alpha: float, scale: float, input_scale: float) -> Any:
    kind = g.dtype.type
    # NaN counts as positive, as in PyTorch.
    negative = np.exp(np.minimum(x, 0) * kind(input_scale)) * kind(alpha * scale * input_scale)
    return g * np.where(x <= 0, negative, kind(scale))


row(
    "elu(Tensor input, float alpha=1.0, float scale=1.0, float input_scale=1.0) -> Tensor",
    rule=float_only, forms="fi", where="nn", numpy=_elu,
    lower=low.elu,
    grads={"input": lambda grad, input, alpha, scale, input_scale:
           call.elu_backward(grad, input, alpha, scale, input_scale)},
    samples=lambda m: [*one(0.7)(m), ((m(2, 3), 1.5, 1.2, 0.8), {})],
    doc="scale * input where it is positive, scale * alpha * (exp(input_scale * input) - 1) "
    "elsewhere.",
)  # fmt: skip


def _elu_second(
    grad: Any, grad_output: Any, input: Any, alpha: float, scale: float, input_scale: float
) -> Any:
    slope = call.elu_backward(grad * grad_output, input, alpha, scale, input_scale)
    return call.where_chosen(input > 0, 0, slope * input_scale)


row(
    "elu_backward(Tensor grad_output, Tensor input, float alpha, float scale, float input_scale)"
    " -> Tensor",
    rule=with_gradient, forms="", numpy=_elu_slope,
    lower=low.elu_backward,
    grads={"grad_output": lambda grad, input, alpha, scale, input_scale:
               call.elu_backward(grad, input, alpha, scale, input_scale),
           "input": _elu_second},
    samples=lambda m: [((m(2, 3), m(2, 3), 1.5, 1.2, 0.8), {})],
    doc="The gradient of elu, selu and celu.",
)  # fmt: skip

_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805

row("selu(Tensor input) -> Tensor", forms="fi", samples=one(),
    body=lambda input: call.elu(input, _SELU_ALPHA, _SELU_SCALE, 1.0),
    doc="The self-normalising ELU of Klambauer et al. (2017).")  # fmt: skip


def _celu_rule(x: Aval, alpha: float) -> Spec:
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return float_only(x)


row(
    "celu(Tensor input, float alpha=1.0) -> Tensor",
    rule=_celu_rule, forms="fi", numpy=lambda x, alpha: _elu(x, alpha, 1.0, 1.0 / alpha),
    lower=low.celu,
    grads={"input": lambda grad, input, alpha:
           call.elu_backward(grad, input, alpha, 1.0, 1.0 / alpha)},
    samples=one(1.3), doc="max(0, input) + min(0, alpha * (exp(input / alpha) - 1)).",
)  # fmt: skip
