"""Fractional max pooling: a maximum over windows whose places are drawn."""

from __future__ import annotations

from typing import Any

import flambeau as torch

__all__ = [
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
]

Tensor = torch.Tensor
Ints = Any  # int or tuple of ints


def fractional_max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Ints,
    output_size: Ints = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`fractional_max_pool2d` and the index into the flattened (H, W) of each maximum."""
    return _pool(2, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Ints,
    output_size: Ints = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`fractional_max_pool3d` and the index into the flattened (D, H, W) of each maximum."""
    return _pool(3, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Ints,
    output_size: Ints = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest of windows of (N, C, H, W) whose starts are drawn, so that the result has any
    size up to the input's (Graham, "Fractional Max-Pooling", 2014).

    `output_size` or `output_ratio` (of the input's size) is needed: `ValueError` without.
    `_random_samples` (N, C, 2), numbers in [0, 1), replace what is drawn.
    """
    values, indices = _pool(2, input, kernel_size, output_size, output_ratio, _random_samples)
    return (values, indices) if return_indices else values


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Ints,
    output_size: Ints = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """`fractional_max_pool2d` with (N, C, D, H, W); `_random_samples` is (N, C, 3)."""
    values, indices = _pool(3, input, kernel_size, output_size, output_ratio, _random_samples)
    return (values, indices) if return_indices else values


def _pool(
    n: int, input: Tensor, kernel_size: Ints, output_size: Ints, output_ratio: Any, samples: Any
) -> Any:
    name = f"fractional_max_pool{n}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    if output_size is None:
        ratios = _repeated(output_ratio, n, name, "output_ratio")
        sizes = input.shape[input.dim() - n :]
        output_size = tuple(int(size * r) for size, r in zip(sizes, ratios, strict=True))
    if samples is None:
        batch = 1 if input.dim() == n + 1 else input.size(0)
        shape = (batch, input.size(-n - 1), n)
        samples = torch.rand(shape, dtype=input.dtype, device=input.device)
    return getattr(torch._nn, name)(
        input,
        _repeated(kernel_size, n, name, "kernel_size"),
        _repeated(output_size, n, name, "output_size"),
        samples,
    )


def _repeated(value: Any, n: int, name: str, what: str) -> tuple[Any, ...]:
    found = tuple(value) if hasattr(value, "__iter__") else (value,) * n
    if len(found) != n:
        raise RuntimeError(f"{name}: {what} must be one number or {n}, but got {len(found)}")
    return found
