from __future__ import annotations

import copy
import pickle
import zlib
from collections.abc import Callable

import numpy as np
import pytest

from flambeau.runtime.random import Generator


def test_states_have_pytorchs_layout() -> None:
    state = Generator().manual_seed(0).get_state()
    assert state.shape == (5056,) and state.dtype == np.uint8
    assert zlib.crc32(state.tobytes()) == 0x6D2B5ED2
    assert zlib.crc32(Generator().manual_seed(-1).get_state().tobytes()) == 0x51D5660B


@pytest.mark.parametrize("used", [0, 1, 3, 623, 624, 625, 1247, 1248, 5000])
def test_a_state_brings_back_the_stream(used: int) -> None:
    generator = Generator().manual_seed(7)
    generator.words(used)
    state = generator.get_state()
    expected = generator.words(700)
    other = Generator().set_state(state)
    np.testing.assert_array_equal(other.get_state(), state)
    np.testing.assert_array_equal(other.words(700), expected)
    assert other.initial_seed() == 7


def test_a_full_block_and_a_fresh_seed_are_told_apart() -> None:
    generator = Generator().manual_seed(7)
    assert generator.get_state()[8:24].view(np.int32).tolist() == [1, 1, 0, 0]
    generator.words(624)
    assert generator.get_state()[8:24].view(np.int32).tolist() == [1, 1, 624, 0]


def test_the_spare_normal_number_is_part_of_the_state() -> None:
    generator = Generator().manual_seed(7)
    generator.normal(3)
    state = generator.get_state()
    expected = generator.normal(2)
    np.testing.assert_array_equal(Generator().set_state(state).normal(2), expected)
    generator.set_state(state)
    generator.manual_seed(7)
    assert generator.normal(1) == Generator().manual_seed(7).normal(1)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, Generator.clone_state])
def test_copies_go_their_own_way(again: Callable[[Generator], Generator]) -> None:
    generator = Generator().manual_seed(7)
    generator.normal(3)
    twin = again(generator)
    expected = twin.normal(5)
    np.testing.assert_array_equal(generator.normal(5), expected)


def test_pickling() -> None:
    generator = Generator().manual_seed(7)
    generator.normal(3)
    twin = pickle.loads(pickle.dumps(generator))
    assert isinstance(twin, Generator)
    np.testing.assert_array_equal(twin.normal(5), generator.normal(5))


@pytest.mark.parametrize(
    ("seed", "kept"), [(0, 0), (2**64 - 1, 2**64 - 1), (-1, 2**64 - 1), (-(2**63), 2**63)]
)
def test_seeds(seed: int, kept: int) -> None:
    generator = Generator()
    assert generator.manual_seed(seed) is generator
    assert generator.initial_seed() == kept


def test_only_the_lower_half_of_a_seed_counts() -> None:
    first = Generator().manual_seed(5).words(3)
    np.testing.assert_array_equal(Generator().manual_seed(2**32 + 5).words(3), first)


@pytest.mark.parametrize(
    ("seed", "error"),
    [(2**64, ValueError), (-(2**63) - 1, ValueError), (1.5, RuntimeError), (True, RuntimeError)],
)
def test_wrong_seeds(seed: int, error: type[Exception]) -> None:
    generator = Generator().manual_seed(3)
    with pytest.raises(error, match="manual_seed"):
        generator.manual_seed(seed)
    assert generator.initial_seed() == 3


def test_seed_takes_entropy() -> None:
    generator = Generator()
    seeds = {generator.seed() for _ in range(5)}
    assert len(seeds) == 5 and generator.initial_seed() in seeds


def test_only_the_cpu() -> None:
    assert Generator("cpu").device == "cpu"
    with pytest.raises(RuntimeError, match="cuda"):
        Generator("cuda")


@pytest.mark.parametrize(
    ("state", "error"),
    [
        (np.zeros(10, np.uint8), RuntimeError),
        (np.zeros(5056, np.uint8), RuntimeError),
        (np.zeros(5056, np.float32), TypeError),
        ("state", TypeError),
    ],
)
def test_wrong_states_change_nothing(state: np.ndarray, error: type[Exception]) -> None:
    generator = Generator().manual_seed(3)
    before = generator.get_state()
    with pytest.raises(error, match="set_state"):
        generator.set_state(state)
    np.testing.assert_array_equal(generator.get_state(), before)


def test_a_draw_of_64_bits_begins_with_its_upper_half() -> None:
    words = Generator().manual_seed(7).words(4).astype(object)
    expected = [words[0] * 2**32 + words[1], words[2] * 2**32 + words[3]]
    assert Generator().manual_seed(7).words64(2).tolist() == expected
    doubles = [(value % 2**53) / 2**53 for value in expected]
    assert Generator().manual_seed(7).doubles(2).tolist() == doubles
    single = Generator().manual_seed(7)
    assert [single.next_double(), single.next_double()] == doubles
