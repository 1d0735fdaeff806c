"""Cholesky, LU and QR decompositions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval, aval
from .linalg import (
    LinAlgError,
    hermitian,
    infos,
    lu_pivoted,
    need_matrix,
    need_square,
    observed_failure,
    plus,
    positive_sample,
    real_part,
    substituted,
)
from .matmul import adjoint
from .rules import common_shape, matching
from .table import Spec, call, row

# --- Cholesky -------------------------------------------------------------------------------------


def _first_bad_minor(x: np.ndarray) -> int:
    """The order of the first leading minor that is not positive definite, 0 for none."""
    for k in range(1, len(x) + 1):
        try:
            np.linalg.cholesky(x[:k, :k])
        except np.linalg.LinAlgError:
            return k
    return 0


def _cholesky_ex(x: np.ndarray, upper: bool, check: bool) -> tuple[Any, Any]:
    given = hermitian(x) if upper else x  # only the lower triangle is looked at
    info = np.zeros(x.shape[:-2], np.int32)
    try:
        low = np.linalg.cholesky(given)
    except np.linalg.LinAlgError:
        low = np.full(x.shape, np.nan, x.dtype)
        for place in np.ndindex(*x.shape[:-2]):
            info[place] = _first_bad_minor(given[place])
            if not info[place]:
                low[place] = np.linalg.cholesky(given[place])
    return (hermitian(low) if upper else low), info


def _cholesky_rule(x: Aval, upper: bool, check: bool) -> Spec:
    need_square(x)
    return Spec((x, infos(x)))


def _cholesky_grad(grad: Any, low: Any) -> Any:
    """L^-H P L^-1, where P is the lower triangle of L^H grad mirrored, and halved (Murray 2016)."""
    p = adjoint(low) @ grad
    p = (p.tril() + adjoint(p.tril(-1))) * 0.5
    s = call.linalg_solve_triangular(adjoint(low), p, upper=True)
    return call.linalg_solve_triangular(low, s, upper=False, left=False)


row(
    "linalg_cholesky_ex(Tensor A, *, bool upper=False, bool check_errors=False) -> (L, info)",
    rule=_cholesky_rule, numpy=_cholesky_ex, forms="fo", where="linalg", alias=("cholesky_ex",),
    called="linalg.cholesky",
    grads={"A": lambda grad, L, upper:
           _cholesky_grad(adjoint(grad) if upper else grad, adjoint(L) if upper else L)},
    samples=lambda m: [((positive_sample(m, 3),), {})],
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
    samples=lambda m: [((positive_sample(m, 3),), {}), ((positive_sample(m, 2),), {"upper": True})], doc="See body.")  # fmt: skip
row("cholesky(Tensor input, bool upper=False) -> Tensor",
    body=lambda input, upper=False: _cholesky(input, upper=upper), forms="fmo",
    samples=lambda m: [((positive_sample(m, 2),), {})],
    doc="See linalg.cholesky.")  # fmt: skip


def _cholesky_solve_rule(b: Aval, factor: Aval, upper: bool) -> Spec:
    matching(b, factor)
    for each, name in ((b, "B"), (factor, "L")):
        if each.ndim < 2:
            raise RuntimeError(f"{name} should have at least 2 dimensions, but has {each.ndim}")
    need_square(factor)
    if factor.shape[-1] != b.shape[-2]:
        raise RuntimeError(
            f"Incompatible matrix sizes: L is {list(factor.shape[-2:])}, B is {list(b.shape[-2:])}: "
            "B needs as many rows as L"
        )
    lead = common_shape((b.with_shape(b.shape[:-2]), factor.with_shape(factor.shape[:-2])))
    return Spec(b.with_shape((*lead, *b.shape[-2:])))


def _from_factor(b: np.ndarray, factor: np.ndarray, upper: bool) -> np.ndarray:
    low = hermitian(factor) if upper else factor
    y = substituted(low, b, False, True, False)
    return substituted(hermitian(low), y, True, True, False)


def _factor_sample(m: Any, n: int, upper: bool = False) -> Any:
    """A sample of a Cholesky factor: the derivatives are those of full matrices, see positive_sample."""
    x = m(n, n, low=1.0).detach()
    return x.triu() if upper else x.tril()


def _factor_grad(common: Any, factor: Any, upper: bool) -> Any:
    """Through A = L L^H (U^H U), from `common`, minus the gradient by A plus its adjoint."""
    return -(factor @ common) if upper else -(common @ factor)


def _cholesky_solve_grads(grad: Any, L: Any, result: Any, upper: bool) -> tuple[Any, Any]:  # noqa: N803
    for_b = call.cholesky_solve(grad, L, upper)
    common = for_b @ adjoint(result)
    return for_b, _factor_grad(common + adjoint(common), L, upper)


def _cholesky_inverse_rule(factor: Aval, upper: bool) -> Spec:
    need_square(factor)
    return Spec(factor)


row("cholesky_solve(Tensor B, Tensor L, bool upper=False) -> Tensor",
    rule=_cholesky_solve_rule, numpy=_from_factor, forms="fmo",
    grads={("B", "L"): lambda grad, L, result, upper: _cholesky_solve_grads(grad, L, result, upper)},
    samples=lambda m: [((m(3, 2), _factor_sample(m, 3)), {}), ((m(2, 1), _factor_sample(m, 2, True), True), {})],
    doc="X with A X = B, from A's Cholesky factor; the factor's other triangle is not looked at.")  # fmt: skip
row("cholesky_inverse(Tensor L, bool upper=False) -> Tensor",
    rule=_cholesky_inverse_rule, forms="fmo",
    numpy=lambda factor, upper: _from_factor(np.eye(factor.shape[-1], dtype=factor.dtype), factor, upper),
    grads={"L": lambda grad, L, result, upper:
           _factor_grad(result @ (grad + adjoint(grad)) @ result, L, upper)},
    samples=lambda m: [((_factor_sample(m, 3),), {})],
    doc="The inverse of A, from its Cholesky factor.")  # fmt: skip


# --- LU -------------------------------------------------------------------------------------------


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
    flat = pivots.astype(np.int64).reshape(math.prod(pivots.shape[:-1]), pivots.shape[-1])
    out = np.zeros((len(flat), m, m), dt.compute)
    for matrix, steps in zip(out, flat, strict=True):
        order = np.arange(m)
        for i, j in enumerate(steps):
            order[[i, j - 1]] = order[[j - 1, i]]
        matrix[order, np.arange(m)] = 1
    return out.reshape(*pivots.shape[:-1], m, m)


def _permutation_rule(pivots: Aval, m: int, dt: Any) -> Spec:
    if pivots.dtype.category != dtypes.INT or not pivots.ndim or pivots.shape[-1] > m:
        raise RuntimeError(
            f"expected pivots, at most {m} integers a matrix as lu_factor() gives them, got a tensor "
            f"of shape {list(pivots.shape)} and dtype {pivots.dtype}"
        )
    return Spec(aval((*pivots.shape[:-1], m, m), dt, pivots.device))


def _check_pivots(fetch: Any, pivots: Aval, m: int, dt: Any) -> None:
    found = fetch(0)
    if found.size and not (1 <= found.min() and found.max() <= m):
        raise RuntimeError(
            f"pivots must be between 1 and {m} inclusive, the rows of LU, got "
            f"{found.min()} to {found.max()}: did you properly pass the result of lu_factor()?"
        )


row(
    "lu_permutation(Tensor pivots, int size, dtype dtype) -> Tensor",
    rule=_permutation_rule, check=_check_pivots, called="lu_unpack",
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


row("lu(Tensor input, bool pivot=True, bool get_infos=False) -> Tensors", body=_old_lu, forms="fmo",
    samples=lambda m: [((m(3, 3),), {}), ((m(2, 3),), {"get_infos": True})],
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
    samples=lambda m: [((m(3, 3), call.tensor([2, 3, 3])), {}), ((m(2, 3), call.tensor([1, 2])), {})],
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
    where="linalg", alias=("lu_solve",), samples=lambda m: [((m(2, 2, low=1.0), call.tensor([2, 2]), m(2, 3)), {}), ((m(2, 2, low=1.0), call.tensor([1, 2]), m(3, 2)), {"left": False, "adjoint": True})],
    doc="See body.")  # fmt: skip
row("lu_solve(Tensor b, Tensor LU_data, Tensor LU_pivots) -> Tensor", forms="fmo",
    body=lambda b, LU_data, LU_pivots: _lu_solve(LU_data, LU_pivots, b),
    samples=lambda m: [((m(2, 3), m(2, 2, low=1.0), call.tensor([2, 2])), {})],
    doc="X with A X = b, from A's LU factors.")  # fmt: skip


# --- QR -------------------------------------------------------------------------------------------


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
        plus(gq, more) if (gq, more) != (None, None) else None,
        None if gr is None else gr[..., :m], q, u,
    )  # fmt: skip
    right = call.zeros_like(v) if gv is None else q @ gv
    return call.cat([left, right], -1)


def _tall_qr_grad(gq: Any, gr: Any, q: Any, r: Any) -> Any:
    """(gQ + Q S) R^-H, where S is M = R gR^H - gQ^H Q made Hermitian from its lower triangle
    (Walter and Lehmann 2010)."""
    m = plus(
        None if gr is None else r @ adjoint(gr), None if gq is None else -(adjoint(gq) @ q)
    )
    low = m.tril(-1)
    diagonal = m.diagonal(0, -2, -1)
    whole = low + adjoint(low) + call.diag_embed(real_part(diagonal))
    left = q @ whole if gq is None else gq + q @ whole
    return call.linalg_solve_triangular(adjoint(r), left, upper=False, left=False)


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
    samples=lambda m: [((m(3, 2),), {})],
    doc="See linalg.qr.")  # fmt: skip
