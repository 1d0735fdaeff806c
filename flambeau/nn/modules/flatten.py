"""Joining dimensions and splitting them."""

from __future__ import annotations

from typing import Any

import flambeau as torch

from .module import Module

__all__ = ["Flatten", "Unflatten"]

Tensor = torch.Tensor


class Flatten(Module):
    """Joins the dimensions from `start_dim` to `end_dim`; by default all but the batch."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Splits the dimension `dim` into `unflattened_size`, in which one number may be -1.

    Raises `TypeError` for a size that is no tuple of integers.
    """

    def __init__(self, dim: Any, unflattened_size: Any) -> None:
        super().__init__()
        if isinstance(dim, str):
            raise NotImplementedError(
                "Unflatten: named dimensions are not supported, give the dimension's number"
            )
        if not isinstance(dim, int):
            raise TypeError("invalid argument type for dim parameter")
        self._require_ints(unflattened_size)
        self.dim = dim
        self.unflattened_size = unflattened_size

    def _require_ints(self, size: Any) -> None:
        if not isinstance(size, (tuple, list)):
            raise TypeError(
                f"unflattened_size must be a tuple of ints, but found type {type(size).__name__}"
            )
        for i, each in enumerate(size):
            if not isinstance(each, int):
                raise TypeError(
                    "unflattened_size must be tuple of ints, but found element of type "
                    f"{type(each).__name__} at pos {i}"
                )

    def forward(self, input: Tensor) -> Tensor:
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
