"""Modules of switches whose values nobody asks for."""

from __future__ import annotations

import contextlib
from typing import Any


def patch_of(switches: dict[str, Any]) -> Any:
    """A module's `patch`: set switches within a `with` block or a function.

    `patch("name", value)`, `patch({"name": value})` or `patch(name=value)`.
    """

    class patch(contextlib.ContextDecorator):  # noqa: N801
        def __init__(self, arg1: Any = None, arg2: Any = None, **kwargs: Any) -> None:
            self.changes = {arg1: arg2} if isinstance(arg1, str) else {**(arg1 or {}), **kwargs}

        def __enter__(self) -> None:
            self.before = {name: switches.get(name) for name in self.changes}
            switches.update(self.changes)

        def __exit__(self, *_: object) -> None:
            switches.update(self.before)

    return patch
