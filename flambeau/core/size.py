"""`torch.Size`: the tuple that a shape is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any


class Size(tuple[int, ...]):
    """A shape. A tuple that keeps its type under slicing and prints as PyTorch's."""

    __slots__ = ()

    def __new__(cls, items: Iterable[Any] = ()) -> Size:
        return tuple.__new__(cls, items)

    def numel(self) -> int:
        """How many elements a tensor of this size has."""
        return math.prod(self)

    def __getitem__(self, item: Any) -> Any:
        found = tuple.__getitem__(self, item)
        return Size(found) if isinstance(item, slice) else found

    def __add__(self, other: Any) -> Size:  # type: ignore[override]
        return Size(tuple.__add__(self, tuple(other)))

    def __mul__(self, times: Any) -> Size:
        return Size(tuple.__mul__(self, times))

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(repr, self))}])"

    __str__ = __repr__

    def __reduce__(self) -> tuple[Any, ...]:
        return (Size, (tuple(self),))
