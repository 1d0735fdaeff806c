"""Convolutions as native kernels, against the NumPy kernels of the operations."""

from __future__ import annotations

import ctypes
import math
import random
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from flambeau.codegen import conv
from flambeau.codegen.kernel import Kernel, Launch, Target
from flambeau.codegen.planning import Placed, row_major
from flambeau.ops import conv_kernels
from flambeau.ops.convolution import output_size
from flambeau.runtime import native

pytestmark = pytest.mark.skipif(not native.available(), reason="needs llvmlite")

HOST, NARROW = 64, 32
"""Bytes of a vector, at most."""

NEON = Target("aarch64-unknown-linux-gnu", "neoverse-n1", "+neon", 16, 32, False)


@cache
def target(most: int) -> Target:
    return Target(*native.host(most))


_linked: dict[tuple[str, Target], tuple[native.Library, Callable[..., None]]] = {}


def code(kernel: Kernel, of: Target) -> Callable[..., None]:
    """A kernel's function; each is compiled once."""
    key = (repr(kernel.key), of)
    if key not in _linked:
        library = native.load([native.compile_module(kernel.emit(of, "kernel"), of)], ["kernel"])
        word = ctypes.c_int64
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, word, word, word)
        _linked[key] = (library, kind(library.addresses["kernel"]))
    return _linked[key][1]


class Room:
    """Buffers, in the order of their slots. What a launch gets holds NaN in the beginning."""

    threads = 2

    def __init__(self) -> None:
        self.buffers: list[np.ndarray] = []

    def array(self, a: np.ndarray) -> Placed:
        self.buffers.append(a)
        return Placed(len(self.buffers) - 1, str(a.dtype), a.shape, row_major(a.shape))

    def temporary(self, nbytes: int) -> int:
        raw = np.full(nbytes + 64, 0xFF, np.uint8)
        begin = -raw.ctypes.data % 64
        self.buffers.append(raw[begin : begin + nbytes])
        return len(self.buffers) - 1

    def scratch(self, nbytes: int) -> int:
        assert nbytes % 64 == 0
        return self.temporary(self.threads * nbytes)


def run(room: Room, launches: list[Launch], of: Target, each: bool) -> None:
    """All tasks of every launch; `each`: one by one, backwards, by two threads in turns."""
    table = np.array([b.ctypes.data for b in room.buffers], np.int64)
    for launch in launches:
        words = np.array(launch.words(), np.int64)
        kernel = code(launch.kernel, of)
        if not each:
            kernel(table.ctypes.data, words.ctypes.data, 0, launch.tasks, 0)
            continue
        for i in reversed(range(launch.tasks)):
            kernel(table.ctypes.data, words.ctypes.data, i, i + 1, i % 2)


Plan = Callable[[Room, Placed], "list[Launch] | None"]


def computed(plan: Plan, shape: tuple[int, ...], dtype: str, of: Target) -> np.ndarray:
    """The result in memory between guards; the same bits however tasks are divided."""
    results = []
    for each in (False, True):
        raw = np.full(math.prod(shape) + 32, 7.25, dtype)
        out = raw[16:-16].reshape(shape)
        out[...] = np.nan
        room = Room()
        launches = plan(room, room.array(out))
        assert launches is not None
        run(room, launches, of, each)
        assert (raw[:16] == 7.25).all() and (raw[-16:] == 7.25).all()
        results.append(out)
    assert results[0].tobytes() == results[1].tobytes()
    return results[0]


class Case:
    """Random arrays for one convolution."""

    def __init__(
        self, n: int, groups: int, c: int, o: int, kernel: tuple[int, ...], size: tuple[int, ...],
        stride: int | tuple[int, ...] = 1, padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1, dtype: str = "float32", bias: bool = True,
    ) -> None:  # fmt: skip
        dims = len(kernel)
        many = lambda v: v if isinstance(v, tuple) else (v,) * dims  # noqa: E731
        self.stride, self.padding, self.dilation = many(stride), many(padding), many(dilation)
        self.groups, self.dtype = groups, dtype
        self.out = output_size(size, kernel, self.stride, self.padding, self.dilation)
        rng = np.random.default_rng(0)
        draw = lambda *shape: rng.standard_normal(shape).astype(dtype)  # noqa: E731
        self.x, self.w = draw(n, groups * c, *size), draw(groups * o, c, *kernel)
        self.g = draw(n, groups * o, *self.out)
        self.bias = draw(groups * o) if bias else None

    def check(self, most: int = HOST) -> None:
        """All three convolutions."""
        tail = (self.stride, self.padding, self.dilation, self.groups)
        x, w, g = (a.astype("float64") for a in (self.x, self.w, self.g))
        bias = None if self.bias is None else self.bias.astype("float64")

        def forward(room: Room, y: Placed) -> list[Launch] | None:
            b = None if self.bias is None else room.array(self.bias)
            return conv.plan_forward(room, room.array(self.x), room.array(self.w), b, y, *tail)

        def by_data(room: Room, y: Placed) -> list[Launch] | None:
            return conv.plan_input(room, room.array(self.g), room.array(self.w), y, *tail)

        def by_weight(room: Room, y: Placed) -> list[Launch] | None:
            return conv.plan_weight(room, room.array(self.g), room.array(self.x), y, *tail)

        wanted = conv_kernels.forward(x, w, bias, self.out, *tail)
        self.compare(computed(forward, g.shape, self.dtype, target(most)), wanted)
        wanted = conv_kernels.by_input(g, w, x.shape, *tail)
        self.compare(computed(by_data, x.shape, self.dtype, target(most)), wanted)
        wanted = conv_kernels.by_weight(g, x, w.shape, *tail)
        self.compare(computed(by_weight, w.shape, self.dtype, target(most)), wanted)

    def compare(self, found: np.ndarray, wanted: np.ndarray) -> None:
        """Within a bound relative to the largest value."""
        if wanted.size:
            bound = (2e-5 if self.dtype == "float32" else 1e-12) * max(1.0, np.abs(wanted).max())
            assert np.abs(found - wanted).max() <= bound


def drawn(seed: int, dtype: str) -> Case:
    """Any sizes: kernels larger than the image, strides larger than the kernel, gaps, groups."""
    r = random.Random(seed)
    dims = r.choice([1, 2, 2, 2, 3])
    groups, c, o = r.choice([1, 1, 2, 3]), r.choice([1, 2, 3, 5, 8]), r.choice([1, 3, 6, 8, 13, 33])
    if r.random() < 0.15:
        groups, c, o = 7, 1, 1
    draw = lambda *choices: tuple(r.choice(choices) for _ in range(dims))  # noqa: E731
    kernel, stride, padding = draw(1, 2, 3, 4, 5), draw(1, 1, 2, 3), draw(0, 1, 2, 3)
    dilation = draw(1, 1, 2)
    least = (d * (k - 1) + 1 - 2 * p for k, d, p in zip(kernel, dilation, padding))
    size = tuple(max(1, n) + r.choice([0, 1, 5, 19] if dims < 3 else [0, 1, 5]) for n in least)
    n = r.choice([1, 2, 3, 9])
    return Case(n, groups, c, o, kernel, size, stride, padding, dilation, dtype, r.random() < 0.5)


@pytest.mark.parametrize("seed", range(12))
def test_any_sizes(seed: int) -> None:
    drawn(seed, "float32").check()


@pytest.mark.parametrize("seed", range(100, 103))
def test_float64(seed: int) -> None:
    drawn(seed, "float64").check()


@pytest.mark.parametrize("seed", range(200, 203))
def test_narrow_vectors(seed: int) -> None:
    drawn(seed, "float32").check(NARROW)


@pytest.mark.parametrize(
    "case",
    [
        dict(n=3, groups=1, c=3, o=6, kernel=(5, 5), size=(32, 32)),
        dict(n=5, groups=1, c=6, o=16, kernel=(5, 5), size=(14, 14)),
        dict(n=2, groups=1, c=40, o=40, kernel=(1, 1), size=(9, 9)),
        dict(n=2, groups=1, c=40, o=40, kernel=(1, 1), size=(9, 9), stride=2),
        dict(n=9, groups=1, c=64, o=72, kernel=(3, 3), size=(4, 4), stride=2, padding=1),
        dict(n=2, groups=1, c=3, o=64, kernel=(7, 7), size=(40, 40), stride=2, padding=3),
        dict(n=2, groups=32, c=1, o=1, kernel=(3, 3), size=(20, 20), padding=1),
        dict(n=2, groups=4, c=1, o=3, kernel=(3, 3), size=(9, 9), padding=1, stride=2),
    ],
)
def test_layers_as_they_occur(case: dict) -> None:
    Case(**case).check()


@pytest.mark.parametrize(
    "case",
    [
        dict(n=9, c=40, o=33, size=(4, 4)),  # few tiles
        dict(n=3, c=33, o=40, size=(31, 18)),  # many tiles, their last ones partly filled
    ],
)
def test_winograd(case: dict) -> None:
    whole = Case(**case, groups=1, kernel=(3, 3), padding=1)
    whole.check()
    room = Room()
    x, w, y = room.array(whole.x), room.array(whole.w), room.array(whole.g)
    found = conv.plan_forward(room, x, w, None, y, (1, 1), (1, 1), (1, 1), 1)
    assert found and "winograd" in found[-1].kernel.name


def test_winograds_error_is_bounded() -> None:
    """Below 1e-5 of the largest value, as conv_winograd_steps says."""
    case = Case(1, 1, 256, 32, (3, 3), (16, 16), padding=1, bias=False)
    tail = (case.stride, case.padding, case.dilation, 1)

    def plan(room: Room, y: Placed) -> list[Launch] | None:
        return conv.plan_forward(room, room.array(case.x), room.array(case.w), None, y, *tail)

    found = computed(plan, case.g.shape, "float32", target(HOST))
    x, w = case.x.astype("float64"), case.w.astype("float64")
    wanted = conv_kernels.forward(x, w, None, case.out, *tail)
    assert np.abs(found - wanted).max() < 1e-5 * np.abs(wanted).max()


def test_nothing_to_compute() -> None:
    room = Room()
    x, w = (room.array(np.zeros(s, "float32")) for s in ((0, 3, 8, 8), (4, 3, 3, 3)))
    y = room.array(np.zeros((0, 4, 6, 6), "float32"))
    tail = ((1, 1), (0, 0), (1, 1), 1)
    assert conv.plan_forward(room, x, w, None, y, *tail) == []
    assert conv.plan_input(room, y, w, x, *tail) == []


def test_left_to_numpy() -> None:
    room = Room()
    x, w, y = (room.array(np.zeros(s, "int64")) for s in ((1, 3, 8, 8), (4, 3, 3, 3), (1, 4, 6, 6)))
    assert conv.plan_forward(room, x, w, None, y, (1, 1), (0, 0), (1, 1), 1) is None
    f = room.array(np.zeros((1, 3, 8, 8), "float32"))
    turned = f._replace(strides=(192, 64, 1, 8))
    w, y = (room.array(np.zeros(s, "float32")) for s in ((4, 3, 3, 3), (1, 4, 6, 6)))
    assert conv.plan_forward(room, turned, w, None, y, (1, 1), (0, 0), (1, 1), 1) is None
    # No output channels' positions to add up: zeros, which are not worth a kernel.
    w, dw = (room.array(np.zeros(s, "float32")) for s in ((0, 4, 6, 6), (4, 3, 3, 3)))
    x = room.array(np.zeros((0, 3, 8, 8), "float32"))
    assert conv.plan_weight(room, w, x, dw, (1, 1), (0, 0), (1, 1), 1) is None


def test_infinities_and_nan_stay_where_they_are() -> None:
    case = Case(2, 1, 3, 6, (3, 3), (11, 11), padding=1, bias=False)
    case.x[0, 0, 4, 4], case.x[1, 2, 10, 10] = np.nan, np.inf
    tail = (case.stride, case.padding, case.dilation, 1)

    def plan(room: Room, y: Placed) -> list[Launch] | None:
        return conv.plan_forward(room, room.array(case.x), room.array(case.w), None, y, *tail)

    found = computed(plan, case.g.shape, "float32", target(HOST))
    wanted = conv_kernels.forward(case.x, case.w, None, case.out, *tail)
    assert (np.isnan(found) == np.isnan(wanted)).all()
    assert (np.isinf(found) == np.isinf(wanted)).all()


@pytest.mark.parametrize(("dtype", "stride"), [("float32", 1), ("float64", 2)])
def test_compiles_for_other_machines(dtype: str, stride: int) -> None:
    case = Case(2, 1, 40, 40, (3, 3), (18, 18), stride=stride, padding=1, dtype=dtype)
    room = Room()
    x, w, y = room.array(case.x), room.array(case.w), room.array(case.g)
    tail = (case.stride, case.padding, case.dilation, 1)
    for found in (
        conv.plan_forward(room, x, w, None, y, *tail),
        conv.plan_input(room, y, w, x, *tail),
        conv.plan_weight(room, y, x, w, *tail),
    ):
        assert found
        for launch in found:
            text = native.assembly(launch.kernel.emit(NEON, "kernel"), NEON)
            assert "fmla" in text or launch.flops < max(l.flops for l in found)
