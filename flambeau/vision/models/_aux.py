"""What GoogLeNet and Inception v3 share: their convolution, the input's scale, auxiliary heads."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import flambeau as torch
from flambeau import nn
from flambeau.errors import users_line
from flambeau.nn import functional as F

from ._api import WeightsEnum, build, choose
from ._init import fill


class BasicConv2d(nn.Module):
    """A convolution without bias, a normalisation and a ReLU."""

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H', W')."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


# Mean and deviation of ImageNet's channels, by which other models' inputs are normalised.
_IMAGENET = ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))


def to_own_scale(x: torch.Tensor) -> torch.Tensor:
    """Turns images normalised by ImageNet's statistics into ones from -1 to 1, as Google's were."""
    planes = [
        torch.unsqueeze(x[:, channel], 1) * (std / 0.5) + (mean - 0.5) / 0.5
        for channel, (mean, std) in enumerate(_IMAGENET)
    ]
    return torch.cat(planes, 1)


def draw_truncated(model: nn.Module, std: float) -> None:
    """Draws convolutions and linear layers from a normal distribution cut at -2 and 2.

    A module's own `stddev` goes before `std`.
    """
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            spread = float(getattr(module, "stddev", std))
            nn.init.trunc_normal_(module.weight, mean=0.0, std=spread, a=-2, b=2)
        elif isinstance(module, nn.BatchNorm2d):
            fill(module.weight, 1)
            fill(module.bias, 0)


def warn_about_initialisation(name: str) -> None:
    """Says that the default of `init_weights` takes long and will change."""
    warnings.warn(
        f"The default weight initialization of {name} will be changed in future releases of "
        "torchvision. If you wish to keep the old behavior (which leads to long initialization "
        "times due to scipy/scipy#11299), please set init_weights=True.",
        FutureWarning,
        stacklevel=users_line(),
    )


def build_with_heads(
    make: Callable[..., Any],
    weights_class: type[WeightsEnum],
    weights: Any,
    progress: bool,
    options: dict[str, Any],
    heads: bool,
    head_names: tuple[str, ...],
) -> Any:
    """As `build`, for a model whose files hold auxiliary heads that the caller may not want.

    Args:
        heads: whether a model with weights keeps its heads where `aux_logits` is not given.
        head_names: the attributes of the heads.
    """
    chosen = choose(weights_class, weights, options)
    if chosen is None:
        return build(make, weights_class, None, progress, options)
    heads = options.pop("aux_logits", heads)
    options.setdefault("transform_input", True)
    loaded = {"aux_logits": True, "init_weights": False}
    model = build(make, weights_class, chosen, progress, options, loaded)
    if not heads:
        model.aux_logits = False
        for name in head_names:
            setattr(model, name, None)
    return model
