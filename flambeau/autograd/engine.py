"""The backward pass: from the roots' gradients to the leaves, without recursion."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Any

from ..graph.trace import state
from .node import AccumulateGrad, Node


def _plan(roots: list[Any]) -> dict[Any, int]:
    """How many gradients each reachable node waits for."""
    waiting: dict[Any, int] = {}
    seen: set[Node] = set()
    stack = [r for r in roots if isinstance(r, Node)]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        for edge in node.edges:
            if edge is not None and isinstance(edge[0], Node):
                target = edge[0]
                waiting[target] = waiting.get(target, 0) + 1
                if target not in seen:
                    stack.append(target)
    return waiting


def _reaching(roots: list[Any], targets: set[Any]) -> set[Any]:
    """The nodes from which one of the targets can be reached (`autograd.grad` runs only these)."""
    useful: set[Any] = set()
    done: set[Node] = set()
    stack: list[tuple[Any, bool]] = [(r, False) for r in roots if isinstance(r, Node)]
    while stack:
        node, leaving = stack.pop()
        if leaving:
            if node in targets or any(
                e is not None and (e[0] in useful or e[0] in targets) for e in node.edges
            ):
                useful.add(node)
        elif node not in done:
            done.add(node)
            stack.append((node, True))
            for edge in node.edges:
                if edge is not None and isinstance(edge[0], Node) and edge[0] not in done:
                    stack.append((edge[0], False))
    return useful


def run(
    roots: Sequence[tuple[Any, int]],
    grads: Sequence[Any],
    *,
    keep_graph: bool,
    create_graph: bool,
    capture: Sequence[tuple[Any, int]] | None = None,
    accumulate: set[Any] | None = None,
) -> list[Any]:
    """Propagate `grads` from the roots, pairs of a node (or leaf) and an output number.

    With `capture` (edges, as the roots) nothing is accumulated into leaves; the gradients that
    arrive at those edges are returned instead, None where none does. With `accumulate`, only these
    leaves receive one. Nodes run in the reverse order of their making.
    """
    targets = {edge[0] for edge in capture} if capture is not None else None
    if accumulate is not None:
        targets = set(accumulate)
    origins = [r[0] for r in roots]
    useful = _reaching(origins, targets) if targets is not None else None
    waiting = _plan(origins)
    buffers: dict[Any, list[Any]] = {}
    captured: dict[tuple[Any, int], Any] = {}
    wanted = {(id(n), nr) for n, nr in capture} if capture is not None else None
    ready: list[tuple[int, int, Any]] = []
    queued: set[Any] = set()

    before = state.grad
    state.grad = create_graph

    def deliver(target: Any, nr: int, g: Any) -> None:
        if not isinstance(target, Node):
            if wanted is not None and accumulate is None:
                if (id(target), nr) in wanted:
                    key = (id(target), nr)
                    old = captured.get(key)
                    captured[key] = g if old is None else old + g
            elif accumulate is None or target in accumulate:
                leaf_sums[id(target)] = (
                    target,
                    g if id(target) not in leaf_sums else leaf_sums[id(target)][1] + g,
                )
                leaf_waiting_done(target)
            return
        if useful is not None and target not in useful:
            if wanted is None or (id(target), nr) not in wanted:
                return
        slots = buffers.get(target)
        if slots is None:
            slots = buffers[target] = [None] * max(len(target.out), nr + 1)
        slots[nr] = g if slots[nr] is None else slots[nr] + g

    leaf_sums: dict[int, tuple[Any, Any]] = {}
    leaf_counts: dict[int, int] = _leaf_counts(origins, useful)

    def leaf_waiting_done(target: Any) -> None:
        left = leaf_counts.get(id(target), 1) - 1
        leaf_counts[id(target)] = left
        if left <= 0 and id(target) in leaf_sums:
            finish_leaf(*leaf_sums.pop(id(target)), create_graph)

    def push(node: Any) -> None:
        if node not in queued:
            queued.add(node)
            heapq.heappush(ready, (-node.sequence_nr, id(node), node))

    try:
        for (target, nr), g in zip(roots, grads, strict=True):
            if not isinstance(target, Node):
                leaf_counts[id(target)] = leaf_counts.get(id(target), 0) + 1
        for (target, nr), g in zip(roots, grads, strict=True):
            deliver(target, nr, g)
            if isinstance(target, Node) and not waiting.get(target):
                push(target)
        while ready:
            _, _, node = heapq.heappop(ready)
            slots = buffers.pop(node, None)
            if slots is None:
                slots = [None] * len(node.out)
            _run_node_hooks_before(node, slots)
            if wanted is not None:
                for nr, g in enumerate(slots):
                    if g is not None and (id(node), nr) in wanted:
                        captured[(id(node), nr)] = g
            edges = node.edges
            needs = tuple(
                e is not None
                and (
                    useful is None
                    or e[0] in useful
                    or (targets is not None and e[0] in targets)
                )
                for e in edges
            )
            passed: list[Any] = [None] * len(edges)
            if any(needs) and any(g is not None for g in slots):
                passed = _apply(node, slots, needs)
                if not keep_graph:
                    node.release()
            for edge, need, g in zip(edges, needs, passed, strict=True):
                if edge is None:
                    continue
                target, nr = edge
                if need and g is not None:
                    deliver(target, nr, g)
                elif not isinstance(target, Node):
                    leaf_waiting_done(target)
                if isinstance(target, Node):
                    left = waiting[target] - 1
                    waiting[target] = left
                    if not left:
                        push(target)
        for target, g in list(leaf_sums.values()):
            finish_leaf(target, g, create_graph)
    finally:
        state.grad = before
    if capture is None:
        return []
    return [captured.get((id(n), nr)) for n, nr in capture]


def _leaf_counts(origins: list[Any], useful: set[Any] | None) -> dict[int, int]:
    """How many edges lead to each leaf: its gradient is accumulated when the last has come."""
    counts: dict[int, int] = {}
    seen: set[Node] = set()
    stack = [r for r in origins if isinstance(r, Node)]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        for edge in node.edges:
            if edge is None:
                continue
            if isinstance(edge[0], Node):
                stack.append(edge[0])
            else:
                counts[id(edge[0])] = counts.get(id(edge[0]), 0) + 1
    return counts


def _run_node_hooks_before(node: Any, slots: list[Any]) -> None:
    """Tensor hooks, retained gradients and the node's own pre-hooks."""
    if node._retained:
        for nr, (hooks, owner) in node._retained.items():
            if nr < len(slots) and slots[nr] is not None:
                slots[nr] = run_hooks(hooks, slots[nr])
                tensor = owner() if owner is not None else None
                if tensor is not None:
                    tensor._grad = slots[nr]._detached()
    if node._pre_hooks:
        for hook in list(node._pre_hooks.values()):
            changed = hook(tuple(slots))
            if changed is not None:
                slots[:] = changed


def run_hooks(hooks: dict[int, Callable[..., Any]] | None, g: Any) -> Any:
    """Pass a gradient through tensor hooks; each may replace it."""
    for hook in list((hooks or {}).values()):
        changed = hook(g)
        if changed is not None:
            g = changed
    return g


def _apply(node: Any, slots: list[Any], needs: tuple[bool, ...]) -> list[Any]:
    passed: list[Any] = node.apply(slots, needs)
    if node._hooks:
        for hook in list(node._hooks.values()):
            changed = hook(tuple(passed), tuple(slots))
            if changed is not None:
                passed = list(changed)
    return passed


def finish_leaf(variable: Any, g: Any, create_graph: bool) -> None:
    """Accumulate into `variable.grad`, after the leaf's hooks."""
    if variable._hooks:
        g = run_hooks(variable._hooks, g)
    known = variable._accumulator and variable._accumulator()
    if known is not None and known._pre_hooks:
        slots = [g]
        _run_node_hooks_before(known, slots)
        g = slots[0]
    old = variable._grad
    if old is None:
        variable._grad = g if create_graph else g._detached()
    elif create_graph:
        variable._grad = old + g
    else:
        old.add_(g)
    if known is not None and known._hooks:
        for hook in list(known._hooks.values()):
            hook((), (g,))
    if variable._post_hooks:
        for hook in list(variable._post_hooks.values()):
            hook(variable)


__all__ = ["AccumulateGrad", "run"]
