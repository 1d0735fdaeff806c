"""Swin Transformer (Liu et al., ICCV 2021) and its second version (Liu et al., CVPR 2022)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import flambeau as torch
from flambeau import nn
from flambeau.nn import functional as F

from ..ops.misc import MLP, Permute
from ..ops.stochastic_depth import StochasticDepth
from ._api import WeightsEnum, build, register_model
from ._init import fill
from ._swin_attention import (
    ShiftedWindowAttention,
    ShiftedWindowAttentionV2,
)
from ._swin_attention import shifted_window_attention as shifted_window_attention
from ._weights import weights_enum

__all__ = [
    "SwinTransformer",
    "Swin_B_Weights",
    "Swin_S_Weights",
    "Swin_T_Weights",
    "Swin_V2_B_Weights",
    "Swin_V2_S_Weights",
    "Swin_V2_T_Weights",
    "swin_b",
    "swin_s",
    "swin_t",
    "swin_v2_b",
    "swin_v2_s",
    "swin_v2_t",
]

Swin_T_Weights = weights_enum("Swin_T", __name__)
Swin_S_Weights = weights_enum("Swin_S", __name__)
Swin_B_Weights = weights_enum("Swin_B", __name__)
Swin_V2_T_Weights = weights_enum("Swin_V2_T", __name__)
Swin_V2_S_Weights = weights_enum("Swin_V2_S", __name__)
Swin_V2_B_Weights = weights_enum("Swin_V2_B", __name__)

_Make = Callable[..., nn.Module]


def _quarters(x: torch.Tensor) -> torch.Tensor:
    """(..., H, W, C) to (..., H/2, W/2, 4 C): each square of four pixels side by side."""
    height, width, _ = x.shape[-3:]
    x = F.pad(x, (0, 0, 0, width % 2, 0, height % 2))
    corners = ((0, 0), (1, 0), (0, 1), (1, 1))
    return torch.cat([x[..., down::2, right::2, :] for down, right in corners], -1)


class PatchMerging(nn.Module):
    """Halves height and width and doubles the channels; normalises first."""

    def __init__(self, dim: int, norm_layer: _Make = nn.LayerNorm) -> None:
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(4 * dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., H, W, dim) to (..., H/2, W/2, 2 dim)."""
        return self.reduction(self.norm(_quarters(x)))


class PatchMergingV2(nn.Module):
    """Halves height and width and doubles the channels; normalises last."""

    def __init__(self, dim: int, norm_layer: _Make = nn.LayerNorm) -> None:
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(2 * dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., H, W, dim) to (..., H/2, W/2, 2 dim)."""
        return self.norm(self.reduction(_quarters(x)))


class SwinTransformerBlock(nn.Module):
    """Attention and a perceptron, each behind a normalisation and beside a shortcut.

    Args:
        dim: channels.
        num_heads: heads of attention.
        window_size: height and width of a window.
        shift_size: how far the windows are shifted.
        mlp_ratio: features inside of the perceptron, as a multiple of `dim`.
        dropout: share of features dropped in training.
        attention_dropout: share of the attention dropped in training.
        stochastic_depth_prob: how often a branch is left out in training.
        norm_layer: makes a normalisation.
        attn_layer: makes the attention.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: list[int],
        shift_size: list[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        norm_layer: _Make = nn.LayerNorm,
        attn_layer: _Make = ShiftedWindowAttention,
    ) -> None:
        super().__init__()
        self.norm1 = norm_layer(dim)
        self.attn = attn_layer(
            dim,
            window_size,
            shift_size,
            num_heads,
            attention_dropout=attention_dropout,
            dropout=dropout,
        )
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.norm2 = norm_layer(dim)
        self.mlp = MLP(dim, [int(dim * mlp_ratio), dim], activation_layer=nn.GELU, dropout=dropout)
        for module in self.mlp.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.normal_(module.bias, std=1e-6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Takes and returns (N, H, W, dim)."""
        x = x + self.stochastic_depth(self.attn(self.norm1(x)))
        return x + self.stochastic_depth(self.mlp(self.norm2(x)))


class SwinTransformerBlockV2(SwinTransformerBlock):
    """The second version's block, which normalises behind attention and perceptron."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: list[int],
        shift_size: list[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        norm_layer: _Make = nn.LayerNorm,
        attn_layer: _Make = ShiftedWindowAttentionV2,
    ) -> None:
        shares = (dropout, attention_dropout, stochastic_depth_prob)
        windows = (window_size, shift_size)
        super().__init__(dim, num_heads, *windows, mlp_ratio, *shares, norm_layer, attn_layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Takes and returns (N, H, W, dim)."""
        x = x + self.stochastic_depth(self.norm1(self.attn(x)))
        return x + self.stochastic_depth(self.norm2(self.mlp(x)))


class SwinTransformer(nn.Module):
    """Embeds patches, runs stages of attention within windows that halve the picture, averages.

    Args:
        patch_size: height and width of a patch.
        embed_dim: channels of the first stage; each doubles them.
        depths: blocks in each stage.
        num_heads: heads of attention in each stage.
        window_size: height and width of a window.
        mlp_ratio: see `SwinTransformerBlock`.
        dropout: the same.
        attention_dropout: the same.
        stochastic_depth_prob: of the last block; it grows towards it from zero.
        num_classes: outputs.
        norm_layer: makes a normalisation; LayerNorm by default.
        block: makes a block; `SwinTransformerBlock` by default.
        downsample_layer: makes what halves the picture between stages.
    """

    def __init__(
        self,
        patch_size: list[int],
        embed_dim: int,
        depths: list[int],
        num_heads: list[int],
        window_size: list[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.1,
        num_classes: int = 1000,
        norm_layer: _Make | None = None,
        block: _Make | None = None,
        downsample_layer: _Make = PatchMerging,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        make_block = block or SwinTransformerBlock
        norm = norm_layer or partial(nn.LayerNorm, eps=1e-5)
        patch = (patch_size[0], patch_size[1])
        layers: list[nn.Module] = [
            nn.Sequential(
                nn.Conv2d(3, embed_dim, kernel_size=patch, stride=patch),
                Permute([0, 2, 3, 1]),
                norm(embed_dim),
            )
        ]
        total = sum(depths)
        done = 0
        dim = embed_dim
        for number, (depth, heads) in enumerate(zip(depths, num_heads, strict=True)):
            if number > 0:
                layers.append(downsample_layer(dim, norm))
                dim *= 2
            stage = []
            for index in range(depth):
                shift = [0 if index % 2 == 0 else size // 2 for size in window_size]
                stage.append(
                    make_block(
                        dim,
                        heads,
                        window_size=window_size,
                        shift_size=shift,
                        mlp_ratio=mlp_ratio,
                        dropout=dropout,
                        attention_dropout=attention_dropout,
                        stochastic_depth_prob=stochastic_depth_prob * done / (total - 1),
                        norm_layer=norm,
                    )
                )
                done += 1
            layers.append(nn.Sequential(*stage))
        self.features = nn.Sequential(*layers)
        self.norm = norm(dim)
        self.permute = Permute([0, 3, 1, 2])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.head = nn.Linear(dim, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                fill(module.bias, 0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, num_classes) scores of (N, 3, H, W) images."""
        x = self.permute(self.norm(self.features(x)))
        return self.head(self.flatten(self.avgpool(x)))


# Channels of the first stage, blocks of the third, heads of the first, and how often the last
# branch is left out.
_SIZES = {"t": (96, 6, 3, 0.2), "s": (96, 18, 3, 0.3), "b": (128, 18, 4, 0.5)}


def _swin(
    size: str,
    version: int,
    weights_class: type[WeightsEnum],
    given: tuple[Any, bool, dict[str, Any]],
) -> SwinTransformer:
    weights, progress, options = given
    width, third, heads, probability = _SIZES[size]
    window = 7 if version == 1 else 8
    options.setdefault("stochastic_depth_prob", probability)
    if version == 2:
        options = {
            "block": SwinTransformerBlockV2,
            "downsample_layer": PatchMergingV2,
            **options,
        }
    make = partial(
        SwinTransformer,
        [4, 4],
        width,
        [2, 2, third, 2],
        [heads, 2 * heads, 4 * heads, 8 * heads],
        [window, window],
    )
    return build(make, weights_class, weights, progress, options)


@register_model(weights=Swin_T_Weights)
def swin_t(weights: Any = None, progress: bool = True, **options: Any) -> SwinTransformer:
    """Makes a tiny Swin Transformer, with `weights` of `Swin_T_Weights`."""
    return _swin("t", 1, Swin_T_Weights, (weights, progress, options))


@register_model(weights=Swin_S_Weights)
def swin_s(weights: Any = None, progress: bool = True, **options: Any) -> SwinTransformer:
    """Makes a small Swin Transformer, with `weights` of `Swin_S_Weights`."""
    return _swin("s", 1, Swin_S_Weights, (weights, progress, options))


@register_model(weights=Swin_B_Weights)
def swin_b(weights: Any = None, progress: bool = True, **options: Any) -> SwinTransformer:
    """Makes a Swin Transformer, with `weights` of `Swin_B_Weights`."""
    return _swin("b", 1, Swin_B_Weights, (weights, progress, options))


@register_model(weights=Swin_V2_T_Weights)
def swin_v2_t(weights: Any = None, progress: bool = True, **options: Any) -> SwinTransformer:
    """Makes a tiny Swin Transformer v2, with `weights` of `Swin_V2_T_Weights`."""
    return _swin("t", 2, Swin_V2_T_Weights, (weights, progress, options))


@register_model(weights=Swin_V2_S_Weights)
def swin_v2_s(weights: Any = None, progress: bool = True, **options: Any) -> SwinTransformer:
    """Makes a small Swin Transformer v2, with `weights` of `Swin_V2_S_Weights`."""
    return _swin("s", 2, Swin_V2_S_Weights, (weights, progress, options))


@register_model(weights=Swin_V2_B_Weights)
def swin_v2_b(weights: Any = None, progress: bool = True, **options: Any) -> SwinTransformer:
    """Makes a Swin Transformer v2, with `weights` of `Swin_V2_B_Weights`."""
    return _swin("b", 2, Swin_V2_B_Weights, (weights, progress, options))
