"""The multivariate normal distribution."""

from __future__ import annotations

import math
from typing import Any

import flambeau as torch

from . import constraints
from .distribution import Distribution
from .utils import _one_of, _standard_normal, lazy_property

__all__ = ["MultivariateNormal"]

Tensor = torch.Tensor
Size = torch.Size


def _batch_mv(bmat: Tensor, bvec: Tensor) -> Tensor:
    """Products of matrices (..., m, n) and vectors (..., n), batches broadcast."""
    return torch.matmul(bmat, bvec.unsqueeze(-1)).squeeze(-1)


def _batch_mahalanobis(bL: Tensor, bx: Tensor) -> Tensor:  # noqa: N803
    """x^T (L L^T)^-1 x for lower triangular L (..., n, n) and vectors (..., n), batches broadcast.

    Dimensions that the vectors have in front of the matrices' become columns of one system, so that
    every matrix is solved with once.
    """
    outer = max(bx.dim() - (bL.dim() - 1), 0)
    columns = bx.reshape((-1,) + bx.shape[outer:]).movedim(0, -1)
    solved = torch.linalg.solve_triangular(bL, columns, upper=False)
    squares = solved.pow(2).sum(-2).movedim(-1, 0)
    return squares.reshape(bx.shape[:outer] + squares.shape[1:])


def _half_log_det(tril: Tensor) -> Tensor:
    """The logarithm of the determinant of triangular matrices: half of that of L L^T."""
    return tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _precision_to_scale_tril(P: Tensor) -> Tensor:  # noqa: N803
    """The Cholesky factor of the inverse of P, from that of P read from its end."""
    turned = torch.linalg.cholesky(torch.flip(P, (-2, -1)))
    upper = torch.flip(turned, (-2, -1)).mT
    unit = torch.eye(P.shape[-1], dtype=P.dtype, device=P.device)
    return torch.linalg.solve_triangular(upper, unit, upper=False)


def _scale_tril(scale_tril: Any, covariance: Any, precision: Any) -> Tensor:
    """The Cholesky factor from the one matrix that is given."""
    if scale_tril is not None:
        return scale_tril  # type: ignore[no-any-return]
    if covariance is not None:
        return torch.linalg.cholesky(covariance)
    return _precision_to_scale_tril(precision)


class MultivariateNormal(Distribution):
    """Normal vectors with mean `loc`, (..., n), and one of: covariance matrix, its inverse, its
    lower triangular Cholesky factor, (..., n, n). The last is the one that is computed with."""

    arg_constraints = {
        "loc": constraints.real_vector, "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite, "scale_tril": constraints.lower_cholesky,
    }  # fmt: skip
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self, loc: Any, covariance_matrix: Any = None, precision_matrix: Any = None,
        scale_tril: Any = None, validate_args: bool | None = None,
    ) -> None:  # fmt: skip
        if loc.dim() < 1:
            raise ValueError("MultivariateNormal: `loc` must have at least one dimension")
        given = {
            "covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }  # fmt: skip
        _one_of("MultivariateNormal", **given)
        name, matrix = next((k, v) for k, v in given.items() if v is not None)
        if matrix.dim() < 2:
            raise ValueError(
                f"MultivariateNormal: `{name}` must have two dimensions or more, got shape "
                f"{tuple(matrix.shape)}"
            )
        batch_shape = torch.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        setattr(self, name, matrix.expand(batch_shape + matrix.shape[-2:]))
        self.loc = loc.expand(batch_shape + loc.shape[-1:])
        super().__init__(batch_shape, self.loc.shape[-1:], validate_args=validate_args)
        self._unbroadcasted_scale_tril = _scale_tril(
            scale_tril, covariance_matrix, precision_matrix
        )

    def expand(self, batch_shape: Any, _instance: Any = None) -> MultivariateNormal:
        names = ("loc", "covariance_matrix", "scale_tril", "precision_matrix")
        new = self._expanded(MultivariateNormal, batch_shape, _instance, *names)
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril
        return new

    def _matrix(self, matrix: Tensor) -> Tensor:
        return matrix.expand(self._batch_shape + self._event_shape + self._event_shape)

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The Cholesky factor of the covariance, (..., n, n)."""
        return self._matrix(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The covariance, (..., n, n)."""
        tril = self._unbroadcasted_scale_tril
        return self._matrix(torch.matmul(tril, tril.mT))

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance, (..., n, n)."""
        return self._matrix(torch.cholesky_inverse(self._unbroadcasted_scale_tril))

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        squares = self._unbroadcasted_scale_tril.pow(2).sum(-1)
        return squares.expand(self._batch_shape + self._event_shape)

    def rsample(self, sample_shape: Any = Size()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        eps = _standard_normal(shape, dtype=self.loc.dtype, device=self.loc.device)
        return self.loc + _batch_mv(self._unbroadcasted_scale_tril, eps)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        distance = _batch_mahalanobis(self._unbroadcasted_scale_tril, value - self.loc)
        half_log_det = _half_log_det(self._unbroadcasted_scale_tril)
        n = self._event_shape[0]
        return -0.5 * (n * math.log(2 * math.pi) + distance) - half_log_det

    def entropy(self) -> Tensor:
        half_log_det = _half_log_det(self._unbroadcasted_scale_tril)
        found = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + half_log_det
        return found.expand(self._batch_shape)
