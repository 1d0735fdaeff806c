"""Batching rules of rows that pick elements by indices, or put them there."""

from __future__ import annotations

from typing import Any

from ...core.layout import broadcast
from ...ops.table import call
from .along import flattened, one_further
from .calls import Arg, Call, Placed, rule, shaped
from .loop import sample_by_sample


def _adjacent(positions: tuple[int, ...]) -> bool:
    return positions[-1] - positions[0] == len(positions) - 1


def _picked_shape(indices: list[Arg]) -> tuple[int, ...]:
    return tuple(broadcast(*[i.shape for i in indices]))


def _every(c: Call, ndim: int) -> Any:
    """(batch, 1, ...): the number of each sample, beside indices of `ndim` dimensions."""
    return call.arange(c.size).reshape(c.size, *[1] * ndim)


@rule("index_at")
def index_at(c: Call) -> Any:
    x, indices = c.args
    (positions,) = c.params
    if not any([i.batched for i in indices]):
        values = [i.value for i in indices]
        further = tuple([p + 1 for p in positions])
        found = c.run([x.front(), values], (further,))
        return found if _adjacent(positions) else Placed(found, len(_picked_shape(indices)))
    ndim = len(_picked_shape(indices))
    values = [i.aligned(ndim) for i in indices]
    if not x.batched:
        found = c.run([x.value, values], (positions,))
        return Placed(found, positions[0] if _adjacent(positions) else 0)
    found = c.run(
        [_to_front(x, positions), [_every(c, ndim), *values]], (tuple(range(len(positions) + 1)),)
    )
    at = positions[0] if _adjacent(positions) else 0
    return _move(found, 1, 1 + at, ndim)


def _to_front(x: Arg, positions: tuple[int, ...]) -> Any:
    """(batch, the dimensions at `positions`, the others)."""
    others = [d for d in range(x.ndim) if d not in positions]
    return call.permute(x.front(), 0, *[d + 1 for d in (*positions, *others)])


def _move(x: Any, start: int, end: int, count: int) -> Any:
    """Move `count` neighbouring dimensions from `start` to `end`."""
    if start == end or not count:
        return x
    order = list(range(x._aval.ndim))
    moved = order[start : start + count]
    del order[start : start + count]
    order[end:end] = moved
    return call.permute(x, *order)


@rule("index_put_at")
def index_put_at(c: Call) -> Any:
    """Positions are brought to the front, where the batch becomes one index more."""
    x, values, indices = c.args
    positions, accumulate = c.params
    picked = _picked_shape(indices)
    others = [d for d in range(x.ndim) if d not in positions]
    rest = tuple([x.shape[d] for d in others])
    at = positions[0] if _adjacent(positions) else 0
    wanted = (*rest[:at], *picked, *rest[at:])
    given = values.aligned(len(wanted))
    spread = call.expand(given, c.size, *wanted)
    spread = _move(spread, 1 + at, 1, len(picked))
    whole = Arg(x.full(c.size), 0, x.shape)
    target = _to_front(whole, positions)
    every = [_every(c, len(picked)), *[i.aligned(len(picked)) for i in indices]]
    found = c.run([target, spread, every], (tuple(range(len(every))), accumulate))
    back = [0] * x.ndim
    for place, d in enumerate((*positions, *others)):
        back[d] = place + 1
    return call.permute(found, 0, *back)


@rule("index_put_mask")
def index_put_mask(c: Call) -> Any:
    x, mask, value = c.args
    if isinstance(value, Arg):
        if value.batched:
            spread = value.aligned(x.ndim).to(c.out.dtype)
            return shaped(c, call.where_chosen(_mask(mask, x), spread, x.full(c.size)))
        value = value.value
    return shaped(c, call.masked_fill(x.full(c.size), _mask(mask, x), value))


def _mask(mask: Arg, x: Arg) -> Any:
    """A mask of a sample's first dimensions, broadcasting over the others."""
    m = mask.front() if mask.batched else call.unsqueeze(mask.value, 0)
    for _ in range(x.ndim - mask.ndim):
        m = call.unsqueeze(m, -1)
    return m


@rule("index_select")
def index_select(c: Call) -> Any:
    x, index = c.args
    (dim,) = c.params
    if not x.ndim:
        return sample_by_sample(c)
    if not index.batched:
        return c.run([x.front(), index.value], (one_further(dim, x.ndim),))
    at = dim % x.ndim
    if not x.batched:
        size, n = index.front()._aval.shape if index.ndim else (c.size, 1)
        found = c.run([x.value, index.front().reshape(size * n)], (at,))
        return Placed(found.reshape(*x.shape[:at], size, n, *x.shape[at + 1 :]), at)
    flat = index.front().reshape(c.size, *[1] * at, -1, *[1] * (x.ndim - at - 1))
    shape = list(x.shape)
    shape[at] = flat._aval.shape[at + 1]
    return call.gather(x.front(), at + 1, call.expand(flat, c.size, *shape))


@rule("index_add", "index_copy", "index_fill_number")
def by_one_index(c: Call) -> Any:
    """Where the index is the same for all samples."""
    index = c.args[1]
    ndim = c.args[0].ndim
    if index.batched or not ndim or any(x.ndim != ndim for x in c.tensors[2:]):
        return sample_by_sample(c)
    params = [one_further(c.params[0], ndim), *c.params[1:]]
    inputs = c.map(lambda x: x.value if x is index else x.full(c.size))
    return shaped(c, c.run(inputs, params))


@rule("take")
def take(c: Call) -> Any:
    x, index = c.args
    if not x.batched:
        return c.run([x.value, index.front()])
    places = index.full(c.size).reshape(c.size, -1)
    return shaped(c, call.gather(flattened(x), 1, _wrapped(places, x)))


def _wrapped(places: Any, x: Arg) -> Any:
    """Indices that count from the end, counted from the start."""
    numel = 1
    for s in x.shape:
        numel *= s
    return call.where_chosen(places < 0, places + numel, places)


@rule("embedding")
def embedding(c: Call) -> Any:
    weight, indices = c.args
    padding = c.params[0]
    if not weight.batched:
        return c.run([weight.value, indices.front()])
    if not indices.batched:
        found = call.index_select(weight.front(), 1, indices.value.reshape(-1))
        return found.reshape(c.size, *indices.shape, weight.shape[1])
    if padding >= 0:
        return sample_by_sample(c)
    rows, width = weight.shape
    shifted = indices.front() + _every(c, indices.ndim) * rows
    return c.run([weight.front().reshape(c.size * rows, width), shifted])


@rule("embedding_backward")
def embedding_backward(c: Call) -> Any:
    outer, indices = c.args
    rows, padding, by_frequency = c.params
    if padding >= 0 or by_frequency:
        return sample_by_sample(c)
    shifted = indices.full(c.size) + _every(c, indices.ndim) * rows
    found = c.run([outer.full(c.size), shifted], (rows * c.size, padding, by_frequency))
    return found.reshape(c.size, rows, found._aval.shape[-1])
