"""Kullback-Leibler divergences, found by the types of the two distributions."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import flambeau as torch
from flambeau.errors import shown, users_line

from .distribution import Distribution

__all__ = ["add_kl_info", "kl_divergence", "register_kl"]

Tensor = torch.Tensor
Divergence = Callable[[Any, Any], Tensor]
_KL_REGISTRY: dict[tuple[type, type], Divergence] = {}
"""What was registered for a pair of types."""
_found: dict[tuple[type, type], Divergence | None] = {}
"""What `_dispatch_kl` found for a pair of types."""


def register_kl(type_p: type, type_q: type) -> Callable[[Divergence], Divergence]:
    """Registers a function (p, q) → divergence for two classes of distributions, as a decorator.

    It also serves their subclasses, where nothing more specific is registered; where two pairs would
    do, register the pair that is meant. TypeError for what is no class of distributions.
    """
    for kind in (type_p, type_q):
        if not isinstance(kind, type) or not issubclass(kind, Distribution):
            raise TypeError(
                f"register_kl(): expected a subclass of Distribution, got {shown(kind)}"
            )

    def register(function: Divergence) -> Divergence:
        _KL_REGISTRY[type_p, type_q] = function
        _found.clear()
        return function

    return register


def _dispatch_kl(type_p: type, type_q: type) -> Divergence | None:
    """The function of the most specific pair: first by p's ancestors, then by q's; a warning where
    the other way round finds another one. None where there is none."""
    p_order = {kind: i for i, kind in enumerate(type_p.__mro__)}
    q_order = {kind: i for i, kind in enumerate(type_q.__mro__)}
    fitting = [pair for pair in _KL_REGISTRY if pair[0] in p_order and pair[1] in q_order]
    if not fitting:
        return None
    left = min(fitting, key=lambda pair: (p_order[pair[0]], q_order[pair[1]]))
    right = min(fitting, key=lambda pair: (q_order[pair[1]], p_order[pair[0]]))
    if _KL_REGISTRY[left] is not _KL_REGISTRY[right]:
        p, q = type_p.__name__, type_q.__name__
        names = [f"{a.__name__}, {b.__name__}" for a, b in (left, right)]
        warnings.warn(
            f"Ambiguous kl_divergence({p}, {q}): there are ({names[0]}) and ({names[1]}); "
            f"register_kl({p}, {q}) decides",
            RuntimeWarning,
            stacklevel=users_line(),
        )
    return _KL_REGISTRY[left]


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """KL(p || q), the mean of log p(x) - log q(x) over p, in nats: of the batch's shape.

    NotImplementedError where nothing is registered for the two types.
    """
    kinds = type(p), type(q)
    if kinds not in _found:
        _found[kinds] = _dispatch_kl(*kinds)
    function = _found[kinds]
    if function is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type(p).__name__} and q type "
            f"{type(q).__name__}: register_kl() can add one"
        )
    return function(p, q)


def add_kl_info() -> None:
    """Lists the registered pairs in the docstring of `kl_divergence`."""
    pairs = sorted((p.__name__, q.__name__) for p, q in _KL_REGISTRY)
    lines = [
        f"    {p}: {', '.join(q for _, q in group)}"
        for p, group in itertools.groupby(pairs, lambda pair: pair[0])
    ]
    kl_divergence.__doc__ = f"{kl_divergence.__doc__}\n    Registered:\n\n" + "\n".join(lines)
