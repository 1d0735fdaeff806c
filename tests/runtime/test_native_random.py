"""Native draws beside NumPy's: the same bits, and the same state afterwards."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from flambeau.runtime import native, native_random, random_kernels
from flambeau.runtime.random import Generator

pytestmark = pytest.mark.skipif(native_random.prepare() is None, reason=native_random.reason())

SIZES = [0, 1, 2, 7, 15, 16, 17, 32, 33, 48, 100, 383, 385, 624, 767, 769, 3333]
MASKS = ["bool", "uint8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"]

Draw = Callable[[Generator, int], np.ndarray]

DRAWS: dict[str, Draw] = {
    "words": lambda g, n: g.words(n),
    "words64": lambda g, n: g.words64(n),
    "singles": lambda g, n: g.singles(n),
    "doubles": lambda g, n: g.doubles(n),
    **{
        f"uniform {dtype} {low} {high}": lambda g, n, a=(dtype, low, high): g.uniform(n, *a)
        for dtype in ("float16", "bfloat16", "float32", "float64", "complex64")
        for low, high in (
            (0, 1), (-1, 1), (0, 5), (-0.3, 0.7), (2, 2), (1e-3, 0.1), (100, 101), (-0.0, 3),
            (1, 1 + 2**-23), (0, 1e-42), (60000, 60100),
        )
    },
    **{
        f"normal {dtype} {mean} {std}": lambda g, n, a=(dtype, mean, std): g.normal(n, *a)
        for dtype in ("float16", "bfloat16", "float32", "float64", "complex128")
        for mean, std in ((0, 1), (0, 0.02), (1, 2), (-0.5, 0.1), (3.3, 0), (0.1, 1), (1e4, 1e-3),
                          (0, 1e-43), (1e-40, 1e-40), (-0.0, 1), (0, 0))
    },
    "tiny": lambda g, n: g.normal(n, "float64", -1e300, 1e-310),
    "huge": lambda g, n: g.uniform(n, "float64", -1e300, 1e300),
    "normal with gaps": lambda g, n: g.normal(n, contiguous=False),
    "log_normal": lambda g, n: g.log_normal(min(n, 100)),
    **{
        f"bernoulli {dtype} {p}": lambda g, n, a=(dtype, p): g.bernoulli(n, *a)
        for dtype in MASKS
        for p in (0.7, 0, 1, math.nextafter(1, 0), 2**-53, 5e-324)
    },
    "bernoulli of an array": lambda g, n: g.bernoulli(n, "float32", np.linspace(0, 1, n)),
    "randperm": lambda g, n: g.randperm(n),
    "randperm int16": lambda g, n: g.randperm(n, "int16"),
    **{
        f"randint {dtype} {low} {high}": lambda g, n, a=(dtype, low, high): g.random(n, *a)
        for dtype in ("int32", "int64", "int16", "float32")
        for low, high in ((None, None), (-3, 1000), (5, 6), (0, 2), (7, 10), (-100, 32000))
    },
    **{
        f"randint {high}": lambda g, n, a=("int32", high - (1 << 28) + 1, high): g.random(n, *a)
        for high in (1 << 27, (1 << 28) - 1, (1 << 28) - 58, (1 << 31) - 1)
    },
    "randint 64": lambda g, n: g.random(n, "int64", 0, 2**60 + 3),
    **{
        f"exponential {dtype}": lambda g, n, a=(dtype, rate): g.exponential(n, *a)
        for dtype, rate in (("float64", 1), ("float32", 0.3), ("float16", 2), ("bfloat16", 1))
    },
    "multinomial": lambda g, n: g.multinomial(np.linspace(0, 1, n + 2), 1 + n // 2),
    "next_double": lambda g, n: np.array([g.next_double() for _ in range(min(n, 40))]),
    "poisson": lambda g, n: g.poisson(np.linspace(0, 20, min(n, 30))),
}  # fmt: skip


@pytest.fixture(autouse=True)
def kernels() -> Iterator[native_random.Kernels]:
    made = native_random.prepare()
    assert made is not None
    yield made
    native_random.kernels = made


def by_numpy(draw: Callable[[], Any]) -> Any:
    kept, native_random.kernels = native_random.kernels, None
    try:
        return draw()
    finally:
        native_random.kernels = kept


def bits(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8)


class Pair:
    """Two generators, of which one draws natively and the other one through NumPy."""

    def __init__(self, seed: int) -> None:
        self.native = Generator().manual_seed(seed)
        self.numpy = Generator().manual_seed(seed)

    def same(self, draw: Draw, size: int) -> None:
        made, expected = draw(self.native, size), by_numpy(lambda: draw(self.numpy, size))
        assert made.shape == expected.shape and made.dtype == expected.dtype
        np.testing.assert_array_equal(bits(made), bits(expected))

    def same_state(self) -> None:
        np.testing.assert_array_equal(self.native.get_state(), self.numpy.get_state())


@pytest.mark.parametrize("name", DRAWS)
def test_the_same_numbers_and_state(name: str) -> None:
    pair = Pair(len(name))
    for size in SIZES:
        pair.same(DRAWS[name], size)
        pair.same_state()


@pytest.mark.parametrize("seed", range(5))
def test_in_any_order(seed: int) -> None:
    pair, choice = Pair(seed), np.random.default_rng(seed)
    draws = list(DRAWS.values())
    for _ in range(200):
        draw, size = draws[choice.integers(len(draws))], SIZES[choice.integers(len(SIZES))]
        pair.same(draw, size)
    pair.same_state()


@pytest.mark.parametrize("seed", range(3))
def test_one_generator_goes_from_one_path_to_the_other(seed: int) -> None:
    pair, choice = Pair(seed), np.random.default_rng(seed)
    draws = list(DRAWS.values())
    for _ in range(300):
        draw, size = draws[choice.integers(len(draws))], SIZES[choice.integers(len(SIZES))]
        kept = native_random.kernels
        native_random.kernels = kept if choice.random() < 0.5 else None
        made = draw(pair.native, size)
        native_random.kernels = kept
        expected = by_numpy(lambda: draw(pair.numpy, size))
        np.testing.assert_array_equal(bits(made), bits(expected))
    pair.same_state()


def test_shapes() -> None:
    generator = Generator()
    for shape in ((), (0, 3), (3, 0), (2, 3, 4), [5, 7]):
        assert generator.bernoulli(shape, "bool", 0.5).shape == tuple(shape)
        assert generator.uniform(shape).shape == tuple(shape)
        assert generator.normal(shape).shape == tuple(shape)


def test_an_empty_draw_leaves_a_seeded_state_alone() -> None:
    generator = Generator().manual_seed(3)
    before = generator.get_state()
    for name, draw in DRAWS.items():
        if name != "multinomial":
            draw(generator, 0)
    np.testing.assert_array_equal(generator.get_state(), before)


def test_seeds_states_and_copies() -> None:
    pair = Pair(3)
    for g in (pair.native, pair.numpy):
        g.bernoulli(1000, "bool")
        state = g.get_state()
        g.uniform(700)
        g.manual_seed(9)
        g.normal(7)
        twin = g.clone_state()
        np.testing.assert_array_equal(twin.normal(99), g.normal(99))
        g.set_state(state)
    pair.same(DRAWS["words"], 700)
    pair.same_state()


@pytest.mark.parametrize("size", [20001, (1 << 18) + 5])
def test_many(size: int) -> None:
    pair = Pair(1)
    for draw in ("normal", "uniform", "bernoulli", "random"):
        pair.same(lambda g, n, draw=draw: getattr(g, draw)(n), size)


@pytest.mark.parametrize("width", [16, 32])
def test_other_widths_of_vectors(width: int) -> None:
    native_random.kernels = of_width(width)
    pair = Pair(width)
    for size in (3, 33, 48, 625, 2000):
        for draw in DRAWS.values():
            pair.same(draw, size)
    pair.same_state()


def of_width(width: int) -> native_random.Kernels:
    host = native.host(32)
    if host.vector_bytes < width:
        pytest.skip(f"no vectors of {width} bytes here")
    return native_random.Kernels(host._replace(vector_bytes=width))


def test_code_for_arm() -> None:
    arm = native.Host("aarch64-unknown-linux-gnu", "neoverse-n1", "", 16, 32, False)
    code = native.assembly(random_kernels.text("table", 16, True), arm)
    assert "fmla\tv" in code and "fmaf" not in code


def test_threads_share_a_stream() -> None:
    generator, parts = Generator().manual_seed(1), []

    def draw() -> None:
        for _ in range(20):
            parts.append(generator.words(5000))

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = Generator().manual_seed(1).words(20 * 4 * 5000)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.sort(expected))


def _python(code: str, **environment: str) -> str:
    code = f"import sys; sys.path[:0] = {sys.path!r}\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


REPEAT = """
import time
from flambeau.runtime import native_random
from flambeau.runtime.random import Generator
g = Generator().manual_seed(1)
assert native_random.kernels is None and 'llvmlite' not in sys.modules
until, drawn = time.time() + 60, 0
while native_random.kernels is None and drawn < LIMIT and time.time() < until:
    g.bernoulli(50000, 'bool')
    drawn += 1
print(native_random.kernels is not None)
"""


def test_kernels_come_by_themselves() -> None:
    assert _python(REPEAT.replace("LIMIT", "1e9"), FLAMBEAU_COMPILE="background") == "True"


def test_kernels_come_at_once_where_compiling_is_synchronous() -> None:
    assert _python(REPEAT.replace("LIMIT", "15"), FLAMBEAU_COMPILE="sync") == "True"


def test_no_kernels_where_nothing_is_compiled() -> None:
    code = REPEAT.replace("LIMIT", "50") + "print('llvmlite' in sys.modules)"
    assert _python(code, FLAMBEAU_COMPILE="off") == "False\nFalse"


def test_without_llvm_numpy_draws() -> None:
    code = "sys.modules['llvmlite'] = None\n" + REPEAT.replace(
        "assert native_random.kernels is None and 'llvmlite' not in sys.modules", ""
    ).replace("LIMIT", "50")
    code += "print(native_random.prepare(), 'llvmlite' in native_random.reason())"
    assert _python(code) == "False\nNone True"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_a_child_goes_on() -> None:
    expected = Generator().manual_seed(1)
    expected.uniform(9)
    generator = Generator().manual_seed(1)
    generator.uniform(9)
    child = os.fork()
    if child == 0:
        same = np.array_equal(generator.normal(100), by_numpy(lambda: expected.normal(100)))
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0
