"""Pooling: maximum, average, power average, adaptive, and the inverse of the maximum."""

from __future__ import annotations

from typing import Any

import flambeau as torch

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]

Tensor = torch.Tensor
Ints = Any  # int or tuple of ints
_nn = torch._nn


def max_pool1d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest of each window of (N, C, L), and with `return_indices` where it was."""
    if return_indices:
        return max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    if stride is None:
        stride = kernel_size
    return torch.max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool1d` and the index along L of each maximum."""
    if stride is None:
        stride = kernel_size
    return _nn.max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)


def _one(value: Ints) -> int:
    return value if isinstance(value, int) else value[0]


def max_pool2d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest of each window of (N, C, H, W), and with `return_indices` where it was."""
    if return_indices:
        return max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    if stride is None:
        stride = kernel_size
    return torch.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest of each window of (N, C, D, H, W), and with `return_indices` where it was."""
    if return_indices:
        return max_pool3d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    if stride is None:
        stride = kernel_size
    return torch.max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool2d` and the index into the flattened (H, W) of each maximum."""
    if stride is None:
        stride = kernel_size
    return _nn.max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool3d` and the index into the flattened (D, H, W) of each maximum."""
    if stride is None:
        stride = kernel_size
    return _nn.max_pool3d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)


def avg_pool1d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of (N, C, L)."""
    if stride is None:
        stride = kernel_size
    return torch.avg_pool1d(input, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The mean of each window of (N, C, H, W), or its sum over `divisor_override`."""
    if stride is None:
        stride = kernel_size
    return _nn.avg_pool2d(
        input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, out=out
    )


def avg_pool3d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The mean of each window of (N, C, D, H, W), or its sum over `divisor_override`."""
    if stride is None:
        stride = kernel_size
    return _nn.avg_pool3d(
        input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, out=out
    )


def lp_pool1d(
    input: Tensor,
    norm_type: float,
    kernel_size: int,
    stride: Ints = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The p-norm of each window of (N, C, L)."""
    total = avg_pool1d(input.pow(norm_type), kernel_size, stride, 0, ceil_mode) * _one(kernel_size)
    return _root(total, norm_type)


def lp_pool2d(
    input: Tensor,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The p-norm of each window of (N, C, H, W)."""
    height, width = _several(kernel_size, 2)
    mean = avg_pool2d(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    return _root(mean * (height * width), norm_type)


def lp_pool3d(
    input: Tensor,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The p-norm of each window of (N, C, D, H, W)."""
    depth, height, width = _several(kernel_size, 3)
    mean = avg_pool3d(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    return _root(mean * (depth * height * width), norm_type)


def _root(total: Tensor, norm_type: float) -> Tensor:
    # An odd power may leave a negative sum, which has no real root and counts as zero.
    return (torch.sign(total) * torch.relu(torch.abs(total))).pow(1.0 / norm_type)


def _several(value: Ints, n: int) -> tuple[int, ...]:
    return (value,) * n if isinstance(value, int) else tuple(value)


def adaptive_max_pool1d(input: Tensor, output_size: Ints, return_indices: bool = False) -> Any:
    """The largest of each of `output_size` windows that cover L evenly."""
    values, indices = adaptive_max_pool1d_with_indices(input, output_size)
    return (values, indices) if return_indices else values


def adaptive_max_pool1d_with_indices(
    input: Tensor, output_size: Ints, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool1d` and the index along L of each maximum."""
    values, indices = _nn.adaptive_max_pool1d(input, output_size)
    return values, indices


def adaptive_max_pool2d(input: Tensor, output_size: Ints, return_indices: bool = False) -> Any:
    """The largest of each of (h, w) windows that cover (H, W) evenly."""
    values, indices = adaptive_max_pool2d_with_indices(input, output_size)
    return (values, indices) if return_indices else values


def adaptive_max_pool3d(input: Tensor, output_size: Ints, return_indices: bool = False) -> Any:
    """The largest of each of (d, h, w) windows that cover (D, H, W) evenly."""
    values, indices = adaptive_max_pool3d_with_indices(input, output_size)
    return (values, indices) if return_indices else values


def adaptive_max_pool2d_with_indices(
    input: Tensor, output_size: Ints, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool2d` and the index into the flattened (H, W) of each maximum."""
    values, indices = _nn.adaptive_max_pool2d(input, _filled("adaptive_max_pool2d", output_size, input))
    return values, indices


def adaptive_max_pool3d_with_indices(
    input: Tensor, output_size: Ints, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool3d` and the index into the flattened (D, H, W) of each maximum."""
    values, indices = _nn.adaptive_max_pool3d(input, _filled("adaptive_max_pool3d", output_size, input, 3))
    return values, indices


def adaptive_avg_pool1d(input: Tensor, output_size: Ints) -> Tensor:
    """The mean of each of `output_size` windows that cover L evenly."""
    return torch.adaptive_avg_pool1d(input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Ints) -> Tensor:
    """The mean of each of (h, w) windows that cover (H, W) evenly. None keeps a size."""
    return _nn.adaptive_avg_pool2d(input, _filled("adaptive_avg_pool2d", output_size, input))


def adaptive_avg_pool3d(input: Tensor, output_size: Ints) -> Tensor:
    """The mean of each of (d, h, w) windows that cover (D, H, W) evenly. None keeps a size."""
    return _nn.adaptive_avg_pool3d(input, _filled("adaptive_avg_pool3d", output_size, input, 3))


def _filled(name: str, output_size: Ints, input: Tensor, spatial: int = 2) -> Ints:
    """`output_size` with the input's own where there is None."""
    if output_size is None or isinstance(output_size, int):
        output_size = (output_size,) * spatial
    elif input.dim() <= len(output_size):
        raise ValueError(
            f"{name}(): Input dimension should be at least {len(output_size) + 1}, got "
            f"{input.dim()} for output_size {tuple(output_size)}"
        )
    if None not in output_size:
        return output_size
    own = input.shape[-len(output_size) :]
    return tuple(n if want is None else want for want, n in zip(output_size, own, strict=True))


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Ints = None,
    padding: Ints = 0,
    output_size: Any = None,
) -> Tensor:
    """Put the maxima of `max_pool1d` back at their places among zeros."""
    kernel, step, pad = _one(kernel_size), _one(stride or kernel_size), _one(padding)
    size = _unpooled(input.shape[-1:], (kernel,), (step,), (pad,), output_size)
    lines, places = input.unsqueeze(-2), indices.unsqueeze(-2)
    return _nn.max_unpool2d(lines, places, (1, *size)).squeeze(-2)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Ints = None,
    padding: Ints = 0,
    output_size: Any = None,
) -> Tensor:
    """Put the maxima of `max_pool2d` back at their places among zeros."""
    kernel, step, pad = (
        _several(kernel_size, 2),
        _several(stride or kernel_size, 2),
        _several(padding, 2),
    )
    size = _unpooled(input.shape[-2:], kernel, step, pad, output_size)
    return _nn.max_unpool2d(input, indices, size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Ints = None,
    padding: Ints = 0,
    output_size: Any = None,
) -> Tensor:
    """Put the maxima of `max_pool3d` back at their places among zeros."""
    kernel, step, pad = (
        _several(kernel_size, 3),
        _several(stride or kernel_size, 3),
        _several(padding, 3),
    )
    size = _unpooled(input.shape[-3:], kernel, step, pad, output_size)
    return _nn.max_unpool3d(input, indices, size)


def _unpooled(
    size: Any,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    output_size: Any,
) -> tuple[int, ...]:
    """The size before the pooling: the smallest one, or `output_size` if that is possible."""
    default = tuple(
        (n - 1) * s + k - 2 * p for n, k, s, p in zip(size, kernel, stride, padding, strict=True)
    )
    if output_size is None:
        return default
    count = len(default)
    wanted = tuple(output_size)[-count:] if len(output_size) == count + 2 else tuple(output_size)
    if len(wanted) != count:
        raise ValueError(
            f"output_size should be a sequence containing {count} or {count + 2} elements, but it "
            f"has a length of '{len(output_size)}'"
        )
    for want, n, s in zip(wanted, default, stride, strict=True):
        if not n - s < want < n + s:
            raise ValueError(
                f'invalid output_size "{wanted}" (each dimension must lie less than the stride '
                f"{stride} from {default})"
            )
    return wanted
