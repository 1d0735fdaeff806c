"""Normalisation: by batch, instance, group, layer, root mean square, neighbours and norm."""

from __future__ import annotations

from typing import Any

import flambeau as torch

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "normalize",
    "rms_norm",
]

Tensor = torch.Tensor


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, by channel (dimension 1).

    In training the statistics are the batch's own, and move the running ones by `momentum`;
    otherwise they are the running ones. Raises `ValueError` in training if there is only one
    value a channel.
    """
    if training:
        _check_values_per_channel(input)
    if eps < 0 or training and eps == 0:
        wanted = "positive during training" if training else "non-negative"
        raise ValueError(f"batch_norm(): eps must be {wanted}, but got {eps}")
    return torch.batch_norm(
        input, weight, bias, running_mean, running_var, training, momentum, eps, True
    )


def _check_values_per_channel(input: Tensor) -> None:
    shape = input.shape
    count = shape[0] if len(shape) else 1
    for n in shape[2:]:
        count *= n
    if count == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {shape}"
        )


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`batch_norm` with the statistics of each sample by itself."""
    if use_input_stats:
        count = 1
        for n in input.shape[2:]:
            count *= n
        if count == 1:
            raise ValueError(
                f"Expected more than 1 spatial element when training, got input size {input.shape}"
            )
    return torch.instance_norm(
        input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, True
    )


def layer_norm(
    input: Tensor,
    normalized_shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias over the last dimensions."""
    return torch.layer_norm(input, normalized_shape, weight, bias, eps)


def rms_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """x / sqrt(mean(x²) + eps) * weight over the last dimensions (Zhang and Sennrich, 2019).

    `eps` is the dtype's own by default.
    """
    return torch.rms_norm(input, normalized_shape, weight, eps)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """`layer_norm` over groups of channels (Wu and He, 2018)."""
    if input.dim() < 2:
        raise RuntimeError(
            f"Expected at least 2 dimensions for input tensor but received {input.dim()}"
        )
    _check_values_per_group(input, num_groups)
    return torch.group_norm(input, num_groups, weight, bias, eps, True)


def _check_values_per_group(input: Tensor, num_groups: int) -> None:
    count = input.shape[0] * input.shape[1] // max(num_groups, 1)
    for n in input.shape[2:]:
        count *= n
    if count == 1:
        raise ValueError(
            "Expected more than 1 value per channel when training, got input size "
            f"{list(input.shape)}"
        )


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """x / (k + alpha * mean of x² over `size` neighbour channels) ** beta (AlexNet, 2012)."""
    dim = input.dim()
    if dim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {dim} dimensions)")
    if input.numel() == 0:
        return input
    squares = (input * input).reshape(input.size(0), 1, input.size(1), -1)
    padded = torch._nn.pad(squares, (0, 0, size // 2, (size - 1) // 2), "constant", 0)
    mean = torch._nn.avg_pool2d(padded, (size, 1), (1, 1), 0, False, True, None)
    return input / (mean.reshape(input.shape) * alpha + k).pow(beta)


def normalize(
    input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """x / max(p-norm along `dim`, eps)."""
    norm = input.norm(p, dim, keepdim=True).clamp_min(eps)
    if out is None:
        return input / norm
    return torch.div(input, norm, out=out)
