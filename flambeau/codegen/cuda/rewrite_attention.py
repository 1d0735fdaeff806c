"""Attention in one kernel: what softmax(scores) @ values says, found again in a program.

    e = exp(s - max(s)); w = e / sum(e); out = w @ v    →    out, stats = attention(q, k, v)

with s = (q @ k^T) times a number, some of them filled (causally, or by a mask of bools) or with a mask
added, and w put to 0 where a query may look nowhere. If the program has the gradients too,

    d = g @ v^T; ds = w * (d - sum(d * w)); w^T @ g, ds @ k, ds^T @ q

they are kernels of their own, that make the weights again. Either all that reads the weights is of this
kind, or everything stays as it is. (Weights with dropout do; so do weights that a program gives out, or
keeps for a gradient that another program computes.)
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from ...graph.access import resolve
from ...graph.evaluate import ordered
from ...graph.ir import Builder, Node
from .attention import BATCH, Params, supported
from .attention_graph import (
    NARROW,
    Graph,
    Mask,
    Unlike,
    form_of,
    is_causal,
    is_matmul,
    is_zero,
    need,
    number_of,
    over_last,
    rebuilt,
    same,
    scalar,
    seen_through,
    stripped,
    turn,
)

SPECIALS = ("attention", "attention_queries", "attention_keys")


def rewrite(outputs: list[Node], banned: Collection[str] = ()) -> list[Node]:
    """The graph (after `graph.simplify`) with attention in it, where it is found."""
    if not any(n.op == "exp" for n in ordered(outputs)) or not set(SPECIALS).isdisjoint(banned):
        return outputs
    b = Builder()
    seen = rebuilt(b, outputs, {})
    graph = Graph(b, seen)
    for node in list(b.nodes):
        if node.op == "div":
            try:
                found = _Attention(graph, node).found
            except Unlike:
                continue
            graph.instead |= found
    return rebuilt(Builder(), seen, graph.instead) if graph.instead else outputs


# --- attention ----------------------------------------------------------------------------------


class _Product(NamedTuple):
    node: Node
    turned: bool
    """Whether it is the turned one of what a kernel gives."""


class _Attention:
    """One softmax: `found` says what is to be put in the place of which nodes."""

    def __init__(self, graph: Graph, w: Node) -> None:
        self.graph, self.b, self.w = graph, graph.b, w
        self.found: dict[Node, Node] = {}
        self._softmax()
        self._scores()
        self._weights()
        self._products()
        self._gradients()
        self._build()

    def _softmax(self) -> None:
        w = self.w
        need(w.dtype == "float32" and len(w.shape) >= 2 and min(w.shape[-2:]) > 1)
        e, total = w.args
        need(e.op == "exp" and e.shape == w.shape and over_last(total, "sum", e))
        less = e.args[0]
        need(less.op == "sub" and over_last(less.args[1], "max", less.args[0]))
        self.s = less.args[0]
        need(self.s.shape == w.shape and w not in self.graph.shown)
        need(set(self.graph.of(e)) == {w, total})

    # scores

    def _scores(self) -> None:
        x, self.mask, scale = self.s, Mask("", None, None, None), None
        while not self._is_product(x):
            if x.op == "select" and not self.mask.kind and scale is None:
                x = self._filled(x)
            elif x.op == "add" and not self.mask.kind and scale is None:
                x = self._biased(x)
            elif x.op in ("mul", "div") and scale is None and x.args[0].shape == x.shape:
                need(x.op == "mul" and scalar(x.args[1]))
                x, scale = x.args[0], x.args[1]
            else:
                raise Unlike
        self.late_scale = scale
        product = x if is_matmul(x) else x.args[0]
        self.batch = tuple(self.w.shape[:-2])
        if len(self.batch) > BATCH:
            need(self.mask.kind in ("", "causal"))
            self.batch = (math.prod(self.batch),)
        a, c = product.args
        m, n = self.w.shape[-2:]
        self.q, self.early_scale = seen_through(self.b, self._heads(a), scale is None)
        self.k, _ = seen_through(self.b, turn(self.b, self._heads(c)), False)
        need(self.q.shape[-2:-1] == (m,) and self.k.shape[-2:-1] == (n,))

    def _is_product(self, x: Node) -> bool:
        """A product, or its matrices in some more dimensions."""
        return is_matmul(x) or x.op == "view" and is_matmul(x.args[0]) and form_of(x, x.args[0]) is False

    def _heads(self, x: Node) -> Node:
        """Matrices with the dimensions in front that the scores have."""
        need(math.prod(x.shape[:-2]) == math.prod(self.batch))
        return self.b.reshape(x, (*self.batch, *x.shape[-2:]))

    def _filled(self, x: Node) -> Node:
        condition, yes, no = x.args
        below, fill, positive = (no, yes, True) if scalar(yes) else (yes, no, False)
        need(scalar(fill) and below.shape == x.shape)
        bare, positive = stripped(condition, positive)
        if is_causal(bare, positive):
            self.mask = Mask("causal", None, condition, fill)
        else:
            self.mask = Mask("where" if positive else "unless", bare, condition, fill)
        return below

    def _biased(self, x: Node) -> Node:
        for i in (0, 1):
            if self._leads_to_product(x.args[i]) and x.args[i].shape == x.shape:
                self.mask = Mask("bias", x.args[1 - i], None, None)
                return x.args[i]
        raise Unlike

    def _leads_to_product(self, x: Node) -> bool:
        return self._is_product(x) or x.op == "mul" and any(self._is_product(a) for a in x.args)

    # weights

    def _weights(self) -> None:
        """`used`: the weights, or those where queries that look nowhere have none."""
        self.used, self.nowhere = self.w, None
        for user in self.graph.of(self.w):
            if user.op == "select" and user.args[2] is self.w and is_zero(user.args[1]):
                need(self.nowhere is None and self._looks_nowhere(user.args[0]))
                self.used, self.nowhere = user, user.args[0]
        need(self.used not in self.graph.shown)

    def _looks_nowhere(self, x: Node) -> bool:
        bare, positive = stripped(x, True)
        if self.mask.kind == "bias":
            if not (positive and over_last(bare, "all") and bare.args[0].op == "eq"):
                return False
            scores, number = bare.args[0].args
            self.mask = self.mask._replace(fill=number)
            return scores is self.s and scalar(number)
        if self.mask.kind not in ("where", "unless") or bare.op != "reduce":
            return False
        inner, inside = stripped(bare.args[0], True)
        if inner is not self.mask.node:
            return False
        # All are filled: all of the mask hold ("where"), or none does ("unless").
        filled = inside == (self.mask.kind == "where")
        return over_last(bare, "all") and positive and filled or over_last(bare, "any") and not positive and not filled

    # products

    def _matrices(self, x: Node) -> list[tuple[Node, bool]]:
        """Products that have x as a factor, and whether it is turned there."""
        out: list[tuple[Node, bool]] = []
        for user in (x, *self.graph.of(x)):
            form = form_of(user, x)
            if form is None:
                continue
            if user is not x:
                need(user not in self.graph.shown and all(map(is_matmul, self.graph.of(user))))
            out += [(p, form) for p in self.graph.of(user) if is_matmul(p)]
        return out

    def _factored(self, x: Node) -> Iterable[tuple[_Product, Node, bool]]:
        """(product, the other factor, whether x is turned), as if x always were the left factor: where
        it is the right one everything is turned."""
        for product, form in self._matrices(x):
            left, right = product.args
            need(left is not right)
            if form_of(left, x) is not None:
                yield _Product(product, False), self._heads(right), form
            else:
                yield _Product(product, True), turn(self.b, self._heads(left)), not form

    def _products(self) -> None:
        """What the weights are multiplied with."""
        self.outs: list[_Product] = []
        self.of_values: list[_Product] = []
        self.v: Node | None = None
        self.g: Node | None = None
        for product, other, turned in self._factored(self.used):
            other, _ = seen_through(self.b, other, False)
            if turned:
                self.of_values.append(product)
                self._takes("g", other)
            else:
                self.outs.append(product)
                self._takes("v", other)

    def _takes(self, name: str, x: Node) -> None:
        before = getattr(self, name)
        need(before is None or same(before, x))
        setattr(self, name, x if before is None else before)

    def _is_view_of(self, x: Node, of: Node) -> bool:
        return form_of(x, of) is not None and x is not of

    def _gradients(self) -> None:
        """d * w, its sum, (d - sum) * w, and what that is multiplied with."""
        self.of_queries: list[_Product] = []
        self.of_keys: list[_Product] = []
        self.factors: list[Node | None] = [None, None]
        rest = [u for u in self.graph.of(self.w) if u is not self.used and not self._is_view_of(u, self.w)]
        rest = [u for u in rest if not (self.used is self.w and is_matmul(u))]
        if self.used is not self.w:
            views = [u for u in self.graph.of(self.used) if not self._is_view_of(u, self.used) and not is_matmul(u)]
            need(not views)
        if not rest:
            return
        need(len(rest) == 2 and all(u.op == "mul" for u in rest))
        ds = next((u for u in rest if any(a.op == "sub" for a in u.args)), None)
        need(ds is not None)
        assert ds is not None
        (r,) = (u for u in rest if u is not ds)
        less = next(a for a in ds.args if a is not self.w)
        need(less.op == "sub" and over_last(less.args[1], "sum", r))
        d = less.args[0]
        need(set(r.args) == {d, self.w} and self.graph.sole(r) is less.args[1])
        need(self.graph.sole(less.args[1]) is less and self.graph.sole(less) is ds)
        if self.nowhere is not None:
            need(d.op == "select" and d.args[0] is self.nowhere and is_zero(d.args[1]))
            d = d.args[2]
        self._gradient_of_weights(d)
        self._gradient_of_scores(ds)

    def _gradient_of_weights(self, d: Node) -> None:
        """d = g @ v^T, or v @ g^T turned."""
        if is_matmul(d):
            product, turned = d, False
        else:
            need(d.op == "view" and is_matmul(d.args[0]))
            product = d.args[0]
            form = form_of(d, product)
            need(form is not None)
            turned = bool(form)
        left, right = (self._heads(x) for x in product.args)
        if turned:
            left, right = turn(self.b, right), turn(self.b, left)
        self._takes("g", seen_through(self.b, left, False)[0])
        self._takes("v", seen_through(self.b, turn(self.b, right), False)[0])

    def _gradient_of_scores(self, x: Node) -> None:
        if self.mask.condition is not None:
            filled = self.graph.sole(x)
            need(filled is not None and filled.op == "select" and filled.args[0] is self.mask.condition)
            assert filled is not None
            other = filled.args[1] if filled.args[2] is x else filled.args[2]
            need(is_zero(other) and (filled.args[2] is x) == scalar(filled.args[1]))
            x = filled
        if self.late_scale is not None:
            scaled = self.graph.sole(x)
            need(scaled is not None and scaled.op == "mul" and scalar(scaled.args[1]) and scaled.args[0] is x)
            assert scaled is not None
            self.factors = [scaled.args[1], scaled.args[1]]
            x = scaled
        need(x not in self.graph.shown)
        known: set[Node] = set()
        for product, other, turned in self._factored(x):
            other, by = seen_through(self.b, other, turned and self.early_scale is not None)
            known.add(product.node)
            if turned:
                need(same(other, self.q) and (by is None) == (self.early_scale is None))
                self.of_keys.append(product)
                if by is not None:
                    self.factors[1] = by
            else:
                need(same(other, self.k))
                self.of_queries.append(product)
        for user in self.graph.of(x):
            need(user in known or self._is_view_of(user, x))

    # what comes instead

    def _build(self) -> None:
        b = self.b
        if self.v is None:
            raise Unlike
        need(self.outs or self.of_values or self.of_queries or self.of_keys)
        arrays = [self.q, self.k, self.v]
        forward = self._alike(arrays)
        lead, m, n = self.batch, self.w.shape[-2], self.w.shape[-1]
        d, e = self.q.shape[-1], self.v.shape[-1]
        need(supported(forward[0].dtype, d, e, len(lead)))
        source = forward[0].dtype
        narrow = source in NARROW and bool(self.outs) and all(self._rounds(x.node, source) for x in self.outs)
        dtype = source if narrow else "float32"

        def params(*out: str) -> tuple[Any, ...]:
            return tuple(Params(self.mask.kind, self.nowhere is not None, out))

        one = b.const(1.0, "float32")
        scale = self.early_scale or self.late_scale or one
        fill = self.mask.fill or b.const(-math.inf, "float32")
        common = [number_of(b, scale), number_of(b, fill)]
        if self.mask.node is not None:
            common.append(self._whole_mask(self.mask.node, n))
        both = b.special("attention", params(dtype), (*forward, *common), ((*lead, m, e), (*lead, m, 2)), (dtype, "float32"))
        out, stats = b.part(both, 0), b.part(both, 1)
        for x in self.outs:
            self._replace(x, out, False)
        if not (self.of_values or self.of_queries or self.of_keys):
            return
        assert self.g is not None
        given = self._alike([*arrays, self.g])
        wide = [b.cast(given[3], "float32"), b.cast(out, "float32")]
        delta = b.sum(b.mul(*wide), (len(lead) + 1,))

        def args(factor: Node | None) -> tuple[Node, ...]:
            return (*given, *common, stats, delta, number_of(b, factor or one))

        for x in self.of_queries:
            factor, dtype = self._end(x.node, given[0].dtype, self.factors[0] is None)[1:]
            made = b.special("attention_queries", params(dtype), args(factor or self.factors[0]), (*lead, m, d), dtype)
            self._replace(x, made, self.factors[0] is None)
        kinds = [
            {self._end(x.node, given[0].dtype, False)[2] for x in products} or {"float32"}
            for products in (self.of_keys, self.of_values)
        ]
        if self.of_keys or self.of_values:
            dtypes = tuple(k.pop() if len(k) == 1 else "float32" for k in kinds)
            shapes = ((*lead, n, d), (*lead, n, e))
            made = b.special("attention_keys", params(*dtypes), args(self.factors[1]), shapes, dtypes)
            for products, part in ((self.of_keys, 0), (self.of_values, 1)):
                for x in products:
                    self._replace(x, b.part(made, part), False)

    def _alike(self, arrays: list[Node]) -> list[Node]:
        """Arrays of one dtype, in memory: float32 where they are of several."""
        b = self.b
        if len({x.dtype for x in arrays}) > 1:
            arrays = [b.cast(x, "float32") for x in arrays]
        out = []
        for x in arrays:
            base = resolve(x).base
            loose = base.op in ("const", "number", "iota")
            out.append(b.make("copy", (x,), None, x.shape, x.dtype) if loose else x)
        return out

    def _whole_mask(self, mask: Node, n: int) -> Node:
        b = self.b
        shape = (*self.batch, self.w.shape[-2], n)
        need(len(mask.shape) <= len(shape) and mask.dtype == ("float32" if self.mask.kind == "bias" else "bool"))
        if resolve(mask).base.op in ("const", "number", "iota"):
            mask = b.make("copy", (mask,), None, mask.shape, mask.dtype)
        spread = b.expand(mask, shape)
        if spread.op == "view" and resolve(spread).base is spread.args[0] and spread.args[0].op == "view":
            spread = b.expand(b.make("copy", (mask,), None, mask.shape, mask.dtype), shape)
        return spread

    def _rounds(self, x: Node, dtype: str) -> bool:
        return self._end(x, dtype, False)[2] == dtype

    def _end(self, x: Node, dtype: str, scaled: bool) -> tuple[Node, Node | None, str]:
        """How far the kernel can go from a product on: (the last node, a number that multiplies, the
        dtype that it is rounded to)."""
        by: Node | None = None
        while True:
            user = self.graph.sole(x)
            if user is None or x in self.graph.shown:
                return x, by, "float32"
            if user.op == "view" and len(user.args) == 1 or user.op == "copy":
                x = user
            elif user.op == "mul" and scaled and by is None and scalar(user.args[1]) and user.args[0] is x:
                x, by = user, user.args[1]
            elif user.op == "cast" and dtype in NARROW and user.dtype == dtype:
                return user, by, dtype
            else:
                return x, by, "float32"

    def _replace(self, p: _Product, made: Node, scaled: bool) -> None:
        """Put what was made in the place of a product, and of what the kernel does after it."""
        b, product = self.b, p.node
        result = b.reshape(turn(b, made) if p.turned else made, product.shape)
        last, _, dtype = self._end(product, made.dtype, scaled)
        if made.dtype in NARROW and dtype == "float32":
            self.found[product] = b.cast(result, "float32")
            return
        x = product
        while x is not last:
            user = self.graph.sole(x)
            assert user is not None
            if user.op in ("view", "copy"):
                result = b.make(user.op, (result,), user.attr, user.shape, result.dtype)
            x = user
        self.found[last] = result
