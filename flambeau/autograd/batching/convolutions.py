"""Batching rules of convolutions.

A batch of images is folded into the images' own batch; a batch of kernels into the output channels; a
batch of both into groups, each sample being a group of its own.
"""

from __future__ import annotations

from typing import Any

from ...ops.table import call
from .calls import Arg, Call, Placed, rule


def _into(x: Any, at: int) -> Any:
    """(batch, ..., n, ...) → (..., batch * n, ...), where n is dimension `at` of a sample."""
    size, *shape = x._aval.shape
    order = [*range(1, at + 1), 0, *range(at + 1, len(shape) + 1)]
    shape[at] *= size
    return call.permute(x, *order).reshape(shape)


def _out_of(x: Any, at: int, size: int) -> Placed:
    """The reverse: dimension `at` of the folded result has the batch, then what is left of it."""
    shape = list(x._aval.shape)
    shape[at : at + 1] = [size, shape[at] // size]
    return Placed(x.reshape(shape), at)


def _groups_first(x: Any, groups: int) -> Any:
    """(batch, groups * n, ...) → (groups * batch * n, ...)."""
    size, n, *rest = x._aval.shape
    split = x.reshape(size, groups, n // groups, *rest)
    return call.transpose(split, 0, 1).reshape(size * n, *rest)


def _ungrouped(x: Any, size: int, groups: int) -> Placed:
    """(images, groups * batch * n, ...) → (images, batch, groups * n, ...), batch at 1."""
    images, channels, *rest = x._aval.shape
    n = channels // (groups * size)
    split = call.transpose(x.reshape(images, groups, size, n, *rest), 1, 2)
    return Placed(split.reshape(images, size, groups * n, *rest), 1)


def _with_bias(c: Call, found: Any, bias: Any) -> Any:
    """Add a bias for each output channel; `found` has the batch first or is Placed."""
    if bias is None:
        return found
    x = found
    if isinstance(found, Placed):
        x = Arg(found.value, found.dim, (0,) * (found.value._aval.ndim - 1)).front()
    ones = x._aval.ndim - 3
    b = bias.front()
    shape = (c.size, 1, -1, *[1] * ones) if bias.batched else (1, 1, -1, *[1] * ones)
    return x + b.reshape(shape)


@rule("convolution")
def convolution(c: Call) -> Any:
    x, w, bias = c.args
    groups = c.params[-1]
    if not w.batched and x.batched and (bias is None or not bias.batched):
        folded = c.run([_into(x.front(), 0), w.value, None if bias is None else bias.value])
        return _out_of(folded, 0, c.size)
    if not w.batched and not x.batched:
        found: Any = call.unsqueeze(c.run([x.value, w.value, None]), 0)
    elif not w.batched:
        found = _out_of(c.run([_into(x.front(), 0), w.value, None]), 0, c.size)
    elif not x.batched:
        folded = c.run([x.value, _groups_first(w.front(), groups), None])
        found = _ungrouped(folded, c.size, groups)
    else:
        params = (*c.params[:-1], groups * c.size)
        folded = c.run([_into(x.front(), 1), _into(w.front(), 0), None], params)
        found = _out_of(folded, 1, c.size)
    return _with_bias(c, found, bias)


@rule("convolution_transposed")
def transposed(c: Call) -> Any:
    x, w, bias = c.args
    groups = c.params[-1]
    if not w.batched and not x.batched:
        found: Any = call.unsqueeze(c.run([x.value, w.value, None]), 0)
    elif not w.batched:
        found = _out_of(c.run([_into(x.front(), 0), w.value, None]), 0, c.size)
    else:
        params = (*c.params[:-1], groups * c.size)
        folded = c.run([_into(x.full(c.size), 1), _into(w.front(), 0), None], params)
        found = _out_of(folded, 1, c.size)
    return _with_bias(c, found, bias)


@rule("convolution_input")
def of_input(c: Call) -> Any:
    outer, w = c.args
    shape, *rest, groups = c.params
    if not w.batched:
        params = ((shape[0] * c.size, *shape[1:]), *rest, groups)
        return _out_of(c.run([_into(outer.front(), 0), w.value], params), 0, c.size)
    params = ((shape[0], shape[1] * c.size, *shape[2:]), *rest, groups * c.size)
    folded = c.run([_into(outer.full(c.size), 1), _into(w.front(), 0)], params)
    return _out_of(folded, 1, c.size)


@rule("convolution_weight")
def of_weight(c: Call) -> Any:
    outer, x = c.args
    shape, *rest, groups = c.params
    params = ((shape[0] * c.size, *shape[1:]), *rest, groups * c.size)
    folded = c.run([_into(outer.full(c.size), 1), _into(x.full(c.size), 1)], params)
    return _out_of(folded, 0, c.size)
