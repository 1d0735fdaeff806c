"""The parts of a `resume.Resumable`: how their states are read and set, and checks of what is loaded."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import numpy as np

import flambeau as torch

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
