"""`torch._six`: what PyTorch had until 1.13 for Python 2 and 3 alike."""

from __future__ import annotations

import collections.abc as container_abcs
import math
import warnings

warnings.warn(
    "torch._six is gone: write str, int, math.inf and collections.abc instead",
    FutureWarning,
    stacklevel=2,
)

inf, nan = math.inf, math.nan
string_classes = (str, bytes)
int_classes = int
FileNotFoundError = FileNotFoundError  # noqa: A001, PLW0127
PY3, PY37 = True, True

__all__ = ["FileNotFoundError", "PY3", "PY37", "container_abcs", "inf", "int_classes", "nan", "string_classes"]


def with_metaclass(meta: type, *bases: type) -> type:
    """A class to derive from that has a metaclass."""
    return meta("temporary_class", bases, {})


def get_function_from_type(cls: type, name: str) -> object:
    """A class's attribute, or None."""
    return getattr(cls, name, None)
