"""MaxViT (Tu et al., "MaxViT: Multi-Axis Vision Transformer", ECCV 2022)."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import flambeau as torch
from flambeau import nn
from flambeau.nn import functional as F

from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ..ops.stochastic_depth import StochasticDepth
from ._api import build, choose, register_model
from ._init import fill
from ._swin_attention import relative_position_index
from ._utils import _ovewrite_named_param
from ._weights import weights_enum

__all__ = ["MaxVit", "MaxVit_T_Weights", "maxvit_t"]

MaxVit_T_Weights = weights_enum("MaxVit_T", __name__)

_Make = Callable[..., nn.Module]


def _halved(size: tuple[int, int]) -> tuple[int, int]:
    """What a 3x3 convolution of stride 2 makes of a size."""
    return (size[0] - 1) // 2 + 1, (size[1] - 1) // 2 + 1


class MBConv(nn.Module):
    """Expansion, a convolution channel by channel, excitation and projection, with a shortcut."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expansion_ratio: float,
        squeeze_ratio: float,
        stride: int,
        activation_layer: _Make,
        norm_layer: _Make,
        p_stochastic_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.proj: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            pool = [nn.AvgPool2d(kernel_size=3, stride=2, padding=1)] if stride == 2 else []
            self.proj = nn.Sequential(*pool, nn.Conv2d(in_channels, out_channels, 1, bias=True))
        middle = int(out_channels * expansion_ratio)
        self.stochastic_depth: nn.Module = nn.Identity()
        if p_stochastic_dropout:
            self.stochastic_depth = StochasticDepth(p_stochastic_dropout, mode="row")
        conv = partial(
            Conv2dNormActivation,
            activation_layer=activation_layer,
            norm_layer=norm_layer,
            inplace=None,
        )
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["pre_norm"] = norm_layer(in_channels)
        layers["conv_a"] = conv(in_channels, middle, kernel_size=1, stride=1, padding=0)
        layers["conv_b"] = conv(
            middle, middle, kernel_size=3, stride=stride, padding=1, groups=middle
        )
        layers["squeeze_excitation"] = SqueezeExcitation(
            middle, int(out_channels * squeeze_ratio), activation=nn.SiLU
        )
        layers["conv_c"] = nn.Conv2d(middle, out_channels, kernel_size=1, bias=True)
        self.layers = nn.Sequential(layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H / stride, W / stride)."""
        return self.proj(x) + self.stochastic_depth(self.layers(x))


class RelativePositionalMultiHeadAttention(nn.Module):
    """Attention with a learned bias for every offset between two pixels of a square.

    Args:
        feat_dim: channels.
        head_dim: channels of a head.
        max_seq_len: pixels of the square.

    Raises:
        ValueError: `feat_dim` is no multiple of `head_dim`.
    """

    relative_position_index: torch.Tensor

    def __init__(self, feat_dim: int, head_dim: int, max_seq_len: int) -> None:
        super().__init__()
        if feat_dim % head_dim != 0:
            raise ValueError(f"feat_dim: {feat_dim} must be divisible by head_dim: {head_dim}")
        self.n_heads = feat_dim // head_dim
        self.head_dim = head_dim
        self.size = math.isqrt(max_seq_len)
        self.max_seq_len = max_seq_len
        self.to_qkv = nn.Linear(feat_dim, feat_dim * 3)
        self.scale_factor = feat_dim**-0.5
        self.merge = nn.Linear(feat_dim, feat_dim)
        offsets = (2 * self.size - 1) ** 2
        self.relative_position_bias_table = nn.Parameter(torch.empty((offsets, self.n_heads)))
        index = relative_position_index(self.size, self.size)
        self.register_buffer("relative_position_index", index)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def get_relative_positional_bias(self) -> torch.Tensor:
        """Returns the biases (1, heads, pixels, pixels)."""
        table = self.relative_position_bias_table[self.relative_position_index.view(-1)]
        bias = table.view(self.max_seq_len, self.max_seq_len, -1).permute(2, 0, 1)
        return bias.contiguous().unsqueeze(0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Takes and returns (N, squares, pixels, feat_dim)."""
        batch, squares, pixels, channels = x.shape
        query, key, value = (
            part.reshape(batch, squares, pixels, self.n_heads, self.head_dim).transpose(2, 3)
            for part in torch.chunk(self.to_qkv(x), 3, dim=-1)
        )
        scores = query @ (key * self.scale_factor).transpose(-2, -1)
        attention = F.softmax(scores + self.get_relative_positional_bias(), dim=-1)
        out = (attention @ value).transpose(2, 3).reshape(batch, squares, pixels, channels)
        return self.merge(out)


class SwapAxes(nn.Module):
    """Swaps two dimensions."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.a = a
        self.b = b

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns `x` with the dimensions swapped."""
        return torch.swapaxes(x, self.a, self.b)


class WindowPartition(nn.Module):
    """Cuts pictures into squares."""

    def forward(self, x: torch.Tensor, p: int) -> torch.Tensor:
        """(N, C, H, W) to (N, squares, p * p, C), the squares p high and wide."""
        batch, channels, height, width = x.shape
        x = x.reshape(batch, channels, height // p, p, width // p, p).permute(0, 2, 4, 3, 5, 1)
        return x.reshape(batch, (height // p) * (width // p), p * p, channels)


class WindowDepartition(nn.Module):
    """The way back from `WindowPartition`."""

    def forward(
        self, x: torch.Tensor, p: int, h_partitions: int, w_partitions: int
    ) -> torch.Tensor:
        """(N, squares, p * p, C) to (N, C, h_partitions * p, w_partitions * p)."""
        batch, _, _, channels = x.shape
        x = x.reshape(batch, h_partitions, w_partitions, p, p, channels)
        x = x.permute(0, 5, 1, 3, 2, 4)
        return x.reshape(batch, channels, h_partitions * p, w_partitions * p)


class PartitionAttentionLayer(nn.Module):
    """Attention and a perceptron within windows, or within a grid of pixels far apart.

    Raises:
        ValueError: `partition_type` is neither "window" nor "grid".
    """

    def __init__(
        self,
        in_channels: int,
        head_dim: int,
        partition_size: int,
        partition_type: str,
        grid_size: tuple[int, int],
        mlp_ratio: int,
        activation_layer: _Make,
        norm_layer: _Make,
        attention_dropout: float,
        mlp_dropout: float,
        p_stochastic_dropout: float,
    ) -> None:
        super().__init__()
        if partition_type not in ("grid", "window"):
            raise ValueError("partition_type must be either 'grid' or 'window'")
        self.n_heads = in_channels // head_dim
        self.head_dim = head_dim
        self.n_partitions = grid_size[0] // partition_size
        self.partition_type = partition_type
        self.grid_size = grid_size
        self.p, self.g = partition_size, self.n_partitions
        grid = partition_type == "grid"
        if grid:
            self.p, self.g = self.g, self.p
        self.partition_op = WindowPartition()
        self.departition_op = WindowDepartition()
        self.partition_swap = SwapAxes(-2, -3) if grid else nn.Identity()
        self.departition_swap = SwapAxes(-2, -3) if grid else nn.Identity()
        self.attn_layer = nn.Sequential(
            norm_layer(in_channels),
            RelativePositionalMultiHeadAttention(in_channels, head_dim, partition_size**2),
            nn.Dropout(attention_dropout),
        )
        self.mlp_layer = nn.Sequential(
            nn.LayerNorm(in_channels),
            nn.Linear(in_channels, in_channels * mlp_ratio),
            activation_layer(),
            nn.Linear(in_channels * mlp_ratio, in_channels),
            nn.Dropout(mlp_dropout),
        )
        self.stochastic_dropout = StochasticDepth(p_stochastic_dropout, mode="row")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Takes and returns (N, in_channels, H, W), as high and wide as `grid_size`."""
        height, width = self.grid_size
        torch._assert(
            height % self.p == 0 and width % self.p == 0,
            f"Grid size must be divisible by partition size. Got grid size of {self.grid_size} "
            f"and partition size of {self.p}",
        )
        x = self.partition_swap(self.partition_op(x, self.p))
        x = x + self.stochastic_dropout(self.attn_layer(x))
        x = x + self.stochastic_dropout(self.mlp_layer(x))
        return self.departition_op(
            self.departition_swap(x), self.p, height // self.p, width // self.p
        )


class MaxVitLayer(nn.Module):
    """A convolutional block, then attention within windows, then within grids."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        squeeze_ratio: float,
        expansion_ratio: float,
        stride: int,
        norm_layer: _Make,
        activation_layer: _Make,
        head_dim: int,
        mlp_ratio: int,
        mlp_dropout: float,
        attention_dropout: float,
        p_stochastic_dropout: float,
        partition_size: int,
        grid_size: tuple[int, int],
    ) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["MBconv"] = MBConv(
            in_channels,
            out_channels,
            expansion_ratio,
            squeeze_ratio,
            stride,
            activation_layer,
            norm_layer,
            p_stochastic_dropout,
        )
        for kind in ("window", "grid"):
            layers[f"{kind}_attention"] = PartitionAttentionLayer(
                out_channels,
                head_dim,
                partition_size,
                kind,
                grid_size,
                mlp_ratio,
                activation_layer,
                nn.LayerNorm,
                attention_dropout,
                mlp_dropout,
                p_stochastic_dropout,
            )
        self.layers = nn.Sequential(layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H / stride, W / stride)."""
        return self.layers(x)


class MaxVitBlock(nn.Module):
    """Layers of one width, the first of which halves the picture.

    Raises:
        ValueError: `p_stochastic` has not one entry a layer.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        squeeze_ratio: float,
        expansion_ratio: float,
        norm_layer: _Make,
        activation_layer: _Make,
        head_dim: int,
        mlp_ratio: int,
        mlp_dropout: float,
        attention_dropout: float,
        partition_size: int,
        input_grid_size: tuple[int, int],
        n_layers: int,
        p_stochastic: list[float],
    ) -> None:
        super().__init__()
        if len(p_stochastic) != n_layers:
            raise ValueError(
                f"p_stochastic must have length n_layers={n_layers}, got "
                f"p_stochastic={p_stochastic}."
            )
        self.layers = nn.ModuleList()
        self.grid_size = _halved(input_grid_size)
        for index, probability in enumerate(p_stochastic):
            self.layers.append(
                MaxVitLayer(
                    in_channels if index == 0 else out_channels,
                    out_channels,
                    squeeze_ratio,
                    expansion_ratio,
                    2 if index == 0 else 1,
                    norm_layer,
                    activation_layer,
                    head_dim,
                    mlp_ratio,
                    mlp_dropout,
                    attention_dropout,
                    probability,
                    partition_size,
                    self.grid_size,
                )
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H/2, W/2)."""
        for layer in self.layers:
            x = layer(x)
        return x


class MaxVit(nn.Module):
    """Two convolutions, blocks of convolution and attention, and two linear layers.

    Args:
        input_size: height and width of the pictures.
        stem_channels: channels of the first convolutions.
        partition_size: height and width of windows and grids.
        block_channels: channels of each block.
        block_layers: layers of each block.
        head_dim: channels of a head of attention.
        stochastic_depth_prob: of the last layer; it grows towards it from zero.
        norm_layer: makes a normalisation of the channels; BatchNorm2d by default.
        activation_layer: makes an activation.
        squeeze_ratio: channels of the excitation, as a multiple of the outputs'.
        expansion_ratio: channels inside of a convolutional block, as a multiple of the outputs'.
        mlp_ratio: features inside of a perceptron, as a multiple.
        mlp_dropout: share of the perceptrons' outputs dropped in training.
        attention_dropout: share of the attentions' outputs dropped in training.
        num_classes: outputs.

    Raises:
        ValueError: a block's picture can't be cut into windows.
    """

    def __init__(
        self,
        input_size: tuple[int, int],
        stem_channels: int,
        partition_size: int,
        block_channels: list[int],
        block_layers: list[int],
        head_dim: int,
        stochastic_depth_prob: float,
        norm_layer: _Make | None = None,
        activation_layer: _Make = nn.GELU,
        squeeze_ratio: float = 0.25,
        expansion_ratio: float = 4,
        mlp_ratio: int = 4,
        mlp_dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        norm = norm_layer or partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)
        _check_sizes(input_size, len(block_channels), partition_size)
        conv = partial(Conv2dNormActivation, kernel_size=3)
        activation: dict[str, Any] = {"activation_layer": activation_layer, "inplace": None}
        self.stem = nn.Sequential(
            conv(3, stem_channels, stride=2, norm_layer=norm, bias=False, **activation),
            conv(stem_channels, stem_channels, norm_layer=None, activation_layer=None, bias=True),
        )
        self.partition_size = partition_size
        self.blocks = nn.ModuleList()
        probabilities = np.linspace(0, stochastic_depth_prob, sum(block_layers)).tolist()
        size, channels = _halved(input_size), stem_channels
        for outputs, count in zip(block_channels, block_layers, strict=True):
            block = MaxVitBlock(
                channels,
                outputs,
                squeeze_ratio,
                expansion_ratio,
                norm,
                activation_layer,
                head_dim,
                mlp_ratio,
                mlp_dropout,
                attention_dropout,
                partition_size,
                size,
                count,
                probabilities[:count],
            )
            self.blocks.append(block)
            probabilities = probabilities[count:]
            size, channels = block.grid_size, outputs
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.LayerNorm(channels),
            nn.Linear(channels, channels),
            nn.Tanh(),
            nn.Linear(channels, num_classes, bias=False),
        )
        for module in self.modules():
            _initialise(module)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, num_classes) scores of (N, 3, *input_size) images."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.classifier(x)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.normal_(module.weight, std=0.02)
        fill(module.bias, 0)
    elif isinstance(module, nn.BatchNorm2d):
        fill(module.weight, 1)
        fill(module.bias, 0)


def _check_sizes(input_size: tuple[int, int], blocks: int, partition: int) -> None:
    sizes = []
    size = _halved(input_size)
    for _ in range(blocks):
        size = _halved(size)
        sizes.append(size)
    for index, (height, width) in enumerate(sizes):
        if height % partition or width % partition:
            raise ValueError(
                f"Input size {(height, width)} of block {index} is not divisible by partition size "
                f"{partition}. Consider changing the partition size or the input size.\n"
                f"Current configuration yields the following block input sizes: {sizes}."
            )


@register_model(weights=MaxVit_T_Weights)
def maxvit_t(weights: Any = None, progress: bool = True, **options: Any) -> MaxVit:
    """Makes a tiny MaxViT, with `weights` of `MaxVit_T_Weights`."""
    chosen = choose(MaxVit_T_Weights, weights, options)
    if chosen is not None:
        _ovewrite_named_param(options, "input_size", chosen.meta["min_size"])
    make = partial(
        MaxVit,
        stem_channels=64,
        partition_size=7,
        block_channels=[64, 128, 256, 512],
        block_layers=[2, 2, 5, 2],
        head_dim=32,
        stochastic_depth_prob=0.2,
    )
    options.setdefault("input_size", (224, 224))
    return build(make, MaxVit_T_Weights, chosen, progress, options)
