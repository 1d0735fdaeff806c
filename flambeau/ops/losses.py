"""Losses: mean squared error, negative log likelihood, cross entropy."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes, layout
from ..core.aval import Aval, aval
from .rules import common_dtype
from .table import Spec, call, row

REDUCTIONS = ("none", "mean", "sum")


def check_reduction(reduction: str) -> None:
    """Refuse what is no reduction."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction; use one of {REDUCTIONS}")


def reduce(x: Any, reduction: str) -> Any:
    """A loss per element reduced as its `reduction` says."""
    check_reduction(reduction)
    return x if reduction == "none" else x.mean() if reduction == "mean" else x.sum()


def elementwise_rule(x: Aval, y: Aval, *params: Any) -> Spec:
    """Two tensors of shapes that broadcast, and a reduction as the last parameter."""
    check_reduction(params[-1])
    dt = common_dtype((x, y))
    shape = layout.broadcast(x.shape, y.shape)
    out = shape if params[-1] == "none" else ()
    return Spec(aval(out, dt, x.device), dt)


def numpy_reduce(values: np.ndarray, reduction: str) -> Any:
    if reduction == "none":
        return values
    return values.mean() if reduction == "mean" and values.size else (
        values.sum() if reduction == "sum" else values.dtype.type(np.nan)
    )


def spread(grad: Any, count: int, reduction: str) -> Any:
    """The gradient of each element's loss."""
    return grad / count if reduction == "mean" else grad


def _mse(x: np.ndarray, y: np.ndarray, reduction: str) -> Any:
    d = x - y
    return numpy_reduce(d * d, reduction)


def _mse_grad(grad: Any, x: Any, y: Any, reduction: str) -> Any:
    d = x - y
    return d * (spread(grad, max(d.numel(), 1), reduction) * 2)


row(
    "mse_loss(Tensor input, Tensor target, str reduction='mean') -> Tensor",
    rule=elementwise_rule, numpy=_mse, forms="f", where="nn",
    grads={"input": lambda grad, input, target, reduction: _mse_grad(grad, input, target, reduction),
           "target": lambda grad, input, target, reduction: _mse_grad(grad, target, input, reduction)},
    samples=lambda m: [((m(2, 3), m(2, 3)), {}), ((m(2, 3), m(3), "sum"), {}), ((m(), m(), "none"), {})],
    doc="(input - target) squared, reduced.",
)  # fmt: skip


def _nll_rule(x: Aval, t: Aval, w: Aval | None, ignore: int, reduction: str) -> Spec:
    check_reduction(reduction)
    if x.dtype.category != dtypes.FLOAT:
        raise RuntimeError(f'"nll_loss_out_frame" not implemented for \'{x.dtype.legacy}\'')
    if t.dtype is not dtypes.int64 and t.dtype is not dtypes.uint8:
        raise RuntimeError(f"expected scalar type Long but found {t.dtype.legacy} for the target")
    if x.ndim < 1:
        raise ValueError("Expected 1 or more dimensions (got 0)")
    batch = x.shape[:1] if x.ndim > 1 else ()
    positions = (*batch, *x.shape[2:])
    if tuple(t.shape) != tuple(positions):
        if x.ndim == 2 and t.ndim == 1:
            raise ValueError(
                f"Expected input batch_size ({x.shape[0]}) to match target batch_size "
                f"({t.shape[0]})."
            )
        raise RuntimeError(
            f"Expected target size {list(positions)}, got {list(t.shape)} for input of size "
            f"{list(x.shape)}"
        )
    classes = x.shape[1] if x.ndim > 1 else x.shape[0]
    if w is not None and tuple(w.shape) != (classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but "
            f"got weight tensor of shape: {list(w.shape)}"
        )
    shape = tuple(t.shape) if reduction == "none" else ()
    return Spec((aval(shape, x.dtype, x.device), aval((), x.dtype, x.device)))


def _nll_check(fetch: Any, x: Aval, t: Aval, w: Any, ignore: int, reduction: str) -> None:
    target = fetch(1)
    classes = x.shape[1] if x.ndim > 1 else x.shape[0]
    if not target.size:
        return
    if 0 <= target.min() and target.max() < classes:
        return
    wrong = target[((target < 0) | (target >= classes)) & (target != ignore)]
    if wrong.size:
        raise IndexError(f"Target {int(wrong.flat[0])} is out of bounds for {classes} classes.")


def _chosen(x: np.ndarray, target: np.ndarray, weight: Any, ignore: int) -> Any:
    """Safe targets (N, 1, *), and the weight of each position (N, 1, *)."""
    t = target.astype(np.int64, copy=False)
    axis = 1 if x.ndim > 1 else 0
    t = np.expand_dims(t, axis)
    kept = t != ignore
    safe = np.where(kept, t, 0)
    w = kept.astype(x.dtype) if weight is None else np.where(kept, weight[safe], 0)
    return axis, safe, w.astype(x.dtype, copy=False)


def _nll(
    x: np.ndarray, target: np.ndarray, weight: Any, ignore: int, reduction: str
) -> tuple[Any, Any]:
    axis, safe, w = _chosen(x, target, weight, ignore)
    picked = np.take_along_axis(x, safe, axis)
    # An ignored position counts nothing, whatever (inf, NaN) lies there.
    each = np.where(w != 0, -picked * w, 0).squeeze(axis).astype(x.dtype, copy=False)
    total = w.sum(dtype=x.dtype)
    if reduction == "none":
        return each, total
    return each.sum() / (total if reduction == "mean" else x.dtype.type(1)), total


def _nll_backward(
    g: np.ndarray, target: np.ndarray, weight: Any, total: Any, shape: Any, ignore: int,
    reduction: str,
) -> np.ndarray:  # fmt: skip
    out = np.zeros(shape, g.dtype)
    axis, safe, w = _chosen(out, target, weight, ignore)
    scale = np.expand_dims(g, axis) if reduction == "none" else g
    each = -w * scale
    if reduction == "mean":
        each = each / total
    np.put_along_axis(out, safe, each.astype(g.dtype, copy=False), axis)
    return out


row(
    "nll_loss_total(Tensor input, Tensor target, Tensor? weight, int ignore_index, str reduction) -> (loss, total_weight)",
    rule=_nll_rule, numpy=_nll, forms="", node="NllLossBackward0", check=_nll_check,
    grads={"input": lambda grad, target, weight, total_weight, input_shape, ignore_index, reduction:
           call.nll_loss_backward(grad, target, weight, total_weight.detach(), input_shape, ignore_index, reduction)},
    doc="Negative log likelihood and the weight it was divided by; see F.nll_loss.",
)  # fmt: skip

row(
    "nll_loss_backward(Tensor outer, Tensor target, Tensor? weight, Tensor total, int[] shape, int ignore_index, str reduction) -> Tensor",
    rule=lambda g, t, w, total, shape, ignore, reduction: Spec(g.with_shape(tuple(shape))),
    numpy=_nll_backward, forms="",
    grads={"outer": lambda grad, target, weight, ignore_index, reduction:
           call.nll_loss_total(grad, target, weight, ignore_index, reduction)[0]},
    doc="Gradient of nll_loss_total by its input.",
)  # fmt: skip


def _nll_loss(
    input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"
) -> Any:
    """-weight[target] * input[target], input (N, C, *) of log-probabilities, target (N, *)."""
    return call.nll_loss_total(input, target, weight, ignore_index, reduction)[0]


row("nll_loss(Tensor input, Tensor target, Tensor? weight=None) -> Tensor", body=_nll_loss,
    where="nn", forms="f",
    samples=lambda m: [((m(3, 4), m.int(3, high=4)), {}), ((m(2, 3, 2), m.int(2, 2, high=3)), {"reduction": "none"}),
                       ((m(3, 4), m.int(3, high=4), m(4).detach().abs()), {"ignore_index": 1})],
    doc="See body.")  # fmt: skip


def _cross_entropy(
    input: Any, target: Any, weight: Any = None, ignore_index: int = -100,
    reduction: str = "mean", label_smoothing: float = 0.0,
) -> Any:  # fmt: skip
    """Cross entropy of logits (N, C, *) with class indices (N, *) or probabilities (N, C, *)."""
    check_reduction(reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(
            f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}"
        )
    dim = 1 if input.ndim > 1 else 0
    if input.ndim > 1 and target.ndim and input.shape[0] != target.shape[0] and input.ndim == 2:
        raise ValueError(
            f"Expected input batch_size ({input.shape[0]}) to match target batch_size "
            f"({target.shape[0]})."
        )
    logp = call.log_softmax(input, dim)
    if target.is_floating_point():
        return _soft_cross_entropy(logp, target, weight, reduction, label_smoothing, dim)
    loss = _nll_loss(logp, target, weight, ignore_index, reduction)
    if label_smoothing == 0.0:
        return loss
    return _smoothed(logp, target, weight, ignore_index, reduction, label_smoothing, dim, loss)


def _soft_cross_entropy(
    logp: Any, target: Any, weight: Any, reduction: str, smoothing: float, dim: int
) -> Any:
    if target.shape != logp.shape:
        raise RuntimeError(
            "Expected floating point type for target with class probabilities to have the shape "
            f"of the input {list(logp.shape)}, got {list(target.shape)}"
        )
    classes = logp.shape[dim]
    if smoothing:
        target = target * (1 - smoothing) + smoothing / classes
    if weight is not None:
        logp = logp * weight.reshape(-1, *[1] * (logp.ndim - dim - 1))
    each = -(logp * target).sum(dim)
    if reduction == "none":
        return each
    positions = max(logp.numel() // classes, 1) if logp.numel() else 1
    return each.sum() / positions if reduction == "mean" else each.sum()


def _smoothed(
    logp: Any, target: Any, weight: Any, ignore: int, reduction: str, smoothing: float, dim: int,
    loss: Any,
) -> Any:  # fmt: skip
    classes = logp.shape[dim]
    weighted = logp
    if weight is not None:
        weighted = logp * weight.reshape(-1, *[1] * (logp.ndim - dim - 1))
    kept = target != ignore
    each = call.where(kept, -weighted.sum(dim), 0.0)
    if reduction == "mean":
        if weight is None:
            total = kept.sum().to(logp.dtype)
        else:
            total = call.nll_loss_total(logp.detach(), target, weight, ignore, "sum")[1]
        smooth = each.sum() / total
    else:
        smooth = each.sum() if reduction == "sum" else each
    return loss * (1 - smoothing) + smooth * (smoothing / classes)


row("cross_entropy(Tensor input, Tensor target, Tensor? weight=None) -> Tensor",
    body=_cross_entropy, where="nn", forms="f",
    samples=lambda m: [((m(3, 4), m.int(3, high=4)), {}), ((m(2, 3, 2), m.int(2, 2, high=3)), {"label_smoothing": 0.1}),
                       ((m(3, 4), m(3, 4).detach().abs()), {"reduction": "sum"})],
    doc="See body.")  # fmt: skip
