"""Matrix products and the micro-kernels under them, against NumPy in float64."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest

from flambeau.codegen import microkernel
from flambeau.codegen.gemm import plan_matmul
from flambeau.codegen.gemm_kernels import KERNEL, gemm_kernel
from flambeau.codegen.kernel import Buf, Kernel, Launch, Target
from flambeau.codegen.llvm_text import Function, vector_attributes

from .gemm_runner import AVX2, HOST, NEON, TARGETS, Bench, assembly

TOLERANCE = {"float16": 4e-3, "float32": 2e-5, "float64": 1e-12}
GUARD = 64


def bare(name: str, dtype: str) -> Kernel:
    """A micro-kernel as a kernel: buffers A, B, C, then its numbers in order."""
    suffix = microkernel.SUFFIX[dtype]
    counts = {"gemm": (2, 2, 1), "gemm_nt": (1, 1, 2)}[name]

    def emit(target: Target, symbol: str) -> str:
        f = Function(symbol, KERNEL, vector_attributes(target), linkage="")
        words = itertools.count(6)
        args = []
        for i, strides in enumerate(counts):
            base = f.load("ptr", f.gep("%table", f.mul(f.argument("%args", 2 * i), 8)), 8)
            args.append(f"ptr {f.gep(base, f.argument('%args', 2 * i + 1))}")
            args += [f"i64 {f.argument('%args', next(words))}" for _ in range(strides)]
        args += [f"i64 {f.argument('%args', next(words))}" for _ in range(4)]
        f.do(f"call void @{name}_{suffix}({', '.join(args)})")
        lines = sorted(microkernel.declares(target, dtype))
        return "\n".join([*lines, microkernel.emit_gemm(target, dtype), f.finish()])

    return Kernel(name, ("bare", name, dtype), emit)


def guarded(shape: tuple[int, ...], dtype: str, rng: Any) -> tuple[np.ndarray, np.ndarray]:
    """(a buffer with NaN at both ends, the array of random numbers in the middle)."""
    count = int(np.prod(shape))
    whole = np.full(count + 2 * GUARD, np.nan, dtype)
    whole[GUARD : GUARD + count] = rng.standard_normal(count)
    return whole, whole[GUARD : GUARD + count].reshape(shape)


def run_bare(target: Target, name: str, dtype: str, arrays: Any, numbers: list[int]) -> None:
    bench = Bench()
    placed = [bench.place(middle, whole) for whole, middle in arrays]
    size = np.dtype(dtype).itemsize
    args = (*(Buf(p.slot, GUARD * size) for p in placed), *numbers)
    bench.run([Launch(bare(name, dtype), args, 1, 0, 0)], target)


SIZES = [(0, 5, 3), (3, 0, 3), (1, 1, 1), (1, 200, 7), (2, 65, 5), (3, 33, 0), (4, 100, 9), (6, 64, 4),
         (7, 31, 5), (13, 17, 3), (14, 32, 16), (15, 48, 2), (29, 70, 21)]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: f"{t.vector_bytes}")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_microkernel(target: Target, dtype: str) -> None:
    rng = np.random.default_rng(0)
    panel = microkernel.tile(target, dtype)[1]
    for (m, n, k), add, packed in itertools.product(SIZES, (0, 1), (False, True)):
        a, b, c = (guarded(s, dtype, rng) for s in ((m, k), (k, n), (m, n + 3)))
        want = (c[1][:, :n] if add else 0) + a[1].astype(float) @ b[1].astype(float)
        rest = c[1][:, n:].copy()
        given, strides = b, (n, panel)
        if packed:  # what lies beyond the last column may not be read
            given = guarded((-(-n // panel), k, panel), dtype, rng)
            given[0][:] = np.nan
            for j in range(n):
                given[1][j // panel, :, j % panel] = b[1][:, j]
            strides = (panel, k * panel)
        numbers = [k, 1, *strides, n + 3, m, n, k, add]
        run_bare(target, "gemm", dtype, (a, given, c), numbers)
        np.testing.assert_allclose(c[1][:, :n], want, TOLERANCE[dtype], TOLERANCE[dtype])
        assert (c[1][:, n:] == rest).all() and np.isnan(c[0][:GUARD]).all()


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: f"{t.vector_bytes}")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_microkernel_of_dots(target: Target, dtype: str) -> None:
    rng = np.random.default_rng(0)
    for (m, n, k), add in itertools.product(SIZES, (0, 1)):
        a, b, c = (guarded(s, dtype, rng) for s in ((m, k), (n, k), (n, m + 2)))
        want = (c[1].T[:m] if add else 0) + a[1].astype(float) @ b[1].T.astype(float)
        rest = c[1][:, m:].copy()
        run_bare(target, "gemm_nt", dtype, (a, b, c), [k, k, 1, m + 2, m, n, k, add])
        np.testing.assert_allclose(c[1].T[:m], want, TOLERANCE[dtype], TOLERANCE[dtype])
        assert (c[1][:, m:] == rest).all()


@pytest.mark.parametrize("target", [HOST, AVX2, NEON], ids=lambda t: t.cpu)
def test_nothing_spills(target: Target) -> None:
    """No vector register goes to the stack within a tile."""
    for dtype in ("float32", "float64"):
        text = assembly(gemm_kernel(dtype, False), target)
        tiles = re.findall(r"^tile_f\w+:(.*?)^\.Lfunc_end", text, re.M | re.S)
        assert len(tiles) >= 18
        for body in tiles:
            stack = r"mov[au]p[sd].*\(%rsp\)|(?:str|ldr|stp|ldp)\s+q\d+.*\[sp"
            kept = [x for x in re.findall(stack, body) if not re.search(r"\bq(8|9|1[0-5])\b", x)]
            assert not kept, kept
            assert re.search(r"fmadd|fmla|mul[ps][sd]", body)


class Case:
    """A product on arrays of any strides: buffers, and what is around them."""

    def __init__(self, rng: Any, batch: list[int], mnk: tuple[int, int, int], dtype: str) -> None:
        self.rng, self.dtype, self.bench = rng, dtype, Bench()
        m, n, k = mnk
        self.a, self.b = self.operand([*batch, m, k]), self.operand([*batch, k, n])
        self.c = self.strided([*batch, m, n])
        self.accumulate = bool(rng.random() < 0.4)
        self.bias: Any = None
        if rng.random() < 0.4:
            shape = [n if rng.random() < 0.4 else 1 for n in (*batch, m, n)]
            self.bias = self.strided(shape[int(rng.integers(0, len(shape))) :])

    def strided(self, shape: list[int]) -> Any:
        """(buffer, view): transposed, stepped or reversed."""
        rng = self.rng
        order = rng.permutation(len(shape)) if rng.random() < 0.5 else np.arange(len(shape))
        steps = [2 if rng.random() < 0.1 else 1 for _ in shape]
        extents = [shape[i] * steps[i] + int(rng.random() < 0.2) for i in order]
        whole, middle = guarded(tuple(extents), self.dtype, rng)
        view = middle.transpose(np.argsort(order))
        view = view[tuple(slice(0, n * s, s) for n, s in zip(shape, steps))]
        return whole, view[::-1] if rng.random() < 0.1 else view

    def operand(self, shape: list[int]) -> Any:
        """Maybe broadcast."""
        whole, view = self.strided([1 if self.rng.random() < 0.15 else n for n in shape])
        return whole, np.broadcast_to(view, shape)

    def check(self, target: Target) -> None:
        (_, a), (_, b), (whole, c) = self.a, self.b, self.c
        before = whole.copy()
        want = a.astype(float) @ b.astype(float)
        want = want + (self.bias[1].astype(float) if self.bias else 0)
        want = want + (c.astype(float) if self.accumulate else 0)
        placed = [self.bench.place(view, base) for base, view in (self.a, self.b, self.c)]
        bias = self.bench.place(self.bias[1], self.bias[0]) if self.bias else None
        launches = plan_matmul(self.bench, *placed, accumulate=self.accumulate, bias=bias)
        self.bench.run(launches, target)
        tolerance = TOLERANCE[self.dtype] * (1 + a.shape[-1] ** 0.5)
        np.testing.assert_allclose(c, want, tolerance, tolerance)
        bits = whole.copy()
        c[...] = before_of(c, whole, before)
        assert bytes(whole) == bytes(before), "wrote outside of c"
        self.bench.run(launches, target, pieces=5)
        assert bytes(whole) == bytes(bits), "other bits in other pieces"


def before_of(view: np.ndarray, whole: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The same view of a copy of the buffer."""
    start = view.ctypes.data - whole.ctypes.data if view.size else 0
    return np.ndarray(view.shape, view.dtype, before, start, view.strides)


def sizes(rng: Any) -> tuple[int, int, int]:
    some = [0, 1, 1, 2, 3, 5, 8, 15, 16, 17, 31, 33, 40, 64, 70, 100, 130]
    m, n, k = (int(rng.choice(some)) for _ in range(3))
    long = int(rng.integers(0, 12))
    return (m, n, 1500) if long == 0 else (m, 700, k) if long == 1 else (m, n, k)


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: f"{t.vector_bytes}")
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_products(target: Target, dtype: str) -> None:
    """Random sizes, strides, batches, biases; the same bits however the tasks are divided."""
    if dtype == "float16" and target.vector_bytes == 16 and "x86" in target.triple:
        pytest.skip("x86 without F16C")
    rng = np.random.default_rng(1)
    for _ in range(60):
        batch = [int(x) for x in rng.integers(1, 4, int(rng.choice([0, 0, 1, 1, 2, 3, 4])))]
        Case(rng, batch, sizes(rng), dtype).check(target)


def product(a: np.ndarray, b: np.ndarray, dtype: str | None = None) -> tuple[np.ndarray, list[Launch]]:
    bench = Bench()
    c = np.full((*a.shape[:-1], b.shape[-1]), 7, a.dtype)
    placed = [bench.place(x) for x in (a, b, c)]
    if dtype:
        placed = [p._replace(dtype=dtype) for p in placed]
    launches = plan_matmul(bench, *placed)
    bench.run(launches)
    return c, launches


def test_bfloat16_rounds_once_to_even() -> None:
    rng = np.random.default_rng(0)
    a = (rng.standard_normal((20, 30)).astype("f4").view("u4") >> 16).astype("u2")
    b = (rng.standard_normal((30, 40)).astype("f4").view("u4") >> 16).astype("u2")
    a[0, 0] = 0x7FC0  # NaN
    a[1] = 0
    a[1, 0], b[0] = 0x0001, 0x3F80  # the smallest subnormal number, one
    wide = [(x.astype("u4") << 16).view("f4") for x in (a, b)]
    want = (wide[0].astype(float) @ wide[1].astype(float)).astype("f4")
    got = (product(a, b, "bfloat16")[0].astype("u4") << 16).view("f4")
    assert np.isnan(got[0]).all()
    assert (got[1].view("u4") >> 16 == 1).all()
    np.testing.assert_allclose(got[2:], want[2:], 2**-7, 1e-2)


def test_nan_and_infinity_arrive() -> None:
    a = np.ones((3, 40), "f4")
    b = np.ones((40, 50), "f4")
    a[0, 3], a[1, 5], b[5, 7] = np.inf, np.nan, 0
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(product(a, b)[0], a @ b)


def test_a_sum_of_nothing_is_zero() -> None:
    c, launches = product(np.ones((4, 0), "f4"), np.ones((0, 5), "f4"))
    assert launches and (c == 0).all()
    assert product(np.ones((0, 3), "f4"), np.ones((3, 5), "f4"))[1] == []


def test_plans() -> None:
    """What a plan is made of shows in its launches."""
    rng = np.random.default_rng(0)

    def kinds(m: int, n: int, k: int, turn_b: bool = False) -> list[str]:
        a, b = rng.standard_normal((m, k)).astype("f4"), rng.standard_normal((k, n)).astype("f4")
        if turn_b:
            b = np.ascontiguousarray(b.T).T
        c, launches = product(a, b)
        np.testing.assert_allclose(c, a @ b, 1e-3, 1e-3)
        return [x.kernel.name for x in launches]

    assert kinds(4, 120, 400, True) == ["gemm_nt_f32"]
    assert kinds(200, 120, 100, True) == ["gemm_f32"]
    assert kinds(50, 60, 70) == ["gemm_f32"]
    assert kinds(20, 20, 5000)[-1] == "sum_float32_float32"  # chunks of K
    big = product(np.ones((256, 256), "f4"), np.ones((256, 256), "f4"))[1]
    assert big[0].tasks >= 8 and big[0].flops == 2 * 256**3
    assert product(np.ones((4, 4), "f4"), np.ones((4, 4), "f4"))[1][0].tasks == 1


SHAPES = [(300, 48, 70), (130, 300, 130), (40, 700, 100), (1, 600, 900), (10, 700, 300), (9, 48, 400),
          (100, 45, 33), (128, 1024, 64), (16, 40, 300), (600, 16, 20), (60, 300, 900)]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: f"{t.vector_bytes}")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_larger_products(target: Target, dtype: str) -> None:
    """What is packed, streamed, blocked: all transpositions, with and without C."""
    rng = np.random.default_rng(2)
    for (m, n, k), turn_a, turn_b in itertools.product(SHAPES, (0, 1), (0, 1)):
        case = Case(rng, [], (m, n, k), dtype)
        case.a, case.b = (guarded(s[:: 1 - 2 * t], dtype, rng) for s, t in
                          (((m, k), turn_a), ((k, n), turn_b)))  # fmt: skip
        case.a = case.a[0], case.a[1].T if turn_a else case.a[1]
        case.b = case.b[0], case.b[1].T if turn_b else case.b[1]
        case.c = guarded((m, n), dtype, rng)
        case.check(target)


def test_one_kernel_for_all_sizes() -> None:
    keys = {
        launch.kernel.key
        for m, n, k in [(3, 4, 5), (100, 200, 300), (64, 1000, 20)]
        for launch in product(np.ones((m, k), "f4"), np.ones((k, n), "f4"))[1]
    }
    assert keys == {("gemm", "float32")}
