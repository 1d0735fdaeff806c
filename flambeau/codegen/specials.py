"""Native kernels that are neither loops nor contractions, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import (
    special_avg_pool,
    special_copy,
    special_fill,
    special_index,
    special_max_pool,
    special_pad,
    special_scan,
    special_tiled_pool,
)
from .kernel import Launch
from .planning import Placed, Room

Planner = Callable[[Room, list[Placed], list[Placed], Any], "list[Launch] | None"]

PLANNERS: dict[str, Planner] = {
    "copy": special_copy.copy,
    **special_fill.PLANNERS,
    **special_max_pool.PLANNERS,
    **special_avg_pool.PLANNERS,
    **special_tiled_pool.PLANNERS,
    **special_index.PLANNERS,
    **special_scan.PLANNERS,
    **special_pad.PLANNERS,
}


def plan(
    name: str, room: Room, inputs: list[Placed], outputs: list[Placed], params: tuple[Any, ...]
) -> list[Launch] | None:
    """The launches that compute `outputs`; None where there is no kernel for it, and the caller
    has to call NumPy."""
    planner = PLANNERS.get(name)
    return None if planner is None else planner(room, inputs, outputs, params)
