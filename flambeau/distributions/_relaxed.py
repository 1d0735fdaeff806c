"""What relaxed discrete distributions share."""

from __future__ import annotations

from typing import Any

import flambeau as torch

from .transformed_distribution import TransformedDistribution

Tensor = torch.Tensor


class Relaxed(TransformedDistribution):
    """Numbers near to a discrete distribution's values, with gradients: the lower the temperature
    the nearer.

    Maddison, Mnih, Teh, "The concrete distribution" (2017); Jang, Gu, Poole, "Categorical
    reparameterization with Gumbel-softmax" (2017).
    """

    has_rsample = True
    base_dist: Any

    @property
    def temperature(self) -> Tensor:
        """How far from discrete: none at 0."""
        return self.base_dist.temperature  # type: ignore[no-any-return]

    @property
    def logits(self) -> Tensor:
        """The discrete distribution's."""
        return self.base_dist.logits  # type: ignore[no-any-return]

    @property
    def probs(self) -> Tensor:
        """The discrete distribution's."""
        return self.base_dist.probs  # type: ignore[no-any-return]
