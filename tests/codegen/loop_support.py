"""Random loops, their memory, and runs of their kernels beside `loop_numpy`.

Operands lie flush against pages that can't be touched, at their end or at their beginning, so that
an access outside is a crash.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import random
from typing import Any, NamedTuple

import numpy as np

from flambeau.codegen import loop_llvm, loop_numpy, loop_text
from flambeau.codegen.kernel import Target
from flambeau.codegen.loop import DTYPES, Access, Loop, words
from flambeau.graph import elementwise
from flambeau.runtime import native

NEON = Target("aarch64-unknown-linux-gnu", "neoverse-n1", "", 16, 32, False)
SIGNATURE = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 3)


def targets() -> list[Target]:
    """What this machine can run: its widest vectors, and narrower ones."""
    wide, narrow = Target(*native.host()), Target(*native.host(32))
    return [wide, narrow] if wide != narrow else [wide]


class Compiled:
    """A kernel in memory."""

    def __init__(self, loop: Loop, target: Target) -> None:
        text = loop_llvm.kernel(loop).emit(target, "kernel_under_test")
        self.library = native.load([native.compile_module(text, target)], ["kernel_under_test"])
        self.call = SIGNATURE(self.library.addresses["kernel_under_test"])


# --- memory -------------------------------------------------------------------------------------

NUMPY = {d: np.dtype("uint16" if d == "bfloat16" else d) for d in DTYPES}
_libc = ctypes.CDLL(None)


class Guarded:
    """`count` bytes between two pages that can't be touched, flush with one of them."""

    def __init__(self, count: int, at_end: bool) -> None:
        page = mmap.PAGESIZE
        pages = max(-(-count // page), 1)
        self.map = mmap.mmap(-1, (pages + 2) * page)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
        for edge in (start, start + (pages + 1) * page):
            _libc.mprotect(ctypes.c_void_p(edge), page, 0)
        offset = page + (pages * page - count if at_end else 0)
        self.bytes = np.frombuffer(self.map, np.uint8, count, offset)
        self.inside = np.frombuffer(self.map, np.uint8, pages * page, page)


class Memory(NamedTuple):
    """One operand's: its buffer, its view over all dimensions (and the index's), its access."""

    guarded: Guarded
    view: Any
    access: Access


def place(
    rng: random.Random, slot: int, dtype: str, shape: tuple[int, ...], strides: tuple[int, ...],
    gather: tuple[int, int] | None = None,
) -> Memory:  # fmt: skip
    """Memory for elements `strides` (in elements) apart; `gather` is (positions, stride)."""
    size = DTYPES[dtype]
    dims = [*zip(shape, strides), *([gather] if gather else [])]
    span = sum((n - 1) * s for n, s in dims) + 1 if all(n for n, _ in dims) else 0
    guarded = Guarded(span * size, rng.random() < 0.7)
    flat = guarded.bytes.view(NUMPY[dtype])
    view = np.lib.stride_tricks.as_strided(
        flat, [n for n, _ in dims], [s * size for _, s in dims], writeable=True
    )
    access = Access(slot, 0, tuple(s * size for s in strides), gather[1] * size if gather else 0)
    return Memory(guarded, view, access)


def fill(rng: np.random.Generator, flat: Any, dtype: str, special: bool) -> None:
    """Small numbers; floats are integers, and with `special` also NaN and infinities."""
    n = flat.size
    if dtype == "bool":
        flat[:] = rng.integers(0, 2, n)
    elif dtype == "bfloat16":
        flat[:] = elementwise.cast(rng.integers(-4, 5, n).astype(np.float32), "float32", "bfloat16")
    elif dtype.startswith("float"):
        flat[:] = rng.integers(-4, 5, n)
        if special:
            where = rng.integers(0, 12, n)
            flat[where == 0] = math.nan
            flat[where == 1] = math.inf
            flat[where == 2] = -math.inf
    else:
        kind = np.iinfo(NUMPY[dtype])
        flat[:] = rng.integers(max(kind.min, -9), 10, n, endpoint=True, dtype=NUMPY[dtype])
        flat[rng.integers(0, 9, n) == 0] = kind.min
        flat[rng.integers(0, 9, n) == 0] = kind.max


class Setup(NamedTuple):
    """A loop with its sizes and operands."""

    loop: Loop
    extents: tuple[int, ...]
    block: int
    memory: list[Memory]
    numbers: list[float]

    @property
    def tasks(self) -> int:
        n = self.extents[0]
        return -(-n // self.block) if self.loop.dense else n


def execute(setup: Setup, compiled: Compiled, ranges: list[tuple[int, int]]) -> None:
    """Run a kernel's tasks, range by range."""
    table = [m.guarded.bytes.ctypes.data for m in setup.memory]
    for kind, x in zip(setup.loop.numbers, setup.numbers):
        table.append(int(np.float64(x).view(np.int64)) if kind == "float64" else int(x))
    first = len(setup.memory)
    slots = tuple(range(first, first + len(setup.numbers)))
    args = words(
        setup.loop, setup.extents, tuple(m.access for m in setup.memory), slots, setup.block
    )
    a, t = np.array(args, np.int64), np.array(table, np.int64)
    for begin, end in ranges:
        compiled.call(t.ctypes.data, a.ctypes.data, begin, end, 0)


def reference(setup: Setup) -> list[Any]:
    """What the outputs' buffers should hold, all bytes of their pages."""
    saved = [m.guarded.inside.copy() for m in setup.memory]
    loop_numpy.run(setup.loop, setup.extents, [m.view for m in setup.memory], setup.numbers)
    outputs = setup.memory[len(setup.loop.inputs) :]
    want = [m.guarded.inside.copy() for m in outputs]
    for m, s in zip(setup.memory, saved):
        m.guarded.inside[:] = s
    return want


def check(
    setup: Setup, target: Target, rng: random.Random, loose: set[int], seed: Any = None
) -> None:
    """Compare a kernel with NumPy: outputs in `loose` within rounding, others exactly. Any split
    of the tasks gives the same bits."""
    compiled = Compiled(setup.loop, target)
    want = reference(setup)
    n = setup.tasks
    cuts = sorted(rng.randint(0, n) for _ in range(rng.randint(0, 3)))
    parts = list(zip([0, *cuts], [*cuts, n]))
    rng.shuffle(parts)
    outputs = setup.memory[len(setup.loop.inputs) :]
    before = [m.guarded.inside.copy() for m in outputs]
    execute(setup, compiled, [(0, n)])
    first = [m.guarded.inside.copy() for m in outputs]
    for m, b in zip(outputs, before):
        m.guarded.inside[:] = b
    execute(setup, compiled, parts)
    for k, (m, whole, w) in enumerate(zip(outputs, first, want)):
        where = f"seed {seed}, {target.vector_bytes} bytes, out{k}, {setup.extents}"
        told = f"{where}\n{loop_text.show(setup.loop)}"
        assert np.array_equal(whole, m.guarded.inside), f"depends on the split: {told}"
        dtype = setup.loop.outputs[k].dtype
        compare(whole, w, dtype, k in loose, told)
        m.guarded.inside[:] = before[k]


def compare(got: Any, want: Any, dtype: str, loose: bool, told: str) -> None:
    kind = NUMPY[dtype]
    g, w = got.view(kind), want.view(kind)
    if dtype == "bfloat16":
        g, w = (elementwise.cast(x, "bfloat16", "float32") for x in (g, w))
    if g.dtype.kind != "f":
        assert np.array_equal(g, w), f"{told}\n{g[g != w]} {w[g != w]}"
        return
    with np.errstate(all="ignore"):
        same = (g == w) | (np.isnan(g) & np.isnan(w))
        if loose:
            finite = np.abs(w[np.isfinite(w)])
            near = 1e-3 * max(1.0, float(finite.max(initial=0))) + 1e-3 * np.abs(w)
            same |= np.abs(g - w) <= near
            same |= ~np.isfinite(w)  # Overflow and cancellation may come in another order.
    assert same.all(), f"{told}\n{np.flatnonzero(~same)} {g[~same]} {w[~same]}"
