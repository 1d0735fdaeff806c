"""The von Mises distribution."""

from __future__ import annotations

import math
from typing import Any

import flambeau as torch

from . import constraints
from .distribution import Distribution
from .utils import broadcast_all, lazy_property

__all__ = ["VonMises"]

Tensor = torch.Tensor
Size = torch.Size


class VonMises(Distribution):
    """Angles with density proportional to exp(concentration * cos(x - loc)).

    Draws are made in double and lie in [-pi, pi): D. J. Best, N. I. Fisher, "Efficient simulation of
    the von Mises distribution" (1979). `value` and `loc` may be any angles.
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    has_rsample = False

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, Size(), validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> VonMises:
        return self._expanded(VonMises, batch_shape, _instance, "loc", "concentration")

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        c = self.concentration
        log_i0 = torch.special.i0e(c).log() + c
        return c * torch.cos(value - self.loc) - math.log(2 * math.pi) - log_i0

    @lazy_property
    def _loc(self) -> Tensor:
        return self.loc.to(torch.double)

    @lazy_property
    def _concentration(self) -> Tensor:
        return self.concentration.to(torch.double)

    @lazy_property
    def _proposal_r(self) -> Tensor:
        """What makes the wrapped Cauchy distribution that is drawn from fit."""
        kappa = self._concentration
        tau = 1 + (1 + 4 * kappa**2).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * kappa)
        exact = (1 + rho**2) / (2 * rho)
        return torch.where(kappa < 1e-5, 1 / kappa + kappa, exact)

    def sample(self, sample_shape: Any = Size()) -> Tensor:
        with torch.no_grad():
            shape = self._extended_shape(sample_shape)
            drawn = _rejection_sample(self._loc, self._concentration, self._proposal_r, shape)
            return drawn.to(self.loc.dtype)

    @property
    def mean(self) -> Tensor:
        """The circular mean."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @lazy_property
    def variance(self) -> Tensor:  # type: ignore[override]
        """The circular variance, 1 - I1(concentration) / I0(concentration)."""
        c = self.concentration
        return 1 - torch.special.i1e(c) / torch.special.i0e(c)


_MOST_CONCENTRATED = 1e15
"""From here on r is 1 in double, and the distribution a normal one of variance 1 / concentration."""


def _rejection_sample(loc: Tensor, concentration: Tensor, r: Tensor, shape: Size) -> Tensor:
    x = torch.empty(shape, dtype=loc.dtype, device=loc.device)
    done = torch.zeros(shape, dtype=torch.bool, device=loc.device)
    narrow = ~(concentration <= _MOST_CONCENTRATED)
    if narrow.any():  # NaN is among them: nothing would be accepted for it
        normal = torch.randn(shape, dtype=loc.dtype, device=loc.device)
        x = normal * concentration.rsqrt()
        done = done | narrow
    while not done.all():
        u1, u2, u3 = torch.rand(Size((3,)) + shape, dtype=loc.dtype, device=loc.device).unbind()
        z = torch.cos(math.pi * u1)
        cosine = (1 + r * z) / (r + z)
        c = concentration * (r - cosine)
        accept = ((c * (2 - c) - u2) > 0) | ((c / u2).log() + 1 - c >= 0)
        if accept.any():
            x = torch.where(accept & ~narrow, (u3 - 0.5).sign() * cosine.acos(), x)
            done = done | accept
    return (x + math.pi + loc) % (2 * math.pi) - math.pi
