"""The random draws of the transforms: torchvision's calls, so torchvision's numbers for a seed."""

from __future__ import annotations

from functools import lru_cache

import flambeau as torch


def chance(p: float) -> bool:
    """Returns True with probability `p`."""
    return bool(torch.rand(1) < p)


def uniform(low: float, high: float) -> float:
    """Returns a number between `low` and `high`, as float32 draws it."""
    return float(torch.empty(1).uniform_(low, high).item())


def integer(high: int) -> int:
    """Returns one of 0 to `high`, `high` included."""
    return int(torch.randint(0, high + 1, size=(1,)).item())


def aspect_ratio(low: float, high: float) -> float:
    """Returns a ratio between `low` and `high` whose logarithm is uniform."""
    log_low, log_high = _logarithms(float(low), float(high))
    return float(torch.exp(torch.empty(1).uniform_(log_low, log_high)).item())


@lru_cache(maxsize=32)
def _logarithms(low: float, high: float) -> tuple[float, float]:
    first, second = torch.log(torch.tensor([low, high], dtype=torch.float32)).tolist()
    return first, second
