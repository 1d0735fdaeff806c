"""`torch.backends.cudnn`: not there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from flambeau.errors import refusing

enabled = True
benchmark = False
benchmark_limit: int | None = 10
deterministic = False
allow_tf32 = True
fp32_precision = "none"
CUDNN_TENSOR_DTYPES: set[Any] = set()


def is_available() -> bool:
    return False


def version() -> int | None:
    """None: there is no cuDNN."""
    return None


def is_acceptable(tensor: Any) -> bool:
    """Whether cuDNN would compute with a tensor: never."""
    return False


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
