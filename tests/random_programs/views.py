"""The oracle's views: PyTorch's rules for shape, strides and offset, one function each."""

from __future__ import annotations

from math import prod

import numpy as np

from tests.random_programs import layout
from tests.random_programs.tape import Undefined
from tests.random_programs.tensor import Link, Tensor, admit, attach, fresh


def true_dim(t: Tensor, dim: int) -> int:
    if not t.shape:
        raise Undefined("a dimension of a 0-d tensor")
    return layout.wrap_dim(dim, t.ndim)


def select(t: Tensor, dim: int, index: int) -> Tensor:
    dim = true_dim(t, dim)
    if not -t.shape[dim] <= index < t.shape[dim]:
        raise IndexError(f"oracle: index {index} out of range of {t.shape}")
    offset = t.offset + index % t.shape[dim] * t.strides[dim]
    return _drop(t, dim, offset)


def _drop(t: Tensor, dim: int, offset: int, **how: bool) -> Tensor:
    shape, strides = list(t.shape), list(t.strides)
    del shape[dim], strides[dim]
    return t._view(shape, strides, offset, **how)


def narrow(t: Tensor, dim: int, start: int, length: int, **how: bool) -> Tensor:
    dim = true_dim(t, dim)
    if start + length > t.shape[dim]:
        raise RuntimeError("oracle: narrow beyond the size")
    shape = (*t.shape[:dim], length, *t.shape[dim + 1 :])
    return t._view(shape, t.strides, t.offset + start * t.strides[dim], **how)


def permute(t: Tensor, *dims: int) -> Tensor:
    order = [layout.wrap_dim(dim, t.ndim) for dim in dims]
    if sorted(order) != list(range(t.ndim)):
        raise RuntimeError("oracle: permute needs each dimension once")
    return t._view([t.shape[dim] for dim in order], [t.strides[dim] for dim in order])


def transpose(t: Tensor, a: int, b: int) -> Tensor:
    order = list(range(t.ndim))
    a, b = layout.wrap_dim(a, t.ndim), layout.wrap_dim(b, t.ndim)
    if order:
        order[a], order[b] = b, a
    return permute(t, *order)


def t_(t: Tensor) -> Tensor:
    if t.ndim > 2:
        raise RuntimeError("oracle: t() takes at most two dimensions")
    return permute(t, *reversed(range(t.ndim)))


def unsqueeze(t: Tensor, dim: int) -> Tensor:
    dim = layout.wrap_dim(dim, t.ndim + 1)
    stride = t.shape[dim] * t.strides[dim] if dim < t.ndim else 1
    return t._view(
        (*t.shape[:dim], 1, *t.shape[dim:]), (*t.strides[:dim], stride, *t.strides[dim:])
    )


def squeeze(t: Tensor, dim: int | None = None) -> Tensor:
    wanted = range(t.ndim) if dim is None else [layout.wrap_dim(dim, t.ndim)]
    keep = [d for d in range(t.ndim) if d not in wanted or t.shape[d] != 1]
    return t._view([t.shape[d] for d in keep], [t.strides[d] for d in keep])


def expand(t: Tensor, *sizes: int, **how: bool) -> Tensor:
    front = len(sizes) - t.ndim
    shape = tuple(
        t.shape[dim - front] if size == -1 and dim >= front else size
        for dim, size in enumerate(sizes)
    )
    return t._view(shape, layout.expand_strides(t.shape, t.strides, shape), **how)


def view(t: Tensor, *sizes: int) -> Tensor:
    shape = layout.infer_size(sizes, t.numel())
    strides = layout.view_strides(t.shape, t.strides, shape)
    if strides is None:
        raise RuntimeError("oracle: view size is not compatible with the strides")
    return t._view(shape, strides)


def reshape(t: Tensor, *sizes: int) -> Tensor:
    shape = layout.infer_size(sizes, t.numel())
    if layout.view_strides(t.shape, t.strides, shape) is None:
        copy = clone(t)
        copy.loose = False
        result = copy._view(shape, layout.contiguous_strides(shape), hidden=True)
        result.is_view = False  # nobody has the tensor that it would be a view of
        return result
    return view(t, *shape)


def flatten(t: Tensor, start: int = 0, end: int = -1) -> Tensor:
    start, end = layout.wrap_dim(start, t.ndim), layout.wrap_dim(end, t.ndim)
    if not t.shape:
        return reshape(t, 1)
    if start == end:
        return t
    return reshape(t, *t.shape[:start], prod(t.shape[start : end + 1]), *t.shape[end + 1 :])


def diagonal(t: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    a, b = layout.wrap_dim(dim1, t.ndim), layout.wrap_dim(dim2, t.ndim)
    if a == b:
        raise RuntimeError("oracle: diagonal dimensions cannot be identical")
    rows, columns = max(-offset, 0), max(offset, 0)
    size = max(min(t.shape[a] - rows, t.shape[b] - columns), 0)
    start = rows * t.strides[a] + columns * t.strides[b] if size else 0
    rest = [dim for dim in range(t.ndim) if dim not in (a, b)]
    shape = [*(t.shape[dim] for dim in rest), size]
    strides = [*(t.strides[dim] for dim in rest), t.strides[a] + t.strides[b]]
    return t._view(shape, strides, t.offset + start)


def unfold(t: Tensor, dim: int, size: int, step: int) -> Tensor:
    dim = true_dim(t, dim)
    if size > t.shape[dim]:
        raise RuntimeError("oracle: unfold beyond the size")
    count = (t.shape[dim] - size) // step + 1
    shape = (*t.shape[:dim], count, *t.shape[dim + 1 :], size)
    strides = (*t.strides[:dim], t.strides[dim] * step, *t.strides[dim + 1 :], t.strides[dim])
    return t._view(shape, strides)


def split(t: Tensor, sizes: int | list[int], dim: int = 0) -> tuple[Tensor, ...]:
    dim = true_dim(t, dim)
    length = t.shape[dim]
    if isinstance(sizes, int):
        sizes = [min(sizes, length - start) for start in range(0, length, sizes)] or [0]
    if sum(sizes) != length:
        raise RuntimeError("oracle: split sizes don't add up")
    starts = np.cumsum([0, *sizes]).tolist()
    return tuple(
        narrow(t, dim, start, size, several=True)
        for start, size in zip(starts, sizes, strict=False)
    )


def chunk(t: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    length = t.shape[true_dim(t, dim)]
    return split(t, max(-(-length // chunks), 1), dim)


def unbind(t: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    dim = true_dim(t, dim)
    return tuple(
        _drop(t, dim, t.offset + i * t.strides[dim], several=True) for i in range(t.shape[dim])
    )


# Copies, which `reshape` falls back on


def _identity(t: Tensor, dtype: np.dtype) -> Tensor:
    result = fresh(admit(t.array, dtype), [t])
    return attach(result, [Link(t, t.slots, None, 1.0)])


def clone(t: Tensor) -> Tensor:
    return _identity(t, t.dtype)


def contiguous(t: Tensor) -> Tensor:
    if t.is_contiguous() and not t.loose:
        return t
    result = clone(t)
    result.loose = False
    result.loose_version = t.loose_version
    if t.loose and t.family.node is not None:
        # PyTorch may return the tensor itself: a change of the result may be one of what is saved.
        node, result.version = t.family.node, t.version
        node.saved = tuple(
            saved._replace(strict=False) if saved.version is t.version else saved
            for saved in node.saved
        )
    return result


def to(t: Tensor, dtype: np.dtype) -> Tensor:
    return t if t.dtype == dtype else _identity(t, np.dtype(dtype))
