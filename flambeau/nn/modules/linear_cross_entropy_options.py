"""How `linear_cross_entropy` may cut its batch into pieces."""

from __future__ import annotations

import dataclasses
from typing import Any

import flambeau as torch
from flambeau.errors import shown

__all__ = ["LinearCrossEntropyOptions"]

_POLICIES = ("auto", "accurate", "balanced", "compact")


@dataclasses.dataclass(slots=True, frozen=True)
class LinearCrossEntropyOptions:
    """PyTorch's settings for computing the logits piece by piece.

    They say how much memory may be taken, and what is accumulated in which precision; the loss
    is the same up to rounding. flambeau checks them and needs none of them.

    Raises `ValueError` for a setting that is none of PyTorch's.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: Any = None

    def __post_init__(self) -> None:
        if self.acc_policy not in _POLICIES:
            raise ValueError(
                f"invalid acc_policy: {shown(self.acc_policy)}; it must be one of {_POLICIES}"
            )
        if self.chunking_method not in (None, "auto"):
            name, colon, factor = str(self.chunking_method).partition(":")
            if name != "aspect_ratio" or colon and not (factor.isdigit() and int(factor) > 0):
                raise ValueError(
                    f"invalid chunking_method: {shown(self.chunking_method)}; it must be None, "
                    "'auto', "
                    "'aspect_ratio' or 'aspect_ratio:N' with N at least 1"
                )
        size = self.batch_chunk_size
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {shown(size)}")
        floats = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
        if self.acc_dtype is not None and self.acc_dtype not in floats:
            raise ValueError(
                f"acc_dtype must be None or one of {floats}, got {shown(self.acc_dtype)}"
            )
