"""Exponential families: entropy by differentiation of the log normaliser."""

from __future__ import annotations

import flambeau as torch

from .distribution import Distribution

__all__ = ["ExponentialFamily"]

Tensor = torch.Tensor


class ExponentialFamily(Distribution):
    """Densities of the form exp(<t(x), theta> - F(theta) + k(x)): theta are the natural parameters,
    t the sufficient statistics, F the log normaliser, k the carrier measure."""

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        """theta."""
        raise NotImplementedError(f"{type(self).__name__} has no _natural_params")

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        """F(theta)."""
        raise NotImplementedError(f"{type(self).__name__} has no _log_normalizer")

    @property
    def _mean_carrier_measure(self) -> float | Tensor:
        """The mean of k(x)."""
        raise NotImplementedError(f"{type(self).__name__} has no _mean_carrier_measure")

    def entropy(self) -> Tensor:
        """F(theta) - <theta, grad F(theta)> - E[k(x)]: F is a Bregman divergence's generator, and
        its gradient the mean of t (Nielsen and Nock, "Entropies and cross-entropies of exponential
        families", 2010)."""
        found = -self._mean_carrier_measure
        params = [p.detach().requires_grad_() for p in self._natural_params]
        with torch.enable_grad():
            normalizer = self._log_normalizer(*params)
            slopes = torch.autograd.grad(normalizer.sum(), params, create_graph=True)
        found = found + normalizer
        for param, slope in zip(params, slopes, strict=True):
            term = (param * slope).reshape(self._batch_shape + (-1,))
            found = found - term.sum(-1)
        return found
