"""Reading a program's graph for attention: views and copies seen through, numbers, masks."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ...core.layout import contiguous_strides
from ...graph.access import resolve
from ...graph.ir import Builder, Node

NARROW = ("float16", "bfloat16")


class Unlike(Exception):
    """This is not attention, or not all of it."""


def need(condition: Any) -> None:
    if not condition:
        raise Unlike


def rebuilt(b: Builder, outputs: list[Node], instead: dict[Node, Node]) -> list[Node]:
    """The graph in another builder, equal nodes being one, some replaced."""
    new: dict[Node, Node] = {}
    stack = [(x, False) for x in reversed(outputs)]
    while stack:
        node, ready = stack.pop()
        if node in new:
            continue
        needs = (instead[node],) if node in instead else node.args
        if ready:
            args = tuple(new[a] for a in needs)
            if node in instead:
                new[node] = args[0]
            elif node.op == "view" and len(args) == 1:
                new[node] = view(b, args[0], node.attr)
            else:
                new[node] = b.make(node.op, args, node.attr, node.shape, node.dtype)
        else:
            stack.append((node, True))
            stack.extend((a, False) for a in reversed(needs))
    return [new[x] for x in outputs]


def view(b: Builder, x: Node, attr: tuple[Any, ...]) -> Node:
    """A view of x that can be seen through: where strides don't do, there is a copy below it, of the
    view itself with dimensions split where x has several, or else of x."""
    shape, steps, offset = attr
    made = b.view(x, shape, steps, offset)
    if not blocked(made):
        return made
    parts = [part for n, step in zip(shape, steps, strict=True) for part in split(n, step, x.shape)]
    fine = b.view(x, [n for n, _ in parts], [step for _, step in parts], offset)
    if blocked(fine):
        return b.view(b.make("copy", (x,), None, x.shape, x.dtype), shape, steps, offset)
    return b.reshape(b.make("copy", (fine,), None, fine.shape, fine.dtype), shape)


def blocked(x: Node) -> bool:
    """Whether a view's elements are no strided ones of any memory."""
    return x.op == "view" and x.args[0].op == "view" and resolve(x).base is x.args[0]


def split(n: int, step: int, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """n steps through an array in row-major order, as steps each of which stays in one dimension."""
    for size, own in zip(reversed(shape), reversed(contiguous_strides(shape)), strict=True):
        if step < own or step % own or size * own <= step:
            continue
        inside = size * own // step
        if n > inside and n % inside == 0 and size * own % step == 0:
            return [*split(n // inside, size * own, shape), (inside, step)]
    return [(n, step)]


# --- reading a graph ----------------------------------------------------------------------------


class Graph:
    """A graph that can be asked who reads a node, and what is to come `instead` of some."""

    def __init__(self, b: Builder, outputs: list[Node]) -> None:
        self.b = b
        self.shown = set(outputs)
        self.users: dict[Node, list[Node]] = {}
        for node in b.nodes:
            for a in dict.fromkeys(node.args):
                self.users.setdefault(a, []).append(node)
        self.instead: dict[Node, Node] = {}

    def of(self, x: Node) -> list[Node]:
        return self.users.get(x, [])

    def sole(self, x: Node) -> Node | None:
        """What alone reads x."""
        users = self.of(x)
        return users[0] if len(users) == 1 and x not in self.shown else None


def is_matmul(x: Node) -> bool:
    return x.op == "special" and x.attr[0] == "matmul"


def scalar(x: Node) -> bool:
    """Whether x is one float32 for all elements."""
    return x.dtype == "float32" and (not x.shape or math.prod(resolve(x).base.shape) == 1 and not any(resolve(x).strides))


def number_of(b: Builder, x: Node) -> Node:
    """That number, 0-d and in memory."""
    base = resolve(x).base
    one = base if not base.shape else b.view(base, (), ())
    return b.make("copy", (one,), None, (), one.dtype) if one.op in ("const", "number") else one


def is_zero(x: Node) -> bool:
    base = resolve(x).base
    while base.op in ("cast", "copy"):
        base = resolve(base.args[0]).base
    return base.op == "const" and base.attr == 0


def over_last(x: Node, kind: str, of: Node | None = None) -> bool:
    """Whether x is a reduction over the last dimension, which is kept."""
    if x.op != "reduce" or of is not None and x.args[0] is not of:
        return False
    n = len(x.args[0].shape)
    return bool(x.attr == (kind, (n - 1,), True))


def turn(b: Builder, x: Node) -> Node:
    """The last two dimensions exchanged."""
    n = x.ndim
    return b.permute(x, (*range(n - 2), n - 1, n - 2))


def form_of(x: Node, of: Node) -> bool | None:
    """Whether x is the matrices of another node turned (True) or as they are (False); None: neither."""
    if x is of:
        return False
    if x.op != "view" or x.args != (of,) or x.attr[2] or len(x.shape) < 2:
        return None
    m, n = of.shape[-2:]
    lead = x.shape[:-2]
    if math.prod(lead) * m * n != math.prod(of.shape):
        return None
    steps = tuple(s * m * n for s in contiguous_strides(lead))
    if x.shape[-2:] == (m, n) and x.attr[1] == (*steps, n, 1):
        return False
    if x.shape[-2:] == (n, m) and x.attr[1] == (*steps, 1, n):
        return True
    return None


def seen_through(b: Builder, x: Node, scaled: bool) -> tuple[Node, Node | None]:
    """x without copies, widening of 16 bits and (if `scaled`) a number that multiplies all of it, and
    that number."""
    if x.op == "copy" and x.args[0].shape == x.shape:
        return seen_through(b, x.args[0], scaled)
    if x.op == "cast" and x.dtype == "float32" and x.args[0].dtype in NARROW:
        return seen_through(b, x.args[0], False)
    if x.op == "mul" and scaled:
        for i in (0, 1):
            if scalar(x.args[1 - i]) and x.args[i].shape == x.shape and not scalar(x.args[i]):
                return seen_through(b, x.args[i], False)[0], x.args[1 - i]
    if x.op == "view":
        access = resolve(x)
        inner, by = seen_through(b, access.base, scaled)
        if inner is access.base or access.run_time:
            return x, None
        made = b.view(inner, x.shape, access.strides, access.offset)
        if made.op != "view" or not (resolve(made).base is inner and inner.op == "view"):
            return made, by
    return x, None


def same(x: Node, y: Node) -> bool:
    """Whether two nodes are the same elements of the same memory."""
    a, c = resolve(x), resolve(y)
    if x.shape != y.shape or a.base is not c.base or (a.offset, a.run_time) != (c.offset, c.run_time):
        return False
    return all(n == 1 or s == t for n, s, t in zip(x.shape, a.strides, c.strides, strict=True))


# --- masks --------------------------------------------------------------------------------------


class Mask(NamedTuple):
    kind: str
    node: Node | None
    condition: Node | None
    """What the program selects by."""
    fill: Node | None


def stripped(condition: Node, positive: bool) -> tuple[Node, bool]:
    """A condition without "not" and "true where it holds", and whether it is asked for as it is."""
    while True:
        if condition.op == "not":
            condition, positive = condition.args[0], not positive
        elif condition.op == "select" and condition.dtype == "bool" and all(map(constant_of, condition.args[1:])):
            yes, no = (bool(constant_of(a)[0]) for a in condition.args[1:])  # type: ignore[index]
            if yes == no:
                return condition, positive
            condition, positive = condition.args[0], positive == yes
        else:
            return condition, positive


def constant_of(x: Node) -> tuple[Any] | None:
    """The number of which x consists."""
    base = resolve(x).base
    if base.op in ("cast", "copy"):
        return constant_of(base.args[0])
    return (base.attr,) if base.op == "const" else None


def is_causal(condition: Node, positive: bool) -> bool:
    """Whether a bare condition holds for the keys behind the query."""
    if condition.op not in ("le", "lt", "ge", "gt") or len(condition.shape) < 2:
        return False
    difference, number = condition.args
    known = constant_of(number)
    if known is None or difference.op != "sub" or any(a.op != "iota" for a in difference.args):
        return False
    n = len(condition.shape)
    places = [a.attr + n - len(a.shape) for a in difference.args]
    how, k = condition.op, known[0]
    if places == [n - 2, n - 1]:  # query - key
        how, k = {"le": "ge", "lt": "gt", "ge": "le", "gt": "lt"}[how], -k
    elif places != [n - 1, n - 2]:
        return False
    if not positive:
        how = {"le": "gt", "lt": "ge", "ge": "lt", "gt": "le"}[how]
    return (how, k) in (("gt", 0), ("ge", 1))
