"""Parts of a tensor along a dimension: several views at once."""

from __future__ import annotations

import operator
from typing import Any

from ..core.layout import Ints, wrap_dim
from ..runtime.shortage import room
from .table import Layout, call, row
from .views import slice_layout

PART = 500
"""Bytes of a view, about."""


def _parts(shape: Ints, strides: Ints, offset: int, sizes: Ints, dim: int) -> list[Layout]:
    """Neighbouring parts of given sizes."""
    if not shape:
        raise RuntimeError("expects at least a 1-dimensional tensor")
    d = wrap_dim(dim, len(shape))
    have = shape[d]
    if sum(sizes) != have or any(s < 0 for s in sizes):
        raise RuntimeError(
            f"expects split_sizes to sum exactly to {have} (input tensor's size at dimension "
            f"{dim}) and to be non-negative, but got split_sizes={list(sizes)}"
        )
    out, at = [], 0
    for size in sizes:
        out.append(slice_layout(shape, strides, offset, d, at, at + size, 1))
        at += size
    return out


def _equal_sizes(have: int, step: int) -> Ints:
    """Sizes of parts of `step` each, the last of what is left."""
    if step == 0:
        return (0,)
    n = max(1, -(-have // step))
    return (*[step] * (n - 1), have - step * (n - 1))


def _split(shape: Ints, strides: Ints, offset: int, step: int, dim: int) -> list[Layout]:
    if not shape:
        raise RuntimeError("expects at least a 1-dimensional tensor")
    have = shape[wrap_dim(dim, len(shape))]
    if step < 0:
        raise RuntimeError(f"expects split_size be non-negative, but got split_size={step}")
    if step == 0 and have:
        raise RuntimeError(
            f"split_size can only be 0 if dimension size is 0, but got dimension size of {have}"
        )
    room(PART * (have // max(step, 1)), "split")
    return _parts(shape, strides, offset, _equal_sizes(have, step), dim)


def _joined(grads: Any, sizes: Ints, shape: Ints, dim: int) -> Any:
    """Gradients of neighbouring parts put together; zeros where one is missing."""
    d = dim % len(shape)
    some = next(g for g in grads if g is not None)
    parts = [
        call.zeros((*shape[:d], size, *shape[d + 1 :]), dtype=some.dtype) if g is None else g
        for g, size in zip(grads, sizes, strict=True)
    ]
    return call.cat(parts, d)


row(
    "split_equal(Tensor input, int split_size, int dim=0) -> Tensors",
    view=_split, multi_view=True, forms="", called="split", node="SplitBackward0",
    grads={"input": lambda grads, input_shape, split_size, dim:
           _joined(grads, _equal_sizes(input_shape[dim], split_size), input_shape, dim)},
    samples=lambda m: [((m(5, 2), 2), {}), ((m(2, 3), 2, -1), {})],
    doc="Parts of equal size along a dimension; see split.",
)  # fmt: skip

row(
    "split_with_sizes(Tensor input, int[] split_sizes, int dim=0) -> Tensors",
    view=_parts, multi_view=True,
    grads={"input": lambda grads, input_shape, split_sizes, dim:
           _joined(grads, split_sizes, input_shape, dim)},
    samples=lambda m: [((m(4, 2), (1, 3)), {}), ((m(2, 3), (1, 0, 2), -1), {})],
    doc="Parts of given sizes along a dimension.",
)  # fmt: skip


def _index(value: Any, name: str, argument: str) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(
            f"{name}(): argument '{argument}' must be int or a list of ints, "
            f"not {type(value).__name__}"
        ) from None


def _split_by(
    tensor: Any, split_size_or_sections: Any = None, dim: int = 0, *, split_size: Any = None
) -> Any:
    """Views of parts of a dimension: of `split_size` each (the last may be smaller), or of the
    sizes in a list, which must sum to the dimension's size."""
    by = split_size_or_sections if split_size is None else split_size
    if isinstance(by, (list, tuple)):
        return call.split_with_sizes(tensor, by, dim)
    return call.split_equal(tensor, _index(by, "split", "split_size"), dim)


row("split(Tensor tensor, any split_size_or_sections, int dim=0) -> Tensors", body=_split_by,
    samples=lambda m: [((m(5, 2), 2), {}), ((m(2, 4), [1, 3], 1), {}), ((m(3, 5), 2, -1), {})],
    doc="Parts of a dimension.")  # fmt: skip


def _chunk(input: Any, chunks: int, dim: int = 0) -> Any:
    """At most `chunks` views of nearly equal parts of a dimension."""
    if input.ndim == 0:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    step = -(-input.size(dim) // chunks)
    if step == 0:
        room(PART * chunks, "chunk")
        return call.split_with_sizes(input, (0,) * chunks, dim)
    return call.split_equal(input, step, dim)


row("chunk(Tensor input, int chunks, int dim=0) -> Tensors", body=_chunk,
    samples=lambda m: [((m(5, 2), 2), {}), ((m(2, 4), 3, 1), {})],
    doc="Nearly equal parts of a dimension.")  # fmt: skip


def _unsafe(split: Any) -> Any:
    def copied(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
        return tuple(part.clone() for part in split(*args, **kwargs))

    copied.__doc__ = "The parts as tensors of their own, which may be written in place."
    return copied


row("unsafe_split(Tensor tensor, int split_size, int dim=0) -> Tensors", body=_unsafe(_split_by),
    samples=lambda m: [((m(5, 2), 2), {})], doc="See body.")  # fmt: skip
row("unsafe_chunk(Tensor input, int chunks, int dim=0) -> Tensors", body=_unsafe(_chunk),
    samples=lambda m: [((m(2, 4), 3, 1), {})], doc="See body.")  # fmt: skip
row("unsafe_split_with_sizes(Tensor input, int[] split_sizes, int dim=0) -> Tensors",
    body=_unsafe(lambda input, split_sizes, dim=0: call.split_with_sizes(input, split_sizes, dim)),
    samples=lambda m: [((m(4, 2), (1, 3)), {})], doc="See body.")  # fmt: skip


def _unbind(shape: Ints, strides: Ints, offset: int, dim: int) -> list[Layout]:
    if not shape:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    d = wrap_dim(dim, len(shape))
    room(PART * shape[d], "unbind")
    sizes, steps = (*shape[:d], *shape[d + 1 :]), (*strides[:d], *strides[d + 1 :])
    return [Layout(sizes, steps, offset + i * strides[d]) for i in range(shape[d])]


def _stacked(grads: Any, dim: int) -> Any:
    some = next(g for g in grads if g is not None)
    return call.stack([call.zeros_like(some) if g is None else g for g in grads], dim)


row(
    "unbind(Tensor input, int dim=0) -> Tensors", view=_unbind, multi_view=True,
    grads={"input": lambda grads, dim: _stacked(grads, dim)},
    samples=lambda m: [((m(3, 2),), {}), ((m(3, 2), 1), {}), ((m(2, 3, 2), -2), {})],
    doc="The indices of a dimension as a tuple of views.",
)  # fmt: skip


def _tensor_split(
    input: Any, indices_or_sections: Any = None, dim: int = 0, *, sections: Any = None,
    indices: Any = None, tensor_indices_or_sections: Any = None,
) -> tuple[Any, ...]:  # fmt: skip
    """Views of parts: a number of nearly equal ones, or cut at indices."""
    given = (indices_or_sections, sections, indices, tensor_indices_or_sections)
    by = next((g for g in given if g is not None), None)
    if input.ndim == 0:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    if hasattr(by, "tolist"):
        by = by.tolist()  # type: ignore[union-attr]
    size = input.size(dim)
    if isinstance(by, (list, tuple)):
        ends = [slice(None, operator.index(i)).indices(size)[1] for i in by]
    else:
        ends = _even_ends(size, _index(by, "tensor_split", "sections"))
    starts = [0, *ends]
    return tuple(
        call.slice(input, dim, a, b) for a, b in zip(starts, [*ends, size], strict=True)
    )


def _even_ends(size: int, n: int) -> list[int]:
    """Where n parts end whose sizes differ by one at most, the last one's end left out."""
    if n <= 0:
        raise RuntimeError(f"number of sections must be larger than 0, got {n}")
    room(PART * n, "tensor_split")
    each, extra = divmod(size, n)
    return [each * i + min(i, extra) for i in range(1, n)]


row("tensor_split(Tensor input, any indices_or_sections, int dim=0) -> Tensors",
    body=_tensor_split, samples=lambda m: [((m(5, 2), 2), {}), ((m(2, 4), (1, 3), 1), {})],
    doc="See body.")  # fmt: skip


def _split_along(name: str, least: int) -> Any:
    def along(input: Any, indices_or_sections: Any = None, *, indices: Any = None,
              sections: Any = None) -> tuple[Any, ...]:  # fmt: skip
        n = input.ndim
        if n < least:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor "
                f"with {n} dimensions!"
            )
        dim = {"hsplit": 0 if n == 1 else 1, "vsplit": 0, "dsplit": 2}[name]
        given = (indices_or_sections, sections, indices)
        by = next((g for g in given if g is not None), None)
        if isinstance(by, int) and by and input.size(dim) % by:
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {dim}, but the size of the "
                f"dimension {input.size(dim)} is not divisible by the split_size {by}!"
            )
        return _tensor_split(input, by, dim)

    along.__name__ = name
    along.__doc__ = "tensor_split() along one dimension, into equal parts or cut at indices."
    return along


for _name, _least in (("hsplit", 1), ("vsplit", 2), ("dsplit", 3)):
    row(f"{_name}(Tensor input, any indices_or_sections) -> Tensors",
        body=_split_along(_name, _least),
        samples=lambda m: [((m(2, 2, 2), 2), {}), ((m(2, 2, 4), (1,)), {})], doc="See body.")  # fmt: skip
