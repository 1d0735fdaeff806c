"""Asynchronous copies to shared memory: what is copied arrives when it is waited for, not before.

Until then junk lies there.
"""

from __future__ import annotations

import numpy as np

from .addressing import Accesses
from .ptx import Instruction
from .state import Array
from .values import UNSIGNED


class Copies(Accesses):
    """cp.async of a machine."""

    def async_copy(
        self, i: Instruction, to: Array, of: Array, size: int, used: Array | None
    ) -> None:
        n = self.active.n
        to = np.broadcast_to(to, (n,))
        target, place = self.locate(i, "shared", to, size)
        data = np.zeros((n, size), np.uint8)
        of = np.broadcast_to(of, (n,))
        count = np.full(n, size) if used is None else np.broadcast_to(used, (n,)).astype(np.int64)
        reading = np.flatnonzero(count > 0)
        if len(reading):
            outer = self.active
            if len(reading) < n:
                self.active = outer.subset(reading)
            whole = count[reading]
            least = int(whole.min())
            source, at = self.locate(i, "global", of[reading], size if least == size else 1)
            if self.race_check or self.measure:
                self.watch(
                    i, "global", of[reading], source, at, size if least == size else 1, False
                )
            self.active = outer
            columns = at.astype(np.int64)[:, None] + np.arange(size)
            inside = np.arange(size) < whole[:, None]
            data[reading] = np.where(
                inside, source.data[np.where(inside, columns, columns[:, :1])], 0
            )
        if self.race_check:
            self.watch(i, "shared", to, target, place, size, True)
        rows = place.astype(np.int64)
        cells = target.view(UNSIGNED[min(size, 8)].itemsize, max(1, size // 8))
        cells[rows // size] = 0xCD + 0xCD00 + 0xCDCD0000
        self.async_pending.append(
            (self.active.threads, rows // size, data, self.async_group[self.active.threads], i)
        )

    def async_commit(self) -> None:
        self.async_group[self.active.threads] += 1

    def async_wait(self, keep: int, everything: bool = False) -> None:
        limit = np.full(self.blocks.threads, -1, np.int64)
        threads = self.active.threads
        limit[threads] = self.async_group[threads] - keep + (1 if everything else 0)
        left = []
        for who, cells, data, group, i in self.async_pending:
            done = group < limit[who]
            if done.any():
                size = data.shape[1]
                view = self.shared.view(1, size)
                if done.all():
                    view[cells] = data
                    continue
                view[cells[done]] = data[done]
                stay = ~done
                left.append((who[stay], cells[stay], data[stay], group[stay], i))
            else:
                left.append((who, cells, data, group, i))
        self.async_pending = left
