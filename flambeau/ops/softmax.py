"""Softmax, its logarithm, and log-sum-exp."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import layout
from ..core.aval import Aval
from .formulas import conj
from .lowering import reductions as low
from .reductions import restore
from .rules import floating, reduced_shape
from .table import Spec, call, row


def _rule(x: Aval, dim: int, dt: Any) -> Spec:
    layout.wrap_dim(dim, x.ndim)
    if dt is None:
        floating("softmax_lastdim_kernel_impl", x)
        return Spec(x)
    floating("softmax_lastdim_kernel_impl", x.with_dtype(dt))
    return Spec(x.with_dtype(dt), dt)


def _shifted(x: np.ndarray, dim: int) -> np.ndarray:
    return x - x.max(axis=dim, keepdims=True)


def _softmax(x: np.ndarray, dim: int, dt: Any) -> np.ndarray:
    if not x.ndim:
        return _softmax(x[None], 0, dt)[0]
    if not x.size:  # sums of nothing may be many
        return x.copy()
    e = _shifted(x, dim)
    np.exp(e, out=e)
    e /= e.sum(axis=dim, keepdims=True)
    return e


def _log_softmax(x: np.ndarray, dim: int, dt: Any) -> np.ndarray:
    if not x.ndim:
        return _log_softmax(x[None], 0, dt)[0]
    if not x.size:
        return x.copy()
    e = _shifted(x, dim)
    e -= np.log(np.exp(e).sum(axis=dim, keepdims=True))
    return e


_SAMPLES = lambda m: [((m(2, 3), 1), {}), ((m(2, 3, 2), 0), {}), ((m(), 0), {}), ((m(3, 2).t(), -1), {})]  # type: ignore[var-annotated]  # noqa: E731

row(
    "softmax(Tensor input, int dim, dtype? dtype=None) -> Tensor",
    rule=_rule, forms="fmo", out="exact", numpy=_softmax,
    lower=low.softmax,
    grads={"input": lambda grad, result, dim: call.softmax_backward(grad, result, dim)},
    samples=_SAMPLES, doc="exp(x) / sum(exp(x)) along a dimension.",
)  # fmt: skip

row(
    "log_softmax(Tensor input, int dim, dtype? dtype=None) -> Tensor",
    rule=_rule, forms="fmo", out="exact", numpy=_log_softmax,
    lower=low.log_softmax,
    grads={"input": lambda grad, result, dim: call.log_softmax_backward(grad, result, dim)},
    samples=_SAMPLES, doc="log(softmax(x)) along a dimension.",
)  # fmt: skip


def _backward_rule(outer: Aval, output: Aval, dim: int) -> Spec:
    if outer.dtype.is_complex != output.dtype.is_complex:
        raise RuntimeError(f"expected a gradient of the output's dtype {output.dtype}, got {outer.dtype}")
    if outer.shape != output.shape:
        raise RuntimeError(
            f"expected the gradient to have the same size as the output; but {list(outer.shape)} does "
            f"not equal {list(output.shape)}"
        )
    layout.wrap_dim(dim, outer.ndim)
    return Spec(outer)


def _sum(x: np.ndarray, dim: int) -> Any:
    return x.sum(axis=dim, keepdims=True) if x.ndim else x


def _softmax_backward(g: np.ndarray, y: np.ndarray, dim: int) -> np.ndarray:
    out = g * y
    return (g - _sum(out, dim)) * y


row(
    "softmax_backward(Tensor outer, Tensor output, int dim) -> Tensor",
    rule=_backward_rule, numpy=_softmax_backward, forms="", node="SoftmaxBackwardDataBackward0",
    lower=low.softmax_backward,
    grads={"outer": lambda grad, output, dim: call.softmax_backward(grad, output, dim),
           "output": lambda grad, outer, output, dim:
               grad * (outer - (outer * output).sum(dim, True)) - outer * (grad * output).sum(dim, True)},
    samples=lambda m: [((m(2, 3), m(2, 3), 1), {}), ((m(), m(), 0), {}), ((m(3, 2).t(), m(2, 3), 0), {})],
    doc="Gradient of softmax from its result.",
)  # fmt: skip

row(
    "log_softmax_backward(Tensor outer, Tensor output, int dim) -> Tensor",
    rule=_backward_rule, forms="", node="LogSoftmaxBackwardDataBackward0",
    numpy=lambda g, y, dim: g - np.exp(y) * _sum(g, dim),
    lower=low.log_softmax_backward,
    grads={"outer": lambda grad, output, dim: grad - (grad * output.exp()).sum(dim, True),
           "output": lambda grad, outer, output, dim: -(grad * output.exp() * outer.sum(dim, True))},
    samples=lambda m: [((m(2, 3), m(2, 3), 1), {}), ((m(), m(), 0), {}), ((m(3, 2).t(), m(2, 3), 0), {})],
    doc="Gradient of log_softmax from its result.",
)  # fmt: skip


def _softmin(input: Any, dim: int, dtype: Any = None) -> Any:
    """softmax(-input) along a dimension."""
    return call.softmax(call.neg(input), dim, dtype)


row("softmin(Tensor input, int dim) -> Tensor", body=_softmin, where="nn", forms="f",
    samples=_SAMPLES, doc="See body.")  # fmt: skip


def _logsumexp_rule(x: Aval, dim: Any, keepdim: bool) -> Spec:
    from ..core import dtypes

    shape, _ = reduced_shape(x.shape, dim, keepdim)
    dt = x.dtype if x.dtype.category >= dtypes.FLOAT else dtypes.get_default()
    return Spec(x.with_shape(shape).with_dtype(dt), dt)


def _logsumexp(x: np.ndarray, dim: Any, keepdim: bool) -> np.ndarray:
    axes = tuple(range(x.ndim)) if dim == () or not x.ndim else dim
    if not x.size:
        return np.log(np.exp(x).sum(axis=axes, keepdims=keepdim and x.ndim > 0))
    top = x.real.max(axis=axes, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    out = np.log(np.exp(x - top).sum(axis=axes, keepdims=True)) + top
    return out if keepdim and x.ndim else out.reshape(_dropped(x, axes))


def _dropped(x: np.ndarray, axes: Any) -> tuple[int, ...]:
    gone = {a % x.ndim for a in axes} if x.ndim else set()
    return tuple(s for i, s in enumerate(x.shape) if i not in gone)


row(
    "logsumexp(Tensor input, int[] dim, bool keepdim=False) -> Tensor",
    rule=_logsumexp_rule, numpy=_logsumexp, forms="fmo", alias=("special.logsumexp",),
    lower=low.logsumexp,
    grads={"input": lambda grad, input, result, input_shape, dim, keepdim:
           restore(grad, input_shape, dim, keepdim)
           * conj((input - restore(result, input_shape, dim, keepdim)).exp())},
    samples=lambda m: [((m(2, 3), 1), {}), ((m(2, 3, 2), (0, 2), True), {}), ((m(), 0), {})],
    doc="log(sum(exp(x))) over dimensions.",
)  # fmt: skip
