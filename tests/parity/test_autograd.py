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


def test_gradgradcheck_draws_as_pytorch_does() -> None:
    """What a program draws after it is the same."""
    found = []
    for lib in (flambeau, torch):
        lib.manual_seed(0)
        x = lib.ones(2, 3, dtype=lib.float64, requires_grad=True)
        z = lib.full((2,), 1 + 2j, dtype=lib.complex128, requires_grad=True)
        lib.autograd.gradgradcheck(lambda t: (t.exp(), t[0] * 2), x)
        lib.autograd.gradgradcheck(lambda t: t * t, z, gen_non_contig_grad_outputs=True)
        found.append(lib.rand(3).tolist())
    assert found[0] == found[1]
