"""Training runs that go on where they were saved."""

from __future__ import annotations

import errno
import os
import pickle
import random
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau import nn
from flambeau.utils.data import DataLoader
from flambeau.utils.resume import Resumable

PROGRAM = Path(__file__).parent / "resumable_training.py"


@pytest.fixture(autouse=True)
def mode():
    """`Resumable` sets the mode, which other tests are to find as it was."""
    yield
    torch.use_deterministic_algorithms(False)


def test_deterministic_from_the_first_run(tmp_path):
    Resumable(tmp_path / "a.pt", deterministic=False, step=0)
    assert not torch.are_deterministic_algorithms_enabled()
    Resumable(tmp_path / "a.pt", step=0)
    assert torch.are_deterministic_algorithms_enabled()


def train(folder: Path, workers: int, kill: int) -> str:
    """What the program prints; it has to die if it is to."""
    ran = subprocess.run(
        [sys.executable, str(PROGRAM), str(folder), str(workers), str(kill)],
        cwd=PROGRAM.parents[2],
        env={**os.environ, "PYTHONPATH": str(PROGRAM.parents[2])},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == (0 if kill < 0 else -signal.SIGKILL), ran.stderr
    return ran.stdout


@pytest.mark.parametrize("workers", [0, 2])
def test_a_killed_run_ends_as_one_that_was_not(workers: int, tmp_path: Path) -> None:
    """It dies in the second epoch, three steps after its last save, which was in the middle."""
    (tmp_path / "whole").mkdir()
    expected = train(tmp_path / "whole", workers, -1)
    assert " 24 [" in expected
    train(tmp_path, workers, 13)
    assert train(tmp_path, workers, -1) == expected


def small(path: Path, **options: Any) -> Resumable:
    model = nn.Linear(2, 1)
    optimizer = torch.optim.Adam(model.parameters())
    return Resumable(path, model=model, optimizer=optimizer, step=0, **options)


def step(run: Resumable) -> None:
    run._parts["model"](torch.ones(3, 2)).sum().backward()
    run._parts["optimizer"].step()
    run.step += 1


def weight(run: Resumable) -> Any:
    return run._parts["model"].weight.detach().tolist()


def test_a_run_without_a_file_just_begins(tmp_path: Path) -> None:
    run = small(tmp_path / "run.pt")
    assert run.resume() is False
    assert run.step == 0
    assert list(run.epochs(2)) == [0, 1]


def test_everything_comes_back(tmp_path: Path) -> None:
    def generators() -> dict[str, Any]:
        return {
            "ours": torch.Generator().manual_seed(1), "python": random.Random(2),
            "numpy": np.random.default_rng(3), "old": np.random.RandomState(4),
        }  # fmt: skip

    def draw(made: dict[str, Any]) -> list[Any]:
        return [
            torch.rand(1, generator=made["ours"]).item(), made["python"].gauss(0, 1),
            made["numpy"].normal(), made["old"].normal(), random.random(), np.random.rand(),
            torch.rand(1).item(),
        ]  # fmt: skip

    made, history, about = generators(), [1.0, 2.0], {"best": 0.5}
    run = small(tmp_path / "run.pt", history=history, about=about, average=torch.ones(2), **made)
    step(run)
    draw(made)
    run.average = torch.tensor([3.0, 4.0])
    run.save()
    expected = draw(made)

    made, history, about = generators(), [], {"other": 1}
    other = small(tmp_path / "run.pt", history=history, about=about, average=None, **made)
    assert other.resume() is True
    assert draw(made) == expected
    assert weight(other) == weight(run)
    assert other.step == 1
    assert (history, about) == ([1.0, 2.0], {"best": 0.5})
    assert other.average.tolist() == [3.0, 4.0]
    assert other._parts["optimizer"].state_dict()["state"][0]["step"] == 1
    assert torch.load(tmp_path / "run.pt")["parts"]["model"]["weight"].tolist() == weight(run)


def test_the_global_random_states_can_be_left_alone(tmp_path: Path) -> None:
    small(tmp_path / "run.pt", random_state=False).save()
    expected = torch.Generator().set_state(torch.get_rng_state())
    small(tmp_path / "run.pt", random_state=False).resume()
    model = nn.Linear(2, 1)  # what `small` has drawn itself
    drawn = nn.init.kaiming_uniform_(torch.empty(1, 2), a=5**0.5, generator=expected)
    assert drawn.shape == model.weight.shape
    with pytest.raises(ValueError, match="random_state"):
        small(tmp_path / "run.pt").resume()


def test_older_saves_are_kept_and_stand_in(tmp_path: Path) -> None:
    run = small(tmp_path / "run.pt", keep=3)
    saved = []
    for _ in range(5):
        step(run)
        run.save()
        saved.append(weight(run))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.1.pt", "run.2.pt", "run.pt"]
    other = small(tmp_path / "run.pt", keep=3)
    other.resume()
    assert weight(other) == saved[-1]
    for turn, name in enumerate(("run.pt", "run.1.pt")):
        raw = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(raw[: len(raw) // 2])
        other = small(tmp_path / "run.pt", keep=3)
        with pytest.warns(UserWarning, match="is damaged") as told:
            other.resume()
        assert [name in str(warning.message) for warning in told][turn]
        assert weight(other) == saved[-2 - turn]
    (tmp_path / "run.2.pt").write_bytes(b"")
    other = small(tmp_path / "run.pt", keep=3)
    before = weight(other)
    with (
        pytest.warns(UserWarning),
        pytest.raises(RuntimeError, match="no save of this run is whole"),
    ):
        other.resume()
    assert (weight(other), other.step) == (before, 0)


@pytest.mark.parametrize("call", ["replace", "link", "unlink"])
def test_a_save_that_dies_while_it_makes_room(call: str, tmp_path: Path) -> None:
    run = small(tmp_path / "run.pt", keep=3)
    for _ in range(3):
        step(run)
        run.save()
    expected = weight(run)

    def dies(*args: Any) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, call, dies)
        step(run)
        with pytest.raises(KeyboardInterrupt):
            run.save()
    other = small(tmp_path / "run.pt", keep=3)
    other.resume()
    assert weight(other) == expected


def test_without_hard_links_the_older_one_stands_in(tmp_path: Path) -> None:
    def refuses(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    run = small(tmp_path / "run.pt", keep=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "link", refuses)
        for _ in range(3):
            run.save()
            step(run)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.1.pt", "run.pt"]
    (tmp_path / "run.pt").unlink()  # as in the moment before the new one gets its name
    other = small(tmp_path / "run.pt", keep=2)
    other.resume()
    assert other.step == 1


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    run = small(tmp_path / "run.pt", keep=2)
    run.save()
    step(run)
    run.save()
    raw = bytearray((tmp_path / "run.pt").read_bytes())
    expected = weight(run)
    for place in random.Random(0).sample(range(len(raw)), 40):
        damaged = bytearray(raw)
        damaged[place] ^= 0x10
        (tmp_path / "run.pt").write_bytes(damaged)
        other = small(tmp_path / "run.pt", keep=2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            other.resume()
        # The save before, or (a byte that pads) this one.
        assert other.step == 0 or weight(other) == expected


def test_a_failed_save_leaves_the_old_one(tmp_path: Path) -> None:
    class Odd:
        state: Any = 1

        def state_dict(self) -> Any:
            return {"state": self.state}

        def load_state_dict(self, state: Any) -> None:
            self.state = state["state"]

    odd = Odd()
    run = small(tmp_path / "run.pt", odd=odd)
    run.save()
    before = (tmp_path / "run.pt").read_bytes()
    for state in (lambda: None, Path, PROGRAM):
        odd.state = state
        with pytest.raises(pickle.PicklingError):
            run.save()
        assert (tmp_path / "run.pt").read_bytes() == before
        assert len(list(tmp_path.iterdir())) == 1


def test_all_parts_are_loaded_or_none(tmp_path: Path) -> None:
    class Refuses:
        def state_dict(self) -> dict[str, int]:
            return {}

        def load_state_dict(self, state: Any) -> None:
            raise KeyError("no")

    run = small(tmp_path / "run.pt", last=Refuses())
    step(run)
    run.save()
    other = small(tmp_path / "run.pt", last=Refuses())
    before, states = weight(other), torch.get_rng_state()
    with pytest.raises(KeyError):
        other.resume()
    assert (weight(other), other.step) == (before, 0)
    assert not other._parts["optimizer"].state_dict()["state"]
    assert torch.equal(torch.get_rng_state(), states)


def test_saves_of_other_runs_are_refused(tmp_path: Path) -> None:
    small(tmp_path / "run.pt").save()
    model = nn.Linear(3, 1)
    optimizer = torch.optim.Adam(model.parameters())
    others = (
        (Resumable(tmp_path / "run.pt", model=model, optimizer=optimizer, step=0), r"\(1, 2\)"),
        (Resumable(tmp_path / "run.pt", model=nn.Linear(2, 1), step=0), "other parts"),
        (Resumable(tmp_path / "run.pt", model=nn.Linear(2, 1), optimizer=optimizer), "other parts"),
        (small(tmp_path / "run.pt", more=1), "other parts"),
        (
            Resumable(
                tmp_path / "run.pt", model=nn.Linear(2, 1, bias=False), optimizer=optimizer, step=0
            ),
            "has 'bias'",
        ),
    )
    for run, message in others:
        with pytest.raises(ValueError, match=message):
            run.resume()
    torch.save({"a": 1}, tmp_path / "run.pt")
    with pytest.raises(ValueError, match="not written by"):
        small(tmp_path / "run.pt").resume()


def test_parts_that_can_not_be_kept(tmp_path: Path) -> None:
    for part in (object(), lambda: None, torch.relu):
        with pytest.raises(TypeError, match="no state_dict"):
            Resumable(tmp_path / "run.pt", part=part)
    for name in ("save", "epochs", "_hidden"):
        with pytest.raises(ValueError, match="can't be named"):
            Resumable(tmp_path / "run.pt", **{name: 1})
    with pytest.raises(ValueError, match="keep"):
        Resumable(tmp_path / "run.pt", keep=0)
    run = small(tmp_path / "run.pt")
    with pytest.raises(AttributeError, match="steps"):
        run.steps += 1
    with pytest.raises(AttributeError, match="steps"):
        run.steps = 1


def batches(run: Resumable, loader: Any, save_at: tuple[int, int], epochs: int = 3) -> list[Any]:
    """What a training loop sees; it saves once, before the batch of that epoch and number.

    A number beyond the last batch saves at the epoch's end."""
    seen: list[Any] = []
    for epoch in run.epochs(epochs):
        number = 0
        for batch in loader:
            seen.append((epoch, batch.tolist()))
            number += 1
            if (epoch, number) == save_at:
                run.save()
                seen.clear()
        if (epoch, -1) == save_at:
            run.save()
            seen.clear()
    return seen


@pytest.mark.parametrize("save_at", [(0, 1), (1, 2), (1, 4), (0, -1), (1, -1), (2, -1), (2, 4)])
def test_epochs_and_batches_go_on_from_any_place(save_at: tuple[int, int], tmp_path: Path) -> None:
    def make() -> tuple[Any, Resumable]:
        loader = DataLoader(list(range(8)), batch_size=2, shuffle=True)
        return loader, Resumable(tmp_path / "run.pt", loader=loader)

    torch.manual_seed(3)
    loader, run = make()
    expected = batches(run, loader, save_at)
    loader, run = make()
    torch.manual_seed(99)
    run.resume()
    assert batches(run, loader, (-1, -1)) == expected


def test_a_save_at_the_top_of_an_epoch(tmp_path: Path) -> None:
    def make() -> tuple[Any, Resumable]:
        loader = DataLoader([1, 2])
        return loader, Resumable(tmp_path / "run.pt", loader=loader)

    loader, run = make()
    for epoch in run.epochs(2):
        if epoch == 1:
            run.save()
        for _ in loader:
            pass
    loader, run = make()
    run.resume()
    assert list(run.epochs(2)) == [1]


def test_epochs_without_a_loader(tmp_path: Path) -> None:
    run = Resumable(tmp_path / "run.pt", model=nn.Linear(1, 1))
    for epoch in run.epochs(4):
        run.save()
        if epoch == 1:
            break
    other = Resumable(tmp_path / "run.pt", model=nn.Linear(1, 1))
    other.resume()
    assert list(other.epochs(4)) == [2, 3]


def test_an_epoch_is_not_saved_where_it_can_not_go_on(tmp_path: Path) -> None:
    training, validation = DataLoader([1, 2, 3]), DataLoader([4, 5])
    run = Resumable(tmp_path / "run.pt", training=training, validation=validation)
    for _epoch in run.epochs(1):
        for _ in training:
            run.save()
        for _ in validation:
            with pytest.raises(RuntimeError, match="after that over 'training' has ended"):
                run.save()
        run.save()
    assert torch.load(tmp_path / "run.pt")["epoch"] == 1


def test_a_gradient_scaler_and_schedulers(tmp_path: Path) -> None:
    def make() -> tuple[Any, Any, Resumable]:
        weights = [nn.Parameter(torch.ones(2))]
        optimizer = torch.optim.SGD(weights, 0.1, momentum=0.9)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.5, total_steps=20)
        scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
        parts = {"optimizer": optimizer, "scheduler": scheduler, "scaler": scaler}
        return optimizer, scaler, Resumable(tmp_path / "run.pt", **parts)

    optimizer, scaler, run = make()
    optimizer.step()
    run._parts["scheduler"].step()
    scaler.scale(torch.ones(()))
    scaler.update(2.0)
    run.save()
    again, found, other = make()
    other.resume()
    assert again.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]
    assert again.param_groups[0]["momentum"] == optimizer.param_groups[0]["momentum"]
    assert found.get_scale() == 2.0
