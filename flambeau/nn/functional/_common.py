"""Checks and old arguments that several of the functions share."""

from __future__ import annotations

import warnings

import flambeau as torch
from flambeau.errors import shown, users_line

__all__ = [
    "check_probability",
    "check_reduction",
    "legacy_reduction",
    "reduced",
    "resolve_reduction",
]

REDUCTIONS = ("none", "mean", "sum")


def check_reduction(loss: str, reduction: str) -> str:
    """`reduction` itself. `ValueError` naming the loss if it is not "none", "mean" or "sum"."""
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"{loss}(): {shown(reduction, quoted=False)} is not a valid value for reduction: use "
            "'none', 'mean' or 'sum'"
        )
    return reduction


def legacy_reduction(
    size_average: bool | None, reduce: bool | None, warn: bool = True
) -> str:
    """What the two old arguments of a loss mean in today's one."""
    if reduce is False:
        reduction = "none"
    else:
        reduction = "sum" if size_average is False else "mean"
    if warn:
        warnings.warn(
            "size_average and reduce args will be deprecated, please use "
            f"reduction='{reduction}' instead.",
            stacklevel=users_line(),
        )
    return reduction


def resolve_reduction(
    loss: str, reduction: str, size_average: bool | None, reduce: bool | None
) -> str:
    """The reduction of a loss that also takes the old arguments."""
    if size_average is not None or reduce is not None:
        return legacy_reduction(size_average, reduce)
    return check_reduction(loss, reduction)


def reduced(loss: torch.Tensor, reduction: str) -> torch.Tensor:
    """A loss by element, its mean or its sum."""
    if reduction == "mean":
        return loss.mean()
    return loss.sum() if reduction == "sum" else loss


def check_probability(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
