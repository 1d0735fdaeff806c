"""Norms and distances."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..core import dtypes, layout
from ..core.aval import Aval, aval
from ..core.layout import wrap_dim
from ..errors import users_line
from .lowering import reductions as low
from .reductions import restore
from .rules import reduced_shape
from .table import Spec, call, row


def _norm_dtype(name: str, of: Any, dt: Any) -> Any:
    """The dtype that a norm is computed in; RuntimeError where it does not fit."""
    if of.category < dtypes.FLOAT:
        raise RuntimeError(
            f"{name}Expected a floating point or complex tensor as input. Got {of}"
        )
    if dt is None:
        return of
    if dt.category < dtypes.FLOAT or dt.is_complex != of.is_complex:
        kind = "complex" if of.is_complex else "floating point"
        raise RuntimeError(f"{name}dtype should be {kind} for {of} inputs, but got {dt}")
    if dtypes.promote(dt, of) is not dt:
        raise RuntimeError(
            f"{name}the dtype of the input ({of}) should be convertible without narrowing to "
            f"the specified dtype ({dt})"
        )
    return dt


def _norm_rule(x: Aval, p: float, dim: Any, keepdim: bool, dt: Any) -> Spec:
    dt = _norm_dtype("", x.dtype, dt)
    shape, dims = reduced_shape(x.shape, dim, keepdim)
    if (math.isinf(p) or p < 0) and any(x.shape[d] == 0 for d in dims if x.ndim):
        raise RuntimeError(
            f"cannot compute the {p} norm on an empty tensor because the "
            f"operation does not have an identity (shape {list(x.shape)})"
        )
    return Spec(aval(shape, dt.to_real(), x.device), dt)


def _norm(x: np.ndarray, p: float, dim: Any, keepdim: bool, dt: Any) -> Any:
    axes = tuple(range(x.ndim)) if dim is None or dim == () else tuple(map(int, dim))
    if not x.ndim:
        return np.abs(x) if p != 0 else (x != 0).astype(x.real.dtype)
    a = np.abs(x)
    if p == 2:
        return np.sqrt(np.square(a).sum(axis=axes, keepdims=keepdim))
    if p == math.inf:
        return a.max(axis=axes, keepdims=keepdim)
    if p == -math.inf:
        return a.min(axis=axes, keepdims=keepdim)
    if p == 0:
        return (a != 0).sum(axis=axes, keepdims=keepdim).astype(a.dtype)
    if p == 1:
        return a.sum(axis=axes, keepdims=keepdim)
    return np.power(np.power(a, p).sum(axis=axes, keepdims=keepdim), 1 / p)


def _norm_grad(grad: Any, x: Any, result: Any, p: float, dim: Any, keepdim: bool) -> Any:
    g = restore(grad, x.shape, dim, keepdim)
    r = restore(result, x.shape, dim, keepdim)
    if g.dtype is not x.dtype.to_real():  # computed in a wider dtype
        x = x.to(result.dtype.to_complex() if x.is_complex() else result.dtype)
    if p == 0:
        return call.zeros_like(x)
    if p == 1:
        return call.sgn(x) * g
    if p == 2:
        return (x * (g / r)).masked_fill(r == 0, 0)
    size = x.abs()
    if math.isinf(p):
        hit = ((size == r) | (call.isnan(size) & call.isnan(r))).to(g.dtype)
        dims = tuple(range(x.ndim)) if dim is None or dim == () else dim
        return call.sgn(x) * (hit * (g / (hit.sum(dims, True) if x.ndim else hit)))
    inner = (call.sgn(x) * size ** (p - 1)).masked_fill(size == 0, 0) if p < 2 else x * size ** (p - 2)
    return inner * (g * r ** (1 - p)).masked_fill(r == 0, 0)


row(
    "vector_norm(Tensor input, float ord=2.0, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor",
    rule=_norm_rule, numpy=_norm, forms="fo", where="linalg", node="LinalgVectorNormBackward0",
    called="linalg.vector_norm",
    lower=low.vector_norm,
    grads={"input": lambda grad, input, result, ord, dim, keepdim:
           _norm_grad(grad, input, result, ord, dim, keepdim)},
    samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 1.0, (1,)), {}), ((m(2, 3), 3.0, (0,), True), {}), ((m(4), math.inf), {}),
                       ((m(2, 3), 0.5, 1), {}), ((m(3), 1.5), {}), ((m.complex(2, 2), 2.0, 1), {}), ((m.complex(3), 3.0), {}), ((m(),), {})],
    doc="(sum |x|^ord)^(1/ord) over all elements or dimensions.",
)  # fmt: skip


def _matrix_dims(name: str, x: Any, dim: Any) -> tuple[int, int]:
    if x.ndim < 2:
        raise RuntimeError(
            f"{name}: The input tensor A must have at least 2 dimensions, got {list(x.shape)}"
        )
    dims = tuple(dim)
    if len(dims) != 2:
        raise RuntimeError(f"{name}: dim must be a 2-tuple. Got {list(dims)}")
    a, b = (wrap_dim(d, x.ndim) for d in dims)
    if a == b:
        raise RuntimeError(f"{name}: dims must be different. Got {list(dims)}")
    return a, b


def _matrix_norm(
    A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None  # noqa: N803
) -> Any:
    """Norms of matrices: Frobenius ('fro'), nuclear ('nuc'), or operator norms: the largest (or for
    negative orders the smallest) column sum (1), row sum (inf), singular value (2)."""
    name = "linalg.matrix_norm"
    _norm_dtype(name + ": ", A.dtype, dtype)
    a, b = _matrix_dims(name, A, dim)
    if not isinstance(ord, str) and abs(ord) not in (1, 2, math.inf):
        raise RuntimeError(f"{name}: Order {ord} not supported.")
    if isinstance(ord, str) and ord not in ("fro", "nuc"):
        raise RuntimeError(f"{name}: Order {ord} not supported.")
    x = A if dtype is None else A.to(dtype)
    if ord == "fro":
        return call.vector_norm(x, 2.0, (a, b), keepdim)
    if ord == "nuc" or abs(ord) == 2:
        values = call.linalg_svdvals(x.movedim((a, b), (-2, -1)))
        out = values.sum(-1) if ord == "nuc" else values.amax(-1) if ord > 0 else values.amin(-1)
    else:
        along, across = (a, b) if abs(ord) == 1 else (b, a)
        sums = call.vector_norm(x, 1.0, along)
        across -= across > along
        out = sums.amax(across) if ord > 0 else sums.amin(across)
    if keepdim:
        for d in sorted((a, b)):
            out = out.unsqueeze(d)
    return out


row("matrix_norm(Tensor A, any ord='fro', int[] dim=(-2, -1), bool keepdim=False) -> Tensor",
    body=_matrix_norm, forms="fo", where="linalg",
    samples=lambda m: [((m(2, 3),), {}), ((m(3, 2), "nuc"), {}), ((m(2, 2, 3), 1), {}), ((m(2, 3), math.inf, (0, 1), True), {}),
                       ((m(3, 2), 2), {}), ((m(3, 2), -2), {}), ((m(2, 3), -1), {})],
    doc="See body.")  # fmt: skip


def _linalg_norm(
    A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None  # noqa: N803
) -> Any:
    """A vector norm of all elements or along one dimension, a matrix norm where an order is given
    for a matrix or two dimensions are."""
    dims = None if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    if ord is None:
        return call.vector_norm(A, 2.0, dims, keepdim, dtype=dtype)
    if dims is not None and len(dims) not in (1, 2):
        raise RuntimeError(
            "linalg.norm: If dim is specified, it must be of length 1 or 2. Got "
            f"{list(dims)}"
        )
    if dims is None and A.ndim not in (1, 2):
        raise RuntimeError(
            "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got "
            f"{A.ndim}D."
        )
    if len(dims) == 1 if dims is not None else A.ndim == 1:
        if isinstance(ord, str):
            raise RuntimeError(
                "linalg.matrix_norm: The input tensor A must have at least 2 dimensions: order "
                f"{ord} is for matrices, got dim={dim} of shape {list(A.shape)}"
            )
        return call.vector_norm(A, float(ord), dims, keepdim, dtype=dtype)
    return _matrix_norm(A, ord, dims or (-2, -1), keepdim, dtype=dtype)


row("linalg_norm(Tensor A, any ord=None, int[]? dim=None, bool keepdim=False) -> Tensor",
    body=_linalg_norm, forms="fo", where="linalg", alias=("norm",),
    samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), "nuc"), {}), ((m(4), 3), {}), ((m(2, 3), 1, 0), {})],
    doc="See body.")  # fmt: skip


def _norm_body(
    input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Any:
    """The p-norm of all elements or over dimensions; 'fro' is the 2-norm, 'nuc' the sum of
    singular values of a matrix."""
    dims = None if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    if p is None or p == "fro":
        p = 2.0
    if isinstance(p, str):
        return _matrix_norm(input, p, (-2, -1) if dims is None else dims, keepdim, dtype=dtype)
    return call.vector_norm(input, float(p), dims, keepdim, dtype=dtype)


row("norm(Tensor input, any p='fro', any dim=None, bool keepdim=False) -> Tensor", body=_norm_body,
    forms="fmo", samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 1, 1), {}), ((m(2, 3), "nuc"), {})],
    doc="See body.")  # fmt: skip



def _dist_grads(grad: Any, input: Any, other: Any, result: Any, p: float) -> tuple[Any, Any]:
    found = _norm_grad(grad, input - other, result, p, None, False)
    return found, -found


row("dist(Tensor input, Tensor other, float p=2.0) -> Tensor",
    body=lambda input, other, p=2.0: _norm_body(input - other, p),
    grads={("input", "other"): lambda grad, input, other, result, p:
           _dist_grads(grad, input, other, result, p)},
    samples=lambda m: [((m(3), m(3)), {}), ((m(2, 3), m(3), 1), {})],
    doc="The p-norm of the difference.")  # fmt: skip


def _renorm(input: Any, p: float, dim: int, maxnorm: float) -> Any:
    """Sub-tensors along a dimension scaled down to norm maxnorm where theirs is larger."""
    if p <= 0:
        raise RuntimeError(f"renorm: non-positive-norm not supported, got {p}")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if input.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions")
    kept = wrap_dim(dim, input.ndim)
    dims = tuple(i for i in range(input.ndim) if i != kept)
    norms = call.vector_norm(input, float(p), dims, True)
    factor = call.where(norms > maxnorm, maxnorm / (norms + 1e-7), call.ones_like(norms))
    return input * factor


row("renorm(Tensor input, float p, int dim, float maxnorm) -> Tensor", body=_renorm, forms="fmio", out="exact",
    samples=lambda m: [((m(2, 3), 2.0, 0, 1.0), {}), ((m(2, 3), 1.0, -1, 0.5), {})], doc="See body.")  # fmt: skip


# --- distances ----------------------------------------------------------------------------------


def _at_least(norm: Any, eps: float) -> Any:
    """The norm, at least eps; the derivative is the norm's own, as in PyTorch."""
    known = norm.detach()
    return norm + (known.clamp(min=eps) - known)


def _cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """x1 . x2 / (|x1| |x2|) along a dimension, each norm at least eps."""
    if x1.is_complex() or x2.is_complex():
        raise RuntimeError(
            "cosine_similarity(): expected common dtype to be floating point, yet got "
            f"{x1.dtype} and {x2.dtype}"
        )
    if x1.shape != x2.shape:
        shape = layout.broadcast(tuple(x1.shape), tuple(x2.shape))
        x1, x2 = x1.expand(shape), x2.expand(shape)
    a = _at_least(call.vector_norm(x1, 2.0, (dim,), True), eps)
    b = _at_least(call.vector_norm(x2, 2.0, (dim,), True), eps)
    return ((x1 / a) * (x2 / b)).sum(dim)


row("cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-8) -> Tensor",
    body=_cosine_similarity, forms="f", samples=lambda m: [((m(2, 3), m(2, 3)), {})],
    doc="See body.")  # fmt: skip


def _pairwise_distance(
    x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Any:
    """The p-norm of x1 - x2 + eps along the last dimension."""
    return call.vector_norm(x1 - x2 + eps, float(p), (-1,), keepdim)


row("pairwise_distance(Tensor x1, Tensor x2, float p=2.0) -> Tensor", body=_pairwise_distance,
    forms="f", samples=lambda m: [((m(2, 3), m(2, 3)), {})], doc="See body.")  # fmt: skip

_MODES = (
    "use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist",
)  # fmt: skip


def _cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: str = _MODES[0]) -> Any:
    """p-norms of all differences between rows of x1 (*, n, d) and of x2 (*, m, d)."""
    if compute_mode not in _MODES:
        raise ValueError(f"cdist(): {compute_mode} is not a valid value for compute_mode")
    for name, x in (("X1", x1), ("X2", x2)):
        if x.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x.ndim}D")
        if not x.is_floating_point():
            raise RuntimeError(f"cdist only supports floating-point dtypes, {name} got: {x.dtype}")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(
            "cdist(): X1 and X2 must have the same number of columns. "
            f"X1: {x1.shape[-1]} X2: {x2.shape[-1]}"
        )
    if p < 0:
        raise RuntimeError(f"cdist only supports non-negative p values, got {p}")
    return call.vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), float(p), (-1,), False)


def _cdist_grads(grad: Any, x1: Any, x2: Any, result: Any, p: float) -> tuple[Any, Any]:
    found = _norm_grad(grad, x1.unsqueeze(-2) - x2.unsqueeze(-3), result, p, (-1,), False)
    return found.sum(-2), -found.sum(-3)


row(f"cdist(Tensor x1, Tensor x2, float p=2.0, any compute_mode={_MODES[0]!r}) -> Tensor", body=_cdist, forms="f",
    grads={("x1", "x2"): lambda grad, x1, x2, result, p: _cdist_grads(grad, x1, x2, result, p)},
    samples=lambda m: [((m(2, 3), m(3, 3)), {}), ((m(2, 2, 2), m(3, 2), 1.0), {})], doc="See body.")  # fmt: skip


def _pdist(input: Any, p: float = 2.0) -> Any:
    """p-norms of the differences between all pairs of rows: (0, 1), (0, 2), ..., (n - 2, n - 1)."""
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if not input.is_floating_point():
        raise RuntimeError(f"pdist only supports floating-point dtypes, got {input.dtype}")
    if p < 0:
        raise RuntimeError(f"pdist only supports non-negative p values, got {p}")
    first, second = np.triu_indices(input.shape[0], 1)
    a, b = (call.tensor_of(i.astype(np.int64), dtypes.int64) for i in (first, second))
    pairs = input.index_select(0, a) - input.index_select(0, b)
    return call.vector_norm(pairs, float(p), (-1,), False)


row("pdist(Tensor input, float p=2.0) -> Tensor", body=_pdist, forms="f",
    samples=lambda m: [((m(3, 2),), {}), ((m(3, 2), 1.0), {})], doc="See body.")  # fmt: skip


# --- old names --------------------------------------------------------------------------------------


def _deprecated(name: str, instead: str) -> None:
    warnings.warn(f"torch.{name} is deprecated, use {instead}", UserWarning, stacklevel=users_line())


def _frobenius_norm(input: Any, dim: Any, keepdim: bool = False) -> Any:
    """The root of the sum of squares over one or two dimensions (none: all)."""
    _deprecated("frobenius_norm", "torch.linalg.vector_norm(A, 2, dim, keepdim)")
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    if len(dims) > 2:
        raise RuntimeError(f"frobenius_norm(): expected at most 2 dimensions, but got {len(dims)}")
    return call.vector_norm(input, 2, dims or None, keepdim)


def _nuclear_norm(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The sum of the singular values."""
    _deprecated("nuclear_norm", "torch.linalg.matrix_norm(A, 'nuc', dim, keepdim)")
    if isinstance(dim, bool):  # nuclear_norm(input, keepdim)
        dim, keepdim = None, dim
    if dim is None and input.ndim != 2:
        raise RuntimeError(f"nuclear_norm(): expected a matrix, but got {input.ndim} dimensions")
    return call.matrix_norm(input, "nuc", (-2, -1) if dim is None else tuple(dim), keepdim)


row("frobenius_norm(Tensor input, any dim, bool keepdim=False) -> Tensor", body=_frobenius_norm,
    forms="fo", doc="See body.")  # fmt: skip
row("nuclear_norm(Tensor input, any dim=None, bool keepdim=False) -> Tensor", body=_nuclear_norm,
    forms="fo", doc="See body.")  # fmt: skip
