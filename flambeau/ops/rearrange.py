"""Elements in other places: flips, rolls, turns, repeats."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtypes, layout
from ..core.aval import Aval
from .lowering import moves as low
from .table import Spec, call, row


def _flip_rule(x: Aval, dims: Any) -> Spec:
    layout.wrap_dims(dims, x.ndim)
    return Spec(x)


row(
    "flip(Tensor input, int* dims) -> Tensor", rule=_flip_rule, moves=True,
    numpy=lambda x, dims: np.flip(x, dims) if x.ndim else x,
    lower=low.flip,
    grads={"input": lambda grad, dims: grad.flip(dims)},
    samples=lambda m: [((m(3), 0), {}), ((m(2, 3), (0, 1)), {}), ((m(2, 3), -1), {}), ((m(), ()), {})],
    doc="Dimensions in reverse.",
)  # fmt: skip


def _fliplr(input: Any) -> Any:
    """Columns reversed."""
    if input.ndim < 2:
        raise RuntimeError(f"fliplr(): Input must be >= 2-d, got shape {list(input.shape)}.")
    return input.flip(1)


def _flipud(input: Any) -> Any:
    """Rows reversed."""
    if input.ndim < 1:
        raise RuntimeError("flipud(): Input must be >= 1-d, got a 0-d tensor.")
    return input.flip(0)


row("fliplr(Tensor input) -> Tensor", body=_fliplr, samples=lambda m: [((m(2, 3),), {})],
    doc="See body.")  # fmt: skip
row("flipud(Tensor input) -> Tensor", body=_flipud, samples=lambda m: [((m(2, 3),), {})],
    doc="See body.")  # fmt: skip


def _roll_rule(x: Aval, shifts: Any, dims: Any) -> Spec:
    if not shifts:
        raise RuntimeError("`shifts` required")
    if len(shifts) != len(dims) and (dims or len(shifts) > 1):
        raise RuntimeError(
            f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}"
        )
    if dims and not x.ndim:
        raise IndexError(f"Dimension specified as {dims[0]} but tensor has no dimensions")
    for d in dims:
        layout.wrap_dim(d, x.ndim)
    return Spec(x)


row(
    "roll(Tensor input, int[] shifts, int[] dims=()) -> Tensor", rule=_roll_rule, moves=True,
    numpy=lambda x, shifts, dims: np.roll(x, shifts, dims) if dims and x.ndim else np.roll(x, shifts[0]),
    lower=low.roll,
    grads={"input": lambda grad, shifts, dims: grad.roll(tuple(-s for s in shifts), dims)},
    samples=lambda m: [((m(4), 1), {}), ((m(2, 3), (1, -1), (0, 1)), {}), ((m(2, 3), 2), {}), ((m(), 1), {})],
    doc="Elements moved round along dimensions, or in the flattened input.",
)  # fmt: skip


def _rot90_rule(x: Aval, k: int, dims: Any) -> Spec:
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if x.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {x.ndim}")
    a, b = (layout.wrap_dim(d, x.ndim) for d in dims)
    if a == b:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}"
        )
    shape = list(x.shape)
    if k % 2:
        shape[a], shape[b] = shape[b], shape[a]
    return Spec(x.with_shape(tuple(shape)))


row(
    "rot90(Tensor input, int k=1, int[] dims=(0, 1)) -> Tensor", rule=_rot90_rule, moves=True,
    numpy=lambda x, k, dims: np.rot90(x, k, dims), node="Rot90Backward0",
    lower=low.rot90,
    grads={"input": lambda grad, k, dims: grad.rot90(-k, dims)},
    samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 3), {}), ((m(2, 3, 2), 2, (1, -1)), {})],
    doc="Turned by 90 degrees k times in the plane of two dimensions.",
)  # fmt: skip


def _repeat_rule(x: Aval, repeats: Any) -> Spec:
    if len(repeats) < x.ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
            f"tensor: got {list(repeats)} for shape {list(x.shape)}"
        )
    if any(t < 0 for t in repeats):
        raise RuntimeError(
            f"Trying to create tensor with negative dimension: repeats {list(repeats)}"
        )
    full = (1,) * (len(repeats) - x.ndim) + tuple(x.shape)
    return Spec(x.with_shape(tuple(t * s for t, s in zip(repeats, full, strict=True))))


def _repeat_grad(grad: Any, shape: Any, repeats: Any) -> Any:
    """The sum over all copies."""
    lead = len(repeats) - len(shape)
    split: list[int] = []
    for t, s in zip(repeats, (1,) * lead + tuple(shape), strict=True):
        split += [t, s]
    if not split:
        return grad
    return grad.reshape(tuple(split)).sum(tuple(range(0, len(split), 2))).reshape(tuple(shape))


row(
    "repeat(Tensor input, int* repeats) -> Tensor", rule=_repeat_rule, moves=True, forms="m",
    numpy=np.tile,
    lower=low.repeat,
    grads={"input": lambda grad, input_shape, repeats: _repeat_grad(grad, input_shape, repeats)},
    samples=lambda m: [((m(3), 2), {}), ((m(2, 1), 2, 1, 3), {}), ((m(), 2), {}), ((m(2, 3), 0, 2), {}), ((m(), ()), {})],
    doc="The tensor repeated along each dimension; leading counts make new dimensions.",
)  # fmt: skip


def _tile(input: Any, *dims: Any) -> Any:
    """repeat() with missing leading counts taken as one."""
    times = tuple(dims[0]) if len(dims) == 1 and not isinstance(dims[0], int) else dims
    return input.repeat((1,) * (input.ndim - len(times)) + tuple(times))


row("tile(Tensor input, int* dims) -> Tensor", body=_tile,
    samples=lambda m: [((m(2, 3), 2), {}), ((m(2), (2, 1)), {})], doc="See body.")  # fmt: skip


def _repeat_interleave(
    input: Any, repeats: Any = None, dim: Any = None, *, output_size: Any = None
) -> Any:
    """Each element (or each index of a dimension) repeated in its place, all equally often or
    each as a tensor says. With the counts alone: the places 0, 1, ... repeated that often."""
    if repeats is None:
        return _places(input, input.numel())
    x = input.reshape(-1) if dim is None else input
    d = 0 if dim is None else layout.wrap_dim(dim, input.ndim)
    if not x.ndim:
        raise IndexError("repeat_interleave(): a 0-d tensor has no dimension to repeat along")
    if not hasattr(repeats, "numel"):
        return _repeated_equally(x, _count(repeats), d)
    n = x.shape[d]
    if repeats.ndim > 1 or repeats.numel() not in (1, n):
        raise RuntimeError(
            "repeats must have the same size as input along dim, but got repeats.size(0) = "
            f"{repeats.numel()} and input.size({d}) = {n}"
        )
    return x.index_select(d, _places(repeats, n))


def _count(repeats: Any) -> int:
    try:
        times = int(repeats.__index__())
    except AttributeError:
        raise TypeError(
            "repeat_interleave(): argument 'repeats' must be int or Tensor, "
            f"not {type(repeats).__name__}"
        ) from None
    if times < 0:
        raise RuntimeError(f"repeats can not be negative, got {times}")
    return times


def _repeated_equally(x: Any, times: int, d: int) -> Any:
    shape = tuple(x.shape)
    wide = x.unsqueeze(d + 1).expand((*shape[: d + 1], times, *shape[d + 1 :]))
    return call.reshape_view(wide.clone(), (*shape[:d], shape[d] * times, *shape[d + 1 :]))


def _places(repeats: Any, n: int) -> Any:
    """Indices from 0 to n, each as often as `repeats` says."""
    if repeats.dtype not in (dtypes.int64, dtypes.int32):
        raise NotImplementedError(
            f"repeat_interleave(): repeats has to be int64 or int32, got {repeats.dtype}"
        )
    if repeats.ndim > 1:
        raise RuntimeError(f"repeat_interleave only accepts 1D vector as repeat, got {repeats.ndim}D")
    counts = call.observe(repeats, "repeat_interleave: the result's size depends on data")
    if (counts < 0).any():
        raise RuntimeError("repeats can not be negative")
    index = np.repeat(np.arange(n), np.broadcast_to(counts.reshape(-1), n))
    return call.tensor_of(index.astype(np.int64), dtypes.int64)


row("repeat_interleave(Tensor input, any repeats, int? dim=None) -> Tensor",
    body=_repeat_interleave,
    samples=lambda m: [((m(3), 2), {}), ((m(2, 3), 2, 1), {}), ((m(2, 2), call.tensor([2, 1]), 0), {})],
    doc="See body.")  # fmt: skip


def _unravel_index(indices: Any, shape: Any) -> tuple[Any, ...]:
    """Places in a flattened tensor as places in each dimension of `shape`."""
    if indices.dtype.is_floating_point or indices.is_complex() or indices.dtype is dtypes.bool_:
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    for s in sizes:
        if not isinstance(s, int):
            raise TypeError(f"expected 'shape' to be int or sequence of ints, but found {type(s)}")
        if s < 0:
            raise ValueError(f"'shape' cannot have negative values, but got {sizes}")
    wide = indices.to(dtypes.int64)
    return tuple((wide // math.prod(sizes[i + 1 :])) % s for i, s in enumerate(sizes))


row("unravel_index(Tensor indices, any shape) -> Tensors", body=_unravel_index, forms="f",
    samples=lambda m: [((m.int(3), (2, 5)), {})], doc="See body.")  # fmt: skip
