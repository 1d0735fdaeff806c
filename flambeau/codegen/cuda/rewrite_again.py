"""What is computed again instead of being kept.

A forward pass's elementwise results that only the backward pass reads again are written to memory and
read much later. Where they come from one array that is in memory anyway, or from one that may stay there
in their place, and take few operations, those that read them later compute them again from it:

    y = 0.5 * x * (1 + erf(x)) ... (a product) ... g * (1 + erf(x))    x is kept, 1 + erf(x) is not

So a GPU, which computes some sixty operations in the time in which it moves an element, moves less. The
bits are the same.
"""

from __future__ import annotations

from ...graph.access import resolve
from ...graph.fusion import is_compute
from ...graph.ir import Node
from ..loop import DTYPES

MOST = 64
"""What may be computed again, in operations."""
SMALL = 16
"""An array of so many times fewer elements costs nothing to keep."""

_COSTS = {"div": 8, "sqrt": 8, "pow": 60, "fmod": 40, "floordiv": 12, "rem": 12}
_CHEAP = frozenset(
    "cast neg abs add sub mul fma min max lt le gt ge eq ne not and or xor select copy floor ceil round trunc".split()
)
_NEVER = frozenset(["reduce", "take", "iota"])


def cost(node: Node) -> int:
    """Operations for an element, about; of functions those of their polynomials."""
    return 1 if node.op in _CHEAP else _COSTS.get(node.op, 25)


def again(outputs: list[Node]) -> list[Node]:
    """The graph, with copies of what is computed again. Nodes that are equal stay apart from now on."""
    return _Again(outputs).run()


class _Again:
    def __init__(self, outputs: list[Node]) -> None:
        self.outputs, self.shown = outputs, set(outputs)
        self.order = _reachable(outputs)
        self.users: dict[Node, list[Node]] = {n: [] for n in self.order}
        self.level: dict[Node, int] = {}
        """How many contractions, and other specials, come one after the other before a node."""
        for n in self.order:
            for a in n.args:
                self.users[a].append(n)
            before = max([self.level[a] for a in n.args], default=0)
            self.level[n] = before + (n.op in ("special", "call"))
        self.instead: dict[Node, tuple[Node, ...]] = {}
        """For what is computed again the nodes that it takes, arguments first."""

    def run(self) -> list[Node]:
        for n in self.order:
            if n not in self.shown and self._crosses(n):
                found = self._chain(n)
                if found is not None:
                    self.instead[n] = found
        return self._rebuilt() if self.instead else self.outputs

    def _crosses(self, n: Node) -> bool:
        """Whether what reads a float node are computations, some of which come later."""
        if not is_compute(n) or n.op in _NEVER or not n.dtype.startswith(("float", "bfloat")) or n.numel < 1 << 12:
            return False
        later = [u for u in self.users[n] if self.level[u] > self.level[n]]
        return bool(later) and all(is_compute(u) and u.op != "take" for u in self.users[n])

    def _chain(self, n: Node) -> tuple[Node, ...] | None:
        """What is computed again for n, None where that is too much, or reads more than n is."""
        chain: dict[Node, None] = {}
        read: dict[Node, None] = {}
        stack = [(n, False)]
        while stack:
            x, ready = stack.pop()
            if ready:
                chain[x] = None
                continue
            if x in chain:
                continue
            if x is not n and not self._goes_through(x, n):
                read[x] = None
                continue
            stack.append((x, True))
            stack += [(a, False) for a in x.args]
        if sum(map(cost, chain)) > MOST:
            return None
        moved = sum(_nbytes(x) for x in {resolve(x).base for x in read} if SMALL * x.numel > n.numel)
        return tuple(chain) if moved <= _nbytes(n) else None

    def _goes_through(self, x: Node, n: Node) -> bool:
        """Whether x is computed again for n; else it is read."""
        if not is_compute(x) or x.op in _NEVER or x.numel != n.numel or x.shape != n.shape:
            return False
        # What is in memory for others too is read, unless it is itself computed again.
        return x in self.instead or not self._kept(x)

    def _kept(self, x: Node) -> bool:
        return x in self.shown or any(
            not is_compute(u) or self.level[u] > self.level[x] for u in self.users[x]
        )

    def _rebuilt(self) -> list[Node]:
        new: dict[Node, Node] = {}
        copies: dict[tuple[Node, int], Node] = {}

        def copied(n: Node, level: int) -> Node:
            """n, computed again for what comes at a level."""
            for x in self.instead[n]:
                if (x, level) not in copies:
                    args = tuple(copies.get((a, level)) or new[a] for a in x.args)
                    copies[x, level] = _node(x, args)
            return copies[n, level]

        for n in self.order:
            here = self.level[n]
            args = tuple(
                copied(a, here) if a in self.instead and here > self.level[a] else new[a] for a in n.args
            )
            new[n] = _node(n, args)
        return [new[x] for x in self.outputs]


def _node(x: Node, args: tuple[Node, ...]) -> Node:
    made = Node(x.op, args, x.attr, x.shape, x.dtype)
    made.number = x.number
    return made


def _nbytes(x: Node) -> int:
    return 0 if x.op in ("iota", "const", "number") else x.numel * DTYPES[x.dtype]


def _reachable(outputs: list[Node]) -> list[Node]:
    found: dict[Node, None] = {}
    stack = list(outputs)
    while stack:
        x = stack.pop()
        if x not in found:
            found[x] = None
            stack.extend(x.args)
    return sorted(found, key=lambda n: n.number)
