"""Whole modules and other objects of a program in files: what `weights_only=False` adds.

An object is written as the name of its class and its attributes. Reading makes it by the class's
`__new__` and sets the attributes, which is what PyTorch does too; but where PyTorch lets the file
import and call anything there is, here a file can name

- what flambeau's library and the program itself define: classes to make objects of, and
  functions as values, which nothing in the file can call;
- the standard library's classes that only hold data.

A class of the program must have been imported, or lie in a module in the program's own folder.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from pickle import UnpicklingError
from types import ModuleType
from typing import Any

import flambeau as torch
from flambeau.serialization.pickle_reader import Known

# Library packages whose classes hold their state in ordinary attributes.
_LIBRARY = ("nn", "optim", "utils", "vision", "distributions", "amp")
_ROOTS = {"torch": "flambeau", "torchvision": "flambeau.vision"}
# Where PyTorch keeps the functions that are written in C++.
_COMPILED = {"torch._C._nn": "flambeau.nn.functional", "torch._C._special": "flambeau.special"}
_FUNCTIONS = ("torch._C._VariableFunctionsClass", "torch._C._VariableFunctions")
_DATA = {
    "argparse": ("Namespace",),
    "collections": ("deque",),
    "datetime": ("date", "datetime", "time", "timedelta", "timezone"),
    "decimal": ("Decimal",),
    "fractions": ("Fraction",),
    "functools": ("partial",),
    "pathlib": ("Path", "PosixPath", "PurePath", "PurePosixPath", "PureWindowsPath"),
    "random": ("Random",),
    "types": ("SimpleNamespace",),
    "uuid": ("UUID",),
}


class _Functions:
    """Stands for the class whose methods PyTorch's functions are in a file."""


class ProgramNames:
    """The names that a file may use: `table`, and what is found in library and program."""

    def __init__(self, table: Mapping[str, Known]) -> None:
        self._table = dict(table)

    def get(self, name: str) -> Known | None:
        known = self._table.get(name)
        if known is None:
            known = _find(name)
            if known is not None:
                self._table[name] = known
        return known


class ProgramBuilders:
    """What sets an object's state, by its type: `table`, else `otherwise` for all but data."""

    def __init__(
        self,
        table: Mapping[type, Callable[[Any, Any], None]],
        otherwise: Callable[[Any, Any], None],
    ) -> None:
        self._table, self._otherwise = table, otherwise

    def get(self, kind: type) -> Callable[[Any, Any], None] | None:
        return self._table.get(kind) or (self._otherwise if kind in self else None)

    def __contains__(self, kind: object) -> bool:
        if kind in self._table:
            return True
        return isinstance(kind, type) and (_is_library(kind) or not _is_closed(kind))


def _find(name: str) -> Known | None:
    root = name.partition(".")[0]
    if name in _FUNCTIONS:
        return Known(_Functions)
    if name == "builtins.getattr":
        return Known(getattr, _attribute)
    if root in _ROOTS:
        return _known(_of_library(name), library=True)
    module, _, last = name.rpartition(".")
    if last in _DATA.get(module, ()):
        found = getattr(importlib.import_module(module), last)
        return Known(found, found, lambda *args: found.__new__(found, *args))
    return _known(_of_program(name), library=False)


def _known(found: Any, library: bool) -> Known | None:
    """What a file may do with a thing of the library or the program."""
    if not isinstance(found, type):
        return Known(found) if callable(found) else None
    if library and not _is_library(found):
        return Known(found)
    construct = None
    if issubclass(found, Enum) or not library and _reduces_itself(found):
        construct = found
    return Known(found, construct, functools.partial(_new, found))


def _new(cls: Any, *args: Any, **kwargs: Any) -> Any:
    return cls.__new__(cls, *args, **kwargs)


def _reduces_itself(cls: type) -> bool:
    """Whether a class says itself how its objects are made again."""
    own = (cls.__reduce__, cls.__reduce_ex__)
    return own != (object.__reduce__, object.__reduce_ex__)


def _attribute(target: Any, name: Any) -> Any:
    """`getattr` as pickles use it: for functions of PyTorch's, methods and inner classes."""
    if type(name) is str and not name.startswith("__"):
        if target is _Functions:
            return getattr(torch, name)
        if isinstance(target, torch.nn.Module) or (
            isinstance(target, type) and not _is_closed(target)
        ):
            found = getattr(target, name)
            if callable(found):
                return found
    raise UnpicklingError(f"the file asks for {name!r:.60} of a {type(target).__name__}")


def _of_library(name: str) -> Any:
    """flambeau's own thing of PyTorch's name, or None."""
    module, _, last = name.rpartition(".")
    if module in _COMPILED:
        return getattr(importlib.import_module(_COMPILED[module]), last, None)
    root, _, rest = name.partition(".")
    parts = f"{_ROOTS[root]}.{rest}".split(".")
    return _defined_in(parts, _imported_anew, lambda home: home == "flambeau")


def _of_program(name: str) -> Any:
    """The program's own thing, from what is imported or lies in its folder, or None."""
    parts = name.split(".")
    if _is_pythons(parts[0]) or parts[0] == "flambeau":
        return None
    find = _imported_anew if _in_own_folder(parts[0]) else sys.modules.get
    return _defined_in(parts, find, lambda home: not _is_pythons(home))


def _imported_anew(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None


def _is_pythons(root: str) -> bool:
    return root in sys.stdlib_module_names or root in ("builtins", "numpy", "llvmlite")


def _defined_in(
    parts: list[str],
    find: Callable[[str], ModuleType | None],
    allowed: Callable[[str], bool],
) -> Any:
    """The thing at a dotted path, if the module that defines it has an `allowed` root.

    What a module has only imported (`import os`) is not its own, and a module is no thing.
    """
    if not all(parts) or any(part.startswith("__") for part in parts[1:]):
        return None
    for length in range(len(parts) - 1, 0, -1):
        found: Any = find(".".join(parts[:length]))
        if found is not None:
            for part in parts[length:]:
                found = getattr(found, part, None)
                if isinstance(found, ModuleType):
                    return None
            home = getattr(found, "__module__", None)
            return found if type(home) is str and allowed(home.partition(".")[0]) else None
    return None


def _in_own_folder(root: str) -> bool:
    """Whether a module that is not imported yet lies beside the program's main file."""
    folder = os.path.realpath(sys.path[0] or os.getcwd())
    try:
        spec = importlib.util.find_spec(root)
    except (ImportError, ValueError):
        return False
    if spec is None:
        return False
    places = [spec.origin, *(spec.submodule_search_locations or ())]
    return any(os.path.dirname(os.path.realpath(place)) == folder for place in places if place)


def _is_library(cls: type) -> bool:
    parts = cls.__module__.split(".")
    return parts[0] == "flambeau" and parts[1:2] != [] and parts[1] in _LIBRARY


def _is_closed(cls: type) -> bool:
    """Whether a class is flambeau's core, NumPy's or Python's, and no data holder of Python's."""
    root = cls.__module__.partition(".")[0]
    if cls.__name__ in _DATA.get(cls.__module__, ()):
        return False
    return root == "flambeau" or _is_pythons(root)
