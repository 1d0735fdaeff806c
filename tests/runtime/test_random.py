"""Draws against numbers that PyTorch 2.13 printed after `manual_seed(1234)`."""

from __future__ import annotations

import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable

import numpy as np
import pytest

from flambeau.runtime.random import Generator, default_generator

Draw = Callable[[Generator], np.ndarray]
WEIGHTS = np.array([[0.1, 0.2, 0.3, 0.4], [4, 3, 2, 1]], np.float32)


def seeded() -> Generator:
    return Generator().manual_seed(1234)


FLOAT32: dict[str, tuple[Draw, list[float]]] = {
    "uniform": (
        lambda g: g.uniform(5),
        [
            0.028979241847991943,
            0.4018985629081726,
            0.25984418392181396,
            0.3666413426399231,
            0.05830073356628418,
        ],
    ),
    "uniform with bounds": (
        lambda g: g.uniform(5, "float32", -0.25, 0.75),
        [
            -0.22102075815200806,
            0.1518985629081726,
            0.009844183921813965,
            0.1166413426399231,
            -0.19169926643371582,
        ],
    ),
    "uniform half": (
        lambda g: g.uniform(5, "float16"),
        [0.0289764404296875, 0.40185546875, 0.259765625, 0.36669921875, 0.05828857421875],
    ),
    "uniform bfloat16": (
        lambda g: g.uniform(5, "bfloat16"),
        [0.0289306640625, 0.40234375, 0.259765625, 0.3671875, 0.058349609375],
    ),
    "a few normal": (
        lambda g: g.normal(5),
        [
            0.0461304634809494,
            0.4024028182029724,
            -1.0115290880203247,
            0.2167382389307022,
            -0.612273097038269,
        ],
    ),
    "sixteen normal": (
        lambda g: g.normal((2, 8))[0],
        [
            -0.1117185652256012,
            -0.49659010767936707,
            0.16307370364665985,
            -0.8816877603530884,
            0.05390019342303276,
            0.668373703956604,
            -0.05965760722756386,
            -0.46749794483184814,
        ],
    ),
    "bernoulli": (
        lambda g: g.bernoulli(12, "float32", 0.3),
        [1, 1, 0, 0, 0, 1, 1, 1, 1, 0, 0, 1],
    ),
    "bernoulli of an array": (
        lambda g: g.bernoulli(12, "float32", np.full(12, 0.3, np.float32)),
        [1, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0],
    ),
    "exponential": (
        lambda g: g.exponential(3, "float32", 2.0),
        [0.13187482953071594, 0.041014011949300766, 0.31406015157699585],
    ),
    "cauchy": (
        lambda g: g.cauchy(3, "float32", 1, 0.5),
        [0.43940651416778564, -0.9795113801956177, 0.9470341205596924],
    ),
    "log_normal": (
        lambda g: g.log_normal(3, "float32", 0.5, 0.25),
        [1.667845368385315, 1.8232136964797974, 1.2803298234939575],
    ),
    "poisson": (
        lambda g: g.poisson(np.array([0.5, 3, 20, 100], np.float32)),
        [0, 1, 19, 93],
    ),
    "gamma": (
        lambda g: g.standard_gamma(np.array([0.5, 3, 20], np.float32)),
        [1.5278927087783813, 3.633683443069458, 19.305017471313477],
    ),
    "binomial": (
        lambda g: g.binomial(
            np.array([5, 40, 1000], np.float32), np.array([0.3, 0.9, 0.5], np.float32)
        ),
        [1, 36, 487],
    ),
}

FLOAT64: dict[str, tuple[Draw, list[float]]] = {
    "uniform": (
        lambda g: g.uniform(3, "float64"),
        [0.2318341720884639, 0.07875386135027063, 0.46640616040796923],
    ),
    "a few normal": (
        lambda g: g.normal(3, "float64"),
        [0.04613046189666927, 0.4024028259218943, -1.0115290977852016],
    ),
    "sixteen normal": (
        lambda g: g.normal(16, "float64")[:3],
        [-0.0883100793877292, 0.34204875400356316, 0.41116805645419313],
    ),
}

INTEGERS: dict[str, tuple[Draw, list[int]]] = {
    "small range": (lambda g: g.random(8, "int64", -3, 10), [-2, -3, 3, 9, 9, 5, 8, 5]),
    "large range": (
        lambda g: g.random(4, "int64", 0, 2**40),
        [204000912083, 166721346613, 878802328948, 656147994617],
    ),
    "default int64": (lambda g: g.random(2), [3532910284440527571, 2252509165406510133]),
    "all 64 bits": (
        lambda g: g.random(2, "int64", -(2**63)),
        [3532910284440527571, -6970862871448265675],
    ),
    "default int8": (lambda g: g.random(5, "int8"), [47, 83, 38, 53, 76]),
    "default bool": (lambda g: g.random(8, "bool"), [1, 1, 0, 1, 0, 0, 0, 1]),
    "default float32": (lambda g: g.random(3, "float32"), [486142, 6742612, 4359303]),
    "permutation": (lambda g: g.randperm(12), [3, 1, 8, 5, 2, 6, 0, 7, 11, 9, 4, 10]),
    "geometric": (lambda g: g.geometric(6, "int64", 0.2), [7, 12, 4, 4, 5, 6]),
    "multinomial": (lambda g: g.multinomial(WEIGHTS[0], 3), [1, 3, 2]),
    "multinomial with replacement": (
        lambda g: g.multinomial(WEIGHTS, 5, True).reshape(-1),
        [1, 0, 2, 2, 2, 0, 0, 0, 0, 3],
    ),
}

# crc32 of the numbers and of the state afterwards. Nothing here depends on the C library.
CHECKSUMS: dict[str, tuple[Draw, int, int]] = {
    "uniform": (lambda g: g.uniform(5000), 0x7BBF6B9C, 0x2CC1B86F),
    "uniform bounds": (lambda g: g.uniform(5000, "float32", -1, 2), 0x011A993A, 0x2CC1B86F),
    "uniform half": (lambda g: g.uniform(5000, "float16", -1, 2), 0x9FAC018F, 0x2CC1B86F),
    "uniform double": (lambda g: g.uniform(5000, "float64"), 0x0E72C3B3, 0xEB6D79B9),
    "uniform double bounds": (
        lambda g: g.uniform(5000, "float64", -1, 2),
        0x43BC1049,
        0xEB6D79B9,
    ),
    "normal": (lambda g: g.normal(5003), 0xF1A8485B, 0xC9BC2F01),
    "normal, scaled": (lambda g: g.normal(40000, "float32", 0.5, 2), 0x1B5CD71D, 0xFDFF295F),
    "normal half": (lambda g: g.normal(5003, "float16"), 0x74033B40, 0x0E91D5FE),
    "normal bfloat16": (lambda g: g.normal(5003, "bfloat16"), 0xCBC7A69D, 0x0E91D5FE),
    "normal complex": (lambda g: g.normal(2501, "complex64"), 0x6175595A, 0x560917FF),
    "integers": (lambda g: g.random(5000, "int64", 0, 1000), 0x1F27981A, 0x2CC1B86F),
    "permutation": (lambda g: g.randperm(60000), 0x311D1437, 0x80B38566),
    "bernoulli": (lambda g: g.bernoulli(40000, "float32", 0.3), 0xA1FF1F5C, 0x38220D5D),
}


@pytest.mark.parametrize("name", FLOAT32)
def test_float_draws_are_pytorchs(name: str) -> None:
    draw, expected = FLOAT32[name]
    np.testing.assert_array_equal(draw(seeded()).astype(np.float64), np.array(expected))


@pytest.mark.parametrize("name", FLOAT64)
def test_double_draws_are_pytorchs(name: str) -> None:
    draw, expected = FLOAT64[name]
    np.testing.assert_allclose(draw(seeded()), expected, rtol=1e-15)


@pytest.mark.parametrize("name", INTEGERS)
def test_integer_draws_are_pytorchs(name: str) -> None:
    draw, expected = INTEGERS[name]
    assert draw(seeded()).astype(np.int64).tolist() == expected


@pytest.mark.parametrize("name", CHECKSUMS)
def test_many_draws_are_pytorchs(name: str) -> None:
    draw, numbers, state = CHECKSUMS[name]
    generator = seeded()
    assert zlib.crc32(draw(generator).tobytes()) == numbers
    assert zlib.crc32(generator.get_state().tobytes()) == state


def test_different_draws_share_one_stream() -> None:
    generator = seeded()
    generator.uniform(3)
    generator.normal(3)
    generator.normal(20)
    generator.normal(2)
    generator.randperm(7)
    generator.bernoulli(5)
    last = generator.random(3, "int64", 0, 2**33)
    assert zlib.crc32(last.tobytes()) == 0x76D5077D
    assert zlib.crc32(generator.get_state().tobytes()) == 0x4E040226


def test_the_default_seed_is_pytorchs() -> None:
    expected = [0.267295241355896, 0.8725283145904541, 0.3352888226509094]
    assert Generator().uniform(3).tolist() == expected
    assert isinstance(default_generator, Generator)


@pytest.mark.parametrize(
    "draw",
    [
        lambda g, n: g.uniform(n),
        lambda g, n: g.uniform(n, "float64", 1, 3),
        lambda g, n: g.normal(n, "float32", 0.5, 2, contiguous=False),
        lambda g, n: g.bernoulli(n, "bool", 0.3),
        lambda g, n: g.random(n, "int64", 0, 2**30),
        lambda g, n: g.exponential(n),
        lambda g, n: g.log_normal(n),
    ],
)
def test_a_draw_in_parts_is_the_same_draw(draw: Callable[[Generator, int], np.ndarray]) -> None:
    whole, parts = seeded(), seeded()
    pieces = [draw(parts, n) for n in (1, 2, 16383, 0, 3614)]
    np.testing.assert_array_equal(draw(whole, 20000), np.concatenate(pieces))
    np.testing.assert_array_equal(whole.get_state(), parts.get_state())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "complex64"])
@pytest.mark.parametrize("shape", [(), 7, (0, 3), (2, 3, 5), (40, 50)])
def test_shapes_and_dtypes(shape: int | tuple[int, ...], dtype: str) -> None:
    generator = seeded()
    for values in (generator.uniform(shape, dtype), generator.normal(shape, dtype)):
        assert values.shape == ((shape,) if isinstance(shape, int) else shape)
        assert values.dtype == ("float32" if dtype == "bfloat16" else dtype)
        assert values.flags.c_contiguous and values.flags.writeable


def test_bfloat16_values_fit_bfloat16() -> None:
    generator = seeded()
    for values in (
        generator.uniform(1000, "bfloat16", -3, 5),
        generator.normal(1000, "bfloat16"),
        generator.exponential(1000, "bfloat16"),
        generator.random(1000, "bfloat16"),
    ):
        assert not (values.view(np.uint32) & 0xFFFF).any()


def test_empty_draws_leave_the_stream_alone() -> None:
    generator = seeded()
    before = generator.get_state()
    generator.uniform((0, 3))
    generator.normal(0)
    generator.bernoulli(0)
    generator.random(0, "int64", 0, 10)
    generator.randperm(1)
    np.testing.assert_array_equal(generator.get_state(), before)


def test_half_uniforms_never_reach_the_upper_bound() -> None:
    values = seeded().uniform(200_000, "bfloat16", 1, 2)
    assert values.min() == 1 and values.max() < 2


def test_moments() -> None:
    generator = seeded()
    n = 200_000
    assert abs(generator.uniform(n).mean() - 0.5) < 0.005
    normal = generator.normal(n, "float32", 3.0, 2.0)
    assert abs(normal.mean() - 3) < 0.02 and abs(normal.std() - 2) < 0.02
    assert abs(generator.normal(n, "complex64").var() - 1) < 0.01
    assert abs(generator.bernoulli(n, "float32", 0.2).mean() - 0.2) < 0.005
    assert abs(generator.exponential(n, "float64", 4.0).mean() - 0.25) < 0.005
    assert abs(generator.geometric(n, "float32", 0.25).mean() - 4) < 0.05
    assert abs(np.median(generator.cauchy(n, "float64", 2.0, 0.5)) - 2) < 0.02
    assert abs(np.log(generator.log_normal(n, "float64", 1.0, 0.5)).std() - 0.5) < 0.01


def test_multinomial_follows_the_weights() -> None:
    generator = seeded()
    drawn = generator.multinomial(np.array([1.0, 0.0, 3.0]), 40_000, replacement=True)
    counts = np.bincount(drawn, minlength=3) / drawn.size
    np.testing.assert_allclose(counts, [0.25, 0, 0.75], atol=0.01)
    without = generator.multinomial(np.ones((50, 6)), 6)
    np.testing.assert_array_equal(np.sort(without, axis=1), np.tile(np.arange(6), (50, 1)))
    assert generator.multinomial(np.ones((0, 3)), 2).shape == (0, 2)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 1000])
def test_permutations(n: int) -> None:
    assert sorted(seeded().randperm(n).tolist()) == list(range(n))
    assert seeded().randperm(min(n, 256), "uint8").dtype == np.uint8


NAN = float("nan")


@pytest.mark.parametrize(
    ("draw", "error", "words"),
    [
        (lambda g: g.uniform(3, "float32", 2, 1), RuntimeError, "low=2 and high=1"),
        (lambda g: g.uniform(3, "float32", NAN, 1), RuntimeError, "low=nan"),
        (lambda g: g.uniform(3, "float32", -3e38, 3e38), RuntimeError, "high - low"),
        (lambda g: g.uniform(3, "float16", 0, 1e5), RuntimeError, "out of bounds for float16"),
        (lambda g: g.uniform(3, "int32"), NotImplementedError, "int32"),
        (lambda g: g.normal(3, "int64"), NotImplementedError, "int64"),
        (lambda g: g.normal(3, "float32", 0, -1), RuntimeError, "std=-1"),
        (lambda g: g.normal(3, "float32", 0, NAN), RuntimeError, "std=nan"),
        (lambda g: g.random(3, "int64", 5, 5), RuntimeError, "low=5 and high=5"),
        (lambda g: g.random(3, "uint8", -1, 5), RuntimeError, "low is out of bounds"),
        (lambda g: g.random(3, "uint8", 0, 257), RuntimeError, "high - 1 is out of bounds"),
        (lambda g: g.random(3, "bool", 0, 3), RuntimeError, "bool"),
        (lambda g: g.random(3, "float16", 0, 70000), RuntimeError, "float16"),
        (lambda g: g.random(3, "float16", 2048), RuntimeError, "low=2048"),
        (lambda g: g.random(3, "int64", 0, 2**64), ValueError, "64 bits"),
        (lambda g: g.random(3, "float32", 2**63 - 1), RuntimeError, "low < high"),
        (lambda g: g.random(3, "int32", -(2**63)), RuntimeError, "int32"),
        (lambda g: g.random(3, "float16", -(2**63)), NotImplementedError, "float16"),
        (lambda g: g.random(3, "complex64"), NotImplementedError, "complex64"),
        (lambda g: g.random(3, "complex64", 0, 3), RuntimeError, "complex64"),
        (lambda g: g.randperm(-1), RuntimeError, "n=-1"),
        (lambda g: g.randperm(257, "uint8"), RuntimeError, "n=257"),
        (lambda g: g.randperm(2050, "float16"), RuntimeError, "n=2050"),
        (lambda g: g.randperm(3, "bool"), NotImplementedError, "bool"),
        (lambda g: g.bernoulli(3, "float32", 1.5), RuntimeError, "p=1.5"),
        (lambda g: g.bernoulli(3, "float32", NAN), RuntimeError, "p=nan"),
        (lambda g: g.bernoulli(2, "float32", np.array([0.5, 2])), RuntimeError, "probabilities"),
        (lambda g: g.bernoulli(3, "float32", np.ones(2)), RuntimeError, "broadcast"),
        (lambda g: g.bernoulli(3, "float32", np.ones(3, int)), NotImplementedError, "int64"),
        (lambda g: g.bernoulli(3, "complex64"), NotImplementedError, "complex64"),
        (lambda g: g.exponential(3, "float32", 0), RuntimeError, "lambd=0"),
        (lambda g: g.exponential(3, "int64"), RuntimeError, "int64"),
        (lambda g: g.geometric(3, "float32", 1.0), RuntimeError, "p=1.0"),
        (lambda g: g.geometric(3, "bool"), NotImplementedError, "bool"),
        (lambda g: g.cauchy(3, "float32", 0, 0), RuntimeError, "sigma=0"),
        (lambda g: g.cauchy(3, "int64"), RuntimeError, "int64"),
        (lambda g: g.log_normal(3, "float32", 0, 0), RuntimeError, "std=0"),
        (lambda g: g.log_normal(3, "int64"), NotImplementedError, "int64"),
        (lambda g: g.multinomial(np.ones(2), 3), RuntimeError, "replacement=True"),
        (lambda g: g.multinomial(np.ones(2), 0), RuntimeError, "num_samples"),
        (lambda g: g.multinomial(np.ones(2, int), 1), RuntimeError, "int64"),
        (lambda g: g.multinomial(np.zeros(2), 1), RuntimeError, "sum to 0"),
        (lambda g: g.multinomial(np.array([-1.0, 2]), 1), RuntimeError, "negative"),
        (lambda g: g.multinomial(np.array([NAN, 2]), 1, True), RuntimeError, "finite"),
        (lambda g: g.multinomial(np.ones((1, 2, 3)), 1), RuntimeError, "dimensions"),
        (lambda g: g.multinomial(np.ones((2, 0)), 1, True), RuntimeError, "no categories"),
        (lambda g: g.poisson(np.array([-1.0])), RuntimeError, "rates"),
        (lambda g: g.poisson(np.array([1.0]), "int64"), NotImplementedError, "int64"),
        (lambda g: g.standard_gamma(np.ones(2), "float16"), NotImplementedError, "float16"),
        (lambda g: g.binomial(np.ones(2), np.ones(2), "int64"), NotImplementedError, "int64"),
    ],
)
def test_wrong_arguments_draw_nothing(draw: Draw, error: type[Exception], words: str) -> None:
    generator = seeded()
    before = generator.get_state()
    with pytest.raises(error, match=words):
        draw(generator)
    np.testing.assert_array_equal(generator.get_state(), before)


def test_a_range_beyond_a_floats_precision_warns() -> None:
    with pytest.warns(UserWarning, match=r"2\*\*24"):
        seeded().random(3, "float32", 0, 2**25)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seeded().random(3, "float32", 0, 2**24)


def test_importing_it_does_not_import_numpys_random() -> None:
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "import flambeau.runtime.random\n"
        "sys.exit('numpy.random' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_multinomial_of_one_draw_is_the_same_with_replacement() -> None:
    weights = np.array([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]], np.float32)
    a, b = Generator().manual_seed(3), Generator().manual_seed(3)
    np.testing.assert_array_equal(a.multinomial(weights, 1, True), b.multinomial(weights, 1))
    assert a.next_double() == b.next_double()
