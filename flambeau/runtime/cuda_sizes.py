"""Sizes of blocks of a GPU's memory, and counts of them."""

from __future__ import annotations

ALIGN = 256
MIB = 1 << 20


def size_class(nbytes: int) -> int:
    """The capacity of a block that holds so many bytes: multiples of 256 up to 4 KiB, from there on
    eight sizes from one power of two to the next, and sixteen from 1 MiB on."""
    if nbytes <= 4096:
        return max(ALIGN, -(-nbytes // ALIGN) * ALIGN)
    step = 1 << ((nbytes - 1).bit_length() - (5 if nbytes > MIB else 4))
    return -(-nbytes // step) * step


def size_text(nbytes: int) -> str:
    """Bytes as PyTorch's allocator shows them.

    >>> size_text(20 << 20), size_text(3000)
    ('20.00 MiB', '2.93 KiB')
    """
    if nbytes < 1024:
        return f"{nbytes} bytes"
    for unit, shift in (("KiB", 10), ("MiB", 20)):
        if nbytes < 1024 << shift:
            return f"{nbytes / (1 << shift):.2f} {unit}"
    return f"{nbytes / (1 << 30):.2f} GiB"


class Tally:
    """Counts of allocations and bytes."""

    __slots__ = ("live", "peak", "count", "count_peak", "taken", "taken_bytes", "taken_before", "bytes_before")

    def __init__(self) -> None:
        self.live = self.peak = 0
        """Bytes now, and at most."""
        self.count = self.count_peak = 0
        self.taken = self.taken_bytes = 0
        """Ever taken."""
        self.taken_before = self.bytes_before = 0
        """What of it doesn't count: see `reset_accumulated`."""

    def add(self, nbytes: int) -> None:
        self.live += nbytes
        self.count += 1
        self.taken += 1
        self.taken_bytes += nbytes
        if self.live > self.peak:
            self.peak = self.live
        if self.count > self.count_peak:
            self.count_peak = self.count

    def remove(self, nbytes: int) -> None:
        self.live -= nbytes
        self.count -= 1

    def sizes(self) -> dict[str, int]:
        """Bytes: now, at most, taken and given back."""
        before = self.bytes_before
        given = self.taken_bytes - self.live
        return {
            "current": self.live, "peak": self.peak, "allocated": self.taken_bytes - before,
            "freed": given - before,
        }  # fmt: skip

    def counts(self) -> dict[str, int]:
        """The same of allocations."""
        before = self.taken_before
        return {
            "current": self.count, "peak": self.count_peak, "allocated": self.taken - before,
            "freed": self.taken - self.count - before,
        }  # fmt: skip

    def reset_peak(self) -> None:
        """What is now is the most there ever was."""
        self.peak, self.count_peak = self.live, self.count

    def reset_accumulated(self) -> None:
        """Count what is taken and given back from here on: what is in use now counts as neither."""
        self.taken_before, self.bytes_before = self.taken - self.count, self.taken_bytes - self.live
