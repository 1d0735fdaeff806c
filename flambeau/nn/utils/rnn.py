"""Sequences of different lengths: padded, or packed without padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import flambeau as torch
from flambeau.errors import refusing

__all__ = [
    "PackedSequence",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]

Tensor = torch.Tensor


class _Packed(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Packed):
    """Several sequences, step by step: all first elements, then all second ones, ...

    `batch_sizes[t]` says how many sequences have a step t; they are sorted by length, and
    `sorted_indices` says from which order.
    """

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Any = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on a CUDA device."""
        return self.data.device.type == "cuda"

    def is_pinned(self) -> bool:
        """Whether the data is in page-locked memory."""
        return self.data.is_pinned()

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same with the data moved or cast."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        indices = [
            each if each is None else each.to(data.device)
            for each in (self.sorted_indices, self.unsorted_indices)
        ]
        return type(self)(data, self.batch_sizes, *indices)

    def cpu(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same on the CPU."""
        return self.to(*args, **{"device": "cpu", **kwargs})

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same on a CUDA device."""
        return self.to(*args, **{"device": "cuda", **kwargs})

    def pin_memory(self) -> PackedSequence:
        """The same with its data in page-locked memory."""
        return type(self)(
            self.data.pin_memory(), self.batch_sizes, self.sorted_indices, self.unsorted_indices
        )

    def double(self) -> PackedSequence:
        """The same in float64."""
        return self.to(dtype=torch.float64)

    def float(self) -> PackedSequence:
        """The same in float32."""
        return self.to(dtype=torch.float32)

    def half(self) -> PackedSequence:
        """The same in float16."""
        return self.to(dtype=torch.float16)

    def long(self) -> PackedSequence:
        """The same in int64."""
        return self.to(dtype=torch.int64)

    def int(self) -> PackedSequence:
        """The same in int32."""
        return self.to(dtype=torch.int32)

    def short(self) -> PackedSequence:
        """The same in int16."""
        return self.to(dtype=torch.int16)

    def char(self) -> PackedSequence:
        """The same in int8."""
        return self.to(dtype=torch.int8)

    def byte(self) -> PackedSequence:
        """The same in uint8."""
        return self.to(dtype=torch.uint8)


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes another one."""
    if permutation is None:
        return None
    positions = torch.arange(permutation.numel(), device=permutation.device)
    return torch.empty_like(permutation).scatter_(0, permutation, positions)


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """(L, N, ...) and the N lengths to a `PackedSequence`.

    With `enforce_sorted` the lengths must not increase. Raises `RuntimeError` for lengths below
    1 or above L.
    """
    counts = lengths.tolist() if isinstance(lengths, torch.Tensor) else [int(n) for n in lengths]
    steps = input.transpose(0, 1) if batch_first else input
    if len(counts) != steps.size(1):
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(counts)} "
            f"(batch_size={steps.size(1)})"
        )
    order = None
    sorted_order = list(range(len(counts)))
    if not enforce_sorted:
        sorted_order.sort(key=lambda i: -counts[i])
        order = torch.tensor(sorted_order, device=input.device)
        counts = [counts[i] for i in sorted_order]
    if any(a < b for a, b in zip(counts, counts[1:], strict=False)):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. "
            "You can pass `enforce_sorted=False` to pack_padded_sequence."
        )
    if not counts or counts[-1] <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0"
        )
    if counts[0] > steps.size(0):
        raise RuntimeError(
            f"Expected lengths up to the input's {steps.size(0)} steps, got {counts[0]}"
        )
    sizes = _sizes(counts)
    rows = _rows(sizes, steps.size(1), sorted_order, input.device)
    picked = steps.flatten(0, 1).index_select(0, rows)
    return PackedSequence(picked, torch.tensor(sizes), order)


def _sizes(counts: list[int]) -> list[int]:
    """How many sequences have a step, for each step, from their falling lengths."""
    sizes, running = [], len(counts)
    for t in range(counts[0]):
        while counts[running - 1] <= t:
            running -= 1
        sizes.append(running)
    return sizes


def _rows(sizes: list[int], batch: int, order: list[int], device: Any) -> Tensor:
    """Where the rows of packed data are among those of (L, N), flattened. One lookup takes them
    all, whatever the lengths: the program it belongs to stays the same from batch to batch."""
    rows = [t * batch + n for t, size in enumerate(sizes) for n in order[:size]]
    return torch.tensor(rows, device=device)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The inverse of `pack_padded_sequence`: (L, N, ...) and the lengths."""
    sizes = sequence.batch_sizes.tolist()
    steps = len(sizes)
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in "
                f"input, but got total_length={total_length} and max sequence length being {steps}"
            )
        steps = total_length
    count = sizes[0]
    lengths = [0] * count
    for size in sizes:
        for n in range(size):
            lengths[n] += 1
    places = list(range(count))
    if sequence.sorted_indices is not None:
        places = sequence.sorted_indices.tolist()
    elif sequence.unsorted_indices is not None:
        places = invert_permutation(sequence.unsorted_indices).tolist()  # type: ignore[union-attr]
    found = torch.tensor(lengths)
    if sequence.unsorted_indices is not None:
        found = found[sequence.unsorted_indices.cpu()]
    blank = sequence.data.new_full((steps * count, *sequence.data.shape[1:]), padding_value)
    rows = _rows(sizes, count, places, blank.device)
    filled = blank.index_copy(0, rows, sequence.data)
    padded = filled.unflatten(0, (steps, count))
    return (padded.transpose(0, 1) if batch_first else padded), found


def pad_sequence(
    sequences: Sequence[Tensor] | Tensor,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences (L_i, ...) to one tensor (L, N, ...), filled up with `padding_value`."""
    if isinstance(sequences, torch.Tensor):
        sequences = list(sequences.unbind(0))
    elif not isinstance(sequences, (list, tuple)):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f"Expected padding_side to be one of left or right, but got {padding_side}."
        )
    longest = max(each.size(0) for each in sequences)
    padded = []
    for each in sequences:
        missing = longest - each.size(0)
        if missing:
            filler = each.new_full((missing, *each.shape[1:]), padding_value)
            parts = [each, filler] if padding_side == "right" else [filler, each]
            each = torch.cat(parts)
        padded.append(each)
    return torch.stack(padded, 0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False
) -> list[Tensor]:
    """The inverse of `pad_sequence`."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[:n] for row, n in zip(rows.unbind(0), lengths.tolist(), strict=True)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences (L_i, ...) to a `PackedSequence`."""
    lengths = [each.size(0) for each in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The inverse of `pack_sequence`."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


__getattr__ = refusing(__name__)
