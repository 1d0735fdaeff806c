"""Padding layers. Sizes stand as (left, right, top, bottom, front, back)."""

from __future__ import annotations

from typing import Any

import flambeau as torch

from .. import functional as F
from .module import Module
from .utils import _ntuple, _pair, _quadruple

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]

Tensor = torch.Tensor
Ints = Any  # int or tuple of ints

_sextuple = _ntuple(6, "_sextuple")


class _PadNd(Module):
    """Padding in one of `F.pad`'s modes; a subclass says which and on how many sides."""

    _mode: str
    _sides: int
    padding: tuple[int, ...]

    def __init__(self, padding: Ints) -> None:
        super().__init__()
        parse = {2: _pair, 4: _quadruple, 6: _sextuple}[self._sides]
        self.padding = parse(padding)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPadNd(_PadNd):
    _mode = "constant"
    value: float

    def __init__(self, padding: Ints, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """Pads the last dimension with `value`."""

    _sides = 2


class ConstantPad2d(_ConstantPadNd):
    """Pads the last two dimensions with `value`."""

    _sides = 4


class ConstantPad3d(_ConstantPadNd):
    """Pads the last three dimensions with `value`."""

    _sides = 6


class ZeroPad1d(ConstantPad1d):
    """Pads the last dimension with zeros."""

    def __init__(self, padding: Ints) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad2d(ConstantPad2d):
    """Pads the last two dimensions with zeros."""

    def __init__(self, padding: Ints) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad3d(ConstantPad3d):
    """Pads the last three dimensions with zeros."""

    def __init__(self, padding: Ints) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ReflectionPadNd(_PadNd):
    _mode = "reflect"


class ReflectionPad1d(_ReflectionPadNd):
    """Pads the last dimension with its mirror image, without the edge."""

    _sides = 2


class ReflectionPad2d(_ReflectionPadNd):
    """Pads the last two dimensions with their mirror image."""

    _sides = 4


class ReflectionPad3d(_ReflectionPadNd):
    """Pads the last three dimensions with their mirror image."""

    _sides = 6


class _ReplicationPadNd(_PadNd):
    _mode = "replicate"


class ReplicationPad1d(_ReplicationPadNd):
    """Pads the last dimension with its edge."""

    _sides = 2


class ReplicationPad2d(_ReplicationPadNd):
    """Pads the last two dimensions with their edges."""

    _sides = 4


class ReplicationPad3d(_ReplicationPadNd):
    """Pads the last three dimensions with their edges."""

    _sides = 6


class _CircularPadNd(_PadNd):
    _mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        n = self._sides // 2
        if input.dim() not in (n + 1, n + 2):
            raise ValueError(
                f"CircularPad{n}d: expected {n + 1}D or {n + 2}D input (got {input.dim()}D input)"
            )
        return super().forward(input)


class CircularPad1d(_CircularPadNd):
    """Pads the last dimension with its other end."""

    _sides = 2


class CircularPad2d(_CircularPadNd):
    """Pads the last two dimensions with their other ends."""

    _sides = 4


class CircularPad3d(_CircularPadNd):
    """Pads the last three dimensions with their other ends."""

    _sides = 6
