"""The autograd graph to look at: as text, and as a picture in Graphviz' language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .node import AccumulateGrad, Node


def _root(tensor: Any) -> Node:
    from .graph import get_gradient_edge

    return get_gradient_edge(tensor).node


def _walk(root: Node) -> list[Node]:
    """All nodes that can be reached, in the order of a walk along first edges first."""
    found: dict[Node, None] = {}
    stack = [root]
    while stack:
        node = stack.pop()
        if node not in found:
            found[node] = None
            stack += [each for each, _ in reversed(node.next_functions) if each is not None]
    return list(found)


def _shapes(node: Node) -> str:
    return ", ".join(str(list(a.shape)) for a in node.out if a is not None)


def _names(names: Mapping[str, Any] | None) -> dict[int, str]:
    return {id(t): name for name, t in (names or {}).items()}


def _leaf_text(node: AccumulateGrad, names: dict[int, str]) -> str:
    leaf = node.variable
    return f"{names.get(id(leaf), 'leaf')} {list(leaf.shape)}"


def graph_text(tensor: Any, names: Mapping[str, Any] | None = None) -> str:
    """The graph that a tensor comes from, a node a line with the shape of its result, indented
    below the node that its result goes to. A node met again is not followed again.

    names: leaves by name, as `dict(model.named_parameters())` has them.
    """
    known = _names(names)
    lines: list[str] = []
    seen: dict[Node, int] = {}
    stack: list[tuple[Node | None, int]] = [(_root(tensor), 0)]
    while stack:
        node, depth = stack.pop()
        indent = "  " * depth
        if node is None:
            continue
        if isinstance(node, AccumulateGrad):
            lines.append(f"{indent}{_leaf_text(node, known)}")
        elif node in seen:
            lines.append(f"{indent}{type(node).__name__}, see line {seen[node]}")
        else:
            lines.append(f"{indent}{type(node).__name__} {_shapes(node)}")
            seen[node] = len(lines)
            stack += [(each, depth + 1) for each, _ in reversed(node.next_functions)]
    return "\n".join(lines)


def draw(tensor: Any, names: Mapping[str, Any] | None = None) -> str:
    """The graph that a tensor comes from, in Graphviz' DOT language: leaves are boxes, nodes show
    the shape of their result. `dot -Tsvg` makes a picture of it.

    names: leaves by name, as `dict(model.named_parameters())` has them.
    """
    known = _names(names)
    nodes = _walk(_root(tensor))
    numbers = {node: i for i, node in enumerate(nodes)}
    lines = ["digraph autograd {", '  node [fontname="monospace", fontsize=10];']
    for node, i in numbers.items():
        if isinstance(node, AccumulateGrad):
            lines.append(f'  n{i} [shape=box, style=filled, label="{_leaf_text(node, known)}"];')
        else:
            lines.append(f'  n{i} [label="{type(node).__name__}\\n{_shapes(node)}"];')
    for node, i in numbers.items():
        for each, number in node.next_functions:
            if each is not None:
                label = f' [label="{number}"]' if len(each.out) > 1 else ""
                lines.append(f"  n{numbers[each]} -> n{i}{label};")
    return "\n".join([*lines, "}"])


__all__ = ["draw", "graph_text"]
