"""How whole modules, functions and the program's own objects are written: by name and state."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import Enum
from pickle import PicklingError
from types import MethodType
from typing import Any

import flambeau as torch
from flambeau.errors import pytorch_name
from flambeau.serialization.pickle_writer import Global, Reduced

_REGISTRIES = ("_parameters", "_buffers", "_modules")
# Where PyTorch's users find flambeau's functions, whatever file defines them.
_HOMES = ("flambeau.nn.functional", "flambeau", "flambeau.nn.init", "flambeau.special")
_ABSENT = object()


def reduced(obj: Any, name_of: Callable[[Any], Global] | None = None) -> Global | Reduced:
    """The name of a class or function; of an object its class and how it is made again.

    Args:
        name_of: gives the name of a module's class; None for that under which it is found.

    Raises:
        pickle.PicklingError: it is not found under its name, as a lambda or a local class.
        TypeError: it is nothing that can be written, such as a lock or an open file.
    """
    if isinstance(obj, torch.nn.Module) and not writes_itself(type(obj)):
        return Reduced((name_of or global_of)(type(obj)), (), state=module_state(obj), new=True)
    if isinstance(obj, Enum):
        return Reduced(global_of(type(obj)), (obj.value,))
    if isinstance(obj, MethodType):
        return Reduced(Global("__builtin__", "getattr"), (obj.__self__, obj.__name__))
    if isinstance(obj, type) or hasattr(obj, "__qualname__"):
        return global_of(obj)
    return by_protocol(obj, global_of)


def module_state(module: Any) -> dict[str, Any]:
    """A module's attributes as PyTorch keeps them: parameters in their dictionary only."""
    tables = [module.__dict__.get(name, {}) for name in _REGISTRIES]
    state = {
        name: value
        for name, value in list(module.__dict__.items())
        if all(table.get(name, _ABSENT) is not value for table in tables)
    }
    for name, table in zip(_REGISTRIES, tables, strict=True):
        state[name] = dict(table)
    return state


def global_of(found: Any) -> Global:
    """The name under which a class or function is found again, which is PyTorch's for ours."""
    module = getattr(found, "__module__", None) or "builtins"
    name = found.__qualname__
    if module == "flambeau" or module.startswith("flambeau."):
        return _global_of_ours(found, module, name)
    if _lookup(module, name) is not found:
        raise PicklingError(
            f"{name} is code that no name leads to: {module}.{name} is not it. Only what is "
            "defined at the top of a module can be saved, no lambdas and nothing local"
        )
    return Global("__builtin__" if module == "builtins" else module, name)


def _global_of_ours(found: Any, module: str, name: str) -> Global:
    if not isinstance(found, type):
        name = name.rpartition(".")[2]  # a row's function says `_nn.gelu`
    for home in _homes(module) if isinstance(found, type) else (*_HOMES, module):
        if _lookup(home, name) is found:
            return Global(pytorch_name(home), name)
    raise PicklingError(f"{pytorch_name(module)}.{name} is code that no name leads to")


def _homes(module: str) -> list[str]:
    """Where PyTorch may have a class of ours: it does not divide its packages as we do."""
    package, _, last = module.rpartition(".")
    if not last.startswith("_"):
        return [module]
    beside = [name for name in list(sys.modules) if name.startswith(package + ".")]
    public = sorted(name for name in beside if "._" not in name)
    return [*public, package, module]


def _lookup(module: str, name: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def writes_itself(cls: type) -> bool:
    """Whether a module's class says itself what of it is to be saved."""
    own = {name for kind in cls.__mro__[:-1] for name in vars(kind)}
    return bool(own & {"__getstate__", "__reduce__", "__reduce_ex__"})


def by_protocol(obj: Any, name_of: Callable[[Any], Global]) -> Reduced:
    """An object by Python's own protocol, `__reduce_ex__`.

    Args:
        name_of: gives the name of its class, or of another function that makes it.
    """
    found = obj.__reduce_ex__(2)
    if not isinstance(found, tuple):
        raise PicklingError(f"{type(obj).__name__}.__reduce_ex__ gives {type(found).__name__}")
    function, args, state, listed, items = (*found, None, None, None)[:5]
    new = getattr(function, "__name__", "") == "__newobj__"
    if new:
        function, args = type(obj), args[1:]
    return Reduced(
        name_of(function),
        tuple(args),
        items=None if items is None else dict(items),
        state=state,
        listed=None if listed is None else list(listed),
        new=new,
    )
