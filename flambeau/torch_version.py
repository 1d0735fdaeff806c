"""`torch.torch_version`: a version that compares as versions do."""

from __future__ import annotations

import re
from typing import Any

from .errors import shown

__all__ = ["TorchVersion"]


def _parts(version: Any) -> tuple[Any, ...]:
    """What versions are compared by (PEP 440): numbers, whether it is a final release, local part."""
    if isinstance(version, tuple):
        version = ".".join(map(str, version))
    release, _, local = str(version).lstrip("v").partition("+")
    match = re.match(r"(\d+(?:\.\d+)*)(.*)", release)
    if match is None:
        raise ValueError(f"{shown(version)} is no version")
    numbers = [int(x) for x in match[1].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers), not match[2], match[2], local


class TorchVersion(str):
    """A version as text, which compares with other versions, text and tuples of numbers."""

    def _compare(self, other: Any) -> int:
        mine, theirs = _parts(str(self)), _parts(other)
        return (mine > theirs) - (mine < theirs)

    def __lt__(self, other: Any) -> bool:
        return self._compare(other) < 0

    def __le__(self, other: Any) -> bool:
        return self._compare(other) <= 0

    def __gt__(self, other: Any) -> bool:
        return self._compare(other) > 0

    def __ge__(self, other: Any) -> bool:
        return self._compare(other) >= 0

    def __eq__(self, other: Any) -> bool:
        try:
            return self._compare(other) == 0
        except ValueError:
            return False

    __hash__ = str.__hash__
