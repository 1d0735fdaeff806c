"""The backward pass: from the roots' gradients to the leaves, without recursion."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any, Protocol

from ..graph.trace import state
from .node import Edge, Extra, Node


class Watch(Protocol):
    """What anomaly mode does."""

    def gave(self, node: Node, passed: Sequence[Any]) -> None:
        """Look at the gradients that a node gives."""

    def failed(self, node: Node) -> None:
        """Tell of the operation whose derivative has raised an error."""


watch: Watch | None = None
"""Set while anomaly mode is on."""


class _Running(threading.local):
    """The passes that a thread is in the middle of, the innermost last: the targets that each
    reaches, and a function that says of one whether gradients are wanted there."""

    def __init__(self) -> None:
        self.passes: list[tuple[dict[Any, int], Callable[[Any], bool]]] = []


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

    A node runs when all gradients that can still come to it have come, those made last first. At a
    leaf they are added to `.grad`. With `capture` nothing is: the gradients that arrive at these
    edges are returned, None where none does. With `leaves` only these get one. In both cases only
    nodes run that lead to what was asked for.
    """
    waiting = _count(roots)
    targets = leaves if capture is None else {edge[0] for edge in capture}
    needed = None if targets is None else _leading_to(targets, waiting)
    captured: dict[Any, list[Any]] | None = None if capture is None else {}
    buffers: dict[Any, list[Any]] = {}
    ready: list[tuple[int, Node]] = []

    def arrived(target: Any) -> None:
        """All gradients of a target have come."""
        if isinstance(target, Node):
            heappush(ready, (-target.sequence_nr, target))
            return
        (g,) = buffers.pop(target, (None,))
        if captured is None:
            accumulate(target, g, create_graph)
        else:
            captured[target] = [run_hooks(target._hooks, g) if target._hooks else g]

    def wanted(target: Any) -> bool:
        return target in waiting and (needed is None or target in needed or target in (targets or ()))

    running.passes.append((waiting, wanted))
    before = state.grad
    state.grad = create_graph
    node: Any = None
    try:
        for (target, nr), g in zip(roots, grads, strict=True):
            _add(buffers, target, nr, g)
        for target in dict.fromkeys([root[0] for root in roots]):
            if not waiting[target]:
                arrived(target)
        while ready:
            node = heappop(ready)[1]
            slots = buffers.pop(node, None) or []
            if len(slots) < len(node.out):
                slots += [None] * (len(node.out) - len(slots))
            edges: Sequence[Edge | None] = node.edges
            if needed is not None and targets is not None:
                edges = [
                    e if e is not None and (e[0] in needed or e[0] in targets) else None
                    for e in edges
                ]
                # PyTorch's order: tensor hooks come before the capture only where the node itself
                # is not to run.
                if node not in needed and node.extra is not None:
                    _tensor_hooks(node.extra, slots, create_graph)
                if captured is not None and node in targets:
                    captured[node] = list(slots)
                if node not in needed:
                    continue
            if node.extra is not None:
                slots = _hooks_before(node.extra, slots, create_graph)
            passed = node.apply(slots, edges)
            if not keep_graph and (node.saved or node.saved_results):
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
                    found = buffers.get(target)
                    if found is None and not nr:
                        buffers[target] = [g]
                    else:
                        _add(buffers, target, nr, g)
                left = waiting[target] - 1
                waiting[target] = left
                if not left:
                    arrived(target)
    except Exception:
        if watch is not None and node is not None:
            watch.failed(node)
        raise
    finally:
        state.grad = before
        running.passes.pop()
    if captured is None or capture is None:
        return []
    return [captured[target][nr] if target in captured else None for target, nr in capture]


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
