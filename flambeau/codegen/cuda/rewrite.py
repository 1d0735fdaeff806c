"""Rewrites of the compiler's graph for a GPU, in order. `before` and `after` stand around
`graph.simplify`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ...graph.fusion import is_compute
from ...graph.ir import Builder, Node
from ...graph.simplify import own_copies
from . import rewrite_again, rewrite_attention, rewrite_epilogue, rewrite_indices, rewrite_narrow
from .kernel import Gpu

CHECK = rewrite_indices.CHECK


def before(
    outputs: list[Node], checks: Sequence[Node], operations: Mapping[Node, str]
) -> list[Node]:
    """The outputs, and behind them nodes that are run for what they note."""
    return rewrite_indices.bounded(outputs, checks, operations)


def after(outputs: list[Node], gpu: Gpu, banned: Collection[str]) -> list[Node]:
    """Attention in one kernel; what goes into contractions, and what comes out of them."""
    outputs = rewrite_attention.rewrite(outputs, banned)
    outputs = rewrite_narrow.operands(outputs)
    outputs = rewrite_narrow.results(outputs)
    outputs = rewrite_epilogue.activations_of(outputs)
    return own_copies(rewrite_again.again(_in_memory(outputs)))


def _in_memory(outputs: list[Node]) -> list[Node]:
    """Outputs are computed into memory of their own."""
    b = Builder()
    number = max((x.number for x in outputs), default=0)
    found: list[Node] = []
    for x in outputs:
        if not is_compute(x) and x.op not in ("special", "call", "part"):
            x = b.make("copy", (x,), None, x.shape, x.dtype)
            x.number = number = max(number + 1, x.args[0].number + 1)
        found.append(x)
    return found
