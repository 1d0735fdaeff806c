"""`torch.backends.mkldnn`: oneDNN is not used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from flambeau.errors import refusing

VERBOSE_OFF, VERBOSE_ON, VERBOSE_ON_CREATION = 0, 1, 2
enabled = True
deterministic = False
allow_tf32 = True
fp32_precision = "none"


def is_available() -> bool:
    return False


def is_acl_available() -> bool:
    """Whether Arm's compute library is used: no."""
    return False


class verbose:  # noqa: N801
    """Context manager for the library's own messages: there are none."""

    def __init__(self, level: int) -> None:
        self.level = level

    def __enter__(self) -> verbose:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def flags(**switches: Any) -> Iterator[None]:
    """Set switches until the end of a `with` block."""
    before = {name: globals()[name] for name in switches}
    globals().update(switches)
    try:
        yield
    finally:
        globals().update(before)


def set_flags(**switches: Any) -> tuple[Any, ...]:
    """Set switches; gives what they were."""
    before = tuple(globals()[name] for name in switches)
    globals().update(switches)
    return before


__getattr__ = refusing(__name__)
