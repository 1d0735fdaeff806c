"""The three dictionaries of a module, repeated in its namespace so that reading them is fast.

`module.weight` is not an ordinary attribute: PyTorch keeps it in `module._parameters` and finds
it through `__getattr__`. That road costs about 0.5 µs a read (Python first fails on the ordinary
one), which is a tenth of what recording an operation costs. A `Registry` therefore also writes
each entry into the `__dict__` of the module that it belongs to, where a read costs 0.03 µs.
Whoever changes the dictionary directly (`module._parameters["weight"] = w`) changes both.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any

__all__ = ["Registry"]

_ABSENT = object()


class Registry(dict[str, Any]):
    """A dictionary that shows its entries as attributes of its owners too.

    An owner is held weakly: a module must die with its last outside reference, not with the
    next run of the garbage collector. There is more than one only after `copy.copy(module)`,
    which shares the dictionaries as PyTorch does.
    """

    __slots__ = ("_owners",)

    _owners: tuple[weakref.ref[Any], ...]

    def __init__(self, owner: Any = None, entries: Iterable[tuple[str, Any]] = ()) -> None:
        dict.__init__(self)
        self._owners = ()
        if owner is not None:
            self.adopt(owner)
        for key, value in entries:
            self[key] = value

    def adopt(self, owner: Any) -> None:
        """Show the entries, now and from now on, as attributes of `owner` as well."""
        if all(known is not owner for known in self.owners()):
            self._owners = (*self._owners, weakref.ref(owner))
        for key, value in self.items():
            _show(owner, key, _ABSENT, value)

    def leave(self, owner: Any) -> None:
        """Take the entries back from the attributes of `owner`, which has a new dictionary."""
        self._owners = tuple(known for known in self._owners if known() is not owner)
        for key, value in self.items():
            _hide(owner, key, value)

    def owners(self) -> Iterator[Any]:
        for reference in self._owners:
            owner = reference()
            if owner is not None:
                yield owner

    def __setitem__(self, key: str, value: Any) -> None:
        old = self.get(key, _ABSENT)
        dict.__setitem__(self, key, value)
        for owner in self.owners():
            _show(owner, key, old, value)

    def __delitem__(self, key: str) -> None:
        old = self[key]
        dict.__delitem__(self, key)
        for owner in self.owners():
            _hide(owner, key, old)

    def pop(self, key: str, *default: Any) -> Any:
        if key not in self:
            return dict.pop(self, key, *default)
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        key, value = dict.popitem(self)
        for owner in self.owners():
            _hide(owner, key, value)
        return key, value

    def clear(self) -> None:
        for key in list(self):
            del self[key]

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, *args: Any, **kwargs: Any) -> None:
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def __ior__(self, other: Any) -> Registry:  # type: ignore[override,misc]
        self.update(other)
        return self

    def copy(self) -> dict[str, Any]:
        return dict(self)

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Registry:
        # Owners that are being copied along get the copy; a dictionary copied alone has none.
        copied = Registry()
        memo[id(self)] = copied
        for owner in self.owners():
            if id(owner) in memo:
                copied.adopt(memo[id(owner)])
        for key, value in self.items():
            copied[key] = deepcopy(value, memo)
        return copied

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return Registry, (), tuple(self.owners()), None, iter(self.items())

    def __setstate__(self, owners: tuple[Any, ...]) -> None:
        for owner in owners:
            self.adopt(owner)


def _show(owner: Any, key: str, old: Any, value: Any) -> None:
    """Set the attribute, unless an attribute of another origin already has that name."""
    namespace = owner.__dict__
    present = namespace.get(key, _ABSENT)
    if present is old or present is value:
        if not hasattr(type(owner), key):
            namespace[key] = value


def _hide(owner: Any, key: str, value: Any) -> None:
    namespace = owner.__dict__
    if namespace.get(key, _ABSENT) is value:
        del namespace[key]
