"""What is given by probabilities or by their logits has both."""

from __future__ import annotations

from typing import Any

import flambeau as torch

from .distribution import Distribution
from .utils import _one_of, broadcast_all, lazy_property, logits_to_probs, probs_to_logits

Tensor = torch.Tensor
Size = torch.Size


class ProbsOrLogits(Distribution):
    """A distribution with `probs` or `logits`, whichever was given; the other follows from it."""

    _is_binary = True
    """Whether each probability stands by itself, rather than the last dimension for one draw."""
    _param: Tensor
    """The one that was given."""

    def _take(self, probs: Any, logits: Any, *others: Any) -> list[Tensor]:
        """Keep the parameter that is there, broadcast with `others`, and give these so.

        ValueError unless it is exactly one.
        """
        _one_of(type(self).__name__, probs=probs, logits=logits)
        name, given = ("probs", probs) if probs is not None else ("logits", logits)
        *others_, self._param = broadcast_all(*others, given)
        setattr(self, name, self._param)
        return others_

    def _expanded(
        self, cls: type[Distribution], batch_shape: Any, instance: Any, *names: str
    ) -> Any:
        new = super()._expanded(cls, batch_shape, instance, *names, "probs", "logits")
        new._param = new.probs if "probs" in new.__dict__ else new.logits
        return new

    def _new(self, *args: Any, **kwargs: Any) -> Tensor:
        return self._param.new(*args, **kwargs)

    @lazy_property
    def logits(self) -> Tensor:
        """The logarithms of the odds, or of the probabilities of what excludes each other."""
        return probs_to_logits(self.probs, self._is_binary)

    @lazy_property
    def probs(self) -> Tensor:
        """The probabilities."""
        return logits_to_probs(self.logits, self._is_binary)

    @property
    def param_shape(self) -> Size:
        """The shape of `probs` and `logits`."""
        return self._param.size()
