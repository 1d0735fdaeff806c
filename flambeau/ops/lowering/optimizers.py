"""Lowerings of optimizer steps: the rows' formulas with operators that build the graph."""

from __future__ import annotations

from typing import Any

from .common import Lowering, Namespace, Node, Traced


def step(formula: Any, scalars: int) -> Lowering:
    """The formula for each parameter; results are ordered as the row's."""

    def lower(b: Any, nodes: list[Node], roles: int, *flags: bool) -> tuple[Node, ...]:
        end = len(nodes) - scalars
        count = end // roles
        traced = [Traced(b, x) for x in nodes]
        numbers = tuple(traced[end:])
        space = Namespace(b)
        found = [
            formula(space, tuple(traced[i:end:count]), numbers, flags) for i in range(count)
        ]
        return tuple(part.node for parts in zip(*found, strict=True) for part in parts)

    return lower
