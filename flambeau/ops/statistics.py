"""Variances and covariances."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval, aval
from .lowering import reductions as low
from .reductions import (
    axes,
    count,
    kept,
    mean_of,
    restore,
)
from .rules import reduced_shape
from .table import Spec, call, row


def _var_rule(x: Aval, dim: Any, correction: float, keepdim: bool) -> Spec:
    if x.dtype.category < dtypes.FLOAT:
        raise RuntimeError("std and var only support floating point and complex dtypes")
    shape, _ = reduced_shape(x.shape, dim, keepdim)
    return Spec(aval(shape, x.dtype.to_real(), x.device))


def _var(x: np.ndarray, dim: Any, correction: float, keepdim: bool) -> Any:
    real = x.real.dtype.type
    n = count(x.shape, dim)
    axis = axes(x, dim)
    if not n:
        return np.full(reduced_shape(x.shape, dim, kept(x, keepdim))[0], np.nan, real)
    d = x - mean_of(x, axis, n, x.ndim > 0)
    squares = np.square(d.real) + np.square(d.imag) if np.iscomplexobj(d) else np.square(d)
    return np.true_divide(squares.sum(axis=axis, keepdims=kept(x, keepdim)), real(max(n - correction, 0)))


def _var_grad(grad: Any, input: Any, dim: Any, correction: float, keepdim: bool) -> Any:
    n = count(input.shape, dim)
    factor = 2.0 / (n - correction) if n != correction else math.inf
    centred = input - (input.mean(dim, True) if input.ndim else input)
    return restore(grad, input.shape, dim, keepdim) * factor * centred


def _std_grad(grad: Any, input: Any, result: Any, dim: Any, correction: float, keepdim: bool) -> Any:
    g = (grad / (result * 2)).masked_fill(result == 0, 0)
    return _var_grad(g, input, dim, correction, keepdim)


def _mean_grad(grad: Any, input: Any, dim: Any, keepdim: bool) -> Any:
    n = max(count(input.shape, dim), 1)
    return restore(grad, input.shape, dim, keepdim).expand(input.shape) / n


def _sum_of(*parts: Any) -> Any:
    there = [p for p in parts if p is not None]
    return there[0] if len(there) == 1 else there[0] + there[1]


def _pair_rule(x: Aval, dim: Any, correction: float, keepdim: bool) -> Spec:
    one = _var_rule(x, dim, correction, keepdim).aval
    return Spec((one, one.with_dtype(x.dtype)))


def _pair(spread: Any) -> Any:
    def both(x: np.ndarray, dim: Any, correction: float, keepdim: bool) -> tuple[Any, Any]:
        mean = mean_of(x, axes(x, dim), count(x.shape, dim), kept(x, keepdim))
        return spread(x, dim, correction, keepdim), mean

    return both


def _std(x: np.ndarray, dim: Any, correction: float, keepdim: bool) -> Any:
    return np.sqrt(_var(x, dim, correction, keepdim))


_DIMS = "(Tensor input, int[]? dim, float correction, bool keepdim)"

row(
    f"var_dims{_DIMS} -> Tensor", rule=_var_rule, numpy=_var, forms="", node="VarBackward0",
    called="var",
    lower=low.var,
    grads={"input": lambda grad, input, dim, correction, keepdim:
           _var_grad(grad, input, dim, correction, keepdim)},
    doc="Variance; see torch.var.",
)  # fmt: skip
row(
    f"std_dims{_DIMS} -> Tensor", rule=_var_rule, numpy=_std, forms="", node="StdBackward0",
    called="std",
    lower=low.std,
    grads={"input": lambda grad, input, result, dim, correction, keepdim:
           _std_grad(grad, input, result, dim, correction, keepdim)},
    doc="Standard deviation; see torch.std.",
)  # fmt: skip
row(
    f"var_mean_dims{_DIMS} -> (_var, _mean)", rule=_pair_rule, numpy=_pair(_var), forms="",
    lower=low.with_mean(low.var),
    node="VarMeanBackward0", called="var_mean",
    grads={"input": lambda grads, input, dim, correction, keepdim: _sum_of(
        None if grads[0] is None else _var_grad(grads[0], input, dim, correction, keepdim),
        None if grads[1] is None else _mean_grad(grads[1], input, dim, keepdim))},
    doc="Variance and mean; see torch.var_mean.",
)  # fmt: skip
row(
    f"std_mean_dims{_DIMS} -> (_std, _mean)", rule=_pair_rule, numpy=_pair(_std), forms="",
    lower=low.with_mean(low.std),
    node="StdMeanBackward0", called="std_mean",
    grads={"input": lambda grads, input, _std, dim, correction, keepdim: _sum_of(
        None if grads[0] is None else _std_grad(grads[0], input, _std, dim, correction, keepdim),
        None if grads[1] is None else _mean_grad(grads[1], input, dim, keepdim))},
    doc="Standard deviation and mean; see torch.std_mean.",
)  # fmt: skip


def _spread_of(name: str) -> Any:
    def spread(
        input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
        correction: Any = None,
    ) -> Any:  # fmt: skip
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        if correction is None:
            correction = 1 if unbiased is None or unbiased else 0
        elif unbiased is not None:
            raise TypeError(f"{name}() takes either unbiased or correction, not both")
        return getattr(call, f"{name}_dims")(input, dim, float(correction), keepdim)

    spread.__name__ = name
    spread.__doc__ = (
        f"{name.replace('_', ' and ')} over all elements or dimensions; squares are divided by "
        "n - correction, where correction is 1, or 0 for unbiased=False."
    )
    return spread


for _name in ("var", "std"):
    row(f"{_name}(Tensor input, any dim=None, any unbiased=None, bool keepdim=False) -> Tensor",
        body=_spread_of(_name), forms="fmo",
        samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 1), {}), ((m(2, 3, 2), (0, 2)), {"correction": 0, "keepdim": True}),
                           ((m(3), False), {})],
        doc="See body.")  # fmt: skip
    row(f"{_name}_mean(Tensor input, any dim=None, any unbiased=None, bool keepdim=False) -> Tensors",
        forms="f", body=_spread_of(_name + "_mean"),
        samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 1), {}), ((m(2, 3), (0, 1), False, True), {})],
        doc="See body.")  # fmt: skip


# --- covariances ----------------------------------------------------------------------------------


def _cov_weights(name: str, w: Any, n: int, whole: bool) -> None:
    if w.ndim > 1:
        raise RuntimeError(f"cov(): expected {name} to have one or fewer dimensions but got {w.ndim}")
    if (w.dtype.category == dtypes.INT) != whole or w.dtype.category in (dtypes.BOOL, dtypes.COMPLEX):
        kind = "integral" if whole else "floating point"
        raise RuntimeError(f"cov(): expected {name} to have {kind} dtype but got {name} with {w.dtype}")
    if w.numel() != n:
        raise RuntimeError(
            f"cov(): expected {name} to have the same numel as there are observations in the input "
            f"but got {w.numel()} != {n}"
        )
    if (call.observe_batch(w, "cov checks its weights") < 0).any():
        raise RuntimeError(f"cov(): {name} cannot be negative")


def _cov(
    input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None
) -> Any:
    """The covariance matrix of variables (rows) over observations (columns), weighted by how often
    each occurs (fweights) and how much it counts (aweights)."""
    if input.ndim > 2:
        raise RuntimeError(f"cov(): expected input to have two or fewer dimensions but got {input.ndim}")
    if input.dtype is dtypes.bool_:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = input.reshape(1, -1) if input.ndim < 2 else input
    n = x.shape[1]
    w = None
    if fweights is not None:
        _cov_weights("fweights", fweights, n, True)
        w = fweights
    if aweights is not None:
        _cov_weights("aweights", aweights, n, False)
        w = aweights if w is None else w * aweights
    if w is None:
        mean = x.sum(1, True) / n if n else x.sum(1, True) * math.nan
        norm: Any = max(n - correction, 0)
    else:
        amount = w.sum()
        if n and float(amount.item()) == 0:
            raise RuntimeError("cov(): weights sum to zero, can't be normalized")
        mean = (x * w).sum(1, True) / amount
        norm = amount - correction
        if aweights is not None and correction:
            norm = amount - correction * (w * aweights).sum() / amount
        norm = norm.clamp(min=0)
    centred = x - mean
    other = call.conj(centred) if centred.is_complex() else centred
    out = (centred if w is None else centred * w).mm(other.t().to(centred.dtype))
    return call.true_divide(out, norm).squeeze()


row("cov(Tensor input) -> Tensor", body=_cov, forms="fm",
    samples=lambda m: [((m(2, 3),), {}), ((m(4),), {}), ((m(2, 3),), {"correction": 0})],
    doc="See body.")  # fmt: skip


def _corrcoef(input: Any) -> Any:
    """Pearson's correlation coefficients of variables (rows) over observations (columns)."""
    if input.ndim > 2:
        raise RuntimeError(
            f"corrcoef(): expected input to have two or fewer dimensions but got {input.ndim}"
        )
    c = _cov(input)
    if c.ndim == 0:
        return c / c
    spread = call.real(c.diagonal()).sqrt() if c.is_complex() else c.diagonal().sqrt()
    out = c / spread.unsqueeze(1) / spread
    if not out.is_complex():
        return out.clamp(-1, 1)
    return call.complex(call.real(out).clamp(-1, 1), call.imag(out).clamp(-1, 1))


row("corrcoef(Tensor input) -> Tensor", body=_corrcoef, forms="fm",
    samples=lambda m: [((m(2, 4),), {})], doc="See body.")  # fmt: skip
