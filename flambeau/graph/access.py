"""Where a node's elements lie: views resolved to strides over memory that is really there."""

from __future__ import annotations

from typing import NamedTuple

from ..core.layout import contiguous_strides
from .ir import Node

Ints = tuple[int, ...]


class Access(NamedTuple):
    """Elements of `base`'s row-major memory: strides and offset in elements, and 0-d int64 nodes
    (of op "number") that are added to the offset at run time."""

    base: Node
    strides: Ints
    offset: int
    run_time: tuple[Node, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether this is all of the base's memory, in its order."""
        return not self.run_time and self.offset == 0


def compose(shape: Ints, strides: Ints, offset: int, view: tuple[Ints, Ints, int]) -> tuple[Ints, int] | None:
    """Strides and offset of a view of the row-major elements of a strided array, in terms of what
    the array is strided over; None where there are none. Each step of the view must stay within
    one dimension of the array (or several that lie in a row)."""
    shape, strides = _merged(shape, strides)
    own = contiguous_strides(shape)
    new_shape, steps, start = view
    out: list[int] = []
    reach = [0] * len(shape)
    for i, step in enumerate(own):
        reach[i], start = divmod(start, step) if step else (0, start)
        offset += reach[i] * strides[i]
    if start:
        return None
    for n, step in zip(new_shape, steps, strict=True):
        if n <= 1 or step == 0:
            out.append(0)
            continue
        found = next((i for i, s in enumerate(own) if step >= s and step % s == 0 and shape[i] > 1), None)
        if found is None:
            return None
        reach[found] += step // own[found] * (n - 1)
        out.append(step // own[found] * strides[found])
    if any(r >= max(n, 1) for r, n in zip(reach, shape, strict=True)):
        return None
    return tuple(out), offset


def _merged(shape: Ints, strides: Ints) -> tuple[Ints, Ints]:
    """Dimensions that lie in a row joined, sizes of one dropped."""
    dims: list[list[int]] = []
    for n, s in zip(shape, strides, strict=True):
        if n == 1:
            continue
        if dims and dims[-1][1] == n * s:
            dims[-1] = [dims[-1][0] * n, s]
        else:
            dims.append([n, s])
    return tuple(d[0] for d in dims), tuple(d[1] for d in dims)


def resolve(node: Node) -> Access:
    """A node as elements of the nearest node below it that has memory of its own: views are seen
    through where that can be."""
    if node.op != "view":
        several = isinstance(node.dtype, tuple)
        return Access(node, () if several else contiguous_strides(node.shape), 0)
    below = resolve(node.args[0])
    run_time = node.args[1:]
    inner = node.args[0]
    if run_time and not below.whole:
        return Access(inner, node.attr[1], node.attr[2], tuple(run_time))
    found = compose(tuple(inner.shape), below.strides, below.offset, node.attr)
    if found is None:
        return Access(inner, node.attr[1], node.attr[2], tuple(run_time))
    if run_time and below.strides != contiguous_strides(inner.shape):
        return Access(inner, node.attr[1], node.attr[2], tuple(run_time))
    return Access(below.base, found[0], found[1], below.run_time + tuple(run_time))


def spread(base: Node, access: Access, shape: Ints) -> tuple[int | None, ...] | None:
    """For an access that only repeats, reorders or adds dimensions: for each dimension of `base`,
    the dimension of the access that it is (None for size one). None where it does more."""
    if not access.whole:
        return None
    free = [j for j, s in enumerate(access.strides) if s and shape[j] > 1]
    out: list[int | None] = []
    for n, step in zip(base.shape, contiguous_strides(base.shape), strict=True):
        if n == 1:
            out.append(None)
            continue
        found = next((j for j in free if access.strides[j] == step and shape[j] == n), None)
        if found is None:
            return None
        free.remove(found)
        out.append(found)
    return None if free else tuple(out)
