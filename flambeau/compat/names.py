"""`import torch` and `import torchvision` resolved to flambeau, in this process."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from types import ModuleType
from typing import Any

from ..lacking import pytorch_name
from ..lacking.advice import sentence

ROOTS = {
    "torch": "flambeau",
    "torchvision": "flambeau.vision",
    "functorch": "flambeau.compat.functorch",
}


def target_of(name: str) -> str | None:
    """The module of flambeau that a module of PyTorch stands for: `torch.nn` → `flambeau.nn`."""
    root, _, rest = name.partition(".")
    base = ROOTS.get(root)
    if base is None:
        return None
    return f"{base}.{rest}" if rest else base


class _Loader(importlib.abc.Loader):
    """Gives the module of flambeau itself, so that both names are one object."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.spec: Any = None

    def create_module(self, spec: Any) -> ModuleType:
        try:
            module = importlib.import_module(self.target)
        except ModuleNotFoundError as error:
            if error.name is None or not (self.target + ".").startswith(error.name + "."):
                raise
            raise ModuleNotFoundError(sentence(spec.name, "module"), name=spec.name) from None
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """The module has been executed under its own name, and keeps its own spec."""
        module.__spec__ = self.spec


class Finder(importlib.abc.MetaPathFinder):
    """Finds PyTorch's module names first, before an installed PyTorch could answer."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        found = target_of(name)
        if found is None or (_is_a_question() and importlib.util.find_spec(found) is None):
            return None
        return importlib.machinery.ModuleSpec(name, _Loader(found), is_package=True)


def _is_a_question() -> bool:
    """Whether a program calls `importlib.util.find_spec`: it wants to know, and imports nothing."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__") == "importlib._bootstrap":
        frame = frame.f_back
    return frame.f_globals.get("__name__") == "importlib.util"


class _Guard:
    """What installing has changed, to be undone."""

    def __init__(self) -> None:
        self.finder = Finder()
        self.hidden: dict[str, ModuleType] = {}

    def install(self) -> None:
        self.hidden = _taken()
        for root in ("torch", "torchvision"):
            sys.modules[root] = importlib.import_module(ROOTS[root])
        sys.meta_path.insert(0, self.finder)

    def remove(self) -> None:
        sys.meta_path.remove(self.finder)
        _taken()
        sys.modules.update(self.hidden)


def _taken() -> dict[str, ModuleType]:
    """The modules under PyTorch's names, taken out of `sys.modules`."""
    names = [name for name in list(sys.modules) if name.partition(".")[0] in ROOTS]
    return {name: sys.modules.pop(name) for name in names}


_guard: _Guard | None = None


def install() -> None:
    """From now on `torch` and `torchvision` mean flambeau."""
    global _guard
    if _guard is None:
        _guard = _Guard()
        _guard.install()


def remove() -> None:
    """Give the names back."""
    global _guard
    if _guard is not None:
        _guard.remove()
        _guard = None


def explain(error: BaseException) -> None:
    """Add to `from torch.x import y`'s error that flambeau lacks `torch.x.y`.

    Python makes that error itself, of the module's own name: a module has no say in it.
    """
    name = getattr(error, "name", None)
    if type(error) is not ImportError or not isinstance(name, str):
        return
    start, _, rest = str(error).partition("cannot import name '")
    missing = rest.partition("'")[0]
    full = pytorch_name(f"{name}.{missing}")
    if not start and missing and full != f"{name}.{missing}":
        error.add_note(sentence(full))
