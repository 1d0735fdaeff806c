"""The half-Cauchy distribution."""

from __future__ import annotations

from typing import Any

import flambeau as torch

from ._half import Half
from .cauchy import Cauchy

__all__ = ["HalfCauchy"]

Tensor = torch.Tensor


class HalfCauchy(Half):
    """|x| for x of the Cauchy distribution around 0."""

    base_dist: Cauchy

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Cauchy(0, scale, validate_args=False), validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> HalfCauchy:
        new = self._get_checked_instance(HalfCauchy, _instance)
        return super().expand(batch_shape, _instance=new)  # type: ignore[return-value]

    @property
    def mean(self) -> Tensor:
        """Infinite."""
        shape = self._extended_shape()
        return torch.full(shape, torch.inf, dtype=self.scale.dtype, device=self.scale.device)

    @property
    def variance(self) -> Tensor:
        return self.base_dist.variance

    def log_prob(self, value: Tensor) -> Tensor:
        """In the parameters' dtype; without validation a number will do as `value`."""
        if not isinstance(value, Tensor) and self._validate_args:
            self._validate_sample(value)
        scale = self.scale
        return super().log_prob(torch.as_tensor(value, dtype=scale.dtype, device=scale.device))
