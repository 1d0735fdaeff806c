"""The generalised Pareto distribution."""

from __future__ import annotations

from typing import Any

import flambeau as torch

from . import constraints
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["GeneralizedPareto"]

Tensor = torch.Tensor
Size = torch.Size


class GeneralizedPareto(Distribution):
    """Survival function (1 + c z)**(-1 / c), z = (x - loc) / scale, with c the `concentration`; at
    c = 0 it is exp(-z). For c < 0 the values end at loc - scale / c."""

    arg_constraints = {
        "loc": constraints.real, "scale": constraints.positive, "concentration": constraints.real,
    }  # fmt: skip
    has_rsample = True

    def __init__(
        self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None
    ) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.size(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> GeneralizedPareto:
        names = ("loc", "scale", "concentration")
        return self._expanded(GeneralizedPareto, batch_shape, _instance, *names)

    def _by_concentration(self) -> tuple[Tensor, Tensor]:
        """Where the concentration is (about) 0, and the concentration, there 1: a stand-in."""
        c = self.concentration
        zero = torch.isclose(c, torch.zeros_like(c))
        return zero, torch.where(zero, torch.ones_like(c), c)

    def _z(self, x: Tensor) -> Tensor:
        return (x - self.loc) / self.scale

    def rsample(self, sample_shape: Any = Size()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        return self.icdf(torch.rand(shape, dtype=self.loc.dtype, device=self.loc.device))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        z = self._z(value)
        zero, c = self._by_concentration()
        power = 1 / c + torch.ones_like(z)
        curved = torch.where(power == 0, power, power * torch.log1p(c * z))
        return -self.scale.log() - torch.where(zero, z, curved)

    def log_survival_function(self, value: Tensor) -> Tensor:
        """log(1 - cdf(value))."""
        if self._validate_args:
            self._validate_sample(value)
        z = self._z(value)
        zero, c = self._by_concentration()
        return torch.where(zero, -z, -torch.log1p(c * z) / c)

    def log_cdf(self, value: Tensor) -> Tensor:
        """log(cdf(value))."""
        return torch.log1p(-torch.exp(self.log_survival_function(value)))

    def cdf(self, value: Tensor) -> Tensor:
        return torch.exp(self.log_cdf(value))

    def icdf(self, value: Tensor) -> Tensor:
        zero, c = self._by_concentration()
        left = torch.log1p(-value)
        curved = self.loc + self.scale * torch.expm1(-c * left) / c
        return torch.where(zero, self.loc - self.scale * left, curved)

    @property
    def mean(self) -> Tensor:
        """NaN from a concentration of 1 on."""
        c = self.concentration
        inside = c < 1
        safe = torch.where(inside, c, 0.5)
        return torch.where(inside, self.loc + self.scale / (1 - safe), torch.nan)

    @property
    def variance(self) -> Tensor:
        """NaN from a concentration of 1/2 on."""
        c = self.concentration
        inside = c < 0.5
        safe = torch.where(inside, c, 0.25)
        found = self.scale**2 / ((1 - safe) ** 2 * (1 - 2 * safe))
        return torch.where(inside, found, torch.nan)

    def entropy(self) -> Tensor:
        return (torch.log(self.scale) + self.concentration + 1).expand(self._batch_shape)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:  # type: ignore[override]
        c = self.concentration
        end = self.loc - self.scale / torch.where(c < 0, c, -1.0)
        return constraints.interval(self.loc, torch.where(c < 0, end, torch.inf))
