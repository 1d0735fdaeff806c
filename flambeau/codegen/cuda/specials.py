"""GPU kernels that are neither loops nor contractions, by name.

A planner gets the arrays that a special of the graph reads and writes, and gives its launches; None
where there is no kernel for it, and the caller has to call NumPy. The meaning of each name is in
`graph.evaluate_specials`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..planning import Placed
from . import (
    attention,
    special_avg_pool,
    special_copy,
    special_index,
    special_max_pool,
    special_order,
    special_pad,
    special_recurrence,
    special_scan,
)
from .kernel import AnyLaunch, GpuLaunch, Room
from .special_copy import copy
from .special_index import check_index

__all__ = ["PLANNERS", "Planner", "check_index", "copy"]

Planner = Callable[[Room, list[Placed], list[Placed], Any], "list[AnyLaunch] | list[GpuLaunch] | None"]


def _copy(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> list[GpuLaunch] | None:
    return copy(room, inputs[0], outputs[0])


PLANNERS: dict[str, Planner] = {
    "copy": _copy,
    **special_copy.PLANNERS,
    **special_pad.PLANNERS,
    **special_max_pool.PLANNERS,
    **special_avg_pool.PLANNERS,
    **special_index.PLANNERS,
    **special_scan.PLANNERS,
    **special_recurrence.PLANNERS,
    **special_order.PLANNERS,
    **attention.PLANNERS,
}
