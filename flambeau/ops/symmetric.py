"""Decompositions of symmetric matrices that are not definite: A = L D L^T with a D of blocks of one
or two (Bunch and Kaufman 1977), packed as LAPACK's sytrf packs it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval, aval
from .linalg import LinAlgError, infos, need_matrix, need_square, observed_failure
from .rules import matching
from .table import Spec, call, row

_ALPHA = (1 + math.sqrt(17)) / 8
"""What a diagonal element must have of its column's largest to be a pivot."""


def _size(x: Any) -> Any:
    return abs(x.real) + abs(x.imag)


def _exchange(a: np.ndarray, k: int, p: int, hermitian: bool) -> None:
    """Rows and columns k and p > k of the lower triangle from k on, exchanged."""
    a[p + 1 :, [k, p]] = a[p + 1 :, [p, k]]
    between = a[k + 1 : p, k].copy()
    line = a[p, k + 1 : p].copy()
    a[k + 1 : p, k] = line.conj() if hermitian else line
    a[p, k + 1 : p] = between.conj() if hermitian else between
    if hermitian:
        a[p, k] = a[p, k].conj()
    a[k, k], a[p, p] = a[p, p], a[k, k]


def _factor_one(a: np.ndarray, hermitian: bool) -> tuple[np.ndarray, int]:
    """Replaces the lower triangle by L and D. Pivots count from 1; those of blocks of two are
    negative. Also the first step (from 1) whose pivot is zero, or 0."""
    n = len(a)
    pivots = np.zeros(n, np.int32)
    info, k = 0, 0
    while k < n:
        step, p = 1, k
        diagonal = abs(a[k, k].real) if hermitian else _size(a[k, k])
        column = _size(a[k + 1 :, k])
        r = k + 1 + int(column.argmax()) if column.size else k
        largest = column.max(initial=0.0)
        if max(diagonal, largest) == 0:
            info = info or k + 1
        elif diagonal < _ALPHA * largest:
            other = _size(np.concatenate([a[r, k:r], a[r + 1 :, r]])).max(initial=0.0)
            own = abs(a[r, r].real) if hermitian else _size(a[r, r])
            if diagonal >= _ALPHA * largest * (largest / other):
                pass
            elif own >= _ALPHA * other:
                p = r
            else:
                step, p = 2, r
        last = k + step - 1
        if p != last:
            if step == 2:
                kept = a[p, k]
                _exchange(a, last, p, hermitian)
                a[p, k], a[last, k] = a[last, k], kept
            else:
                _exchange(a, last, p, hermitian)
        if hermitian:
            a[k, k], a[last, last] = a[k, k].real, a[last, last].real
        pivots[k : last + 1] = (p + 1) if step == 1 else -(p + 1)
        _eliminate(a, k, step, hermitian)
        k += step
    return pivots, info


def _eliminate(a: np.ndarray, k: int, step: int, hermitian: bool) -> None:
    """A block's columns divided by it, and their product taken from what is left."""
    rest = slice(k + step, None)
    below = a[rest, k : k + step].copy()
    if not below.size:
        return
    if step == 1:
        if a[k, k] == 0:
            return
        scaled = below / a[k, k]
    else:
        corner = a[k + 1, k]
        block = np.array([[a[k, k], corner.conj() if hermitian else corner], [corner, a[k + 1, k + 1]]])
        scaled = below @ np.linalg.inv(block)
    a[rest, rest] -= np.tril(scaled @ (below.conj() if hermitian else below).T)
    a[rest, k : k + step] = scaled


def _factor(x: np.ndarray, hermitian: bool, check_errors: bool) -> tuple[Any, Any, Any]:
    count = math.prod(x.shape[:-2])
    out = np.tril(x).reshape(count, *x.shape[-2:])
    pivots = np.zeros(out.shape[:-1], np.int32)
    info = np.zeros(len(out), np.int32)
    for i, each in enumerate(out):
        pivots[i], info[i] = _factor_one(each, hermitian and x.dtype.kind == "c")
    lead = x.shape[:-2]
    return out.reshape(x.shape), pivots.reshape(x.shape[:-1]), info.reshape(lead)


def _factor_rule(x: Aval, hermitian: bool, check_errors: bool) -> Spec:
    need_square(x)
    return Spec((x, aval(tuple(x.shape[:-1]), dtypes.int32, x.device), infos(x)))


row(
    "linalg_ldl_factor_ex(Tensor A, *, bool hermitian=False, bool check_errors=False) -> (LD, pivots, info)",
    rule=_factor_rule, numpy=_factor, forms="fo", where="linalg", alias=("ldl_factor_ex",),
    called="linalg.ldl_factor_ex", not_differentiable="use linalg.eigh",
    samples=lambda m: [((m(3, 3).detach(),), {}), ((m(2, 4, 4).detach(),), {})],
    doc="L and D in the lower triangle of LD, the exchanges, and a status for each matrix.",
)  # fmt: skip


def _ldl_factor(A: Any, *, hermitian: bool = False) -> Any:  # noqa: N803
    """L and D with A = L D L^T (L^H for hermitian=True), and the exchanges."""
    packed, pivots, info = call.linalg_ldl_factor_ex(A, hermitian=hermitian)
    bad = observed_failure(info)
    if bad is not None:
        raise LinAlgError(
            f"linalg.ldl_factor: {bad[0]}The factorization could not be completed: D has a zero on "
            f"its diagonal, element {bad[1]}."
        )
    return call.named("linalg_ldl_factor", ("LD", "pivots"), [packed, pivots])


row("linalg_ldl_factor(Tensor A, *, bool hermitian=False) -> Tensors", body=_ldl_factor, forms="fo",
    where="linalg", alias=("ldl_factor",), samples=lambda m: [((m(3, 3).detach(),), {})], doc="See body.")  # fmt: skip


def _solve_rule(ld: Aval, pivots: Aval, b: Aval, hermitian: bool) -> Spec:
    need_square(ld)
    need_matrix(b, "B")
    matching(ld, b)
    if b.ndim < 2 or b.shape[-2] != ld.shape[-1]:
        raise RuntimeError(
            f"Incompatible shapes of LD and B for the equation LDX = B: {list(ld.shape)} and {list(b.shape)}"
        )
    if tuple(pivots.shape) != tuple(ld.shape[:-1]):
        raise RuntimeError(
            f"Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with shape "
            f"{list(pivots.shape)} and LD of {list(ld.shape)}"
        )
    if pivots.dtype.category != dtypes.INT:
        raise RuntimeError(f"Expected pivots to be integers. Got {pivots.dtype}")
    lead = np.broadcast_shapes(tuple(ld.shape[:-2]), tuple(b.shape[:-2]))
    return Spec(b.with_shape((*lead, *b.shape[-2:])))


def _check_pivots(fetch: Any, ld: Aval, pivots: Aval, *rest: Any) -> None:
    found = np.abs(fetch(1).astype(np.int64))
    if found.size and not (1 <= found.min() and found.max() <= ld.shape[-1]):
        raise RuntimeError(
            f"pivots must be rows of LD, from 1 to {ld.shape[-1]} or below zero, got up to {found.max()}"
        )


def _solve_one(ld: np.ndarray, pivots: np.ndarray, x: np.ndarray, hermitian: bool) -> None:
    """sytrs: exchanges and columns of L down, blocks of D, the same upwards; in `x`'s memory."""
    n, k, blocks = len(ld), 0, []
    while k < n:
        step = 1 if pivots[k] > 0 else 2
        last, p = k + step - 1, abs(int(pivots[k])) - 1
        x[[last, p]] = x[[p, last]]
        x[last + 1 :] -= ld[last + 1 :, k : last + 1] @ x[k : last + 1]
        corner = ld[last, k]
        block = ld[k : last + 1, k : last + 1].copy()
        if step == 2:
            block[0, 1] = corner.conj() if hermitian else corner
        x[k : last + 1] = np.linalg.solve(block, x[k : last + 1]) if step == 2 else x[k] / corner
        blocks.append((k, last, p))
        k += step
    for k, last, p in reversed(blocks):
        columns = ld[last + 1 :, k : last + 1]
        x[k : last + 1] -= (columns.conj() if hermitian else columns).T @ x[last + 1 :]
        x[[last, p]] = x[[p, last]]


def _solve(ld: np.ndarray, pivots: np.ndarray, b: np.ndarray, hermitian: bool) -> np.ndarray:
    lead = np.broadcast_shapes(ld.shape[:-2], b.shape[:-2])
    n = ld.shape[-1]
    count = math.prod(lead)
    factors = np.broadcast_to(ld, (*lead, n, n)).reshape(count, n, n)
    steps = np.broadcast_to(pivots, (*lead, n)).reshape(count, n)
    out = np.array(np.broadcast_to(b, (*lead, *b.shape[-2:])), order="C")
    flat = out.reshape(count, *b.shape[-2:])
    for i in range(len(flat)):
        _solve_one(factors[i], steps[i], flat[i], hermitian and ld.dtype.kind == "c")
    return out


row(
    "linalg_ldl_solve(Tensor LD, Tensor pivots, Tensor B, *, bool hermitian=False) -> Tensor",
    rule=_solve_rule, numpy=_solve, forms="fo", where="linalg", alias=("ldl_solve",),
    called="linalg.ldl_solve", check=_check_pivots, not_differentiable="use linalg.solve",
    samples=lambda m: [((m(2, 2).detach(), call.tensor([1, 2], dtype=dtypes.int32), m(2, 3).detach()), {})],
    doc="X with A X = B, from what linalg.ldl_factor gave of A.",
)  # fmt: skip
