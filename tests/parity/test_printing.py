"""Texts of tensors against PyTorch's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import flambeau

DTYPES = ["float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8",
          "bool", "complex64", "complex128"]  # fmt: skip
SHAPES = [(), (1,), (7,), (40,), (0,), (2, 0, 3), (3, 4), (2, 3, 4), (1, 1, 1, 2), (2, 1, 3, 2),
          (1200,), (40, 40), (11, 10, 10), (1001, 1), (2, 600), (4, 4, 4, 20)]  # fmt: skip


@pytest.fixture(autouse=True)
def options() -> Iterator[None]:
    yield
    for library in (torch, flambeau):
        library.set_printoptions(profile="default")


def _values(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Doubles of a kind that makes for a notation of its own."""
    kind = rng.integers(0, 12)
    x = rng.standard_normal(shape)
    if kind < 3:
        x = x * 10.0 ** float(rng.integers(-6, 7))
    elif kind == 3:
        x = np.round(x * 100)
    elif kind == 4:
        x = x * 10.0 ** rng.uniform(-2, 2, shape)
    elif kind == 5:
        x = np.round(x * 10.0 ** float(rng.integers(1, 10)))
    elif kind == 6:
        x = np.zeros(shape) * np.sign(x)
    elif kind == 7:
        x = np.full(shape, rng.choice([np.nan, np.inf, -np.inf]))
    elif kind == 8:
        x = np.where(rng.random(shape) < 0.2, np.nan, x)
    elif kind == 9:
        x = np.where(rng.random(shape) < 0.2, -np.inf, np.round(x * 5))
    elif kind == 10:
        x = np.where(rng.random(shape) < 0.5, 0.0, x * 1e-5)
    return x


def _pair(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> tuple[Any, Any]:
    with np.errstate(all="ignore"):
        x = _values(rng, shape)
        if dtype.startswith("complex"):
            x = (x + 1j * _values(rng, shape)).astype(dtype)
            given: Any = x
        elif "float" in dtype:
            x = x.astype(np.float64 if dtype == "float64" else np.float32)
            given = x
        else:
            given = (np.nan_to_num(x, posinf=9, neginf=-9) * 10).astype(np.int64)
    pair = []
    for library in (torch, flambeau):
        made = library.from_numpy(np.array(given))
        pair.append(made.to(getattr(library, dtype)))
    return pair[0], pair[1]


@pytest.mark.parametrize("dtype", DTYPES)
def test_random_tensors(dtype: str) -> None:
    rng = np.random.default_rng(DTYPES.index(dtype))
    for shape in SHAPES:
        for _ in range(6):
            theirs, ours = _pair(rng, shape, dtype)
            assert repr(ours) == repr(theirs), (shape, dtype)
            if theirs.ndim == 2:
                assert repr(ours.t()) == repr(theirs.t())


@pytest.mark.parametrize("changed", [
    {"precision": 2}, {"precision": 0}, {"precision": 8, "linewidth": 60}, {"threshold": 5},
    {"threshold": 3, "edgeitems": 1}, {"threshold": 0, "edgeitems": 0}, {"edgeitems": 0},
    {"profile": "short"}, {"profile": "full"}, {"profile": "other"}, {"linewidth": 20},
    {"linewidth": 4}, {"sci_mode": True}, {"sci_mode": False}, {"sci_mode": True, "precision": 1},
    {"threshold": 5, "edgeitems": 2, "profile": "short"}, {"threshold": float("inf")},
])  # fmt: skip
def test_options(changed: dict[str, Any]) -> None:
    rng = np.random.default_rng(3)
    for library in (torch, flambeau):
        library.set_printoptions(**changed)
    for dtype in ("float32", "float16", "int64", "bool", "complex64"):
        for shape in SHAPES:
            for _ in range(2):
                theirs, ours = _pair(rng, shape, dtype)
                assert repr(ours) == repr(theirs), (shape, dtype)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_default_dtypes(dtype: str) -> None:
    rng = np.random.default_rng(4)
    for library in (torch, flambeau):
        library.set_default_dtype(getattr(library, dtype))
    try:
        for each in DTYPES:
            for shape in ((), (0,), (2, 0), (3,), (2, 2)):
                theirs, ours = _pair(rng, shape, each)
                assert repr(ours) == repr(theirs)
    finally:
        for library in (torch, flambeau):
            library.set_default_dtype(library.float32)


_EXPRESSIONS = """
torch.ones(3, requires_grad=True)
torch.ones(3, requires_grad=True) + 1
torch.ones(2, 2, requires_grad=True).double().sum()
torch.full((2, 9), 1.23456, requires_grad=True) * 2
torch.full((2, 8), 1.23456, dtype=torch.float64, requires_grad=True) * 2
torch.full((2, 7), 1.23456, dtype=torch.float64, requires_grad=True).exp().log().view(14)
torch.zeros(2, 0, requires_grad=True)
torch.zeros(2, 0, requires_grad=True) * 2
torch.zeros(1001, requires_grad=True).exp()
torch.ones(3, requires_grad=True).detach()
torch.nn.Parameter(torch.ones(2, 3))
torch.nn.Parameter(torch.ones(2, 3), requires_grad=False)
torch.nn.Parameter(torch.ones(4, dtype=torch.float64))
[torch.ones(2), torch.arange(3)]
torch.tensor([1e-7, 1.0, 12345.678])
torch.tensor([0.0, -0.0, 1e10])
torch.tensor([complex(0, -0.0), complex(float('nan'), 1)])
torch.tensor(-3)
torch.tensor(True)
torch.tensor(1.5, dtype=torch.bfloat16)
torch.tensor(2.0, requires_grad=True) ** 2
f"{torch.tensor(1.5)} {torch.tensor(2)} {torch.tensor(1.23456):.2f} {torch.tensor([1.0])}"
f"{torch.nn.Parameter(torch.tensor(1.5))}"
str(torch.ones(2)) + '%s' % torch.zeros(1) + format(torch.tensor(3), '03d')
"""


@pytest.mark.parametrize("expression", _EXPRESSIONS.strip().splitlines())
def test_expressions(expression: str) -> None:
    assert repr(eval(expression, {"torch": flambeau})) == repr(eval(expression, {"torch": torch}))


def test_subclasses() -> None:
    texts = []
    for library in (torch, flambeau):

        class Mine(library.Tensor):  # type: ignore[name-defined, misc]
            pass

        class Weight(library.nn.Parameter):  # type: ignore[name-defined, misc]
            pass

        texts.append([repr(library.ones(2, 12).as_subclass(Mine)), repr(Weight(library.ones(3)))])
    assert texts[0] == texts[1]


def test_a_view_without_a_node() -> None:
    texts = []
    for library in (torch, flambeau):
        x = library.ones(3, requires_grad=True)
        with library.no_grad():
            view = x[:2]
            view.add_(1)
        texts.append(repr(view))
    assert texts[0] == texts[1]
