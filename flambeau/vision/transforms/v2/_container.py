"""Transforms made of other transforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flambeau as torch

from .. import _random
from ._transform import Transform

_Transforms = Sequence[Callable[..., Any]]


class _Container(Transform):
    """Base: holds at least one transform."""

    def __init__(self, transforms: Any) -> None:
        super().__init__()
        if not isinstance(transforms, (Sequence, torch.nn.ModuleList)):
            raise TypeError("Argument transforms should be a sequence of callables")
        if not transforms:
            raise ValueError("Pass at least one transform")
        self.transforms = transforms

    def _run(self, order: Any, inputs: tuple[Any, ...]) -> Any:
        several = len(inputs) > 1
        for transform in order:
            outputs = transform(*inputs)
            inputs = outputs if several else (outputs,)
        return inputs if several else inputs[0]


class Compose(_Container):
    """Applies several transforms, one after the other."""

    def forward(self, *inputs: Any) -> Any:
        """Returns the inputs, transformed."""
        return self._run(self.transforms, inputs)

    def extra_repr(self) -> str:
        """Returns the transforms, one a line."""
        return "\n".join(f"    {one}" for one in self.transforms)


class RandomApply(_Container):
    """Applies all transforms with probability `p`, or none of them."""

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__(transforms)
        if not 0.0 <= p <= 1.0:
            raise ValueError(
                f"`p` should be a floating point value in the interval [0.0, 1.0], got {p}."
            )
        self.p = p

    def forward(self, *inputs: Any) -> Any:
        """Returns the inputs, transformed or as they are."""
        if not _random.chance(self.p):
            return inputs if len(inputs) > 1 else inputs[0]
        return self._run(self.transforms, inputs)

    def extra_repr(self) -> str:
        """Returns the transforms, one a line."""
        return "\n".join(f"    {one}" for one in self.transforms)


class RandomChoice(_Container):
    """Applies one transform, drawn with weights `p` (None: equal)."""

    def __init__(self, transforms: _Transforms, p: Sequence[float] | None = None) -> None:
        super().__init__(transforms)
        weights = [1.0] * len(transforms) if p is None else list(p)
        if len(weights) != len(transforms):
            raise ValueError(
                "Length of p doesn't match the number of transforms: "
                f"{len(weights)} != {len(transforms)}"
            )
        self.p = [weight / sum(weights) for weight in weights]

    def forward(self, *inputs: Any) -> Any:
        """Returns the inputs, transformed."""
        chosen = int(torch.multinomial(torch.tensor(self.p), 1).item())
        return self.transforms[chosen](*inputs)


class RandomOrder(_Container):
    """Applies all transforms in a random order."""

    def forward(self, *inputs: Any) -> Any:
        """Returns the inputs, transformed."""
        order = torch.randperm(len(self.transforms)).tolist()
        return self._run([self.transforms[index] for index in order], inputs)
