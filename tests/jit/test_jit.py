"""`torch.jit`: what is scripted or traced means the same, and is saved without code."""

from __future__ import annotations

import copy
import io
import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Dict, List, Optional, Tuple  # noqa: UP035

import pytest

import flambeau as torch
from flambeau import nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.5))
        self.scale = 5
        self.sizes = {"a": (1, [2])}
        self.activation = nn.functional.relu
        self.register_buffer("offset", torch.ones(3))
        self.register_buffer("passing", torch.zeros(1), persistent=False)

    def forward(self, x: Any) -> Any:
        return self.activation(self.inner(x)) * self.scale + self.offset

    def twice(self, x: Any) -> Any:
        return self(x) * 2


@pytest.mark.parametrize("kind", ["script", "trace"])
def test_a_module_and_its_double(kind: str) -> None:
    net, x = Net().eval(), torch.rand(4, 2)
    made = torch.jit.script(net) if kind == "script" else torch.jit.trace(net, x)
    assert isinstance(made, torch.jit.ScriptModule) and isinstance(made, Net)
    assert not isinstance(net, torch.jit.ScriptModule)
    assert torch.equal(made(x), net(x)) and torch.equal(made.twice(x), net.twice(x))
    assert list(made.state_dict()) == list(net.state_dict()) and made.original_name == "Net"
    made.train()
    assert net.training and torch.jit.script(made) is made
    other = copy.deepcopy(made)
    assert isinstance(other, torch.jit.ScriptModule) and other.inner is not made.inner
    with pytest.raises(NotImplementedError, match="no TorchScript code"):
        made.graph  # noqa: B018
    with pytest.raises(RuntimeError, match="eval mode"):
        torch.jit.freeze(made)
    assert torch.jit.freeze(made.eval()) is made


def test_saving(tmp_path: Path) -> None:
    net, x = Net().eval(), torch.rand(4, 2)
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(net), buffer, _extra_files={"note": "hello"})
    buffer.seek(0)
    extra = {"note": ""}
    found = torch.jit.load(buffer, _extra_files=extra)
    assert extra == {"note": "hello"} and torch.equal(found(x), net(x)) and not found.training
    assert found.sizes == {"a": (1, [2])} and "passing" not in found.state_dict()
    torch.jit.script(nn.TransformerEncoderLayer(4, 2, 8)).save(tmp_path / "layer.pt")
    assert isinstance(torch.jit.load(tmp_path / "layer.pt"), nn.TransformerEncoderLayer)


def test_what_can_not_be_saved_or_loaded(tmp_path: Path) -> None:
    net = Net()
    net.odd = lambda: 3  # type: ignore[assignment]
    with pytest.raises(TypeError, match="Net.odd is a function"):
        torch.jit.save(net, io.BytesIO())
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:
        archive.writestr("net/constants.pkl", b"")
    with pytest.raises(RuntimeError, match="TorchScript archive, whose compiled code"):
        torch.jit.load(tmp_path / "script.pt")
    torch.save({"a": 1}, tmp_path / "plain.pt")
    with pytest.raises(RuntimeError, match="torch.load"):
        torch.jit.load(tmp_path / "plain.pt")
    torch.save({"flambeau.jit": 1, "module": {"class": "os:system"}, "extra": {}}, tmp_path / "bad.pt")
    with pytest.raises(UnpicklingError, match="os:system"):
        torch.jit.load(tmp_path / "bad.pt")


def test_functions_and_marks() -> None:
    @torch.jit.script
    def f(x: int) -> int:
        return x

    assert f(3) == 3 and isinstance(f, torch.jit.ScriptFunction)
    assert not isinstance(len, torch.jit.ScriptFunction)
    assert torch.jit.ignore(f) is f and torch.jit.ignore(drop=True)(f) is f and torch.jit.unused(f) is f
    assert not torch.jit.is_scripting() and torch.jit.annotate(int, 3) == 3
    assert torch.jit.wait(torch.jit.fork(f, 4)) == 4
    with pytest.raises(RuntimeError, match="example_inputs"):
        torch.jit.trace(f)


@pytest.mark.parametrize(("value", "kind", "expected"), [
    ([1], List[int], True), (["a"], List[int], False), ((1, "a"), Tuple[int, str], True),  # noqa: UP006
    ({"a": 1}, Dict[str, int], True), (None, Optional[int], True), ("x", Optional[int], False),  # noqa: UP006, UP045
    (1, int, True), ([1], (List[str], List[int]), True),  # noqa: UP006
])  # fmt: skip
def test_isinstance(value: Any, kind: Any, expected: bool) -> None:
    assert torch.jit.isinstance(value, kind) is expected


def test_the_compilers_names() -> None:
    import flambeau._dynamo as dynamo
    import flambeau._inductor.config as inductor

    net = Net()
    assert dynamo.optimize("eager")(net) is net and dynamo.disable(net) is net
    assert torch.compile(net, mode="max-autotune", dynamic=True) is net
    dynamo.config.suppress_errors = True
    with dynamo.config.patch(verbose=True), inductor.patch("max_autotune", True):
        assert dynamo.config.verbose and inductor.max_autotune
    assert not dynamo.config.verbose and not inductor.max_autotune
    with torch.compiler.set_stance("force_eager"):
        assert not torch.compiler.is_compiling()
    with pytest.raises(RuntimeError, match="invalid torch.compile stance"):
        torch.compiler.set_stance("moon")
