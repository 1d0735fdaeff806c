"""Running sums, products and extrema along a dimension; differences."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes, layout
from ..core.aval import Aval
from .table import Spec, call, row


def _scan_rule(x: Aval, dim: int, dt: Any) -> Spec:
    layout.wrap_dim(dim, x.ndim)
    if dt is None:
        dt = dtypes.int64 if x.dtype.category < dtypes.FLOAT else x.dtype
    return Spec(x.with_dtype(dt), dt)


def _accumulated(function: Any) -> Any:
    return lambda x, dim, dt: function(x, axis=dim, dtype=x.dtype) if x.ndim else x


row(
    "cumsum(Tensor input, int dim, *, dtype? dtype=None) -> Tensor",
    rule=_scan_rule, numpy=_accumulated(np.cumsum), forms="fmio",
    grads={"input": lambda grad, dim: grad.flip(dim).cumsum(dim).flip(dim) if grad.ndim else grad},
    samples=lambda m: [((m(4), 0), {}), ((m(2, 3), -1), {}), ((m(), 0), {}), ((m(0, 2), 0), {})],
    doc="Running sums along a dimension.",
)  # fmt: skip


def _cumprod_grad(grad: Any, input: Any, result: Any, dim: int) -> Any:
    """Without zeros: reversed running sum of grad * result, over input. With zeros the products
    are formed anew for each position."""
    if input.ndim == 0:
        return grad
    if not bool((input == 0).any()):
        w = grad * result
        total = w.flip(dim).cumsum(dim).flip(dim)
        return total / input
    d = dim % input.ndim
    n = input.shape[d]
    parts = []
    for i in range(n):
        before = input.narrow(d, 0, i).prod(d, True) if i else call.ones_like(input.narrow(d, 0, 1))
        after = input.narrow(d, i + 1, n - i - 1)
        ones = call.ones_like(input.narrow(d, 0, 1))
        tail = call.cat([ones, after], d).cumprod(d)
        parts.append((before * tail * grad.narrow(d, i, n - i)).sum(d, True))
    return call.cat(parts, d)


row(
    "cumprod(Tensor input, int dim, *, dtype? dtype=None) -> Tensor",
    rule=_scan_rule, numpy=_accumulated(np.cumprod), forms="fmio",
    grads={"input": lambda grad, input, result, dim: _cumprod_grad(grad, input, result, dim)},
    samples=lambda m: [((m(4), 0), {}), ((m(2, 3), -1), {})],
    doc="Running products along a dimension.",
)  # fmt: skip


def _extreme_rule(x: Aval, dim: int) -> Spec:
    layout.wrap_dim(dim, x.ndim)
    return Spec((x, x.with_dtype(dtypes.int64)))


def _running(function: Any) -> Any:
    def run(x: np.ndarray, dim: int) -> tuple[Any, Any]:
        if not x.ndim:
            return x, np.zeros((), np.int64)
        values = function.accumulate(x, axis=dim)
        n = x.shape[dim]
        shape = [1] * x.ndim
        shape[dim] = n
        numbers = np.arange(n).reshape(shape)
        new = (x == values) | (np.isnan(x) if x.dtype.kind == "f" else False)
        return values, np.maximum.accumulate(np.where(new, numbers, 0), axis=dim)

    return run


for _name, _f in (("cummax", np.maximum), ("cummin", np.minimum)):
    row(
        f"{_name}(Tensor input, int dim) -> (values, indices)",
        rule=_extreme_rule, numpy=_running(_f), forms="fmo",
        grads={"input": lambda grad, indices, input_shape, dim:
               call.zeros(input_shape, dtype=grad.dtype).scatter_add(dim, indices, grad)
               if input_shape else grad},
        samples=lambda m: [((m(4), 0), {}), ((m(2, 3), 1), {})],
        doc="Running extrema along a dimension and where they are.",
    )  # fmt: skip


def _logcumsumexp(x: np.ndarray, dim: int) -> np.ndarray:
    return np.logaddexp.accumulate(x, axis=dim) if x.ndim else x


row(
    "logcumsumexp(Tensor input, int dim) -> Tensor",
    rule=lambda x, dim: Spec(x), numpy=_logcumsumexp, forms="fmo",
    grads={"input": lambda grad, input, result, dim:
           (grad * (-result).exp()).flip(dim).cumsum(dim).flip(dim) * input.exp()
           if input.ndim else grad},
    samples=lambda m: [((m(4), 0), {}), ((m(2, 3), 1), {})],
    doc="Logarithms of running sums of exponentials.",
)  # fmt: skip


def _diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours along a dimension, n times."""
    if input.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    parts = [p for p in (prepend, input, append) if p is not None]
    x = call.cat(parts, dim) if len(parts) > 1 else input
    for _ in range(min(n, x.shape[dim])):
        size = x.shape[dim]
        a, b = x.narrow(dim, 1, size - 1), x.narrow(dim, 0, size - 1)
        x = a ^ b if x.dtype is dtypes.bool_ else a - b
    return x


row("diff(Tensor input, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) -> Tensor",
    body=_diff, forms="fm", samples=lambda m: [((m(5),), {}), ((m(2, 4),), {"n": 2})],
    doc="See body.")  # fmt: skip
