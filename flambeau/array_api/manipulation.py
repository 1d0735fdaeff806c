"""Functions of the array API standard that rearrange arrays."""

from __future__ import annotations

from typing import Any

import flambeau as torch

from .dtypes import axes_of, promoted

__all__ = [
    "broadcast_arrays", "broadcast_to", "concat", "expand_dims", "flip", "moveaxis", "permute_dims",
    "repeat", "reshape", "roll", "squeeze", "stack", "take", "take_along_axis", "tile", "unstack",
]  # fmt: skip


def broadcast_arrays(*arrays: Any) -> tuple[torch.Tensor, ...]:
    """The arrays expanded to their common shape."""
    return tuple(torch.broadcast_tensors(*arrays)) if arrays else ()


def broadcast_to(x: Any, /, shape: tuple[int, ...]) -> torch.Tensor:
    """`x` expanded to a shape: a view. RuntimeError where it does not fit."""
    return torch.broadcast_to(x, tuple(shape))


def concat(arrays: Any, /, *, axis: int | None = 0) -> torch.Tensor:
    """The arrays one behind the other along an axis; flattened first where it is None."""
    parts = promoted(arrays)
    if axis is None:
        return torch.cat([x.reshape(-1) for x in parts])
    axes_of(parts[0], axis)
    shapes = [tuple(x.shape) for x in parts]
    if len({len(s) for s in shapes}) > 1:
        raise ValueError(f"concat(): the arrays must have equally many dimensions, got {shapes}")
    return torch.cat(parts, axis)


def stack(arrays: Any, /, *, axis: int = 0) -> torch.Tensor:
    """Arrays of one shape along a new axis."""
    return torch.stack(promoted(arrays), axis)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[torch.Tensor, ...]:
    """The parts along an axis, without it."""
    axes_of(x, axis)
    return tuple(torch.unbind(x, axis))


def expand_dims(x: Any, /, *, axis: int = 0) -> torch.Tensor:
    """`x` with a new axis of size one, at `axis` of the result."""
    if not -x.ndim - 1 <= axis <= x.ndim:
        raise IndexError(f"expand_dims(): axis {axis} is out of bounds for {x.ndim} dimensions")
    return torch.unsqueeze(x, axis)


def squeeze(x: Any, /, axis: int | tuple[int, ...]) -> torch.Tensor:
    """`x` without axes of size one. ValueError where one is of another size."""
    axes = axes_of(x, axis)
    for a in axes:
        if x.shape[a] != 1:
            raise ValueError(f"squeeze(): axis {a} has size {x.shape[a]}, not 1")
    return torch.squeeze(x, axes) if axes else torch.Tensor.view(x, tuple(x.shape))  # type: ignore[no-any-return]


def flip(x: Any, /, *, axis: int | tuple[int, ...] | None = None) -> torch.Tensor:
    """The elements in reverse order along axes (all)."""
    return torch.flip(x, axes_of(x, axis))


def moveaxis(
    x: Any, source: int | tuple[int, ...], destination: int | tuple[int, ...], /
) -> torch.Tensor:
    """`x` with axes at other positions."""
    return torch.moveaxis(x, source, destination)


def permute_dims(x: Any, /, axes: tuple[int, ...]) -> torch.Tensor:
    """`x` with its axes in another order."""
    return torch.permute(x, axes)


def reshape(x: Any, /, shape: tuple[int, ...], *, copy: bool | None = None) -> torch.Tensor:
    """The elements in another shape (one size may be -1). `copy` true: in memory of its own; false:
    ValueError where there is no such view."""
    if copy is False:
        try:
            return torch.Tensor.view(x, tuple(shape))  # type: ignore[no-any-return]
        except RuntimeError as error:
            raise ValueError(f"reshape(): not without a copy: {error}") from None
    return torch.reshape(torch.clone(x) if copy else x, tuple(shape))


def roll(
    x: Any, /, shift: int | tuple[int, ...], *, axis: int | tuple[int, ...] | None = None
) -> torch.Tensor:
    """The elements moved along axes, what falls off coming in at the other end; without axes along
    the flattened array."""
    if isinstance(axis, int) and isinstance(shift, tuple):
        axis = (axis,) * len(shift)
    if isinstance(axis, tuple) and isinstance(shift, int):
        shift = (shift,) * len(axis)
    if axis is None:
        total = sum(shift) if isinstance(shift, tuple) else shift
        return torch.roll(x.reshape(-1), total).reshape(x.shape)  # type: ignore[no-any-return]
    return torch.roll(x, shift, axis)


def repeat(x: Any, repeats: Any, /, *, axis: int | None = None) -> torch.Tensor:
    """Each element (or part along an axis) as often as `repeats` says: one number or one for
    each."""
    if not isinstance(x, torch.Tensor):
        raise TypeError(f"repeat(): argument 'x' must be Tensor, not {type(x).__name__}")
    if axis is None:
        x, axis = x.reshape(-1), 0
    if isinstance(repeats, torch.Tensor):
        counts = repeats.to(torch.int64)
        repeats = counts if counts.ndim else int(counts)
    return torch.repeat_interleave(x, repeats, dim=axis)


def tile(x: Any, repetitions: tuple[int, ...], /) -> torch.Tensor:
    """Copies of `x` side by side along each axis."""
    return torch.tile(x, tuple(repetitions))


def take(x: Any, indices: Any, /, *, axis: int | None = None) -> torch.Tensor:
    """The parts at `indices` (one-dimensional) along an axis, which a vector need not name."""
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"take(): axis is required for an array of {x.ndim} dimensions")
        axis = 0
    (axis,) = axes_of(x, axis)
    at = indices.to(torch.int64).reshape(-1)
    at = torch.where(at < 0, at + x.shape[axis], at)
    found = torch.index_select(x, axis, at)
    if indices.ndim == 1:
        return found
    return found.reshape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))  # type: ignore[no-any-return]


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> torch.Tensor:
    """Elements of `x`, picked along an axis by as many indices for each row; the other axes
    broadcast."""
    (axis,) = axes_of(x, axis)
    at = indices.to(torch.int64)
    at = torch.where(at < 0, at + x.shape[axis], at)
    others = torch.broadcast_shapes(
        (*x.shape[:axis], 1, *x.shape[axis + 1 :]), (*at.shape[:axis], 1, *at.shape[axis + 1 :])
    )
    full = [(*others[:axis], n, *others[axis + 1 :]) for n in (x.shape[axis], at.shape[axis])]
    return torch.gather(torch.broadcast_to(x, full[0]), axis, torch.broadcast_to(at, full[1]))
