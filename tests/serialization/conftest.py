"""Checkpoints to save, and how two of them are compared."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

import pytest

import flambeau as torch

DTYPES = (
    "float16", "float32", "float64", "bfloat16", "uint8", "int8", "int16", "int32", "int64", "bool",
    "complex64", "complex128",
)  # fmt: skip


@pytest.fixture
def data() -> Path:
    """The folder of the checkpoints that PyTorch has made."""
    return Path(__file__).parent / "data"


@pytest.fixture
def content() -> dict[Any, Any]:
    """What tools/make_torch_fixtures.py has saved, but for the optimizer."""
    base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter.copy_(torch.arange(parameter.numel()).reshape(parameter.shape) + number)
    return {
        "dtypes": {name: torch.arange(6).to(getattr(torch, name)).reshape(2, 3) for name in DTYPES},
        "views": [base, base[1], base.transpose(0, 2), base[:, 1:, ::2], base[0, 0, 1]],
        "empty": [torch.empty(0), torch.empty(3, 0, 2)],
        "parameter": torch.nn.Parameter(torch.tensor([1.0, 2.0])),
        "frozen": torch.nn.Parameter(torch.tensor([3.0]), requires_grad=False),
        "leaf": torch.tensor([4.0], requires_grad=True),
        "state_dict": model.state_dict(),
        "plain": [
            None, True, False, 0, 255, 256, 65536, -1, 2**31, -(2**63), 2**200, 1.5, float("inf"),
            "text", "é", "", b"bytes\xff", bytearray(b"array"), (), (1,), (1, 2), (1, 2, 3, 4),
            {1, 2}, 3 + 4j,
        ],
        "ordered": collections.OrderedDict([("b", 1), ("a", 2)]),
        "counter": collections.Counter("aab"),
        "size": torch.Size([2, 3]),
        "device": torch.device("cpu"),
        "dtype": torch.bfloat16,
        7: {"nested": {"deep": [torch.tensor(2.5)]}},
    }  # fmt: skip


def _assert_same(found: Any, expected: Any, place: str = "") -> None:
    assert type(found) is type(expected), place
    if isinstance(expected, torch.Tensor):
        assert found.dtype == expected.dtype, place
        assert found.size() == expected.size(), place
        assert found.stride() == expected.stride(), place
        assert found.storage_offset() == expected.storage_offset(), place
        assert found.requires_grad == expected.requires_grad, place
        assert found.tolist() == expected.tolist(), place
    elif isinstance(expected, dict):
        assert list(found) == list(expected), place
        assert getattr(found, "_metadata", None) == getattr(expected, "_metadata", None), place
        for key in expected:
            _assert_same(found[key], expected[key], f"{place}[{key!r}]")
    elif type(expected) in (list, tuple):
        assert len(found) == len(expected), place
        for index, (left, right) in enumerate(zip(found, expected, strict=True)):
            _assert_same(left, right, f"{place}[{index}]")
    else:
        assert found == expected, place


@pytest.fixture
def assert_same() -> Any:
    """Fails where two checkpoints differ: in a type, a layout, a value."""
    return _assert_same
