"""How often Python's collector comes."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from flambeau.runtime import collector


@pytest.fixture
def kept() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("kept")
def test_pythons_default_is_raised_and_others_are_left() -> None:
    gc.set_threshold(700, 10, 10)
    collector.collect_seldom()
    assert gc.get_threshold() == (collector.SELDOM, 10, 10)
    for own in ((5_000, 7, 7), (0, 10, 10)):
        gc.set_threshold(*own)
        collector.collect_seldom()
        assert gc.get_threshold() == own
