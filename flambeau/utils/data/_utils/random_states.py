"""The states of the random generators that a sampler or a dataset may draw from.

`capture` and `restore` are quick and deal in whatever the generators give out; `plain` makes data
of it that any checkpoint can hold, and `from_plain` checks such data before anybody uses it.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

import flambeau as torch
from flambeau.errors import shown

_BIT_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")

States = tuple[Any, Any, Any, list[Any]]
"""PyTorch's global stream, Python's, NumPy's (None if never loaded), and given generators'."""


def capture(generators: Sequence[Any] = (), ours_alone: bool = False) -> States:
    """What the global generators and ``generators`` will go on from.

    ``ours_alone`` leaves out Python's and NumPy's, for what is known not to draw from them.
    """
    own = [generator.get_state() for generator in generators]
    if ours_alone:
        return torch.get_rng_state(), None, None, own
    numpy_state = None
    if "numpy.random" in sys.modules:
        numpy_state = np.random.get_state(legacy=False)
    return torch.get_rng_state(), random.getstate(), numpy_state, own


def restore(states: States, generators: Sequence[Any] = ()) -> None:
    """Lets the generators go on from where ``states`` was captured."""
    ours, python, numpy_state, own = states
    torch.set_rng_state(ours)
    if python is not None:
        random.setstate(python)
    if numpy_state is not None:
        np.random.set_state(numpy_state)
    for generator, state in zip(generators, own, strict=True):
        generator.set_state(state)


def snapshot(
    states: States,
    dataset: Any = None,
    stream: Any = None,
    before: bool = False,
    ended: bool = False,
) -> dict[str, Any]:
    """From where a worker goes on.

    Its random states, and in a tuple what the dataset or its iterator says of itself. ``before``:
    at an epoch's beginning, before the dataset's ``iter``; else where its last batch was given.
    ``ended``: its stream has no more.
    """
    return {
        "random": states,
        "dataset": dataset,
        "stream": stream,
        "before": before,
        "ended": ended,
    }


def plain(states: States | None) -> dict[str, Any] | None:
    """``states`` in tensors, numbers and tuples."""
    if states is None:
        return None
    ours, python, numpy_state, own = states
    return {
        "torch": ours,
        "python": python,
        "numpy": None if numpy_state is None else _without_arrays(numpy_state),
        "generators": list(own),
    }


def from_plain(data: Any, generators: int) -> States | None:
    """The states again; ValueError where a generator would not take them."""
    if data is None:
        return None
    try:
        python, numpy_state = data["python"], data["numpy"]
        own = list(data["generators"])
        check_streams(own, generators)
        torch.Generator().set_state(data["torch"])
        if python is not None:
            version, words, spare = python
            python = (version, tuple(words), spare)
            random.Random().setstate(python)
        if numpy_state is not None:
            numpy_state = _with_arrays(numpy_state)
            _try_numpy(numpy_state)
        return data["torch"], python, numpy_state, own
    except (
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        RuntimeError,
        OverflowError,
    ) as error:
        raise ValueError(f"not a random state: {error}") from error


def check_streams(states: Sequence[Any], count: int) -> None:
    """Raises TypeError, ValueError or RuntimeError if these are not ``count`` streams' states."""
    if len(states) != count:
        raise ValueError(f"{len(states)} generators' states for {count} generators")
    for state in states:
        torch.Generator().set_state(state)


def _try_numpy(state: dict[str, Any]) -> None:
    kind = state["bit_generator"]
    if kind not in _BIT_GENERATORS:
        raise ValueError(f"NumPy has no bit generator {shown(kind)}")
    np.random.RandomState(getattr(np.random, kind)()).set_state(state)


def _without_arrays(state: Any) -> Any:
    if isinstance(state, dict):
        return {key: _without_arrays(value) for key, value in state.items()}
    if isinstance(state, np.ndarray):
        return {"array": torch.from_numpy(state.astype(np.int64)), "dtype": state.dtype.str}
    return state.item() if isinstance(state, np.generic) else state


def _with_arrays(state: Any) -> Any:
    if not isinstance(state, dict):
        return state
    if state.keys() == {"array", "dtype"}:
        return state["array"].numpy().astype(np.dtype(state["dtype"]))
    return {key: _with_arrays(value) for key, value in state.items()}
