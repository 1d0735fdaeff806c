"""The backward pass: from the roots' gradients to the leaves, without recursion."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Any, Protocol

from ..core import device as devices
from ..engine import flush
from ..graph.trace import state
from . import levels, replay
from .node import Edge, Extra, Node
from .saved import fresh


class Watch(Protocol):
    """What anomaly mode does."""

    def gave(self, node: Node, passed: Sequence[Any]) -> None:
        """Look at the gradients that a node gives."""

    def failed(self, node: Node) -> None:
        """Tell of the operation whose derivative has raised an error."""


watch: Watch | None = None
"""Set while anomaly mode is on."""


class _Pass:
    """One backward pass.

    `targets` are the nodes and leaves that gradients are wanted at, None for all leaves. With
    `captures` the gradients there are kept in `captured`; else they are added to `.grad`.
    """

    def __init__(
        self, roots: Sequence[Edge], targets: set[Any] | None, captures: bool, keep_graph: bool,
        create_graph: bool,
    ) -> None:  # fmt: skip
        self.waiting = _count(roots)
        """For each node and leaf that can be reached, the gradients that are still to come."""
        self.targets = targets
        self.needed = None if targets is None else _leading_to(targets, self.waiting)
        """The nodes that have to run."""
        self.captured: dict[Any, list[Any]] | None = {} if captures else None
        self.keep_graph = keep_graph
        self.create_graph = create_graph
        self.buffers: dict[Any, list[Any]] = {}
        """Sums of the gradients that have come, by output number."""
        self.ready: list[tuple[int, Node]] = []
        self.node: Node | None = None
        """The node that runs now."""

    def start(self, roots: Sequence[Edge], grads: Sequence[Any]) -> None:
        for (target, nr), g in zip(roots, grads, strict=True):
            _add(self.buffers, target, nr, g)
        for target in dict.fromkeys([root[0] for root in roots]):
            if not self.waiting[target]:
                self.arrived(target)

    def arrived(self, target: Any) -> None:
        """All gradients of a target have come."""
        if isinstance(target, Node):
            heappush(self.ready, (-target.sequence_nr, target))
            return
        (g,) = self.buffers.pop(target, (None,))
        if self.captured is None:
            accumulate(target, g, self.create_graph)
        else:
            self.captured[target] = [run_hooks(target._hooks, g) if target._hooks else g]

    def go(self) -> None:
        """Run nodes until none is left, those made last first."""
        waiting, buffers, ready = self.waiting, self.buffers, self.ready
        while ready:
            node = self.node = heappop(ready)[1]
            slots = buffers.pop(node, None) or []
            if len(slots) < len(node.out):
                slots += [None] * (len(node.out) - len(slots))
            edges: Sequence[Edge | None] = node.edges
            if self.needed is not None:
                wanted = self.wanted_edges(node, slots)
                if wanted is None:
                    continue
                edges = wanted
            if node.extra is not None:
                slots = _hooks_before(node.extra, slots, self.create_graph)
            state.trusted = node.token != 0
            if devices.others and node.token:
                passed = devices.there(node.apply, (slots, edges), {})
            else:
                passed = node.apply(slots, edges)
            state.trusted = False
            if not self.keep_graph and (node.saved or node.saved_results):
                node.release()
            if node.extra is not None and node.extra.after:
                passed = _hooks_after(node.extra, passed, slots)
            if watch is not None:
                watch.gave(node, passed)
            for edge, g in zip(edges, passed):
                if edge is None:
                    continue
                target, nr = edge
                if g is not None:
                    if nr or target in buffers:
                        _add(buffers, target, nr, g)
                    else:
                        buffers[target] = [g]
                left = waiting[target] - 1
                waiting[target] = left
                if not left:
                    self.arrived(target)

    def wants(self, target: Any) -> bool:
        """Whether gradients go to a node or leaf in this pass."""
        if self.needed is None or self.targets is None:
            return target in self.waiting
        return target in self.needed or target in self.targets

    def wanted_edges(self, node: Node, slots: list[Any]) -> Sequence[Edge | None] | None:
        """The edges of a node that lead to targets, None for the others; None in all for a node
        that is not to run. A node that is a target itself has its gradients captured.

        PyTorch's order: tensor hooks come before the capture only where the node does not run.
        """
        assert self.needed is not None and self.targets is not None
        runs = node in self.needed
        if not runs and node.extra is not None:
            _tensor_hooks(node.extra, slots, self.create_graph)
        if self.captured is not None and node in self.targets:
            self.captured[node] = list(slots)
        if not runs:
            return None
        return [e if e is not None and self.wants(e[0]) else None for e in node.edges]


class _Running(threading.local):
    """The passes that a thread is in the middle of, the innermost last."""

    def __init__(self) -> None:
        self.passes: list[_Pass] = []


running = _Running()


def run(
    roots: Sequence[Edge],
    grads: Sequence[Any],
    *,
    keep_graph: bool,
    create_graph: bool,
    capture: Sequence[Edge] | None = None,
    leaves: set[Any] | None = None,
) -> list[Any]:
    """Propagate `grads` from the roots.

    A node runs when all gradients that can still come to it have come. At a leaf they are added to
    `.grad`. With `capture` nothing is: the gradients that arrive at these edges are returned, None
    where none does. With `leaves` only these get one. In both cases only nodes run that lead to
    what was asked for.
    """
    if capture is None and leaves is None and not create_graph and watch is None:
        if len(roots) == 1 and not levels.running.levels and _again(roots, grads, keep_graph):
            return []
    targets = leaves if capture is None else {edge[0] for edge in capture}
    now = _Pass(roots, targets, capture is not None, keep_graph, create_graph)
    _propagate(now, roots, grads)
    captured = now.captured or {}
    return [captured[target][nr] if target in captured else None for target, nr in capture or ()]


def _propagate(now: _Pass, roots: Sequence[Edge], grads: Sequence[Any]) -> None:
    running.passes.append(now)
    before = state.grad
    state.grad = now.create_graph
    try:
        now.start(roots, grads)
        now.go()
    except Exception:
        if watch is not None and now.node is not None:
            watch.failed(now.node)
        raise
    finally:
        state.grad = before
        state.trusted = False
        running.passes.pop()


def _again(roots: Sequence[Edge], grads: Sequence[Any], keep_graph: bool) -> bool:
    """Replay a pass whose structure is known, or learn it. False where neither was done."""
    more = replay.at_once(*roots[0], grads[0], keep_graph)
    if more is not None:
        _give(more)
        return True
    found = replay.survey(*roots[0], grads[0])
    if found is None:
        return False
    script = replay.known(found)
    gradients: Sequence[tuple[Any, Any, Any]]
    if script is not None:
        gradients = replay.play(script, found, keep_graph)
    elif not keep_graph and replay.worth_learning(found):  # a script releases what was saved
        lesson = replay.Lesson(found)
        now = _Pass(roots, None, True, keep_graph, False)
        _propagate(now, roots, grads)
        assert now.captured is not None
        gradients = lesson.finish(now.captured)
        now.captured.clear()
    else:
        return False
    more = []
    for leaf, value, aval in gradients:
        g = fresh(value, aval)
        if leaf._grad is None:
            leaf._grad = g
        else:
            more.append((leaf, g))
    _give(more)
    return True


def _give(gradients: Sequence[tuple[Any, Any]]) -> None:
    """Add gradients to those that leaves have already."""
    before = state.grad
    state.grad = False
    try:
        for leaf, g in gradients:
            accumulate(leaf, g, create_graph=False)
    finally:
        state.grad = before


def _count(roots: Sequence[Edge]) -> dict[Any, int]:
    """For each node and leaf that can be reached, how many edges lead to it."""
    waiting: dict[Any, int] = {root[0]: 0 for root in roots}
    stack = [target for target in waiting if isinstance(target, Node)]
    while stack:
        for edge in stack.pop().edges:
            if edge is not None:
                target = edge[0]
                if target in waiting:
                    waiting[target] += 1
                else:
                    waiting[target] = 1
                    if isinstance(target, Node):
                        stack.append(target)
    return waiting


def _leading_to(targets: set[Any], reached: dict[Any, int]) -> set[Node]:
    """The nodes among the reached from which an edge, or several, lead to a target."""
    needed: set[Node] = set()
    nodes = [target for target in reached if isinstance(target, Node)]
    nodes.sort(key=lambda node: node.sequence_nr)  # edges lead to lower numbers
    for node in nodes:
        for edge in node.edges:
            if edge is not None and (edge[0] in needed or edge[0] in targets):
                needed.add(node)
                break
    return needed


def _add(buffers: dict[Any, list[Any]], target: Any, nr: int, g: Any) -> None:
    """Add a gradient to those that have come for output `nr` of a target."""
    slots = buffers.setdefault(target, [])
    if len(slots) <= nr:
        slots += [None] * (nr + 1 - len(slots))
    slots[nr] = g if slots[nr] is None else slots[nr] + g


def accumulate(leaf: Any, g: Any, create_graph: bool) -> None:
    """Add a gradient to `leaf.grad`, after the leaf's hooks. Nothing is added where none has come,
    or the leaf requires none any more."""
    node = leaf._accumulator and leaf._accumulator()
    extra = node.extra if node is not None else None
    if leaf._hooks:
        g = run_hooks(leaf._hooks, g)
    if extra is not None:
        (g,) = _hooks_before(extra, [g], create_graph)
    if g is not None and leaf._rg is True:
        if leaf._node is not None:
            raise RuntimeError("leaf variable has been moved into the graph interior")
        with flush.lock():  # of threads that have the leaf in common, none's gradient is lost
            old = leaf._grad
            if old is None:
                leaf._grad = g.clone() if create_graph else g._detached()
            elif create_graph:
                leaf._grad = old + g
            else:
                old.add_(g)
        for hook in list(leaf._post_hooks.values()) if leaf._post_hooks else ():
            hook(leaf)
    if extra is not None and extra.after:
        _hooks_after(extra, (), [g])


# --- hooks ------------------------------------------------------------------------------------


def run_hooks(hooks: dict[int, Any], g: Any) -> Any:
    """Pass a gradient (None where none has come) through tensor hooks; each may replace it."""
    for hook in list(hooks.values()):
        changed = hook(g)
        if changed is not None:
            g = _replacement(hook, changed, g)
    return g


def _replacement(hook: Any, changed: Any, g: Any) -> Any:
    """What a hook returned in place of a gradient, which it must be like."""
    from ..frontend.tensor import Tensor

    name = getattr(hook, "__name__", type(hook).__name__)
    if not isinstance(changed, Tensor):
        raise TypeError(
            f"hook {name!r} returned a {type(changed).__name__}: expected a Tensor or None"
        )
    if g is None:
        raise RuntimeError(f"hook {name!r} can't replace a None gradient with a tensor")
    if changed.shape != g.shape or changed.dtype is not g.dtype:
        raise RuntimeError(
            f"hook {name!r} has changed the kind of a gradient: it got {g._aval} and returned "
            f"{changed._aval}"
        )
    return changed


def _replacements(hook: Any, changed: Any, values: Sequence[Any]) -> tuple[Any, ...]:
    """The same for hooks of nodes, which see several gradients."""
    given = changed if isinstance(changed, tuple) else (changed,)
    if len(given) != len(values):
        raise RuntimeError(
            f"hook {getattr(hook, '__name__', type(hook).__name__)!r} has returned an incorrect "
            f"number of values (got {len(given)}, but expected {len(values)})"
        )
    return tuple(
        None if new is None else _replacement(hook, new, g)
        for new, g in zip(given, values, strict=True)
    )


def _tensor_hooks(extra: Extra, slots: list[Any], create_graph: bool) -> None:
    """Hooks of the tensors that a node gave, then their retained gradients."""
    for nr, hooks in extra.tensor_hooks.items():
        slots[nr] = run_hooks(hooks, slots[nr])
    for nr, owner in extra.retained.items():
        tensor, g = owner(), slots[nr]
        if tensor is not None and g is not None:
            kept = g.clone() if create_graph else g._detached()
            tensor._grad = kept if tensor._grad is None else tensor._grad + g


def _hooks_before(extra: Extra, slots: list[Any], create_graph: bool) -> list[Any]:
    """All that comes before a node runs: tensor hooks, then the node's own."""
    _tensor_hooks(extra, slots, create_graph)
    for hook in list(extra.before.values()):
        changed = hook(tuple(slots))
        if changed is not None:
            slots[:] = _replacements(hook, changed, slots)
    return slots


def _hooks_after(extra: Extra, passed: Sequence[Any], slots: list[Any]) -> Sequence[Any]:
    """A node's hooks see the gradients that it gives and those that it got."""
    for hook in list(extra.after.values()):
        changed = hook(tuple(passed), tuple(slots))
        if changed is not None:
            passed = _replacements(hook, changed, passed)
    return passed


__all__ = ["accumulate", "run", "run_hooks"]
