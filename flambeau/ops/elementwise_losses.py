"""Losses of each element by itself: absolute, Huber, binary cross entropy, divergence."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes, layout
from ..core.aval import Aval, aval
from .losses import check_reduction, elementwise_rule, numpy_reduce, reduce
from .lowering import losses as low
from .rules import common_dtype, floating
from .table import Spec, call, row


def _size(x: Any, y: Any) -> int:
    n = 1
    for s in layout.broadcast(tuple(x.shape), tuple(y.shape)):
        n *= s
    return max(n, 1)


def _each(grad: Any, x: Any, y: Any, reduction: str) -> Any:
    """The gradient that each element's loss gets."""
    return grad / _size(x, y) if reduction == "mean" else grad


def _l1(input: Any, target: Any, reduction: str = "mean") -> Any:
    """|input - target|, reduced."""
    return reduce((input - target).abs(), reduction)


row("l1_loss(Tensor input, Tensor target, str reduction='mean') -> Tensor", body=_l1, forms="f",
    where="nn", samples=lambda m: [((m(2, 3), m(2, 3)), {}), ((m(2, 3), m(3), "sum"), {})],
    doc="See body.")  # fmt: skip


def _smooth(x: np.ndarray, y: np.ndarray, beta: float, reduction: str) -> Any:
    d = np.abs(x - y)
    if beta == 0:
        return numpy_reduce(d, reduction)
    return numpy_reduce(np.where(d < beta, d * d * (0.5 / beta), d - 0.5 * beta), reduction)


def _smooth_grad(grad: Any, x: Any, y: Any, beta: float, reduction: str) -> Any:
    d = x - y
    slope = d.sign() if beta == 0 else (d / beta).clamp(-1, 1)
    return slope * _each(grad, x, y, reduction)


def _smooth_rule(x: Aval, y: Aval, beta: float, reduction: str) -> Spec:
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    return elementwise_rule(x, y, reduction)


row(
    "smooth_l1(Tensor input, Tensor target, float beta, str reduction) -> Tensor",
    rule=_smooth_rule, numpy=_smooth, forms="", node="SmoothL1LossBackward0",
    lower=low.smooth_l1,
    grads={"input": lambda grad, input, target, beta, reduction:
           _smooth_grad(grad, input, target, beta, reduction),
           "target": lambda grad, input, target, beta, reduction:
           _smooth_grad(grad, target, input, beta, reduction)},
    doc="Girshick 2015: squared below beta, absolute above.",
)  # fmt: skip

row("smooth_l1_loss(Tensor input, Tensor target, str reduction='mean', float beta=1.0) -> Tensor",
    body=lambda input, target, reduction="mean", beta=1.0:
        call.smooth_l1(input, target, float(beta), reduction),
    forms="f", where="nn",
    samples=lambda m: [((m(2, 3), m(2, 3)), {}), ((m(2, 3), m(3), "sum", 0.5), {})],
    doc="Squared below beta, absolute above, reduced.")  # fmt: skip


def _huber(x: np.ndarray, y: np.ndarray, delta: float, reduction: str) -> Any:
    d = np.abs(x - y)
    return numpy_reduce(np.where(d < delta, 0.5 * d * d, delta * (d - 0.5 * delta)), reduction)


def _huber_rule(x: Aval, y: Aval, delta: float, reduction: str) -> Spec:
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    return elementwise_rule(x, y, reduction)


row(
    "huber(Tensor input, Tensor target, float delta, str reduction) -> Tensor",
    rule=_huber_rule, numpy=_huber, forms="", node="HuberLossBackward0",
    lower=low.huber,
    grads={"input": lambda grad, input, target, delta, reduction:
           (input - target).clamp(-delta, delta) * _each(grad, input, target, reduction),
           "target": lambda grad, input, target, delta, reduction:
           (target - input).clamp(-delta, delta) * _each(grad, input, target, reduction)},
    doc="Huber 1964.",
)  # fmt: skip

row("huber_loss(Tensor input, Tensor target, str reduction='mean', float delta=1.0) -> Tensor",
    body=lambda input, target, reduction="mean", delta=1.0:
        call.huber(input, target, float(delta), reduction),
    forms="f", where="nn",
    samples=lambda m: [((m(2, 3), m(2, 3)), {}), ((m(2, 3), m(2, 3), "none", 0.5), {})],
    doc="Huber's loss, reduced.")  # fmt: skip


def _bce_rule(x: Aval, y: Aval, w: Aval | None, reduction: str) -> Spec:
    check_reduction(reduction)
    if x.dtype.category != dtypes.FLOAT or y.dtype is not x.dtype:
        raise RuntimeError(f"Found dtype {y.dtype.legacy} but expected {x.dtype.legacy}")
    if tuple(x.shape) != tuple(y.shape):
        raise ValueError(
            f"Using a target size ({y.shape}) that is different to the input size ({x.shape}) is "
            "deprecated. Please ensure they have the same size."
        )
    if w is not None and w.dtype.is_complex:
        raise RuntimeError(f"a weight of {w.dtype} for an input of {x.dtype}")
    if w is not None and layout.broadcast(x.shape, w.shape) != tuple(x.shape):
        raise RuntimeError(f"weight of shape {list(w.shape)} doesn't broadcast to {list(x.shape)}")
    return Spec(aval(tuple(x.shape) if reduction == "none" else (), x.dtype, x.device))


def _bce_check(fetch: Any, x: Aval, *rest: Any) -> None:
    array = fetch(0)
    if array.size and not (array.min() >= 0 and array.max() <= 1):
        raise RuntimeError("all elements of input should be between 0 and 1")


def _bce(x: np.ndarray, y: np.ndarray, w: Any, reduction: str) -> Any:
    low = x.dtype.type(-100)  # PyTorch clamps the logarithms
    each = -(y * np.maximum(np.log(x), low) + (1 - y) * np.maximum(np.log1p(-x), low))
    return numpy_reduce(each if w is None else each * w, reduction)


def _bce_grad(grad: Any, x: Any, y: Any, w: Any, reduction: str) -> Any:
    g = (x - y) / ((1 - x) * x).clamp(min=1e-12)
    g = g if w is None else g * w
    return g * _each(grad, x, y, reduction)


row(
    "binary_cross_entropy(Tensor input, Tensor target, Tensor? weight=None, str reduction='mean') -> Tensor",
    rule=_bce_rule, numpy=_bce, forms="f", where="nn", check=_bce_check,
    lower=low.binary_cross_entropy,
    node="BinaryCrossEntropyBackward0",
    grads={"input": lambda grad, input, target, weight, reduction:
           _bce_grad(grad, input, target, weight, reduction),
           "target": lambda grad, input, target, weight, reduction:
           _each(grad, input, target, reduction) * ((1 - input).log().clamp(min=-100) - input.log().clamp(min=-100))
           * (1 if weight is None else weight)},
    samples=lambda m: [((m(2, 3, low=0.1, high=0.9), m(2, 3, low=0.1, high=0.9)), {}),
                       ((m(3, low=0.1, high=0.9), m(3, low=0.1, high=0.9), None, "sum"), {})],
    doc="-(y log x + (1 - y) log(1 - x)), reduced; logarithms at least -100.",
)  # fmt: skip


def _logits_rule(x: Aval, y: Aval, w: Any, p: Any, reduction: str) -> Spec:
    check_reduction(reduction)
    if tuple(x.shape) != tuple(y.shape):
        raise ValueError(
            f"Target size ({y.shape}) must be the same as input size ({x.shape})"
        )
    if y.dtype.category == dtypes.BOOL:
        raise RuntimeError("Subtraction, the `-` operator, with a bool tensor is not supported")
    floating("log_sigmoid_cpu", x)
    if any(a is not None and a.dtype.is_complex for a in (y, w, p)) and not x.dtype.is_complex:
        raise RuntimeError(f"expected real targets and weights for an input of dtype {x.dtype}")
    shape = layout.broadcast(*[a.shape for a in (x, y, w, p) if a is not None])
    return Spec(aval(shape if reduction == "none" else (), common_dtype((x, y)), x.device))


def _logits(x: np.ndarray, y: np.ndarray, w: Any, p: Any, reduction: str) -> Any:
    # log(1 + exp(-x)) without overflow: max(-x, 0) + log1p(exp(-|x|))
    soft = np.maximum(-x, 0) + np.log1p(np.exp(-np.abs(x)))
    each = (1 - y) * x + (soft if p is None else (1 + (p - 1) * y) * soft)
    return numpy_reduce(each if w is None else each * w, reduction)


def _logits_grad(grad: Any, x: Any, y: Any, w: Any, p: Any, reduction: str) -> Any:
    s = x.sigmoid()
    g = s - y if p is None else (1 - y) * s - p * y * (1 - s)
    g = g if w is None else g * w
    n = _size(x, y) if w is None and p is None else max(g.numel(), 1)
    return g * (grad / n if reduction == "mean" else grad)


row(
    "binary_cross_entropy_with_logits(Tensor input, Tensor target, Tensor? weight=None, Tensor? pos_weight=None, str reduction='mean') -> Tensor",
    rule=_logits_rule, numpy=_logits, forms="f", where="nn",
    lower=low.cross_entropy_with_logits,
    node="BinaryCrossEntropyWithLogitsBackward0",
    grads={"input": lambda grad, input, target, weight, pos_weight, reduction:
           _logits_grad(grad, input, target, weight, pos_weight, reduction),
           "target": lambda grad, input, weight, pos_weight, target, reduction:
           _each(grad, input, target, reduction) * (1 if weight is None else weight)
           * (-input if pos_weight is None else (1 - pos_weight) * call.logsigmoid(input) - input
              + 0 * target)},
    samples=lambda m: [((m(2, 3), m(2, 3, low=0.1, high=0.9)), {}), ((m(3), m(3, low=0.1, high=0.9), None, None, "sum"), {})],
    doc="Binary cross entropy of sigmoid(input), computed stably.",
)  # fmt: skip


def _kl(input: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Any:
    """target * (log target - input), reduced; 'batchmean' divides the sum by the first size."""
    if log_target:
        each = target.exp() * (target - input)
    else:
        each = call.xlogy(target, target) - target * input
    if reduction == "batchmean":
        return each.sum() / max(input.shape[0], 1) if input.ndim else each.sum()
    return reduce(each, reduction)


row("kl_div(Tensor input, Tensor target, str reduction='mean', bool log_target=False) -> Tensor",
    body=_kl, forms="f", where="nn",
    samples=lambda m: [((m(2, 3), m(2, 3, low=0.1, high=0.9)), {}), ((m(2, 3), m(2, 3), "sum", True), {})],
    doc="See body.")  # fmt: skip
