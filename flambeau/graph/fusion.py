"""Fusion: which elementwise operations and reductions run in one loop.

Every elementwise node and every reduction starts as a group of its own over its own dimensions. Then,
from the last consumer to the first producer, a producer's group is merged into its consumer's where
both run over the same dimensions, where the producer is a reduction over dimensions that the
consumer repeats it over (softmax), or where the consumer goes on with what was reduced:

    m = max(x, 1); y = exp(x - m); s = sum(y, 1)    →    one group over (rows | columns)

All reductions of a group are over the same dimensions (`red`). Groups never form a circle. Why two
neighbours were not fused is kept in `Fusion.refused`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .access import resolve, spread
from .ir import Node

LEAVES = frozenset(["input", "number", "const"])
OPAQUE = frozenset(["special", "call", "part", "view"])
MAX_NODES = 96
"""Nodes of a group at most: beyond that a kernel compiles long and spills registers."""
MAX_OPERANDS = 24

Map = tuple[int | None, ...]
"""For each dimension of a node, the group's dimension that it runs along; None for size one."""


class Edge(NamedTuple):
    """One use of a compute node by another. `dims`: for each dimension of the producer, the
    dimension of the consumer's domain (its dimensions, then what it reduces over) that it is; None
    in place of all where the producer must be in memory."""

    producer: Node
    consumer: Node
    dims: Map | None


class Group:
    """Nodes that run in one loop."""

    def __init__(self, node: Node, extents: dict[int, int], red: frozenset[int], place: Map) -> None:
        self.nodes = [node]
        self.extents = extents
        """Size of each dimension; dimensions are numbers that are unique in the whole fusion."""
        self.red = red
        self.maps: dict[Node, Map] = {node: place}
        """Where each node's result lies in the group's dimensions."""
        self.loads: dict[Node, Node] = {}
        """Arguments that the group does not compute, and whose memory they are."""
        self.stored: list[Node] | None = None
        """Nodes that others read; None where nobody has asked yet."""

    @property
    def first(self) -> int:
        return self.nodes[0].number

    @property
    def last(self) -> int:
        return self.nodes[-1].number


def is_compute(node: Node) -> bool:
    """Whether a loop computes the node."""
    return node.op not in LEAVES and node.op not in OPAQUE


class Fusion:
    """The partition of a graph. Make it with `fuse`."""

    def __init__(self, outputs: list[Node]) -> None:
        self.outputs = outputs
        self.live = _reachable(outputs)
        self.group_of: dict[Node, Group] = {}
        self.domain: dict[Node, Map] = {}
        """Each node's own dimensions and, for reductions, those that it reduces over."""
        self.out_edges: dict[Node, list[Edge]] = {}
        self.stored: set[Node] = set(outputs)
        """Nodes that must be in memory whatever is fused."""
        self.refused: list[tuple[Node, Node, str]] = []
        self._wide: set[Group] = set()
        """Groups of several nodes."""
        self._dims = 0
        self._users: dict[Node, list[Node]] = {n: [] for n in self.live}
        for n in self.live:
            for a in n.args:
                self._users[a].append(n)
        self._through: dict[Node, list[Node]] = {}
        self._start()

    def _new_dim(self) -> int:
        self._dims += 1
        return self._dims

    def _start(self) -> None:
        for node in self.live:
            if is_compute(node):
                self._single(node)
        for node in self.live:
            if is_compute(node):
                self.out_edges.setdefault(node, [])
                for a in node.args:
                    self._note(node, a)
            elif node.op != "view":
                for a in node.args:
                    self._need(a)
        for node in self.outputs:
            if node.op == "view":
                self._need(node)

    def _single(self, node: Node) -> None:
        if node.op == "reduce":
            _, over, keepdim = node.attr
            x = node.args[0]
            dims = [self._new_dim() if n != 1 else None for n in x.shape]
            red = frozenset(d for i, d in enumerate(dims) if i in over and d is not None)
            place = tuple(
                None if i in over else d for i, d in enumerate(dims) if keepdim or i not in over
            )
            extents = {d: n for d, n in zip(dims, x.shape) if d is not None}
            self.domain[node] = tuple(dims)
        else:
            dims = [self._new_dim() if n != 1 else None for n in node.shape]
            red, place = frozenset(), tuple(dims)
            extents = {d: n for d, n in zip(dims, node.shape) if d is not None}
            self.domain[node] = place
        made = self.group_of[node] = Group(node, extents, red, place)
        made.loads = dict(self._loads(node))

    def _need(self, x: Node) -> None:
        """x is read from memory: what holds its elements must be stored."""
        base = resolve(x).base
        if is_compute(base) or base.op == "view":
            self.stored.add(base)
            if base.op == "view":
                self._need(base.args[0])

    def _note(self, consumer: Node, a: Node) -> None:
        access = resolve(a)
        producer = access.base
        if producer.op == "view":
            self.stored.add(producer)
            self._need(producer.args[0])
            return
        if not is_compute(producer):
            return
        dims = None
        if not (consumer.op == "take" and a is consumer.args[0]):
            found = spread(producer, access, tuple(a.shape))
            if found is not None:
                offset = self._offset(consumer, a)
                dims = tuple(None if j is None else j + offset for j in found)
        if dims is None:
            self.stored.add(producer)
        self.out_edges.setdefault(producer, []).append(Edge(producer, consumer, dims))

    @staticmethod
    def _offset(consumer: Node, a: Node) -> int:
        """Where an argument's dimensions begin in the consumer's domain."""
        if consumer.op == "reduce":
            return 0
        if consumer.op == "take":
            return int(consumer.attr)
        return len(consumer.shape) - len(a.shape)

    # --- merging ----------------------------------------------------------------------------

    def consumer_map(self, edge: Edge) -> Map:
        """The producer's place in the consumer's group's dimensions, as the edge says."""
        assert edge.dims is not None
        domain = self.domain[edge.consumer]
        return tuple(
            None if j is None or n == 1 else domain[j]
            for j, n in zip(edge.dims, edge.producer.shape, strict=True)
        )

    def merge(self, edge: Edge) -> str:
        """Merge the producer's group into the consumer's; why not, or "" where it was done."""
        a, b = self.group_of[edge.producer], self.group_of[edge.consumer]
        if a is b:
            return ""
        if edge.dims is None:
            return "it is read through a view"
        if len(a.nodes) + len(b.nodes) > MAX_NODES:
            return "the loop would become too long"
        rename = self._correspondence(edge, a, b)
        if isinstance(rename, str):
            return rename
        if not self._edges_agree(a, b, rename):
            return "another use of it does not run along the same dimensions"
        extents = {**{rename[d]: n for d, n in a.extents.items()}, **b.extents}
        red = b.red | frozenset(rename[d] for d in a.red)
        why = self._stores_fit(a, b, rename, extents, red)
        if why:
            return why
        if self._reaches_around(a, b):
            return "something between them must run first"
        self._join(a, b, rename, extents, red)
        return ""

    def _correspondence(self, edge: Edge, a: Group, b: Group) -> dict[int, int] | str:
        """The consumer's dimension for each dimension of the producer's group."""
        rename: dict[int, int] = {}
        for d, e in zip(a.maps[edge.producer], self.consumer_map(edge), strict=True):
            if d is None:
                continue
            if e is None or rename.setdefault(d, e) != e:
                return "its dimensions are broadcast against each other"
        if len(set(rename.values())) < len(rename):
            return "two of its dimensions are one of the consumer's"
        rest = [d for d in a.extents if d not in rename]
        spare = [e for e in b.extents if e not in rename.values()]
        if not rest:
            if spare and not (b.red and set(spare) <= b.red):
                return self._inline(a, spare, rename)
            if a.red and b.red and {rename[d] for d in a.red} != b.red:
                return "both reduce, over other dimensions"
            return rename
        if not a.red or set(rest) != set(a.red):
            return "the producer runs over more dimensions"
        if not spare:
            if b.red:
                return "the consumer reduces what was reduced"
            return {**rename, **{d: d for d in rest}}
        if b.red and set(spare) != set(b.red):
            return "both reduce, over other dimensions"
        if [a.extents[d] for d in rest] != [b.extents[e] for e in spare]:
            return "the reduction's dimensions are not the consumer's"
        return {**rename, **dict(zip(rest, spare, strict=True))}

    def _inline(self, a: Group, spare: list[int], rename: dict[int, int]) -> dict[int, int] | str:
        """A small producer that is computed again for each of the consumer's other dimensions."""
        if a.red or len(a.nodes) > 8 or any(n.op == "take" for n in a.nodes):
            return "it would be computed many times over"
        return rename

    def _edges_agree(self, a: Group, b: Group, rename: dict[int, int]) -> bool:
        for node in a.nodes:
            for e in self.out_edges[node]:
                if self.group_of[e.consumer] is not b:
                    continue
                if e.dims is None:
                    return False
                here = tuple(None if d is None else rename.get(d) for d in a.maps[node])
                if here != self.consumer_map(e):
                    return False
        return True

    def escapes(self, node: Node, inside: tuple[Group, ...]) -> bool:
        """Whether a node is read by others than these groups' nodes."""
        if node in self.stored:
            return True
        return any(self.group_of[e.consumer] not in inside for e in self.out_edges[node])

    def _stores_fit(
        self, a: Group, b: Group, rename: dict[int, int], extents: dict[int, int],
        red: frozenset[int],
    ) -> str:  # fmt: skip
        """Each element that is stored must be computed once."""
        everything = frozenset(extents)
        levels = (everything, everything - red)
        stored = [n for n in a.nodes if self.escapes(n, (a, b))]
        fits = all({rename[d] for d in a.maps[n] if d is not None} in levels for n in stored)
        others = self._stored(b)
        if fits and (len(extents) != len(b.extents) or red != b.red):
            fits = all({d for d in b.maps[n] if d is not None} in levels for n in others)
        if not fits:
            return "it is needed elsewhere too, and runs over fewer dimensions"
        operands = len(stored) + len(others)
        operands += sum(self.group_of.get(base) is not a for base in b.loads.values())
        operands += sum(x not in b.loads for x in a.loads)
        return "the loop would read and write too many arrays" if operands > MAX_OPERANDS else ""

    def _stored(self, group: Group) -> list[Node]:
        if group.stored is None:
            group.stored = [n for n in group.nodes if self.escapes(n, (group,))]
        return group.stored

    def _loads(self, node: Node) -> Iterable[tuple[Node, Node]]:
        for x in node.args:
            base = resolve(x).base
            if base.op not in LEAVES or base.op == "input":
                yield x, base

    def _beyond(self, number: int) -> int:
        """From where on no path leads back to nodes up to a number. Nodes' arguments are numbered
        lower, but one that enters a group at a high number may leave it at a lower one."""
        for group in sorted(self._wide, key=lambda g: g.first):
            if group.first <= number:
                number = max(number, group.last)
        return number

    def _reaches_around(self, a: Group, b: Group) -> bool:
        """Whether a path leads from a to b through something else."""
        stack = [
            u for node in a.nodes for u in self.uses(node)
            if self.group_of.get(u) not in (a, b)
        ]  # fmt: skip
        if not stack:
            return False
        limit = self._beyond(b.last)
        seen: set[int] = set()
        while stack:
            node = stack.pop()
            if id(node) in seen:
                continue
            group = self.group_of.get(node)
            if group is b:
                return True
            if (node.number if group is None else group.first) > limit:
                continue
            for member in [node] if group is None else group.nodes:
                seen.add(id(member))
                stack += self.uses(member)
        return False

    def uses(self, node: Node) -> list[Node]:
        """Who reads a node, views seen through."""
        found = self._through.get(node)
        if found is None:
            found = []
            for u in self._users[node]:
                if u.op == "view" and u not in self.stored:
                    found += self.uses(u)
                else:
                    found.append(u)
            self._through[node] = found
        return found

    def _join(
        self, a: Group, b: Group, rename: dict[int, int], extents: dict[int, int],
        red: frozenset[int],
    ) -> None:  # fmt: skip
        for node in a.nodes:
            b.maps[node] = tuple(None if d is None else rename[d] for d in a.maps[node])
            self.domain[node] = tuple(
                None if d is None else rename.get(d, d) for d in self.domain[node]
            )
            self.group_of[node] = b
        self._wide.discard(a)
        self._wide.add(b)
        stored = self._stored(b) + [n for n in a.nodes if self.escapes(n, (b,))]
        b.nodes = sorted(a.nodes + b.nodes, key=lambda n: n.number)
        b.extents, b.red, b.stored = extents, red, stored
        b.loads = {
            x: base for x, base in (b.loads | a.loads).items() if self.group_of.get(base) is not b
        }


def _reachable(outputs: list[Node]) -> list[Node]:
    """What the outputs need, in order of making, which is an order of computing."""
    found: dict[Node, None] = {}
    stack = list(outputs)
    while stack:
        node = stack.pop()
        if node not in found:
            found[node] = None
            stack.extend(node.args)
    return sorted(found, key=lambda n: n.number)


def fuse(outputs: list[Node], enabled: bool = True) -> Fusion:
    """Partition what the outputs need into groups."""
    fusion = Fusion(outputs)
    if not enabled:
        for node in fusion.out_edges:
            fusion.stored.add(node)
        return fusion
    for node in reversed(fusion.live):
        if not is_compute(node):
            continue
        for a in node.args:
            producer = resolve(a).base
            if not is_compute(producer):
                continue
            for edge in fusion.out_edges[producer]:
                if edge.consumer is node:
                    why = fusion.merge(edge)
                    if why:
                        fusion.refused.append((producer, node, why))
                    break
    return fusion


def again(fusion: Fusion) -> None:
    """Try once more what was refused, until nothing comes of it: what a neighbour has been merged with
    since may be what it lacked, as the reduction of whose result it is."""
    merged = True
    while merged:
        merged = False
        refused, fusion.refused = fusion.refused, []
        for producer, node, _ in refused:
            apart = fusion.group_of[producer] is not fusion.group_of[node]
            edge = next(e for e in fusion.out_edges[producer] if e.consumer is node)
            why = fusion.merge(edge)
            if why:
                fusion.refused.append((producer, node, why))
            merged = merged or not why and apart
