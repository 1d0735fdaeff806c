"""Classes that the user has allowed."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import flambeau as torch
from flambeau.serialization import (
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    get_unsafe_globals_in_checkpoint,
    load,
    safe_globals,
    save,
)


@dataclass
class Config:
    width: int
    weights: Any = field(default_factory=list)


class Slotted:
    __slots__ = ("a",)


class Stateful:
    def __init__(self, value: int) -> None:
        self.value = value

    def __getstate__(self) -> Any:
        return {"twice": 2 * self.value}

    def __setstate__(self, state: Any) -> None:
        self.value = state["twice"] // 2


class Reducing:
    def __init__(self, value: int) -> None:
        self.value = value

    def __reduce__(self) -> Any:
        return Reducing, (self.value,)


class Words(list[str]):
    pass


def double(value: int) -> int:
    return 2 * value


@pytest.fixture(autouse=True)
def _nothing_allowed() -> Iterator[None]:
    clear_safe_globals()
    yield
    clear_safe_globals()


@pytest.mark.parametrize("legacy", [False, True])
def test_instances(legacy: bool, tmp_path: Path) -> None:
    slotted = Slotted()
    slotted.a = 1
    value = [Config(2, [torch.ones(2)]), slotted, Stateful(4), Reducing(5), Words(["a"]), double]
    kinds = [Config, Slotted, Stateful, Reducing, Words, double]
    path = tmp_path / "a.pt"
    with safe_globals(kinds):
        save(value, path, _use_new_zipfile_serialization=not legacy)
        found = load(path)
    assert found[0].width == 2
    assert found[0].weights[0].tolist() == [1.0, 1.0]
    assert [found[1].a, found[2].value, found[3].value] == [1, 4, 5]
    assert found[4] == ["a"]
    assert type(found[4]) is Words
    assert found[5] is double
    assert get_safe_globals() == []
    with pytest.raises(pickle.UnpicklingError, match=r"add_safe_globals\(\[Config\]\)"):
        load(path)


def test_another_name_in_the_file(tmp_path: Path) -> None:
    with safe_globals([(Config, "__main__.Settings")]):
        save(Config(3), tmp_path / "a.pt")
        assert load(tmp_path / "a.pt") == Config(3)
    with safe_globals([Config]), pytest.raises(pickle.UnpicklingError, match="__main__.Settings"):
        load(tmp_path / "a.pt")


def test_what_reaches_outside_is_never_allowed() -> None:
    for found in (os.system, (os.system, "my.name"), (double, "os.system")):
        with pytest.raises(ValueError, match="can't be allowed"):
            add_safe_globals([found])
    with pytest.raises(ValueError, match="pair"):
        add_safe_globals([(double, "a", "b")])
    assert get_safe_globals() == []


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(2, 1)


class OwnState(Net):
    def __getstate__(self) -> Any:
        return dict(self.__dict__)


@pytest.mark.parametrize("kind", [Net, OwnState])
def test_modules_of_allowed_classes(kind: type, tmp_path: Path) -> None:
    """In the file a module of the library has PyTorch's name, and its tables are plain."""
    net, path = kind(), tmp_path / "a.pt"
    name = f"{__name__}.{kind.__name__}"
    with safe_globals([kind, torch.nn.Linear]):
        save(net, path)
        assert get_unsafe_globals_in_checkpoint(path) == []
        assert load(path).inner.weight.tolist() == net.inner.weight.tolist()
    assert set(get_unsafe_globals_in_checkpoint(path)) == {name, "torch.nn.modules.linear.Linear"}
    with pytest.raises(ValueError, match="zip form"):
        save([1], path, _use_new_zipfile_serialization=False)
        get_unsafe_globals_in_checkpoint(path)
