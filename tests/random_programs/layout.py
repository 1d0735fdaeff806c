"""Shapes, strides and offsets as PyTorch defines them: pure functions on tuples of integers."""

from __future__ import annotations

from math import prod

import numpy as np

Shape = tuple[int, ...]


def contiguous_strides(shape: Shape) -> Shape:
    """Row-major strides; an empty dimension counts as one, as in PyTorch."""
    strides = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def is_contiguous(shape: Shape, strides: Shape) -> bool:
    """Whether the elements lie in row-major order without gaps; dimensions of size 1 don't count."""
    if 0 in shape:
        return True
    expected = contiguous_strides(shape)
    return all(
        size == 1 or stride == wanted
        for size, stride, wanted in zip(shape, strides, expected, strict=True)
    )


def is_dense(shape: Shape, strides: Shape) -> bool:
    """Whether some order of the dimensions makes it contiguous: every element once, no gaps."""
    step = 1
    for stride, size in sorted(zip(strides, shape, strict=True)):
        if size == 1:
            continue
        if stride != step:
            return False
        step *= size
    return True


def is_repeated(shape: Shape, strides: Shape) -> bool:
    """Whether it has elements, and some of them surely share a place (a broadcast dimension)."""
    return 0 not in shape and any(
        size > 1 and step == 0 for size, step in zip(shape, strides, strict=True)
    )


def positions(shape: Shape, strides: Shape, offset: int) -> np.ndarray:
    """Where in its storage each element of a layout lies."""
    where = np.full(shape, offset, dtype=np.int64)
    for dim, (size, stride) in enumerate(zip(shape, strides, strict=True)):
        steps = np.arange(size, dtype=np.int64) * stride
        where += steps.reshape((size,) + (1,) * (len(shape) - dim - 1))
    return where


def wrap_dim(dim: int, ndim: int) -> int:
    """A dimension counted from the end becomes one counted from the front."""
    bound = max(ndim, 1)
    if not -bound <= dim < bound:
        raise IndexError(f"oracle: dimension {dim} is out of range for {ndim} dimensions")
    return dim % bound


def broadcast(*shapes: Shape) -> Shape:
    """The shape that all of them expand to."""
    ndim = max(map(len, shapes), default=0)
    result = [1] * ndim
    for shape in shapes:
        for dim, size in enumerate(shape, ndim - len(shape)):
            if size != 1 and result[dim] not in (1, size):
                raise RuntimeError(f"oracle: shapes {shapes} don't broadcast")
            if size != 1:
                result[dim] = size
    return tuple(result)


def expand_strides(shape: Shape, strides: Shape, target: Shape) -> Shape:
    """Strides that repeat a layout along `target`'s further dimensions, with stride 0."""
    front = len(target) - len(shape)
    if front < 0:
        raise RuntimeError(f"oracle: can't expand {shape} to {target}")
    result = [0] * front
    for size, stride, wanted in zip(shape, strides, target[front:], strict=True):
        if size != wanted and size != 1:
            raise RuntimeError(f"oracle: can't expand {shape} to {target}")
        result.append(stride if size == wanted else 0)
    return tuple(result)


def infer_size(shape: Shape, count: int) -> Shape:
    """`shape` with its one -1 replaced by what makes `count` elements."""
    if shape.count(-1) > 1:
        raise RuntimeError("oracle: only one dimension can be inferred")
    known = prod(size for size in shape if size != -1)
    if -1 in shape:
        if known == 0 or count % known:
            raise RuntimeError(f"oracle: {count} elements don't fill {shape}")
        return tuple(count // known if size == -1 else size for size in shape)
    if known != count:
        raise RuntimeError(f"oracle: {count} elements don't fill {shape}")
    return shape


def view_strides(shape: Shape, strides: Shape, target: Shape) -> Shape | None:
    """The strides that show a layout under another shape, or None where only a copy can.

    Dimensions of the old shape that follow each other without a gap form a block; every new
    dimension has to lie within one block.
    """
    if 0 in shape:
        return contiguous_strides(target)
    blocks: list[list[int]] = []  # [elements, innermost stride], from the last to the first
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size == 1:
            continue
        if blocks and stride == blocks[-1][0] * blocks[-1][1]:
            blocks[-1][0] *= size
        else:
            blocks.append([size, stride])
    result: list[int] = []
    block = iter(blocks)
    left, stride = next(block, [1, 1])
    for size in reversed(target):
        if size > 1 and left == 1:
            left, stride = next(block)
        if left % size:
            return None
        result.append(stride)
        left //= size
        stride *= size
    return tuple(reversed(result))
