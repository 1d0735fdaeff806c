"""A batch norm in evaluation folded into the layer before it: one layer that computes the same."""

from __future__ import annotations

import copy
from typing import Any

import flambeau as torch

from ..parameter import Parameter

__all__ = [
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
]

Tensor = torch.Tensor


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A convolution that computes `bn(conv(x))`; both must be in evaluation mode."""
    _check_modes(conv, bn)
    fused = copy.deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, *_statistics(bn), transpose=transpose
    )
    return fused


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a convolution and a batch norm in one.

    The norm is (y - mean) s + b with s = weight / sqrt(var + eps), so it scales the outputs'
    slices of the weight by s, and moves the bias. `transpose` says that the outputs are the
    weight's second dimension.
    """
    scale, shift = _scale_and_shift(conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)
    shape = [1] * conv_w.dim()
    shape[1 if transpose else 0] = -1
    return _parameters(conv_w, conv_b, conv_w * scale.reshape(shape), shift)


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """A linear layer that computes `bn(linear(x))`; both must be in evaluation mode.

    Raises `AssertionError` unless the norm has as many features as the layer's output, or one.
    """
    _check_modes(linear, bn)
    fused = copy.deepcopy(linear)
    if linear.out_features != bn.num_features and bn.num_features != 1:
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1: got "
            f"{linear.out_features} and {bn.num_features}"
        )
    fused.weight, fused.bias = fuse_linear_bn_weights(fused.weight, fused.bias, *_statistics(bn))
    return fused


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor,
    bn_b: Tensor,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a linear layer and a batch norm in one."""
    scale, shift = _scale_and_shift(linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)
    return _parameters(linear_w, linear_b, linear_w * scale.unsqueeze(-1), shift)


def _check_modes(layer: Any, bn: Any) -> None:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval! Call .eval() on both first")


def _statistics(bn: Any) -> tuple[Any, Any, float, Any, Any]:
    if bn.running_mean is None or bn.running_var is None:
        raise ValueError("Expected bn.running_mean and bn.running_var to be set, not None")
    return bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias


def _scale_and_shift(
    bias: Any, mean: Tensor, var: Tensor, eps: float, weight: Any, shift: Any
) -> tuple[Tensor, Tensor]:
    scale = torch.rsqrt(var + eps) * (torch.ones_like(mean) if weight is None else weight)
    moved = -mean if bias is None else bias - mean
    return scale, moved * scale + (torch.zeros_like(mean) if shift is None else shift)


def _parameters(
    weight: Tensor, bias: Any, new_weight: Tensor, new_bias: Tensor
) -> tuple[Parameter, Parameter]:
    dtype = weight.dtype if bias is None else bias.dtype
    trained = bias is not None and bias.requires_grad
    return (
        Parameter(new_weight.to(weight.dtype).detach(), weight.requires_grad),
        Parameter(new_bias.to(dtype).detach(), trained),
    )
