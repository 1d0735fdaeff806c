"""Batching rules of products of matrices: one larger product, or a product of stacks of them."""

from __future__ import annotations

from typing import Any

from ...ops.table import call
from .calls import Arg, Call, Placed, rule, shaped


def product(a: Arg, b: Arg) -> Placed:
    """(n, k) @ (k, m), at least one of them with a batch."""
    if a.batched and b.batched:
        return Placed(call.bmm(a.front(), b.front()), 0)
    if a.batched:
        n, k = a.shape
        x = a.front()
        size = x._aval.shape[0]
        folded = call.mm(x.reshape(size * n, k), b.value)
        return Placed(folded.reshape(size, n, b.shape[1]), 0)
    x = b.front()
    size, k, m = x._aval.shape
    folded = call.mm(a.value, call.permute(x, 1, 0, 2).reshape(k, size * m))
    return Placed(folded.reshape(a.shape[0], size, m), 1)


def stacked_product(a: Arg, b: Arg, size: int) -> Placed:
    """(s, n, k) @ (s, k, m), at least one of them with a batch."""
    s, n, k = a.shape
    m = b.shape[2]
    if not b.batched:
        folded = call.bmm(call.transpose(a.front(), 0, 1).reshape(s, size * n, k), b.value)
        return Placed(folded.reshape(s, size, n, m), 1)
    left, right = a.full(size), b.full(size)
    folded = call.bmm(left.reshape(size * s, n, k), right.reshape(size * s, k, m))
    return Placed(folded.reshape(size, s, n, m), 0)


def _front(x: Placed) -> Any:
    return Arg(x.value, x.dim, (0,) * (x.value._aval.ndim - 1)).front()


def _column(x: Arg) -> Arg:
    return Arg(call.unsqueeze(x.front(), -1), x.dim and 0, (*x.shape, 1))


def _row(x: Arg) -> Arg:
    return Arg(call.unsqueeze(x.front(), -2), x.dim and 0, (1, *x.shape))


@rule("mm")
def mm(c: Call) -> Any:
    return product(*c.args)


@rule("bmm")
def bmm(c: Call) -> Any:
    a, b = c.args
    return stacked_product(a, b, c.size)


@rule("mv")
def mv(c: Call) -> Any:
    a, v = c.args
    return call.squeeze(_front(product(a, _column(v))), -1)


@rule("dot", "vdot")
def dot(c: Call) -> Any:
    a, b = c.args
    if c.row.name == "vdot":
        a = Arg(call.conjugated(a.value) if a.value.is_complex() else a.value, a.dim, a.shape)
    return _front(product(_row(a), _column(b))).reshape(c.size)


def _scaled(x: Any, factor: Any) -> Any:
    return x if factor == 1 else x * factor


def _plus(c: Call, found: Any) -> Any:
    """beta * input + alpha * found."""
    bias, beta, alpha = c.args[0], c.args[-2], c.args[-1]
    found = _scaled(found, alpha)
    if beta != 0:
        found = found + _scaled(bias.aligned(len(c.out.shape)), beta)
    return shaped(c, found)


@rule("addmm")
def addmm(c: Call) -> Any:
    bias, a, b, beta, alpha = c.args
    if not bias.batched and not b.batched and bias.ndim == 1:
        n, k = a.shape
        folded = c.run([bias.value, a.front().reshape(c.size * n, k), b.value, beta, alpha])
        return folded.reshape(c.size, n, b.shape[1])
    if not (a.batched or b.batched):
        return _plus(c, call.unsqueeze(call.mm(a.value, b.value), 0))
    return _plus(c, _front(product(a, b)))


@rule("addmv")
def addmv(c: Call) -> Any:
    a, v = c.args[1:3]
    if not (a.batched or v.batched):
        return _plus(c, call.unsqueeze(call.mv(a.value, v.value), 0))
    return _plus(c, call.squeeze(_front(product(a, _column(v))), -1))


@rule("addr")
def addr(c: Call) -> Any:
    v, w = c.args[1:3]
    if not (v.batched or w.batched):
        return _plus(c, call.unsqueeze(call.unsqueeze(v.value, 1) * w.value, 0))
    return _plus(c, call.unsqueeze(v.front(), -1) * call.unsqueeze(w.front(), -2))


@rule("baddbmm", "addbmm")
def baddbmm(c: Call) -> Any:
    a, b = c.args[1:3]
    if a.batched or b.batched:
        found = _front(stacked_product(a, b, c.size))
    else:
        found = call.unsqueeze(call.bmm(a.value, b.value), 0)
    return _plus(c, call.sum(found, (1,)) if c.row.name == "addbmm" else found)
