"""Utilities; each module is loaded when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from flambeau.errors import missing

_LAZY = ("_pytree", "backcompat", "benchmark", "checkpoint", "collect_env", "data", "deterministic",
         "dlpack", "flop_counter", "hooks", "model_zoo", "module_tracker", "resume", "tensorboard",
         "weak")  # fmt: skip
_OBJECTS = ("get_cpp_backtrace", "set_module", "swap_tensors")


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return import_module(f".{name}", __name__)
    if name in _OBJECTS:
        return getattr(import_module("._objects", __name__), name)
    return missing(__name__, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY, *_OBJECTS])
