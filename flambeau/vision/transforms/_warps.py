"""Operations that move the pixels of a picture about, on Pillow images and tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import flambeau as torch

from .._extras import is_pil_image
from . import _grid, _pil
from ._conversion import pil_to_tensor, to_pil_image
from ._kinds import Picture, get_dimensions, module_of
from .interpolation import PIL_MODES, InterpolationMode, interpolation_mode

__all__ = ["affine", "elastic_transform", "gaussian_blur", "perspective", "rotate"]


def _get_inverse_affine_matrix(
    center: Sequence[float],
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
    inverted: bool = True,
) -> list[float]:
    """Returns [a, b, c, d, e, f], by which (x, y) comes from (a x + b y + c, d x + e y + f).

    The map turns by `angle`, shears, scales and moves, about `center`: T C R(angle) S(shear)
    scale C^-1. Not `inverted`, the map itself is returned.
    """
    turn, slant_x, slant_y = (math.radians(degrees) for degrees in (angle, shear[0], shear[1]))
    cx, cy = center
    tx, ty = translate
    along, across = math.cos(turn - slant_y), math.sin(turn - slant_y)
    a = along / math.cos(slant_y)
    b = -along * math.tan(slant_x) / math.cos(slant_y) - math.sin(turn)
    c = across / math.cos(slant_y)
    d = -across * math.tan(slant_x) / math.cos(slant_y) + math.cos(turn)
    if inverted:
        # The determinant of turn and shear is 1.
        p, q, r, s = (value / scale for value in (d, -b, -c, a))
        x, y = -cx - tx, -cy - ty
        return [p, q, p * x + q * y + cx, r, s, r * x + s * y + cy]
    p, q, r, s = (value * scale for value in (a, b, c, d))
    return [p, q, -p * cx - q * cy + cx + tx, r, s, -r * cx - s * cy + cy + ty]


def affine(
    img: Picture,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
    fill: Any = None,
    center: Sequence[float] | None = None,
) -> Picture:
    """Turns, shears, scales and moves an image.

    Args:
        img: a Pillow image or a tensor (..., H, W).
        angle: in degrees, clockwise.
        translate: how many pixels right and down.
        scale: positive.
        shear: angles in degrees along x and along y, or one along x.
        interpolation: tensors take NEAREST and BILINEAR.
        fill: the value of the pixels that the image does not reach; a number, or one a channel.
        center: the (x, y) that turning, shearing and scaling leave in place; None is the middle.

    Raises:
        TypeError: an argument of another kind.
        ValueError: a wrong number of entries, or a `scale` that is not positive.
    """
    mode = interpolation_mode(interpolation)
    shears = _check_affine(angle, translate, scale, shear, center)
    _, height, width = get_dimensions(img)
    if module_of(img) is _pil:
        about = [width * 0.5, height * 0.5] if center is None else center
        matrix = _get_inverse_affine_matrix(about, angle, translate, scale, shears)
        return _pil.affine(img, matrix, PIL_MODES[mode], fill)
    about = _from_middle(img, center)
    matrix = _get_inverse_affine_matrix(about, angle, translate, scale, shears)
    return _grid.affine(img, matrix, mode.value, fill)


def _from_middle(img: torch.Tensor, point: Sequence[float] | None) -> list[float]:
    """A place in an image as tensors count it."""
    if point is None:
        return [0.0, 0.0]
    _, height, width = get_dimensions(img)
    return [point[0] - width * 0.5, point[1] - height * 0.5]


def rotate(
    img: Picture,
    angle: float,
    interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = None,
) -> Picture:
    """Turns the image counter-clockwise.

    Args:
        img: a Pillow image or a tensor (..., C, H, W).
        angle: in degrees.
        interpolation: tensors take NEAREST and BILINEAR.
        expand: make the result large enough to hold the whole turned image.
        center: the (x, y) that stays in place, from the upper left corner; None is the middle.
        fill: the value of the pixels that the image does not reach; a number, or one a channel.
    """
    mode = interpolation_mode(interpolation)
    if not isinstance(angle, (int, float)):
        raise TypeError(f"Argument angle should be int or float, got {type(angle)}")
    if center is not None and not isinstance(center, (list, tuple)):
        raise TypeError(f"Argument center should be a sequence, got {type(center)}")
    if module_of(img) is _pil:
        return _pil.rotate(img, angle, PIL_MODES[mode], expand, center, fill)
    matrix = _get_inverse_affine_matrix(_from_middle(img, center), -angle, [0, 0], 1.0, [0, 0])
    return _grid.rotate(img, matrix, expand, mode.value, fill)


def _check_affine(angle: Any, translate: Any, scale: Any, shear: Any, center: Any) -> list[float]:
    """Returns both shears."""
    if not isinstance(angle, (int, float)):
        raise TypeError(f"Argument angle should be int or float, got {type(angle)}")
    if not isinstance(translate, (list, tuple)):
        raise TypeError(f"Argument translate should be a sequence, got {type(translate)}")
    if len(translate) != 2:
        raise ValueError(f"Argument translate should be a sequence of length 2, got {translate}")
    if scale <= 0.0:
        raise ValueError(f"Argument scale should be positive, got {scale}")
    if center is not None and not isinstance(center, (list, tuple)):
        raise TypeError(f"Argument center should be a sequence, got {type(center)}")
    if isinstance(shear, (int, float)):
        return [float(shear), 0.0]
    if not isinstance(shear, (list, tuple)):
        raise TypeError(
            f"Shear should be either a single value or a sequence of two values, got {type(shear)}"
        )
    if len(shear) not in (1, 2):
        raise ValueError(f"Shear should be a sequence containing two values. Got {shear}")
    return [float(shear[0]), float(shear[-1])]


def _get_perspective_coeffs(
    startpoints: Sequence[Sequence[int]], endpoints: Sequence[Sequence[int]]
) -> list[float]:
    """Returns [a, ..., h], by which a pixel (x, y) of the result comes from the image's
    ((a x + b y + c) / (g x + h y + 1), (d x + e y + f) / (g x + h y + 1)).

    Args:
        startpoints: the image's corners: top left, and on clockwise.
        endpoints: where they go.

    Raises:
        ValueError: other than four corners.
    """
    if len(startpoints) != 4 or len(endpoints) != 4:
        raise ValueError(
            f"Please provide exactly four corners, got {len(startpoints)} startpoints and "
            f"{len(endpoints)} endpoints."
        )
    rows = []
    for (x, y), (u, v) in zip(endpoints, startpoints, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    system = torch.tensor(rows, dtype=torch.float64)
    places = torch.tensor([list(point) for point in startpoints], dtype=torch.float64).view(8, 1)
    solution = torch.linalg.lstsq(system, places).solution
    coefficients: list[float] = solution.view(8).to(torch.float32).tolist()
    return coefficients


def perspective(
    img: Picture,
    startpoints: Sequence[Sequence[int]],
    endpoints: Sequence[Sequence[int]],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    fill: Any = None,
) -> Picture:
    """Moves four corners of an image, and all in between as if seen from elsewhere.

    Args:
        img: a Pillow image or a tensor (..., H, W).
        startpoints: four corners (x, y): top left, and on clockwise.
        endpoints: where they go.
        interpolation: tensors take NEAREST and BILINEAR.
        fill: the value of the pixels that the image does not reach; a number, or one a channel.
    """
    coefficients = _get_perspective_coeffs(startpoints, endpoints)
    mode = interpolation_mode(interpolation)
    if module_of(img) is _pil:
        return _pil.perspective(img, coefficients, PIL_MODES[mode], fill)
    return _grid.perspective(img, coefficients, mode.value, fill)


def gaussian_blur(
    img: Picture, kernel_size: int | Sequence[int], sigma: float | Sequence[float] | None = None
) -> Picture:
    """Averages each pixel with its neighbours, weighed by a bell curve.

    Args:
        img: a Pillow image or a tensor (..., C, H, W).
        kernel_size: how many pixels across and down are averaged, odd; one number for both.
        sigma: the curve's deviation across and down, in pixels; one number for both; None goes by
            the kernel: 0.15 of its size and 0.35.

    Raises:
        TypeError: an argument of another kind.
        ValueError: even or negative sizes, deviations that are not positive, or wrong lengths.
    """
    sizes, deviations = _check_blur(kernel_size, sigma)
    if isinstance(img, torch.Tensor):
        return _grid.gaussian_blur(img, sizes, deviations)
    if not is_pil_image(img):
        raise TypeError(f"img should be PIL Image or Tensor. Got {type(img)}")
    return to_pil_image(_grid.gaussian_blur(pil_to_tensor(img), sizes, deviations), img.mode)


def _check_blur(kernel_size: Any, sigma: Any) -> tuple[list[int], list[float]]:
    if not isinstance(kernel_size, (int, list, tuple)):
        raise TypeError(
            f"kernel_size should be int or a sequence of integers. Got {type(kernel_size)}"
        )
    sizes = [kernel_size] * 2 if isinstance(kernel_size, int) else list(kernel_size)
    if len(sizes) != 2:
        raise ValueError(f"If kernel_size is a sequence its length should be 2. Got {len(sizes)}")
    if any(size % 2 == 0 or size < 0 for size in sizes):
        raise ValueError(f"kernel_size should have odd and positive integers. Got {kernel_size}")
    if sigma is None:
        return sizes, [size * 0.15 + 0.35 for size in sizes]
    if not isinstance(sigma, (int, float, list, tuple)):
        raise TypeError(f"sigma should be either float or sequence of floats. Got {type(sigma)}")
    deviations = [float(sigma)] if isinstance(sigma, (int, float)) else list(sigma)
    if len(deviations) == 1:
        deviations *= 2
    if len(deviations) != 2:
        raise ValueError(f"If sigma is a sequence, its length should be 2. Got {len(deviations)}")
    if any(deviation <= 0.0 for deviation in deviations):
        raise ValueError(f"sigma should have positive values. Got {sigma}")
    return sizes, deviations


def elastic_transform(
    img: Picture,
    displacement: torch.Tensor,
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    fill: Any = None,
) -> Picture:
    """Takes each pixel from elsewhere.

    Args:
        img: a Pillow image or a tensor (..., C, H, W).
        displacement: (1, H, W, 2), how far right and down, in halves of the image's width and
            height.
        interpolation: NEAREST or BILINEAR.
        fill: the value of the pixels that the image does not reach; a number, or one a channel.

    Raises:
        TypeError: an argument of another kind.
        ValueError: a `displacement` of another shape.
    """
    mode = interpolation_mode(interpolation)
    if not isinstance(displacement, torch.Tensor):
        raise TypeError(f"Argument displacement should be a Tensor, got {type(displacement)}")
    _, height, width = get_dimensions(img)
    shape = (1, height, width, 2)
    if tuple(displacement.shape) != shape:
        raise ValueError(
            f"Argument displacement shape should be {shape}, but given {tuple(displacement.shape)}"
        )
    if isinstance(img, torch.Tensor):
        return _grid.displaced(img, displacement, mode.value, fill)
    moved = _grid.displaced(pil_to_tensor(img), displacement, mode.value, fill)
    return to_pil_image(moved, img.mode)
