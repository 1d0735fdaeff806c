"""What a loss's `reduction` is as a number, and what the two old arguments mean."""

from __future__ import annotations

from .functional._common import legacy_reduction

__all__ = ["get_enum", "legacy_get_enum", "legacy_get_string"]

_NUMBERS = {"none": 0, "mean": 1, "elementwise_mean": 1, "sum": 2}


def get_enum(reduction: str) -> int:
    """"none" is 0, "mean" 1, "sum" 2. `ValueError` for anything else."""
    if reduction not in _NUMBERS:
        raise ValueError(
            f"{reduction} is not a valid value for reduction: use 'none', 'mean' or 'sum'"
        )
    return _NUMBERS[reduction]


def legacy_get_string(
    size_average: bool | None, reduce: bool | None, emit_warning: bool = True
) -> str:
    """The `reduction` that the old arguments stand for."""
    return legacy_reduction(size_average, reduce, emit_warning)


def legacy_get_enum(
    size_average: bool | None, reduce: bool | None, emit_warning: bool = True
) -> int:
    """The number of the `reduction` that the old arguments stand for."""
    return get_enum(legacy_get_string(size_average, reduce, emit_warning))
