"""Batch, layer, group, instance and root-mean-square normalisation.

The derivatives are written twice: as one row, which is what runs, and in terms of operations, for
derivatives of derivatives.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval, aval
from ..errors import shape_text
from .lowering import normalization as low
from .rules import floating
from .table import Spec, call, row

Array = np.ndarray


def _check_parameters(x: Aval, *parts: Aval | None) -> None:
    """Weights have the input's dtype, or float32 beside a 16-bit one."""
    for p in parts:
        if p is not None and p.dtype is not x.dtype and not (
            x.dtype.is_narrow and p.dtype is dtypes.float32
        ):
            raise RuntimeError(
                f"mixed dtype: expected parameters of {x.dtype} beside input of {x.dtype}, but "
                f"got {p.dtype}"
            )


def _real(name: str, x: Aval) -> None:
    """Refuse integers and complex numbers."""
    floating(name, x)
    if x.dtype.is_complex:
        raise NotImplementedError(f'"{name}" not implemented for \'{x.dtype.legacy}\'')


def _wanted(found: Any, needs: Any) -> Any:
    return tuple(g if need else None for g, need in zip(found, needs, strict=True))


# --- batch --------------------------------------------------------------------------------------


def _batch_rule(
    x: Aval, w: Any, b: Any, mean: Any, var: Any, training: bool, eps: float
) -> Spec:
    if x.ndim < 2:
        raise RuntimeError(
            f"expected at least 2D input, got {x.ndim}D input of {shape_text(x.shape)}"
        )
    channels = x.shape[1]
    for name, part in (("running_mean", mean), ("running_var", var), ("weight", w), ("bias", b)):
        if part is not None and part.numel != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {part.numel}")
        if part is not None and part.ndim != 1:
            raise RuntimeError(
                f"batch_norm(): {name} of shape {shape_text(part.shape)} should have one dimension"
            )
    if not training and (mean is None or var is None):
        raise RuntimeError("running_mean and running_var must be defined in evaluation mode")
    _real("batch_norm", x)
    _check_parameters(x, w, b, *(() if not x.numel else (mean, var)))
    stat = aval((channels,), x.dtype, x.device)
    return Spec((x, stat, stat))


def _shaped(v: Any, ndim: int) -> Any:
    return v.reshape(1, -1, *[1] * (ndim - 2))


def _planes(x: Array) -> Array:
    """(N, C, *) as (N, C, positions)."""
    return x.reshape(*x.shape[:2], math.prod(x.shape[2:]))


def _column(v: Array) -> Array:
    return v[:, None]


def _batch(
    x: Array, w: Any, b: Any, mean: Any, var: Any, training: bool, eps: float
) -> tuple[Array, Array, Array]:
    planes = _planes(x)
    if training:  # einsum is the quickest of NumPy's ways to sum over two outer dimensions
        count = x.dtype.type(planes.shape[0] * planes.shape[2])
        mean = np.einsum("ncp->c", planes) / count
        out = planes - _column(mean)
        var = np.einsum("ncp,ncp->c", out, out) / count
    else:
        out = planes - _column(mean.astype(x.dtype, copy=False))
    scale = 1 / np.sqrt(var + x.dtype.type(eps))
    out *= _column((scale if w is None else scale * w).astype(x.dtype, copy=False))
    if b is not None:
        out += _column(b)
    return out.reshape(x.shape), mean, var


def _batch_backward(
    g: Array, x: Array, w: Any, mean: Array, var: Array, training: bool, eps: float
) -> tuple[Array, Array, Array]:
    """Ioffe and Szegedy 2015, section 3. With y = w * xhat + b over n elements a channel:
    dx = w / std * (dy - mean(dy) - xhat * mean(dy * xhat))."""
    gs, dx = _planes(g), _planes(x) - _column(mean.astype(x.dtype, copy=False))
    inverse = (1 / np.sqrt(var + x.dtype.type(eps))).astype(x.dtype, copy=False)
    total = np.einsum("ncp->c", gs)
    along = np.einsum("ncp,ncp->c", gs, dx) * inverse
    scale = inverse if w is None else inverse * w.astype(x.dtype, copy=False)
    scaled = gs * _column(scale)
    if training:
        share = x.dtype.type(1 / max(gs.shape[0] * gs.shape[2], 1))
        dx *= _column(-scale * inverse * along * share)
        scaled += dx
        scaled -= _column(scale * total * share)
    return scaled.reshape(x.shape), along, total


row(
    "native_batch_norm_backward(Tensor outer, Tensor input, Tensor? weight, Tensor mean, Tensor var, "
    "bool training, float eps) -> (by_input, by_weight, by_bias)",
    rule=lambda g, x, w, mean, var, training, eps: Spec(
        (x, *[aval((x.shape[1],), x.dtype, x.device)] * 2)),
    numpy=_batch_backward, forms="",
    lower=low.batch_norm_backward,
    not_differentiable="the derivative of batch_norm is written with operations where it is differentiated",
    doc="Gradients of native_batch_norm.",
)  # fmt: skip


def _batch_grads(
    grad: Any, input: Any, weight: Any, mean: Any, var: Any, training: bool, eps: float,
    batch_mean: Any, batch_var: Any, needs: Any,
) -> Any:  # fmt: skip
    if not call.grad_enabled():
        if training:
            mean, var = batch_mean.detach(), batch_var.detach()
        found = call.native_batch_norm_backward(grad, input, weight, mean, var, training, eps)
        return _wanted(found, needs)
    axes = (0, *range(2, input.ndim))
    n = input.numel() // max(input.shape[1], 1)
    if training:
        mean = input.mean(axes)
        var = (input - _shaped(mean, input.ndim)).square().mean(axes)
    scale = _shaped((var + eps).rsqrt(), input.ndim)
    xhat = (input - _shaped(mean, input.ndim)) * scale
    total, along = grad.sum(axes), (grad * xhat).sum(axes)
    inner = grad
    if training:
        inner = grad - (_shaped(total, input.ndim) + xhat * _shaped(along, input.ndim)) / n
    dx = inner * (scale if weight is None else scale * _shaped(weight, input.ndim))
    return dx, along if needs[1] else None, total if needs[2] else None


row(
    "native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, "
    "Tensor? running_var, bool training, float eps) -> (output, batch_mean, batch_var)",
    rule=_batch_rule, numpy=_batch, forms="", called="batch_norm",
    lower=low.batch_norm,
    grads={("input", "weight", "bias"):
           lambda grad, input, weight, running_mean, running_var, training, eps, batch_mean, batch_var, needs:
           _batch_grads(grad, input, weight, running_mean, running_var, training, eps, batch_mean, batch_var, needs)},
    doc="Normalised over all dimensions but the second; also the batch's mean and variance.",
)  # fmt: skip


def _move(running: Any, value: Any, momentum: float, factor: float = 1.0) -> None:
    """Let running statistics go towards the batch's; outside of the graph, and unnoticed by it."""
    running = running.data
    running.copy_(running * (1 - momentum) + value.to(running.dtype) * (momentum * factor))


def _batch_norm(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool,
    momentum: float, eps: float, cudnn_enabled: bool = True,
) -> Any:  # fmt: skip
    """Batch normalisation of (N, C, *). In training, running statistics move towards the batch's
    by `momentum` (the variance's unbiased estimate). Nothing, in one dimension, stays nothing."""
    if input.ndim == 1 and not input.numel():
        out = input.clone() if weight is None else input * weight
        return out if bias is None else out + bias
    # PyTorch only counts the elements of these two
    weight, bias = (p if p is None or p.ndim == 1 else p.reshape(-1) for p in (weight, bias))
    out, mean, var = call.native_batch_norm(
        input, weight, bias, running_mean, running_var, bool(training), eps
    )
    if training and input.numel():
        n = input.numel() // max(input.shape[1], 1)
        if running_mean is not None:
            _move(running_mean, mean.detach(), momentum)
        if running_var is not None:
            _move(running_var, var.detach(), momentum, n / max(n - 1, 1))
    return out


row("batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var) -> Tensor",
    body=_batch_norm, forms="f",
    samples=lambda m: [((m(4, 2, 3), m(2), m(2), None, None, True, 0.1, 1e-5), {}),
                       ((m(4, 2), None, None, m(2).detach(), m(2, low=0.5, high=2.0).detach(), False, 0.1, 1e-5), {}),
                       ((m(2, 3).t(), m(2), m(2), None, None, True, 0.1, 1e-5), {})],
    doc="See body.")  # fmt: skip


# --- over the last dimensions -------------------------------------------------------------------


def _layer_rule(x: Aval, w: Any, b: Any, shape: Any, eps: float) -> Spec:
    n = len(shape)
    if not n:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least "
            "one element, but got normalized_shape = []"
        )
    for name, part in (("weight", w), ("bias", b)):
        if part is not None and tuple(part.shape) != tuple(shape):
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape "
                f"{shape_text(part.shape)} and normalized_shape = {list(shape)}"
            )
    if n > x.ndim or tuple(x.shape[x.ndim - n :]) != tuple(shape):
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape "
            f"[*, {', '.join(map(str, shape))}], but got input of size{shape_text(x.shape)}"
        )
    _real("LayerNormKernelImpl", x)
    _check_parameters(x, w, b)
    stat = aval((*x.shape[: x.ndim - n], *[1] * n), x.dtype, x.device)
    return Spec((x, stat, stat))


def _standardised(rows: Array, eps: float) -> tuple[Array, Array, Array]:
    """Rows with mean 0 and variance 1, their means, and 1 / std."""
    width = rows.dtype.type(max(rows.shape[1], 1))
    mean = np.einsum("ij->i", rows) / width
    out = rows - _column(mean)
    inverse = 1 / np.sqrt(np.einsum("ij,ij->i", out, out) / width + rows.dtype.type(eps))
    out *= _column(inverse)
    return out, mean, inverse


def _restored(g: Array, xhat: Array, inverse: Array) -> Array:
    """Gradient by what was standardised; `g` is that by xhat. Changes xhat."""
    width = g.dtype.type(1 / max(g.shape[1], 1))
    along = np.einsum("ij,ij->i", g, xhat) * width
    total = np.einsum("ij->i", g) * width
    xhat *= _column(along)
    out = g - xhat
    out -= _column(total)
    out *= _column(inverse)
    return out


def _layer(x: Array, w: Any, b: Any, shape: Any, eps: float) -> tuple[Array, Array, Array]:
    lead = x.shape[: x.ndim - len(shape)]
    out, mean, inverse = _standardised(x.reshape(math.prod(lead), math.prod(shape)), eps)
    if w is not None:
        out *= w.reshape(-1)
    if b is not None:
        out += b.reshape(-1)
    stat = (*lead, *[1] * len(shape))
    return out.reshape(x.shape), mean.reshape(stat), inverse.reshape(stat)


def _layer_backward(
    g: Array, x: Array, w: Any, mean: Array, rstd: Array, shape: Any
) -> tuple[Array, Array, Array]:
    """Ba, Kiros and Hinton 2016: as batch normalisation, over the last dimensions."""
    lead = math.prod(x.shape[: x.ndim - len(shape)])
    gs, inverse = g.reshape(lead, math.prod(shape)), rstd.reshape(-1)
    xhat = x.reshape(gs.shape) - _column(mean.reshape(-1))
    xhat *= _column(inverse)
    by_weight = np.einsum("ij,ij->j", gs, xhat).reshape(shape)
    by_bias = gs.sum(0).reshape(shape)
    dx = _restored(gs if w is None else gs * w.reshape(-1), xhat, inverse)
    return dx.reshape(x.shape), by_weight, by_bias


row(
    "native_layer_norm_backward(Tensor outer, Tensor input, Tensor? weight, Tensor mean, Tensor rstd, "
    "int[] normalized_shape) -> (by_input, by_weight, by_bias)",
    rule=lambda g, x, w, mean, rstd, shape: Spec((x, *[aval(tuple(shape), x.dtype, x.device)] * 2)),
    numpy=_layer_backward, forms="",
    lower=low.layer_norm_backward,
    not_differentiable="the derivative of layer_norm is written with operations where it is differentiated",
    doc="Gradients of native_layer_norm.",
)  # fmt: skip


def _layer_grads(
    grad: Any, input: Any, weight: Any, shape: Any, eps: float, mean: Any, rstd: Any, needs: Any
) -> Any:
    if not call.grad_enabled():
        found = call.native_layer_norm_backward(
            grad, input, weight, mean.detach(), rstd.detach(), tuple(shape)
        )
        return _wanted(found, needs)
    n = len(shape)
    axes, lead = tuple(range(input.ndim - n, input.ndim)), tuple(range(input.ndim - n))
    mean = input.mean(axes, True)
    rstd = ((input - mean).square().mean(axes, True) + eps).rsqrt()
    xhat = (input - mean) * rstd
    g = grad if weight is None else grad * weight
    dx = (g - g.mean(axes, True) - xhat * (g * xhat).mean(axes, True)) * rstd
    by_weight = by_bias = None
    if needs[1]:
        by_weight = (grad * xhat).sum(lead) if lead else grad * xhat
    if needs[2]:
        by_bias = grad.sum(lead) if lead else grad
    return dx, by_weight, by_bias


row(
    "native_layer_norm(Tensor input, Tensor? weight, Tensor? bias, int[] normalized_shape, float eps) -> (output, mean, rstd)",
    rule=_layer_rule, numpy=_layer, forms="", called="layer_norm",
    lower=low.layer_norm,
    grads={("input", "weight", "bias"):
           lambda grad, input, weight, normalized_shape, eps, mean, rstd, needs:
           _layer_grads(grad, input, weight, normalized_shape, eps, mean, rstd, needs)},
    doc="Normalised over the last dimensions; also the mean and 1 / std.",
)  # fmt: skip


def _sizes(name: str, normalized_shape: Any) -> tuple[int, ...]:
    if isinstance(normalized_shape, (str, int, float)) or not hasattr(normalized_shape, "__iter__"):
        raise TypeError(
            f"{name}(): argument 'normalized_shape' (position 2) must be tuple of ints, not "
            f"{type(normalized_shape).__name__}"
        )
    return tuple(normalized_shape)


def _layer_norm(
    input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Any:  # fmt: skip
    """Layer normalisation over the last dimensions, of shape `normalized_shape`."""
    shape = _sizes("layer_norm", normalized_shape)
    return call.native_layer_norm(input, weight, bias, shape, eps)[0]


row("layer_norm(Tensor input, any normalized_shape) -> Tensor", body=_layer_norm, forms="f",
    samples=lambda m: [((m(4, 3), (3,), m(3), m(3)), {}), ((m(2, 3, 2), (3, 2)), {}), ((m(3, 4).t(), (3,), m(3)), {}), ((m(3), (3,), None, m(3)), {})],
    doc="See body.")  # fmt: skip


# --- over groups of channels --------------------------------------------------------------------


def _group_rule(x: Aval, w: Any, b: Any, groups: int, eps: float) -> Spec:
    if x.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {x.ndim}")
    n, c = x.shape[:2]
    if groups <= 0 or c % groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of "
            f"shape {shape_text(x.shape)} and num_groups={groups}"
        )
    for name, part in (("weight", w), ("bias", b)):
        if part is not None and tuple(part.shape) != (c,):
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, "
                f"but got {name} of shape {shape_text(part.shape)} and input of shape "
                f"{shape_text(x.shape)}"
            )
    _real("GroupNormKernelImpl", x)
    _check_parameters(x, w, b)
    stat = aval((n, groups), x.dtype, x.device)
    return Spec((x, stat, stat))


def _group(x: Array, w: Any, b: Any, groups: int, eps: float) -> tuple[Array, Array, Array]:
    n, c = x.shape[:2]
    out, mean, inverse = _standardised(_grouped(x, groups), eps)
    out = out.reshape(_planes(x).shape)
    if w is not None:
        out *= _column(w)
    if b is not None:
        out += _column(b)
    return out.reshape(x.shape), mean.reshape(n, groups), inverse.reshape(n, groups)


def _grouped(x: Array, groups: int) -> Array:
    return x.reshape(x.shape[0] * groups, math.prod(x.shape[1:]) // groups)


def _group_backward(
    g: Array, x: Array, w: Any, mean: Array, rstd: Array, groups: int
) -> tuple[Array, Array, Array]:
    inverse = rstd.reshape(-1)
    xhat = _grouped(x, groups) - _column(mean.reshape(-1))
    xhat *= _column(inverse)
    gs = _planes(g)
    by_weight = np.einsum("ncp,ncp->c", gs, xhat.reshape(gs.shape))
    by_bias = np.einsum("ncp->c", gs)
    scaled = gs if w is None else gs * _column(w)
    dx = _restored(_grouped(scaled, groups), xhat, inverse)
    return dx.reshape(x.shape), by_weight, by_bias


row(
    "native_group_norm_backward(Tensor outer, Tensor input, Tensor? weight, Tensor mean, Tensor rstd, "
    "int num_groups) -> (by_input, by_weight, by_bias)",
    rule=lambda g, x, w, mean, rstd, groups: Spec(
        (x, *[aval((x.shape[1],), x.dtype, x.device)] * 2)),
    numpy=_group_backward, forms="",
    lower=low.group_norm_backward,
    not_differentiable="the derivative of group_norm is written with operations where it is differentiated",
    doc="Gradients of native_group_norm.",
)  # fmt: skip


def _group_grads(
    grad: Any, input: Any, weight: Any, groups: int, eps: float, mean: Any, rstd: Any, needs: Any
) -> Any:
    if not call.grad_enabled():
        found = call.native_group_norm_backward(
            grad, input, weight, mean.detach(), rstd.detach(), groups
        )
        return _wanted(found, needs)
    flat = (input.shape[0], groups, input.numel() // max(input.shape[0] * groups, 1))
    x = input.reshape(flat)
    centred = x - x.mean(2, True)
    rstd = (centred.square().mean(2, True) + eps).rsqrt()
    xhat = centred * rstd
    g = (grad if weight is None else grad * _shaped(weight, input.ndim)).reshape(flat)
    dx = (g - g.mean(2, True) - xhat * (g * xhat).mean(2, True)) * rstd
    axes = (0, *range(2, input.ndim))
    by_weight = (grad * xhat.reshape(input.shape)).sum(axes) if needs[1] else None
    return dx.reshape(input.shape), by_weight, grad.sum(axes) if needs[2] else None


row(
    "native_group_norm(Tensor input, Tensor? weight, Tensor? bias, int num_groups, float eps) -> (output, mean, rstd)",
    rule=_group_rule, numpy=_group, forms="", called="group_norm",
    lower=low.group_norm,
    grads={("input", "weight", "bias"):
           lambda grad, input, weight, num_groups, eps, mean, rstd, needs:
           _group_grads(grad, input, weight, num_groups, eps, mean, rstd, needs)},
    doc="Normalised over groups of channels; also the mean and 1 / std.",
)  # fmt: skip


def _group_norm(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Any:  # fmt: skip
    """Normalisation of (N, C, *) over groups of channels, then by channel weight and bias (Wu and
    He 2018)."""
    return call.native_group_norm(input, weight, bias, num_groups, eps)[0]


row("group_norm(Tensor input, int num_groups) -> Tensor", body=_group_norm, forms="f",
    samples=lambda m: [((m(2, 4, 3), 2, m(4), m(4)), {}), ((m(2, 2), 1), {}), ((m(3, 2, 2).transpose(0, 1), 3, m(3)), {})],
    doc="See body.")  # fmt: skip


def _instance_norm(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any,
    use_input_stats: bool, momentum: float, eps: float, cudnn_enabled: bool = True,
) -> Any:  # fmt: skip
    """Batch normalisation of each sample by itself (Ulyanov et al. 2016): samples and channels
    become channels of one sample."""
    if not use_input_stats and (running_mean is None or running_var is None):
        raise RuntimeError(
            "instance_norm(): Expected running_mean and running_var to be defined when "
            "use_input_stats is false"
        )
    n, c = input.shape[:2]
    parts = [None if p is None else p.repeat(n) for p in (weight, bias)]
    for p in (running_mean, running_var):  # of any real dtype, unlike batch_norm's
        real = p is not None and not p.is_complex()
        parts.append(None if p is None else (p.to(input.dtype) if real else p).repeat(n))
    flat = input.reshape(1, n * c, *input.shape[2:])
    out, mean, var = call.native_batch_norm(flat, *parts, bool(use_input_stats), eps)
    if use_input_stats:
        count = input.numel() // max(n * c, 1)
        if running_mean is not None:
            _move(running_mean, mean.detach().reshape(n, c).mean(0), momentum)
        if running_var is not None:
            average = var.detach().reshape(n, c).mean(0)
            _move(running_var, average, momentum, count / max(count - 1, 1))
    return out.reshape(input.shape)


row("instance_norm(Tensor input, Tensor? weight, Tensor? bias) -> Tensor", body=_instance_norm,
    forms="f", samples=lambda m: [((m(2, 2, 4), m(2), m(2), None, None, True, 0.1, 1e-5), {})],
    doc="See body.")  # fmt: skip


# --- root mean square ---------------------------------------------------------------------------


def _rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: Any = None) -> Any:
    """input / sqrt(mean(input^2) + eps) over the last dimensions (Zhang and Sennrich 2019)."""
    shape = _sizes("rms_norm", normalized_shape)
    if tuple(input.shape[input.ndim - len(shape) :]) != shape or not shape:
        raise RuntimeError(
            f"rms_norm(): Given normalized_shape={list(shape)}, expected input with shape [*, "
            f"{', '.join(map(str, shape))}], but got input of size{shape_text(input.shape)}"
        )
    if weight is not None and tuple(weight.shape) != shape:
        raise RuntimeError(
            "rms_norm(): Expected weight to be of same shape as normalized_shape, but got weight "
            f"of shape {shape_text(weight.shape)} and normalized_shape = {list(shape)}"
        )
    axes = tuple(range(input.ndim - len(shape), input.ndim))
    small = dtypes.finfo(input.dtype).eps if eps is None else eps
    if input.dtype.is_narrow:  # squares leave the range of float16
        wide = input.to(dtypes.float32)
        out = wide * (wide.square().mean(axes, True) + float(small)).rsqrt()
        return (out if weight is None else out * weight).to(input.dtype)
    out = input * (input.square().mean(axes, True) + float(small)).rsqrt()
    return out if weight is None else out * weight


row("rms_norm(Tensor input, any normalized_shape) -> Tensor", body=_rms_norm, forms="f",
    samples=lambda m: [((m(2, 3), (3,), m(3)), {}), ((m(2, 3, 2), (3, 2)), {})], doc="See body.")  # fmt: skip
