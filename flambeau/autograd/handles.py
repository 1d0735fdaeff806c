"""Handles of hooks, of tensors, nodes, modules and optimizers alike."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from typing import Any


class RemovableHandle:
    """Takes a hook away again: `handle.remove()`, or leaving a `with` block."""

    id: int
    next_id = 0

    def __init__(self, hooks: Any, *, extra_dict: Any = None) -> None:
        """`hooks` holds the hook under `handle.id`; so do the dictionaries in `extra_dict`."""
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        extra = [] if extra_dict is None else extra_dict
        if isinstance(extra, dict):
            extra = [extra]
        # Held weakly where that can be: a handle that outlives its module must not keep its hooks.
        self._dicts = [_reference(each) for each in (hooks, *extra)]

    def remove(self) -> None:
        """Take the hook away; nothing where it is gone."""
        for reference in self._dicts:
            hooks = reference()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.remove()

    def __getstate__(self) -> tuple[Any, ...]:
        return (self.id, [reference() for reference in self._dicts])

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.id, dicts = state
        self._dicts = [_reference(OrderedDict() if each is None else each) for each in dicts]
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)


RemovableHandle.__module__ = "flambeau.utils.hooks"


def _reference(hooks: Any) -> Any:
    return (lambda: hooks) if type(hooks) is dict else weakref.ref(hooks)


def hooked(hooks: dict[int, Any], hook: Any) -> RemovableHandle:
    """Enter a hook; gives its handle."""
    if not callable(hook):
        raise TypeError(f"a hook must be callable, not {type(hook).__name__}")
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle
