"""Whole modules and the program's own objects, with `weights_only=False`."""

from __future__ import annotations

import argparse
import collections
import copy
import datetime
import functools
import io
import os
import pickle
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.serialization import load, save
from flambeau.serialization.pickle_writer import Global, PickleWriter, Reduced
from flambeau.serialization.zipform import _ZipWriter

F = nn.functional


class Colour(Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: float


@dataclass
class Config:
    width: int
    kind: type = nn.ReLU


class Model(nn.Module):
    """One weight in two places, a buffer, functions and classes as attributes."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(4, config.width)
        self.head = nn.Linear(config.width, 4, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("scale", torch.tensor(2.0), persistent=False)
        self.activation = F.relu
        self.squash = torch.tanh
        self.norm = nn.BatchNorm1d(config.width)
        self.calls = 0

    def forward(self, x: Any) -> Any:
        self.calls += 1
        hidden = self.activation(self.norm(self.embed(x))) * self.scale
        return self.squash(self.head(hidden))

    class Inner:
        value = 3


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.step = self.one_more

    def one_more(self, x: Any) -> Any:
        return x + 1


class Reducing:
    def __init__(self, value: int) -> None:
        self.value = value

    def __reduce__(self) -> Any:
        return Reducing, (self.value,)


def double(value: int) -> int:
    return 2 * value


def again(obj: Any, **options: Any) -> Any:
    file = io.BytesIO()
    save(obj, file, **options)
    file.seek(0)
    return load(file, weights_only=False)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_module_comes_back_whole(zipped: bool) -> None:
    model = Model(Config(3)).eval()
    x = torch.tensor([0, 1, 3])
    found = again(model, _use_new_zipfile_serialization=zipped)
    assert type(found) is Model
    assert found.config == model.config
    assert torch.equal(found(x), model(x))
    assert found.head.weight is found.embed.weight
    assert found.calls == 1
    assert not found.training
    assert list(found.state_dict()) == list(model.state_dict())
    found.head.weight = nn.Parameter(torch.zeros(4, 3))
    assert found(x).abs().sum() == 0
    assert found._parameters is not model._parameters


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.LSTM(3, 4, 2),
        lambda: nn.Transformer(4, 2, 1, 1, 8, batch_first=True),
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3, padding="same"), nn.GELU(), nn.Dropout2d()),
        lambda: nn.ModuleDict({"a": nn.ParameterList([torch.ones(2)])}),
        lambda: nn.DataParallel(nn.Linear(2, 2)),
    ],
)
def test_modules_of_the_library(make: Any) -> None:
    module = make()
    found = again(module)
    assert repr(found) == repr(module)
    for name, value in module.state_dict().items():
        assert torch.equal(found.state_dict()[name], value)
    copy.deepcopy(found)


def test_objects_of_the_program() -> None:
    optimizer = torch.optim.Adam(nn.Linear(2, 1).parameters(), lr=0.5)
    value = {
        "namespace": argparse.Namespace(lr=0.1, data=Path("a/b")),
        "when": datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC),
        "queue": collections.deque([1, 2], maxlen=2),
        "colour": Colour.RED,
        "point": Point(1, 2.0),
        "part": functools.partial(double, 4),
        "layer": functools.partial(nn.BatchNorm2d, eps=1e-3),
        "class": Config,
        "reducing": Reducing(5),
        "inner": Model.Inner,
        "optimizer": optimizer,
    }
    found = again(value)
    for name in ("namespace", "when", "queue", "colour", "point", "class", "inner"):
        assert found[name] == value[name]
    assert type(found["point"]) is Point
    assert found["colour"] is Colour.RED
    assert found["part"]() == 8
    assert found["layer"](2).eps == 1e-3
    assert found["reducing"].value == 5
    assert found["optimizer"].param_groups[0]["lr"] == 0.5


def test_a_bound_method_belongs_to_the_module_that_comes_back() -> None:
    found = again(Counting())
    assert found.step(1) == 2
    assert found.step.__self__ is found


def test_only_with_weights_only_false() -> None:
    for value in (Model(Config(2)), argparse.Namespace(a=1), Colour.RED, double):
        file = io.BytesIO()
        save(value, file)
        file.seek(0)
        with pytest.raises(pickle.UnpicklingError, match="not among the names"):
            load(file)


def test_pytorchs_names_are_written() -> None:
    file = io.BytesIO()
    save(nn.Sequential(nn.TransformerEncoderLayer(4, 2, 8, activation=F.gelu)), file)
    content = file.getvalue()
    for name in (b"torch.nn.modules.container\nSequential", b"torch.nn.functional\ngelu"):
        assert name in content
    assert b"flambeau" not in content


def test_a_module_beside_the_program_is_imported(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (tmp_path / "net_of_test.py").write_text(
        "import flambeau\nclass Net(flambeau.nn.Module):\n    value = 7\n"
    )
    import net_of_test  # type: ignore[import-not-found]

    save(net_of_test.Net(), tmp_path / "a.pt")
    del sys.modules["net_of_test"]
    assert load(tmp_path / "a.pt", weights_only=False).value == 7
    del sys.modules["net_of_test"]
    monkeypatch.setattr(sys, "path", [str(tmp_path / "elsewhere"), *sys.path])
    with pytest.raises(pickle.UnpicklingError, match="import net_of_test before"):
        load(tmp_path / "a.pt", weights_only=False)


def _archive(path: Path, obj: Any) -> Path:
    """A file in which `obj`, a Global or Reduced, is the content."""
    with open(path, "wb") as out:
        archive = _ZipWriter(out, "a")
        archive.add("data.pkl", PickleWriter(lambda _: obj).dumps(object()))
        archive.add("version", b"3\n")
        archive.close()
    return path


NAMES = [
    ("os", "system"), ("posix", "system"), ("subprocess", "Popen"), ("builtins", "eval"),
    ("__builtin__", "exec"), ("importlib", "import_module"), ("shutil", "rmtree"),
    ("flambeau", "Tensor"), ("numpy", "load"), ("numpy.f2py", "compile"), ("pickle", "loads"),
    (__name__, "os.system"), (__name__, "__loader__"), (__name__, "__builtins__"),
    ("torch", "os.system"), ("torch.serialization", "os.remove"), ("torch", "runtime.storage.np"),
    ("antigravity", "webbrowser"), ("pytest", "sys.modules"), ("no_such_module", "x"),
    ("torch.no_such_module", "x"), ("", ""), ("operator", "attrgetter"),
]  # fmt: skip


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_what_a_file_can_not_name(module: str, name: str, tmp_path: Path) -> None:
    path = _archive(tmp_path / "a.pt", Global(module, name))
    with pytest.raises(pickle.UnpicklingError):
        load(path, weights_only=False)


CALLS = [
    Reduced(Global(__name__, "double"), (2,)),
    Reduced(Global(__name__, "Config"), (2,)),
    Reduced(Global("torch", "load"), ("a.pt",)),
    Reduced(Global("torch.hub", "load_state_dict_from_url"), ("http://x",)),
    Reduced(Global("torch.nn.modules.linear", "Linear"), (2, 2)),
    Reduced(Global("torch", "Tensor"), (), new=True),
    Reduced(Global("torch", "UntypedStorage"), (), new=True),
    Reduced(Global("__builtin__", "getattr"), (Global(__name__, "os"), "system")),
    Reduced(Global("__builtin__", "getattr"), (Global(__name__, "double"), "__globals__")),
    Reduced(Global("__builtin__", "getattr"), (Global(__name__, "Config"), "__init__")),
    Reduced(Global("__builtin__", "getattr"), ("text", "format")),
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.function.name}-{call.args}"[:60])
def test_what_a_file_can_not_call(call: Reduced, tmp_path: Path) -> None:
    with pytest.raises(pickle.UnpicklingError):
        load(_archive(tmp_path / "a.pt", call), weights_only=False)


def test_nothing_was_imported_for_a_file() -> None:
    assert "antigravity" not in sys.modules
    assert os.getcwd()
