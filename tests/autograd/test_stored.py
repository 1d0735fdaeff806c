"""Every case against what PyTorch 2.13 gave for it (tools/make_autograd_numbers.py)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import flambeau
from tests.autograd.cases import CASES, EXPRESSIONS, chain_of
from tests.autograd.support import run, same

STORED = json.loads((Path(__file__).parent / "stored.json").read_text())


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    found, stored = run(CASES[name], flambeau), STORED["cases"][name]
    assert same(found, stored), f"\nfound  {found}\nstored {stored}"


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_graph(expression: str) -> None:
    """Node names and `next_functions`."""
    assert chain_of(flambeau, expression) == STORED["graphs"][expression]
