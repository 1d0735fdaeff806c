"""Indices that come as data: on a GPU nobody waits to look at them.

    take(x, i)    →    take(x, min(max(i, 0), n - 1)); check_index(i) for itself

So nothing is read out of bounds, and the check notes where an index was out of range: whoever looks
at results next raises the error (`engine.cuda_faults`). What a lowering says of an index (`inside`) is
checked; of other indices, where in memory they lead to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...graph.ir import Builder, Node
from ...graph.simplify import rewrite

CHECK = "check_index"
"""The special's name; params (size, low), in the end also what the operation is called; the argument an
int64 index that is to be within low and size - 1 (in the end one that is less by `low`). It has no
result that counts."""

COMPUTED = frozenset(["special", "part", "call", "reduce"])


class Checking(Builder):
    """A builder that notes what is said of indices."""

    def __init__(self) -> None:
        super().__init__()
        self.checks: dict[Node, None] = {}
        self._origins: dict[Node, int] = {}

    def inside(self, index: Node, size: int, low: int = 0) -> Node:
        if index.numel and origin(index, self._origins):
            self.checks[self.special(CHECK, (size, low), (index,), (), "int64")] = None
        return index


def bounded(
    outputs: list[Node], checks: Sequence[Node], operations: Mapping[Node, str]
) -> list[Node]:
    """The outputs with every index clamped, and behind them the checks: those that were noted, and of
    other indices that are made of the program's inputs by elementwise operations alone. (What an
    argmax gives, say, is known to be inside.)"""
    data: dict[Node, int] = {}
    noted = {c.args[0] for c in checks}
    more: dict[Node, None] = {}

    def rule(b: Builder, node: Node, args: tuple[Node, ...]) -> Node | None:
        if node.op == "special" and node.attr[0] == CHECK:
            size, low = node.attr[1]
            index = b.sub(args[0], low) if low else args[0]  # the kernel counts from 0
            name = operations.get(node, "")
            return b.special(CHECK, (size, low, name), (index,), (), "int64")
        if node.op != "take":
            return None
        x, index = args
        where = origin(node.args[1], data)
        if not where:
            return None
        n = x.shape[node.attr]
        if not n:  # there is nothing that could be taken
            return b.full(node.shape, 0, node.dtype)
        if where == INPUT and not _reads(node.args[1], noted):
            name = operations.get(node, "")
            more[b.special(CHECK, (n, 0, name), (index,), (), "int64")] = None
        return b.take(x, b.min(b.max(index, 0), n - 1), node.attr)

    return rewrite([*outputs, *checks], rule) + list(more)


INPUT, RESULT = 1, 2


def origin(index: Node, known: dict[Node, int]) -> int:
    """What an index is made of: of positions and constants alone (0), of inputs, or of results."""
    stack = [index]
    while stack:
        node = stack[-1]
        todo = [] if node in known or node.op in COMPUTED else [a for a in node.args if a not in known]
        if todo:
            stack += todo
            continue
        stack.pop()
        if node in known:
            continue
        if node.op in COMPUTED or node.op == "take":
            known[node] = RESULT
        else:
            known[node] = max([known[a] for a in node.args] + [INPUT * (node.op == "input")])
    return known[index]


def _reads(index: Node, noted: set[Node]) -> bool:
    """Whether an index is made of one of which something is said."""
    stack, seen = [index], set()
    while stack:
        node = stack.pop()
        if node in noted:
            return True
        if node not in seen and node.op not in COMPUTED:
            seen.add(node)
            stack += node.args
    return False
