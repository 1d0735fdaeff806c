"""The parts of a `resume.Resumable`: how their states are read and set, and checks of what is loaded."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import numpy as np

import flambeau as torch
from flambeau.utils.data._utils import random_states

VERSION = 1
KEYS = {"resumable", "parts", "values", "epoch", "random"}


def checked(whole: Any, path: str) -> dict[str, Any]:
    if not isinstance(whole, dict) or whole.keys() != KEYS or whole["resumable"] != VERSION:
        raise ValueError(f"{path} was not written by Resumable.save(), or by another version of it")
    if type(whole["epoch"]) is not int or not all(
        type(whole[k]) is dict for k in ("parts", "values")
    ):
        raise ValueError(f"{path} was not written by Resumable.save()")
    return whole


def is_inside(state: dict[str, Any]) -> bool:
    """Whether a loader's state is from within an epoch."""
    position = state["position"]
    return position is not None and not position["ended"]


def check_module(name: str, module: Any, state: Any) -> None:
    """Raises ValueError unless the state has this module's names and shapes."""
    if not isinstance(state, dict):
        raise ValueError(f"{name}: a {type(state).__name__} is no state dict")
    own = module.state_dict()
    if own.keys() != state.keys():
        different = sorted(own.keys() ^ state.keys())[0]
        there = "lacks" if different in own else "has"
        raise ValueError(f"{name}: the save {there} {different!r}, unlike this module")
    for key, tensor in own.items():
        found = state[key]
        if not isinstance(tensor, torch.Tensor) or torch.nn.parameter.is_lazy(tensor):
            continue
        if not isinstance(found, torch.Tensor) or tensor.shape != found.shape:
            shape = tuple(getattr(found, "shape", ()))
            raise ValueError(
                f"{name}: {key} is saved as {shape}, and is {tuple(tensor.shape)} here"
            )


def plain_random() -> dict[str, Any]:
    """The global random states as data that any checkpoint can hold. Those of GPUs are there where GPUs
    have drawn."""
    plain = random_states.plain(random_states.capture())
    assert plain is not None
    seed, states = torch._random.gpu_states()
    return {**plain, "gpus": {"seed": seed, "states": states}} if states else plain


def random_of(data: Any) -> tuple[Any, Any] | None:
    """What `plain_random` gave, for `restore_random`; ValueError where a generator would not take it."""
    if data is None:
        return None
    states = random_states.from_plain(data, 0)
    found = data.get("gpus")
    if found is None:
        return states, None
    try:
        seed, known = found["seed"], dict(found["states"])
        for index, state in known.items():
            if type(index) is not int or state.dtype is not torch.uint8 or state.shape != (16,):
                raise ValueError(f"GPU {index!r:.20} has another kind of state")
        if seed is not None and type(seed) is not int:
            raise ValueError(f"a {type(seed).__name__} is no seed")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a random state: {error}") from error
    return states, (seed, known)


def restore_random(states: tuple[Any, Any]) -> None:
    """Let the global generators go on from there."""
    random_states.restore(states[0])
    if states[1] is not None:
        torch._random.set_gpu_states(states[1])


def access(part: Any) -> tuple[Callable[[], Any], Callable[[Any], Any]] | None:
    """How a part's state is asked for and set; None where it is none that changes in place."""
    if callable(getattr(part, "state_dict", None)) and hasattr(part, "load_state_dict"):
        return part.state_dict, part.load_state_dict
    if isinstance(part, torch.Generator):
        return part.get_state, part.set_state
    if isinstance(part, random.Random):
        return part.getstate, lambda state: part.setstate(_tuples(state))
    if isinstance(part, np.random.Generator):
        bits: Any = part.bit_generator
        return lambda: _frozen(bits.state), lambda state: setattr(bits, "state", state)
    if isinstance(part, np.random.RandomState):
        return lambda: _frozen(part.get_state(legacy=False)), part.set_state
    return None


def _frozen(state: Any) -> Any:
    return copy.deepcopy(state)


def _tuples(state: Any) -> Any:
    return tuple(map(_tuples, state)) if isinstance(state, (list, tuple)) else state
