"""Which classes a file may make objects of with `weights_only=False`, and how.

An object is made by its class's `__new__` and gets its attributes. A class's own code runs only
where it says itself how its objects are made again (`__reduce__`), and its `__setstate__`: of the
program's classes, not of everything that happens to be installed and imported.
"""

from __future__ import annotations

import functools
import importlib
import re
import sys
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from enum import Enum
from pickle import UnpicklingError
from typing import Any

import flambeau as torch
from flambeau.errors import brief
from flambeau.serialization.pickle_reader import Known

LIBRARY = ("nn", "optim", "utils", "vision", "distributions", "amp")
"""Library packages whose classes hold their state in ordinary attributes."""
# A registry puts what it gets among the attributes of others.
_NOT_MADE = ("flambeau.nn.modules._registry",)
# Functions that compute and return. What loads, saves, downloads or starts something is no value
# for a file: an object may call what it has been given.
_HARMLESS = (
    "flambeau.nn.", "flambeau.special", "flambeau.fft", "flambeau.linalg", "flambeau.signal",
    "flambeau.optim.", "flambeau.distributions.", "flambeau.amp.", "flambeau.vision.transforms.",
    "flambeau.vision.ops.", "flambeau.vision.datasets.folder.", "flambeau.frontend.creation",
    "flambeau.frontend.random", "flambeau.frontend.namespace", "flambeau.array_api",
    "flambeau.utils.data._utils.collate", "flambeau.utils.checkpoint", "flambeau.sparse",
)  # fmt: skip
DATA = {
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
"""The standard library's classes that only hold data."""
_CONTAINERS = (OrderedDict, defaultdict, Counter)
_INSTALLED = ("site-packages", "dist-packages")
_FRACTION = re.compile(r"-?\d{1,4000}(/\d{1,4000})?")


@functools.cache
def data_classes() -> frozenset[type]:
    """The classes of `DATA`."""
    return frozenset(
        getattr(importlib.import_module(module), name)
        for module, names in DATA.items()
        for name in names
    )


def known(found: Any) -> Known | None:
    """What a file may do with a thing of the library or the program; None: not even name it."""
    if not isinstance(found, type):
        return Known(found) if callable(found) and is_harmless(found) else None
    if not can_be_made(found) or issubclass(found, torch.Tensor):
        public = getattr(torch, found.__name__, None) is found
        return Known(found) if public or not _is_ours(found) or _is_library(found) else None
    return Known(found, _constructor(found), functools.partial(_new, found))


def known_data(cls: type) -> Known:
    """What a file may do with one of the standard library's data classes."""
    return Known(cls, functools.partial(_data, cls), functools.partial(_new_data, cls))


def is_harmless(found: Any) -> bool:
    """Whether a function may be an attribute of an object in a file: the program's own may."""
    home = str(getattr(found, "__module__", ""))
    if home == "flambeau":
        return True  # a row of the table of operations
    return not home.startswith("flambeau.") or f"{home}.".startswith(_HARMLESS)


def can_be_made(cls: type) -> bool:
    """Whether a file may make objects of a class and set their attributes."""
    if cls in data_classes():
        return True
    if issubclass(cls, type) or is_pythons(cls.__module__.partition(".")[0]):
        return False
    return not _is_ours(cls) or _is_library(cls)


def is_pythons(root: str) -> bool:
    """Whether a package is Python's own, or one that flambeau stands on."""
    return root in sys.stdlib_module_names or root in ("builtins", "numpy", "llvmlite")


def _is_ours(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == "flambeau"


def _is_library(cls: type) -> bool:
    if not _is_ours(cls) or cls.__module__ in _NOT_MADE:
        return False
    return cls.__module__.split(".")[1:2] in [[name] for name in LIBRARY]


def _new(cls: Any, *args: Any, **kwargs: Any) -> Any:
    if (args or kwargs) and _is_ours(cls) and not issubclass(cls, tuple):
        raise UnpicklingError(f"{cls.__name__} is made without arguments by a file")
    return cls.__new__(cls, *args, **kwargs)


def _constructor(cls: type) -> Callable[..., Any] | None:
    """What a call of a class gives: it is called where it says itself that it has to be."""
    if issubclass(cls, Enum):
        return cls
    for base in cls.__mro__[:-1]:
        if "__reduce__" not in vars(base) and "__reduce_ex__" not in vars(base):
            continue
        if base.__module__ == "builtins" or base in data_classes() or base in _CONTAINERS:
            return functools.partial(_as_base, base, cls)
        return None if _is_ours(cls) or _is_installed(cls) or _is_stdlib(base) else cls
    return None


def _as_base(base: Any, cls: type, *args: Any) -> Any:
    """An object of a class that leaves to its base how it is made, without its own `__init__`."""
    made = base.__new__(cls, *args)
    if base.__init__ is not object.__init__:
        base.__init__(made, *args)
    return made


def _is_stdlib(cls: type) -> bool:
    return is_pythons(cls.__module__.partition(".")[0])


def _is_installed(cls: type) -> bool:
    """Whether a class comes from an installed package and not from the program's own files."""
    path = str(getattr(sys.modules.get(cls.__module__), "__file__", None) or "")
    return any(part in _INSTALLED for part in path.replace("\\", "/").split("/"))


def _data(cls: Any, *args: Any) -> Any:
    _check_data(cls, args)
    return cls(*args)


def _new_data(cls: Any, *args: Any) -> Any:
    _check_data(cls, args)
    return cls.__new__(cls, *args)


def _check_data(cls: type, args: Iterable[Any]) -> None:
    """Refuses what would take any time: iterating over a range, and powers of ten."""
    for arg in args:
        if type(arg) is range or (
            cls.__name__ == "Fraction" and type(arg) is str and not _FRACTION.fullmatch(arg)
        ):
            raise UnpicklingError(f"a {cls.__name__} made of {brief(arg)}")


def set_random_state(target: Any, state: Any) -> None:
    """The state of a `random.Random`, which is converted item by item."""
    parts = state if type(state) is tuple and len(state) == 3 else ()
    if not parts or type(parts[1]) is not tuple:
        raise UnpicklingError(f"the state of a random.Random is {brief(state)}")
    target.setstate(state)
