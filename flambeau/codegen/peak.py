"""What the machine can do, measured: multiplications and additions a second, and bytes a second.

Two kernels of the kind that the compiler makes, on the pool that its programs run on: one that
keeps every multiply-add unit busy from registers alone, and a plain copy. What a kernel reaches is
told as a share of these.
"""

from __future__ import annotations

import ctypes
import time
from functools import cache, partial
from typing import NamedTuple

from ..runtime import blocks, kernel_cache, native, pool
from .kernel import Kernel, Target
from .llvm_text import Function, vector_attributes
from .microkernel import ELEMENT, SIZES, SUFFIX, Vectors, declares, lanes

PARAMETERS = "ptr table, ptr args, i64 begin, i64 end, i64 thread"

STEP = 4
"""Vectors that a turn of the copy moves."""

CACHED = 1 << 19
"""Bytes that a thread's copy in cache reads and writes together: past the first level, well within
the second one."""

MEMORY = 96 << 20
"""Bytes that a copy in memory reads, for each thread: far past the caches."""


class Peak(NamedTuple):
    """The most that `threads` threads reach together."""

    threads: int
    flops: dict[str, float]
    """Multiplications and additions a second, by dtype."""
    cached: float
    """Bytes a second, read and written, of a copy in the second-level cache."""
    memory: float
    """The same of a copy in memory."""

    def bandwidth(self, nbytes: float) -> float:
        """Bytes a second that can be had where a kernel touches so many."""
        return self.cached if nbytes <= 2 * CACHED * self.threads else self.memory

    def seconds(self, flops: float, nbytes: float, dtype: str = "float32") -> float:
        """The least time for so much work: the arithmetic or the memory, whichever takes longer."""
        return max(flops / self.flops[dtype], nbytes / self.bandwidth(nbytes))


def fma_kernel(dtype: str) -> Kernel:
    """Multiply-adds in registers. Words: a buffer (slot, offset) with four vectors and one for each
    thread's result, the turns of a task. See `fma_turn` for a turn's work."""
    return Kernel(f"peak_{SUFFIX[dtype]}", ("peak", dtype), partial(_emit_fma, dtype))


def copy_kernel() -> Kernel:
    """A copy. Words: from (slot, offset), to (slot, offset), bytes of a task, which are whole turns
    of 4 vectors, how many times over."""
    return Kernel("peak_copy", ("peak_copy",), _emit_copy)


def accumulators(target: Target) -> int:
    """Sums at a time: enough to hide the latency of two units, with registers left for operands."""
    return target.registers - 4


def fma_turn(target: Target, dtype: str) -> int:
    """Multiplications and additions in a turn of the loop."""
    return 2 * 2 * accumulators(target) * lanes(target, dtype)


def _emit_fma(dtype: str, target: Target, symbol: str) -> str:
    f = Function(symbol, PARAMETERS, vector_attributes(target), linkage="external")
    v = Vectors(f, lanes(target, dtype), dtype)
    wide = lanes(target, dtype) * SIZES[dtype]
    base = _buffer(f, 0)
    turns = f.argument("%args", 2)
    a, b = v.load(base), v.load(f.gep(base, wide))
    first = v.load(f.gep(base, 2 * wide))
    with f.loop("%end", "%begin"):
        with f.loop(turns, carry=[(v.type, first)] * accumulators(target)) as turn:
            sums = list(turn.values)
            for _ in range(2):
                sums = [v.fma(x, a, b) for x in sums]
            turn.next = sums
        total = turn.values[0]
        for x in turn.values[1:]:
            total = v.add(total, x)
        v.store(total, f.gep(base, f.mul(f.add("%thread", 3), wide)))
    return "\n".join([*sorted(declares(target, dtype)), f.finish()])


def _emit_copy(target: Target, symbol: str) -> str:
    f = Function(symbol, PARAMETERS, vector_attributes(target), linkage="external")
    kind = f"<{target.vector_bytes // 4} x {ELEMENT['float32']}>"
    source, to = _buffer(f, 0), _buffer(f, 2)
    size, times = f.argument("%args", 4), f.argument("%args", 5)
    step = STEP * target.vector_bytes
    with f.loop("%end", "%begin") as task:
        start = f.mul(task.index, size)
        with f.loop(times), f.loop(size, step=step) as i:
            at = f.add(start, i.index)
            moved = [
                f.load(kind, f.gep(f.gep(source, at), n * target.vector_bytes)) for n in range(STEP)
            ]
            for n, x in enumerate(moved):
                f.store(kind, x, f.gep(f.gep(to, at), n * target.vector_bytes))
    return f.finish()


def _buffer(f: Function, word: int) -> str:
    """The address of a buffer whose slot and offset are two words."""
    slot, offset = f.argument("%args", word), f.argument("%args", word + 1)
    return f.gep(f.load("ptr", f.gep("%table", f.mul(slot, 8)), 8), offset)


class Runner:
    """One kernel with its arguments on the pool, to be timed."""

    def __init__(
        self, kernel: Kernel, words: list[int], table: list[int], tasks: int, keep: object = None
    ) -> None:  # fmt: skip
        """`keep` is what must live as long: the memory that the table points to."""
        self._keep = keep
        self._code = kernel_cache.addresses([kernel], Target(*native.host()))
        self._words = (ctypes.c_int64 * len(words))(*words)
        self._table = (ctypes.c_int64 * len(table))(*table)
        address = self._code[repr(kernel.key)]
        chain = ((address, ctypes.addressof(self._words)),)
        self.program = pool.Program([pool.Record(chain, tasks, 1, 0, tasks > 1)])
        self.program.profile()

    def seconds(self) -> float:
        """Of one run."""
        pool.run_now(self.program.address, ctypes.addressof(self._table))
        start, end = self.program.times()[0]
        return float(end - start)

    def shortest(self, within: float = 0.15) -> float:
        """The shortest run of those that fit so many seconds."""
        found = self.seconds()
        until = time.perf_counter() + within
        while time.perf_counter() < until:
            found = min(found, self.seconds())
        return found


def flops(dtype: str, threads: int) -> float:
    """Multiplications and additions a second of so many threads."""
    target = Target(*native.host())
    wide = target.vector_bytes
    block = blocks.allocate((3 + pool.MAX_THREADS) * wide)
    block.array("float64", (block.nbytes // 8,))[...] = 0.5
    turns = 40_000
    runner = Runner(fma_kernel(dtype), [0, 0, turns], [block.address], threads, block)
    return threads * turns * fma_turn(target, dtype) / runner.shortest()


def bandwidth(nbytes: int, threads: int) -> float:
    """Bytes a second, read and written, of threads that copy so many each."""
    step = STEP * native.host().vector_bytes
    each = nbytes // step * step
    source, to = blocks.allocate(threads * each), blocks.allocate(threads * each)
    source.array("uint8", (threads * each,))[...] = 1
    to.array("uint8", (threads * each,))[...] = 0
    times = max(1, (4 << 20) // each)
    words, table = [0, 0, 1, 0, each, times], [source.address, to.address]
    runner = Runner(copy_kernel(), words, table, threads, (source, to))
    return 2.0 * threads * each * times / runner.shortest()


def peak(threads: int = 0) -> Peak:
    """What so many threads reach (0: as many as the pool has). Measured once in a process, which
    takes about a second."""
    return _measured(threads or pool.get_num_threads())


@cache
def _measured(threads: int) -> Peak:
    return Peak(
        threads,
        {dtype: flops(dtype, threads) for dtype in SIZES},
        bandwidth(CACHED // 2, threads),
        bandwidth(MEMORY, threads),
    )
