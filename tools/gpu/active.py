"""Sets of threads that run together."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

U32 = np.dtype(np.uint32)


class Active:
    """Some threads of the blocks that run, by their numbers in rising order; `index` None is all."""

    def __init__(self, grid: Blocks, index: Any = None) -> None:
        self.grid = grid
        self.index = index
        self.n: int = grid.threads if index is None else len(index)
        self.stamped: tuple[int, int] = (-1, -1)
        """When the stamps were made (see `races`)."""
        self.stamps: Any = None

    @cached_property
    def threads(self) -> Any:
        """Thread numbers among the blocks that run."""
        return np.arange(self.grid.threads) if self.index is None else self.index

    @cached_property
    def block(self) -> Any:
        """The number of each thread's block, among those that run."""
        return self.threads // self.grid.per_block

    @cached_property
    def lane(self) -> Any:
        return (self.threads % self.grid.per_block) & 31

    @cached_property
    def warp(self) -> Any:
        """The number of each thread's warp, among all that run."""
        return self.block * self.grid.warps_per_block + (self.threads % self.grid.per_block) // 32

    @property
    def warps(self) -> int:
        return self.grid.warps

    @cached_property
    def places(self) -> Any:
        """Where a lane stands in the arrays: by 32 * warp + lane, -1 of one that is not there."""
        table = np.full(self.warps * 32, -1, np.int64)
        table[self.warp * 32 + self.lane] = np.arange(self.n)
        return table

    @cached_property
    def shared_base(self) -> Any:
        """Where the block's shared memory begins."""
        return (self.block * self.grid.shared_stride).astype(np.uint64)

    @cached_property
    def local_base(self) -> Any:
        return (self.threads * self.grid.local_stride).astype(np.uint64)

    @cached_property
    def warp_masks(self) -> Any:
        """The lanes that are there, of every warp, as bits."""
        bits = np.zeros(self.warps, U32)
        np.bitwise_or.at(bits, self.warp, np.uint32(1) << self.lane.astype(U32))
        return bits

    def masks(self) -> Any:
        """The lanes that are there, of each thread's warp."""
        return self.warp_masks[self.warp]

    @cached_property
    def whole_warps(self) -> bool:
        """Whether it is all lanes of every warp that has one, in order."""
        if self.index is None:
            return self.grid.per_block % 32 == 0
        if self.n % 32 or self.grid.per_block % 32:
            return False
        first = self.index.reshape(-1, 32)
        return bool(((first[:, 0] % 32 == 0) & (first[:, 31] == first[:, 0] + 31)).all())

    def subset(self, chosen: Any) -> Active:
        """Those at the given places."""
        return Active(self.grid, chosen if self.index is None else self.index[chosen])


class Blocks:
    """The blocks that run at the same time: `count` of them from `first` on."""

    def __init__(
        self, first: int, count: int, per_block: int, shared_stride: int, local_stride: int
    ) -> None:
        self.first = first
        self.count = count
        self.per_block = per_block
        self.threads = count * per_block
        self.warps_per_block = (per_block + 31) // 32
        self.warps = count * self.warps_per_block
        self.shared_stride = shared_stride
        self.local_stride = local_stride
