"""What the modules of libraries that are not used have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any


def functions_of(module: dict[str, Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """`flags` and `set_flags` over switches that are a module's attributes; given its globals."""

    @contextlib.contextmanager
    def flags(**switches: Any) -> Iterator[None]:
        """Set switches until the end of a `with` block. KeyError for one that there is not."""
        before = dict(zip(switches, set_flags(**switches), strict=True))
        try:
            yield
        finally:
            module.update(before)

    def set_flags(**switches: Any) -> tuple[Any, ...]:
        """Set switches; gives what they were. KeyError for one that there is not."""
        before = tuple(module[name] for name in switches)
        module.update(switches)
        return before

    return flags, set_flags


class Messages:
    """Context manager for a library's own messages: there are none."""

    def __enter__(self) -> Messages:
        return self

    def __exit__(self, *_: object) -> None:
        pass
