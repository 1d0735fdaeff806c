"""Views: other layouts of the same storage."""

from __future__ import annotations

import math
from typing import Any

from ..core import layout
from ..core.layout import Ints, contiguous_strides, wrap_dim
from .table import Layout, call, row


def put_back(grad: Any, shape: Ints, view: Any, *params: Any) -> Any:
    """The gradient of a view in the shape of what it looked at: zeros but where `view` looks."""
    found = view(tuple(shape), contiguous_strides(shape), 0, *params)
    return call.as_strided_backward(
        grad, found.offset, tuple(shape), tuple(found.shape), tuple(found.strides)
    )


def _view(shape: Ints, strides: Ints, offset: int, size: Ints) -> Layout:
    new = layout.infer_size(size, math.prod(shape))
    found = layout.view_strides(shape, strides, new)
    if found is None:
        raise RuntimeError(
            f"view size {list(new)} is not compatible with input tensor's size {list(shape)} and "
            f"stride {list(strides)} (at least one dimension spans across two contiguous "
            "subspaces). Use .reshape(...) instead."
        )
    return Layout(new, found, offset)


row(
    "view_as_size(Tensor input, int* size) -> Tensor", view=_view, forms="", called="view",
    node="ViewBackward0",
    grads={"input": lambda grad, input_shape: grad.reshape(input_shape)},
    samples=lambda m: [((m(2, 3), 3, -1), {}), ((m(), (1, 1)), {}), ((m(0, 2), 2, 0), {})],
    doc="The same elements in another shape; see Tensor.view.",
)  # fmt: skip


row(
    "reshape_view(Tensor input, int* size) -> Tensor", view=_view, forms="", called="reshape",
    node="ViewBackward0",
    grads={"input": lambda grad, input_shape: grad.reshape(input_shape)},
    samples=lambda m: [((m(2, 3), 3, -1), {})],
    doc="A reshape that copies nothing.",
)  # fmt: skip


row(
    "reshape_alias(Tensor input, int* size) -> Tensor", view=_view, forms="", called="reshape",
    grads={"input": lambda grad, input_shape: grad.reshape(input_shape)},
    samples=lambda m: [((m(2, 3).t(), (1, 3, 2)), {})],
    doc="A reshape that copies nothing, of a tensor that is not contiguous.",
)  # fmt: skip


row(
    "alias(Tensor input) -> Tensor",
    view=lambda shape, strides, offset: Layout(shape, strides, offset), forms="",
    grads={"input": lambda grad: grad}, samples=lambda m: [((m(2),), {})],
    doc="The same layout again.",
)  # fmt: skip


def _expand(shape: Ints, strides: Ints, offset: int, size: Ints) -> Layout:
    new_shape, new_strides = layout.expand(shape, strides, size)
    return Layout(new_shape, new_strides, offset)


row(
    "expand(Tensor input, int* size) -> Tensor", view=_expand, forms="m",
    grads={"input": lambda grad, input_shape: call.sum_to_size(grad, input_shape)},
    samples=lambda m: [((m(3, 1), 3, 4), {}), ((m(1), 2, -1), {}), ((m(), 2), {}), ((m(2, 1), 0, 2, 3), {})],
    doc="Dimensions of size one repeated without copying; -1 keeps a size.",
)  # fmt: skip


def _broadcast_to(input: Any, size: Any) -> Any:
    """input expanded to a shape, as broadcasting would."""
    return input.expand(tuple(size))


row("broadcast_to(Tensor input, int[] size) -> Tensor", body=_broadcast_to,
    samples=lambda m: [((m(3, 1), (2, 3, 4)), {})], doc="See body.")  # fmt: skip


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
    samples=lambda m: [((m(2, 3, 4), 2, 0, 1), {}), ((m(2, 0), 1, 0), {}), ((m(2, 3), -1, 0), {}), ((m(), ()), {})],
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
    "transpose(Tensor input, int dim0, int dim1) -> Tensor", view=_transpose, forms="fmv",
    alias=("swapdims",),
    grads={"input": lambda grad, dim0, dim1: grad.transpose(dim0, dim1)},
    samples=lambda m: [((m(2, 3), 0, 1), {}), ((m(2, 3, 4), 0, -1), {}), ((m(), 0, -1), {})],
    doc="Two dimensions exchanged.",
)  # fmt: skip
row(
    "swapaxes(Tensor input, int axis0, int axis1) -> Tensor", view=_transpose, forms="fmv",
    node="TransposeBackward0",
    grads={"input": lambda grad, axis0, axis1: grad.transpose(axis0, axis1)},
    samples=lambda m: [((m(2, 3), 0, 1), {})], doc="transpose() by NumPy's name.",
)  # fmt: skip


def _t(shape: Ints, strides: Ints, offset: int) -> Layout:
    if len(shape) > 2:
        raise RuntimeError(
            f"expects a tensor with <= 2 dimensions, but self is {len(shape)}D; use "
            "transpose(dim0, dim1) or mT"
        )
    return Layout(shape[::-1], strides[::-1], offset)


row(
    "t(Tensor input) -> Tensor", view=_t, forms="fmv",
    grads={"input": lambda grad: grad.t()},
    samples=lambda m: [((m(2, 3),), {}), ((m(3),), {}), ((m(),), {})],
    doc="A matrix transposed.",
)  # fmt: skip


def _adjoint(input: Any) -> Any:
    """The last two dimensions exchanged, and conjugated."""
    if input.ndim == 1:
        raise RuntimeError(
            "tensor.adjoint() is only supported on matrices or batches of matrices. Got 1-D tensor."
        )
    turned = input.transpose(-2, -1) if input.ndim else input
    return call.conj(turned) if input.is_complex() else turned


row("adjoint(Tensor input) -> Tensor", body=_adjoint,
    samples=lambda m: [((m(2, 3),), {}), ((m.complex(2, 2, 3),), {})], doc="See body.")  # fmt: skip


def _unsqueeze(shape: Ints, strides: Ints, offset: int, dim: int) -> Layout:
    d = wrap_dim(dim, len(shape) + 1)
    step = shape[d] * strides[d] if d < len(shape) else 1
    return Layout((*shape[:d], 1, *shape[d:]), (*strides[:d], step, *strides[d:]), offset)


row(
    "unsqueeze(Tensor input, int dim) -> Tensor", view=_unsqueeze, forms="fmv",
    grads={"input": lambda grad, input_shape: grad.reshape(input_shape)},
    samples=lambda m: [((m(2, 3), 1), {}), ((m(), 0), {}), ((m(2), -1), {})],
    doc="A dimension of size one put in at `dim`.",
)  # fmt: skip


def _squeeze(shape: Ints, strides: Ints, offset: int, dim: Any) -> Layout:
    n = len(shape)
    if not (dim is None or isinstance(dim, (int, tuple))):
        raise TypeError(f"argument 'dim' must be int or tuple of ints, not {type(dim).__name__}")
    given = (dim,) if isinstance(dim, int) else dim
    if not all(hasattr(d, "__index__") for d in given or ()):
        kinds = ", ".join(type(d).__name__ for d in given)  # type: ignore[union-attr]
        raise TypeError(f"argument 'dim' must be int or tuple of ints, not ({kinds})")
    drop = set(range(n)) if dim is None else set(layout.wrap_dims(given, n))  # type: ignore[arg-type]
    keep = [i for i in range(n) if not (i in drop and shape[i] == 1)]
    return Layout(tuple(shape[i] for i in keep), tuple(strides[i] for i in keep), offset)


def _squeeze_node(dim: Any) -> str:
    return f"SqueezeBackward{0 if dim is None else 2 if isinstance(dim, tuple) else 1}"


row(
    "squeeze(Tensor input, any dim=None) -> Tensor", view=_squeeze, forms="fmv",
    node=_squeeze_node,
    grads={"input": lambda grad, input_shape: grad.reshape(input_shape)},
    samples=lambda m: [((m(2, 1, 3),), {}), ((m(1, 2, 1), 0), {}), ((m(2, 3), 1), {}), ((m(1, 1),), {}),
                       ((m(1, 2, 1), (0, 2)), {})],
    doc="Dimensions of size one left out: all, or those of `dim` (an int or a tuple).",
)  # fmt: skip


def select_layout(shape: Ints, strides: Ints, offset: int, dim: int, index: int) -> Layout:
    if not shape:
        raise IndexError("cannot be applied to a 0-dim tensor")
    d = wrap_dim(dim, len(shape))
    size = shape[d]
    if not -size <= index < size:
        raise IndexError(f"index {index} is out of bounds for dimension {d} with size {size}")
    start = offset + (index % size) * strides[d]
    return Layout((*shape[:d], *shape[d + 1 :]), (*strides[:d], *strides[d + 1 :]), start)


row(
    "select(Tensor input, int dim, int index) -> Tensor", view=select_layout,
    grads={"input": lambda grad, input_shape, dim, index:
           put_back(grad, input_shape, select_layout, dim, index)},
    samples=lambda m: [((m(2, 3), 1, -1), {}), ((m(4), 0, 2), {})],
    doc="One index of a dimension, which goes away.",
)  # fmt: skip


def slice_layout(
    shape: Ints, strides: Ints, offset: int, dim: int, start: Any, end: Any, step: int
) -> Layout:
    """Every step-th index of a dimension from start to end."""
    if not shape:
        raise RuntimeError("cannot be applied to a 0-dim tensor")
    d = wrap_dim(dim, len(shape))
    if step <= 0:
        raise ValueError(f"step must be greater than zero, got {step}")
    lo, hi, _ = slice(start, end, step).indices(shape[d])
    size = max(0, -(-(hi - lo) // step))
    return Layout(
        (*shape[:d], size, *shape[d + 1 :]),
        (*strides[:d], strides[d] * step, *strides[d + 1 :]),
        offset + lo * strides[d],
    )


row(
    "slice(Tensor input, int dim=0, int? start=None, int? end=None, int step=1) -> Tensor",
    view=slice_layout, forms="f", where="nn",
    grads={"input": lambda grad, input_shape, dim, start, end, step:
           put_back(grad, input_shape, slice_layout, dim, start, end, step)},
    samples=lambda m: [((m(5, 3), 0, 1, 5, 2), {}), ((m(4),), {"start": 3, "end": 1})],
    doc="Every step-th index of a dimension from start to end.",
)  # fmt: skip


def narrow_layout(
    shape: Ints, strides: Ints, offset: int, dim: int, start: int, length: int
) -> Layout:
    """`length` indices of a dimension from `start`."""
    if not shape:
        raise RuntimeError("cannot be applied to a 0-dim tensor.")
    d = wrap_dim(dim, len(shape))
    size = shape[d]
    if length < 0:
        raise RuntimeError(f"length must be non-negative, got {length}.")
    if not -size <= start <= size:
        raise IndexError(
            f"start out of range (expected to be in range of [{-size}, {size}], but got {start})"
        )
    begin = start + size if start < 0 else start
    if begin + length > size:
        raise RuntimeError(f"start ({begin}) + length ({length}) exceeds dimension size ({size}).")
    return slice_layout(shape, strides, offset, d, begin, begin + length, 1)


row(
    "narrow(Tensor input, int dim, index start, int length) -> Tensor", view=narrow_layout,
    node="SliceBackward0",
    grads={"input": lambda grad, input_shape, dim, start, length:
           put_back(grad, input_shape, narrow_layout, dim, start, length)},
    samples=lambda m: [((m(5, 3), 0, 1, 3), {}), ((m(5), 0, -2, 2), {}), ((m(2), 0, 2, 0), {})],
    doc="`length` indices of a dimension from `start`.",
)  # fmt: skip


def _as_strided(
    shape: Ints, strides: Ints, offset: int, size: Ints, stride: Ints, start: int, *rest: Any
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
    if start < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {start}")
    return Layout(size, stride, start)


def _as_strided_grad(
    grad: Any, shape: Ints, size: Ints, stride: Ints, start: int, own: Ints, own_offset: int,
    room: int,
) -> Any:  # fmt: skip
    """In the shape of the storage first, then what the input sees of that."""
    reach = layout.span(size, stride, start)[1]
    if own == contiguous_strides(shape) and own_offset == 0 and reach <= math.prod(shape):
        return call.as_strided_backward(grad, start, tuple(shape), size, stride)
    whole = call.as_strided_backward(grad, start, (room,), size, stride)
    seen = whole.as_strided(tuple(shape), own, own_offset)
    if not layout.has_overlap(tuple(shape), own):
        return seen.clone()
    ones = call.ones(tuple(shape), dtype=grad.dtype)
    times = call.as_strided_backward(ones, own_offset, (room,), tuple(shape), own)
    return seen / times.as_strided(tuple(shape), own, own_offset)


row(
    "as_strided_at(Tensor input, int[] size, int[] stride, int start, int[] own_stride, int own_offset, int room) -> Tensor",
    view=_as_strided, forms="", called="as_strided", node="AsStridedBackward0",
    grads={"input": lambda grad, input_shape, size, stride, start, own_stride, own_offset, room:
           _as_strided_grad(grad, input_shape, size, stride, start, own_stride, own_offset, room)},
    doc="Any layout of the storage, in elements; see Tensor.as_strided. The input's own layout and "
    "the storage's size are for the derivative.",
)  # fmt: skip

row("as_strided(Tensor input, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
    body=lambda input, size, stride, storage_offset=None:
        input.as_strided(size, stride, storage_offset), forms="fv",
    samples=lambda m: [((m(6), (2, 3), (3, 1)), {}), ((m(3, 3), (2, 2), (1, 2), 1), {})],
    doc="Any layout of the storage, in elements from its beginning.")  # fmt: skip


def diagonal_layout(
    shape: Ints, strides: Ints, offset: int, k: int, dim1: int, dim2: int
) -> Layout:
    """The k-th diagonal of two dimensions as the last one."""
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
    "diagonal(Tensor input, int offset=0, int dim1=0, int dim2=1) -> Tensor", view=diagonal_layout,
    grads={"input": lambda grad, input_shape, offset, dim1, dim2:
           put_back(grad, input_shape, diagonal_layout, offset, dim1, dim2)},
    samples=lambda m: [((m(3, 4),), {}), ((m(3, 4), 1), {}), ((m(2, 3, 4), -1, 2, 0), {})],
    doc="The diagonal of two dimensions as the last one.",
)  # fmt: skip


def _unfold(shape: Ints, strides: Ints, offset: int, dim: int, size: int, step: int) -> Layout:
    d = wrap_dim(dim, len(shape))
    have = shape[d] if shape else 1
    if size > have:
        raise RuntimeError(
            f"maximum size for tensor at dimension {d} is {have} but size is {size}"
        )
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    if not shape:
        return Layout((size,), (1,), offset)
    return Layout(
        (*shape[:d], (have - size) // step + 1, *shape[d + 1 :], size),
        (*strides[:d], strides[d] * step, *strides[d + 1 :], strides[d]),
        offset,
    )


row(
    "unfold(Tensor input, int dimension, int size, int step) -> Tensor", view=_unfold, forms="m",
    grads={"input": lambda grad, input_shape, dimension, size, step:
           put_back(grad, input_shape, _unfold, dimension, size, step)},
    samples=lambda m: [((m(7), 0, 3, 2), {}), ((m(2, 5), 1, 2, 1), {}), ((m(), 0, 1, 1), {})],
    doc="Windows of `size` every `step` along a dimension, as a last dimension.",
)  # fmt: skip


def _movedim(input: Any, source: Any, destination: Any) -> Any:
    """Dimensions `source` moved to the positions `destination`, the others in their order."""
    given = [(d,) if isinstance(d, int) else tuple(d) for d in (source, destination)]
    if len(given[0]) != len(given[1]):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(given[0])} dims) should "
            f"contain the same number of dims as destination ({list(given[1])} dims)"
        )
    n = input.ndim
    src, dst = [_distinct(n, dims, name) for dims, name in zip(given, ("source", "destination"))]
    if not n:
        return call.alias(input)
    order = [-1] * n
    for s, d in zip(src, dst, strict=True):
        order[d] = s
    rest = iter(i for i in range(n) if i not in src)
    return input.permute(tuple(next(rest) if o < 0 else o for o in order))


def _distinct(n: int, dims: Ints, name: str) -> Ints:
    found = tuple(wrap_dim(d, n) for d in dims)
    if len(set(found)) < len(found):
        raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(dims)})")
    return found


row("movedim(Tensor input, any source, any destination) -> Tensor", body=_movedim,
    alias=("moveaxis",), samples=lambda m: [((m(2, 3, 4), 0, 2), {}), ((m(2, 3), (0, 1), (1, 0)), {})],
    doc="Dimensions moved to other places.")  # fmt: skip
