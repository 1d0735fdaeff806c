"""Divergences between distributions of different families.

KL(p || q) = -entropy(p) - E[log q(x)]. The second term needs few moments of p: the mean for an
exponential q, the mean and variance for a normal one, the mean and E[log x] for a gamma one, and so
on. It is infinite where p has values that q has not.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import flambeau as torch

from .bernoulli import Bernoulli
from .beta import Beta
from .binomial import Binomial
from .continuous_bernoulli import ContinuousBernoulli
from .exponential import Exponential
from .gamma import Gamma
from .gumbel import Gumbel
from .kl import register_kl
from .laplace import Laplace
from .normal import Normal
from .pareto import Pareto
from .poisson import Poisson
from .uniform import Uniform
from .utils import euler_constant

Tensor = torch.Tensor
inf = torch.inf
Family = type


def _pairs(firsts: tuple[Family, ...], second: Family) -> Callable[[Any], Any]:
    """Registers one function for several families of p."""

    def register(function: Any) -> Any:
        for first in firsts:
            register_kl(first, second)(function)
        return function

    return register


# --- never finite -------------------------------------------------------------------------------

_OUTSIDE: dict[Family, tuple[Family, ...]] = {
    Beta: (Pareto,),
    ContinuousBernoulli: (Pareto,),
    Exponential: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gamma: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gumbel: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Laplace: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Normal: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Pareto: (Beta, ContinuousBernoulli, Uniform),
    Poisson: (Bernoulli, Binomial),
}
"""Families of p with values outside of the support of these families of q."""


def _infinite(p: Any, q: Any) -> Tensor:
    shape = torch.broadcast_shapes(p.batch_shape, q.batch_shape)
    return torch.full(shape, inf, dtype=p.mean.dtype, device=p.mean.device)


for _p, _qs in _OUTSIDE.items():
    for _q in _qs:
        register_kl(_p, _q)(_infinite)


# --- moments ------------------------------------------------------------------------------------


def _mean_log(p: Any) -> Tensor:
    """E[log x]."""
    if isinstance(p, Beta):
        total = p.concentration1 + p.concentration0
        return torch.digamma(p.concentration1) - torch.digamma(total)
    if isinstance(p, Exponential):
        return -p.rate.log() - euler_constant
    if isinstance(p, Pareto):
        return p.scale.log() + p.alpha.reciprocal()
    return (torch.xlogy(p.high, p.high) - torch.xlogy(p.low, p.low)) / (p.high - p.low) - 1


def _mean_decay(p: Any, scale: Tensor, shift: Tensor) -> Tensor:
    """E[exp((shift - x) / scale)]."""
    start = shift / scale
    if isinstance(p, Exponential):
        product = p.rate * scale
        return torch.exp(start) * product / (product + 1)
    if isinstance(p, Gamma):
        return torch.exp(start) * (1 + (p.rate * scale).reciprocal()).pow(-p.concentration)
    if isinstance(p, Normal):
        return torch.exp(start - p.loc / scale + 0.5 * (p.scale / scale).pow(2))
    ends = torch.exp((shift - p.low) / scale) - torch.exp((shift - p.high) / scale)
    return scale / (p.high - p.low) * ends


# --- by q ---------------------------------------------------------------------------------------


def _by_moments(moments: tuple[Tensor, ...], cross: Callable[..., Tensor], p: Any) -> Tensor:
    """`cross` of p's moments, less the entropy; where a moment is infinite so is the divergence, and it
    has no gradient."""
    finite = functools.reduce(operator.and_, (m < inf for m in moments))
    safe = (torch.where(finite, m, 1.0) for m in moments)
    return torch.where(finite, cross(*safe) - p.entropy(), inf)


@register_kl(Bernoulli, Poisson)
def _to_poisson(p: Any, q: Any) -> Tensor:
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


@_pairs((Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Pareto, Uniform), Normal)
def _to_normal(p: Any, q: Any) -> Tensor:
    def cross(mean: Tensor, variance: Tensor) -> Tensor:
        spread = (variance + (mean - q.loc).pow(2)) / (2 * q.scale.pow(2))
        return spread + q.scale.log() + 0.5 * math.log(2 * math.pi)

    return _by_moments((p.mean, p.variance), cross, p)


@_pairs((Beta, ContinuousBernoulli, Gamma, Pareto), Exponential)
def _to_exponential(p: Any, q: Any) -> Tensor:
    return _by_moments((p.mean,), lambda mean: q.rate * mean - q.rate.log(), p)


@register_kl(Uniform, Exponential)
def _uniform_to_exponential(p: Any, q: Any) -> Tensor:
    return torch.where(p.low < 0, inf, _to_exponential(p, q))


@_pairs((Beta, Exponential, Pareto), Gamma)
def _to_gamma(p: Any, q: Any) -> Tensor:
    c = q.concentration
    norm = torch.lgamma(c) - c * q.rate.log() - (c - 1) * _mean_log(p)
    return _by_moments((p.mean,), lambda mean: norm + q.rate * mean, p)


@register_kl(Uniform, Gamma)
def _uniform_to_gamma(p: Any, q: Any) -> Tensor:
    return torch.where(p.low < 0, inf, _to_gamma(p, q))


@_pairs((Exponential, Gamma, Normal, Uniform), Gumbel)
def _to_gumbel(p: Any, q: Any) -> Tensor:
    away = (p.mean - q.loc) / q.scale
    return away + _mean_decay(p, q.scale, q.loc) + q.scale.log() - p.entropy()


@register_kl(Normal, Laplace)
def _to_laplace(p: Any, q: Any) -> Tensor:
    """E|x - loc| is that of a folded normal number."""
    away = p.loc - q.loc
    ratio = away / p.scale
    folded = math.sqrt(2 / math.pi) * p.scale * torch.exp(-0.5 * ratio.pow(2))
    folded = folded + away * torch.erf(math.sqrt(0.5) * ratio)
    return folded / q.scale + (2 * q.scale).log() - p.entropy()


@_pairs((Beta, ContinuousBernoulli), Uniform)
def _to_uniform(p: Any, q: Any) -> Tensor:
    found = (q.high - q.low).log() - p.entropy()
    return torch.where((q.low > 0) | (q.high < 1), inf, found)


@register_kl(Beta, ContinuousBernoulli)
def _to_continuous_bernoulli(p: Any, q: Any) -> Tensor:
    norm = torch.log1p(-q.probs) + q._cont_bern_log_norm()
    return -p.entropy() - p.mean * q.logits - norm


@register_kl(Uniform, ContinuousBernoulli)
def _uniform_to_continuous_bernoulli(p: Any, q: Any) -> Tensor:
    return torch.where((p.low < 0) | (p.high > 1), inf, _to_continuous_bernoulli(p, q))


@register_kl(Uniform, Beta)
def _uniform_to_beta(p: Any, q: Any) -> Tensor:
    a, b = q.concentration1, q.concentration0
    norm = torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)
    mirrored = Uniform(1 - p.high, 1 - p.low, validate_args=False)
    found = norm - (a - 1) * _mean_log(p) - (b - 1) * _mean_log(mirrored) - p.entropy()
    return torch.where((p.low < 0) | (p.high > 1), inf, found)


@register_kl(Uniform, Pareto)
def _uniform_to_pareto(p: Any, q: Any) -> Tensor:
    norm = q.alpha.log() + q.alpha * q.scale.log()
    found = (q.alpha + 1) * _mean_log(p) - norm - p.entropy()
    return torch.where(p.low < q.scale, inf, found)
