"""Programs that learn with distributions learn."""

from __future__ import annotations

import pytest

import flambeau

from .programs import PROGRAMS


@pytest.mark.parametrize("name", PROGRAMS)
def test_losses_fall(name: str) -> None:
    program, part = PROGRAMS[name]
    losses = program(flambeau)
    assert sum(losses[-3:]) / 3 < part * losses[0]
