"""Autograd against PyTorch's: every case of tests/autograd with both libraries."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import flambeau
from tests.autograd import (
    cases_backward,
    cases_function,
    cases_graph,
    cases_hooks,
    cases_inplace,
    cases_modes,
)
from tests.autograd.support import Case, run, same

MODULES = (cases_backward, cases_hooks, cases_modes, cases_function, cases_inplace, cases_graph)
ALL: dict[str, Case] = {name: case for module in MODULES for name, case in module.CASES.items()}


@pytest.mark.parametrize("name", ALL)
def test_case(name: str) -> None:
    ours, theirs = run(ALL[name], flambeau), run(ALL[name], torch)
    assert same(ours, theirs), f"\nours   {ours}\ntheirs {theirs}"


@pytest.mark.parametrize("expression", cases_graph.EXPRESSIONS)
def test_node_names(expression: str) -> None:
    def graph(library: Any) -> Any:
        return cases_graph.chain_of(library, expression)

    assert graph(flambeau) == graph(torch)
