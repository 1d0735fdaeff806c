"""Differences, finite-difference gradients, integrals of samples, Vandermonde matrices."""

from __future__ import annotations

from typing import Any

from ..core import dtypes
from ..core.layout import wrap_dim, wrap_dims
from .table import call, row


def _diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours along a dimension, n times."""
    if input.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"diff(): order must be non-negative but got {n}")
    if n == 0:
        return input.clone()
    parts = [p for p in (prepend, input, append) if p is not None]
    x = call.cat(parts, dim) if len(parts) > 1 else input
    size = x.size(dim)
    for k in range(min(n, size)):
        rest = size - k - 1
        a, b = x.narrow(dim, 1, rest), x.narrow(dim, 0, rest)
        x = a ^ b if x.dtype is dtypes.bool_ else a - b
    return x


row("diff(Tensor input, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) -> Tensor",
    body=_diff, forms="fmo",
    samples=lambda m: [((m(5),), {}), ((m(2, 4),), {"n": 2}), ((m(2, 4), 1, 0, m(1, 4)), {})],
    doc="See body.")  # fmt: skip


def _neighbours(y: Any, dim: int) -> tuple[Any, Any]:
    n = y.shape[dim]
    return y.narrow(dim, 0, n - 1), y.narrow(dim, 1, n - 1)


def _areas(name: str, y: Any, x: Any, dx: Any, dim: int) -> Any:
    """Twice the area between neighbouring samples, the factor 1/2 (and dx) left to the caller."""
    if not y.ndim:
        raise IndexError(f"{name}: Dimension specified as {dim} but tensor has no dimensions")
    d = wrap_dim(dim, y.ndim)
    if y.shape[d] == 0:
        raise RuntimeError(f"{name}: needs at least one sample, got shape {list(y.shape)}")
    if y.dtype is dtypes.bool_:
        raise RuntimeError(f"{name}: received a bool input for `y`, which it does not support")
    left, right = _neighbours(y, d)
    if x is None:
        return left + right
    if x.dtype is dtypes.bool_:
        raise RuntimeError(f"{name}: received a bool input for `x`, which it does not support")
    if x.ndim == 1:
        if x.shape[0] != y.shape[d]:
            raise RuntimeError(
                f"{name}: There must be one `x` value for each sample point, got {x.shape[0]} for "
                f"{y.shape[d]} samples"
            )
        gaps = _diff(x).reshape((-1,) + (1,) * (y.ndim - d - 1))
    else:
        gaps = _diff(x, dim=d)
    return (left + right) * gaps


def _trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """The integral of samples y along a dimension by the trapezoidal rule: at places x, or dx
    (1) apart."""
    if y.ndim and y.size(dim) == 0:
        return call.sum(y, (dim,)) * 1.0
    return _areas("trapezoid", y, x, dx, dim).sum(dim) * _half(dx)


def _half(dx: Any) -> Any:
    return 0.5 if dx is None else dx / 2.0


def _cumulative_trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """The integrals up to each sample but the first; see trapezoid()."""
    areas = _areas("cumulative_trapezoid", y, x, dx, dim)
    return (areas * _half(dx)).cumsum(dim)


row("trapezoid(Tensor y, Tensor? x=None) -> Tensor", body=_trapezoid, forms="f", alias=("trapz",),
    samples=lambda m: [((m(5),), {}), ((m(2, 4), m(4)), {}), ((m(3, 2),), {"dx": 0.5, "dim": 0})],
    doc="See body.")  # fmt: skip
row("cumulative_trapezoid(Tensor y, Tensor? x=None) -> Tensor", body=_cumulative_trapezoid,
    forms="f", samples=lambda m: [((m(5),), {}), ((m(2, 4), m(2, 4)), {})], doc="See body.")  # fmt: skip


def _evenly(x: Any, h: Any, d: int, order: int) -> Any:
    """Derivative of samples that are h apart: central differences, one-sided at the ends."""
    n = x.shape[d]

    def at(i: int, size: int = 1) -> Any:
        return x.narrow(d, i % n, size)

    inside = (at(2, n - 2) - at(0, n - 2)) / (2.0 * h) if n > 2 else at(0, 0) / (2.0 * h)
    if order == 1:
        first, last = (at(1) - at(0)) / h, (at(-1) - at(-2)) / h
    else:
        first = (at(0) * -1.5 + at(1) * 2.0 + at(2) * -0.5) / h
        last = (at(-1) * 1.5 + at(-2) * -2.0 + at(-3) * 0.5) / h
    return call.cat([first, inside, last], d)


def _unevenly(x: Any, places: Any, d: int, order: int) -> Any:
    """The same for samples at given places: the derivative of the parabola through three
    neighbours (Fornberg 1988)."""
    n = x.shape[d]
    gaps = _diff(places).reshape((-1,) + (1,) * (x.ndim - d - 1))

    def at(i: int, size: int = 1) -> Any:
        return x.narrow(d, i % n, size)

    def gap(i: int, size: int = 1) -> Any:
        return gaps.narrow(0, i % (n - 1), size)

    a, b = gap(0, n - 2), gap(1, n - 2)
    left, middle, right = at(0, n - 2), at(1, n - 2), at(2, n - 2)
    inside = -b / (a * (a + b)) * left + (b - a) / (a * b) * middle + a / (b * (a + b)) * right
    if order == 1:
        first, last = (at(1) - at(0)) / gap(0), (at(-1) - at(-2)) / gap(-1)
    else:
        a, b = gap(0), gap(1)
        first = -(2 * a + b) / (a * (a + b)) * at(0) + (a + b) / (a * b) * at(1) - a / (b * (a + b)) * at(2)
        a, b = gap(-2), gap(-1)
        last = b / (a * (a + b)) * at(-3) - (a + b) / (a * b) * at(-2) + (2 * b + a) / (b * (a + b)) * at(-1)
    return call.cat([first, inside, last], d)


def _gradient(input: Any, *, spacing: Any = None, dim: Any = None, edge_order: int = 1) -> Any:
    """Derivatives of samples along dimensions, a tuple with one for each. `spacing`: a number, or
    for each dimension a number or the places of the samples."""
    n = input.ndim
    if input.dtype is dtypes.uint8:
        raise RuntimeError("torch.gradient does not support uint8 input.")
    dims = tuple(range(n)) if dim is None else wrap_dims((dim,) if isinstance(dim, int) else dim, n)
    if edge_order not in (1, 2):
        raise RuntimeError(
            f"torch.gradient only supports edge_order=1 and edge_order=2, got {edge_order}."
        )
    if isinstance(spacing, (list, tuple)):
        steps = list(spacing)
        if len(steps) != len(dims):
            raise RuntimeError(
                "torch.gradient expected spacing to be unspecified, a scalar, or a list of length "
                f"equal to the number of dimensions {len(dims)}, but got a list of length {len(steps)}"
            )
    else:
        steps = [1 if spacing is None else spacing] * len(dims)
    out = []
    for d, step in zip(dims, steps, strict=True):
        if input.shape[d] < edge_order + 1:
            raise RuntimeError(
                "torch.gradient expected each dimension size to be at least edge_order+1, got "
                f"{list(input.shape)} and edge_order={edge_order}"
            )
        if hasattr(step, "ndim"):
            if step.ndim != 1 or step.shape[0] != input.shape[d]:
                raise RuntimeError(
                    "torch.gradient expected each coordinate tensor to be a vector with a place for "
                    f"each sample, got shape {list(step.shape)} for {input.shape[d]} samples"
                )
            out.append(_unevenly(input, step, d, edge_order))
        else:
            out.append(_evenly(input, step, d, edge_order))
    return tuple(out)


row("gradient(Tensor input) -> Tensors", body=_gradient, forms="f",
    samples=lambda m: [((m(5),), {}), ((m(3, 4),), {"spacing": 0.5, "dim": 1}), ((m(3, 4),), {"edge_order": 2}),
                       ((m(4),), {"spacing": [call.tensor([0.0, 1.0, 3.0, 4.0], dtype=dtypes.float64)], "edge_order": 2})],
    doc="See body.")  # fmt: skip


def _powers(x: Any, n: int) -> Any:
    """x to the powers 0 to n - 1, as a new last dimension."""
    if n == 0:
        return call.empty((*x.shape, 0), dtype=x.dtype)
    ones = call.ones((*x.shape, 1), dtype=x.dtype)
    if n == 1:
        return ones
    rest = x.unsqueeze(-1).expand((*x.shape, n - 1)).cumprod(-1)
    return call.cat([ones.to(rest.dtype), rest], -1)


def _vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:  # noqa: N803
    """The matrix of powers of a vector's elements, N (as many as elements) of each."""
    if x.ndim != 1:
        raise RuntimeError(f"vander(): x must be a one-dimensional tensor, got {list(x.shape)}.")
    n = x.shape[0] if N is None else N
    if n < 0:
        raise RuntimeError(f"vander(): N must be non-negative, got {n}.")
    powers = _powers(x, n)
    return powers if increasing else powers.flip(1)


def _linalg_vander(x: Any, N: int | None = None) -> Any:  # noqa: N803
    n = x.shape[-1] if N is None and x.ndim else N
    if n is None:
        raise RuntimeError("linalg.vander: N must be given for a 0-d tensor")
    if n <= 1 and N is not None:
        raise RuntimeError(f"linalg.vander: N must be greater than 1, got {n}.")
    return _powers(x if x.ndim else x.reshape((1,)), n)


row("vander(Tensor x, int? N=None, bool increasing=False) -> Tensor", body=_vander, forms="f",
    samples=lambda m: [((m(3),), {}), ((m(3), 2), {"increasing": True})], doc="See body.")  # fmt: skip
row("linalg_vander(Tensor x, int? N=None) -> Tensor", body=_linalg_vander, forms="f",
    where="linalg", alias=("vander",),
    samples=lambda m: [((m(2, 3),), {}), ((m(3), 4), {})],
    doc="Powers 0 to N - 1 of the elements, as a new last dimension.")  # fmt: skip
