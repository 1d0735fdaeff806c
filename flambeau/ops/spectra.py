"""Singular values and eigenvalues."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.aval import Aval, aval
from .linalg import (
    LinAlgError,
    eye_like,
    need_matrix,
    need_square,
    or_nan,
    plus,
    positive_sample,
    real_part,
)
from .matmul import adjoint
from .table import Spec, call, row

# --- singular values ------------------------------------------------------------------------------


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
    if not k:
        return call.zeros((*s.shape[:-1], u.shape[-2], vh.shape[-1]), dtype=u.dtype)
    if u.shape[-1] != k or vh.shape[-2] != k:
        if gu is not None or gv is not None:
            raise RuntimeError(
                "svd_backward: Cannot compute backward for U, V if full_matrices=True; use "
                "torch.linalg.svd(A, full_matrices=False)."
            )
        u, vh = u[..., :k], vh[..., :k, :]
    column, line = s.unsqueeze(-1), s.unsqueeze(-2)
    gaps = line**2 - column**2 + eye_like(s)
    inner = None if gs is None else call.diag_embed(gs).to(u.dtype)
    if gu is not None:
        on_u = adjoint(u) @ gu
        inner = plus(inner, (on_u - adjoint(on_u)) / gaps * line)
        if u.is_complex():
            phase = call.imag(on_u.diagonal(0, -2, -1)) / s
            inner = inner + call.diag_embed(call.complex(call.zeros_like(phase), phase))
    if gv is not None:
        on_v = vh @ adjoint(gv)
        inner = plus(inner, (on_v - adjoint(on_v)) / gaps * column)
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
        u, vh = np.eye(n, n if full else k, dtype=x.dtype), np.eye(m if full else k, m, dtype=x.dtype)
        whole = [np.broadcast_to(part, (*lead, *part.shape)) for part in (u, vh)]
        return whole[0], np.zeros((*lead, k), x.real.dtype), whole[1]
    return or_nan(lambda x: np.linalg.svd(x, full), x)


def check_numbers(fetch: Any, x: Aval, *params: Any) -> None:
    """LinAlgError where a matrix holds NaN: what LAPACK makes of that never converges."""
    if np.isnan(fetch(0)).any():
        raise LinAlgError(
            "The algorithm failed to converge because the input matrix contained non-finite values."
        )


def _check_finite(fetch: Any, x: Aval, *params: Any) -> None:
    if not np.isfinite(fetch(0)).all():
        raise RuntimeError("input tensor should not contain infs or NaNs.")


def _eigh(x: np.ndarray, triangle: str) -> tuple[Any, ...]:
    side: Any = triangle.upper()
    return or_nan(lambda x: np.linalg.eigh(x, side), x)


row(
    "linalg_svd(Tensor A, bool full_matrices=True, *, any driver=None) -> (U, S, Vh)",
    rule=_svd_rule, numpy=_svd_numpy, forms="fo", where="linalg", alias=("svd",),
    called="linalg.svd", check=check_numbers,
    grads={"A": lambda grads, U, S, Vh: _svd_grad(*grads, U, S, Vh)},  # type: ignore[call-arg]
    samples=lambda m: [((m(3, 2).detach(), False), {}), ((m(2, 2, 3).detach(),), {})],
    doc="U, S, Vh with U diag(S) Vh = A. `driver` is for CUDA.",
)  # fmt: skip


def svdvals(A: Any, *, driver: Any = None) -> Any:  # noqa: N803
    """Singular values, the largest first."""
    return call.linalg_svd(A, False, driver=driver)[1]


row("linalg_svdvals(Tensor A) -> Tensor", body=svdvals, forms="fo", where="linalg",
    alias=("svdvals",),
    samples=lambda m: [((m(3, 2),), {}), ((m(2, 3),), {}), ((m.complex(2, 2),), {})], doc="See body.")  # fmt: skip


def _old_svd(input: Any, some: bool = True, compute_uv: bool = True) -> Any:
    """U, S, V with U diag(S) V^H = input."""
    if not compute_uv:
        n, m = input.shape[-2:]
        zeros = [call.zeros((*input.shape[:-2], k, k), dtype=input.dtype) for k in (n, m)]
        parts = [zeros[0], svdvals(input), zeros[1]]
    else:
        u, s, vh = call.linalg_svd(input, not some)
        parts = [u, s, adjoint(vh)]
    return call.named("svd", ("U", "S", "V"), parts)


row("svd(Tensor input, bool some=True, bool compute_uv=True) -> Tensors", body=_old_svd,
    forms="fmo", samples=lambda m: [((m(3, 2).detach(),), {}), ((m(3, 2), True, False), {})],
    doc="See body.")  # fmt: skip


# --- eigenvalues ----------------------------------------------------------------------------------


def _eigh_rule(x: Aval, triangle: str) -> Spec:
    need_square(x, "linalg_eigh_cpu")
    if triangle.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {triangle}")
    return Spec((aval(tuple(x.shape[:-1]), x.dtype.to_real(), x.device), x))


def _eigh_grad(gl: Any, gv: Any, values: Any, v: Any) -> Any:
    """Made Hermitian, as the matrix is."""
    inner = None if gl is None else call.diag_embed(gl).to(v.dtype)
    if gv is not None:
        eye = eye_like(values)
        gaps = values.unsqueeze(-2) - values.unsqueeze(-1) + eye
        inner = plus(inner, (adjoint(v) @ gv) * ((1 - eye) / gaps))
    out = v @ inner @ adjoint(v)
    return (out + adjoint(out)) * 0.5


row(
    "linalg_eigh(Tensor A, str UPLO='L') -> (eigenvalues, eigenvectors)", rule=_eigh_rule,
    numpy=_eigh, forms="fo",
    where="linalg", alias=("eigh",), called="linalg.eigh",
    samples=lambda m: [((positive_sample(m, 3),), {}), ((positive_sample(m, 2), "U"), {})],
    grads={"A": lambda grads, eigenvalues, eigenvectors:
           _eigh_grad(*grads, eigenvalues, eigenvectors)},  # type: ignore[call-arg]
    doc="Eigenvalues, the smallest first, and eigenvectors of Hermitian matrices, of which one "
    "triangle is looked at.",
)  # fmt: skip
row("linalg_eigvalsh(Tensor A, str UPLO='L') -> Tensor", forms="fo", where="linalg",
    alias=("eigvalsh",), body=lambda A, UPLO="L": call.linalg_eigh(A, UPLO)[0],  # noqa: N803
    samples=lambda m: [((positive_sample(m, 3),), {})],
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
        eye = eye_like(values)
        length = (turned @ v) * real_part(on_v.diagonal(0, -2, -1)).unsqueeze(-2)
        gaps = call.conj(values.unsqueeze(-2) - values.unsqueeze(-1)) + eye
        inner = plus(inner, (on_v - length) * (1 - eye) / gaps)
    return call.linalg_solve(turned, inner @ turned)


row(
    "linalg_eig(Tensor A) -> (eigenvalues, eigenvectors)", rule=_eig_rule,
    numpy=lambda x: tuple(np.linalg.eig(x)), forms="fo", where="linalg", alias=("eig",),
    called="linalg.eig", check=_check_finite, samples=lambda m: [((m(3, 3).detach(),), {})],
    grads={"A": lambda grads, eigenvalues, eigenvectors:
           _eig_grad(*grads, eigenvalues, eigenvectors)},  # type: ignore[call-arg]
    doc="Eigenvalues and eigenvectors of square matrices, as complex numbers.",
)  # fmt: skip
row("linalg_eigvals(Tensor A) -> Tensor", forms="fo", where="linalg", alias=("eigvals",),
    body=lambda A: call.linalg_eig(A)[0],
    samples=lambda m: [((m(3, 3),), {}), ((m.complex(2, 2),), {})], doc="Eigenvalues of square matrices.")  # fmt: skip
