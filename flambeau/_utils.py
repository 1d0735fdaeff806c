"""`torch._utils`: helpers of PyTorch's own that programs are seen to use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import flambeau as torch
from flambeau.errors import refusing

__all__ = ["_accumulate", "_flatten_dense_tensors", "_unflatten_dense_tensors"]


def _accumulate(iterable: Iterable[Any], fn: Any = lambda x, y: x + y) -> Iterator[Any]:
    """Running sums: 1, 2, 3 → 1, 3, 6."""
    import itertools

    return itertools.accumulate(iterable, fn)


def _flatten_dense_tensors(tensors: Sequence[Any]) -> Any:
    """Tensors of one dtype, one after the other, as one of one dimension."""
    return torch.cat([t.reshape(-1) for t in tensors])


def _unflatten_dense_tensors(flat: Any, tensors: Sequence[Any]) -> tuple[Any, ...]:
    """The parts of a flat tensor in the shapes of some tensors."""
    parts = flat.split([t.numel() for t in tensors])
    return tuple(part.view_as(t) for part, t in zip(parts, tensors))


__getattr__ = refusing(__name__)
