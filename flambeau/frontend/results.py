"""Named tuples for operations with several results: `torch.return_types.max`."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

_types: dict[str, Any] = {}


def result_type(name: str, fields: tuple[str, ...]) -> Any:
    """A function that makes the operation's result from a list of tensors. Fields whose names
    begin with an underscore are not named: then it is a plain tuple."""
    if any(f.startswith("_") for f in fields):
        return tuple
    name = name.replace(".", "_")
    found = _types.get(name)
    if found is None:
        made: Any = namedtuple(name, fields)  # type: ignore[misc]
        made.__module__ = "torch.return_types"
        made.__qualname__ = name
        made.__repr__ = _repr  # type: ignore[method-assign]
        found = _types[name] = made
    return found._make


def _repr(self: Any) -> str:
    inner = ",\n".join(f"{f}={getattr(self, f)!r}" for f in self._fields)
    return f"torch.return_types.{type(self).__name__}(\n{inner})"
