"""Memory as threads see it: spaces, checks of every access, loads, stores and atomics."""

from __future__ import annotations

from typing import Any

import numpy as np

from .accesses import LOCAL_WINDOW, PARAM_WINDOW, SHARED_WINDOW, WINDOW
from .errors import IllegalAddress, MisalignedAddress, SimulationError
from .memory import Bytes, Memory
from .ptx import Instruction
from .state import U64, Array
from .values import UNSIGNED
from .watching import Watching


class Accesses(Watching):
    """Loads and stores of a machine."""

    def memory_of(self, low: int) -> Memory:
        for one in self.peers:
            if one.holds(low):
                return one
        return self.memory

    def locate(self, i: Instruction, space: str, a: Array, size: int) -> tuple[Bytes, Array]:
        """The bytes that hold a space, and each thread's place in them, checked."""
        try:
            if space == "shared":
                return self.shared, self.in_block(a, size)
            if space in ("global", "const"):
                return self.in_global(a, size)
            if space == "":
                return self.in_generic(i, a, size)
            if space == "local":
                return self.local, self.in_local(a, size)
            if space == "param":
                at = a - np.uint64(PARAM_WINDOW)
                if int(np.max(at)) + size > len(self.parameters) - 16:
                    raise IllegalAddress(f"{size} bytes at {int(np.max(at))} of the parameters")
                return Bytes(np.frombuffer(self.parameters, np.uint8)), at
        except (IllegalAddress, MisalignedAddress) as error:
            place = error.args[1] if len(error.args) > 1 else 0
            raise self.fault(error, i, int(place)) from None
        raise SimulationError(f"the space {space}")

    def in_global(self, a: Array, size: int) -> tuple[Bytes, Array]:
        memory = self.memory
        first = int(a) if not a.ndim else int(a[0])
        if not memory.holds(first) and self.peers:
            memory = self.memory_of(first)
        memory.check(a, size)
        return memory.bytes, a - np.uint64(memory.base)

    def in_block(self, a: Array, size: int) -> Array:
        top = int(np.maximum.reduce(a)) if a.ndim else int(a)
        if top + size > self.shared_bytes:
            place = int(np.argmax(a))
            error = IllegalAddress(
                f"{size} bytes at {top:#x} of {self.shared_bytes} bytes of shared memory"
            )
            error.args += (place,)
            raise error
        if size > 1 and (int(np.bitwise_or.reduce(a)) if a.ndim else top) & (size - 1):
            wrong = np.atleast_1d(a & np.uint64(size - 1))
            place = int(np.argmax(wrong != 0))
            error2 = MisalignedAddress(
                f"{size} bytes at {int(np.atleast_1d(a)[place]):#x} of shared memory"
            )
            error2.args += (place,)
            raise error2
        if self.valid_shared is not None:
            inside = self.valid_shared[np.atleast_1d(a).astype(np.int64)]
            inside &= self.valid_shared[np.atleast_1d(a).astype(np.int64) + size - 1]
            if not inside.all():
                error = IllegalAddress(f"{size} bytes of shared memory that belong to no variable")
                error.args += (int(np.argmin(inside)),)
                raise error
        return a + self.active.shared_base if self.blocks.count > 1 else a

    def aligned(self, i: Instruction, a: Array, size: int) -> None:
        """Raise unless addresses are multiples of a size."""
        if np.any(a & np.uint64(size - 1)):
            raise self.fault(
                MisalignedAddress(f"rows of {size} bytes at {int(np.max(a)):#x}"), i, 0
            )

    def in_local(self, a: Array, size: int) -> Array:
        bad = a + np.uint64(size) > np.uint64(self.program.local_bytes)
        if np.any(bad):
            raise IllegalAddress(
                f"{size} bytes at {int(np.max(a)):#x} of {self.program.local_bytes} bytes of local memory"
            )
        if size > 1 and np.any(a & np.uint64(size - 1)):
            raise MisalignedAddress(f"{size} bytes at {int(np.max(a)):#x} of local memory")
        return a + self.active.local_base

    def in_generic(self, i: Instruction, a: Array, size: int) -> tuple[Bytes, Array]:
        low, high = int(np.min(a)), int(np.max(a))
        for window, space in (
            (SHARED_WINDOW, "shared"),
            (LOCAL_WINDOW, "local"),
            (PARAM_WINDOW, "param"),
        ):
            if window <= low and high < window + WINDOW:
                return self.locate(i, space, a if space == "param" else a - np.uint64(window), size)
        return self.in_global(a, size)

    def mixed(self, a: Array) -> bool:
        """Whether generic addresses are of several spaces."""
        if not a.ndim:
            return False
        lows = [SHARED_WINDOW, LOCAL_WINDOW, PARAM_WINDOW, PARAM_WINDOW + WINDOW]
        kinds: Array = np.searchsorted(np.array(lows, U64), a, "right")
        return bool((kinds != kinds[0]).any())

    def load(self, i: Instruction, space: str, a: Array, size: int, count: int) -> list[Array]:
        """Elements of `size` bytes, `count` a thread, one array for each."""
        if space == "" and self.mixed(a):
            return self.load_mixed(i, a, size, count)
        data, at = self.locate(i, space, a, size * count)
        if self.race_check or self.measure:
            self.watch(i, space, a, data, at, size * count, False)
        view = data.view(size, count)
        got = view[(at // np.uint64(size * count)).astype(np.int64)]
        if count == 1:
            return [got]
        if got.ndim == 1:
            return [got[k] for k in range(count)]
        return list(np.ascontiguousarray(got.T))

    def load_mixed(self, i: Instruction, a: Array, size: int, count: int) -> list[Array]:
        lows = np.array([SHARED_WINDOW, LOCAL_WINDOW, PARAM_WINDOW, PARAM_WINDOW + WINDOW], U64)
        kinds = np.searchsorted(lows, a, "right")
        out = [np.empty(len(a), UNSIGNED[size]) for _ in range(count)]
        outer = self.active
        for kind in np.unique(kinds):
            chosen = np.flatnonzero(kinds == kind)
            self.active = outer.subset(chosen)
            for whole, part in zip(out, self.load(i, "", a[chosen], size, count)):
                whole[chosen] = part
        self.active = outer
        return out

    def store(self, i: Instruction, space: str, a: Array, values: list[Array], size: int) -> None:
        """Write elements, one array for each of a thread's."""
        if space == "" and self.mixed(a):
            raise self.fault(SimulationError("a store to several spaces"), i, 0)
        count = len(values)
        data, at = self.locate(i, space, a, size * count)
        if space in ("const", "param"):
            raise self.fault(IllegalAddress("a store to constants"), i, 0)
        if self.race_check or self.measure:
            self.watch(i, space, a, data, at, size * count, True)
        view = data.view(size, count)
        index = (at // np.uint64(size * count)).astype(np.int64)
        if index.ndim == 0:
            # All threads at one place: the last one stays.
            last = [v if not v.ndim else v[self.last_of()] for v in values]
            view[index] = last[0] if count == 1 else last
            return
        if self.random is not None:
            order = self.random.permutation(len(index))
            index = index[order]
            values = [v if not v.ndim else v[order] for v in values]
        if count == 1:
            view[index] = values[0]
            return
        rows = np.empty((len(index), count), view.dtype)
        for k, v in enumerate(values):
            rows[:, k] = v
        view[index] = rows

    def last_of(self) -> int:
        return -1 if self.random is None else int(self.random.integers(self.active.n))

    def atomic(
        self,
        i: Instruction,
        space: str,
        a: Array,
        operands: list[Array],
        dtype: Any,
        f: Any,
        at_: Any,
        wanted: bool,
    ) -> Array:
        """Read, change and write, one thread after the other. Gives the old values, if wanted."""
        n = self.active.n
        a = np.broadcast_to(a, (n,))
        operands = [np.broadcast_to(x, (n,)) for x in operands]
        data, at = self.locate(i, space, a, dtype.itemsize)
        if self.race_check or self.measure:
            self.watch(i, space, a, data, at, dtype.itemsize, True, True)
        view = data.view(dtype.itemsize).view(dtype)
        index = (at // np.uint64(dtype.itemsize)).astype(np.int64)
        order = np.arange(n) if self.random is None else self.random.permutation(n)
        index, operands = index[order], [x[order] for x in operands]
        if not wanted and at_ is not None:
            at_.at(view, index, operands[0])
            return view[:0]
        old = np.empty(n, dtype)
        by = np.argsort(index, kind="stable")
        ordered = index[by]
        begin = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        lengths = np.diff(np.concatenate((begin, [n])))
        rank = np.arange(n) - np.repeat(begin, lengths)
        by_rank = np.argsort(rank, kind="stable")
        for members in np.split(by[by_rank], np.cumsum(np.bincount(rank))[:-1]):
            where = index[members]
            before = view[where]
            old[members] = before
            view[where] = f(before, *[x[members] for x in operands])
        out = np.empty(n, dtype)
        out[order] = old
        return out
