"""In which order groups, specials and calls run."""

from __future__ import annotations

import heapq
from typing import Any

from ..graph.access import resolve
from ..graph.fusion import Fusion, Group, is_compute
from ..graph.ir import Node


class Schedule:
    """Units that can run, those that were recorded first before others."""

    def __init__(self, fusion: Fusion) -> None:
        unit_of: dict[Node, Any] = {}
        for node in fusion.live:
            if is_compute(node):
                unit_of[node] = fusion.group_of[node]
            elif node.op in ("special", "call"):
                unit_of[node] = node
        units = list(dict.fromkeys(unit_of.values()))
        self._index = {u: i for i, u in enumerate(units)}
        self._units = units
        self._waiting: dict[Any, int] = dict.fromkeys(units, 0)
        self._after: dict[Any, dict[Any, None]] = {u: {} for u in units}
        for node, unit in unit_of.items():
            for x in node.args:
                before = unit_of.get(_source(x))
                if before is not None and before is not unit:
                    self._after[before][unit] = None
        for found in self._after.values():
            for u in found:
                self._waiting[u] += 1
        self._ready = [(_rank(u), i) for i, u in enumerate(units) if not self._waiting[u]]
        heapq.heapify(self._ready)
        self._left = len(units)

    def next(self, after: Any = None) -> Any:
        """The next unit, None when all have run. One that reads what the unit `after` wrote comes
        first, if it is a kernel of its own: both may then go through the samples together."""
        if not self._ready:
            assert not self._left, "groups form a circle"
            return None
        entry = None
        if after is not None:
            followers = {self._index[u] for u in self._after[after] if not isinstance(u, Group)}
            entry = min((e for e in self._ready if e[1] in followers), default=None)
        if entry is None:
            entry = heapq.heappop(self._ready)
        else:
            self._ready.remove(entry)
            heapq.heapify(self._ready)
        unit = self._units[entry[1]]
        self._left -= 1
        for u in self._after[unit]:
            self._waiting[u] -= 1
            if not self._waiting[u]:
                heapq.heappush(self._ready, (_rank(u), self._index[u]))
        return unit


def _rank(unit: Any) -> int:
    return unit.first if isinstance(unit, Group) else int(unit.number)


def _source(x: Node) -> Node:
    """What computes the memory that a node's elements lie in."""
    base = resolve(x).base
    while base.op == "part":
        base = base.args[0]
    return base
