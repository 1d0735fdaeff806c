"""Switches that are a module's attributes but kept elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from flambeau import config
from flambeau.frontend import precision


class Fp32Precision:
    """What `fp32_precision` is for one operation of a back end; it has no other attribute."""

    def __init__(self, backend: str, operation: str) -> None:
        self.__dict__["_place"] = backend, operation

    def __getattr__(self, name: str) -> Any:
        if name != "fp32_precision":
            raise AttributeError(f"Unknown attribute {name}")
        return precision.get(*self.__dict__["_place"])

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "fp32_precision":
            raise AttributeError(f"Unknown attribute {name}")
        backend, operation = self.__dict__["_place"]
        precision.put(backend, operation, value)


def boolean(value: Any, what: str) -> bool:
    """A switch's new value. RuntimeError unless it is True or False, as in PyTorch."""
    if not isinstance(value, bool):
        raise RuntimeError(f"{what} expects a bool, but got {type(value).__name__}")
    return value


def switch(name: str, what: str) -> property:
    """A property that is a switch of `config`; `what` is what PyTorch's errors call its setter."""

    def set_switch(_: Any, value: Any) -> None:
        precision.switch(**{name: boolean(value, what)})

    return property(lambda _: getattr(config, name), set_switch)


def fp32_precision(backend: str, operation: str) -> property:
    """A property that says how exactly float32 is computed with."""
    return property(
        lambda _: precision.get(backend, operation),
        lambda _, value: precision.put(backend, operation, value),
    )


def give(module: str, **properties: property | Callable[..., Any]) -> ModuleType:
    """Let a module have properties; gives the module."""
    found = sys.modules[module]
    found.__class__ = type("module", (ModuleType,), {"__module__": "builtins", **properties})
    return found
