"""Transforms of the values of a picture's pixels; masks, boxes and points go through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flambeau as torch

from .. import _random, color
from ._transform import Transform, _RandomApplyTransform, query_chw
from .functional import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    autocontrast,
    equalize,
    grayscale_to_rgb,
    invert,
    permute_channels,
    posterize,
    rgb_to_grayscale,
    solarize,
)

_Params = dict[str, Any]
_Range = float | Sequence[float] | None


class Grayscale(Transform):
    """Turns grey, with 1 channel or 3 equal ones."""

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return self._call_kernel(rgb_to_grayscale, inpt, self.num_output_channels)


class RandomGrayscale(_RandomApplyTransform):
    """Turns grey with probability `p`, keeping the number of channels."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p=p)

    def make_params(self, flat_inputs: list[Any]) -> _Params:
        """Finds the number of channels."""
        return {"channels": query_chw(flat_inputs)[0]}

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return self._call_kernel(rgb_to_grayscale, inpt, params["channels"])


class RGB(Transform):
    """Gives grey pictures three channels."""

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return self._call_kernel(grayscale_to_rgb, inpt)


_CHANGES = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)


class ColorJitter(Transform):
    """Changes brightness, contrast, saturation and hue: see `transforms.ColorJitter`."""

    def __init__(
        self,
        brightness: _Range = None,
        contrast: _Range = None,
        saturation: _Range = None,
        hue: _Range = None,
    ) -> None:
        super().__init__()
        self.brightness = _jitter("brightness", brightness)
        self.contrast = _jitter("contrast", contrast)
        self.saturation = _jitter("saturation", saturation)
        self.hue = _jitter("hue", hue, center=0, bound=(-0.5, 0.5))

    def make_params(self, flat_inputs: list[Any]) -> _Params:
        """Draws the order and the factors."""
        ranges = (self.brightness, self.contrast, self.saturation, self.hue)
        order, *factors = color.ColorJitter.get_params(*ranges)
        return {"order": order.tolist(), "factors": factors}

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        for index in params["order"]:
            if (factor := params["factors"][index]) is not None:
                inpt = self._call_kernel(_CHANGES[index], inpt, factor)
        return inpt


def _jitter(name: str, value: Any, **limits: Any) -> tuple[float, float] | None:
    return None if value is None else color._jitter_range(name, value, **limits)


class RandomChannelPermutation(Transform):
    """Puts the channels in a random order."""

    def make_params(self, flat_inputs: list[Any]) -> _Params:
        """Draws the order."""
        return {"permutation": torch.randperm(query_chw(flat_inputs)[0]).tolist()}

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return self._call_kernel(permute_channels, inpt, params["permutation"])


class RandomPhotometricDistort(Transform):
    """Changes colours as for SSD (Liu et al., ECCV 2016), each change with probability `p`.

    Args:
        brightness: (lowest, highest) factor.
        contrast: the same; before the colours or after them.
        saturation: the same.
        hue: (lowest, highest) turn.
        p: the probability of each, and of another order of the channels.
    """

    def __init__(
        self,
        brightness: tuple[float, float] = (0.875, 1.125),
        contrast: tuple[float, float] = (0.5, 1.5),
        saturation: tuple[float, float] = (0.5, 1.5),
        hue: tuple[float, float] = (-0.05, 0.05),
        p: float = 0.5,
    ) -> None:
        super().__init__()
        self.brightness = brightness
        self.contrast = contrast
        self.hue = hue
        self.saturation = saturation
        self.p = p

    def make_params(self, flat_inputs: list[Any]) -> _Params:
        """Draws the factors."""
        channels = query_chw(flat_inputs)[0]
        params: _Params = {
            name: _random.uniform(*getattr(self, name)) if _random.chance(self.p) else None
            for name in ("brightness", "contrast", "saturation", "hue")
        }
        before = bool(torch.rand(1) < 0.5)
        shuffled = torch.randperm(channels).tolist() if _random.chance(self.p) else None
        return {**params, "before": before, "permutation": shuffled}

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        order = [("saturation", adjust_saturation), ("hue", adjust_hue)]
        order.insert(0 if params["before"] else 2, ("contrast", adjust_contrast))
        for name, change in [("brightness", adjust_brightness), *order]:
            if params[name] is not None:
                inpt = self._call_kernel(change, inpt, params[name])
        if params["permutation"] is not None:
            inpt = self._call_kernel(permute_channels, inpt, params["permutation"])
        return inpt


class RandomEqualize(_RandomApplyTransform):
    """Makes all values about as frequent with probability `p`."""

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return self._call_kernel(equalize, inpt)


class RandomInvert(_RandomApplyTransform):
    """Makes light dark and dark light with probability `p`."""

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return self._call_kernel(invert, inpt)


class RandomPosterize(_RandomApplyTransform):
    """Keeps the `bits` highest bits with probability `p`."""

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.bits = bits

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return self._call_kernel(posterize, inpt, self.bits)


class RandomSolarize(_RandomApplyTransform):
    """Inverts the values from `threshold` on with probability `p`."""

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.threshold = threshold

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return self._call_kernel(solarize, inpt, self.threshold)


class RandomAutocontrast(_RandomApplyTransform):
    """Stretches each channel to its full range with probability `p`."""

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return self._call_kernel(autocontrast, inpt)


class RandomAdjustSharpness(_RandomApplyTransform):
    """Sharpens by a factor, or softens below 1, with probability `p`."""

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.sharpness_factor = sharpness_factor

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return self._call_kernel(adjust_sharpness, inpt, self.sharpness_factor)
