"""Containers of modules and of parameters."""

from __future__ import annotations

from typing import Any

import pytest

import flambeau as torch
from flambeau import nn


def kinds(modules: Any) -> str:
    return " ".join(type(m).__name__ for m in modules)


def test_sequential_as_a_list() -> None:
    s = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
    assert kinds(s[1:]) == "ReLU Linear" and kinds(s[-1:]) == "Linear" and len(s) == 3
    assert kinds(s + nn.Sequential(nn.Tanh())) == "Linear ReLU Linear Tanh"
    assert len(s * 2) == 6
    assert isinstance(s.pop(1), nn.ReLU)
    s.insert(1, nn.Tanh()).append(nn.Sigmoid()).extend([nn.ReLU()])
    del s[-1]
    s[-1] = nn.GELU()
    assert kinds(s) == "Linear Tanh Linear GELU" and list(s._modules) == ["0", "1", "2", "3"]
    assert tuple(s(torch.ones(4, 1)).shape) == (4, 1)
    assert nn.Sequential()(3) == 3


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (IndexError, lambda s: s[5]),
        (TypeError, lambda s: s["a"]),
        (ValueError, lambda s: s * 0),
        (TypeError, lambda s: s * "a"),
        (ValueError, lambda s: s + 3),
        (IndexError, lambda s: s.insert(9, nn.ReLU())),
        (AssertionError, lambda s: s.insert(0, 3)),
        (TypeError, lambda s: s.append(3)),
        (TypeError, lambda s: nn.Sequential(3)),
    ],
)
def test_wrong_sequential(error: type[Exception], call: Any) -> None:
    with pytest.raises(error):
        call(nn.Sequential(nn.ReLU()))


def test_module_list() -> None:
    modules = nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1), nn.ReLU()])
    assert repr(modules) == (
        "ModuleList(\n"
        "  (0-1): 2 x Linear(in_features=1, out_features=1, bias=True)\n"
        "  (2): ReLU()\n)"
    )
    modules.insert(0, nn.Tanh())
    modules += [nn.Sigmoid()]
    assert kinds(modules) == "Tanh Linear Linear ReLU Sigmoid"
    assert kinds(modules[1:3]) == "Linear Linear" and len(list(modules.parameters())) == 4
    with pytest.raises(NotImplementedError):
        modules(1)
    with pytest.raises(TypeError):
        nn.ModuleList(3)  # type: ignore[arg-type]


def test_module_dict() -> None:
    table = nn.ModuleDict({"b": nn.ReLU(), "a": nn.Tanh()})
    table.update([("c", nn.Sigmoid())])
    assert list(table) == ["b", "a", "c"] and "a" in table and len(table) == 3
    assert isinstance(table.pop("a"), nn.Tanh) and kinds(table.values()) == "ReLU Sigmoid"
    with pytest.raises(KeyError):
        nn.ModuleDict({"keys": nn.ReLU()})
    with pytest.raises(ValueError, match="length 1"):
        table.update([("x",)])
    table.clear()
    assert not len(table)


def test_parameter_list() -> None:
    values = nn.ParameterList([torch.ones(2), nn.Parameter(torch.ones(3)), "text"])
    assert [type(v).__name__ for v in values] == ["Parameter", "Parameter", "str"]
    assert repr(values) == (
        "ParameterList(\n"
        "    (0): Parameter containing: [torch.float32 of size 2]\n"
        "    (1): Parameter containing: [torch.float32 of size 3]\n"
        "    (2): Object of type: str\n)"
    )
    values.append(torch.ones(1))
    values[0] = torch.zeros(5)
    assert list(values.state_dict()) == ["0", "1", "3"] and len(values[1:]) == 3
    with pytest.raises(RuntimeError):
        values.append(torch.ones(1, dtype=torch.int64))
    assert len(values) == 4
    with pytest.raises(RuntimeError, match="should not be called"):
        values(1)


def test_parameter_dict() -> None:
    table = nn.ParameterDict({"b": torch.ones(1), "a": torch.ones(2, 2), "c": 3})
    assert list(table) == ["a", "b", "c"] and list(reversed(table)) == ["c", "b", "a"]
    assert "(a): Parameter containing: [torch.FloatTensor of size 2x2]" in repr(table)
    assert len(table | {"d": torch.ones(1)}) == 4 and table.get("x", 7) == 7
    assert table.popitem() == ("c", 3) and sorted(table.state_dict()) == ["a", "b"]
    assert list(table.fromkeys(["m"], 1).items()) == [("m", 1)]
    with pytest.raises(TypeError, match="not a string"):
        table[1] = torch.ones(1)  # type: ignore[index]
