"""Feature maps of all scales that know what the smallest knows (Lin et al., CVPR 2017)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from flambeau import Tensor, nn
from flambeau.nn import functional as F

from .misc import Conv2dNormActivation

__all__ = ["FeaturePyramidNetwork"]


class ExtraFPNBlock(nn.Module):
    """Base of what adds maps to a pyramid."""

    def forward(
        self, results: list[Tensor], x: list[Tensor], names: list[str]
    ) -> tuple[list[Tensor], list[str]]:
        """Returns the maps and their names, with more of both.

        Args:
            results: the pyramid's maps.
            x: the maps that it was made of.
            names: of `results`.
        """
        raise NotImplementedError


class FeaturePyramidNetwork(nn.Module):
    """Adds to each map the next smaller one, enlarged.

    Args:
        in_channels_list: channels of each map that is fed in, the largest map first.
        out_channels: channels of each map that is returned.
        extra_blocks: adds maps at the end.
        norm_layer: makes a normalisation; None is none.

    Raises:
        ValueError: zero channels.
        TypeError: `extra_blocks` is no `ExtraFPNBlock`.
    """

    _version = 2

    def __init__(
        self,
        in_channels_list: list[int],
        out_channels: int,
        extra_blocks: ExtraFPNBlock | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList()
        self.layer_blocks = nn.ModuleList()
        options: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": None}
        for channels in in_channels_list:
            if channels == 0:
                raise ValueError("in_channels=0 is currently not supported")
            self.inner_blocks.append(
                Conv2dNormActivation(channels, out_channels, kernel_size=1, padding=0, **options)
            )
            self.layer_blocks.append(
                Conv2dNormActivation(out_channels, out_channels, kernel_size=3, **options)
            )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=1)
                if module.bias is not None:
                    nn.init.constant_(module.bias, 0)
        if extra_blocks is not None and not isinstance(extra_blocks, ExtraFPNBlock):
            raise TypeError(
                f"extra_blocks should be of type ExtraFPNBlock not {type(extra_blocks)}"
            )
        self.extra_blocks = extra_blocks

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any
    ) -> None:
        version = local_metadata.get("version")
        if version is None or version < 2:
            # The convolutions stood by themselves once.
            for block in ("inner_blocks", "layer_blocks"):
                for index in range(len(self.inner_blocks)):
                    for part in ("weight", "bias"):
                        old = f"{prefix}{block}.{index}.{part}"
                        if old in state_dict:
                            state_dict[f"{prefix}{block}.{index}.0.{part}"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def forward(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        """Takes and returns maps (N, C, H, W) by name, the largest first."""
        names, maps = list(x), list(x.values())
        results: list[Tensor] = []
        above: Tensor | None = None
        for index in reversed(range(len(maps))):
            inner = self.inner_blocks[index](maps[index])
            if above is not None:
                inner = inner + F.interpolate(above, size=inner.shape[-2:], mode="nearest")
            results.insert(0, self.layer_blocks[index](inner))
            above = inner
        if self.extra_blocks is not None:
            results, names = self.extra_blocks(results, maps, names)
        return OrderedDict(zip(names, results, strict=True))


class LastLevelMaxPool(ExtraFPNBlock):
    """Adds "pool": every second pixel of the smallest map."""

    def forward(
        self, results: list[Tensor], x: list[Tensor], names: list[str]
    ) -> tuple[list[Tensor], list[str]]:
        """See `ExtraFPNBlock`."""
        results.append(F.max_pool2d(results[-1], kernel_size=1, stride=2, padding=0))
        names.append("pool")
        return results, names


class LastLevelP6P7(ExtraFPNBlock):
    """Adds "p6" and "p7" by convolutions of stride 2, as RetinaNet has them."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.p6 = nn.Conv2d(in_channels, out_channels, 3, 2, 1)
        self.p7 = nn.Conv2d(out_channels, out_channels, 3, 2, 1)
        for module in (self.p6, self.p7):
            nn.init.kaiming_uniform_(module.weight, a=1)
            bias: Any = module.bias
            nn.init.constant_(bias, 0)
        self.use_P5 = in_channels == out_channels

    def forward(
        self, results: list[Tensor], x: list[Tensor], names: list[str]
    ) -> tuple[list[Tensor], list[str]]:
        """See `ExtraFPNBlock`."""
        p6 = self.p6(results[-1] if self.use_P5 else x[-1])
        results.extend([p6, self.p7(F.relu(p6))])
        names.extend(["p6", "p7"])
        return results, names
