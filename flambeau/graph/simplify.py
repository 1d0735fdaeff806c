"""Rewrites of the compiler's graph before fusion, in the order in which `simplify` runs them.

Each pass is a function of a node and its new arguments that gives the node to put in its place, or
None to leave it as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from ..core.layout import is_contiguous
from .access import resolve
from .fusion import LEAVES, is_compute
from .ir import Builder, Node

Rewrite = Callable[[Builder, Node, tuple[Node, ...]], Node | None]

STRIDED_ARGUMENTS = frozenset(["matmul", "matmul_bias", "matmul_add", "cat", "write", "copy", "index_add"])
"""Specials that take arguments of any strides."""


def simplify(outputs: list[Node], banned: Collection[str] = ()) -> list[Node]:
    """All passes. `banned` are specials that may not be made."""
    outputs = rewrite(outputs, _bias)
    outputs = rewrite(outputs, _channel_bias)
    outputs = rewrite(outputs, _transposed_product)
    outputs = _running_products(outputs)
    if "max_pool_backward_relu" not in banned:
        outputs = rewrite(outputs, _pooled_relu)
    if "relu_max_pool" not in banned:
        outputs = _relu_and_pool(outputs)
    outputs = rewrite(outputs, _in_memory)
    b = Builder()
    b.nodes = _order(outputs)
    for i, node in enumerate(b.nodes):  # so that what is made now is numbered behind its arguments
        node.number = i
    outputs = [_shown(b, x) for x in outputs]
    return own_copies(outputs)


def rewrite(outputs: list[Node], rule: Rewrite) -> list[Node]:
    """Rebuild a graph from below, with `rule` applied to every node."""
    b = Builder()
    new: dict[Node, Node] = {}
    order = _order(outputs)
    _count_uses(order, outputs)
    for node in order:
        args = tuple(new[a] for a in node.args)
        found = rule(b, node, args)
        new[node] = found if found is not None else b.make(node.op, args, node.attr, node.shape, node.dtype)
    return [new[x] for x in outputs]


def _order(outputs: list[Node]) -> list[Node]:
    """What the outputs need, arguments first."""
    found: dict[Node, None] = {}
    done: list[Node] = []
    stack: list[tuple[Node, bool]] = [(x, False) for x in reversed(outputs)]
    while stack:
        node, ready = stack.pop()
        if ready:
            done.append(node)
        elif node not in found:
            found[node] = None
            stack.append((node, True))
            stack.extend((a, False) for a in reversed(node.args))
    return sorted(done, key=lambda n: n.number)


def _count_uses(order: list[Node], outputs: list[Node]) -> None:
    """Fill every node's `uses`: how many nodes and outputs read it."""
    for node in order:
        node.uses = 0
    for node in order:
        for a in node.args:
            a.uses += 1
    for node in outputs:
        node.uses += 1


# --- passes -------------------------------------------------------------------------------------


def _bias(b: Builder, node: Node, args: tuple[Node, ...]) -> Node | None:
    """add(matmul(a, b), broadcast) → matmul_bias(a, b, broadcast), where nothing else reads the
    product."""
    if node.op != "add":
        return None
    for i in (0, 1):
        product, other = args[i], args[1 - i]
        if node.args[i].uses != 1 or product.op != "special" or product.attr[0] != "matmul":
            continue
        if other.dtype == product.dtype and other.shape == (node.shape[-1],) and node.shape == product.shape:
            if resolve(other).base.op == "input":
                return b.special("matmul_bias", (), (*product.args, other), product.shape, product.dtype)
    return None


def _channel_bias(b: Builder, node: Node, args: tuple[Node, ...]) -> Node | None:
    """add(conv_forward(x, w), bias by channel) → conv_forward(x, w, bias)."""
    if node.op != "add":
        return None
    for i in (0, 1):
        product, other = args[i], args[1 - i]
        if node.args[i].uses != 1 or product.op != "special" or product.attr[0] not in _CONVOLUTIONS:
            continue
        access = resolve(other)
        lead = product.ndim - other.ndim
        channel = tuple(int(j + lead == 1 and product.shape[1] > 1) for j in range(other.ndim))
        if (
            len(product.args) == 2 and access.base.op == "input" and access.whole
            and access.base.shape == (product.shape[1],) and access.strides == channel
            and other.dtype == product.dtype and node.shape == product.shape and lead <= 1
        ):  # fmt: skip
            bias = access.base
            name, params = product.attr
            return b.special(name, params, (*product.args, bias), product.shape, product.dtype)
    return None


_CONVOLUTIONS = ("conv_forward", "conv3_forward")


def _relu_and_pool(outputs: list[Node]) -> list[Node]:
    """max_pool(max(x, 0)), where the backward pass needs max(x, 0) too → one kernel for both."""
    order = _order(outputs)
    _count_uses(order, outputs)
    pool_of: dict[Node, Node] = {}
    for node in order:
        if node.op == "special" and node.attr[0] == "max_pool" and len(node.attr[1][0]) == 2:
            y = node.args[0]
            if y.op == "max" and y.uses > 1 and _is_zero(y.args[1]) and y.args[0].shape == y.shape:
                pool_of.setdefault(y, node)

    def rule(b: Builder, node: Node, args: tuple[Node, ...]) -> Node | None:
        relu = node if node in pool_of else node.args[0] if node.args else None
        if relu is None or relu not in pool_of or node not in (relu, pool_of[relu]):
            return None
        pool = pool_of[relu]
        source = args[0] if node is relu else args[0].args[0].args[0]
        shapes, dtypes = (relu.shape, pool.shape), (relu.dtype, pool.dtype)
        both = b.special("relu_max_pool", pool.attr[1], (source,), shapes, dtypes)
        return b.part(both, 0 if node is relu else 1)

    return rewrite(outputs, rule) if pool_of else outputs


def _transposed_product(b: Builder, node: Node, args: tuple[Node, ...]) -> Node | None:
    """view(matmul(a, b)) transposed → matmul(b transposed, a transposed)."""
    if node.op != "view" or len(args) != 1 or node.args[0].uses != 1:
        return None
    product = args[0]
    if product.op != "special" or product.attr[0] != "matmul" or product.ndim != 2:
        return None
    m, n = product.shape
    if node.attr != ((n, m), (1, n), 0) or 1 in (m, n):
        return None
    x, y = product.args
    return b.matmul(b.permute(y, (1, 0)), b.permute(x, (1, 0)))


def _running_products(outputs: list[Node]) -> list[Node]:
    """matmul + matmul + ... → each product is added to what is there already, as a weight's gradient
    over the steps of a recurrent network is."""
    shown = set(outputs)

    def rule(b: Builder, node: Node, args: tuple[Node, ...]) -> Node | None:
        if node.op != "add" or args[0].shape != args[1].shape:
            return None
        for i in (1, 0):
            product, total = args[i], args[1 - i]
            alone = all(x.uses == 1 and x not in shown for x in node.args)
            if total.op == "input":  # what an earlier program has summed
                total = b.make("copy", (total,), None, total.shape, total.dtype)
            elif not (_is(total, "matmul") or _is(total, "matmul_add")):
                continue
            if alone and _is(product, "matmul"):
                return b.special("matmul_add", (), (*product.args, total), node.shape, node.dtype)
        return None

    return rewrite(outputs, rule)


def _is(x: Node, name: str) -> bool:
    return x.op == "special" and x.attr[0] == name


def _pooled_relu(b: Builder, node: Node, args: tuple[Node, ...]) -> Node | None:
    """select(y <= 0, 0, max_pool_backward(g, y)) → one kernel."""
    if node.op != "select" or node.args[2].uses != 1:
        return None
    mask, zero, pool = args
    if pool.op != "special" or pool.attr[0] != "max_pool_backward" or not _is_zero(zero):
        return None
    if mask.op != "le" or mask.args[0] is not pool.args[1] or not _is_zero(mask.args[1]):
        return None
    return b.special("max_pool_backward_relu", pool.attr[1], pool.args, pool.shape, pool.dtype)


def _is_zero(x: Node) -> bool:
    base = resolve(x).base
    return base.op == "const" and base.attr == 0


def _in_memory(b: Builder, node: Node, args: tuple[Node, ...]) -> Node | None:
    """A view that can't be seen through, and an argument of a kernel that wants row-major memory,
    is copied first."""
    if node.op == "view":
        inner = args[0]
        made = b.make("view", args, node.attr, node.shape, node.dtype)
        if resolve(made).base is inner and inner.op == "view":
            copied = b.make("copy", (inner,), None, inner.shape, inner.dtype)
            return b.make("view", (copied, *args[1:]), node.attr, node.shape, node.dtype)
        return made
    if node.op in ("special", "call"):
        loose = node.op == "special" and node.attr[0] in STRIDED_ARGUMENTS
        fixed = tuple(_placeable(b, a, loose, node) for a in args)
        if loose and node.attr[0] == "write":
            fixed = (*fixed[:2], *args[2:])  # the offset is no array
        return b.make(node.op, fixed, node.attr, node.shape, node.dtype)
    if node.op == "take":
        x = args[0]
        if resolve(x).base.op in LEAVES - {"input"}:
            x = b.make("copy", (x,), None, x.shape, x.dtype)
        return b.make("take", (x, args[1]), node.attr, node.shape, node.dtype)
    return None


def _placeable(b: Builder, x: Node, loose: bool, user: Node) -> Node:
    access = resolve(x)
    if access.base.op in ("const", "number"):
        if user.op == "call" and x is access.base:
            return x  # a number is given as it is
        if loose and x.shape:
            one = b.make("copy", (access.base,), None, (), x.dtype)
            return b.view(one, x.shape, (0,) * x.ndim)
        return b.make("copy", (x,), None, x.shape, x.dtype)
    if loose or (not access.run_time and is_contiguous(tuple(x.shape), access.strides)):
        return x
    return b.make("copy", (x,), None, x.shape, x.dtype)


def _shown(b: Builder, x: Node) -> Node:
    """An output must be computed into memory of its own."""
    if is_compute(x) or x.op in ("special", "call", "part"):
        return x
    return b.make("copy", (x,), None, x.shape, x.dtype)


def own_copies(outputs: list[Node]) -> list[Node]:
    """Nodes that cost less than reading them, such as positions, are made once for each user."""
    cheap: set[Node] = set()
    new: dict[Node, Node] = {}
    wanted = set(outputs)
    for node in _order(outputs):
        one = node.op == "special"  # a number in memory may be several's
        args = tuple(new[a] if one and not a.shape else _clone(new[a], cheap) for a in node.args)
        light = node.op == "iota" or (
            node.op not in ("special", "call", "part", "reduce", "take", "input", "copy")
            and bool(args) and all(a in cheap or a.op in ("const", "number") for a in args)
        )  # fmt: skip
        fresh = Node(node.op, args, node.attr, node.shape, node.dtype)
        fresh.number = node.number
        new[node] = fresh
        if light and node not in wanted:
            cheap.add(fresh)
    return [new[x] for x in outputs]


def _clone(node: Node, cheap: set[Node]) -> Node:
    """A copy of a cheap node, with what is below it."""
    if node not in cheap:
        return node
    made = Node(node.op, tuple(_clone(a, cheap) for a in node.args), node.attr, node.shape, node.dtype)
    made.number = node.number
    return made
