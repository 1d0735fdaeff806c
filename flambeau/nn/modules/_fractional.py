"""Fractional max pooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau as torch

from .. import functional as F
from .module import Module
from .utils import _pair, _triple

__all__ = ["FractionalMaxPool2d", "FractionalMaxPool3d"]

Tensor = torch.Tensor
Ints = Any  # int or tuple of ints


class _FractionalMaxPoolNd(Module):
    _function: Callable[..., Any]
    _several: Callable[[Any], tuple[Any, ...]]
    _random_samples: Tensor | None

    def __init__(
        self,
        kernel_size: Ints,
        output_size: Ints = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        several, name = self._several, type(self).__name__
        if (output_size is None) == (output_ratio is None):
            raise ValueError(
                f"{name} requires specifying either an output size or a pooling ratio, and only "
                f"one of output_size and output_ratio: got {output_size} and {output_ratio}"
            )
        self.kernel_size = several(kernel_size)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else several(output_size)
        self.output_ratio = None if output_ratio is None else several(output_ratio)
        if self.output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio):
            raise ValueError(
                f"{name}: output_ratio must be between 0 and 1 (got {output_ratio})"
            )

    def forward(self, input: Tensor) -> Any:
        return self._function(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            self._random_samples,
        )


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """The largest of windows of (N, C, H, W) whose starts are drawn at each call, so that the
    result has any size (Graham, "Fractional Max-Pooling", 2014).

    Either `output_size` or `output_ratio`, between 0 and 1, is needed.
    """

    _function = staticmethod(F.fractional_max_pool2d)
    _several = staticmethod(_pair)


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """`FractionalMaxPool2d` with (N, C, D, H, W)."""

    _function = staticmethod(F.fractional_max_pool3d)
    _several = staticmethod(_triple)
