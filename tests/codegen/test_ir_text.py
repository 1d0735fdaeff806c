"""The writer of LLVM IR text."""

from __future__ import annotations

import ctypes
import itertools

import numpy as np
import pytest

from flambeau.codegen.ir_text import Code, masks_well, vector
from flambeau.codegen.kernel import Kernel

from .specials_runner import AVX2, HOST, NEON, TARGETS, assembly, native

_numbers = itertools.count()


def called(write, target, *arrays: np.ndarray, begin: int = 0, end: int = 0) -> None:
    """Runs a kernel that `write` writes, with the arrays as its first arguments."""

    def emit(target, symbol) -> str:
        c = Code(target, symbol)
        write(c, *[c.buffer() for _ in arrays])
        return c.text()

    kernel = Kernel("k", ("test", next(_numbers)), emit)
    table = (ctypes.c_int64 * len(arrays))(*[a.ctypes.data for a in arrays])
    args = (ctypes.c_int64 * (2 * len(arrays)))(*[w for k in range(len(arrays)) for w in (k, 0)])
    native(kernel, target)(table, args, begin, end, 0)


def test_numbers_are_folded() -> None:
    c = Code(HOST, "k")
    two = c.int(2)
    assert ((two + 3) * 4 - 1).number == 19
    assert (two.min(1).number, two.max(5).number, (two * 7 // 4).number) == (1, 5, 3)
    x = c.word()
    assert (x + 0) is x and (x * 1) is x
    assert c.const("float", 0.1).text == "0x3FB99999A0000000"


@pytest.mark.parametrize("target", TARGETS)
def test_loops_branches_and_variables(target) -> None:
    out = np.zeros(4, np.int64)

    def write(c: Code, y) -> None:
        odd, even = c.var(c.int(0)), c.var(c.int(0))
        with c.loop(c.begin, c.end) as i, c.loop(0, i, 2):
            c.choose(
                (i % 2).compare("eq", 1),
                lambda: odd.set(odd.get() + i), lambda: even.set(even.get() + 1),
            )  # fmt: skip
        left = c.var(c.end)
        with c.loop_while(lambda: left.get() > 3):
            left.set(left.get() - 2)
        with c.when(left.get().compare("eq", 2)):
            c.store(c.int(-1), y, 3)
        for k, v in enumerate((odd, even, left)):
            c.store(v.get(), y, k)

    called(write, target, out, end=6)
    want = [sum(i for i in range(6) if i % 2 for _ in range(0, i, 2)), 3, 2, -1]
    assert out.tolist() == want


@pytest.mark.parametrize("target", TARGETS)
def test_masks_and_lanes(target) -> None:
    lanes = target.vector_bytes // 4
    x, y = np.arange(lanes, dtype=np.float32), np.zeros(2 * lanes, np.float32)

    def write(c: Code, x, y) -> None:
        mask = c.below(c.end, lanes)
        v = c.load(vector("float", lanes), x, 0, mask, -1.0)
        c.store(v + 1.0, y, 0, mask)
        turned = c.shuffle(v, v, range(lanes - 1, -1, -1))
        c.store(c.select(turned > 0.0, turned, c.const(v.type, 9)), y, lanes)

    called(write, target, x, y, end=3)
    assert y[:lanes].tolist() == [1, 2, 3] + [0] * (lanes - 3)
    assert y[lanes:].tolist() == [9] * (lanes - 3) + [2, 1, 9]
    called(write, target, x, y, end=-5)
    assert y[lanes:].tolist() == [9] * lanes


def test_masks_are_known_to_be_cheap() -> None:
    assert masks_well(AVX2, "float") and not masks_well(AVX2, "i8") and not masks_well(NEON, "float")

    def emit(target, symbol) -> str:
        c = Code(target, symbol)
        x = c.buffer()
        c.store(c.load("<4 x float>", x) * 2.0, x)
        return c.text()

    assert "kernel" in assembly(Kernel("k", "k", emit), NEON)
