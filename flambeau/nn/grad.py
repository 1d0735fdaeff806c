"""The gradients of convolutions as functions of their own."""

from __future__ import annotations

from typing import Any

import flambeau as torch

from . import functional as F

__all__ = [
    "conv1d_input",
    "conv1d_weight",
    "conv2d_input",
    "conv2d_weight",
    "conv3d_input",
    "conv3d_weight",
]

Tensor = torch.Tensor
Ints = Any  # int or tuple of ints


def _gradient(
    n: int, of: int, input: Tensor, weight: Tensor, grad_output: Tensor, settings: tuple[Any, ...]
) -> Tensor:
    """The convolution is linear in each argument: its gradient does not depend on the value of
    the one that it is taken for."""
    operands = [input.detach(), weight.detach()]
    operands[of] = operands[of].requires_grad_()
    convolve: Any = (F.conv1d, F.conv2d, F.conv3d)[n - 1]
    stride, padding, dilation, groups = settings
    with torch.enable_grad():
        out = convolve(*operands, None, stride, padding, dilation, groups)
    (found,) = torch.autograd.grad(out, operands[of], grad_output)
    return found


def _of_input(n: int) -> Any:
    def gradient(
        input_size: Any, weight: Tensor, grad_output: Tensor, stride: Ints = 1, padding: Ints = 0,
        dilation: Ints = 1, groups: int = 1,
    ) -> Tensor:  # fmt: skip
        settings = (stride, padding, dilation, groups)
        input = grad_output.new_zeros(1).expand(tuple(input_size))
        return _gradient(n, 0, input, weight, grad_output, settings)

    gradient.__name__ = gradient.__qualname__ = f"conv{n}d_input"
    gradient.__doc__ = f"The gradient of `conv{n}d` for an input of size `input_size`."
    return gradient


def _of_weight(n: int) -> Any:
    def gradient(
        input: Tensor, weight_size: Any, grad_output: Tensor, stride: Ints = 1, padding: Ints = 0,
        dilation: Ints = 1, groups: int = 1,
    ) -> Tensor:  # fmt: skip
        settings = (stride, padding, dilation, groups)
        weight = grad_output.new_zeros(1).expand(tuple(weight_size))
        return _gradient(n, 1, input, weight, grad_output, settings)

    gradient.__name__ = gradient.__qualname__ = f"conv{n}d_weight"
    gradient.__doc__ = f"The gradient of `conv{n}d` for a weight of size `weight_size`."
    return gradient


conv1d_input, conv2d_input, conv3d_input = (_of_input(n) for n in (1, 2, 3))
conv1d_weight, conv2d_weight, conv3d_weight = (_of_weight(n) for n in (1, 2, 3))
