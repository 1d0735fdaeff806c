"""Reverse-mode differentiation for the oracle, on two levels.

Values: every element of a differentiable tensor has a number, its *slot*. An operation appends
edges (input slot, output slot, partial derivative), and a gradient flows along the edges
backwards. Tensors that share memory share the array of slots, so a write through any view simply
puts new slots where it writes: no rule for views of views is needed, and none can be wrong.

Tensors: `Node`s know which tensors an operation read and what it saved. They decide what is
connected at all, and they are what PyTorch's errors speak of: graphs gone through twice, and
values that were changed after they had been saved.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple
from weakref import ref

import numpy as np

NO_SLOT = -1
FLOAT_LIMIT = 1e3


class Undefined(Exception):
    """PyTorch doesn't say what this gives, or it is out of the range we compare."""


class Version:
    """A version counter, shared by a tensor, its views and its `detach`.

    `restricted` are the views that PyTorch won't differentiate through once the counter moves.
    """

    __slots__ = ("number", "restricted")

    def __init__(self) -> None:
        self.number = 0
        self.restricted: list[ref[Any]] = []


class Edges(NamedTuple):
    """d output[i] / d input[j] for flat arrays of slot numbers."""

    inputs: np.ndarray
    outputs: np.ndarray
    partials: np.ndarray


class Saved(NamedTuple):
    """What an operation keeps for its derivative: memory, and the version it had.

    `strict` is False where PyTorch may keep a copy instead, so that its error can't be foretold.
    """

    memory: np.ndarray
    snapshot: np.ndarray
    version: Version
    number: int
    strict: bool

    def verify(self) -> None:
        """Raise PyTorch's error where the saved value was changed in place."""
        if self.version.number != self.number:
            if self.strict:
                raise RuntimeError("oracle: a saved value was modified by an inplace operation")
            raise Undefined("a value that may have been saved was modified")
        if not np.array_equal(self.memory, self.snapshot):
            raise Undefined("a saved value was modified behind its version counter")


class Node:
    """One differentiable operation.

    `saves` says whether PyTorch frees something after backward, so that a second pass raises;
    None where that depends on a shortcut of its own.
    """

    __slots__ = ("edges", "freed", "inputs", "leaf", "saved", "saves", "serial")

    def __init__(
        self,
        serial: int,
        inputs: Iterable[Node] = (),
        edges: Iterable[Edges] = (),
        saved: Iterable[Saved] = (),
        saves: bool | None = False,
        leaf: object = None,
    ) -> None:
        self.serial = serial
        self.inputs = tuple(inputs)
        self.edges = tuple(edges)
        self.saved = tuple(saved)
        self.saves = saves
        self.leaf = leaf
        self.freed: bool | None = False


class Tape:
    """Numbers slots and nodes, and runs gradients backwards over them."""

    def __init__(self) -> None:
        self.slots = 0
        self.nodes = 0

    def new_slots(self, shape: tuple[int, ...]) -> np.ndarray:
        """Fresh slot numbers for one tensor's elements."""
        count = int(np.prod(shape, dtype=np.int64))
        first = self.slots
        self.slots += count
        return np.arange(first, self.slots, dtype=np.int64).reshape(shape)

    def new_serial(self) -> int:
        """The next node's place in the order of recording."""
        self.nodes += 1
        return self.nodes

    def gradients(
        self,
        root: Node,
        slots: np.ndarray,
        seed: np.ndarray,
        keep: bool,
        towards: set[Node] | None = None,
    ) -> tuple[np.ndarray, list[Node]]:
        """The gradient of every slot, and the leaves reached, for `seed` put on `slots`.

        `towards` limits the run to the paths that end in these leaves. Nothing is changed where
        an error is raised.
        """
        order = _reachable(root)
        if towards is not None:
            leading = set(towards)
            for node in reversed(order):
                if not leading.isdisjoint(node.inputs):
                    leading.add(node)
            order = [node for node in order if node in leading]
        for node in order:
            if node.freed is None:
                raise Undefined("a second pass over what may be freed")
            if node.freed:
                raise RuntimeError("oracle: trying to backward through the graph a second time")
            for saved in node.saved:
                saved.verify()
        grads = np.zeros(self.slots + 1)  # the last one takes what flows to NO_SLOT
        np.add.at(grads, slots.ravel(), seed.ravel())
        for node in order:
            for edges in node.edges:
                np.add.at(grads, edges.inputs, grads[edges.outputs] * edges.partials)
        grads[-1] = 0.0
        if not np.all(np.abs(grads) < FLOAT_LIMIT):
            raise Undefined("a gradient is too large to compare")
        if not keep:
            for node in order:
                node.freed = node.saves
        return grads, [node for node in order if node.leaf is not None]


def _reachable(root: Node) -> list[Node]:
    """Everything behind `root`, latest first."""
    found = {root}
    todo = [root]
    while todo:
        for node in todo.pop().inputs:
            if node not in found:
                found.add(node)
                todo.append(node)
    return sorted(found, key=lambda node: -node.serial)
