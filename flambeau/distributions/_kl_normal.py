"""Divergences between multivariate normal distributions.

KL(p || q) = (log det Q - log det P + trace(Q^-1 P) + d^T Q^-1 d - n) / 2 for covariances P and Q
and d the difference of the means. Q^-1 is applied by the Cholesky factor of Q, or by the Woodbury
identity where Q is of low rank plus a diagonal.
"""

from __future__ import annotations

from typing import Any

import flambeau as torch

from .kl import register_kl
from .lowrank_multivariate_normal import (
    LowRankMultivariateNormal,
    _lowrank_log_det,
    _lowrank_mahalanobis,
)
from .multivariate_normal import MultivariateNormal, _batch_mahalanobis, _half_log_det

Tensor = torch.Tensor


def _need_same_events(p: Any, q: Any) -> None:
    if p.event_shape != q.event_shape:
        raise ValueError(
            f"KL between {type(p).__name__} and {type(q).__name__} with different event shapes: "
            f"{tuple(p.event_shape)} and {tuple(q.event_shape)}"
        )


def _squares(matrix: Tensor) -> Tensor:
    """The sum of the squares of all entries: trace(M M^T)."""
    return matrix.pow(2).sum((-2, -1))


def _log_det(p: Any) -> Tensor:
    """The logarithm of the covariance's determinant."""
    if isinstance(p, LowRankMultivariateNormal):
        return _lowrank_log_det(p._unbroadcasted_cov_diag, p._capacitance_tril)
    return 2 * _half_log_det(p._unbroadcasted_scale_tril)


def _factors(p: Any) -> list[Tensor]:
    """Matrices F with P = the sum of F F^T."""
    if isinstance(p, LowRankMultivariateNormal):
        return [p._unbroadcasted_cov_factor, torch.diag_embed(p._unbroadcasted_cov_diag.sqrt())]
    return [p._unbroadcasted_scale_tril]


def _found(p: Any, q: Any, trace: Any, distance: Tensor) -> Tensor:
    n = p.event_shape[0]
    return 0.5 * (_log_det(q) - _log_det(p) + trace + distance - n)  # type: ignore[no-any-return]


@register_kl(MultivariateNormal, MultivariateNormal)
@register_kl(LowRankMultivariateNormal, MultivariateNormal)
def _from_dense(p: Any, q: Any) -> Tensor:
    """q has a Cholesky factor."""
    _need_same_events(p, q)
    tril = q._unbroadcasted_scale_tril
    solved = [torch.linalg.solve_triangular(tril, f, upper=False) for f in _factors(p)]
    distance = _batch_mahalanobis(tril, q.loc - p.loc)
    return _found(p, q, sum(map(_squares, solved)), distance)


@register_kl(MultivariateNormal, LowRankMultivariateNormal)
@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _from_low_rank(p: Any, q: Any) -> Tensor:
    """Q^-1 = D^-1 - A^T A with A = C^-1 W^T D^-1, C being the capacitance's Cholesky factor."""
    _need_same_events(p, q)
    factor, diagonal = q._unbroadcasted_cov_factor, q._unbroadcasted_cov_diag
    scaled = factor.mT / diagonal.unsqueeze(-2)
    half = torch.linalg.solve_triangular(q._capacitance_tril, scaled, upper=False)
    root = diagonal.rsqrt().unsqueeze(-1)
    trace = sum(_squares(f * root) - _squares(half.matmul(f)) for f in _factors(p))
    distance = _lowrank_mahalanobis(factor, diagonal, q.loc - p.loc, q._capacitance_tril)
    return _found(p, q, trace, distance)
