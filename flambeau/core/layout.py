"""The algebra of layouts: shapes, strides (in elements) and offsets, as pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence

Ints = tuple[int, ...]


def contiguous_strides(shape: Sequence[int]) -> Ints:
    """Row-major strides: (2, 3, 4) → (12, 4, 1). An empty dimension counts as one."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def is_contiguous(shape: Ints, strides: Ints) -> bool:
    """Whether elements lie in row-major order without gaps; sizes of one don't matter."""
    if 0 in shape:
        return True
    step = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1:
            if stride != step:
                return False
            step *= size
    return True


def is_dense(shape: Ints, strides: Ints) -> bool:
    """Whether the elements fill one stretch of memory, each once, in whatever order."""
    step = 1
    for stride, size in sorted((st, sz) for sz, st in zip(shape, strides, strict=True) if sz != 1):
        if size == 0:
            return True
        if stride != step:
            return False
        step *= size
    return True


def has_overlap(shape: Ints, strides: Ints) -> bool:
    """Whether two indices surely name one element (an expanded dimension)."""
    if 0 in shape:
        return False
    return any(size > 1 and stride == 0 for size, stride in zip(shape, strides, strict=True))


def span(shape: Ints, strides: Ints, offset: int) -> tuple[int, int]:
    """First element touched, and one past the last."""
    if 0 in shape:
        return offset, offset
    last = sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    return offset, offset + last + 1


def partly_overlap(a: tuple[Ints, Ints, int], b: tuple[Ints, Ints, int]) -> bool:
    """Whether two layouts of one storage surely share some but not all of their elements.
    Layouts with gaps are not judged, as in PyTorch."""
    if a == b or 0 in a[0] or 0 in b[0]:
        return False
    if not (is_dense(a[0], a[1]) and is_dense(b[0], b[1])):
        return False
    (lo_a, hi_a), (lo_b, hi_b) = span(*a), span(*b)
    if (lo_a, hi_a) == (lo_b, hi_b):
        return a[1] != b[1]
    return lo_a < hi_b and lo_b < hi_a


def broadcast(*shapes: Ints) -> Ints:
    """The shape that all broadcast to; RuntimeError naming sizes and dimension where none is."""
    rank = max(map(len, shapes), default=0)
    out = [1] * rank
    for shape in shapes:
        # From the last dimension on, so that the last one that does not fit is named.
        for i in range(rank - 1, rank - 1 - len(shape), -1):
            size = shape[i - rank]
            if size != 1:
                if out[i] != 1 and out[i] != size:
                    raise RuntimeError(
                        f"The size of tensor a ({out[i]}) must match the size of tensor b ({size}) "
                        f"at non-singleton dimension {i}: shapes "
                        + " and ".join(str(list(s)) for s in shapes)
                        + " can't be broadcast together"
                    )
                out[i] = size
    return tuple(out)


def expand(shape: Ints, strides: Ints, sizes: Ints) -> tuple[Ints, Ints]:
    """Broadcast dimensions by stride 0. -1 keeps a size."""
    lead = len(sizes) - len(shape)
    if lead < 0:
        raise RuntimeError(
            f"the number of sizes provided ({len(sizes)}) must be greater or equal to the number "
            f"of dimensions in the tensor ({len(shape)}): {list(shape)} to {list(sizes)}"
        )
    new_shape: list[int] = list(sizes)
    new_strides: list[int] = [0] * len(sizes)
    for i in range(len(sizes) - 1, -1, -1):
        want = sizes[i]
        if i < lead:
            if want < 0:
                raise RuntimeError(
                    f"The expanded size of the tensor ({want}) isn't allowed in a leading, "
                    f"non-existing dimension {i}"
                )
            if want == 1 and i + 1 < len(sizes):  # as unsqueeze() would give it
                new_strides[i] = new_shape[i + 1] * new_strides[i + 1]
            continue
        have, stride = shape[i - lead], strides[i - lead]
        if want == -1 or want == have:
            new_shape[i], new_strides[i] = have, stride
        elif have != 1 or want < 0:
            raise RuntimeError(
                f"The expanded size of the tensor ({want}) must match the existing size ({have}) "
                f"at non-singleton dimension {i}.  Target sizes: {list(sizes)}.  "
                f"Tensor sizes: {list(shape)}"
            )
    return tuple(new_shape), tuple(new_strides)


def infer_size(sizes: Ints, numel: int) -> Ints:
    """Resolve one -1 so that the product is `numel`."""
    unknown = [i for i, size in enumerate(sizes) if size == -1]
    if len(unknown) > 1:
        raise RuntimeError(f"only one dimension can be inferred, got shape {list(sizes)}")
    for size in sizes:
        if size < -1:
            raise RuntimeError(f"invalid shape dimension {size} in {list(sizes)}")
    known = math.prod(size for size in sizes if size != -1)
    if unknown:
        if known == 0:
            raise RuntimeError(
                f"cannot reshape tensor of {numel} elements into shape {list(sizes)} because the "
                "unspecified dimension size -1 can be any value and is ambiguous"
            )
        if numel % known == 0:
            out = list(sizes)
            out[unknown[0]] = numel // known
            return tuple(out)
    elif known == numel:
        return tuple(sizes)
    raise RuntimeError(f"shape '{list(sizes)}' is invalid for input of size {numel}")


def view_strides(shape: Ints, strides: Ints, new: Ints) -> Ints | None:
    """Strides that show the same elements under shape `new` (same numel), or None where the
    memory has no such view. Dimensions that are contiguous to each other are split or joined."""
    if 0 in shape:
        return strides if shape == new else contiguous_strides(new)
    if not shape:
        return (1,) * len(new)
    out = [0] * len(new)
    at = len(new) - 1
    step, size, seen = strides[-1], 1, 1
    for d in range(len(shape) - 1, -1, -1):
        size *= shape[d]
        if d and (shape[d - 1] == 1 or strides[d - 1] == size * step):
            continue  # the dimension before this one goes on in the same steps
        while at >= 0 and (seen < size or new[at] == 1):
            out[at] = seen * step
            seen *= new[at]
            at -= 1
        if seen != size:
            return None
        if d:
            step, size, seen = strides[d - 1], 1, 1
    return tuple(out)


def wrap_dim(dim: int, ndim: int) -> int:
    """A dimension counted from either end → from the front; IndexError outside."""
    bound = max(ndim, 1)
    if not -bound <= dim < bound:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-bound}, {bound - 1}], "
            f"but got {dim})"
        )
    return dim + bound if dim < 0 else dim


def wrap_dims(dims: Sequence[int], ndim: int) -> Ints:
    """Several dimensions, each once."""
    out = tuple(wrap_dim(d, ndim) for d in dims)
    if len(set(out)) != len(out):
        raise RuntimeError(f"dim {list(dims)} appears multiple times in the list of dims")
    return out
