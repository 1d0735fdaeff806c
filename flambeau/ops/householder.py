"""Products of Householder reflections, as LAPACK leaves them: reflection i is 1 - tau[i] v v^H, with
v in column i of a matrix below the diagonal, 1 on it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.aval import Aval
from .linalg import eye_like, need_matrix
from .matmul import adjoint
from .table import Spec, call, row

# --- QR as LAPACK has it ----------------------------------------------------------------------------


def _geqrf_rule(x: Aval) -> Spec:
    need_matrix(x, missing="geqrf_cpu")
    *lead, m, n = x.shape
    return Spec((x, x.with_shape((*lead, min(m, n)))))


def _geqrf(x: np.ndarray) -> tuple[Any, Any]:
    if 0 in x.shape:
        *lead, m, n = x.shape
        return x, np.zeros((*lead, min(m, n)), x.dtype)
    packed, tau = np.linalg.qr(x, "raw")
    return np.swapaxes(packed, -1, -2), tau


row(
    "geqrf(Tensor input) -> (a, tau)", rule=_geqrf_rule, numpy=_geqrf, forms="fmo",
    not_differentiable="use linalg.qr", samples=lambda m: [((m(3, 2).detach(),), {}), ((m(2, 2, 3).detach(),), {})],
    doc="R in the upper triangle, and reflections whose product is Q; see linalg.qr.",
)  # fmt: skip


# --- products ---------------------------------------------------------------------------------------


def _check(name: str, a: Any, tau: Any) -> None:
    need_matrix(a._aval, "input")
    if a.shape[-2] < tau.shape[-1] or a.shape[-1] < tau.shape[-1]:
        raise RuntimeError(
            f"{name}: input.shape[-2] and input.shape[-1] must be greater than or equal to "
            f"tau.shape[-1], got {list(a.shape)} and {list(tau.shape)}"
        )
    if tau.ndim != a.ndim - 1 or tuple(tau.shape[:-1]) != tuple(a.shape[:-2]):
        raise RuntimeError(
            f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2] = "
            f"{list(a.shape[:-2])}, but got tau of shape {list(tau.shape)}"
        )
    if tau.dtype is not a.dtype:
        raise RuntimeError(f"{name}: tau dtype {tau.dtype} does not match input dtype {a.dtype}")


def _reflections(a: Any, tau: Any) -> tuple[Any, Any]:
    """V and T with H1 H2 ... Hk = 1 - V T V^H (Schreiber and Van Loan 1989). T is
    (1 + D U)^-1 D with D = diag(tau) and U what V^H V has above its diagonal."""
    k = tau.shape[-1]
    v = a[..., :k].tril(-1)
    v = v + call.eye(v.shape[-2], k, dtype=a.dtype)
    upper = tau.unsqueeze(-1) * (adjoint(v) @ v).triu(1)
    t = call.linalg_solve_triangular(
        upper + eye_like(tau), call.diag_embed(tau), upper=True, unitriangular=True
    )
    return v, t


def _product(name: str, a: Any, tau: Any) -> Any:
    _check(name, a, tau)
    m, n = a.shape[-2:]
    if m < n:
        raise RuntimeError(
            f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1], got "
            f"{list(a.shape)}"
        )
    if not tau.shape[-1] or not a.numel():
        return call.eye(m, n, dtype=a.dtype).expand(a.shape).clone() if a.numel() else a.clone()
    v, t = _reflections(a, tau)
    return call.eye(m, n, dtype=a.dtype) - v @ (t @ adjoint(v[..., :n, :]))


def _householder_product(input: Any, tau: Any) -> Any:  # noqa: A002
    """The first columns of H1 H2 ... Hk, as many as `input` has."""
    return _product("householder_product", input, tau)


def _orgqr(input: Any, input2: Any) -> Any:
    """See linalg.householder_product."""
    return _product("orgqr", input, input2)


def _sample(m: Any) -> list[Any]:
    return [((m(3, 2), m(2)), {}), ((m(2, 3, 3), m(2, 2)), {}), ((m.complex(3, 2), m.complex(2)), {})]


row("linalg_householder_product(Tensor input, Tensor tau) -> Tensor", body=_householder_product,
    forms="fo", where="linalg", alias=("householder_product",), samples=_sample, doc="See body.")  # fmt: skip
row("orgqr(Tensor input, Tensor input2) -> Tensor", body=_orgqr, forms="fmo", samples=_sample,
    doc="See linalg.householder_product.")  # fmt: skip


def _ormqr(
    input: Any, input2: Any, input3: Any, left: bool = True, transpose: bool = False
) -> Any:
    """Q C (C Q with left=False), or with Q^H, where Q is the square product of all reflections that
    geqrf() gave, and C is `input3`."""
    a, tau, c = input, input2, input3
    _check("ormqr", a, tau)
    if c.ndim < 2 or c.shape[-2 if left else -1] != a.shape[-2]:
        raise RuntimeError(
            f"ormqr: other.shape[{-2 if left else -1}] must be equal to input.shape[-2] = "
            f"{a.shape[-2]}, got {list(c.shape)}"
        )
    if c.ndim != a.ndim or tuple(c.shape[:-2]) != tuple(a.shape[:-2]):
        raise RuntimeError(
            f"ormqr: Expected batch dimensions of other to be equal to input.shape[:-2] = "
            f"{list(a.shape[:-2])}, but got {list(c.shape)}"
        )
    if c.dtype is not a.dtype:
        raise RuntimeError(f"ormqr: other dtype {c.dtype} does not match input dtype {a.dtype}")
    if not (tau.shape[-1] and c.numel()):
        return c.clone()
    v, t = _reflections(a, tau)
    if transpose:
        t = adjoint(t)
    return c - v @ (t @ (adjoint(v) @ c)) if left else c - ((c @ v) @ t) @ adjoint(v)


row("ormqr(Tensor input, Tensor input2, Tensor input3, bool left=True, bool transpose=False) -> Tensor",
    body=_ormqr, forms="fmo",
    samples=lambda m: [((m(3, 2), m(2), m(3, 2)), {}), ((m(3, 2), m(2), m(2, 3), False, True), {})],
    doc="See body.")  # fmt: skip
