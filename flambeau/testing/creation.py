"""`make_tensor`: random tensors for tests."""

from __future__ import annotations

import math
from typing import Any

import flambeau as torch


def _bounds(dtype: Any, low: float | None, high: float | None) -> tuple[float, float]:
    """Where values lie: given, or -9 to 9 (whole numbers to 10, from 0 where there is no sign)."""
    if dtype == torch.bool:
        lowest, highest, defaults = 0.0, 2.0, (0.0, 2.0)
    elif dtype.is_floating_point or dtype.is_complex:
        limit = torch.finfo(dtype).max
        lowest, highest, defaults = -limit, limit, (-9.0, 9.0)
    else:
        info = torch.iinfo(dtype)
        lowest, highest = float(info.min), float(info.max) + 1
        defaults = (0.0 if info.min == 0 else -9.0, 10.0)
    low = defaults[0] if low is None else low
    high = defaults[1] if high is None else high
    if math.isnan(low) or math.isnan(high):
        raise ValueError(f"`low` and `high` cannot be NaN, but got low={low} and high={high}")
    if low > high or (low == high and dtype in (torch.bool, torch.float32, torch.float64)):
        raise ValueError(f"make_tensor(): `low` must be below `high`, but got {low} >= {high}")
    return min(max(low, lowest), highest), min(max(high, lowest), highest)


def make_tensor(
    *shape: Any, dtype: Any, device: Any = None, low: float | None = None, high: float | None = None,
    requires_grad: bool = False, noncontiguous: bool = False, exclude_zero: bool = False,
    memory_format: Any = None,
) -> torch.Tensor:  # fmt: skip
    """A tensor of random values in [low, high).

    Args:
        noncontiguous: every other element of a tensor twice as long in its last dimension.
        exclude_zero: zeros become the smallest number, or 1.
    """
    sizes = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
    if any(s < 0 for s in sizes):
        raise RuntimeError(f"make_tensor(): negative size in {list(sizes)}")
    if noncontiguous and memory_format is not None:
        raise ValueError("The parameters `noncontiguous` and `memory_format` are mutually exclusive")
    low, high = _bounds(dtype, low, high)
    drawn = (*sizes[:-1], 2 * sizes[-1]) if noncontiguous and sizes else sizes
    if dtype.is_complex:
        part = torch.float64 if dtype == torch.complex128 else torch.float32
        pairs = torch.empty((*drawn, 2), dtype=part, device=device).uniform_(low, high)
        values: Any = torch.view_as_complex(pairs).to(dtype)
    elif dtype.is_floating_point:
        wide = torch.float64 if dtype == torch.float64 else torch.float32
        values = torch.empty(drawn, dtype=wide, device=device).uniform_(low, high).to(dtype)
    else:
        whole = {"dtype": torch.int64, "device": device}
        values = torch.randint(math.ceil(low), math.ceil(high), drawn, **whole).to(dtype)
    if noncontiguous and sizes:
        values = values[..., ::2]
    if exclude_zero:
        tiny = torch.finfo(dtype).tiny if dtype.is_floating_point or dtype.is_complex else 1
        values[values == 0] = tiny
    if requires_grad and not (dtype.is_floating_point or dtype.is_complex):
        raise ValueError(f"`requires_grad=True` is not supported for {dtype}")
    return values.requires_grad_() if requires_grad else values  # type: ignore[no-any-return]
