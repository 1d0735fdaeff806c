"""Each example under both frameworks: the same text, the same losses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examples import programs
from tests.examples.programs import PROGRAMS, Program
from tests.parity.torchvision_for_examples import torchvision

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    programs.make_data(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("examples")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_both_frameworks_print_the_same(program: Program, data: Path, folders: Path) -> None:
    places = {kind: folders / kind / program.folder for kind in ("torch", "flambeau")}
    for place in places.values():
        place.mkdir(parents=True, exist_ok=True)
    with torchvision():
        expected = programs.run(program, data, places["torch"])
    found = programs.run_under_flambeau(program, data, places["flambeau"])
    assert programs.differences(expected, found, program.tolerance) == []
