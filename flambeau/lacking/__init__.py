"""What becomes of names that flambeau lacks: they fail on use, not on import.

Whether a name is PyTorch's says `names.txt`; what to use instead, `advice.py`. Of a name that is
PyTorch's and not ours,

    torch.nested.narrow                 a stand-in: calling it, say, raises `LackingError`
    from torch.nested import narrow     the same
    import torch.nested                 a module whose names are stand-ins
    hasattr(torch.nested, "narrow")     False; `getattr` gives its default or raises AttributeError

and inside of a `try` or `with` statement, where a program is ready for it, the first three raise
AttributeError, ImportError and ModuleNotFoundError. A name that is nobody's raises those anywhere.
See docs/decisions/0013-names-we-lack.md.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_PYTORCHS = (("flambeau.vision", "torchvision"), ("flambeau", "torch"))


def pytorch_name(name: str) -> str:
    """What PyTorch's users call something: `flambeau.nn.Linear` → `torch.nn.Linear`."""
    for ours, theirs in _PYTORCHS:
        if name == ours or name.startswith(ours + "."):
            return theirs + name[len(ours) :]
    return name


def no_attribute(module: str, name: str) -> AttributeError:
    """The error for a name that a module of ours hasn't got."""
    if name.startswith("__"):
        return AttributeError(f"module {module!r} has no attribute {name!r}", name=name)
    from .advice import sentence

    return AttributeError(sentence(pytorch_name(f"{module}.{name}")), name=name)


def attribute(module: str, name: str) -> Any:
    """What a module of ours gives for a name that it hasn't got: a stand-in, or AttributeError."""
    from . import asking, catalogue, standin

    full = pytorch_name(f"{module}.{name}")
    if name.startswith("__") or not catalogue.is_known(full) or not asking.reads_a_name():
        raise no_attribute(module, name)
    if not catalogue.is_module(full):
        return standin.StandIn(full)
    ours = f"{module}.{name}"
    return sys.modules.get(ours) or standin.StandInModule(ours)


class _Loader:
    """Gives a stand-in for a module of PyTorch's."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        from .standin import StandInModule

        return StandInModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is to be executed."""


class Finder:
    """The last of Python's finders: asked for `flambeau.x` where there is no such module."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """A stand-in's spec where a program imports PyTorch's module `torch.x` unprepared."""
        if not name.startswith("flambeau."):
            return None
        from . import asking, catalogue

        if not catalogue.is_module(pytorch_name(name)) or not asking.imports_a_module():
            return None
        return ModuleSpec(name, _Loader(), is_package=True)  # type: ignore[arg-type]


def install() -> None:
    """Let Python find stand-ins for the modules that flambeau lacks."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.append(Finder())  # type: ignore[arg-type]
