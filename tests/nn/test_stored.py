"""Every case of `cases` against what PyTorch 2.13 gave for it (tools/make_nn_numbers.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import flambeau
import flambeau.nn
from tests.nn import support
from tests.nn.cases import FUNCTIONS, INITS, MODULES

STORED = json.loads((Path(__file__).parent / "stored.json").read_text())


def compare(found: dict[str, Any], stored: dict[str, Any]) -> None:
    for name, tensors in found.items():
        digests = [support.digest(each) for each in tensors]
        assert len(digests) == len(stored[name])
        for k, (mine, expected) in enumerate(zip(digests, stored[name], strict=True)):
            assert support.near(mine, expected), f"{name} {k}: {mine}, PyTorch has {expected}"


@pytest.mark.parametrize("case", MODULES)
def test_layer_is_made_as_pytorch_makes_it(case: str) -> None:
    """The text, and the keys and numbers of the state after seed 0."""
    stored = STORED["modules"][case]
    made = support.build(flambeau, case)
    assert repr(made) == stored["repr"]
    state = {key: support.digest(value) for key, value in made.state_dict().items()}
    assert list(state) == list(stored["state"])
    for key, digest in state.items():
        assert support.near(digest, stored["state"][key]), key


@pytest.mark.parametrize("case", [case for case in MODULES if not case.startswith("~")])
def test_layer_computes_what_pytorch_computes(case: str) -> None:
    """Outputs, gradients of arguments and parameters, buffers afterwards."""
    compare(support.run_module(flambeau, case), STORED["modules"][case])


@pytest.mark.parametrize("case", FUNCTIONS)
def test_function_computes_what_pytorch_computes(case: str) -> None:
    """Outputs, gradients, and the arguments afterwards."""
    compare(support.run_function(flambeau, case), STORED["functions"][case])


@pytest.mark.parametrize("case", INITS)
def test_init_draws_what_pytorch_draws(case: str) -> None:
    """The numbers of seed 11."""
    flambeau.manual_seed(11)
    found = support.digest(support.evaluate(flambeau, case))
    assert support.near(found, STORED["inits"][case])
