"""Mixtures of distributions of one family."""

from __future__ import annotations

from typing import Any

import flambeau as torch
from flambeau.errors import shown

from . import constraints
from .categorical import Categorical
from .constraints import MixtureSameFamilyConstraint
from .distribution import Distribution

__all__ = ["MixtureSameFamily"]

Tensor = torch.Tensor
Size = torch.Size


class MixtureSameFamily(Distribution):
    """A component is drawn by a Categorical, then a value of that component: the components are the
    last batch dimension of `component_distribution`."""

    arg_constraints: dict[str, Any] = {}
    has_rsample = False

    def __init__(
        self, mixture_distribution: Categorical, component_distribution: Distribution,
        validate_args: bool | None = None,
    ) -> None:  # fmt: skip
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(
                "MixtureSameFamily: mixture_distribution must be a Categorical, got "
                f"{shown(mixture_distribution)}"
            )
        if not isinstance(component_distribution, Distribution):
            raise ValueError(
                "MixtureSameFamily: component_distribution must be a Distribution, got "
                f"{shown(component_distribution)}"
            )
        _need_fitting(mixture_distribution, component_distribution)
        self._mixture_distribution = mixture_distribution
        self._component_distribution = component_distribution
        event_shape = component_distribution.event_shape
        self._num_component = component_distribution.batch_shape[-1]
        self._event_ndims = len(event_shape)
        super().__init__(component_distribution.batch_shape[:-1], event_shape, validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> MixtureSameFamily:
        new = self._expanded(MixtureSameFamily, batch_shape, _instance)
        shape = Size(batch_shape)
        with_components = shape + (self._num_component,)
        new._component_distribution = self._component_distribution.expand(with_components)
        new._mixture_distribution = self._mixture_distribution.expand(shape)
        new._num_component = self._num_component
        new._event_ndims = self._event_ndims
        return new

    @constraints.dependent_property
    def support(self) -> Any:  # type: ignore[override]
        return MixtureSameFamilyConstraint(self._component_distribution.support)  # type: ignore[arg-type]

    @property
    def mixture_distribution(self) -> Categorical:
        """The Categorical that draws a component."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Distribution:
        """The components, along the last dimension of their batch."""
        return self._component_distribution

    def _weights(self) -> Tensor:
        return self._pad_mixture_dimensions(self.mixture_distribution.probs)

    @property
    def mean(self) -> Tensor:
        weighted = self._weights() * self.component_distribution.mean
        return weighted.sum(-1 - self._event_ndims)

    @property
    def variance(self) -> Tensor:
        """The law of total variance: the mean of the variances and the variance of the means."""
        weights, dim = self._weights(), -1 - self._event_ndims
        within = (weights * self.component_distribution.variance).sum(dim)
        away = self.component_distribution.mean - self._pad(self.mean)
        return within + (weights * away.pow(2.0)).sum(dim)

    def cdf(self, x: Tensor) -> Tensor:  # type: ignore[override]
        found = self.component_distribution.cdf(self._pad(x))
        return torch.sum(found * self.mixture_distribution.probs, dim=-1)

    def log_prob(self, x: Tensor) -> Tensor:  # type: ignore[override]
        if self._validate_args:
            self._validate_sample(x)
        within = self.component_distribution.log_prob(self._pad(x))
        weights = torch.log_softmax(self.mixture_distribution.logits, dim=-1)
        return torch.logsumexp(within + weights, dim=-1)

    def sample(self, sample_shape: Any = Size()) -> Tensor:
        with torch.no_grad():
            dim = len(Size(sample_shape)) + len(self.batch_shape)
            chosen = self.mixture_distribution.expand(self.batch_shape).sample(sample_shape)
            values = self.component_distribution.sample(sample_shape)
            ones = (1,) * (self._event_ndims + 1)
            index = chosen.reshape(chosen.shape + ones)
            index = index.expand(chosen.shape + (1,) + self.event_shape)
            return torch.gather(values, dim, index).squeeze(dim)

    def _pad(self, x: Tensor) -> Tensor:
        """A dimension for the components, left of the event."""
        return x.unsqueeze(-1 - self._event_ndims)

    def _pad_mixture_dimensions(self, x: Tensor) -> Tensor:
        """Weights (batch, components) beside values (batch, components, event)."""
        more = len(self.batch_shape) - len(self.mixture_distribution.batch_shape)
        shape = x.shape[:-1] + (1,) * more + x.shape[-1:] + (1,) * self._event_ndims
        return x.reshape(shape)

    def __repr__(self) -> str:
        return f"MixtureSameFamily(\n  {self.mixture_distribution},\n  {self.component_distribution})"


def _need_fitting(mixture: Categorical, component: Distribution) -> None:
    """ValueError where the batches do not broadcast or there are not as many components."""
    ours, theirs = mixture.batch_shape, component.batch_shape[:-1]
    for a, b in zip(reversed(ours), reversed(theirs)):
        if a != 1 and b != 1 and a != b:
            raise ValueError(
                f"MixtureSameFamily: the batch shapes of the mixture, {tuple(ours)}, and of the "
                f"components, {tuple(theirs)}, do not fit"
            )
    count, components = mixture.logits.shape[-1], component.batch_shape[-1:]
    if not components or count != components[0]:
        raise ValueError(
            f"MixtureSameFamily: the mixture has {count} components, the components' batch shape is "
            f"{tuple(component.batch_shape)}: its last dimension must be {count}"
        )
