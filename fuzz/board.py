"""What a fuzzing process tells its parent: a small shared file that outlives a crash."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

_HEAD = struct.Struct("<6Q")  # inputs, slowest ns, peak bytes, findings, length of the input, spare
MAX_INPUT = 1 << 20


class Board:
    """Counters, the slowest input's time, the peak of memory, and the input in hand."""

    def __init__(self, path: Path, create: bool = False) -> None:
        if create:
            path.write_bytes(bytes(_HEAD.size + MAX_INPUT))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    def begin(self, data: bytes) -> None:
        """Keep the input that is about to run."""
        self._map[_HEAD.size : _HEAD.size + len(data)] = data
        self._map[32:40] = len(data).to_bytes(8, "little")

    def count(self, inputs: int, slowest: int, peak: int, findings: int) -> None:
        self._map[:32] = struct.pack("<4Q", inputs, slowest, peak, findings)

    def counts(self) -> tuple[int, int, int, int]:
        """Inputs; slowest in nanoseconds; peak in bytes; findings."""
        inputs, slowest, peak, findings = struct.unpack_from("<4Q", self._map)
        return inputs, slowest, peak, findings

    def input(self) -> bytes:
        """The input that ran last."""
        length = int.from_bytes(self._map[32:40], "little")
        return bytes(self._map[_HEAD.size : _HEAD.size + length])
