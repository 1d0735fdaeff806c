"""Cholesky, LU, QR, singular values, eigenvalues, and what is made of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval, aval
from .linalg import LinAlgError, infos, lu_pivoted, need_matrix, need_square, observed_failure
from .matmul import adjoint
from .rules import matching
from .table import Spec, call, row


def _herm(x: np.ndarray) -> np.ndarray:
    return np.swapaxes(x, -1, -2).conj()


def _eye_like(values: Any) -> Any:
    return call.eye(values.shape[-1], dtype=values.dtype)


def _plus(*parts: Any) -> Any:
    there = [p for p in parts if p is not None]
    out = there[0]
    for p in there[1:]:
        out = out + p
    return out


def _positive(m: Any, n: int) -> Any:
    """A sample of a positive definite matrix. It is no leaf that requires grad: the derivatives are
    those of Hermitian matrices, which the tests make of others."""
    x = m(n, n).detach()
    return x @ x.mT + call.eye(n, dtype=x.dtype)


# --- Cholesky -----------------------------------------------------------------------------------


def _first_bad_minor(x: np.ndarray) -> int:
    """The order of the first leading minor that is not positive definite, 0 for none."""
    for k in range(1, len(x) + 1):
        try:
            np.linalg.cholesky(x[:k, :k])
        except np.linalg.LinAlgError:
            return k
    return 0


def _cholesky_ex(x: np.ndarray, upper: bool, check: bool) -> tuple[Any, Any]:
    given = _herm(x) if upper else x  # only the lower triangle is looked at
    info = np.zeros(x.shape[:-2], np.int32)
    try:
        low = np.linalg.cholesky(given)
    except np.linalg.LinAlgError:
        low = np.full(x.shape, np.nan, x.dtype)
        for place in np.ndindex(*x.shape[:-2]):
            info[place] = _first_bad_minor(given[place])
            if not info[place]:
                low[place] = np.linalg.cholesky(given[place])
    return (_herm(low) if upper else low), info


def _cholesky_rule(x: Aval, upper: bool, check: bool) -> Spec:
    need_square(x)
    return Spec((x, infos(x)))


def _cholesky_grad(grad: Any, low: Any) -> Any:
    """L^-H P L^-1 made Hermitian, where P is the lower triangle of L^H grad, halved on the
    diagonal (Murray 2016)."""
    p = (adjoint(low) @ grad).tril()
    p = p - call.diag_embed(p.diagonal(0, -2, -1)) * 0.5
    s = call.linalg_solve_triangular(adjoint(low), p, upper=True)
    s = call.linalg_solve_triangular(low, s, upper=False, left=False)
    return (s + adjoint(s)) * 0.5


row(
    "linalg_cholesky_ex(Tensor A, *, bool upper=False, bool check_errors=False) -> (L, info)",
    rule=_cholesky_rule, numpy=_cholesky_ex, forms="fo", where="linalg", alias=("cholesky_ex",),
    called="linalg.cholesky",
    grads={"A": lambda grad, L, upper:
           _cholesky_grad(adjoint(grad) if upper else grad, adjoint(L) if upper else L)},
    samples=lambda m: [((_positive(m, 3),), {})],
    doc="L with L L^H = A, and a status for each matrix that is zero where there is one.",
)  # fmt: skip


def _cholesky(A: Any, *, upper: bool = False) -> Any:  # noqa: N803
    """L with L L^H = A (U with U^H U = A); LinAlgError where A is not positive definite."""
    out, info = call.linalg_cholesky_ex(A, upper=upper)
    bad = observed_failure(info)
    if bad is not None:
        raise LinAlgError(
            f"linalg.cholesky: {bad[0]}The factorization could not be completed because the input "
            f"is not positive-definite (the leading minor of order {bad[1]} is not "
            "positive-definite)."
        )
    return out


row("linalg_cholesky(Tensor A, *, bool upper=False) -> Tensor", body=_cholesky, forms="fo",
    where="linalg", alias=("cholesky",),
    samples=lambda m: [((_positive(m, 3),), {}), ((_positive(m, 2),), {"upper": True})], doc="See body.")  # fmt: skip
row("cholesky(Tensor input, bool upper=False) -> Tensor",
    body=lambda input, upper=False: _cholesky(input, upper=upper), forms="fmo",
    doc="See linalg.cholesky.")  # fmt: skip


def _cholesky_solve(B: Any, L: Any, upper: bool = False) -> Any:  # noqa: N803
    """X with A X = B, from A's Cholesky factor."""
    low = adjoint(L) if upper else L
    y = call.linalg_solve_triangular(low, B, upper=False)
    return call.linalg_solve_triangular(adjoint(low), y, upper=True)


def _cholesky_inverse(L: Any, upper: bool = False) -> Any:  # noqa: N803
    """The inverse of A, from its Cholesky factor."""
    eye = call.eye(L.shape[-1], dtype=L.dtype)
    return _cholesky_solve(eye, L, upper)


row("cholesky_solve(Tensor B, Tensor L, bool upper=False) -> Tensor", body=_cholesky_solve,
    forms="fmo", samples=lambda m: [((m(3, 2), m(3, 3, low=1.0)), {}), ((m(2, 1), m(2, 2, low=1.0), True), {})],
    doc="See body.")  # fmt: skip
row("cholesky_inverse(Tensor L, bool upper=False) -> Tensor", body=_cholesky_inverse, forms="fmo",
    samples=lambda m: [((m(3, 3, low=1.0),), {})], doc="See body.")  # fmt: skip


# --- LU -----------------------------------------------------------------------------------------


def _lu_rule(x: Aval, pivot: bool, check: bool) -> Spec:
    need_matrix(x, missing="lu_cpu")
    if not pivot:
        raise RuntimeError("LU without pivoting is not implemented on the CPU")
    k = min(x.shape[-2:])
    pivots = aval((*x.shape[:-2], k), dtypes.int32, x.device)
    return Spec((x, pivots, infos(x)))


def _lu_factor(x: np.ndarray, pivot: bool, check: bool) -> tuple[Any, Any, Any]:
    packed, pivots, info = lu_pivoted(x)
    return packed, (pivots + 1).astype(np.int32), info


def _lu_parts(packed: Any) -> tuple[Any, Any]:
    """L (m, k) and U (k, n) of packed factors (m, n)."""
    m, n = packed.shape[-2:]
    k = min(m, n)
    ones = call.eye(m, k, dtype=packed.dtype)
    return packed[..., :k].tril(-1) + ones, packed[..., :k, :].triu()


def _lu_grad(g_low: Any, g_up: Any, p: Any, low: Any, up: Any) -> Any:
    """The square part as dA = P dL U + P L dU; further rows are L2 = A2 U^-1, further columns
    U2 = L^-1 P^T A2."""
    m, n, k = low.shape[-2], up.shape[-1], low.shape[-1]
    l1, u1 = low[..., :k, :], up[..., :k]
    g_l1, g_u1 = g_low[..., :k, :], g_up[..., :k]
    more = None
    if m > k:
        more = call.linalg_solve_triangular(adjoint(u1), g_low[..., k:, :], upper=False, left=False)
        g_u1 = g_u1 - adjoint(low[..., k:, :]) @ more
    elif n > k:
        more = call.linalg_solve_triangular(adjoint(l1), g_up[..., k:], upper=True, unitriangular=True)
        g_l1 = g_l1 - more @ adjoint(up[..., k:])
    inner = (adjoint(l1) @ g_l1).tril(-1) + (g_u1 @ adjoint(u1)).triu()
    out = call.linalg_solve_triangular(adjoint(l1), inner, upper=True, unitriangular=True)
    out = call.linalg_solve_triangular(adjoint(u1), out, upper=False, left=False)
    if more is not None:
        out = call.cat([out, more], -2 if m > k else -1)
    return p @ out


def _lu_factor_grad(grad: Any, packed: Any, pivots: Any) -> Any:
    k = min(packed.shape[-2:])
    low, up = _lu_parts(packed)
    p = call.lu_permutation(pivots, packed.shape[-2], packed.dtype)
    return _lu_grad(grad[..., :k].tril(-1), grad[..., :k, :].triu(), p, low, up)


row(
    "linalg_lu_factor_ex(Tensor A, *, bool pivot=True, bool check_errors=False) -> (LU, pivots, info)",
    rule=_lu_rule, numpy=_lu_factor, forms="fo", where="linalg", alias=("lu_factor_ex",),
    called="linalg.lu_factor",
    grads={"A": lambda grad, LU, pivots: _lu_factor_grad(grad, LU, pivots)},
    samples=lambda m: [((m(3, 3),), {}), ((m(2, 2, 2),), {}), ((m(3, 2),), {}), ((m(2, 3),), {}), ((m.complex(2, 2),), {})],
    doc="Packed LU factors, the rows exchanged (from 1), and a status that is the first step with "
    "a zero pivot.",
)  # fmt: skip


def _permutation(pivots: np.ndarray, m: int, dt: Any) -> np.ndarray:
    flat = pivots.reshape(-1, pivots.shape[-1])
    out = np.zeros((len(flat), m, m), dt.compute)
    for matrix, steps in zip(out, flat, strict=True):
        order = np.arange(m)
        for i, j in enumerate(steps):
            order[[i, j - 1]] = order[[j - 1, i]]
        matrix[order, np.arange(m)] = 1
    return out.reshape(*pivots.shape[:-1], m, m)


row(
    "lu_permutation(Tensor pivots, int size, dtype dtype) -> Tensor",
    rule=lambda pivots, m, dt: Spec(aval((*pivots.shape[:-1], m, m), dt, pivots.device)),
    numpy=_permutation, forms="", doc="The permutation matrix of exchanged rows.",
)  # fmt: skip


def _lu_factor_body(A: Any, *, pivot: bool = True) -> Any:  # noqa: N803
    """Packed LU factors and the rows exchanged (from 1)."""
    packed, pivots, _ = call.linalg_lu_factor_ex(A, pivot=pivot)
    return call.named("linalg_lu_factor", ("LU", "pivots"), [packed, pivots])


row("linalg_lu_factor(Tensor A, *, bool pivot=True) -> Tensors", body=_lu_factor_body, forms="fo",
    where="linalg", alias=("lu_factor",), samples=lambda m: [((m(3, 3),), {})], doc="See body.")  # fmt: skip


def _lu(A: Any, *, pivot: bool = True) -> Any:  # noqa: N803
    """P, L, U with P L U = A."""
    packed, pivots, _ = call.linalg_lu_factor_ex(A, pivot=pivot)
    p = call.lu_permutation(pivots, A.shape[-2], A.dtype)
    return call.named("linalg_lu", ("P", "L", "U"), [p, *_lu_parts(packed)])


row("linalg_lu(Tensor A, *, bool pivot=True) -> Tensors", body=_lu, forms="fo", where="linalg",
    alias=("lu",), samples=lambda m: [((m(3, 3),), {}), ((m(3, 2),), {}), ((m(2, 3),), {})],
    doc="See body.")  # fmt: skip


def _old_lu(input: Any, pivot: bool = True, get_infos: bool = False) -> Any:
    """Packed LU factors and the rows exchanged (from 1), with a status if `get_infos`."""
    packed, pivots, info = call.linalg_lu_factor_ex(input, pivot=pivot)
    return (packed, pivots, info) if get_infos else (packed, pivots)


row("lu(Tensor input, bool pivot=True, bool get_infos=False) -> Tensors", body=_old_lu, forms="fm",
    doc="See body.")  # fmt: skip


def _lu_unpack(
    LU_data: Any, LU_pivots: Any, unpack_data: bool = True, unpack_pivots: bool = True  # noqa: N803
) -> Any:
    """P, L, U of packed LU factors."""
    p = call.empty((0,), dtype=LU_data.dtype)
    low = up = p
    if unpack_pivots:
        p = call.lu_permutation(LU_pivots, LU_data.shape[-2], LU_data.dtype)
    if unpack_data:
        low, up = _lu_parts(LU_data)
    return call.named("lu_unpack", ("P", "L", "U"), [p, low, up])


row("lu_unpack(Tensor LU_data, Tensor LU_pivots) -> Tensors", body=_lu_unpack, forms="fo",
    doc="See body.")  # fmt: skip


def _lu_solve(LU: Any, pivots: Any, B: Any, *, left: bool = True, adjoint: bool = False) -> Any:  # noqa: N803
    """X with A X = B (or X A = B), from A's LU factors; `adjoint` solves with A^H."""
    low, up = _lu_parts(LU)
    p = call.lu_permutation(pivots, LU.shape[-2], LU.dtype)
    if adjoint == left:  # (P L U)^H X = B or X P L U = B: the last factor first
        x = B.mH if not left else B
        x = call.linalg_solve_triangular(up.mH, x, upper=False)
        x = p @ call.linalg_solve_triangular(low.mH, x, upper=True, unitriangular=True)
    else:
        x = p.mT @ (B.mH if not left else B)
        x = call.linalg_solve_triangular(low, x, upper=False, unitriangular=True)
        x = call.linalg_solve_triangular(up, x, upper=True)
    return x if left else x.mH


row("linalg_lu_solve(Tensor LU, Tensor pivots, Tensor B) -> Tensor", body=_lu_solve, forms="fo",
    where="linalg", alias=("lu_solve",), doc="See body.")  # fmt: skip
row("lu_solve(Tensor b, Tensor LU_data, Tensor LU_pivots) -> Tensor", forms="fmo",
    body=lambda b, LU_data, LU_pivots: _lu_solve(LU_data, LU_pivots, b),
    doc="X with A X = b, from A's LU factors.")  # fmt: skip


# --- QR -----------------------------------------------------------------------------------------


def _qr_rule(x: Aval, mode: str) -> Spec:
    need_matrix(x)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', "
            "or 'complete'"
        )
    *lead, n, m = x.shape
    k = n if mode == "complete" else min(n, m)
    q = x.with_shape((0,)) if mode == "r" else x.with_shape((*lead, n, k))
    return Spec((q, x.with_shape((*lead, k, m))))


def _qr(x: np.ndarray, mode: str) -> tuple[Any, Any]:
    if mode == "r":
        return np.empty(0, x.dtype), np.linalg.qr(x, "r")
    found = np.linalg.qr(x, mode)  # type: ignore[call-overload]
    return found[0], found[1]


def _qr_grad(gq: Any, gr: Any, q: Any, r: Any, mode: str) -> Any:
    if mode == "r":
        raise RuntimeError(
            "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please "
            "use linalg.qr(A, mode='reduced') if you are going to require the derivative."
        )
    m, n = q.shape[-2], r.shape[-1]
    if mode == "complete" and m > n:
        raise RuntimeError(
            "The QR decomposition is not differentiable when mode='complete' and nrows > ncols."
        )
    if m >= n:
        return _tall_qr_grad(gq, gr, q, r)
    # Columns beyond the square part are Y = Q V.
    u, v = r[..., :m], r[..., m:]
    gv = None if gr is None else gr[..., m:]
    more = None if gv is None else (q @ v) @ adjoint(gv)
    left = _tall_qr_grad(
        _plus(gq, more) if (gq, more) != (None, None) else None,
        None if gr is None else gr[..., :m], q, u,
    )  # fmt: skip
    right = call.zeros_like(v) if gv is None else q @ gv
    return call.cat([left, right], -1)


def _tall_qr_grad(gq: Any, gr: Any, q: Any, r: Any) -> Any:
    """(gQ + Q S) R^-H, where S is M = R gR^H - gQ^H Q made Hermitian from its lower triangle
    (Walter and Lehmann 2010)."""
    m = _plus(
        None if gr is None else r @ adjoint(gr), None if gq is None else -(adjoint(gq) @ q)
    )
    low = m.tril(-1)
    diagonal = m.diagonal(0, -2, -1)
    whole = low + adjoint(low) + call.diag_embed(_real_part(diagonal))
    left = q @ whole if gq is None else gq + q @ whole
    return call.linalg_solve_triangular(adjoint(r), left, upper=False, left=False)


def _real_part(x: Any) -> Any:
    return call.complex(call.real(x), call.zeros_like(call.real(x))) if x.is_complex() else x


row(
    "linalg_qr(Tensor A, str mode='reduced') -> (Q, R)", rule=_qr_rule, numpy=_qr, forms="fo",
    where="linalg", alias=("qr",), called="linalg.qr",
    grads={"A": lambda grads, Q, R, mode: _qr_grad(*grads, Q, R, mode)},  # type: ignore[call-arg]
    samples=lambda m: [((m(3, 2),), {}), ((m(2, 3),), {}), ((m(2, 2, 2),), {}), ((m(2, 3), "complete"), {})],
    doc="Q R = A with orthonormal columns and an upper triangle.",
)  # fmt: skip
row("qr(Tensor input, bool some=True) -> (Q, R)", forms="fmo",
    body=lambda input, some=True: call.named(
        "qr", ("Q", "R"), call.linalg_qr(input, "reduced" if some else "complete")),
    doc="See linalg.qr.")  # fmt: skip


# --- singular values ----------------------------------------------------------------------------


def _svd_rule(x: Aval, full_matrices: bool, driver: Any) -> Spec:
    need_matrix(x)
    if driver is not None:
        raise RuntimeError("keyword argument `driver=` is only supported on CUDA inputs")
    *lead, n, m = x.shape
    k = min(n, m)
    u = x.with_shape((*lead, n, n if full_matrices else k))
    v = x.with_shape((*lead, m if full_matrices else k, m))
    return Spec((u, aval((*lead, k), x.dtype.to_real(), x.device), v))


def _svd_grad(gu: Any, gs: Any, gv: Any, u: Any, s: Any, vh: Any) -> Any:
    """The derivative of the reduced decomposition (Townsend 2016; Wan and Zhang 2019 for complex
    matrices). It is that of what doesn't depend on the phases of singular vectors."""
    k = s.shape[-1]
    if u.shape[-1] != k or vh.shape[-2] != k:
        if gu is not None or gv is not None:
            raise RuntimeError(
                "svd_backward: Cannot compute backward for U, V if full_matrices=True; use "
                "torch.linalg.svd(A, full_matrices=False)."
            )
        u, vh = u[..., :k], vh[..., :k, :]
    column, line = s.unsqueeze(-1), s.unsqueeze(-2)
    gaps = line**2 - column**2 + _eye_like(s)
    inner = None if gs is None else call.diag_embed(gs).to(u.dtype)
    if gu is not None:
        on_u = adjoint(u) @ gu
        inner = _plus(inner, (on_u - adjoint(on_u)) / gaps * line)
        if u.is_complex():
            phase = call.imag(on_u.diagonal(0, -2, -1)) / s
            inner = inner + call.diag_embed(call.complex(call.zeros_like(phase), phase))
    if gv is not None:
        on_v = vh @ adjoint(gv)
        inner = _plus(inner, (on_v - adjoint(on_v)) / gaps * column)
    out = u @ inner @ vh
    if gu is not None and u.shape[-2] > k:
        scaled = gu / line
        out = out + (scaled - u @ (adjoint(u) @ scaled)) @ vh
    if gv is not None and vh.shape[-1] > k:
        scaled = gv / column
        out = out + u @ (scaled - (scaled @ adjoint(vh)) @ vh)
    return out


def _svd_numpy(x: np.ndarray, full: bool, driver: Any) -> tuple[Any, Any, Any]:
    if 0 in x.shape:  # LAPACK has no opinion on empty matrices
        *lead, n, m = x.shape
        k = min(n, m)
        eye = lambda size: np.broadcast_to(np.eye(size, dtype=x.dtype), (*lead, size, size))  # noqa: E731
        u, vh = eye(n), eye(m)
        return u[..., : n if full else k], np.zeros((*lead, k), x.real.dtype), vh[..., : m if full else k, :]
    return tuple(np.linalg.svd(x, full))  # type: ignore[return-value]


row(
    "linalg_svd(Tensor A, bool full_matrices=True, *, any driver=None) -> (U, S, Vh)",
    rule=_svd_rule, numpy=_svd_numpy, forms="fo", where="linalg", alias=("svd",),
    called="linalg.svd",
    grads={"A": lambda grads, U, S, Vh: _svd_grad(*grads, U, S, Vh)},  # type: ignore[call-arg]
    samples=lambda m: [((m(3, 2).detach(), False), {}), ((m(2, 2, 3).detach(),), {})],
    doc="U, S, Vh with U diag(S) Vh = A. `driver` is for CUDA.",
)  # fmt: skip


def _svdvals(A: Any, *, driver: Any = None) -> Any:  # noqa: N803
    """Singular values, the largest first."""
    return call.linalg_svd(A, False, driver=driver)[1]


row("linalg_svdvals(Tensor A) -> Tensor", body=_svdvals, forms="fo", where="linalg",
    alias=("svdvals",),
    samples=lambda m: [((m(3, 2),), {}), ((m(2, 3),), {}), ((m.complex(2, 2),), {})], doc="See body.")  # fmt: skip


def _old_svd(input: Any, some: bool = True, compute_uv: bool = True) -> Any:
    """U, S, V with U diag(S) V^H = input."""
    if not compute_uv:
        n, m = input.shape[-2:]
        zeros = [call.zeros((*input.shape[:-2], k, k), dtype=input.dtype) for k in (n, m)]
        parts = [zeros[0], _svdvals(input), zeros[1]]
    else:
        u, s, vh = call.linalg_svd(input, not some)
        parts = [u, s, adjoint(vh)]
    return call.named("svd", ("U", "S", "V"), parts)


row("svd(Tensor input, bool some=True, bool compute_uv=True) -> Tensors", body=_old_svd,
    forms="fmo", doc="See body.")  # fmt: skip


# --- eigenvalues --------------------------------------------------------------------------------


def _eigh_rule(x: Aval, triangle: str) -> Spec:
    need_square(x, "linalg_eigh_cpu")
    if triangle.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {triangle}")
    return Spec((aval(tuple(x.shape[:-1]), x.dtype.to_real(), x.device), x))


def _eigh_grad(gl: Any, gv: Any, values: Any, v: Any) -> Any:
    """Made Hermitian, as the matrix is."""
    inner = None if gl is None else call.diag_embed(gl).to(v.dtype)
    if gv is not None:
        eye = _eye_like(values)
        gaps = values.unsqueeze(-2) - values.unsqueeze(-1) + eye
        inner = _plus(inner, (adjoint(v) @ gv) * ((1 - eye) / gaps))
    out = v @ inner @ adjoint(v)
    return (out + adjoint(out)) * 0.5


row(
    "linalg_eigh(Tensor A, str UPLO='L') -> (eigenvalues, eigenvectors)", rule=_eigh_rule,
    numpy=lambda x, triangle: tuple(np.linalg.eigh(x, triangle.upper())), forms="fo",
    where="linalg", alias=("eigh",), called="linalg.eigh",
    samples=lambda m: [((_positive(m, 3),), {}), ((_positive(m, 2), "U"), {})],
    grads={"A": lambda grads, eigenvalues, eigenvectors:
           _eigh_grad(*grads, eigenvalues, eigenvectors)},  # type: ignore[call-arg]
    doc="Eigenvalues, the smallest first, and eigenvectors of Hermitian matrices, of which one "
    "triangle is looked at.",
)  # fmt: skip
row("linalg_eigvalsh(Tensor A, str UPLO='L') -> Tensor", forms="fo", where="linalg",
    alias=("eigvalsh",), body=lambda A, UPLO="L": call.linalg_eigh(A, UPLO)[0],  # noqa: N803
    doc="Eigenvalues of Hermitian matrices, the smallest first.")  # fmt: skip


def _eig_rule(x: Aval) -> Spec:
    need_square(x)
    kind = x.dtype.to_complex()
    return Spec((aval(tuple(x.shape[:-1]), kind, x.device), x.with_dtype(kind)))


def _eig_grad(gl: Any, gv: Any, values: Any, v: Any) -> Any:
    """For eigenvectors of unit length, whose phases are free."""
    turned = adjoint(v)
    inner = None if gl is None else call.diag_embed(gl)
    if gv is not None:
        on_v = turned @ gv
        eye = _eye_like(values)
        length = (turned @ v) * _real_part(on_v.diagonal(0, -2, -1)).unsqueeze(-2)
        gaps = call.conj(values.unsqueeze(-2) - values.unsqueeze(-1)) + eye
        inner = _plus(inner, (on_v - length) * (1 - eye) / gaps)
    return call.linalg_solve(turned, inner @ turned)


row(
    "linalg_eig(Tensor A) -> (eigenvalues, eigenvectors)", rule=_eig_rule,
    numpy=lambda x: tuple(np.linalg.eig(x)), forms="fo", where="linalg", alias=("eig",),
    called="linalg.eig", samples=lambda m: [((m(3, 3).detach(),), {})],
    grads={"A": lambda grads, eigenvalues, eigenvectors:
           _eig_grad(*grads, eigenvalues, eigenvectors)},  # type: ignore[call-arg]
    doc="Eigenvalues and eigenvectors of square matrices, as complex numbers.",
)  # fmt: skip
row("linalg_eigvals(Tensor A) -> Tensor", forms="fo", where="linalg", alias=("eigvals",),
    body=lambda A: call.linalg_eig(A)[0],
    samples=lambda m: [((m(3, 3),), {}), ((m.complex(2, 2),), {})], doc="Eigenvalues of square matrices.")  # fmt: skip


# --- rank, pseudo-inverse, least squares --------------------------------------------------------


def _cutoff(values: Any, shape: Any, atol: Any, rtol: Any) -> Any:
    """Below which singular values count as zero: max(atol, rtol * the largest)."""
    if rtol is None:
        given = atol is not None and (hasattr(atol, "ndim") or atol > 0)
        rtol = 0.0 if given else dtypes.finfo(values.dtype).eps * max(shape[-2:])
    largest = values.amax(-1) * rtol
    if atol is None:
        return largest
    return call.maximum(largest, atol) if hasattr(atol, "ndim") else largest.clamp(min=float(atol))


def _matrix_rank(
    A: Any, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None  # noqa: N803
) -> Any:
    """How many singular values (of Hermitian matrices: eigenvalues) are above a tolerance."""
    if tol is not None:
        atol, rtol = tol, 0.0
    if A.ndim < 2:
        raise RuntimeError(
            f"linalg.matrix_rank: The input tensor input must have at least 2 dimensions, got {list(A.shape)}."
        )
    A = A.detach()  # noqa: N806
    values = call.linalg_eigvalsh(A).abs() if hermitian else _svdvals(A)
    if not values.shape[-1]:
        return call.zeros(tuple(A.shape[:-2]), dtype=dtypes.int64)
    return (values > _cutoff(values, A.shape, atol, rtol).unsqueeze(-1)).sum(-1)


row("linalg_matrix_rank(Tensor A) -> Tensor", body=_matrix_rank, forms="fo", where="linalg",
    alias=("matrix_rank",), samples=lambda m: [((m(3, 2),), {})], doc="See body.")  # fmt: skip


_DEFAULT = -1.0
"""Stands for the usual relative tolerance: the dtype's epsilon times the larger size."""


def _relative(x: np.ndarray, rtol: float) -> float:
    return float(np.finfo(x.dtype).eps) * max(x.shape[-2:]) if rtol == _DEFAULT else rtol


def _pinv_rule(x: Aval, atol: Any, rtol: float) -> Spec:
    need_matrix(x)
    *lead, n, m = x.shape
    return Spec(x.with_shape((*lead, m, n)))


def _pinv_numpy(x: np.ndarray, atol: float, rtol: float) -> np.ndarray:
    if not x.size:
        return np.swapaxes(x, -1, -2)
    u, s, vh = np.linalg.svd(x, False)
    cut = np.maximum(s.max(-1, keepdims=True) * s.dtype.type(_relative(x, rtol)), s.dtype.type(atol))
    inverse = np.divide(1, s, out=np.zeros_like(s), where=s > cut)
    return _herm(vh) * inverse[..., None, :] @ _herm(u)


def _pinv_grad(grad: Any, a: Any, p: Any) -> Any:
    """From dP = -P dA P + P P^H dA^H (I - A P) + (I - P A) dA^H P^H P (Golub and Pereyra 1973)."""
    ph, gh = adjoint(p), adjoint(grad)
    second = gh @ p @ ph
    third = ph @ p @ gh
    return -(ph @ grad @ ph) + (second - a @ (p @ second)) + (third - (third @ p) @ a)


row(
    "pinv_above(Tensor A, float atol, float rtol) -> Tensor", rule=_pinv_rule, numpy=_pinv_numpy,
    forms="", node="LinalgPinvBackward0", called="linalg.pinv",
    grads={"A": lambda grad, A, result: _pinv_grad(grad, A, result)},
    doc="The pseudo-inverse, of singular values above max(atol, rtol * the largest).",
)  # fmt: skip


def _pinv(
    A: Any, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None  # noqa: N803
) -> Any:
    """The pseudo-inverse of Moore and Penrose. Singular values up to max(atol, rtol * the largest)
    count as zero."""
    if rcond is not None:
        atol, rtol = 0.0, rcond
    if rtol is None:
        rtol = 0.0 if atol is not None and float(atol) > 0 else _DEFAULT
    return call.pinv_above(A, float(0.0 if atol is None else atol), float(rtol))


row("linalg_pinv(Tensor A) -> Tensor", body=_pinv, forms="fo", where="linalg", alias=("pinv",),
    samples=lambda m: [((m(3, 2),), {}), ((m(2, 3),), {}), ((m(2, 2, 2),), {}), ((m.complex(3, 2),), {})],
    doc="See body.")  # fmt: skip
row("pinverse(Tensor input, float rcond=1e-15) -> Tensor", forms="fm",
    body=lambda input, rcond=1e-15: _pinv(input, rcond),
    samples=lambda m: [((m(3, 2),), {})], doc="See linalg.pinv.")  # fmt: skip


def _cond(A: Any, p: Any = None) -> Any:  # noqa: N803
    """The condition number: norm(A) * norm(A^-1); for p 2 (None) and -2 the ratio of the largest
    and smallest singular values."""
    if A.ndim < 2:
        raise RuntimeError(
            f"linalg.cond: The input tensor A must have at least 2 dimensions, got {list(A.shape)}."
        )
    if p is None or p in (2, -2):
        values = _svdvals(A)
        if not values.shape[-1]:
            return call.zeros(tuple(A.shape[:-2]), dtype=values.dtype)
        first, last = values[..., 0], values[..., -1]
        return last / first if p == -2 else first / last
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            f"linalg.cond: A must be batches of square matrices, but they are {A.shape[-2]} by "
            f"{A.shape[-1]} matrices (for p={p})"
        )
    inverse, info = call.linalg_inv_ex(A)
    out = call.matrix_norm(A, p) * call.matrix_norm(inverse, p)
    return out.masked_fill(info > 0, math.inf)


row("linalg_cond(Tensor A, any p=None) -> Tensor", body=_cond, forms="fo", where="linalg",
    alias=("cond",),
    samples=lambda m: [((m(3, 2),), {}), ((m(2, 2), "fro"), {}), ((m(2, 2), -2), {})], doc="See body.")  # fmt: skip


def _lstsq_rule(a: Aval, b: Aval, rcond: float) -> Spec:
    need_matrix(a)
    dt = matching(a, b)
    if b.ndim < 1 or b.ndim not in (a.ndim, a.ndim - 1):
        raise RuntimeError(
            f"input.dim() must be greater or equal to other.dim() and (input.dim() - "
            f"other.dim()) <= 1: got {list(a.shape)} and {list(b.shape)}"
        )
    vector = a.ndim - 1 == b.ndim
    rows = b.shape[-1] if vector else b.shape[-2]
    if rows != a.shape[-2]:
        raise RuntimeError(
            f"input.size(-2) should match other.size({-1 if vector else -2}): got "
            f"{list(a.shape)} and {list(b.shape)}"
        )
    shape = (*a.shape[:-2], a.shape[-1]) if vector else (*a.shape[:-2], a.shape[-1], b.shape[-1])
    return Spec(aval(shape, dt, a.device))


def _lstsq_numpy(a: np.ndarray, b: np.ndarray, rcond: float) -> np.ndarray:
    vector = a.ndim - 1 == b.ndim
    sides = b[..., None] if vector else b
    out = np.empty((*a.shape[:-2], a.shape[-1], sides.shape[-1]), b.dtype)
    for place in np.ndindex(*a.shape[:-2]):
        out[place] = np.linalg.lstsq(a[place], sides[place], _relative(a, rcond))[0]
    return out[..., 0] if vector else out


def _lstsq_grads(grad: Any, a: Any, b: Any, rcond: float) -> tuple[Any, Any]:
    """X = pinv(A) B."""
    vector = a.ndim - 1 == b.ndim
    g, sides = (grad.unsqueeze(-1), b.unsqueeze(-1)) if vector else (grad, b)
    p = call.pinv_above(a, 0.0, rcond)
    to_b = adjoint(p) @ g
    return _pinv_grad(g @ adjoint(sides), a, p), to_b.squeeze(-1) if vector else to_b


row(
    "lstsq_solution(Tensor A, Tensor B, float rcond) -> Tensor", rule=_lstsq_rule,
    numpy=_lstsq_numpy, forms="", node="LinalgLstsqBackward0", called="linalg.lstsq",
    grads={("A", "B"): lambda grad, A, B, rcond: _lstsq_grads(grad, A, B, rcond)},
    doc="The X of least norm that makes the norm of A X - B least.",
)  # fmt: skip

_DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


def _lstsq(A: Any, B: Any, rcond: Any = None, *, driver: Any = None) -> Any:  # noqa: N803
    """The X (of least norm) that makes |A X - B| least, and what the LAPACK driver of this name
    would tell besides: squared residuals where there are more equations than unknowns (all but
    gelsy), the rank (all but gels), singular values (gelsd, gelss)."""
    if driver is not None and driver not in _DRIVERS:
        raise RuntimeError(
            f"linalg.lstsq: parameter `driver` should be one of {_DRIVERS}, got {driver}"
        )
    cut = _DEFAULT if rcond is None else float(rcond)
    x = call.lstsq_solution(A, B, cut)
    n, m = A.shape[-2:]
    driver = driver or "gelsy"
    none = call.empty((0,), dtype=A.dtype)
    rank = call.empty((0,), dtype=dtypes.int64)
    if driver != "gels":
        rank = _matrix_rank(A, rtol=rcond)
    values = _svdvals(A.detach()) if driver in ("gelsd", "gelss") else none.to(A.dtype.to_real())
    residuals = none
    if n > m and driver != "gelsy" and (driver == "gels" or bool((rank == m).all())):
        vector = A.ndim - 1 == B.ndim
        miss = A @ (x.unsqueeze(-1) if vector else x) - (B.unsqueeze(-1) if vector else B)
        residuals = (miss.abs() ** 2).sum(-2)
        if vector:
            residuals = residuals.squeeze(-1)
    names = ("solution", "residuals", "rank", "singular_values")
    return call.named("linalg_lstsq", names, [x, residuals, rank, values])


row("linalg_lstsq(Tensor A, Tensor B, any rcond=None) -> Tensors", body=_lstsq, forms="f",
    where="linalg", alias=("lstsq",),
    samples=lambda m: [((m(3, 2), m(3, 2)), {}), ((m(2, 3), m(2)), {})], doc="See body.")  # fmt: skip
