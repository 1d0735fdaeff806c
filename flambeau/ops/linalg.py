"""Inverses, determinants, solutions of linear equations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval, aval
from ..core.layout import broadcast
from .matmul import adjoint
from .rules import matching
from .table import Spec, call, row


class LinAlgError(RuntimeError):
    """A decomposition or solution that does not exist."""


MOST_DIMENSIONS = 32
"""What NumPy's linear algebra, and its broadcasting, is sure to take."""


def need_matrix(x: Aval, name: str = "A", missing: str = "") -> None:
    """Refuse what is no floating matrix or batch of them. `missing`: LAPACK's name of an operation
    that PyTorch says is not implemented for integers."""
    if x.ndim < 2:
        raise RuntimeError(
            f"The input tensor {name} must have at least 2 dimensions, got {list(x.shape)}."
        )
    if x.ndim > MOST_DIMENSIONS:
        raise RuntimeError(
            f"The input tensor {name} must have at most {MOST_DIMENSIONS} dimensions, got {x.ndim}"
        )
    if x.dtype.category < dtypes.FLOAT:
        if missing:
            raise NotImplementedError(f'"{missing}" not implemented for \'{x.dtype.legacy}\'')
        raise RuntimeError(f"Expected a floating point or complex tensor as input. Got {x.dtype}")


def or_nan(find: Any, x: np.ndarray) -> tuple[Any, ...]:
    """What `find` says of matrices; NaN for those that are not finite, if it fails."""
    try:
        return tuple(find(x))
    except np.linalg.LinAlgError:
        odd = ~np.isfinite(x).all((-2, -1), keepdims=True)
        found = find(np.where(odd, 0, x))
        return tuple(np.where(odd if p.ndim == x.ndim else odd[..., 0], np.nan, p) for p in found)


def need_square(x: Aval, missing: str = "") -> None:
    """Refuse what is no square matrix or batch of them."""
    need_matrix(x, missing=missing)
    if x.shape[-1] != x.shape[-2]:
        raise RuntimeError(
            f"A must be batches of square matrices, but they are {x.shape[-2]} by {x.shape[-1]} "
            "matrices"
        )


def infos(x: Aval) -> Aval:
    """One status of a batch's matrix each."""
    return aval(tuple(x.shape[:-2]), dtypes.int32, x.device)


def observed_failure(info: Any) -> tuple[str, int] | None:
    """Which matrix of a batch could not be treated, in words, and its status."""
    codes = call.observe_batch(info, "linear algebra checks that there is a result")
    if not codes.any():
        return None
    place = int(np.flatnonzero(codes.reshape(-1))[0])
    return (f"(Batch element {place}): " if codes.ndim else ""), int(codes.reshape(-1)[place])


def hermitian(x: np.ndarray) -> np.ndarray:
    """The conjugate transpose of an array's last two dimensions."""
    return np.swapaxes(x, -1, -2).conj()


def eye_like(values: Any) -> Any:
    """The unit matrix for values along the last dimension."""
    return call.eye(values.shape[-1], dtype=values.dtype)


def plus(*parts: Any) -> Any:
    """The sum of those that are there."""
    there = [p for p in parts if p is not None]
    out = there[0]
    for p in there[1:]:
        out = out + p
    return out


def positive_sample(m: Any, n: int) -> Any:
    """A sample of a positive definite matrix. It is no leaf that requires grad: the derivatives are
    those of Hermitian matrices, which the tests make of others."""
    x = m(n, n).detach()
    return x @ x.mT + call.eye(n, dtype=x.dtype)


def real_part(x: Any) -> Any:
    """The real part, in the dtype of x."""
    return call.complex(call.real(x), call.zeros_like(call.real(x))) if x.is_complex() else x


# --- LU -------------------------------------------------------------------------------------------


def lu_pivoted(x: np.ndarray) -> tuple[Any, Any, Any]:
    """LU decomposition with partial pivoting of (*, m, n): packed factors, the row that each step
    exchanged (from 0), and the first step (from 1) with a zero pivot, or 0."""
    a = np.array(x, order="C")
    *lead, m, n = a.shape
    flat = a.reshape(math.prod(lead), m, n)
    k = min(m, n)
    pivots = np.zeros((len(flat), k), np.int64)
    info = np.zeros(len(flat), np.int32)
    batch = np.arange(len(flat))
    for i in range(k):
        column = flat[:, i:, i]
        best = i + (np.abs(column.real) + np.abs(column.imag)).argmax(1)  # as LAPACK chooses
        pivots[:, i] = best
        chosen = flat[batch, best].copy()
        flat[batch, best] = flat[:, i]
        flat[:, i] = chosen
        zero = chosen[:, i] == 0
        info[(info == 0) & zero] = i + 1
        divisor = np.where(zero, 1, chosen[:, i])
        flat[:, i + 1 :, i] /= divisor[:, None]
        flat[:, i + 1 :, i + 1 :] -= flat[:, i + 1 :, i, None] * flat[:, i, None, i + 1 :]
    return a.reshape(x.shape), pivots.reshape(*lead, k), info.reshape(lead)


# --- inverse --------------------------------------------------------------------------------------


def _inv_ex(x: np.ndarray, check_errors: bool) -> tuple[Any, Any]:
    info = np.zeros(x.shape[:-2], np.int32)
    try:
        return np.linalg.inv(x), info
    except np.linalg.LinAlgError:
        info = lu_pivoted(x)[2]
        out = np.full(x.shape, np.inf, x.dtype)
        for i in np.ndindex(info.shape):
            try:
                out[i] = np.linalg.inv(x[i]) if info[i] == 0 else out[i]
            except np.linalg.LinAlgError:  # by rounding
                info[i] = x.shape[-1]
        return out, info


def _inv_rule(x: Aval, check_errors: bool) -> Spec:
    need_square(x)
    return Spec((x, infos(x)))


row(
    "linalg_inv_ex(Tensor A, *, bool check_errors=False) -> (inverse, info)", rule=_inv_rule,
    numpy=_inv_ex, forms="fo", where="linalg", alias=("inv_ex",), called="linalg.inv",
    grads={"A": lambda grad, inverse: -(adjoint(inverse) @ grad @ adjoint(inverse))},
    samples=lambda m: [((m(3, 3) + 3 * call.eye(3, dtype=dtypes.float64),), {})],
    doc="The inverse of square matrices, and a status for each that is zero where there is one.",
)  # fmt: skip


def _inverse(input: Any) -> Any:
    """The inverse of square matrices; LinAlgError for singular ones."""
    out, info = call.linalg_inv_ex(input)
    bad = observed_failure(info)
    if bad is not None:
        raise LinAlgError(
            f"linalg.inv: {bad[0]}The diagonal element {bad[1]} is zero, the inversion could not be "
            "completed because the input matrix is singular."
        )
    return out


row("inverse(Tensor input) -> Tensor", body=_inverse, forms="fmo",
    samples=lambda m: [((m(3, 3) + 3 * call.eye(3, dtype=dtypes.float64),), {}), ((m(2, 2, 2),), {}), ((m.complex(2, 2),), {})],
    doc="See body.")  # fmt: skip
row("linalg_inv(Tensor A) -> Tensor", body=lambda A: _inverse(A), forms="fo", where="linalg",
    alias=("inv",), samples=lambda m: [((m(2, 2),), {})],
    doc="The inverse of square matrices; LinAlgError for singular ones.")  # fmt: skip


# --- determinants ---------------------------------------------------------------------------------


def _det_rule(x: Aval) -> Spec:
    need_square(x)
    return Spec(x.with_shape(tuple(x.shape[:-2])))


def _cofactors(x: np.ndarray) -> np.ndarray:
    """det(A) A^-T without dividing by det(A), which may be zero: from the singular values, each
    replaced by the product of the others."""
    u, s, vh = or_nan(np.linalg.svd, x)
    n = x.shape[-1]
    others = np.ones_like(s)
    for i in range(n):
        others[..., i] = np.delete(s, i, -1).prod(-1)
    sign = np.linalg.det(u) * np.linalg.det(vh)
    inverse = np.swapaxes(vh, -1, -2).conj() * others[..., None, :] @ np.swapaxes(u, -1, -2).conj()
    return np.swapaxes(inverse * sign[..., None, None], -1, -2)


def _cofactor_grad(grad: Any, input: Any, result: Any) -> Any:
    """C = det(A) A^-T, so dC = tr(A^-1 dA) C - A^-T dA^T C."""
    turned = adjoint(call.inverse(input))
    known = call.conj(result) if result.is_complex() else result
    trace = (grad * known).sum((-2, -1), True)
    plain = grad.transpose(-2, -1)
    return trace * turned - turned @ plain @ known


row(
    "cofactors(Tensor input) -> Tensor", rule=lambda x: Spec(x), numpy=_cofactors, forms="",
    grads={"input": lambda grad, input, result: _cofactor_grad(grad, input, result)},
    samples=lambda m: [((m(3, 3),), {}), ((m(1, 1),), {}), ((m(2, 2, 2),), {})],
    doc="The derivative of the determinant.",
)  # fmt: skip


def _det_grad(grad: Any, input: Any) -> Any:
    found = call.cofactors(input)
    return grad.unsqueeze(-1).unsqueeze(-1) * (call.conj(found) if found.is_complex() else found)


row(
    "det(Tensor input) -> Tensor", rule=_det_rule, numpy=np.linalg.det, forms="fmo", out="exact",
    node="LinalgDetBackward0", called="linalg.det",
    grads={"input": lambda grad, input: _det_grad(grad, input)},
    samples=lambda m: [((m(3, 3),), {}), ((m(2, 2, 2),), {}), ((m(1, 1),), {}), ((m.complex(2, 2),), {})],
    doc="The determinant of square matrices.",
)  # fmt: skip


def _slogdet_rule(x: Aval) -> Spec:
    need_square(x)
    one = x.with_shape(tuple(x.shape[:-2]))
    return Spec((one, one.with_dtype(x.dtype.to_real())))


def _slogdet_grad(grads: Any, input: Any, sign: Any) -> Any:
    g_sign, g_log = grads
    factor = None if g_log is None else g_log
    if input.is_complex() and g_sign is not None:
        turn = call.imag(call.conj(g_sign) * sign)
        there = call.zeros_like(turn) if factor is None else factor
        factor = call.complex(there, -turn)
    if factor is None:
        return call.zeros_like(input)
    return factor.unsqueeze(-1).unsqueeze(-1) * adjoint(call.inverse(input))


row(
    "linalg_slogdet(Tensor A) -> (sign, logabsdet)", rule=_slogdet_rule,
    numpy=lambda x: tuple(np.linalg.slogdet(x)), forms="fo", where="linalg", alias=("slogdet",),
    called="linalg.slogdet",
    grads={"A": lambda grads, A, sign: _slogdet_grad(grads, A, sign)},
    samples=lambda m: [((m(3, 3),), {}), ((m(2, 2, 2),), {}), ((m.complex(2, 2),), {})],
    doc="Sign and logarithm of the absolute value of the determinant.",
)  # fmt: skip
row("slogdet(Tensor input) -> (sign, logabsdet)", forms="fm",
    body=lambda input: call.named("slogdet", ("sign", "logabsdet"), call.linalg_slogdet(input)),
    samples=lambda m: [((m(2, 2),), {})], doc="See linalg.slogdet.")  # fmt: skip


def _logdet(input: Any) -> Any:
    """The logarithm of the determinant: NaN where it is negative."""
    sign, size = call.linalg_slogdet(input)
    if input.is_complex():
        return sign.log() + size
    return call.where(sign == -1, math.nan, size)


row("logdet(Tensor input) -> Tensor", body=_logdet, forms="fm",
    samples=lambda m: [((m(3, 3) @ m(3, 3) + 4 * call.eye(3, dtype=dtypes.float64),), {})], doc="See body.")  # fmt: skip


# --- linear equations -----------------------------------------------------------------------------


def _is_vector(a: Aval, b: Aval) -> bool:
    """Whether B is a vector for each matrix, not a matrix."""
    return b.ndim == 1 or (a.ndim - 1 == b.ndim and tuple(b.shape) == tuple(a.shape[:-1]))


def _solve_rule(a: Aval, b: Aval, left: bool, check: bool) -> Spec:
    need_square(a)
    dt = matching(a, b)
    n = a.shape[-1]
    if _is_vector(a, b):
        if not left:
            raise RuntimeError("Vector broadcasting of the left hand side is not supported for left=False")
        if b.shape[-1] != n:
            raise RuntimeError(f"Incompatible shapes of A {list(a.shape)} and B {list(b.shape)}")
        lead = broadcast(tuple(a.shape[:-2]), tuple(b.shape[:-1]))
        shape: tuple[int, ...] = (*lead, n)
    else:
        if b.ndim < 2 or b.shape[-2 if left else -1] != n:
            raise RuntimeError(
                f"Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
                f"({list(a.shape)} and {list(b.shape)})"
            )
        lead = broadcast(tuple(a.shape[:-2]), tuple(b.shape[:-2]))
        shape = (*lead, *b.shape[-2:])
    return Spec((aval(shape, dt, a.device), infos(a)))


def _turned(x: np.ndarray) -> np.ndarray:
    return np.swapaxes(x, -1, -2)


def _solved(a: np.ndarray, b: np.ndarray, left: bool, check: bool) -> tuple[Any, Any]:
    vector = b.ndim == 1 or (a.ndim - 1 == b.ndim and b.shape == a.shape[:-1])
    info = np.zeros(a.shape[:-2], np.int32)
    matrix = b[..., None] if vector else b if left else _turned(b)
    coefficients = a if left else _turned(a)
    try:
        out = np.linalg.solve(coefficients, matrix)
    except np.linalg.LinAlgError:
        info = lu_pivoted(a)[2]
        lead = np.broadcast_shapes(a.shape[:-2], matrix.shape[:-2])
        good = np.broadcast_to(info == 0, lead)
        wide = np.broadcast_to(coefficients, (*lead, *a.shape[-2:]))
        sides = np.broadcast_to(matrix, (*lead, *matrix.shape[-2:]))
        out = np.full(sides.shape, np.nan, sides.dtype)
        out[good] = np.linalg.solve(wide[good], sides[good])
    return (out[..., 0] if vector else out if left else _turned(out)), info


def _solve_grads(grad: Any, a: Any, x: Any, left: bool) -> tuple[Any, Any]:
    """B's gradient solves with A^H; A's is minus that times X^H."""
    turned = adjoint(a)
    g = call.linalg_solve(turned, grad, left=left)
    if _is_vector(a, x):
        return -(g.unsqueeze(-1) @ adjoint(x.unsqueeze(-1))), g
    return -(g @ adjoint(x) if left else adjoint(x) @ g), g


row(
    "linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False) -> (result, info)",
    rule=_solve_rule, numpy=_solved, forms="fo", where="linalg", alias=("solve_ex",),
    called="linalg.solve",
    grads={("A", "B"): lambda grad, A, result, left: _solve_grads(grad, A, result, left)},
    samples=lambda m: [((m(3, 3) + 3 * call.eye(3, dtype=dtypes.float64), m(3, 2)), {})],
    doc="The solution of A X = B, and a status for each matrix that is zero where there is one.",
)  # fmt: skip


def _solve(A: Any, B: Any, *, left: bool = True) -> Any:  # noqa: N803
    """X with A X = B (or X A = B); B may be a vector. LinAlgError where A is singular."""
    out, info = call.linalg_solve_ex(A, B, left=left)
    bad = observed_failure(info)
    if bad is not None:
        raise LinAlgError(
            f"linalg.solve: {bad[0]}The solver failed because the input matrix is singular."
        )
    return out


row("linalg_solve(Tensor A, Tensor B) -> Tensor", body=_solve, forms="fo", where="linalg",
    alias=("solve",),
    samples=lambda m: [((m(3, 3) + 3 * call.eye(3, dtype=dtypes.float64), m(3, 2)), {}), ((m(2, 2), m(2)), {}),
                       ((m(2, 2, 2), m(2, 2)), {}), ((m(2, 2), m(3, 2)), {"left": False}), ((m.complex(2, 2), m.complex(2, 1)), {})],
    doc="See body.")  # fmt: skip


def _triangular_rule(a: Aval, b: Aval, upper: bool, left: bool, unit: bool) -> Spec:
    need_square(a, "triangular_solve_cpu")
    need_matrix(b, "B")
    dt = matching(a, b)
    if b.shape[-2 if left else -1] != a.shape[-1]:
        raise RuntimeError(
            f"Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
            f"({list(a.shape)} and {list(b.shape)})"
        )
    lead = broadcast(tuple(a.shape[:-2]), tuple(b.shape[:-2]))
    return Spec(aval((*lead, *b.shape[-2:]), dt, a.device))


def substituted(a: np.ndarray, b: np.ndarray, upper: bool, left: bool, unit: bool) -> np.ndarray:
    """Row after row of the solution, from the end of the triangle where one unknown is alone."""
    if not left:
        return _turned(substituted(_turned(a), _turned(b), not upper, True, unit))
    n = a.shape[-1]
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    out = np.array(np.broadcast_to(b, (*lead, *b.shape[-2:])), order="C")
    for i in range(n - 1, -1, -1) if upper else range(n):
        known = slice(i + 1, None) if upper else slice(0, i)
        if i != (n - 1 if upper else 0):
            out[..., i, :] -= (a[..., i, None, known] @ out[..., known, :])[..., 0, :]
        if not unit:
            out[..., i, :] /= a[..., i, i, None]
    return out


def _triangular_grads(
    grad: Any, a: Any, x: Any, upper: bool, left: bool, unit: bool
) -> tuple[Any, Any]:
    g = call.linalg_solve_triangular(
        adjoint(a), grad, upper=not upper, left=left, unitriangular=unit
    )
    full = -(g @ adjoint(x) if left else adjoint(x) @ g)
    edge = 1 if unit else 0
    return (full.triu(edge) if upper else full.tril(-edge)), g


row(
    "linalg_solve_triangular(Tensor A, Tensor B, *, bool upper, bool left=True, bool unitriangular=False) -> Tensor",
    rule=_triangular_rule, numpy=substituted, forms="fo", where="linalg",
    alias=("solve_triangular",), called="linalg.solve_triangular",
    grads={("A", "B"): lambda grad, A, result, upper, left, unitriangular:
           _triangular_grads(grad, A, result, upper, left, unitriangular)},
    samples=lambda m: [((m(3, 3, low=1.0), m(3, 2)), {"upper": True}), ((m(2, 2, 2, low=1.0), m(2, 1)), {"upper": False}),
                       ((m(2, 2), m(3, 2)), {"upper": True, "left": False, "unitriangular": True}),
                       ((m.complex(2, 2), m.complex(2, 1)), {"upper": False})],
    doc="X with A X = B (or X A = B), where only a triangle of A is looked at.",
)  # fmt: skip


def _old_triangular(
    b: Any, A: Any, upper: bool = True, transpose: bool = False, unitriangular: bool = False  # noqa: N803
) -> Any:
    """The solution X of A X = B (A^T X = B), and a copy of A; see linalg.solve_triangular."""
    turned, upper = (A.transpose(-2, -1), not upper) if transpose else (A, upper)
    x = call.linalg_solve_triangular(turned, b, upper=upper, unitriangular=unitriangular)
    return call.named("triangular_solve", ("solution", "cloned_coefficient"), [x, A.clone()])


row("triangular_solve(Tensor b, Tensor A, bool upper=True, bool transpose=False, bool unitriangular=False) -> Tensors",
    body=_old_triangular, forms="fmo", samples=lambda m: [((m(2, 1), m(2, 2, low=1.0)), {}), ((m(2, 1), m(2, 2, low=1.0), False, True), {})],
    doc="See body.")  # fmt: skip
