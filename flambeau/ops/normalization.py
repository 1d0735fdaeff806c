"""Batch, layer, group and instance normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.aval import Aval, aval
from .rules import floating
from .table import Spec, call, row


def _batch_rule(
    x: Aval, w: Any, b: Any, mean: Any, var: Any, training: bool, eps: float
) -> Spec:
    floating("batch_norm", x)
    if x.ndim < 2:
        raise RuntimeError(f"expected at least 2D input, got {x.ndim}D input of {list(x.shape)}")
    channels = x.shape[1]
    for name, part in (("weight", w), ("bias", b), ("running_mean", mean), ("running_var", var)):
        if part is not None and part.numel != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {part.numel}")
    if not training and (mean is None or var is None):
        raise RuntimeError("running_mean and running_var must be defined in evaluation mode")
    stat = aval((channels,), x.dtype, x.device)
    return Spec((x, stat, stat))


def _shaped(v: Any, ndim: int) -> Any:
    return v.reshape(1, -1, *[1] * (ndim - 2))


def _batch(
    x: np.ndarray, w: Any, b: Any, mean: Any, var: Any, training: bool, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    axes = (0, *range(2, x.ndim))
    if training:
        mean = x.mean(axes)
        centred = x - _shaped(mean, x.ndim)
        var = np.square(centred).mean(axes)
    else:
        centred = x - _shaped(mean, x.ndim)
    scale = 1 / np.sqrt(var + x.dtype.type(eps))
    out = centred * _shaped(scale if w is None else scale * w, x.ndim)
    if b is not None:
        out += _shaped(b, x.ndim)
    return out, mean, var


def _batch_backward(
    grad: Any, input: Any, weight: Any, mean: Any, var: Any, training: bool, eps: float,
    batch_mean: Any, batch_var: Any, needs: Any,
) -> Any:  # fmt: skip
    """Ioffe and Szegedy 2015, section 3. With y = w * xhat + b over n elements a channel:
    dx = w / std * (dy - mean(dy) - xhat * mean(dy * xhat)). Statistics are taken from the forward
    pass unless the derivative itself is differentiated."""
    axes = (0, *range(2, input.ndim))
    n = input.numel() // max(input.shape[1], 1)
    if training:
        if call.grad_enabled():
            mean = input.mean(axes)
            var = (input - _shaped(mean, input.ndim)).square().mean(axes)
        else:
            mean, var = batch_mean.detach(), batch_var.detach()
    scale = _shaped((var + eps).rsqrt(), input.ndim)
    xhat = (input - _shaped(mean, input.ndim)) * scale
    total = grad.sum(axes) if needs[2] or training else None
    along = (grad * xhat).sum(axes) if needs[1] or training else None
    dx = None
    if needs[0]:
        inner = grad
        if training:
            inner = grad - (_shaped(total, input.ndim) + xhat * _shaped(along, input.ndim)) / n
        dx = inner * (scale if weight is None else scale * _shaped(weight, input.ndim))
    return dx, along if needs[1] else None, total if needs[2] else None


row(
    "native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, "
    "Tensor? running_var, bool training, float eps) -> (output, batch_mean, batch_var)",
    rule=_batch_rule, numpy=_batch, forms="", node="NativeBatchNormBackward0",
    grads={("input", "weight", "bias"):
           lambda grad, input, weight, running_mean, running_var, training, eps, batch_mean, batch_var, needs:
           _batch_backward(grad, input, weight, running_mean, running_var, training, eps, batch_mean, batch_var, needs)},
    doc="Normalised over all dimensions but the second; also the batch's mean and variance.",
)  # fmt: skip


def _batch_norm(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool,
    momentum: float, eps: float, cudnn_enabled: bool = True,
) -> Any:  # fmt: skip
    """Batch normalisation of (N, C, *). In training, running statistics move towards the batch's
    by `momentum` (the variance's unbiased estimate)."""
    out, mean, var = call.native_batch_norm(
        input, weight, bias, running_mean, running_var, bool(training), eps
    )
    if training and running_mean is not None:
        n = input.numel() // max(input.shape[1], 1)
        keep = 1 - momentum
        stat_mean, stat_var = mean.detach(), var.detach()
        running_mean.data.copy_(running_mean.detach() * keep + stat_mean * momentum)
        unbiased = momentum * n / max(n - 1, 1)
        running_var.data.copy_(running_var.detach() * keep + stat_var * unbiased)
    return out


row("batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var) -> Tensor",
    body=_batch_norm, forms="f",
    samples=lambda m: [((m(4, 2, 3), m(2), m(2), None, None, True, 0.1, 1e-5), {}),
                       ((m(4, 2), None, None, m(2).detach(), m(2, low=0.5, high=2.0).detach(), False, 0.1, 1e-5), {})],
    doc="See body.")  # fmt: skip


def _layer_rule(x: Aval, w: Any, b: Any, shape: Any, eps: float) -> Spec:
    floating("LayerNormKernelImpl", x)
    n = len(shape)
    if not n or tuple(x.shape[x.ndim - n :]) != tuple(shape) or n > x.ndim:
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape "
            f"[*, {', '.join(map(str, shape))}], but got input of size{list(x.shape)}"
        )
    for name, part in (("weight", w), ("bias", b)):
        if part is not None and tuple(part.shape) != tuple(shape):
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape "
                f"{list(part.shape)} and normalized_shape = {list(shape)}"
            )
    stat = aval((*x.shape[: x.ndim - n], *[1] * n), x.dtype, x.device)
    return Spec((x, stat, stat))


def _layer(
    x: np.ndarray, w: Any, b: Any, shape: Any, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    axes = tuple(range(x.ndim - len(shape), x.ndim))
    mean = x.mean(axes, keepdims=True)
    centred = x - mean
    rstd = 1 / np.sqrt(np.square(centred).mean(axes, keepdims=True) + x.dtype.type(eps))
    out = centred * rstd
    if w is not None:
        out = out * w
    return (out if b is None else out + b), mean, rstd


def _layer_backward(
    grad: Any, input: Any, weight: Any, shape: Any, eps: float, mean: Any, rstd: Any, needs: Any
) -> Any:
    """Ba, Kiros and Hinton 2016: as batch normalisation, over the last dimensions."""
    n = len(shape)
    axes = tuple(range(input.ndim - n, input.ndim))
    lead = tuple(range(input.ndim - n))
    if call.grad_enabled():
        mean = input.mean(axes, True)
        rstd = ((input - mean).square().mean(axes, True) + eps).rsqrt()
    else:
        mean, rstd = mean.detach(), rstd.detach()
    xhat = (input - mean) * rstd
    dx = dw = db = None
    if needs[0]:
        g = grad if weight is None else grad * weight
        dx = (g - g.mean(axes, True) - xhat * (g * xhat).mean(axes, True)) * rstd
    if needs[1]:
        dw = (grad * xhat).sum(lead) if lead else grad * xhat
    if needs[2]:
        db = grad.sum(lead) if lead else grad
    return dx, dw, db


row(
    "native_layer_norm(Tensor input, Tensor? weight, Tensor? bias, int[] normalized_shape, float eps) -> (output, mean, rstd)",
    rule=_layer_rule, numpy=_layer, forms="", node="NativeLayerNormBackward0",
    grads={("input", "weight", "bias"):
           lambda grad, input, weight, normalized_shape, eps, mean, rstd, needs:
           _layer_backward(grad, input, weight, normalized_shape, eps, mean, rstd, needs)},
    doc="Normalised over the last dimensions; also the mean and 1 / std.",
)  # fmt: skip


def _layer_norm(
    input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Any:  # fmt: skip
    """Layer normalisation over the last dimensions, of shape `normalized_shape`."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    return call.native_layer_norm(input, weight, bias, shape, eps)[0]


row("layer_norm(Tensor input, any normalized_shape) -> Tensor", body=_layer_norm, forms="f",
    samples=lambda m: [((m(4, 3), (3,), m(3), m(3)), {}), ((m(2, 3, 2), (3, 2)), {})],
    doc="See body.")  # fmt: skip


def _group_norm(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Any:  # fmt: skip
    """Normalisation of (N, C, *) over groups of channels, then by channel weight and bias."""
    if input.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.ndim}")
    n, c = input.shape[:2]
    if num_groups <= 0 or c % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of "
            f"shape {list(input.shape)} and num_groups={num_groups}"
        )
    flat = input.reshape(n, num_groups, input.numel() // max(n * num_groups, 1))
    out = call.native_layer_norm(flat, None, None, (flat.shape[2],), eps)[0].reshape(input.shape)
    if weight is not None:
        out = out * weight.reshape(1, -1, *[1] * (input.ndim - 2))
    return out if bias is None else out + bias.reshape(1, -1, *[1] * (input.ndim - 2))


row("group_norm(Tensor input, int num_groups) -> Tensor", body=_group_norm, forms="f",
    samples=lambda m: [((m(2, 4, 3), 2, m(4), m(4)), {}), ((m(2, 2), 1), {})],
    doc="See body.")  # fmt: skip


def _instance_norm(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any,
    use_input_stats: bool, momentum: float, eps: float, cudnn_enabled: bool = True,
) -> Any:  # fmt: skip
    """Batch normalisation of each sample by itself."""
    if not use_input_stats:
        return _batch_norm(input, weight, bias, running_mean, running_var, False, momentum, eps)
    n, c = input.shape[:2]
    flat = input.reshape(1, n * c, *input.shape[2:])
    out, mean, var = call.native_batch_norm(flat, None, None, None, None, True, eps)
    if running_mean is not None:
        count = input.numel() // max(n * c, 1)
        means, variances = mean.detach().reshape(n, c).mean(0), var.detach().reshape(n, c).mean(0)
        variances = variances * (count / max(count - 1, 1))
        running_mean.data.copy_(running_mean.detach() * (1 - momentum) + means * momentum)
        running_var.data.copy_(running_var.detach() * (1 - momentum) + variances * momentum)
    out = out.reshape(input.shape)
    if weight is not None:
        out = out * weight.reshape(1, -1, *[1] * (input.ndim - 2))
    return out if bias is None else out + bias.reshape(1, -1, *[1] * (input.ndim - 2))


row("instance_norm(Tensor input, Tensor? weight, Tensor? bias) -> Tensor", body=_instance_norm,
    forms="f", samples=lambda m: [((m(2, 2, 4), m(2), m(2), None, None, True, 0.1, 1e-5), {})],
    doc="See body.")  # fmt: skip


def _rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: Any = None) -> Any:
    """input / sqrt(mean(input^2) + eps) over the last dimensions (Zhang and Sennrich 2019)."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    axes = tuple(range(input.ndim - len(shape), input.ndim))
    if tuple(input.shape[input.ndim - len(shape) :]) != shape:
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*, "
            f"{', '.join(map(str, shape))}], but got input of size{list(input.shape)}"
        )
    small = np.finfo(input.dtype.np).eps if eps is None else eps
    out = input * (input.square().mean(axes, True) + float(small)).rsqrt()
    return out if weight is None else out * weight


row("rms_norm(Tensor input, any normalized_shape) -> Tensor", body=_rms_norm, forms="f",
    samples=lambda m: [((m(2, 3), (3,), m(3)), {})], doc="See body.")  # fmt: skip
