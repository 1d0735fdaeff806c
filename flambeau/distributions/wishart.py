"""The Wishart distribution."""

from __future__ import annotations

import math
import warnings
from numbers import Number
from typing import Any

import flambeau as torch
from flambeau.errors import users_line

from . import constraints
from .chi2 import Chi2
from .exp_family import ExponentialFamily
from .multivariate_normal import _half_log_det, _scale_tril
from .utils import _one_of, lazy_property

__all__ = ["Wishart"]

Tensor = torch.Tensor
Size = torch.Size
_TRIES = 10
"""How often singular draws are drawn anew."""


def _mvdigamma(x: Tensor, p: int) -> Tensor:
    """The derivative of the logarithm of the multivariate gamma function of order p."""
    steps = torch.arange(p, dtype=x.dtype, device=x.device)
    return torch.digamma(x.unsqueeze(-1) - steps / 2).sum(-1)


class Wishart(ExponentialFamily):
    """Positive definite matrices (..., n, n): sums of `df` outer products of normal vectors with the
    given covariance matrix (or its inverse, or its Cholesky factor); `df` > n - 1."""

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0

    @property
    def arg_constraints(self) -> Any:  # type: ignore[override]
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self.event_shape[-1] - 1),
        }

    def __init__(
        self, df: Any, covariance_matrix: Any = None, precision_matrix: Any = None,
        scale_tril: Any = None, validate_args: bool | None = None,
    ) -> None:  # fmt: skip
        given = {
            "covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }  # fmt: skip
        _one_of("Wishart", **given)
        name, matrix = next((k, v) for k, v in given.items() if v is not None)
        if matrix.dim() < 2:
            raise ValueError(
                f"Wishart: `{name}` must have two dimensions or more, got shape {tuple(matrix.shape)}"
            )
        if isinstance(df, Number):
            df = torch.tensor(df, dtype=matrix.dtype, device=matrix.device)
        batch_shape = torch.broadcast_shapes(matrix.shape[:-2], df.shape)
        event_shape = matrix.shape[-2:]
        n = event_shape[-1]
        if df.le(n - 1).any():
            raise ValueError(f"Wishart: df must be above {n - 1} for matrices of order {n}, got {df}")
        setattr(self, name, matrix.expand(batch_shape + event_shape))
        self.df = df.expand(batch_shape)
        if self.df.lt(n).any():
            warnings.warn(
                f"Wishart: with df below {n} for matrices of order {n}, draws are often singular",
                stacklevel=users_line(),
            )
        super().__init__(batch_shape, event_shape, validate_args=validate_args)
        self._batch_dims = [-(k + 1) for k in range(len(self._batch_shape))]
        self._unbroadcasted_scale_tril = _scale_tril(
            scale_tril, covariance_matrix, precision_matrix
        )
        self._dist_chi2 = self._chi2()

    def _chi2(self) -> Chi2:
        """How the squares on the diagonal of Bartlett's factor are distributed."""
        order = torch.arange(self._event_shape[-1], dtype=self.df.dtype, device=self.df.device)
        return Chi2(df=self.df.unsqueeze(-1) - order.expand(self._batch_shape + (-1,)))

    def expand(self, batch_shape: Any, _instance: Any = None) -> Wishart:
        names = ("df", "covariance_matrix", "scale_tril", "precision_matrix")
        new = self._expanded(Wishart, batch_shape, _instance, *names)
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril
        new._batch_dims = [-(k + 1) for k in range(len(new.batch_shape))]
        new._dist_chi2 = new._chi2()
        return new

    def _matrix(self, matrix: Tensor) -> Tensor:
        return matrix.expand(self._batch_shape + self._event_shape)

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The Cholesky factor of the scale matrix, (..., n, n)."""
        return self._matrix(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The scale matrix, (..., n, n)."""
        tril = self._unbroadcasted_scale_tril
        return self._matrix(tril @ tril.mT)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The inverse of the scale matrix, (..., n, n)."""
        return self._matrix(torch.cholesky_inverse(self._unbroadcasted_scale_tril))

    @property
    def mean(self) -> Tensor:
        return self.df.view(self._batch_shape + (1, 1)) * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        """NaN up to df = n + 1."""
        factor = self.df - self.covariance_matrix.shape[-1] - 1
        factor = torch.where(factor <= 0, torch.nan, factor)
        return factor.view(self._batch_shape + (1, 1)) * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        cov = self.covariance_matrix
        diagonal = cov.diagonal(dim1=-2, dim2=-1)
        products = diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2)
        return self.df.view(self._batch_shape + (1, 1)) * (cov.pow(2) + products)

    def _bartlett_sampling(self, sample_shape: Any = Size()) -> Tensor:
        """L A (L A)^T, A lower triangular with chi numbers on the diagonal and normal ones below
        (M. S. Bartlett, "On the theory of statistical regression", 1933)."""
        n = self._event_shape[-1]
        roots = self._dist_chi2.rsample(sample_shape).sqrt()
        roots = roots.clamp(min=torch.finfo(roots.dtype).eps)
        shape = Size(sample_shape) + self._batch_shape + (n * (n - 1) // 2,)
        below = torch.randn(shape, dtype=roots.dtype, device=roots.device)
        factor = roots.diag_embed()
        i, j = torch.tril_indices(n, n, offset=-1, device=roots.device)
        factor[..., i, j] = below
        factor = self._unbroadcasted_scale_tril @ factor
        return factor @ factor.mT

    def rsample(self, sample_shape: Any = Size(), max_try_correction: int | None = None) -> Tensor:
        """Draws with gradients; singular ones are drawn anew, up to `max_try_correction` times.

        PyTorch 2.13 takes the good ones of its first draws for the singular ones and draws again: so
        the first are thrown away here too, and the same seed gives the same matrices.
        """
        tries = _TRIES if max_try_correction is None else max_try_correction
        sample_shape = Size(sample_shape)
        if tries:
            with torch.no_grad():
                self._bartlett_sampling(sample_shape)
        sample = self._bartlett_sampling(sample_shape)
        singular = self._singular(sample)
        for _ in range(tries):
            if not singular.any():
                return sample
            again = self._bartlett_sampling((int(singular.sum()),))
            sample[singular] = again
            singular[singular.clone()] = self._singular(again)
        if singular.any():
            warnings.warn("Wishart: a draw is singular", stacklevel=users_line())
        return sample

    def _singular(self, sample: Tensor) -> Tensor:
        """Which draws have a singular matrix anywhere in the batch."""
        singular = ~self.support.check(sample)
        return singular.amax(self._batch_dims) if self._batch_dims else singular

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        nu, p, tril = self.df, self._event_shape[-1], self._unbroadcasted_scale_tril
        trace = torch.cholesky_solve(value, tril).diagonal(dim1=-2, dim2=-1).sum(-1)
        return (
            -nu * (p * math.log(2.0) / 2 + _half_log_det(tril))
            - torch.mvlgamma(nu / 2, p)
            + (nu - p - 1) / 2 * torch.linalg.slogdet(value).logabsdet
            - trace / 2
        )

    def entropy(self) -> Tensor:
        nu, p = self.df, self._event_shape[-1]
        return (
            (p + 1) * (p * math.log(2.0) / 2 + _half_log_det(self._unbroadcasted_scale_tril))
            + torch.mvlgamma(nu / 2, p)
            - (nu - p - 1) / 2 * _mvdigamma(nu / 2, p)
            + nu * p / 2
        )

    @property
    def _natural_params(self) -> tuple[Tensor, Tensor]:
        return -self.precision_matrix / 2, (self.df - self._event_shape[-1] - 1) / 2

    def _log_normalizer(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        p = self._event_shape[-1]
        half = y + (p + 1) / 2
        log_det = -torch.linalg.slogdet(-2 * x).logabsdet + math.log(2.0) * p
        return half * log_det + torch.mvlgamma(half, p)
