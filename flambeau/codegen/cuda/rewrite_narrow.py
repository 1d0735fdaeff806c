"""16-bit floats in contractions: tensor cores read them as they are, sum in float32, and write them.

Lowerings widen 16-bit floats and round results, so that a graph says

    cast(matmul(cast(a), cast(b)))    →    matmul(a, b), all of them 16-bit

The products are exact in float32 either way; what is different is nothing but the traffic.
"""

from __future__ import annotations

from ...graph.access import resolve
from ...graph.ir import Builder, Node
from ...graph.simplify import rewrite

NARROW = ("float16", "bfloat16")
CONTRACTIONS = frozenset(
    "matmul matmul_bias matmul_add conv_forward conv_input conv_weight conv3_forward conv3_input conv3_weight".split()
)


def is_contraction(x: Node) -> bool:
    return x.op == "special" and x.attr[0] in CONTRACTIONS


def operands(outputs: list[Node]) -> list[Node]:
    """Both factors are read as they are, if both were one 16-bit dtype; so is a bias."""

    def rule(b: Builder, node: Node, args: tuple[Node, ...]) -> Node | None:
        if node.op == "add":
            return _bias(b, node, args)
        if not is_contraction(node) or node.dtype != "float32":
            return None
        x, y = (narrow(b, a) for a in args[:2])
        if x is None or y is None or x.dtype != y.dtype:
            return None
        return b.make("special", (x, y, *args[2:]), node.attr, node.shape, node.dtype)

    return rewrite(outputs, rule)


def narrow(b: Builder, x: Node) -> Node | None:
    """The 16-bit elements that x has in float32, None where it is nothing of that kind."""
    if x.op in ("view", "copy"):
        below = narrow(b, x.args[0])
        if below is None:
            return None
        return b.make(x.op, (below, *x.args[1:]), x.attr, x.shape, below.dtype)
    if x.op == "cast" and x.dtype == "float32" and x.args[0].dtype in NARROW:
        return x.args[0]
    return None


def _bias(b: Builder, node: Node, args: tuple[Node, ...]) -> Node | None:
    """add(matmul(a, b), cast(bias)) → matmul_bias(a, b, cast(bias)), and convolutions by channel, as
    `simplify` does it for float32."""
    for i in (0, 1):
        product, other = args[i], args[1 - i]
        if node.args[i].uses != 1 or product.op != "special" or product.attr[0] not in _WITH_BIAS:
            continue
        if product.args[0].dtype not in NARROW or node.shape != product.shape:
            continue
        found = narrow(b, other) if other.dtype == "float32" and len(product.args) == 2 else None
        access = None if found is None else resolve(found)
        if access is None or not access.whole or not _in_memory(access.base):
            continue
        name, params = product.attr
        if name == "matmul":
            if other.shape != (node.shape[-1],):
                continue
            bias = other
        else:
            lead = product.ndim - other.ndim
            channel = tuple(int(j + lead == 1 and product.shape[1] > 1) for j in range(other.ndim))
            if access.base.shape != (product.shape[1],) or access.strides != channel or lead > 1:
                continue
            bias = b.cast(access.base, "float32")
        stored = b.make("copy", (bias,), None, bias.shape, bias.dtype)
        return b.special(
            _WITH_BIAS[name], params, (*product.args, stored), product.shape, product.dtype
        )
    return None


def _in_memory(x: Node) -> bool:
    """Whether a vector is an input, or one that is rounded: that is as good as for nothing."""
    return x.op == "input" or x.op == "cast" and x.ndim == 1 and x.args[0].op == "input"


_WITH_BIAS = {"matmul": "matmul_bias", "conv_forward": "conv_forward", "conv3_forward": "conv3_forward"}


def results(outputs: list[Node]) -> list[Node]:
    """A product that is only wanted rounded is written so."""
    shown = set(outputs)

    def rule(b: Builder, node: Node, args: tuple[Node, ...]) -> Node | None:
        if node.op != "cast" or node.dtype not in NARROW:
            return None
        old, views = node.args[0], []
        while old.op == "view" and old.uses == 1 and len(old.args) == 1 and old not in shown:
            views.append(old)
            old = old.args[0]
        if old.uses != 1 or old in shown or not is_contraction(old) or old.attr[0] == "matmul_add":
            return None
        if old.dtype != "float32" or old.args[0].dtype != node.dtype:
            return None
        made = args[0]
        for _ in views:
            made = made.args[0]
        given = made.args
        if len(given) == 3:  # the bias too, if it was
            bias = narrow(b, given[2])
            if bias is not None and bias.dtype == node.dtype:
                bias = bias.args[0] if bias.op == "copy" else bias
                given = (*given[:2], bias)
        found = b.make("special", given, made.attr, made.shape, node.dtype)
        for v in reversed(views):
            found = b.make("view", (found,), v.attr, v.shape, node.dtype)
        return found

    return rewrite(outputs, rule)
