"""Autograd against PyTorch's: every case of tests/autograd with both libraries."""

from __future__ import annotations

import pytest
import torch

import flambeau
from tests.autograd.cases import CASES, EXPRESSIONS, chain_of
from tests.autograd.support import run, same


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    ours, theirs = run(CASES[name], flambeau), run(CASES[name], torch)
    assert same(ours, theirs), f"\nours   {ours}\ntheirs {theirs}"


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_graph(expression: str) -> None:
    """Node names and `next_functions`."""
    assert chain_of(flambeau, expression) == chain_of(torch, expression)
