"""`BlockMask`: which blocks of the (L, S) matrix of scores a mask lets anything through in."""

from __future__ import annotations

from typing import Any

import flambeau as torch

__all__ = ["BlockMask"]

Tensor = torch.Tensor


def _pair(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else tuple(size)  # type: ignore[return-value]


def _listed(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """For each row of a boolean (..., R, C): how many columns are set, and all columns' numbers,
    those that are set first."""
    counts = blocks.sum(-1).to(torch.int32)
    order = torch.argsort(blocks.to(torch.int32), dim=-1, descending=True, stable=True)
    return counts, order.to(torch.int32)


def _dense(counts: Tensor | None, indices: Tensor | None) -> Tensor | None:
    """The boolean (..., R, C) that `_listed` was given."""
    if counts is None or indices is None:
        return None
    columns = indices.size(-1)
    listed = torch.arange(columns, device=indices.device) < counts.unsqueeze(-1)
    found = torch.zeros(indices.shape, dtype=torch.int32, device=indices.device)
    # Indices behind the counts may be anything, repeated ones among them.
    return found.scatter_add(-1, indices.long(), listed.to(torch.int32)) != 0


class BlockMask:
    """A mask over (B, H, L, S), by blocks.

    For each row of blocks `kv_num_blocks` (B, H, rows) and `kv_indices` (B, H, rows, columns)
    list those in which `mask_mod` decides; the `full_` ones those that are visible whole. All
    others are hidden.
    """

    def __init__(
        self,
        seq_lengths: tuple[int, int],
        kv_num_blocks: Tensor,
        kv_indices: Tensor,
        full_kv_num_blocks: Tensor | None,
        full_kv_indices: Tensor | None,
        BLOCK_SIZE: tuple[int, int],  # noqa: N803
        mask_mod: Any,
    ) -> None:
        if kv_indices.dim() < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        self.seq_lengths = seq_lengths
        self.kv_num_blocks = kv_num_blocks
        self.kv_indices = kv_indices
        self.full_kv_num_blocks = full_kv_num_blocks
        self.full_kv_indices = full_kv_indices
        self.BLOCK_SIZE = BLOCK_SIZE
        self.mask_mod = mask_mod

    @classmethod
    def from_kv_blocks(
        cls,
        kv_num_blocks: Tensor,
        kv_indices: Tensor,
        full_kv_num_blocks: Tensor | None = None,
        full_kv_indices: Tensor | None = None,
        BLOCK_SIZE: int | tuple[int, int] = 128,  # noqa: N803
        mask_mod: Any = None,
        seq_lengths: tuple[int, int] | None = None,
        compute_q_blocks: bool = True,
    ) -> BlockMask:
        """A mask from the lists themselves."""
        if (full_kv_num_blocks is None) != (full_kv_indices is None):
            raise AssertionError(
                "full_kv_num_blocks and full_kv_indices must be both provided or omitted"
            )
        size = _pair(BLOCK_SIZE)
        if seq_lengths is None:
            rows, columns = kv_indices.shape[-2:]
            seq_lengths = (rows * size[0], columns * size[1])
        if mask_mod is None:
            from .flex_attention import noop_mask as mask_mod
        return cls(
            seq_lengths, kv_num_blocks, kv_indices, full_kv_num_blocks, full_kv_indices, size,
            mask_mod,
        )  # fmt: skip

    @classmethod
    def _from(
        cls, lengths: tuple[int, int], tensors: Any, size: tuple[int, int], mask_mod: Any
    ) -> BlockMask:
        """A mask of the four tensors."""
        counts, indices, full_counts, full_indices = tensors
        return cls(lengths, counts, indices, full_counts, full_indices, size, mask_mod)

    @classmethod
    def _of(cls, mask: Tensor, mask_mod: Any, block_size: Any, separate: bool) -> BlockMask:
        """The blocks of a boolean mask (B, H, L, S)."""
        size = _pair(block_size)
        batch, heads, length, keys = mask.shape
        rows, columns = -(-length // size[0]), -(-keys // size[1])
        padded = torch.zeros(
            (batch, heads, rows * size[0], columns * size[1]), dtype=torch.bool, device=mask.device
        )
        padded[:, :, :length, :keys] = mask
        blocks = padded.reshape(batch, heads, rows, size[0], columns, size[1])
        counts = blocks.to(torch.int64).sum((3, 5))
        # A block that reaches over the end is never full: what lies behind the end is hidden.
        full = counts == size[0] * size[1]
        partial = (counts > 0) & ~full if separate else counts > 0
        whole = _listed(full) if separate else (None, None)
        return cls._from((length, keys), (*_listed(partial), *whole), size, mask_mod)

    @property
    def shape(self) -> tuple[int, ...]:
        """(B, H, L, S)."""
        return (*self.kv_indices.shape[:-2], *self.seq_lengths)

    def numel(self) -> int:
        """The number of scores."""
        count = 1
        for size in self.shape:
            count *= size
        return count

    def to_dense(self) -> Tensor:
        """1 for each block that is not hidden: (B, H, rows, columns) of int32."""
        partial = _dense(self.kv_num_blocks, self.kv_indices)
        full = _dense(self.full_kv_num_blocks, self.full_kv_indices)
        assert partial is not None
        return (partial if full is None else partial | full).to(torch.int32)

    def sparsity(self) -> float:
        """How much of the matrix is in hidden blocks, in percent."""
        visible = int(self.to_dense().sum()) * self.BLOCK_SIZE[0] * self.BLOCK_SIZE[1]
        return 100 * (1 - visible / self.numel())

    def _visible(self, length: int, keys: int, at: list[Tensor]) -> Tensor:
        """The mask itself, for attention of `length` queries and `keys` keys."""
        if self.seq_lengths != (length, keys) and (
            length > self.seq_lengths[0] or keys > self.seq_lengths[1]
        ):
            raise ValueError(
                f"block_mask was created for block_mask.shape={self.shape} but got "
                f"q_len={length} and kv_len={keys}. As the block mask was created for a smaller "
                "length than you're using it for, you likely need to create a new block mask."
            )
        for d, name in ((0, "batch"), (1, "head")):
            if self.shape[d] not in (1, at[d].numel()):
                raise ValueError(
                    f"block_mask has a {name} size of {self.shape[d]}, the scores one of "
                    f"{at[d].numel()}: {self.shape}"
                )
        partial = self._spread(self.kv_num_blocks, self.kv_indices, length, keys)
        found = partial & self.mask_mod(*at)
        if self.full_kv_num_blocks is None or self.full_kv_indices is None:
            return found
        whole = self._spread(self.full_kv_num_blocks, self.full_kv_indices, length, keys)
        return found | whole

    def _spread(self, counts: Tensor, indices: Tensor, length: int, keys: int) -> Tensor:
        blocks: Any = _dense(counts, indices)
        rows, columns = self.BLOCK_SIZE
        elements = blocks.repeat_interleave(rows, -2).repeat_interleave(columns, -1)
        return elements[..., :length, :keys]

    def _tensors(self) -> tuple[Tensor | None, ...]:
        return (
            self.kv_num_blocks, self.kv_indices, self.full_kv_num_blocks, self.full_kv_indices,
        )  # fmt: skip

    def __getitem__(self, index: Any) -> BlockMask:
        """Some of the batch, the heads or the rows of blocks. The `mask_mod` must be given anew
        where it depends on the position."""
        chosen = [None if t is None else t[index] for t in self._tensors()]
        lengths = (chosen[1].shape[-2] * self.BLOCK_SIZE[0], self.seq_lengths[1])  # type: ignore[union-attr]
        return BlockMask._from(lengths, chosen, self.BLOCK_SIZE, None)

    def to(self, device: Any) -> BlockMask:
        """The same with its tensors on a device."""
        moved = [None if t is None else t.to(device) for t in self._tensors()]
        return BlockMask._from(self.seq_lengths, moved, self.BLOCK_SIZE, self.mask_mod)

    def __repr__(self) -> str:
        return (
            f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%, "
            f"BLOCK_SIZE={self.BLOCK_SIZE}, mask_mod={getattr(self.mask_mod, '__name__', None)})"
        )
