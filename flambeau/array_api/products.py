"""Products of the array API standard."""

from __future__ import annotations

from typing import Any

import flambeau as torch

from .dtypes import axes_of, promoted

__all__ = ["matmul", "matrix_transpose", "tensordot", "vecdot"]


def matmul(x1: Any, x2: Any, /) -> torch.Tensor:
    """Matrix products; a vector is a row on the left, a column on the right. RuntimeError where the
    shapes do not fit."""
    return torch.matmul(*promoted((x1, x2)))


def matrix_transpose(x: Any, /) -> torch.Tensor:
    """The last two axes exchanged. ValueError for fewer than two."""
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose(): expected at least 2 dimensions, got {x.ndim}")
    return torch.transpose(x, -2, -1)


def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> torch.Tensor:
    """Sums of products over axes: that many last ones of x1 and first ones of x2, or two sequences
    of axes."""
    dims = axes if isinstance(axes, int) else [list(a) for a in axes]
    return torch.tensordot(*promoted((x1, x2)), dims=dims)


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> torch.Tensor:
    """Dot products along an axis, x1 conjugated; the other axes broadcast."""
    a, b = promoted((x1, x2))
    for x in (a, b):
        axes_of(x, axis)
    if a.shape[axis] != b.shape[axis]:
        raise ValueError(
            f"vecdot(): axis {axis} has size {a.shape[axis]} in one array, {b.shape[axis]} in the other"
        )
    left, right = torch.broadcast_tensors(torch.moveaxis(a, axis, -1), torch.moveaxis(b, axis, -1))
    product = torch.mul(torch.conj(left), right)
    return torch.sum(product, -1, dtype=product.dtype)
