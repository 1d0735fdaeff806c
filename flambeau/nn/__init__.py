"""Neural networks: modules, their parameters, and the functions behind them.

`import flambeau.nn as nn`, `import flambeau.nn.functional as F`.
"""

from __future__ import annotations

import importlib
from typing import Any

from flambeau.errors import refusing

from . import functional, init, modules, parallel, parameter, utils
from .modules import *  # noqa: F403
from .modules.module import Module
from .parallel import DataParallel
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    "Buffer",
    "DataParallel",
    "Module",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "factory_kwargs",
    "functional",
    "init",
    "modules",
    "parallel",
    "parameter",
    "utils",
]
__all__ += modules.__all__

_FURTHER = ("_reduction", "attention", "common_types", "grad")
_lacking = refusing(__name__)


def __getattr__(name: str) -> Any:
    if name in _FURTHER:
        return importlib.import_module(f".{name}", __name__)
    return _lacking(name)


def factory_kwargs(kwargs: dict[str, Any] | None) -> dict[str, Any]:
    """The keyword arguments of a layer that tell how its tensors are made: `device`, `dtype` and
    `memory_format`, given as such or together as `factory_kwargs`.

    Raises `TypeError` for other ones, and for one given in both ways.
    """
    if kwargs is None:
        return {}
    known = ("device", "dtype", "memory_format")
    unexpected = set(kwargs) - {*known, "factory_kwargs"}
    if unexpected:
        raise TypeError(f"unexpected kwargs {unexpected}")
    result = dict(kwargs.get("factory_kwargs", {}))
    for name in known:
        if name in kwargs:
            if name in result:
                raise TypeError(f"{name} specified twice, in **kwargs and in factory_kwargs")
            result[name] = kwargs[name]
    return result
