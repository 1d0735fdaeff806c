"""Nodes of the autograd graph, and where a tensor stands in it."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any

from .handles import RemovableHandle, hooked

VOLATILE = "volatile"
"""A tensor's `_rg` in PyTorch 0.3's volatile mode: truthy, so that operations come here, where it
is passed on without building a graph."""

RELEASED = object()
"""What a node's saved values become when a backward pass has used them."""

Edge = tuple[Any, int]
"""A node (or a leaf tensor) and the number of its output."""


class Clock:
    """Numbers nodes in the order of their making: a node's edges lead to lower numbers only.
    Anomaly mode puts a `tick` here that notes the line too, so that other modes pay nothing."""

    def __init__(self) -> None:
        self.tick: Callable[[], int] = itertools.count().__next__


clock = Clock()


class Extra:
    """What few nodes have: hooks, retained gradients, metadata."""

    __slots__ = ("tensor_hooks", "retained", "before", "after", "metadata")

    def __init__(self) -> None:
        self.tensor_hooks: dict[int, dict[int, Any]] = {}
        """Hooks of the tensors that the node gave, by output number."""
        self.retained: dict[int, weakref.ref[Any]] = {}
        """Tensors that keep their gradient, by output number."""
        self.before: dict[int, Any] = {}
        self.after: dict[int, Any] = {}
        self.metadata: dict[Any, Any] = {}


class Node:
    """One function of the graph."""

    __slots__ = (
        "edges", "saved", "saved_results", "params", "avals", "out", "sequence_nr", "extra", "token",
        "__weakref__",
    )  # fmt: skip
    requires_grad = True

    def __init__(self) -> None:
        self.edges: tuple[Edge | None, ...] = ()
        """For each differentiable input, where its gradient goes; None where nowhere."""
        self.saved: Any = ()
        self.saved_results: Any = ()
        self.params: tuple[Any, ...] = ()
        self.avals: tuple[Any, ...] = ()
        """Avals of all inputs."""
        self.out: tuple[Any, ...] = ()
        """Avals of the results."""
        self.sequence_nr = clock.tick()
        self.extra: Extra | None = None
        self.token = 0
        """Of a row's node: stands for its class, params, and the avals of inputs and results. 0 for
        others, whose derivatives may do anything."""

    def name(self) -> str:
        """The node's name, as PyTorch calls it: `AddBackward0`."""
        return type(self).__name__

    @property
    def metadata(self) -> dict[Any, Any]:
        """A dictionary for the user's notes."""
        return extra_of(self).metadata

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """For each input, the node that its gradient goes to and which output of it."""
        return tuple(map(shown, self.edges))

    def apply(self, grads: list[Any], edges: Any) -> Any:
        """Gradients of the inputs, from those of the results (None where none has come). Edges
        that are None want no gradient."""
        raise NotImplementedError

    def __call__(self, *grads: Any) -> Any:
        """Run this node alone; see `apply`."""
        return self.apply(list(grads), self.edges)

    def release(self) -> None:
        """Forget what was saved: the graph has been used."""
        self.saved, self.saved_results = RELEASED, ()

    def check_released(self) -> None:
        """RuntimeError where a backward pass has used up what was saved."""
        if self.saved is RELEASED:
            raise RuntimeError(
                f"Trying to backward through the graph a second time ({self.name()}): its saved "
                "values have already been freed. Saved intermediate values of the graph are freed "
                "when you call .backward() or autograd.grad(). Specify retain_graph=True if you "
                "need to backward through the graph a second time."
            )

    def register_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(grad_inputs, grad_outputs)` after this node ran; it may return new ones."""
        return hooked(extra_of(self).after, hook)

    def register_prehook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(grad_outputs)` before this node runs; it may return new ones."""
        return hooked(extra_of(self).before, hook)

    def _sequence_nr(self) -> int:
        return self.sequence_nr

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object at {hex(id(self))}>"


def extra_of(node: Node) -> Extra:
    """A node's place for hooks, made when it is first needed."""
    if node.extra is None:
        node.extra = Extra()
    return node.extra


class AccumulateGrad(Node):
    """The end of the graph at a leaf: adds to `variable.grad`. Edges lead to the leaf itself; this
    is made where somebody asks for the node."""

    __slots__ = ("variable",)

    def __init__(self, variable: Any) -> None:
        super().__init__()
        self.variable = variable
        self.out = (variable._aval,)

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def apply(self, grads: list[Any], edges: Any) -> Any:
        from .engine import accumulate

        accumulate(self.variable, grads[0], create_graph=False)
        return ()

    def register_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        self._keep()
        return super().register_hook(hook)

    def register_prehook(self, hook: Callable[..., Any]) -> RemovableHandle:
        self._keep()
        return super().register_prehook(hook)

    def _keep(self) -> None:
        """The leaf knows its node weakly, but a hook has to stay."""
        self.variable._accumulator = lambda: self


def as_node(target: Any) -> Any:
    """The node of an edge's target: leaf tensors get their AccumulateGrad."""
    if isinstance(target, Node):
        return target
    known = target._accumulator and target._accumulator()
    if known is None:
        known = AccumulateGrad(target)
        target._accumulator = weakref.ref(known)
    return known


def shown(edge: Edge | None) -> tuple[Any, int]:
    """An edge as `next_functions` has it."""
    return (None, 0) if edge is None else (as_node(edge[0]), edge[1])


def joined(view: Any) -> bool:
    """Whether a view is part of a graph. Writing to its base, or to another view of it, may have
    made it so since."""
    if view._rg is False and view._view._rg is True and view._aval.differentiable:
        view._rg = True
    return view._rg  # type: ignore[no-any-return]


def edge_of(x: Any) -> Edge | None:
    """Where a tensor's gradient goes."""
    if x._view is None:
        if x._rg is not True:
            return None
        return (x, 0) if x._node is None else (x._node, x._nr)
    if joined(x) is not True:
        return None
    node = x.grad_fn
    if node is not None:
        return (node, x._nr)
    # A view without a node is a leaf of its own, or it was made while nothing was recorded.
    return (x, 0) if x._view._rg is not True else None


def version(x: Any) -> int:
    """How often a tensor was written in place."""
    return x._count[0] if x._count else x._storage.version  # type: ignore[no-any-return]


__all__ = ["AccumulateGrad", "Clock", "Edge", "Extra", "Node", "RemovableHandle", "as_node", "clock",
           "edge_of", "extra_of", "joined", "shown", "version"]  # fmt: skip
