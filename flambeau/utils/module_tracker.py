"""`torch.utils.module_tracker`: which modules are running."""

from __future__ import annotations

import weakref
from typing import Any

from flambeau.errors import refusing
from flambeau.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

__all__ = ["ModuleTracker"]


class ModuleTracker:
    """Context manager: `parents` holds the names of the modules whose `forward` runs right now.

    "Global" is the whole program; a module's name begins with its outermost module's class.
    """

    def __init__(self) -> None:
        self.parents: set[str] = {"Global"}
        self._names: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
        self._handles: list[Any] = []

    def _name_of(self, module: Any) -> str:
        if module not in self._names:
            top = type(module).__name__
            for name, inner in module.named_modules():
                self._names.setdefault(inner, f"{top}.{name}" if name else top)
        return self._names[module]

    def __enter__(self) -> ModuleTracker:
        self._handles = [
            register_module_forward_pre_hook(lambda m, _: self.parents.add(self._name_of(m))),
            register_module_forward_hook(
                lambda m, _, __: self.parents.discard(self._name_of(m)), always_call=True
            ),
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self.parents = {"Global"}

    @property
    def is_bw(self) -> bool:
        """Whether a backward pass runs; it is not tracked: False."""
        return False


__getattr__ = refusing(__name__)
