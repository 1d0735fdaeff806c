"""What rows without a batching rule do: they run sample by sample, and the results are stacked."""

from __future__ import annotations

from typing import Any

from ...ops.table import call
from .calls import Arg, Call


def sample_by_sample(c: Call) -> Any:
    """The row's results for each sample, stacked along a new first dimension."""
    if not c.size:
        return _empty(c)
    found = [c.run(c.map(lambda x: _sample(x, i))) for i in range(c.size)]
    if c.out is None and isinstance(found[0], (tuple, list)):
        return [call.stack(list(part)) for part in zip(*found, strict=True)]
    if isinstance(c.out, tuple):
        return tuple(call.stack(list(part)) for part in zip(*found, strict=True))
    return call.stack(found)


def _sample(x: Arg, i: int) -> Any:
    return x.value if x.dim is None else call.select(x.value, x.dim, i)


def _empty(c: Call) -> Any:
    """Results for a batch of no samples."""
    if c.out is None:
        raise RuntimeError(f"vmap: {c.row.name} has no batching rule for a batch of size 0")
    several = isinstance(c.out, tuple)
    made = tuple(call.constant(0, (0, *a.shape), a.dtype, a.device) for a in (c.out if several else (c.out,)))
    return made if several else made[0]
