"""Dropping whole blocks of a picture (Ghiasi et al., "DropBlock", NeurIPS 2018)."""

from __future__ import annotations

import math
from typing import Any

import flambeau as torch
from flambeau import nn
from flambeau.nn import functional as F

__all__ = ["DropBlock2d", "DropBlock3d", "drop_block2d", "drop_block3d"]


def drop_block2d(
    input: torch.Tensor,
    p: float,
    block_size: int,
    inplace: bool = False,
    eps: float = 1e-06,
    training: bool = True,
) -> torch.Tensor:
    """Zeroes squares of `input`, and scales the rest up to the same sum.

    Args:
        input: (N, C, H, W).
        p: the share that is dropped, in [0, 1].
        block_size: height and width of a square, an odd number.
        inplace: write into `input`.
        eps: keeps the division finite.
        training: False returns `input`.

    Raises:
        ValueError: a `p`, a size or a shape that is none of these.
    """
    return _drop(input, p, block_size, inplace, eps, training, 2)


def drop_block3d(
    input: torch.Tensor,
    p: float,
    block_size: int,
    inplace: bool = False,
    eps: float = 1e-06,
    training: bool = True,
) -> torch.Tensor:
    """As `drop_block2d`, with cubes of (N, C, D, H, W)."""
    return _drop(input, p, block_size, inplace, eps, training, 3)


def _drop(
    input: torch.Tensor,
    p: float,
    block_size: int,
    inplace: bool,
    eps: float,
    training: bool,
    rank: int,
) -> torch.Tensor:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}.")
    if input.ndim != rank + 2:
        raise ValueError(f"input should be {rank + 2} dimensional. Got {input.ndim} dimensions.")
    if not training or p == 0.0:
        return input
    size = [int(side) for side in input.shape[2:]]
    block = min(block_size, *size)
    if block % 2 == 0:
        raise ValueError(f"block size should be odd. Got {block} which is even.")
    seeds = [side - block + 1 for side in size]
    # How often a block starts at a place, so that a share p is covered by blocks (equation 1).
    rate = p * math.prod(size) / (block**rank * math.prod(seeds))
    noise = torch.empty((*input.shape[:2], *seeds), dtype=input.dtype, device=input.device)
    noise.bernoulli_(rate)
    noise = F.pad(noise, [block // 2] * (2 * rank), value=0)
    pool: Any = F.max_pool2d if rank == 2 else F.max_pool3d
    kept = 1 - pool(noise, kernel_size=block, stride=1, padding=block // 2)
    scale = kept.numel() / (eps + kept.sum())
    if inplace:
        return input.mul_(kept).mul_(scale)
    return input * kept * scale


class DropBlock2d(nn.Module):
    """See `drop_block2d`."""

    def __init__(
        self, p: float, block_size: int, inplace: bool = False, eps: float = 1e-06
    ) -> None:
        super().__init__()
        self.p = p
        self.block_size = block_size
        self.inplace = inplace
        self.eps = eps

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Returns `input`, in training with blocks dropped."""
        options = (self.p, self.block_size, self.inplace, self.eps, self.training)
        return drop_block2d(input, *options)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(p={self.p}, block_size={self.block_size}, "
            f"inplace={self.inplace})"
        )


class DropBlock3d(DropBlock2d):
    """See `drop_block3d`."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Returns `input`, in training with blocks dropped."""
        options = (self.p, self.block_size, self.inplace, self.eps, self.training)
        return drop_block3d(input, *options)
