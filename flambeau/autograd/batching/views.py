"""Batching rules of views: the batch is the first dimension of the view, too."""

from __future__ import annotations

from typing import Any

from ...frontend.memory import stride
from ...ops.table import call
from .along import DIMENSIONS, one_further
from .calls import Call, rule


@rule("view_as_size", "reshape_view", "reshape_alias")
def view(c: Call) -> Any:
    (size,) = c.params
    return c.run([c.args[0].front()], ((c.size, *size),))


@rule("expand")
def expand(c: Call) -> Any:
    (size,) = c.params
    return c.run([c.args[0].aligned(len(size))], ((c.size, *size),))


@rule("permute")
def permute(c: Call) -> Any:
    (dims,) = c.params
    x = c.args[0]
    return c.run([x.front()], ((0, *[d % x.ndim + 1 for d in dims]),))


@rule("alias")
def alias(c: Call) -> Any:
    return call.alias(c.args[0].front())


@rule("view_as_real", "view_as_complex", "real_part", "imag_part", "conjugated", "real", "imag")
def of_elements(c: Call) -> Any:
    """Views of each number."""
    return c.run([c.args[0].front()])


@rule("unfold")
def unfold(c: Call) -> Any:
    x = c.args[0]
    if x.ndim:
        return by_dimension(c)
    return call.unfold(call.unsqueeze(x.front(), 1), 1, *c.params[1:]).select(1, 0)


@rule("transpose", "swapaxes", "select", "slice", "narrow", "diagonal", "split_equal",
      "split_with_sizes", "unbind")  # fmt: skip
def by_dimension(c: Call) -> Any:
    x = c.args[0]
    if not x.ndim:
        return alias(c)
    params = [
        one_further(p, x.ndim) if name in DIMENSIONS else p
        for name, p in zip(c.names, c.params, strict=True)
    ]
    return c.run([x.front()], params)


@rule("t")
def t(c: Call) -> Any:
    return alias(c) if c.args[0].ndim < 2 else call.transpose(c.args[0].front(), 1, 2)


@rule("unsqueeze")
def unsqueeze(c: Call) -> Any:
    (dim,) = c.params
    return c.run([c.args[0].front()], (dim + 1 if dim >= 0 else dim,))


@rule("squeeze")
def squeeze(c: Call) -> Any:
    x, (dim,) = c.args[0], c.params
    if dim is None:
        dim = tuple([i for i, s in enumerate(x.shape) if s == 1])
    if not x.ndim or dim == ():
        return alias(c)
    return c.run([x.front()], (one_further(dim, x.ndim),))


@rule("as_strided_at")
def as_strided(c: Call) -> Any:
    """Strides and offset are those of the first sample's memory."""
    x = c.args[0].front()
    size, strides, start = c.params[:3]
    return x.as_strided((c.size, *size), (stride(x)[0], *strides), start)
