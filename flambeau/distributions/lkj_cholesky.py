"""The LKJ distribution of Cholesky factors of correlation matrices."""

from __future__ import annotations

import math
from typing import Any

import flambeau as torch

from . import constraints
from .beta import Beta
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["LKJCholesky"]

Tensor = torch.Tensor
Size = torch.Size


class LKJCholesky(Distribution):
    """Lower triangular L of order `dim` such that the correlation matrix L L^T has a density
    proportional to det(L L^T)**(concentration - 1).

    Lewandowski, Kurowicka, Joe, "Generating random correlation matrices based on vines and extended
    onion method" (2009). A concentration of 1 is uniform over correlation matrices.
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(
        self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None
    ) -> None:
        if dim < 2:
            raise ValueError(f"LKJCholesky: `dim` must be at least 2, got {dim}")
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        # Row k of the factor is a point in the ball of dimension k: the squares of the radii.
        marginal = self.concentration + 0.5 * (dim - 2)
        before = torch.arange(dim - 1, dtype=marginal.dtype, device=marginal.device)
        offset = torch.cat([before.new_zeros((1,)), before])
        alpha, beta = offset + 0.5, marginal.unsqueeze(-1) - 0.5 * offset
        self._beta = Beta(alpha, beta)
        super().__init__(self.concentration.size(), Size((dim, dim)), validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> LKJCholesky:
        new = self._expanded(LKJCholesky, batch_shape, _instance, "concentration")
        new.dim = self.dim
        new._beta = self._beta.expand(Size(batch_shape) + (self.dim,))
        return new

    def sample(self, sample_shape: Any = Size()) -> Tensor:
        """By the onion method: the rows one by one, a direction and a radius each."""
        squares = self._beta.sample(sample_shape).unsqueeze(-1)
        shape = self._extended_shape(sample_shape)
        directions = torch.randn(shape, dtype=squares.dtype, device=squares.device).tril(-1)
        directions = directions / directions.norm(dim=-1, keepdim=True)
        directions[..., 0, :].fill_(0.0)  # the first row has no direction: 0 / 0
        rows = torch.sqrt(squares) * directions
        rest = (1 - (rows**2).sum(dim=-1)).clamp(min=torch.finfo(rows.dtype).tiny)
        return rows + torch.diag_embed(rest.sqrt())

    def log_prob(self, value: Tensor) -> Tensor:
        """The density of L: that of L L^T times the Jacobian of the factorisation, a power of each
        diagonal entry but the first (all of them over the volume of all such matrices)."""
        if self._validate_args:
            self._validate_sample(value)
        dim, concentration = self.dim, self.concentration
        diagonal = value.diagonal(dim1=-1, dim2=-2)[..., 1:]
        order = torch.arange(2, dim + 1, device=concentration.device)
        order = 2 * (concentration - 1).unsqueeze(-1) + dim - order
        unnormalised = torch.sum(order * diagonal.log(), dim=-1)
        rest = dim - 1
        alpha = concentration + 0.5 * rest
        volume = 0.5 * rest * math.log(math.pi) + torch.mvlgamma(alpha - 0.5, rest)
        return unnormalised - (volume - torch.lgamma(alpha) * rest)
