"""Running sums, products and extrema along a dimension."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes, layout
from ..core.aval import Aval
from .exponentials import logaddexp
from .formulas import conj
from .lowering import indexing as low
from .rules import matching
from .table import Spec, call, row


def _scan_rule(x: Aval, dim: int, dt: Any) -> Spec:
    layout.wrap_dim(dim, x.ndim)
    if dt is None:
        dt = dtypes.int64 if x.dtype.category < dtypes.FLOAT else x.dtype
    return Spec(x.with_dtype(dt), dt)


def _accumulated(function: Any) -> Any:
    return lambda x, dim, dt: function(x, axis=dim, dtype=x.dtype) if x.ndim else x


def _backwards(x: Any, dim: int) -> Any:
    """Running sums from the end."""
    return x.flip(dim).cumsum(dim).flip(dim)


row(
    "cumsum(Tensor input, int dim, *, dtype? dtype=None) -> Tensor",
    rule=_scan_rule, numpy=_accumulated(np.cumsum), forms="fmio", out="any",
    lower=low.scan("sum"),
    grads={"input": lambda grad, dim: _backwards(grad, dim) if grad.ndim else grad},
    samples=lambda m: [((m(4), 0), {}), ((m(2, 3), -1), {}), ((m(), 0), {}), ((m(0, 2), 0), {})],
    doc="Running sums along a dimension.",
)  # fmt: skip


def _recurrence(factor: np.ndarray, term: np.ndarray, dim: int) -> np.ndarray:
    a, b = np.moveaxis(factor, dim, 0), np.moveaxis(term, dim, 0)
    out = np.empty(b.shape, np.result_type(a, b))
    for i in range(len(b)):
        out[i] = b[i] + a[i] * out[i - 1] if i else b[i]
    return np.moveaxis(out, 0, dim)


def _recurrence_rule(factor: Aval, term: Aval, dim: int) -> Spec:
    matching(factor, term)
    return Spec(term)


def _shifted(x: Any, dim: int) -> Any:
    """The element before each; zero before the first."""
    n = x.shape[dim]
    return call.cat([call.zeros_like(x.narrow(dim, 0, 1)), x.narrow(dim, 0, n - 1)], dim)


def _recurrence_grads(grad: Any, factor: Any, result: Any, dim: int) -> tuple[Any, Any]:
    """A recurrence itself, from the end, with the factor of the next element."""
    turned = _shifted(conj(factor).flip(dim), dim)
    for_term = call.recurrence(turned, grad.flip(dim), dim).flip(dim)
    return for_term * conj(_shifted(result, dim)), for_term


row(
    "recurrence(Tensor factor, Tensor term, int dim) -> Tensor",
    rule=_recurrence_rule, numpy=_recurrence, forms="", lower=low.recurrence,
    grads={("factor", "term"): lambda grad, factor, result, dim:
           _recurrence_grads(grad, factor, result, dim)},
    samples=lambda m: [((m(4), m(4), 0), {}), ((m(2, 3), m(2, 3), 1), {})],
    doc="y[0] = term[0], y[i] = term[i] + factor[i] * y[i - 1] along a dimension.",
)  # fmt: skip


def _cumprod_grad(grad: Any, input: Any, dim: int) -> Any:
    """(product of all before j) * S[j], where S[j] = grad[j] + x[j + 1] * S[j + 1]: no division, so
    zeros are no trouble."""
    if input.ndim == 0 or input.shape[dim] == 0:
        return grad
    x = conj(input)
    n = x.shape[dim]
    one = call.ones_like(x.narrow(dim, 0, 1))
    before = call.cat([one, x.narrow(dim, 0, n - 1)], dim).cumprod(dim)
    sums = call.recurrence(_shifted(x.flip(dim), dim), grad.to(x.dtype).flip(dim), dim).flip(dim)
    return before * sums


row(
    "cumprod(Tensor input, int dim, *, dtype? dtype=None) -> Tensor",
    rule=_scan_rule, numpy=_accumulated(np.cumprod), forms="fmio", out="any",
    lower=low.scan("prod"),
    grads={"input": lambda grad, input, dim: _cumprod_grad(grad, input, dim)},
    samples=lambda m: [((m(4), 0), {}), ((m(2, 3), -1), {}), ((m(0, 2), 0), {}), ((m(), 0), {}),
                       ((m(3) * call.tensor([1.0, 0.0, 2.0], dtype=dtypes.float64), 0), {})],
    doc="Running products along a dimension.",
)  # fmt: skip


def _extreme_rule(x: Aval, dim: int) -> Spec:
    layout.wrap_dim(dim, x.ndim)
    if x.dtype.category == dtypes.COMPLEX:
        raise NotImplementedError(f"not implemented for '{x.dtype.legacy}': it has no order")
    return Spec((x, x.with_dtype(dtypes.int64)))


def _running(function: Any) -> Any:
    def run(x: np.ndarray, dim: int) -> tuple[Any, Any]:
        if not x.ndim:
            return x, np.zeros((), np.int64)
        values = function.accumulate(x, axis=dim)
        shape = [1] * x.ndim
        shape[dim] = x.shape[dim]
        numbers = np.arange(x.shape[dim]).reshape(shape)
        new = (x == values) | (np.isnan(x) if x.dtype.kind == "f" else False)
        return values, np.maximum.accumulate(np.where(new, numbers, 0), axis=dim)

    return run


for _name, _f in (("cummax", np.maximum), ("cummin", np.minimum)):
    row(
        f"{_name}(Tensor input, int dim) -> (values, indices)",
        rule=_extreme_rule, numpy=_running(_f), forms="fmo", out="exact",
        lower=low.extreme_scan(_name[3:]),
        grads={"input": lambda grad, indices, input_shape, dim:
               call.zeros(input_shape, dtype=grad.dtype).scatter_add(dim, indices, grad)
               if input_shape else grad},
        samples=lambda m: [((m(4), 0), {}), ((m(2, 3), 1), {}), ((m(), 0), {})],
        doc="Running extrema along a dimension and where they are.",
    )  # fmt: skip


def _logcumsumexp_rule(x: Aval, dim: int) -> Spec:
    layout.wrap_dim(dim, x.ndim)
    if x.dtype.category < dtypes.FLOAT:
        raise NotImplementedError(f"\"logcumsumexp_out_cpu\" not implemented for '{x.dtype.legacy}'")
    return Spec(x)


def _logcumsumexp(x: np.ndarray, dim: int) -> np.ndarray:
    if not x.ndim:
        return x
    if not np.iscomplexobj(x):
        return np.logaddexp.accumulate(x, axis=dim)
    out = x.copy()
    rows, sums = np.moveaxis(x, dim, 0), np.moveaxis(out, dim, 0)
    for i in range(1, len(rows)):
        sums[i] = logaddexp(sums[i - 1], rows[i])
    return out


def _logcumsumexp_grad(grad: Any, input: Any, result: Any, dim: int) -> Any:
    """exp(x[j] - r[j]) * T[j] with T[j] = grad[j] + exp(r[j] - r[j + 1]) * T[j + 1]: no exponent is
    positive, so nothing overflows."""
    if input.ndim == 0:
        return grad
    if input.shape[dim] == 0:
        return grad
    n = input.shape[dim]
    steps = result.narrow(dim, 0, n - 1) - result.narrow(dim, 1, n - 1)
    first = call.zeros_like(result.narrow(dim, 0, 1))
    factor = call.cat([first, steps.masked_fill(call.isnan(steps), 0).exp().flip(dim)], dim)
    factor = conj(factor)
    sums = call.recurrence(factor, grad.flip(dim), dim).flip(dim)
    return conj((input - result).exp()) * sums


row(
    "logcumsumexp(Tensor input, int dim) -> Tensor", rule=_logcumsumexp_rule, forms="fmo",
    numpy=_logcumsumexp, lower=low.logcumsumexp,
    grads={"input": lambda grad, input, result, dim:
           _logcumsumexp_grad(grad, input, result, dim)},
    samples=lambda m: [((m(4), 0), {}), ((m(2, 3), 1), {}), ((m(), 0), {}), ((m(3, low=-900.0, high=900.0), 0), {}), ((m.complex(2, 3), 1), {})],
    doc="Logarithms of running sums of exponentials.",
)  # fmt: skip
