"""Whether a value is of an annotated type, as TorchScript's isinstance asks."""

from __future__ import annotations

import types
import typing
from typing import Any

from ..errors import shown


def is_of(obj: Any, kind: Any) -> bool:
    """`is_of([1], List[int])`. Types that are not looked into are Python's isinstance."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return True
    if origin is None:
        if kind in (list, dict, tuple) or not isinstance(kind, type):
            raise RuntimeError(
                f"isinstance(): {shown(kind)} says nothing of its elements: write List[...], "
                "Dict[..., ...], Tuple[...] or Optional[...] with their type"
            )
        return isinstance(obj, kind)
    if origin is typing.Union or origin is types.UnionType:
        return any(is_of(obj, part) for part in parts)
    if not isinstance(obj, origin):
        return False
    if origin is list:
        return all(is_of(each, parts[0]) for each in obj)
    if origin is dict:
        return all(is_of(k, parts[0]) and is_of(v, parts[1]) for k, v in obj.items())
    if origin is tuple:
        return len(obj) == len(parts) and all(map(is_of, obj, parts))
    return True
