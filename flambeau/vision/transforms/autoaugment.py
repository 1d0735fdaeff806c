"""Random chains of operations that have been found to help (AutoAugment and its successors)."""

from __future__ import annotations

import math
from enum import Enum
from typing import Any

import flambeau as torch

from . import functional as F
from ._kinds import channel_fill
from .interpolation import InterpolationMode

__all__ = ["AugMix", "AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide"]


class AutoAugmentPolicy(Enum):
    """The data sets on which chains were searched for."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


# Of each policy 25 pairs of operations: name, probability, magnitude (Cubuk et al., CVPR 2019,
# tables 7 to 9).
_POLICIES = {
    AutoAugmentPolicy.IMAGENET: """
        Posterize 0.4 8, Rotate 0.6 9
        Solarize 0.6 5, AutoContrast 0.6 -
        Equalize 0.8 -, Equalize 0.6 -
        Posterize 0.6 7, Posterize 0.6 6
        Equalize 0.4 -, Solarize 0.2 4
        Equalize 0.4 -, Rotate 0.8 8
        Solarize 0.6 3, Equalize 0.6 -
        Posterize 0.8 5, Equalize 1.0 -
        Rotate 0.2 3, Solarize 0.6 8
        Equalize 0.6 -, Posterize 0.4 6
        Rotate 0.8 8, Color 0.4 0
        Rotate 0.4 9, Equalize 0.6 -
        Equalize 0.0 -, Equalize 0.8 -
        Invert 0.6 -, Equalize 1.0 -
        Color 0.6 4, Contrast 1.0 8
        Rotate 0.8 8, Color 1.0 2
        Color 0.8 8, Solarize 0.8 7
        Sharpness 0.4 7, Invert 0.6 -
        ShearX 0.6 5, Equalize 1.0 -
        Color 0.4 0, Equalize 0.6 -
        Equalize 0.4 -, Solarize 0.2 4
        Solarize 0.6 5, AutoContrast 0.6 -
        Invert 0.6 -, Equalize 1.0 -
        Color 0.6 4, Contrast 1.0 8
        Equalize 0.8 -, Equalize 0.6 -
    """,
    AutoAugmentPolicy.CIFAR10: """
        Invert 0.1 -, Contrast 0.2 6
        Rotate 0.7 2, TranslateX 0.3 9
        Sharpness 0.8 1, Sharpness 0.9 3
        ShearY 0.5 8, TranslateY 0.7 9
        AutoContrast 0.5 -, Equalize 0.9 -
        ShearY 0.2 7, Posterize 0.3 7
        Color 0.4 3, Brightness 0.6 7
        Sharpness 0.3 9, Brightness 0.7 9
        Equalize 0.6 -, Equalize 0.5 -
        Contrast 0.6 7, Sharpness 0.6 5
        Color 0.7 7, TranslateX 0.5 8
        Equalize 0.3 -, AutoContrast 0.4 -
        TranslateY 0.4 3, Sharpness 0.2 6
        Brightness 0.9 6, Color 0.2 8
        Solarize 0.5 2, Invert 0.0 -
        Equalize 0.2 -, AutoContrast 0.6 -
        Equalize 0.2 -, Equalize 0.6 -
        Color 0.9 9, Equalize 0.6 -
        AutoContrast 0.8 -, Solarize 0.2 8
        Brightness 0.1 3, Color 0.7 0
        Solarize 0.4 5, AutoContrast 0.9 -
        TranslateY 0.9 9, TranslateY 0.7 9
        AutoContrast 0.9 -, Solarize 0.8 3
        Equalize 0.8 -, Invert 0.1 -
        TranslateY 0.7 9, AutoContrast 0.9 -
    """,
    AutoAugmentPolicy.SVHN: """
        ShearX 0.9 4, Invert 0.2 -
        ShearY 0.9 8, Invert 0.7 -
        Equalize 0.6 -, Solarize 0.6 6
        Invert 0.9 -, Equalize 0.6 -
        Equalize 0.6 -, Rotate 0.9 3
        ShearX 0.9 4, AutoContrast 0.8 -
        ShearY 0.9 8, Invert 0.4 -
        ShearY 0.9 5, Solarize 0.2 6
        Invert 0.9 -, AutoContrast 0.8 -
        Equalize 0.6 -, Rotate 0.9 3
        ShearX 0.9 4, Solarize 0.3 3
        ShearY 0.8 8, Invert 0.7 -
        Equalize 0.9 -, TranslateY 0.6 6
        Invert 0.9 -, Equalize 0.6 -
        Contrast 0.3 3, Rotate 0.8 4
        Invert 0.8 -, TranslateY 0.0 2
        ShearY 0.7 6, Solarize 0.4 8
        Invert 0.6 -, Rotate 0.8 4
        ShearY 0.3 7, TranslateX 0.9 3
        ShearX 0.1 6, Invert 0.6 -
        Solarize 0.7 2, TranslateY 0.6 7
        ShearY 0.8 4, Invert 0.8 -
        ShearX 0.7 9, TranslateY 0.8 3
        ShearY 0.8 5, AutoContrast 0.7 -
        ShearX 0.7 2, Invert 0.1 -
    """,
}

_Step = tuple[str, float, int | None]
# For each operation its magnitudes, a single 0 where it has none, and whether a sign is drawn.
_Space = dict[str, tuple[torch.Tensor, bool]]


def _steps(text: str) -> list[tuple[_Step, _Step]]:
    pairs = []
    for line in text.strip().splitlines():
        steps: list[_Step] = []
        for step in line.split(","):
            name, probability, magnitude = step.split()
            steps.append((name, float(probability), None if magnitude == "-" else int(magnitude)))
        pairs.append((steps[0], steps[1]))
    return pairs


def _space(
    bins: int,
    reach: tuple[float, float],
    shear: float = 0.3,
    turn: float = 30.0,
    change: float = 0.9,
    bits: tuple[int, int] = (8, 4),
) -> _Space:
    """The operations and their magnitudes, of which there are `bins`.

    Args:
        bins: how many magnitudes.
        reach: how many pixels across and down at most.
        shear: the largest shear.
        turn: the largest angle, in degrees.
        change: the largest change of brightness, colour, contrast and sharpness.
        bits: how many bits are kept at first, and how many fewer at most.
    """
    fewer = (torch.arange(bins) / ((bins - 1) / bits[1])).round().int()
    none = (torch.tensor(0.0), False)

    def up_to(most: float) -> tuple[torch.Tensor, bool]:
        return torch.linspace(0.0, most, bins), True

    return {
        "Identity": none,
        "ShearX": up_to(shear),
        "ShearY": up_to(shear),
        "TranslateX": up_to(reach[0]),
        "TranslateY": up_to(reach[1]),
        "Rotate": up_to(turn),
        "Brightness": up_to(change),
        "Color": up_to(change),
        "Contrast": up_to(change),
        "Sharpness": up_to(change),
        "Posterize": (bits[0] - fewer, False),
        "Solarize": (torch.linspace(255.0, 0.0, bins), False),
        "AutoContrast": none,
        "Equalize": none,
        "Invert": none,
    }


def _ordered(space: _Space, leave_out: tuple[str, ...]) -> _Space:
    return {name: entry for name, entry in space.items() if name not in leave_out}


_CHANGES = ("Brightness", "Color", "Contrast", "Sharpness")


def _apply_op(
    img: Any, op_name: str, magnitude: float, interpolation: InterpolationMode, fill: Any
) -> Any:
    """Applies one operation by its name.

    Raises:
        ValueError: there is no such operation.
    """
    if op_name in ("ShearX", "ShearY"):
        angle = math.degrees(math.atan(magnitude))
        shear = [angle, 0.0] if op_name == "ShearX" else [0.0, angle]
        return F.affine(img, 0.0, [0, 0], 1.0, shear, interpolation, fill, center=[0, 0])
    if op_name in ("TranslateX", "TranslateY"):
        move = int(magnitude)
        translate = [move, 0] if op_name == "TranslateX" else [0, move]
        return F.affine(img, 0.0, translate, 1.0, [0.0, 0.0], interpolation, fill)
    if op_name == "Rotate":
        return F.rotate(img, magnitude, interpolation, fill=fill)
    if op_name == "Posterize":
        return F.posterize(img, int(magnitude))
    if op_name == "Solarize":
        return F.solarize(img, magnitude)
    if op_name in _ADJUST:
        return _ADJUST[op_name](img, 1.0 + magnitude)
    if op_name in _PLAIN:
        return _PLAIN[op_name](img)
    raise ValueError(f"The provided operator {op_name} is not recognized.")


_ADJUST = {
    "Brightness": F.adjust_brightness,
    "Color": F.adjust_saturation,
    "Contrast": F.adjust_contrast,
    "Sharpness": F.adjust_sharpness,
}
_PLAIN: dict[str, Any] = {
    "AutoContrast": F.autocontrast,
    "Equalize": F.equalize,
    "Invert": F.invert,
    "Identity": lambda img: img,
}


class _Augment(torch.nn.Module):
    """Base of the four: an image is of bytes, a Pillow image or a tensor (..., 1 or 3, H, W)."""

    interpolation: InterpolationMode
    fill: Any

    def _apply_to(self, img: Any, name: str, magnitude: float) -> Any:
        return _apply_op(img, name, magnitude, self.interpolation, channel_fill(img, self.fill))

    def _shown(self, *names: str) -> str:
        parts = ", ".join(f"{name}={getattr(self, name)}" for name in names)
        return f"{type(self).__name__}({parts})"


def _drawn(space: _Space) -> tuple[str, torch.Tensor, bool]:
    """Draws an operation: its name, magnitudes, and whether a sign is to be drawn."""
    name = list(space)[int(torch.randint(len(space), (1,)).item())]
    magnitudes, signed = space[name]
    return name, magnitudes, signed


def _signed(magnitude: float, signed: bool) -> float:
    return -magnitude if signed and bool(torch.randint(2, (1,))) else magnitude


class AutoAugment(_Augment):
    """One of 25 pairs of operations, each with its probability (Cubuk et al., CVPR 2019).

    Args:
        policy: which pairs.
        interpolation: of turns, shears and moves.
        fill: the value of the pixels that the image does not reach.

    Raises:
        ValueError: there is no such policy.
    """

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__()
        self.policy = policy
        self.interpolation = interpolation
        self.fill = fill
        self.policies = self._get_policies(policy)

    def _get_policies(self, policy: AutoAugmentPolicy) -> list[tuple[_Step, _Step]]:
        if policy not in _POLICIES:
            raise ValueError(f"The provided policy {policy} is not recognized.")
        return _steps(_POLICIES[policy])

    def _augmentation_space(self, num_bins: int, image_size: tuple[int, int]) -> _Space:
        height, width = image_size
        reach = (150.0 / 331.0 * width, 150.0 / 331.0 * height)
        return _ordered(_space(num_bins, reach), ("Identity",))

    @staticmethod
    def get_params(transform_num: int) -> tuple[int, torch.Tensor, torch.Tensor]:
        """Draws which pair, and for both operations whether (a share) and the sign (0 or 1)."""
        policy = int(torch.randint(transform_num, (1,)).item())
        return policy, torch.rand((2,)), torch.randint(2, (2,))

    def forward(self, img: Any) -> Any:
        """Returns the changed image."""
        _, height, width = F.get_dimensions(img)
        policy, shares, signs = self.get_params(len(self.policies))
        space = self._augmentation_space(10, (height, width))
        for index, (name, probability, number) in enumerate(self.policies[policy]):
            if shares[index] <= probability:
                magnitudes, signed = space[name]
                magnitude = 0.0 if number is None else float(magnitudes[number].item())
                if signed and signs[index] == 0:
                    magnitude = -magnitude
                img = self._apply_to(img, name, magnitude)
        return img

    def __repr__(self) -> str:
        return self._shown("policy", "fill")


class RandAugment(_Augment):
    """Some operations of one magnitude, one after the other (Cubuk et al., NeurIPS 2020).

    Args:
        num_ops: how many.
        magnitude: which of the magnitudes.
        num_magnitude_bins: how many magnitudes there are.
        interpolation: of turns, shears and moves.
        fill: the value of the pixels that the image does not reach.
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__()
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation
        self.fill = fill

    def _augmentation_space(self, num_bins: int, image_size: tuple[int, int]) -> _Space:
        height, width = image_size
        reach = (150.0 / 331.0 * width, 150.0 / 331.0 * height)
        return _ordered(_space(num_bins, reach), ("Invert",))

    def forward(self, img: Any) -> Any:
        """Returns the changed image."""
        _, height, width = F.get_dimensions(img)
        space = self._augmentation_space(self.num_magnitude_bins, (height, width))
        for _ in range(self.num_ops):
            name, magnitudes, signed = _drawn(space)
            magnitude = float(magnitudes[self.magnitude].item()) if magnitudes.ndim > 0 else 0.0
            img = self._apply_to(img, name, _signed(magnitude, signed))
        return img

    def __repr__(self) -> str:
        names = ("num_ops", "magnitude", "num_magnitude_bins", "interpolation", "fill")
        return self._shown(*names)


class TrivialAugmentWide(_Augment):
    """One operation of any magnitude (Müller and Hutter, ICCV 2021).

    Args:
        num_magnitude_bins: how many magnitudes there are.
        interpolation: of turns, shears and moves.
        fill: the value of the pixels that the image does not reach.
    """

    def __init__(
        self,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__()
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation
        self.fill = fill

    def _augmentation_space(self, num_bins: int) -> _Space:
        space = _space(num_bins, (32.0, 32.0), shear=0.99, turn=135.0, change=0.99, bits=(8, 6))
        return _ordered(space, ("Invert",))

    def forward(self, img: Any) -> Any:
        """Returns the changed image."""
        name, magnitudes, signed = _drawn(self._augmentation_space(self.num_magnitude_bins))
        magnitude = 0.0
        if magnitudes.ndim > 0:
            number = int(torch.randint(len(magnitudes), (1,)).item())
            magnitude = float(magnitudes[number].item())
        return self._apply_to(img, name, _signed(magnitude, signed))

    def __repr__(self) -> str:
        return self._shown("num_magnitude_bins", "interpolation", "fill")


class AugMix(_Augment):
    """Several chains of operations, mixed with one another and the image (Hendrycks, ICLR 2020).

    Args:
        severity: how many of the 10 magnitudes are drawn from.
        mixture_width: how many chains.
        chain_depth: operations in a chain; not positive for 1 to 3, drawn for each.
        alpha: of the distributions that the shares are drawn from.
        all_ops: change brightness, colour, contrast and sharpness too.
        interpolation: of turns, shears and moves.
        fill: the value of the pixels that the image does not reach.

    Raises:
        ValueError: a `severity` not from 1 to 10.
    """

    _PARAMETER_MAX = 10

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        fill: Any = None,
    ) -> None:
        super().__init__()
        if not 1 <= severity <= self._PARAMETER_MAX:
            raise ValueError(
                f"The severity must be between [1, {self._PARAMETER_MAX}]. Got {severity} instead."
            )
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops
        self.interpolation = interpolation
        self.fill = fill

    def _augmentation_space(self, num_bins: int, image_size: tuple[int, int]) -> _Space:
        height, width = image_size
        space = _space(num_bins, (width / 3.0, height / 3.0), bits=(4, 4))
        plain = _ordered(space, ("Identity", "Invert", *_CHANGES))
        return {**plain, **{name: space[name] for name in _CHANGES}} if self.all_ops else plain

    def _sample_dirichlet(self, params: torch.Tensor) -> torch.Tensor:
        return torch._sample_dirichlet(params)

    def _chain(self, batch: torch.Tensor, space: _Space) -> torch.Tensor:
        depth = self.chain_depth
        if depth <= 0:
            depth = int(torch.randint(low=1, high=4, size=(1,)).item())
        for _ in range(depth):
            name, magnitudes, signed = _drawn(space)
            magnitude = 0.0
            if magnitudes.ndim > 0:
                number = int(torch.randint(self.severity, (1,)).item())
                magnitude = float(magnitudes[number].item())
            batch = self._apply_to(batch, name, _signed(magnitude, signed))
        return batch

    def forward(self, orig_img: Any) -> Any:
        """Returns the mixture."""
        _, height, width = F.get_dimensions(orig_img)
        img = orig_img if isinstance(orig_img, torch.Tensor) else F.pil_to_tensor(orig_img)
        space = self._augmentation_space(self._PARAMETER_MAX, (height, width))
        batch = img.view([1] * max(4 - img.ndim, 0) + list(img.shape))
        count = int(batch.size(0))
        one_each = [count] + [1] * (batch.ndim - 1)
        alphas = torch.tensor([self.alpha, self.alpha]).expand(count, -1)
        shares = self._sample_dirichlet(alphas)
        alphas = torch.tensor([self.alpha] * self.mixture_width).expand(count, -1)
        weights = self._sample_dirichlet(alphas) * shares[:, 1].view(count, -1)
        shares, weights = shares.to(batch.device), weights.to(batch.device)
        mix = shares[:, 0].view(one_each) * batch
        for chain in range(self.mixture_width):
            mix = mix + weights[:, chain].view(one_each) * self._chain(batch, space)
        mixed = mix.view(img.shape).to(img.dtype)
        return mixed if isinstance(orig_img, torch.Tensor) else F.to_pil_image(mixed)

    def __repr__(self) -> str:
        names = ("severity", "mixture_width", "chain_depth", "alpha", "all_ops")
        return self._shown(*names, "interpolation", "fill")
