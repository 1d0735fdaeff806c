"""Views: other layouts of the same storage."""

from __future__ import annotations

from typing import Any

from ..core import layout
from ..core.layout import Ints, wrap_dim
from .table import Layout, call, row

Strided = tuple[Ints, Ints, int]


def _view(shape: Ints, strides: Ints, offset: int, size: Ints) -> Layout:
    numel = 1
    for s in shape:
        numel *= s
    new = layout.infer_size(size, numel)
    found = layout.view_strides(shape, strides, new)
    if found is None:
        raise RuntimeError(
            f"view size {list(new)} is not compatible with input tensor's size {list(shape)} and "
            f"stride {list(strides)} (at least one dimension spans across two contiguous "
            "subspaces). Use .reshape(...) instead."
        )
    return Layout(new, found, offset)


row(
    "view_as_size(Tensor input, int* size) -> Tensor", view=_view, forms="", node="ViewBackward0",
    grads={"input": lambda grad, input_shape: grad.reshape(input_shape)},
    doc="The same elements in another shape; see Tensor.view.",
)  # fmt: skip


row(
    "alias(Tensor input) -> Tensor",
    view=lambda shape, strides, offset: Layout(shape, strides, offset), forms="",
    grads={"input": lambda grad: grad}, doc="The same layout again.",
)  # fmt: skip


def _expand(shape: Ints, strides: Ints, offset: int, size: Ints) -> Layout:
    new_shape, new_strides = layout.expand(shape, strides, size)
    return Layout(new_shape, new_strides, offset)


row(
    "expand(Tensor input, int* size) -> Tensor", view=_expand, forms="m",
    grads={"input": lambda grad, input_shape: call.sum_to_size(grad, input_shape)},
    samples=lambda m: [((m(3, 1), 3, 4), {}), ((m(1), 2, -1), {}), ((m(), 2), {})],
    doc="Dimensions of size one repeated without copying; -1 keeps a size.",
)  # fmt: skip


def _permute(shape: Ints, strides: Ints, offset: int, dims: Ints) -> Layout:
    if len(dims) != len(shape):
        raise RuntimeError(
            f"number of dimensions in the tensor input does not match the length of the desired "
            f"ordering of dimensions i.e. input.dim() = {len(shape)} is not equal to "
            f"len(dims) = {len(dims)}"
        )
    order = layout.wrap_dims(dims, len(shape))
    return Layout(tuple(shape[d] for d in order), tuple(strides[d] for d in order), offset)


def _inverse(dims: Ints) -> Ints:
    n = len(dims)
    out = [0] * n
    for i, d in enumerate(dims):
        out[d % n] = i
    return tuple(out)


row(
    "permute(Tensor input, int* dims) -> Tensor", view=_permute,
    grads={"input": lambda grad, dims: grad.permute(_inverse(dims)) if dims else grad},
    samples=lambda m: [((m(2, 3, 4), 2, 0, 1), {}), ((m(2, 0), 1, 0), {}), ((m(2, 3), -1, 0), {})],
    doc="Dimensions in another order.",
)  # fmt: skip


def _transpose(shape: Ints, strides: Ints, offset: int, dim0: int, dim1: int) -> Layout:
    a, b = wrap_dim(dim0, len(shape)), wrap_dim(dim1, len(shape))
    sizes, steps = list(shape), list(strides)
    if shape:
        sizes[a], sizes[b] = sizes[b], sizes[a]
        steps[a], steps[b] = steps[b], steps[a]
    return Layout(tuple(sizes), tuple(steps), offset)


row(
    "transpose(Tensor input, int dim0, int dim1) -> Tensor", view=_transpose, forms="fm",
    alias=("swapaxes", "swapdims"),
    grads={"input": lambda grad, dim0, dim1: grad.transpose(dim0, dim1)},
    samples=lambda m: [((m(2, 3), 0, 1), {}), ((m(2, 3, 4), 0, -1), {}), ((m(), 0, -1), {})],
    doc="Two dimensions exchanged.",
)  # fmt: skip


def _t(shape: Ints, strides: Ints, offset: int) -> Layout:
    if len(shape) > 2:
        raise RuntimeError(
            f"expects a tensor with <= 2 dimensions, but self is {len(shape)}D; use "
            "transpose(dim0, dim1) or mT"
        )
    return Layout(shape[::-1], strides[::-1], offset)


row(
    "t(Tensor input) -> Tensor", view=_t,
    grads={"input": lambda grad: grad.t()},
    samples=lambda m: [((m(2, 3),), {}), ((m(3),), {}), ((m(),), {})],
    doc="A matrix transposed.",
)  # fmt: skip


def _unsqueeze(shape: Ints, strides: Ints, offset: int, dim: int) -> Layout:
    d = wrap_dim(dim, len(shape) + 1)
    step = shape[d] * strides[d] if d < len(shape) else 1
    return Layout((*shape[:d], 1, *shape[d:]), (*strides[:d], step, *strides[d:]), offset)


row(
    "unsqueeze(Tensor input, int dim) -> Tensor", view=_unsqueeze,
    grads={"input": lambda grad, input_shape: grad.reshape(input_shape)},
    samples=lambda m: [((m(2, 3), 1), {}), ((m(), 0), {}), ((m(2), -1), {})],
    doc="A dimension of size one put in at `dim`.",
)  # fmt: skip


def _squeeze(shape: Ints, strides: Ints, offset: int, dim: Any) -> Layout:
    n = len(shape)
    if dim is None:
        drop = set(range(n))
    else:
        drop = set(layout.wrap_dims(dim if isinstance(dim, tuple) else (dim,), n))
    keep = [i for i in range(n) if not (i in drop and shape[i] == 1)]
    return Layout(tuple(shape[i] for i in keep), tuple(strides[i] for i in keep), offset)


row(
    "squeeze(Tensor input, any dim=None) -> Tensor", view=_squeeze,
    grads={"input": lambda grad, input_shape: grad.reshape(input_shape)},
    samples=lambda m: [((m(2, 1, 3),), {}), ((m(1, 2, 1), 0), {}), ((m(2, 3), 1), {}), ((m(1, 1),), {})],
    doc="Dimensions of size one left out: all, or those of `dim` (an int or a tuple).",
)  # fmt: skip


def _select(shape: Ints, strides: Ints, offset: int, dim: int, index: int) -> Layout:
    if not shape:
        raise IndexError("cannot be applied to a 0-dim tensor")
    d = wrap_dim(dim, len(shape))
    size = shape[d]
    if not -size <= index < size:
        raise IndexError(f"index {index} is out of bounds for dimension {d} with size {size}")
    start = offset + (index % size) * strides[d]
    return Layout((*shape[:d], *shape[d + 1 :]), (*strides[:d], *strides[d + 1 :]), start)


def _into(grad: Any, shape: Ints, view: Any) -> Any:
    """Zeros of `shape` with `grad` where `view` looks: functional, so that it is differentiable."""
    base = call.zeros(shape, dtype=grad.dtype)
    target = view(base)
    strides, offset = target.stride(), target.storage_offset()
    return call.as_strided_scatter(base, grad, tuple(target.shape), strides, offset)


row(
    "select(Tensor input, int dim, int index) -> Tensor", view=_select,
    grads={"input": lambda grad, input_shape, dim, index:
           _into(grad, input_shape, lambda x: x.select(dim, index))},
    samples=lambda m: [((m(2, 3), 1, -1), {}), ((m(4), 0, 2), {})],
    doc="One index of a dimension, which goes away.",
)  # fmt: skip


def _slice(
    shape: Ints, strides: Ints, offset: int, dim: int, start: Any, end: Any, step: int
) -> Layout:
    if not shape:
        raise RuntimeError("cannot be applied to a 0-dim tensor")
    d = wrap_dim(dim, len(shape))
    if step <= 0:
        raise ValueError(f"step must be greater than zero, got {step}")
    lo, hi, _ = slice(start, end, step).indices(shape[d])
    size = max(0, -(-(hi - lo) // step))
    first = offset + lo * strides[d] if size else offset
    return Layout(
        (*shape[:d], size, *shape[d + 1 :]), (*strides[:d], strides[d] * step, *strides[d + 1 :]), first
    )


row(
    "slice(Tensor input, int dim=0, int? start=None, int? end=None, int step=1) -> Tensor",
    view=_slice, forms="",
    grads={"input": lambda grad, input_shape, dim, start, end, step:
           _into(grad, input_shape, lambda x: call.slice(x, dim, start, end, step))},
    samples=lambda m: [((m(5, 3), 0, 1, 5, 2), {}), ((m(4),), {"start": 3, "end": 1})],
    doc="Every step-th index of a dimension from start to end.",
)  # fmt: skip


def _narrow(shape: Ints, strides: Ints, offset: int, dim: int, start: int, length: int) -> Layout:
    if not shape:
        raise RuntimeError("cannot be applied to a 0-dim tensor.")
    d = wrap_dim(dim, len(shape))
    size = shape[d]
    if length < 0:
        raise RuntimeError("length must be non-negative.")
    if not -size <= start <= size:
        raise IndexError(
            f"start out of range (expected to be in range of [{-size}, {size}], but got {start})"
        )
    begin = start + size if start < 0 else start
    if begin + length > size:
        raise RuntimeError(f"start ({begin}) + length ({length}) exceeds dimension size ({size}).")
    return _slice(shape, strides, offset, d, begin, begin + length, 1)


row(
    "narrow(Tensor input, int dim, int start, int length) -> Tensor", view=_narrow,
    node="SliceBackward0",
    grads={"input": lambda grad, input_shape, dim, start, length:
           _into(grad, input_shape, lambda x: x.narrow(dim, start, length))},
    samples=lambda m: [((m(5, 3), 0, 1, 3), {}), ((m(5), 0, -2, 2), {})],
    doc="`length` indices of a dimension from `start`.",
)  # fmt: skip


def _as_strided(
    shape: Ints, strides: Ints, offset: int, size: Ints, stride: Ints, storage_offset: Any
) -> Layout:
    if len(size) != len(stride):
        raise RuntimeError(
            f"mismatch in length of strides and shape: size {list(size)}, stride {list(stride)}"
        )
    if any(s < 0 for s in size):
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(size)}")
    if any(s < 0 for s in stride):
        raise RuntimeError(
            "as_strided: Negative strides are not supported at the moment, got strides: "
            f"{list(stride)}"
        )
    start = offset if storage_offset is None else storage_offset
    if start < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {start}")
    return Layout(size, stride, start)


def _as_strided_grad(grad: Any, input_shape: Ints, size: Ints, stride: Ints, start: Any) -> Any:
    return call.as_strided_backward(grad, input_shape, size, stride, start or 0)


row(
    "as_strided(Tensor input, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
    view=_as_strided,
    grads={"input": lambda grad, input_shape, size, stride, storage_offset:
           _as_strided_grad(grad, input_shape, size, stride, storage_offset)},
    samples=lambda m: [((m(6), (2, 3), (3, 1)), {}), ((m(3, 3), (2, 2), (1, 2), 1), {})],
    doc="Any layout of the storage, in elements from its beginning.",
)  # fmt: skip


def _diagonal(shape: Ints, strides: Ints, offset: int, k: int, dim1: int, dim2: int) -> Layout:
    a, b = wrap_dim(dim1, len(shape)), wrap_dim(dim2, len(shape))
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    if k >= 0:
        size, start = max(0, min(shape[a], shape[b] - k)), k * strides[b]
    else:
        size, start = max(0, min(shape[a] + k, shape[b])), -k * strides[a]
    rest = [i for i in range(len(shape)) if i not in (a, b)]
    return Layout(
        (*(shape[i] for i in rest), size),
        (*(strides[i] for i in rest), strides[a] + strides[b]),
        offset + (start if size else 0),
    )


row(
    "diagonal(Tensor input, int offset=0, int dim1=0, int dim2=1) -> Tensor", view=_diagonal,
    grads={"input": lambda grad, input_shape, offset, dim1, dim2:
           _into(grad, input_shape, lambda x: x.diagonal(offset, dim1, dim2))},
    samples=lambda m: [((m(3, 4),), {}), ((m(3, 4), 1), {}), ((m(2, 3, 4), -1, 2, 0), {})],
    doc="The diagonal of two dimensions as the last one.",
)  # fmt: skip


def _unfold(shape: Ints, strides: Ints, offset: int, dim: int, size: int, step: int) -> Layout:
    if not shape:
        shape, strides = (1,), (1,)
        if size == 0:
            return Layout((0,), (1,), offset)
        return Layout((size,), (1,), offset)
    d = wrap_dim(dim, len(shape))
    if size > shape[d] or size < 0:
        raise RuntimeError(
            f"maximum size for tensor at dimension {d} is {shape[d]} but size is {size}"
        )
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    count = (shape[d] - size) // step + 1
    return Layout(
        (*shape[:d], count, *shape[d + 1 :], size),
        (*strides[:d], strides[d] * step, *strides[d + 1 :], strides[d]),
        offset,
    )


def _unfold_grad(grad: Any, shape: Ints, dim: int, size: int, step: int) -> Any:
    view = call.zeros(shape, dtype=grad.dtype).unfold(dim, size, step)
    return call.as_strided_backward(grad, shape, tuple(view.shape), view.stride(), 0)


row(
    "unfold(Tensor input, int dimension, int size, int step) -> Tensor", view=_unfold, forms="m",
    grads={"input": lambda grad, input_shape, dimension, size, step:
           _unfold_grad(grad, input_shape, dimension, size, step)},
    samples=lambda m: [((m(7), 0, 3, 2), {}), ((m(2, 5), 1, 2, 1), {})],
    doc="Windows of `size` every `step` along a dimension, as a last dimension.",
)  # fmt: skip


def _split(shape: Ints, strides: Ints, offset: int, sizes: Ints, dim: int) -> list[Layout]:
    d = wrap_dim(dim, len(shape))
    out, at = [], 0
    for size in sizes:
        out.append(_slice(shape, strides, offset, d, at, at + size, 1))
        at += size
    return out


def _cat_grads(grads: Any, sizes: Ints, shape: Ints, dim: int) -> Any:
    """Gradients of neighbouring parts joined again; zeros where one is missing."""
    some = next(g for g in grads if g is not None)
    parts = []
    for g, size in zip(grads, sizes, strict=True):
        if g is None:
            part = list(shape)
            part[dim] = size
            g = call.zeros(tuple(part), dtype=some.dtype)
        parts.append(g)
    return call.cat(parts, dim)


row(
    "split_with_sizes(Tensor input, int[] split_sizes, int dim=0) -> Tensors",
    view=_split, multi_view=True, forms="", node="SplitWithSizesBackward0",
    grads={"input": lambda grads, input_shape, split_sizes, dim:
           _cat_grads(grads, split_sizes, input_shape, dim)},
    doc="Parts of given sizes along a dimension; see Tensor.split.",
)  # fmt: skip


def _unbind(shape: Ints, strides: Ints, offset: int, dim: int) -> list[Layout]:
    if not shape:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    d = wrap_dim(dim, len(shape))
    return [_select(shape, strides, offset, d, i) for i in range(shape[d])]


def _stack_grads(grads: Any, dim: int) -> Any:
    some = next(g for g in grads if g is not None)
    return call.stack([call.zeros_like(some) if g is None else g for g in grads], dim)


row(
    "unbind(Tensor input, int dim=0) -> Tensors", view=_unbind, multi_view=True,
    grads={"input": lambda grads, dim: _stack_grads(grads, dim)},
    samples=lambda m: [((m(3, 2),), {}), ((m(3, 2), 1), {})],
    doc="The indices of a dimension as a tuple of views.",
)  # fmt: skip


def _movedim(input: Any, source: Any, destination: Any) -> Any:
    """Dimensions `source` moved to the positions `destination`, the others in their order."""
    src = layout.wrap_dims((source,) if isinstance(source, int) else tuple(source), input.ndim)
    dst = layout.wrap_dims(
        (destination,) if isinstance(destination, int) else tuple(destination), input.ndim
    )
    if len(src) != len(dst):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(src)} dims) should "
            f"contain the same number of dims as destination ({list(dst)} dims)"
        )
    order = [-1] * input.ndim
    for s, d in zip(src, dst, strict=True):
        order[d] = s
    rest = iter(i for i in range(input.ndim) if i not in src)
    return input.permute(tuple(next(rest) if o < 0 else o for o in order))


def _split_by(input: Any, split_size_or_sections: Any, dim: int = 0) -> Any:
    """Views of parts of a dimension: of `split_size` each (the last may be smaller), or of the
    sizes in a list, which must sum to the dimension's size."""
    size = input.size(dim)
    if isinstance(split_size_or_sections, int):
        step = split_size_or_sections
        if step < 0 or (step == 0 and size):
            raise RuntimeError(
                f"split expects split_size be non-negative, but got split_size={step}"
            )
        n = max(1, -(-size // step)) if step else 1
        sizes = tuple(min(step, size - i * step) for i in range(n))
        sizes = tuple(max(0, s) for s in sizes)
    else:
        sizes = tuple(int(s) for s in split_size_or_sections)
        if sum(sizes) != size or any(s < 0 for s in sizes):
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {size} (input tensor's "
                f"size at dimension {dim}), but got split_sizes={list(sizes)}"
            )
    return call.split_with_sizes(input, sizes, dim)


row("split(Tensor input, any split_size_or_sections, int dim=0) -> Tensors", body=_split_by,
    samples=lambda m: [((m(5, 2), 2), {}), ((m(2, 4), [1, 3], 1), {})],
    doc="Parts of a dimension.")  # fmt: skip


def _chunk(input: Any, chunks: int, dim: int = 0) -> Any:
    """At most `chunks` views of nearly equal parts of a dimension."""
    if input.ndim == 0:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    size = input.size(dim)
    step = -(-size // chunks)
    if step == 0:
        return call.split_with_sizes(input, (0,) * chunks, dim)
    return _split_by(input, step, dim)


row("chunk(Tensor input, int chunks, int dim=0) -> Tensors", body=_chunk,
    samples=lambda m: [((m(5, 2), 2), {}), ((m(2, 4), 3, 1), {})],
    doc="Nearly equal parts of a dimension.")  # fmt: skip

row("movedim(Tensor input, any source, any destination) -> Tensor", body=_movedim,
    alias=("moveaxis",), doc="Dimensions moved to other places.")  # fmt: skip
