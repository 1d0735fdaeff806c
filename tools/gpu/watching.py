"""What is noted of every access: races, sectors, passes over the banks of shared memory."""

from __future__ import annotations

import numpy as np

from .errors import Race
from .memory import Bytes
from .ptx import Instruction
from .races import block_of, stamps, thread_of
from .state import Array, State


class Watching(State):
    """Checks and counts that are asked for."""

    def watch(
        self,
        i: Instruction,
        space: str,
        a: Array,
        data: Bytes,
        at: Array,
        size: int,
        write: bool,
        atomic: bool = False,
    ) -> None:
        """Races and measures of an access."""
        if data is self.local:
            return
        if at.ndim == 0:
            at = np.broadcast_to(at, (self.active.n,))
        if self.measure:
            self.measure_access(i, data, at, size)
        if not self.race_check:
            return
        if data is self.shared:
            assert self.shared_shadow is not None
            shadow, of = self.shared_shadow, None
        elif data is self.memory.bytes:
            assert self.global_shadow is not None
            shadow, of = self.global_shadow, self.memory
        else:
            return
        kind = (
            "atomic"
            if atomic
            else "write"
            if write
            else "constant"
            if "nc" in i.modifiers
            else "read"
        )
        found = shadow.touch(at.astype(np.int64), size, kind, self.stamps(), len(data.data), of)
        if found is not None:
            place, other, what = found
            block, thread = block_of(other), thread_of(other)
            who = self.who((block - self.blocks.first) * self.blocks.per_block + thread)
            error = Race(f"{shadow.name} memory {what} by {who} without a barrier between")
            raise self.fault(error, i, place)

    def stamps(self) -> Array:
        """Who the active threads are, and when it is."""
        act = self.active
        now = self.statistics.barriers, self.warp_barriers
        if act.stamped != now:
            warps = self.blocks.warps_per_block
            act.stamps = stamps(
                act.block + self.blocks.first,
                self.epoch[act.block],
                act.warp % warps,
                self.warp_epoch[act.warp],
                act.lane,
            )
            act.stamped = now
        return act.stamps

    def measure_access(self, i: Instruction, data: Bytes, at: Array, size: int) -> None:
        warp = self.active.warp
        order = warp.astype(np.int64)
        requests = len(np.unique(order))
        if data is self.shared:
            # Passes: the most different words of one bank, of the lanes that are served together.
            together = max(1, 32 * 4 // max(size, 4))
            part = order * 32 + self.active.lane // together
            words = (at.astype(np.int64) - self.active.shared_base.astype(np.int64)) // 4
            key = np.unique(
                np.stack(
                    [
                        np.repeat(part, max(size // 4, 1)),
                        (words[:, None] + np.arange(max(size // 4, 1))).ravel(),
                    ]
                ),
                axis=1,
            )
            banks, counts = np.unique(key[0] * 32 + key[1] % 32, return_counts=True)
            most = np.zeros(int(part.max()) + 1, np.int64)
            np.maximum.at(most, banks // 32, counts)
            name, parts = "shared", int(most.sum())
        else:
            start, end = at.astype(np.int64) // 32, (at.astype(np.int64) + size - 1) // 32
            key = np.unique(np.concatenate([order << 40 | start, order << 40 | end]))
            name, parts = "global", len(key)
        opcode = "st" if i.opcode in ("st", "red") else "ld"
        old = self.statistics.sectors.get((opcode, name), (0, 0))
        self.statistics.sectors[opcode, name] = (old[0] + parts, old[1] + requests)
