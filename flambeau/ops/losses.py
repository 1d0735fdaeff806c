"""Losses: mean squared error, negative log likelihood, cross entropy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtypes, layout
from ..core.aval import Aval, aval
from ..errors import shape_text
from .lowering import losses as low
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


def _mse_rule(x: Aval, y: Aval, reduction: str) -> Spec:
    spec = elementwise_rule(x, y, reduction)
    if spec.cast.category < dtypes.FLOAT:  # type: ignore[union-attr]
        raise NotImplementedError(f'"mse_loss" not implemented for \'{spec.cast.legacy}\'')  # type: ignore[union-attr]
    return spec


def _mse(x: np.ndarray, y: np.ndarray, reduction: str) -> Any:
    d = x - y
    return numpy_reduce(d * d, reduction)


def _mse_grad(grad: Any, x: Any, y: Any, reduction: str) -> Any:
    d = x - y
    return d * (spread(grad, max(d.numel(), 1), reduction) * 2)


row(
    "mse_loss(Tensor input, Tensor target, str reduction='mean') -> Tensor",
    rule=_mse_rule, numpy=_mse, forms="f", where="nn",
    lower=low.mse_loss,
    grads={"input": lambda grad, input, target, reduction: _mse_grad(grad, input, target, reduction),
           "target": lambda grad, input, target, reduction: _mse_grad(grad, target, input, reduction)},
    samples=lambda m: [((m(2, 3), m(2, 3)), {}), ((m(2, 3), m(3), "sum"), {}), ((m(), m(), "none"), {}),
                       ((m(0, 2), m(0, 2), "sum"), {}), ((m(2, 3).t(), m(3, 2)), {})],
    doc="(input - target) squared, reduced.",
)  # fmt: skip


# --- negative log likelihood --------------------------------------------------------------------


def _classes(shape: Any) -> int:
    return int(shape[1] if len(shape) > 1 else shape[0])


def _nll_rule(x: Aval, t: Aval, w: Aval | None, ignore: int, reduction: str) -> Spec:
    check_reduction(reduction)
    if x.ndim < 1:
        raise ValueError(f"Expected 1 or more dimensions (got {x.ndim})")
    if x.ndim > 1 and t.ndim and x.shape[0] != t.shape[0]:
        raise ValueError(
            f"Expected input batch_size ({x.shape[0]}) to match target batch_size ({t.shape[0]})."
        )
    positions = (*x.shape[: x.ndim > 1], *x.shape[2:])
    if tuple(t.shape) != positions:
        raise RuntimeError(
            f"Expected target size {list(positions)}, got {shape_text(t.shape)} for input of size "
            f"{shape_text(x.shape)}"
        )
    if t.dtype is not dtypes.int64 and t.dtype is not dtypes.uint8:
        raise RuntimeError(f"expected scalar type Long but found {t.dtype.legacy} for the target")
    if x.dtype.category != dtypes.FLOAT:
        raise NotImplementedError(f'"nll_loss" not implemented for \'{x.dtype.legacy}\'')
    classes = _classes(x.shape)
    if w is not None and tuple(w.shape) != (classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but "
            f"got weight tensor of shape: {shape_text(w.shape)}"
        )
    if w is not None and w.dtype is not x.dtype:
        raise RuntimeError(
            f"expected scalar type {x.dtype.legacy} but found {w.dtype.legacy} for the weight"
        )
    shape = tuple(t.shape) if reduction == "none" else ()
    return Spec((aval(shape, x.dtype, x.device), aval((), x.dtype, x.device)))


def _nll_check(fetch: Any, x: Aval, t: Aval, w: Any, ignore: int, reduction: str) -> None:
    target = fetch(1)
    classes = _classes(x.shape)
    if target.dtype == np.int64:  # as words without sign, what is negative is large
        if np.maximum.reduce(target.view(np.uint64), None, initial=0) < classes:
            return
    wrong = target[((target < 0) | (target >= classes)) & (target != ignore)]
    if wrong.size:
        raise IndexError(f"Target {int(wrong.flat[0])} is out of bounds for {classes} classes.")


def _places(target: np.ndarray, shape: Any, ignore: int) -> tuple[np.ndarray, np.ndarray, Any]:
    """Places of the targets' elements in memory of `shape`, the targets, and which of them count
    (None for all). The last two have shape (N, positions)."""
    n = shape[0] if len(shape) > 1 else 1
    classes, positions = _classes(shape), math.prod(shape[2:])
    t = target.reshape(n, positions)
    kept: Any = t != ignore
    if kept.all():
        kept = None
    else:
        t = np.where(kept, t, 0)
    where = t.astype(np.int64) * positions
    where += np.arange(n)[:, None] * (classes * positions)
    if positions > 1:
        where += np.arange(positions)
    return where, t, kept


def _nll(
    x: np.ndarray, target: np.ndarray, weight: Any, ignore: int, reduction: str
) -> tuple[Any, Any]:
    where, t, kept = _places(target, x.shape, ignore)
    each = -x.reshape(-1).take(where)
    one = x.dtype.type(1)
    if weight is None:
        total = one * (where.size if kept is None else np.count_nonzero(kept))
    else:
        w = weight.take(t)
        if kept is not None:
            w = np.where(kept, w, 0)
        each *= w
        total = w.sum(dtype=x.dtype)
    if kept is not None:  # an ignored position counts nothing, whatever lies there
        each = np.where(kept, each, 0)
    if reduction == "none":
        return each.reshape(target.shape), total
    return each.sum() / (total if reduction == "mean" else one), total


def _nll_backward(
    g: np.ndarray, target: np.ndarray, weight: Any, total: Any, shape: Any, ignore: int,
    reduction: str,
) -> np.ndarray:  # fmt: skip
    out = np.zeros(shape, g.dtype)
    if not out.size:
        return out
    where, t, kept = _places(target, shape, ignore)
    each: Any = -g.reshape(where.shape) if reduction == "none" else np.broadcast_to(-g, where.shape)
    if weight is not None:
        each = each * weight.take(t)
    if reduction == "mean":
        each = each / total
    out.reshape(-1)[where] = each if kept is None else np.where(kept, each, 0)
    return out


for _name, _node in (("nll_loss_total", "NllLossBackward0"), ("nll_loss2d_total", "NllLoss2DBackward0")):
    row(
        f"{_name}(Tensor input, Tensor target, Tensor? weight, int ignore_index, str reduction) -> (loss, total_weight)",
        rule=_nll_rule, numpy=_nll, forms="", node=_node, check=_nll_check, called="nll_loss",
        lower=low.nll_loss_total,
        grads={"input": lambda grad, target, weight, total_weight, input_shape, ignore_index, reduction:
               call.nll_loss_backward(grad, target, weight, total_weight.detach(), input_shape, ignore_index, reduction)},
        doc="Negative log likelihood and the weight it was divided by; see F.nll_loss.",
    )  # fmt: skip


def _nll_any(x: Any, target: Any, weight: Any, ignore: int, reduction: str) -> Any:
    """The loss and the weight it was divided by, with the node that PyTorch has for the shape."""
    kind = call.nll_loss2d_total if x.ndim > 2 else call.nll_loss_total
    return kind(x, target, weight, ignore, reduction)


row(
    "nll_loss_backward(Tensor outer, Tensor target, Tensor? weight, Tensor total, int[] shape, int ignore_index, str reduction) -> Tensor",
    rule=lambda g, t, w, total, shape, ignore, reduction: Spec(g.with_shape(tuple(shape))),
    numpy=_nll_backward, forms="", node="NllLossBackwardBackward0",
    lower=low.nll_loss_backward,
    grads={"outer": lambda grad, target, weight, ignore_index, reduction:
           _nll_any(grad, target, weight, ignore_index, reduction)[0]},
    doc="Gradient of nll_loss_total by its input.",
)  # fmt: skip


def _nll_loss(
    input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"
) -> Any:
    """-weight[target] * input[target], input (N, C, *) of log-probabilities, target (N, *)."""
    return _nll_any(input, target, weight, ignore_index, reduction)[0]


row("nll_loss(Tensor input, Tensor target, Tensor? weight=None) -> Tensor", body=_nll_loss,
    where="nn", forms="f",
    samples=lambda m: [((m(3, 4), m.int(3, high=4)), {}), ((m(2, 3, 2), m.int(2, 2, high=3)), {"reduction": "none"}),
                       ((m(3, 4), m.int(3, high=4), m(4).detach().abs()), {"ignore_index": 1}),
                       ((m(4), m.int(high=4)), {}), ((m(4, 3).t(), m.int(3, high=4)), {"reduction": "sum"})],
    doc="See body.")  # fmt: skip


# --- cross entropy ------------------------------------------------------------------------------


def _cross_entropy(
    input: Any, target: Any, weight: Any = None, ignore_index: int = -100,
    reduction: str = "mean", label_smoothing: float = 0.0,
) -> Any:  # fmt: skip
    """Cross entropy of logits (N, C, *) with class indices (N, *) or probabilities (N, C, *)."""
    check_reduction(reduction)
    if label_smoothing > 1.0:
        raise RuntimeError(
            f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}"
        )
    dim = 1 if input.ndim > 1 else 0
    if input.shape == target.shape:
        if not target.is_floating_point():
            raise RuntimeError(
                "Expected floating point type for target with class probabilities, got "
                f"{target.dtype.legacy} of the input's shape {shape_text(input.shape)}"
            )
        if ignore_index >= 0:
            raise RuntimeError("ignore_index is not supported for floating point target")
        logp = call.log_softmax(input, dim)
        return _soft_cross_entropy(logp, target, weight, reduction, label_smoothing, dim)
    logp = call.log_softmax(input, dim)
    if label_smoothing <= 0.0:
        return _nll_loss(logp, target, weight, ignore_index, reduction)
    return _smoothed(logp, target, weight, ignore_index, reduction, label_smoothing, dim)


def _by_class(weight: Any, logp: Any, dim: int) -> Any:
    """Weights of classes in a shape that multiplies log-probabilities."""
    if tuple(weight.shape) != (logp.shape[dim],):
        raise RuntimeError(
            f"cross_entropy(): weight tensor should be defined either for all {logp.shape[dim]} "
            f"classes or no classes but got weight tensor of shape: {shape_text(weight.shape)}"
        )
    return weight.reshape(-1, *[1] * (logp.ndim - dim - 1))


def _soft_cross_entropy(
    logp: Any, target: Any, weight: Any, reduction: str, smoothing: float, dim: int
) -> Any:
    classes = logp.shape[dim]
    if smoothing > 0:
        target = target * (1 - smoothing) + smoothing / classes
    each = logp * target
    if weight is not None:
        each = each * _by_class(weight, logp, dim)
    if reduction == "none":
        return -each.sum(dim)
    total = -each.sum()
    return total / (logp.numel() / max(classes, 1)) if reduction == "mean" else total


def _smoothed(
    logp: Any, target: Any, weight: Any, ignore: int, reduction: str, smoothing: float, dim: int
) -> Any:
    """Szegedy et al. 2016: with weight `smoothing`, each class is the target alike."""
    loss, total = _nll_any(logp, target, weight, ignore, reduction)
    weighted = logp if weight is None else logp * _by_class(weight, logp, dim)
    smooth = (-weighted.sum(dim)).masked_fill(target == ignore, 0.0)
    if reduction != "none":
        smooth = smooth.sum()
    if reduction == "mean":
        smooth = smooth / total.detach()
    return loss * (1 - smoothing) + smooth * (smoothing / max(logp.shape[dim], 1))


row("cross_entropy(Tensor input, Tensor target, Tensor? weight=None) -> Tensor",
    body=_cross_entropy, where="nn", forms="f",
    samples=lambda m: [((m(3, 4), m.int(3, high=4)), {}), ((m(2, 3, 2), m.int(2, 2, high=3)), {"label_smoothing": 0.1}),
                       ((m(3, 4), m(3, 4).detach().abs()), {"reduction": "sum"}),
                       ((m(3, 4), m.int(3, high=4), m(4).detach().abs()), {"label_smoothing": 0.1, "ignore_index": 2})],
    doc="See body.")  # fmt: skip
