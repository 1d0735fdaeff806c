"""Vision Transformer (Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021)."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import flambeau as torch
from flambeau import nn

from ..ops.misc import MLP, Conv2dNormActivation
from ._api import WeightsEnum, build, choose, register_model
from ._init import fill
from ._utils import _ovewrite_named_param
from ._weights import weights_enum

__all__ = [
    "ViT_B_16_Weights",
    "ViT_B_32_Weights",
    "ViT_H_14_Weights",
    "ViT_L_16_Weights",
    "ViT_L_32_Weights",
    "VisionTransformer",
    "vit_b_16",
    "vit_b_32",
    "vit_h_14",
    "vit_l_16",
    "vit_l_32",
]

ViT_B_16_Weights = weights_enum("ViT_B_16", __name__)
ViT_B_32_Weights = weights_enum("ViT_B_32", __name__)
ViT_L_16_Weights = weights_enum("ViT_L_16", __name__)
ViT_L_32_Weights = weights_enum("ViT_L_32", __name__)
ViT_H_14_Weights = weights_enum("ViT_H_14", __name__)

_Make = Callable[..., nn.Module]
_LAYER_NORM = partial(nn.LayerNorm, eps=1e-6)


class ConvStemConfig(NamedTuple):
    """One convolution of a stem in place of the patches (Xiao et al., NeurIPS 2021)."""

    out_channels: int
    kernel_size: int
    stride: int
    norm_layer: _Make = nn.BatchNorm2d
    activation_layer: _Make = nn.ReLU


class MLPBlock(MLP):
    """Two linear layers with a GELU in between; takes the names of older files too."""

    _version = 2

    def __init__(self, in_dim: int, mlp_dim: int, dropout: float) -> None:
        super().__init__(
            in_dim, [mlp_dim, in_dim], activation_layer=nn.GELU, inplace=None, dropout=dropout
        )
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.normal_(module.bias, std=1e-6)

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any
    ) -> None:
        version = local_metadata.get("version")
        if version is None or version < 2:
            for old, new in (("linear_1", "0"), ("linear_2", "3")):
                for part in ("weight", "bias"):
                    if (key := f"{prefix}{old}.{part}") in state_dict:
                        state_dict[f"{prefix}{new}.{part}"] = state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class EncoderBlock(nn.Module):
    """Attention and a perceptron, each behind a normalisation and beside a shortcut."""

    def __init__(
        self,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: _Make = _LAYER_NORM,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.ln_1 = norm_layer(hidden_dim)
        self.self_attention = nn.MultiheadAttention(
            hidden_dim, num_heads, dropout=attention_dropout, batch_first=True
        )
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = norm_layer(hidden_dim)
        self.mlp = MLPBlock(hidden_dim, mlp_dim, dropout)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Takes and returns (N, length, hidden_dim)."""
        torch._assert(
            input.dim() == 3,
            f"Expected (batch_size, seq_length, hidden_dim) got {tuple(input.shape)}",
        )
        x = self.ln_1(input)
        x, _ = self.self_attention(x, x, x, need_weights=False)
        x = self.dropout(x) + input
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    """Adds the embedding of the positions, and runs the blocks."""

    def __init__(
        self,
        seq_length: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: _Make = _LAYER_NORM,
    ) -> None:
        super().__init__()
        # The deviation is BERT's.
        self.pos_embedding = nn.Parameter(torch.empty(1, seq_length, hidden_dim).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for index in range(num_layers):
            layers[f"encoder_layer_{index}"] = EncoderBlock(
                num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer
            )
        self.layers = nn.Sequential(layers)
        self.ln = norm_layer(hidden_dim)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Takes and returns (N, seq_length, hidden_dim)."""
        torch._assert(
            input.dim() == 3,
            f"Expected (batch_size, seq_length, hidden_dim) got {tuple(input.shape)}",
        )
        return self.ln(self.layers(self.dropout(input + self.pos_embedding)))


class VisionTransformer(nn.Module):
    """Embeds patches of a picture, lets a Transformer's encoder run over them, and reads the
    class off a token of its own.

    Args:
        image_size: height and width of the pictures.
        patch_size: height and width of a patch.
        num_layers: blocks.
        num_heads: heads of attention.
        hidden_dim: length of an embedding.
        mlp_dim: features inside of the perceptrons.
        dropout: share of embeddings and of the perceptrons' features dropped in training.
        attention_dropout: share of the attention dropped in training.
        num_classes: outputs.
        representation_size: features of one more layer before the last; None is none.
        norm_layer: makes a normalisation.
        conv_stem_configs: convolutions in place of the patches.

    Input (N, 3, image_size, image_size), output (N, num_classes).
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
        representation_size: int | None = None,
        norm_layer: _Make = _LAYER_NORM,
        conv_stem_configs: list[ConvStemConfig] | None = None,
    ) -> None:
        super().__init__()
        torch._assert(image_size % patch_size == 0, "Input shape indivisible by patch size!")
        self.image_size = image_size
        self.patch_size = patch_size
        self.hidden_dim = hidden_dim
        self.mlp_dim = mlp_dim
        self.attention_dropout = attention_dropout
        self.dropout = dropout
        self.num_classes = num_classes
        self.representation_size = representation_size
        self.norm_layer = norm_layer
        if conv_stem_configs is None:
            self.conv_proj: nn.Module = nn.Conv2d(
                3, hidden_dim, kernel_size=patch_size, stride=patch_size
            )
        else:
            self.conv_proj = _conv_stem(conv_stem_configs, hidden_dim)
        self.class_token = nn.Parameter(torch.zeros(1, 1, hidden_dim))
        self.seq_length = (image_size // patch_size) ** 2 + 1
        self.encoder = Encoder(
            self.seq_length,
            num_layers,
            num_heads,
            hidden_dim,
            mlp_dim,
            dropout,
            attention_dropout,
            norm_layer,
        )
        heads: OrderedDict[str, nn.Module] = OrderedDict()
        if representation_size is not None:
            heads["pre_logits"] = nn.Linear(hidden_dim, representation_size)
            heads["act"] = nn.Tanh()
        heads["head"] = nn.Linear(representation_size or hidden_dim, num_classes)
        self.heads = nn.Sequential(heads)
        self._initialise()

    def _initialise(self) -> None:
        stem = self.conv_proj
        if isinstance(stem, nn.Conv2d):
            fan_in = stem.in_channels * stem.kernel_size[0] * stem.kernel_size[1]
            nn.init.trunc_normal_(stem.weight, std=math.sqrt(1 / fan_in))
            fill(stem.bias, 0)
        else:
            last: Any = stem.conv_last
            nn.init.normal_(last.weight, mean=0.0, std=math.sqrt(2.0 / last.out_channels))
            fill(last.bias, 0)
        if self.representation_size is not None:
            before: Any = self.heads.pre_logits
            nn.init.trunc_normal_(before.weight, std=math.sqrt(1 / before.in_features))
            fill(before.bias, 0)
        head: Any = self.heads.head
        fill(head.weight, 0)
        fill(head.bias, 0)

    def _process_input(self, x: torch.Tensor) -> torch.Tensor:
        """The embeddings of the patches, (N, patches, hidden_dim)."""
        batch, _, height, width = x.shape
        for name, size in (("height", height), ("width", width)):
            torch._assert(
                size == self.image_size,
                f"Wrong image {name}! Expected {self.image_size} but got {size}!",
            )
        patches = self.conv_proj(x).reshape(batch, self.hidden_dim, -1)
        return patches.permute(0, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, num_classes) scores of (N, 3, image_size, image_size) images."""
        x = self._process_input(x)
        token = self.class_token.expand(x.shape[0], -1, -1)
        x = self.encoder(torch.cat([token, x], dim=1))
        return self.heads(x[:, 0])


def _conv_stem(configs: list[ConvStemConfig], hidden_dim: int) -> nn.Sequential:
    stem = nn.Sequential()
    channels = 3
    for index, config in enumerate(configs):
        stem.add_module(
            f"conv_bn_relu_{index}",
            Conv2dNormActivation(
                channels,
                config.out_channels,
                kernel_size=config.kernel_size,
                stride=config.stride,
                norm_layer=config.norm_layer,
                activation_layer=config.activation_layer,
            ),
        )
        channels = config.out_channels
    stem.add_module("conv_last", nn.Conv2d(channels, hidden_dim, kernel_size=1))
    return stem


# Layers, heads, length of an embedding, features of the perceptrons.
_SIZES = {"b": (12, 12, 768, 3072), "l": (24, 16, 1024, 4096), "h": (32, 16, 1280, 5120)}


def _vit(
    size: str,
    patch: int,
    weights_class: type[WeightsEnum],
    given: tuple[Any, bool, dict[str, Any]],
) -> VisionTransformer:
    weights, progress, options = given
    chosen = choose(weights_class, weights, options)
    if chosen is not None:
        # The embeddings of the positions fit one size only.
        _ovewrite_named_param(options, "image_size", chosen.meta["min_size"][0])
    image_size = options.pop("image_size", 224)
    make = partial(VisionTransformer, image_size, patch, *_SIZES[size])
    return build(make, weights_class, chosen, progress, options)


@register_model(weights=ViT_B_16_Weights)
def vit_b_16(weights: Any = None, progress: bool = True, **options: Any) -> VisionTransformer:
    """Makes a base ViT of 16x16 patches, with `weights` of `ViT_B_16_Weights`."""
    return _vit("b", 16, ViT_B_16_Weights, (weights, progress, options))


@register_model(weights=ViT_B_32_Weights)
def vit_b_32(weights: Any = None, progress: bool = True, **options: Any) -> VisionTransformer:
    """Makes a base ViT of 32x32 patches, with `weights` of `ViT_B_32_Weights`."""
    return _vit("b", 32, ViT_B_32_Weights, (weights, progress, options))


@register_model(weights=ViT_L_16_Weights)
def vit_l_16(weights: Any = None, progress: bool = True, **options: Any) -> VisionTransformer:
    """Makes a large ViT of 16x16 patches, with `weights` of `ViT_L_16_Weights`."""
    return _vit("l", 16, ViT_L_16_Weights, (weights, progress, options))


@register_model(weights=ViT_L_32_Weights)
def vit_l_32(weights: Any = None, progress: bool = True, **options: Any) -> VisionTransformer:
    """Makes a large ViT of 32x32 patches, with `weights` of `ViT_L_32_Weights`."""
    return _vit("l", 32, ViT_L_32_Weights, (weights, progress, options))


@register_model(weights=ViT_H_14_Weights)
def vit_h_14(weights: Any = None, progress: bool = True, **options: Any) -> VisionTransformer:
    """Makes a huge ViT of 14x14 patches, with `weights` of `ViT_H_14_Weights`."""
    return _vit("h", 14, ViT_H_14_Weights, (weights, progress, options))


def interpolate_embeddings(
    image_size: int,
    patch_size: int,
    model_state: dict[str, torch.Tensor],
    interpolation_mode: str = "bicubic",
    reset_heads: bool = False,
) -> dict[str, torch.Tensor]:
    """Fits a state dict to pictures of another size, by resizing the positions' embedding.

    Args:
        image_size: of the new model.
        patch_size: of the new model.
        model_state: changed in place, unless `reset_heads` makes a copy.
        interpolation_mode: of `nn.functional.interpolate`.
        reset_heads: leave the heads out, where the embedding had to be resized.

    Raises:
        ValueError: the embedding is not of one square picture.
    """
    embedding = model_state["encoder.pos_embedding"]
    count, length, hidden = embedding.shape
    if count != 1:
        raise ValueError(f"Unexpected position embedding shape: {embedding.shape}")
    side = image_size // patch_size
    if side**2 + 1 == length:
        return model_state
    old = math.isqrt(length - 1)
    if old**2 != length - 1:
        raise ValueError(
            f"the embedding of {length - 1} positions is not one of a square of patches"
        )
    token, positions = embedding[:, :1, :], embedding[:, 1:, :]
    grid = positions.permute(0, 2, 1).reshape(1, hidden, old, old)
    grid = nn.functional.interpolate(grid, size=side, mode=interpolation_mode, align_corners=True)
    resized = grid.reshape(1, hidden, side**2).permute(0, 2, 1)
    model_state["encoder.pos_embedding"] = torch.cat([token, resized], dim=1)
    if reset_heads:
        kept = ((key, value) for key, value in model_state.items() if not key.startswith("heads"))
        return OrderedDict(kept)
    return model_state
