"""Activations in contractions: what the product's last step can do.

    max(matmul_bias(a, b, c), 0)    →    matmul_bias(a, b, c) with "relu"

and so for convolutions and both kinds of GELU, where nothing else reads the product or what is on the
way to the activation. What an activation looks like is what its row's lowering makes of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from ...graph.ir import Builder, Node
from ...graph.simplify import rewrite
from ...ops.lowering import activations
from .rewrite_narrow import NARROW

TAKERS = frozenset(["matmul", "matmul_bias", "conv_forward", "conv3_forward"])
PATTERNS: dict[str, Callable[[Any, Node], Node]] = {
    "relu": activations.relu,
    "gelu": lambda b, x: activations.gelu(b, x, "none"),
    "gelu_tanh": lambda b, x: activations.gelu(b, x, "tanh"),
}
"""By the names that `contractions` knows: the lowerings."""
_LAST = {name: f(Builder(), Node("input", (), 0, (2, 2), "float32")).op for name, f in PATTERNS.items()}


def activations_of(outputs: list[Node]) -> list[Node]:
    """The pass."""
    shown = set(outputs)

    def rule(b: Builder, node: Node, args: tuple[Node, ...]) -> Node | None:
        inner = node
        if node.op == "cast" and node.dtype in NARROW and node.args[0].uses == 1:
            inner = node.args[0]
        if inner.dtype != "float32" or inner is not node and inner in shown:
            return None
        for name, last in _LAST.items():
            if inner.op != last:
                continue
            hole = _hole(name, inner, shown)
            if hole is None:
                continue
            product = hole
            if inner is not node:  # cast(activation(cast(product)))
                narrow = hole.op == "cast" and hole.args[0].dtype == node.dtype
                if not narrow or hole.args[0].uses != 1 or hole in shown:
                    continue
                product = hole.args[0]
            views: list[Node] = []
            while product.op == "view" and len(product.args) == 1 and product not in shown:
                if product.numel != product.args[0].numel or product.args[0].uses != 1:
                    break  # else there would be more to compute, or it would be computed twice
                views.append(product)
                product = product.args[0]
            if product in shown or not _takes(product):
                continue
            made = _made(args, node, product)
            if made is not None:
                attr = (made.attr[0], (name, *made.attr[1]))
                found = b.make("special", made.args, attr, made.shape, made.dtype)
                for v in reversed(views):
                    found = b.make("view", (found,), v.attr, v.shape, found.dtype)
                return found
        return None

    return rewrite(outputs, rule)


def _takes(x: Node) -> bool:
    if x.op != "special" or x.attr[0] not in TAKERS:
        return False
    params = x.attr[1]
    return not (params and isinstance(params[0], str))


def _hole(name: str, node: Node, shown: set[Node]) -> Node | None:
    """What an activation is of, where a node is one, and nothing else reads what is in it."""
    b = Builder()
    x = b.make("input", (), -1, node.shape, node.dtype)
    pattern = PATTERNS[name](b, x)
    found: dict[Node, Node] = {}
    reads: Counter[Node] = Counter()
    stack = [(pattern, node)]
    while stack:
        p, n = stack.pop()
        if p in found:
            if found[p] is not n:
                return None
            continue
        found[p] = n
        if p is x:
            continue
        alike = (p.op, repr(p.attr), p.dtype, len(p.args)) == (n.op, repr(n.attr), n.dtype, len(n.args))
        if not alike or tuple(p.shape) != tuple(n.shape):
            return None
        reads.update(n.args)
        stack += zip(p.args, n.args)
    for p, n in found.items():
        inside = n is node or n.op == "const" or (n not in shown or p is x) and reads[n] == n.uses
        if not inside:
            return None
    return found[x]


def _made(args: tuple[Node, ...], node: Node, product: Node) -> Node | None:
    """The rebuilt product, on the way that leads to it below a node."""
    stack = [(a, n) for a, n in zip(args, node.args, strict=True)]
    while stack:
        new, old = stack.pop()
        if old is product:
            return new
        if len(new.args) == len(old.args):
            stack += zip(new.args, old.args)
    return None
