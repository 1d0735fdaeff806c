"""Whole modules and other objects of a program in files: what `weights_only=False` adds.

An object is written as the name of its class and its attributes. Reading makes it by the class's
`__new__` and sets the attributes, which is what PyTorch does too; but where PyTorch lets the file
import and call anything there is, here a file can name

- what flambeau's library and the program itself define: classes to make objects of, and
  functions as values, which nothing in the file can call;
- the standard library's classes that only hold data.

What may be done with a class says `program_classes`. A class of the program must have been
imported, or be defined in a module in the program's own folder.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from types import ModuleType
from typing import Any

import flambeau as torch
from flambeau.errors import brief
from flambeau.serialization import program_classes as classes
from flambeau.serialization.pickle_reader import Known

_ROOTS = {"torch": "flambeau", "torchvision": "flambeau.vision"}
# Where PyTorch keeps the functions that are written in C++.
_COMPILED = {"torch._C._nn": "flambeau.nn.functional", "torch._C._special": "flambeau.special"}
_DEEPEST = 30  # dots in a name
_FUNCTIONS = ("torch._C._VariableFunctionsClass", "torch._C._VariableFunctions")


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
        return kind in self._table or isinstance(kind, type) and classes.can_be_made(kind)


def _find(name: str) -> Known | None:
    if name.count(".") > _DEEPEST:
        return None
    root = name.partition(".")[0]
    if name in _FUNCTIONS:
        return Known(_Functions)
    if name == "builtins.getattr":
        return Known(getattr, _attribute)
    if root in _ROOTS:
        return classes.known(_of_library(name))
    module, _, last = name.rpartition(".")
    if last in classes.DATA.get(module, ()):
        return classes.known_data(getattr(importlib.import_module(module), last))
    return classes.known(_of_program(name))


def _attribute(target: Any, name: Any) -> Any:
    """`getattr` as pickles use it: for functions of PyTorch's, methods and inner classes."""
    if type(name) is str and not name.startswith("__"):
        if target is _Functions:
            found = getattr(torch, name)
            if classes.is_harmless(found):
                return found
        if isinstance(target, torch.nn.Module) or (
            isinstance(target, type)
            and target not in classes.data_classes()
            and classes.can_be_made(target)
        ):
            found = getattr(target, name)
            if callable(found):
                return found
    raise UnpicklingError(f"the file asks for {brief(name)} of a {type(target).__name__}")


def _of_library(name: str) -> Any:
    """flambeau's own thing of PyTorch's name, or None."""
    module, _, last = name.rpartition(".")
    if module in _COMPILED:
        return getattr(importlib.import_module(_COMPILED[module]), last, None)
    root, _, rest = name.partition(".")
    parts = f"{_ROOTS[root]}.{rest}".split(".")
    return _defined_in(parts, _library_module, lambda home: home == "flambeau")


def _library_module(name: str, _last: str) -> ModuleType | None:
    """A module of ours: imported for the file's sake if it is of the layers that hold classes."""
    parts = name.split(".")
    if len(parts) > 1 and parts[1] not in classes.LIBRARY:
        return sys.modules.get(name)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None


def _of_program(name: str) -> Any:
    """The program's own thing, from what is imported or lies in its folder, or None."""
    parts = name.split(".")
    if classes.is_pythons(parts[0]) or parts[0] == "flambeau":
        return None
    return _defined_in(parts, _program_module, lambda home: not classes.is_pythons(home))


def _program_module(name: str, wanted: str) -> ModuleType | None:
    """A module that is imported, or lies beside the program's main file and defines `wanted`."""
    found = sys.modules.get(name)
    if found is None and _defines(name, wanted):
        return importlib.import_module(name)
    return found


def _defines(module: str, wanted: str) -> bool:
    """Whether a file of that name in the program's own folder has a class or function `wanted`.

    It is found out by reading: a file that only happens to lie there is not run.
    """
    if not sys.path[0] or not all(part.isidentifier() for part in module.split(".")):
        return False
    place = Path(sys.path[0], *module.split("."))
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError):
            continue
        kinds = (ast.ClassDef, ast.FunctionDef)
        return any(isinstance(node, kinds) and node.name == wanted for node in ast.walk(tree))
    return False


def _defined_in(
    parts: list[str],
    find: Callable[[str, str], ModuleType | None],
    allowed: Callable[[str], bool],
) -> Any:
    """The thing at a dotted path, if the module that defines it has an `allowed` root.

    What a module has only imported (`import os`) is not its own, and a module is no thing.
    """
    if not all(parts) or any(part.startswith("__") for part in parts[1:]):
        return None
    for length in range(len(parts) - 1, 0, -1):
        found: Any = find(".".join(parts[:length]), parts[length])
        if found is not None:
            for part in parts[length:]:
                found = getattr(found, part, None)
                if isinstance(found, ModuleType):
                    return None
            home = getattr(found, "__module__", None)
            return found if type(home) is str and allowed(home.partition(".")[0]) else None
    return None
