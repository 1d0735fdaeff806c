"""The op table. Importing this package fills it: every module of it is a family and adds its rows.

A new family is a new file, and nothing else has to know of it.
"""

from __future__ import annotations

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    if not _module.ispkg:
        importlib.import_module(f"{__name__}.{_module.name}")


def __getattr__(name: str) -> object:
    """`torch.ops.aten` and other libraries of operators: the package has PyTorch's name for them."""
    if name.startswith("__"):
        raise AttributeError(name)
    return importlib.import_module("flambeau.library.namespaces").namespaces[name]
