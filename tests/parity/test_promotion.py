"""Promotion of dtypes, tensors and numbers against PyTorch, over all pairs.

float16 beside a complex number or 0-d tensor is left out: PyTorch gives complex32 there, which
flambeau does not have (it gives complex64)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

import flambeau

NAMES = ["uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64",
         "complex64", "complex128", "bool"]  # fmt: skip


@pytest.mark.parametrize("a", NAMES)
def test_promote_and_cast(a: str) -> None:
    for b in NAMES:
        ours, theirs = (
            str(lib.promote_types(getattr(lib, a), getattr(lib, b))) for lib in (flambeau, torch)
        )
        assert ours == theirs, (a, b)
        ours, theirs = (
            lib.can_cast(getattr(lib, a), getattr(lib, b)) for lib in (flambeau, torch)
        )
        assert ours == theirs, (a, b)


def _operands(lib: Any, name: str) -> list[Any]:
    dt = getattr(lib, name)
    return [lib.ones(2, dtype=dt), lib.ones((), dtype=dt)]


def _complex32(*names: str) -> bool:
    return "float16" in names and any(n.startswith("complex") for n in names)


@pytest.mark.parametrize("a", NAMES)
def test_results_of_arithmetic(a: str) -> None:
    for b, op in itertools.product(NAMES, ("add", "mul", "true_divide", "eq", "maximum")):
        for i, j in itertools.product((0, 1), (0, 1)):
            if i != j and _complex32(a, b):
                continue
            results = []
            for lib in (flambeau, torch):
                x, y = _operands(lib, a)[i], _operands(lib, b)[j]
                try:
                    results.append(str(getattr(lib, op)(x, y).dtype))
                except Exception as error:  # noqa: BLE001
                    results.append(type(error).__name__)
            assert results[0] == results[1], (a, b, op, i, j)


@pytest.mark.parametrize("number", [True, 3, 2.5, 1j])
def test_numbers_beside_tensors(number: Any) -> None:
    for name, i in itertools.product(NAMES, (0, 1)):
        if isinstance(number, complex) and name == "float16":
            continue
        found = [
            str((_operands(lib, name)[i] * number).dtype) for lib in (flambeau, torch)
        ]
        assert found[0] == found[1], (name, i, number)
