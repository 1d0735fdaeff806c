"""The examples run under flambeau, unchanged, and print what they print under PyTorch."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.compat.support import run as run_command
from tests.examples import programs
from tests.examples.programs import EXAMPLES, PRINTED, PROGRAMS, Program

EXPECTED = json.loads(PRINTED.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    programs.make_data(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder an example: a run finds what the run before has saved."""
    return tmp_path_factory.mktemp("examples")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_it_prints_what_it_prints_under_pytorch(program: Program, data: Path, folders: Path) -> None:
    cwd = folders / program.folder
    cwd.mkdir(exist_ok=True)
    printed = programs.without_paths(programs.run_under_flambeau(program, data, cwd), data)
    expected = "\n".join(EXPECTED[program.name])
    assert programs.differences(expected, printed, program.tolerance) == []
    found = programs.numbers(printed)
    assert all(map(math.isfinite, found)) and (found or "generate.py" in program.script)


def test_what_is_recorded_is_what_runs() -> None:
    assert list(EXPECTED) == [program.name for program in PROGRAMS]


def test_losses_go_down(tmp_path: Path) -> None:
    program = Program("polynomial/main.py", "--steps 200 --ways nn_module optimizer")
    printed = programs.run_under_flambeau(program, tmp_path, tmp_path)
    for part in printed.split("-- ")[1:]:
        losses = programs.numbers(part.partition("Result")[0])
        assert losses == sorted(losses, reverse=True)
        assert len(losses) == 4


def test_a_program_for_pytorch_0_3(tmp_path: Path) -> None:
    result = run_command([EXAMPLES / "old_style/classifier_0_3.py"], tmp_path)
    assert result.returncode == 0, result.stderr
    losses = programs.numbers(result.stdout)
    assert losses[:4] == pytest.approx([0.661028, 0.542734, 0.382382, 0.247313], rel=1e-3)
    assert losses[4] > 0.9
    for written in ("loss.item()", "torch.no_grad()", "clip_grad_norm_"):
        assert written in result.stderr


def test_several_processes(data: Path, tmp_path: Path) -> None:
    result = run_command(
        [EXAMPLES / "mnist_hogwild/main.py", "--epochs", 1, "--limit", 3, "--data", data], tmp_path
    )
    assert result.returncode == 0, result.stderr
    first, last = (programs.numbers(line) for line in result.stdout.splitlines()[:: 3])
    assert "process 0" in result.stdout
    assert "process 1" in result.stdout
    assert last[0] < first[0]


def test_as_a_command(data: Path, tmp_path: Path) -> None:
    program = next(program for program in PROGRAMS if program.folder == "vae")
    result = run_command(programs.command(program, data, ours=True), tmp_path)
    assert result.returncode == 0, result.stderr
    expected = "\n".join(EXPECTED[program.name])
    assert programs.differences(expected, result.stdout, program.tolerance) == []


def test_each_example_is_in_the_list_with_its_command() -> None:
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for script in sorted(EXAMPLES.glob("*/*.py")):
        if 'add_argument("--' in script.read_text(encoding="utf-8"):
            assert f"{script.parent.name}/{script.name}" in text
