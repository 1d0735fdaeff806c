"""Every layer against PyTorch's: parameters of a seed, text, keys, outputs, gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import flambeau
from tests.nn.cases import MODULES
from tests.nn.support import build, run_module
from tests.parity.nn_pair import all_close, close, same_bits


@pytest.mark.parametrize("case", MODULES)
def test_made_alike(case: str) -> None:
    """The seed's parameters bit for bit, the text, the keys and versions of the state."""
    theirs, ours = build(torch, case), build(flambeau, case)
    assert repr(ours) == repr(theirs)
    state, expected = ours.state_dict(), theirs.state_dict()
    assert list(state) == list(expected)
    assert state._metadata == expected._metadata
    for key in state:
        same_bits(state[key], expected[key], key)
    assert [name for name, _ in ours.named_modules()] == [n for n, _ in theirs.named_modules()]


@pytest.mark.parametrize("case", [case for case in MODULES if not case.startswith("~")])
def test_computes_alike(case: str) -> None:
    """Outputs, gradients of inputs and parameters, buffers afterwards; in float64."""
    all_close(run_module(flambeau, case), run_module(torch, case))


def test_float32_is_the_default() -> None:
    """Without `double()` parameters and results are float32 on both sides."""
    theirs, ours = build(torch, "nn.Linear(3, 4)"), build(flambeau, "nn.Linear(3, 4)")
    x = np.ones((2, 3), dtype="float32")
    close(ours(flambeau.tensor(x)), theirs(torch.tensor(x)), "output", rtol=1e-5)
