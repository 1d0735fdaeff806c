"""Random transforms that move pixels about, blur them or mix them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flambeau as torch

from . import _random
from . import functional as F
from ._kinds import channel_fill
from .geometry import _angles, _check_two
from .interpolation import InterpolationMode, interpolation_mode

__all__ = [
    "ElasticTransform",
    "GaussianBlur",
    "LinearTransformation",
    "RandomAffine",
    "RandomPerspective",
]


def _fill(fill: Any) -> Any:
    if fill is None:
        return 0
    if not isinstance(fill, (Sequence, int, float)):
        raise TypeError(f"Fill should be either a sequence or a number, got {type(fill)}")
    return fill


class RandomPerspective(torch.nn.Module):
    """Moves an image's corners inwards at random. See `functional.perspective`.

    Args:
        distortion_scale: how far at most, as a share of half the width and half the height.
        p: the probability.
        interpolation: how pixels between pixels are made up.
        fill: the value of the pixels that the image does not reach.

    Raises:
        TypeError: a `fill` of another kind.
    """

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.p = p
        self.interpolation = interpolation_mode(interpolation)
        self.distortion_scale = distortion_scale
        self.fill = _fill(fill)

    @staticmethod
    def get_params(
        width: int, height: int, distortion_scale: float
    ) -> tuple[list[list[int]], list[list[int]]]:
        """Returns the image's corners, top left and on clockwise, and draws where they go."""
        inward_x = int(distortion_scale * (width // 2))
        inward_y = int(distortion_scale * (height // 2))
        corners = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
        moved = []
        for x, y in corners:
            across = (width - inward_x - 1, width) if x else (0, inward_x + 1)
            down = (height - inward_y - 1, height) if y else (0, inward_y + 1)
            moved.append([int(torch.randint(*span, size=(1,)).item()) for span in (across, down)])
        return corners, moved

    def forward(self, img: Any) -> Any:
        """Returns `img`, distorted or as it is."""
        _, height, width = F.get_dimensions(img)
        if not _random.chance(self.p):
            return img
        start, end = self.get_params(width, height, self.distortion_scale)
        return F.perspective(img, start, end, self.interpolation, channel_fill(img, self.fill))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomAffine(torch.nn.Module):
    """Turns, moves, scales and shears an image at random. See `functional.affine`.

    Args:
        degrees: (lowest, highest) angle, or one number for (-degrees, degrees).
        translate: how far right and down at most, as shares of width and height; None is not.
        scale: (lowest, highest) factor; None is 1.
        shear: (lowest, highest) angle along x, with two more along y, or one number for
            (-shear, shear) along x; None is not.
        interpolation: how pixels between pixels are made up.
        fill: the value of the pixels that the image does not reach.
        center: the (x, y) that stays in place; None is the middle.

    Raises:
        TypeError: an argument of another kind.
        ValueError: a wrong number of entries, or entries out of range.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.interpolation = interpolation_mode(interpolation)
        self.degrees = _angles(degrees)
        if translate is not None:
            _check_two("translate", translate)
            if not all(0.0 <= share <= 1.0 for share in translate):
                raise ValueError(f"translation values should be between 0 and 1, got {translate}")
        self.translate = translate
        if scale is not None:
            _check_two("scale", scale)
            if min(scale) <= 0:
                raise ValueError(f"scale values should be positive, got {scale}")
        self.scale = scale
        self.shear = None if shear is None else _angles(shear, "shear", (2, 4))
        self.fill = _fill(fill)
        if center is not None:
            _check_two("center", center)
        self.center = center

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """Draws an angle, a translation, a factor and shears; `img_size` is (width, height)."""
        angle = _random.uniform(float(degrees[0]), float(degrees[1]))
        moved = (0, 0)
        if translate is not None:
            right, down = (
                float(share * size) for share, size in zip(translate, img_size, strict=True)
            )
            moved = round(_random.uniform(-right, right)), round(_random.uniform(-down, down))
        scale = 1.0 if scale_ranges is None else _random.uniform(scale_ranges[0], scale_ranges[1])
        along = across = 0.0
        if shears is not None:
            along = _random.uniform(shears[0], shears[1])
            if len(shears) == 4:
                across = _random.uniform(shears[2], shears[3])
        return angle, moved, scale, (along, across)

    def forward(self, img: Any) -> Any:
        """Returns the changed image."""
        _, height, width = F.get_dimensions(img)
        ranges = (self.degrees, self.translate, self.scale, self.shear)
        drawn = self.get_params(*ranges, [width, height])
        options = (self.interpolation, channel_fill(img, self.fill), self.center)
        return F.affine(img, *drawn, *options)

    def __repr__(self) -> str:
        parts = [f"degrees={self.degrees}"]
        for name in ("translate", "scale", "shear"):
            if getattr(self, name) is not None:
                parts.append(f"{name}={getattr(self, name)}")
        if self.interpolation is not InterpolationMode.NEAREST:
            parts.append(f"interpolation={self.interpolation.value}")
        if self.fill != 0:
            parts.append(f"fill={self.fill}")
        if self.center is not None:
            parts.append(f"center={self.center}")
        return f"{type(self).__name__}({', '.join(parts)})"


class GaussianBlur(torch.nn.Module):
    """Blurs an image by a random amount. See `functional.gaussian_blur`.

    Args:
        kernel_size: pixels across and down, odd; one number for both.
        sigma: (lowest, highest) deviation, or one number.

    Raises:
        ValueError: even sizes, deviations that are not positive, or a wrong number of entries.
    """

    def __init__(
        self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0)
    ) -> None:
        super().__init__()
        sizes = (kernel_size,) if isinstance(kernel_size, int) else tuple(kernel_size)
        if len(sizes) == 1:
            sizes *= 2
        if len(sizes) != 2:
            raise ValueError(
                f"Kernel size should be a tuple/list of two integers, got {kernel_size}"
            )
        if any(size <= 0 or size % 2 == 0 for size in sizes):
            raise ValueError(
                f"Kernel size value should be an odd and positive number, got {kernel_size}"
            )
        self.kernel_size = sizes
        if isinstance(sigma, (int, float)):
            if sigma <= 0:
                raise ValueError(f"If sigma is a single number, it must be positive, got {sigma}")
            sigma = (sigma, sigma)
        elif not isinstance(sigma, Sequence) or len(sigma) != 2:
            raise ValueError(
                f"sigma should be a single number or a list/tuple with length 2, got {sigma}"
            )
        elif not 0.0 < sigma[0] <= sigma[1]:
            raise ValueError(
                f"sigma values should be positive and of the form (min, max), got {sigma}"
            )
        self.sigma = sigma

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """Draws a deviation."""
        return _random.uniform(sigma_min, sigma_max)

    def forward(self, img: Any) -> Any:
        """Returns the blurred image."""
        sigma = self.get_params(self.sigma[0], self.sigma[1])
        return F.gaussian_blur(img, self.kernel_size, [sigma, sigma])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kernel_size={self.kernel_size}, sigma={self.sigma})"


class ElasticTransform(torch.nn.Module):
    """Moves every pixel at random, neighbours alike. See `functional.elastic_transform`.

    Args:
        alpha: how far, in pixels; one float, or one across and one down.
        sigma: how much alike neighbours move, the same.
        interpolation: NEAREST or BILINEAR.
        fill: the value of the pixels that the image does not reach.

    Raises:
        TypeError: an argument of another kind.
        ValueError: a wrong number of entries.
    """

    def __init__(
        self,
        alpha: float | Sequence[float] = 50.0,
        sigma: float | Sequence[float] = 5.0,
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.alpha = _two_floats("alpha", alpha)
        self.sigma = _two_floats("sigma", sigma)
        self.interpolation = interpolation_mode(interpolation)
        if isinstance(fill, (int, float)):
            fill = [fill]
        elif not isinstance(fill, (list, tuple)):
            raise TypeError(
                f"fill should be int or float or a list or tuple of them. Got {type(fill)}"
            )
        self.fill = [float(part) for part in fill]

    @staticmethod
    def get_params(
        alpha: Sequence[float], sigma: Sequence[float], size: Sequence[int]
    ) -> torch.Tensor:
        """Draws displacements (1, height, width, 2), in halves of the image's width and height."""
        parts = []
        for axis, length in ((0, size[1]), (1, size[0])):
            drawn = torch.rand([1, 1, *size]) * 2 - 1
            if sigma[axis] > 0.0:
                kernel = int(8 * sigma[axis] + 1) | 1
                drawn = F.gaussian_blur(drawn, [kernel, kernel], list(sigma))
            parts.append(drawn * alpha[axis] / length)
        return torch.cat(parts, 1).permute([0, 2, 3, 1])

    def forward(self, tensor: Any) -> Any:
        """Returns the changed image, a Pillow image or a tensor."""
        _, height, width = F.get_dimensions(tensor)
        displacement = self.get_params(self.alpha, self.sigma, [height, width])
        return F.elastic_transform(tensor, displacement, self.interpolation, self.fill)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(alpha={self.alpha}, sigma={self.sigma}, "
            f"interpolation={self.interpolation}, fill={self.fill})"
        )


def _two_floats(name: str, value: Any) -> list[float]:
    if isinstance(value, float):
        return [value, value]
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} should be float or a sequence of floats. Got {type(value)}")
    if len(value) != 2:
        raise ValueError(f"If {name} is a sequence its length should be 2. Got {len(value)}")
    for entry in value:
        if not isinstance(entry, float):
            raise TypeError(f"{name} should be a sequence of floats. Got {type(entry)}")
    return list(value)


class LinearTransformation(torch.nn.Module):
    """Takes a mean off a tensor image and multiplies it by a matrix, for whitening.

    Args:
        transformation_matrix: (D, D), D being channels * height * width.
        mean_vector: (D).

    Raises:
        ValueError: other shapes, or two devices or types.
    """

    def __init__(self, transformation_matrix: torch.Tensor, mean_vector: torch.Tensor) -> None:
        super().__init__()
        matrix, mean = transformation_matrix, mean_vector
        if matrix.size(0) != matrix.size(1):
            raise ValueError(
                "transformation_matrix should be square. Got "
                f"{tuple(matrix.size())} rectangular matrix."
            )
        if mean.size(0) != matrix.size(0):
            raise ValueError(
                f"mean_vector should have the same length {mean.size(0)} as any one of the "
                f"dimensions of the transformation_matrix [{tuple(matrix.size())}]"
            )
        if matrix.device != mean.device:
            raise ValueError(
                f"Input tensors should be on the same device. Got {matrix.device} and {mean.device}"
            )
        if matrix.dtype != mean.dtype:
            raise ValueError(
                f"Input tensors should have the same dtype. Got {matrix.dtype} and {mean.dtype}"
            )
        self.transformation_matrix = matrix
        self.mean_vector = mean

    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        """Takes and returns (..., C, H, W)."""
        shape = tensor.shape
        size = int(shape[-3] * shape[-2] * shape[-1])
        if size != self.transformation_matrix.shape[0]:
            raise ValueError(
                "Input tensor and transformation matrix have incompatible shape."
                f"[{shape[-3]} x {shape[-2]} x {shape[-1]}] != "
                f"{self.transformation_matrix.shape[0]}"
            )
        flat = tensor.view(-1, size) - self.mean_vector
        return torch.mm(flat, self.transformation_matrix.to(flat.dtype)).view(shape)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(transformation_matrix={self.transformation_matrix.tolist()}, "
            f"mean_vector={self.mean_vector.tolist()})"
        )
