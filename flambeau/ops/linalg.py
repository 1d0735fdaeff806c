"""Norms, distances, einsum, attention, and dense linear algebra."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtypes, layout
from ..core.aval import Aval, aval
from .reductions import restore
from .rules import floating, reduced_shape
from .table import Spec, call, row


def _norm_rule(x: Aval, p: float, dim: Any, keepdim: bool) -> Spec:
    if x.dtype.category < dtypes.FLOAT:
        raise RuntimeError(
            f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {x.dtype}"
        )
    shape, dims = reduced_shape(x.shape, dim, keepdim)
    return Spec(aval(shape, x.dtype.to_real(), x.device))


def _norm(x: np.ndarray, p: float, dim: Any, keepdim: bool) -> Any:
    axes = tuple(range(x.ndim)) if dim is None or dim == () else dim
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
    if p == 0:
        return call.zeros_like(x)
    if p == 1:
        return call.sgn(x) * g
    if p == 2:
        return (x * (g / r)).masked_fill(r == 0, 0)
    size = x.abs()
    if math.isinf(p):
        hit = (size == r).to(g.dtype)
        dims = tuple(range(x.ndim)) if dim is None or dim == () else dim
        return call.sgn(x) * (hit * (g / (hit.sum(dims, True) if x.ndim else hit)))
    scale = g * r ** (1 - p)
    inner = call.sgn(x) * size ** (p - 1)
    return (inner * scale).masked_fill((r == 0) if p >= 1 else (size == 0), 0)


row(
    "vector_norm(Tensor input, float ord=2.0, int[]? dim=None, bool keepdim=False) -> Tensor",
    rule=_norm_rule, numpy=_norm, forms="", node="LinalgVectorNormBackward0",
    grads={"input": lambda grad, input, result, ord, dim, keepdim:
           _norm_grad(grad, input, result, ord, dim, keepdim)},
    samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 1.0, (1,)), {}), ((m(2, 3), 3.0, (0,), True), {}), ((m(4), math.inf), {})],
    doc="(sum |x|^ord)^(1/ord) over dimensions.",
)  # fmt: skip


def _norm_body(
    input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Any:
    """The p-norm of all elements or over dimensions; 'fro' is the 2-norm, 'nuc' the sum of
    singular values."""
    if dtype is not None:
        input = input.to(dtype)
    dims = (dim,) if isinstance(dim, int) else None if dim is None else tuple(dim)
    if p == "nuc":
        return call.linalg_svdvals(input).sum(-1)
    if p is None or p == "fro":
        p = 2.0
    return call.vector_norm(input, float(p), dims, keepdim)


row("norm(Tensor input, any p='fro', any dim=None, bool keepdim=False) -> Tensor", body=_norm_body,
    forms="fm", samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 1, 1), {})], doc="See body.")  # fmt: skip


def _dist(input: Any, other: Any, p: float = 2) -> Any:
    """The p-norm of the difference."""
    return _norm_body(input - other, p)


row("dist(Tensor input, Tensor other, float p=2) -> Tensor", body=_dist,
    samples=lambda m: [((m(3), m(3)), {})], doc="See body.")  # fmt: skip


def _renorm(input: Any, p: float, dim: int, maxnorm: float) -> Any:
    """Sub-tensors along a dimension scaled down to norm maxnorm where theirs is larger."""
    dims = tuple(i for i in range(input.ndim) if i != dim % input.ndim)
    norms = call.vector_norm(input, float(p), dims, True)
    factor = call.where(norms > maxnorm, maxnorm / (norms + 1e-7), call.ones_like(norms))
    return input * factor


row("renorm(Tensor input, float p, int dim, float maxnorm) -> Tensor", body=_renorm, forms="fmi",
    samples=lambda m: [((m(2, 3), 2.0, 0, 1.0), {})], doc="See body.")  # fmt: skip


def _at_least(norm: Any, eps: float) -> Any:
    """The norm, at least eps; the derivative is the norm's own, as in PyTorch."""
    known = norm.detach()
    return norm + (known.clamp(min=eps) - known)


def _cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """x1 . x2 / (|x1| |x2|) along a dimension, each norm at least eps."""
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


def _cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: Any = None) -> Any:
    """p-norms of all differences between rows of x1 (*, n, d) and of x2 (*, m, d)."""
    return call.vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), float(p), (-1,), False)


row("cdist(Tensor x1, Tensor x2, float p=2.0) -> Tensor", body=_cdist, forms="f",
    samples=lambda m: [((m(2, 3), m(3, 3)), {})], doc="See body.")  # fmt: skip


def _bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """y_k = x1^T W_k x2 + b_k; weight (out, in1, in2)."""
    if input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(
            f"bilinear(): input batch dimensions do not match: {list(input1.shape)} and "
            f"{list(input2.shape)}"
        )
    if input1.shape[-1] != weight.shape[1] or input2.shape[-1] != weight.shape[2]:
        raise RuntimeError(
            f"bilinear(): input sizes {input1.shape[-1]} and {input2.shape[-1]} do not match "
            f"weight of shape {list(weight.shape)}"
        )
    lead = tuple(input1.shape[:-1])
    a = input1.reshape(-1, input1.shape[-1])
    b = input2.reshape(-1, input2.shape[-1])
    out, n, k = weight.shape
    mixed = a.mm(weight.permute(1, 0, 2).reshape(n, out * k)).reshape(-1, out, k)
    y = (mixed * b.unsqueeze(1)).sum(-1).reshape((*lead, out))
    return y if bias is None else y + bias


row("bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) -> Tensor",
    body=_bilinear, forms="f",
    samples=lambda m: [((m(2, 3), m(2, 2), m(4, 3, 2), m(4)), {})], doc="See body.")  # fmt: skip


def _tensordot(a: Any, b: Any, dims: Any = 2, out: Any = None) -> Any:
    """Contraction over dimensions: the last `dims` of a with the first of b, or two lists."""
    if isinstance(dims, int):
        left, right = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        left, right = ([d] if isinstance(d, int) else list(d) for d in dims)
    left = [layout.wrap_dim(d, a.ndim) for d in left]
    right = [layout.wrap_dim(d, b.ndim) for d in right]
    for i, j in zip(left, right, strict=True):
        if a.shape[i] != b.shape[j]:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a.shape[i]} in dim {i} "
                f"and second has size {b.shape[j]} in dim {j}"
            )
    rest_a = [d for d in range(a.ndim) if d not in left]
    rest_b = [d for d in range(b.ndim) if d not in right]
    k = math.prod(a.shape[d] for d in left)
    x = a.permute((*rest_a, *left)).reshape(math.prod(a.shape[d] for d in rest_a), k)
    y = b.permute((*right, *rest_b)).reshape(k, math.prod(b.shape[d] for d in rest_b))
    return x.mm(y).reshape((*(a.shape[d] for d in rest_a), *(b.shape[d] for d in rest_b)))


row("tensordot(Tensor a, Tensor b, any dims=2) -> Tensor", body=_tensordot, forms="f",
    samples=lambda m: [((m(2, 3), m(3, 2), 1), {}), ((m(2, 3), m(2, 4), ([0], [0])), {})],
    doc="See body.")  # fmt: skip


def _einsum(equation: str, *operands: Any) -> Any:
    """Sums of products named by letters: `einsum("bij,bjk->bik", a, b)`; "..." broadcasts."""
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise RuntimeError(
            f"einsum(): the equation {equation!r} has {len(terms)} operands, but {len(operands)} "
            "were given"
        )
    spare = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in equation]
    terms, dots = _expand_dots(terms, operands, spare, equation)
    if not arrow:
        letters = sorted({c for t in terms for c in t if c not in dots})
        right = dots + "".join(c for c in letters if sum(t.count(c) for t in terms) == 1)
    else:
        right = right.replace("...", dots)
    sizes = _letter_sizes(terms, operands, equation)
    for c in right:
        if c not in sizes:
            raise RuntimeError(
                f"einsum(): output subscript {c} does not appear in the equation {equation!r} for "
                "any input operand"
            )
    current, x = _diagonals(terms[0], operands[0])
    for i, (term, operand) in enumerate(zip(terms[1:], operands[1:], strict=True), 1):
        later = set("".join(terms[i + 1 :])) | set(right)
        term, operand = _diagonals(term, operand)
        current, x = _contract(current, x, term, operand, later, sizes)
    gone = [i for i, c in enumerate(current) if c not in right]
    if gone:
        x = x.sum(tuple(gone))
        current = "".join(c for c in current if c in right)
    return x.permute(tuple(current.index(c) for c in right)) if right != current else x


def _expand_dots(terms: list[str], operands: Any, spare: list[str], equation: str) -> Any:
    widest = 0
    for t, o in zip(terms, operands, strict=True):
        if "..." in t:
            widest = max(widest, o.ndim - len(t) + 3)
    letters = "".join(spare[:widest])
    out = []
    for t, o in zip(terms, operands, strict=True):
        if "..." in t:
            n = o.ndim - len(t) + 3
            t = t.replace("...", letters[widest - n :])
        if len(t) != o.ndim:
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({len(t)}) does not match the "
                f"number of dimensions ({o.ndim}) for an operand of {equation!r}"
            )
        out.append(t)
    return out, letters


def _letter_sizes(terms: list[str], operands: Any, equation: str) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for t, o in zip(terms, operands, strict=True):
        for c, s in zip(t, o.shape, strict=True):
            if not c.isalpha():
                raise RuntimeError(f"einsum(): invalid subscript given: {c!r} in {equation!r}")
            if sizes.get(c, 1) not in (1, s) and s != 1:
                raise RuntimeError(
                    f"einsum(): subscript {c} has size {s} for an operand which does not broadcast "
                    f"with previously seen size {sizes[c]}"
                )
            sizes[c] = max(sizes.get(c, 1), s) if s else 0
    return sizes


def _diagonals(term: str, x: Any) -> tuple[str, Any]:
    """Repeated letters of one operand: the diagonal."""
    while len(set(term)) < len(term):
        c = next(c for c in term if term.count(c) > 1)
        i = term.index(c)
        j = term.index(c, i + 1)
        x = x.diagonal(0, i, j)
        term = "".join(t for k, t in enumerate(term) if k not in (i, j)) + c
    return term, x


def _contract(a: str, x: Any, b: str, y: Any, later: set[str], sizes: dict[str, int]) -> Any:
    """One pairwise step: sum what only one has, then a batched matrix product."""
    only_a = [i for i, c in enumerate(a) if c not in b and c not in later]
    only_b = [i for i, c in enumerate(b) if c not in a and c not in later]
    if only_a:
        x, a = x.sum(tuple(only_a)), "".join(c for i, c in enumerate(a) if i not in only_a)
    if only_b:
        y, b = y.sum(tuple(only_b)), "".join(c for i, c in enumerate(b) if i not in only_b)
    batch = [c for c in a if c in b and c in later]
    summed = [c for c in a if c in b and c not in later]
    keep_a = [c for c in a if c not in b]
    keep_b = [c for c in b if c not in a]
    # A shared letter of size one on one side only is broadcast first.
    x = x.expand(tuple(sizes[c] if c in b else s for c, s in zip(a, x.shape, strict=True)))
    y = y.expand(tuple(sizes[c] if c in a else s for c, s in zip(b, y.shape, strict=True)))
    size = lambda cs: math.prod(sizes[c] for c in cs)  # noqa: E731
    px = x.permute(tuple(a.index(c) for c in (*batch, *keep_a, *summed)))
    py = y.permute(tuple(b.index(c) for c in (*batch, *summed, *keep_b)))
    rest_a = [px.shape[len(batch) + i] for i in range(len(keep_a))]
    rest_b = [py.shape[len(batch) + len(summed) + i] for i in range(len(keep_b))]
    left = px.reshape(size(batch), math.prod(rest_a), size(summed))
    right = py.reshape(size(batch), size(summed), math.prod(rest_b))
    out = left.bmm(right).reshape((*(sizes[c] for c in batch), *rest_a, *rest_b))
    return "".join((*batch, *keep_a, *keep_b)), out


row("einsum(str equation, any operands) -> Tensor", body=_einsum, forms="f",
    samples=lambda m: [(("ij,jk->ik", m(2, 3), m(3, 2)), {}), (("bij,bjk", m(2, 2, 3), m(2, 3, 2)), {}),
                       (("ii->i", m(3, 3)), {}), (("...i,i->...", m(2, 2, 3), m(3)), {})],
    doc="See body.")  # fmt: skip


def _attention(
    query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: Any = None, enable_gqa: bool = False,
) -> Any:  # fmt: skip
    """softmax(Q K^T * scale + mask) V over (*, L, E), (*, S, E), (*, S, Ev) (Vaswani et al. 2017).
    A boolean mask is true where attention may go."""
    size = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    if enable_gqa:
        times = query.shape[-3] // key.shape[-3]
        key = key.repeat_interleave(times, -3)
        value = value.repeat_interleave(times, -3)
    scores = (query * size) @ key.transpose(-2, -1)
    if is_causal:
        if attn_mask is not None:
            raise RuntimeError(
                "scaled_dot_product_attention: Explicit attn_mask should not be set when "
                "is_causal=True"
            )
        shape = (query.shape[-2], key.shape[-2])
        attn_mask = call.ones(shape, dtype=dtypes.bool_).tril()
    if attn_mask is not None:
        if attn_mask.dtype is dtypes.bool_:
            scores = scores.masked_fill(~attn_mask, -math.inf)
        else:
            scores = scores + attn_mask
    weights = call.softmax(scores, -1)
    if dropout_p:
        weights = call.dropout(weights, dropout_p, True)
    return weights @ value


row("scaled_dot_product_attention(Tensor query, Tensor key, Tensor value) -> Tensor",
    body=_attention, where="nn", forms="f",
    samples=lambda m: [((m(2, 3, 4), m(2, 3, 4), m(2, 3, 2)), {}), ((m(3, 2), m(3, 2), m(3, 2)), {"is_causal": True})],
    doc="See body.")  # fmt: skip


def _square(x: Aval, name: str) -> None:
    floating(name, x)
    if x.ndim < 2:
        raise RuntimeError(
            f"{name}: The input tensor A must have at least 2 dimensions, got {x.ndim}"
        )
    if x.shape[-1] != x.shape[-2]:
        raise RuntimeError(
            f"{name}: A must be batches of square matrices, but they are {x.shape[-2]} by "
            f"{x.shape[-1]} matrices"
        )


class LinAlgError(RuntimeError):
    """A decomposition or solution that does not exist."""


def _singular(fetch: Any, x: Aval, *rest: Any) -> None:
    a = fetch(0)
    if a.size and (np.linalg.matrix_rank(a) < a.shape[-1]).any():
        raise LinAlgError("The diagonal element is zero, the inversion could not be completed "
                          "because the input matrix is singular.")  # fmt: skip


def _h(x: Any) -> Any:
    turned = x.transpose(-2, -1)
    return call.conj(turned) if x.is_complex() else turned


def _inv_rule(x: Aval) -> Spec:
    _square(x, "linalg.inv")
    return Spec(x)


row(
    "inverse(Tensor input) -> Tensor", rule=_inv_rule, numpy=np.linalg.inv, forms="fmo",
    check=_singular, node="LinalgInvExBackward0",
    grads={"input": lambda grad, result: -(_h(result) @ grad @ _h(result))},
    samples=lambda m: [((m(3, 3) + 3 * call.eye(3, dtype=dtypes.float64),), {})],
    doc="The inverse of square matrices.",
)  # fmt: skip


def _det_rule(x: Aval) -> Spec:
    _square(x, "linalg.det")
    return Spec(x.with_shape(tuple(x.shape[:-2])))


row(
    "det(Tensor input) -> Tensor", rule=_det_rule, numpy=np.linalg.det, forms="fm",
    node="LinalgDetBackward0",
    grads={"input": lambda grad, input, result:
           (grad * result).unsqueeze(-1).unsqueeze(-1) * _h(call.inverse(input))},
    samples=lambda m: [((m(3, 3) + 3 * call.eye(3, dtype=dtypes.float64),), {})],
    doc="The determinant of square matrices.",
)  # fmt: skip


def _solve_rule(a: Aval, b: Aval) -> Spec:
    _square(a, "linalg.solve")
    if b.ndim < a.ndim - 1 or (b.ndim >= 2 and b.shape[-2] != a.shape[-1] and b.shape[-1] != a.shape[-1]):
        raise RuntimeError(f"linalg.solve: incompatible shapes {list(a.shape)} and {list(b.shape)}")
    return Spec(b)


row(
    "linalg_solve(Tensor input, Tensor other) -> Tensor", rule=_solve_rule, forms="",
    check=_singular, node="LinalgSolveExBackward0",
    numpy=lambda a, b: np.linalg.solve(a, b[..., None])[..., 0] if b.ndim == a.ndim - 1 else np.linalg.solve(a, b),
    grads={"input": lambda grad, input, result: _solve_grad(grad, input, result),
           "other": lambda grad, input: call.linalg_solve(_h(input), grad)},
    doc="X with A X = B.",
)  # fmt: skip


def _solve_grad(grad: Any, a: Any, x: Any) -> Any:
    g = call.linalg_solve(_h(a), grad)
    if x.ndim == a.ndim - 1:
        return -(g.unsqueeze(-1) @ _h(x.unsqueeze(-1)))
    return -(g @ _h(x))


def _cholesky_check(fetch: Any, x: Aval, upper: bool) -> None:
    try:
        np.linalg.cholesky(fetch(0))
    except np.linalg.LinAlgError:
        raise LinAlgError(
            "The factorization could not be completed because the input is not positive-definite."
        ) from None


def _cholesky_grad(grad: Any, low: Any) -> Any:
    """Murray 2016: with P = L^H grad, halved on the diagonal."""
    p = (_h(low) @ grad).tril()
    p = p - call.diag_embed(p.diagonal(0, -2, -1)) * 0.5
    inv = call.inverse(low)
    s = _h(inv) @ p @ inv
    return (s + _h(s)) * 0.5


def _chol_rule(x: Aval, upper: bool) -> Spec:
    _square(x, "linalg.cholesky")
    return Spec(x)


row(
    "linalg_cholesky(Tensor input, bool upper=False) -> Tensor", rule=_chol_rule, forms="",
    check=_cholesky_check, node="LinalgCholeskyExBackward0",
    numpy=lambda x, upper: np.linalg.cholesky(x) if not upper else np.linalg.cholesky(x).swapaxes(-1, -2).conj(),
    grads={"input": lambda grad, result, upper:
           _cholesky_grad(_h(grad) if upper else grad, _h(result) if upper else result)},
    doc="L with L L^H = A.",
)  # fmt: skip


def _svd_rule(x: Aval, full_matrices: bool) -> Spec:
    floating("linalg.svd", x)
    *lead, n, m = x.shape
    k = min(n, m)
    u = x.with_shape((*lead, n, n if full_matrices else k))
    v = x.with_shape((*lead, m if full_matrices else k, m))
    return Spec((u, aval((*lead, k), x.dtype.to_real(), x.device), v))


def _svd_grad(gu: Any, gs: Any, gv: Any, u: Any, s: Any, vh: Any) -> Any:
    """Townsend 2016, for the reduced decomposition of real matrices."""
    ut = _h(u)
    inner = None
    k = s.shape[-1]
    eye = call.eye(k, dtype=s.dtype)
    gaps = s.unsqueeze(-2) ** 2 - s.unsqueeze(-1) ** 2 + eye
    f = (1 - eye) / gaps
    if gs is not None:
        inner = call.diag_embed(gs)
    if gu is not None:
        j = f * (ut @ gu)
        part = (j + _h(j)) * s.unsqueeze(-2)
        inner = part if inner is None else inner + part
    if gv is not None:
        q = f * (vh @ _h(gv))
        part = s.unsqueeze(-1) * (q + _h(q))
        inner = part if inner is None else inner + part
    out = u @ inner @ vh
    if gu is not None and u.shape[-2] > k:
        scaled = gu / s.unsqueeze(-2)
        out = out + (scaled - u @ (ut @ scaled)) @ vh
    if gv is not None and vh.shape[-1] > k:
        scaled = _h(gv) / s.unsqueeze(-2)
        out = out + u @ _h(scaled - _h(vh) @ (vh @ scaled))
    return out


row(
    "linalg_svd(Tensor input, bool full_matrices=True) -> (U, S, Vh)", rule=_svd_rule, forms="",
    numpy=lambda x, full: np.linalg.svd(x, full), node="LinalgSvdBackward0",
    grads={"input": lambda grads, U, S, Vh: _svd_grad(*grads, U, S, Vh)},
    doc="Singular value decomposition.",
)  # fmt: skip

row("linalg_svdvals(Tensor input) -> Tensor", forms="",
    body=lambda input: call.linalg_svd(input, False)[1], doc="Singular values.")  # fmt: skip


def _qr_rule(x: Aval, mode: str) -> Spec:
    floating("linalg.qr", x)
    *lead, n, m = x.shape
    k = min(n, m) if mode == "reduced" else n
    return Spec((x.with_shape((*lead, n, k)), x.with_shape((*lead, k, m))))


def _qr_grad(gq: Any, gr: Any, q: Any, r: Any) -> Any:
    """Walter and Lehmann 2010: M = R gR^T - gQ^T Q, symmetrised from its lower triangle."""
    m = None
    if gr is not None:
        m = r @ _h(gr)
    if gq is not None:
        part = _h(gq) @ q
        m = -part if m is None else m - part
    low = m.tril()
    sym = low + _h(m.tril(-1))
    left = q @ sym if gq is None else gq + q @ sym
    return _h(call.linalg_solve(r, _h(left)))


row(
    "linalg_qr(Tensor input, str mode='reduced') -> (Q, R)", rule=_qr_rule, forms="",
    numpy=lambda x, mode: np.linalg.qr(x, mode), node="LinalgQrBackward0",
    grads={"input": lambda grads, Q, R: _qr_grad(*grads, Q, R)},
    doc="Q R = A with orthonormal columns and an upper triangle.",
)  # fmt: skip


def _eigh_rule(x: Aval, lower: str) -> Spec:
    _square(x, "linalg.eigh")
    return Spec((aval(tuple(x.shape[:-1]), x.dtype.to_real(), x.device), x))


def _eigh_grad(gl: Any, gv: Any, values: Any, v: Any) -> Any:
    inner = None if gl is None else call.diag_embed(gl)
    if gv is not None:
        eye = call.eye(values.shape[-1], dtype=values.dtype)
        gaps = values.unsqueeze(-2) - values.unsqueeze(-1) + eye
        part = (_h(v) @ gv) * ((1 - eye) / gaps)
        inner = part if inner is None else inner + part
    return v @ inner @ _h(v)


row(
    "linalg_eigh(Tensor input, str UPLO='L') -> (eigenvalues, eigenvectors)", rule=_eigh_rule,
    forms="", numpy=lambda x, uplo: np.linalg.eigh(x, uplo), node="LinalgEighBackward0",
    grads={"input": lambda grads, eigenvalues, eigenvectors:
           _eigh_grad(*grads, eigenvalues, eigenvectors)},
    doc="Eigenvalues and eigenvectors of symmetric matrices.",
)  # fmt: skip
