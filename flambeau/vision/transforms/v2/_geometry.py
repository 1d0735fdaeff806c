"""Transforms that move pixels, and boxes and points with them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import flambeau as torch
from flambeau.errors import users_line

from ... import tv_tensors
from ..._extras import is_pil_image
from .. import _random, geometry, warps
from .. import functional as v1
from ..geometry import _angles, _check_two
from ._arguments import (
    Fill,
    check_padding,
    check_padding_mode,
    fill_of,
    fills,
    number_pair,
    two_sizes,
)
from ._transform import (
    Transform,
    _RandomApplyTransform,
    get_bounding_boxes,
    has_all,
    has_any,
    query_size,
)
from .functional import (
    affine,
    center_crop,
    convert_bounding_box_format,
    crop,
    elastic,
    five_crop,
    gaussian_blur,
    horizontal_flip,
    is_pure_tensor,
    pad,
    perspective,
    resize,
    resized_crop,
    rotate,
    ten_crop,
    vertical_flip,
)

_Params = dict[str, Any]


class RandomHorizontalFlip(_RandomApplyTransform):
    """Mirrors, left to right, with probability `p`."""

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return self._call_kernel(horizontal_flip, inpt)


class RandomVerticalFlip(_RandomApplyTransform):
    """Turns upside down, top to bottom, with probability `p`."""

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return self._call_kernel(vertical_flip, inpt)


class Resize(Transform):
    """Resizes to (height, width), or one number for the shorter edge.

    Args:
        size: see above; None makes the longer edge `max_size`.
        interpolation: of pictures; masks take the nearest pixel.
        max_size: the most that the longer edge may become.
        antialias: smooth what is shrunk.
    """

    def __init__(
        self,
        size: int | Sequence[int] | None,
        interpolation: Any = "bilinear",
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        if isinstance(size, int):
            size = [size]
        elif isinstance(size, Sequence) and len(size) in (1, 2):
            size = list(size)
        elif size is not None:
            raise ValueError(
                "size can be an integer, a sequence of one or two integers, or None, but got "
                f"{size} instead."
            )
        elif not isinstance(max_size, int):
            raise ValueError(
                f"max_size must be an integer when size is None, but got {max_size} instead."
            )
        self.size = size
        self.interpolation = interpolation
        self.max_size = max_size
        self.antialias = antialias

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        options = {"max_size": self.max_size, "antialias": self.antialias}
        return self._call_kernel(
            resize, inpt, self.size, interpolation=self.interpolation, **options
        )


class CenterCrop(Transform):
    """Cuts out the middle."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = two_sizes(size)

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return self._call_kernel(center_crop, inpt, self.size)


class RandomResizedCrop(Transform):
    """Cuts a random part out and resizes it: see `transforms.RandomResizedCrop`."""

    def __init__(
        self,
        size: int | Sequence[int],
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Any = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size = two_sizes(size)
        for name, pair in (("Scale", scale), ("Ratio", ratio)):
            if not isinstance(pair, Sequence) or len(pair) != 2:
                raise TypeError(f"{name} should be a sequence of two floats, got {pair}")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=users_line())
        self.scale = scale
        self.ratio = ratio
        self.interpolation = interpolation
        self.antialias = antialias

    def make_params(self, flat_inputs: list[Any]) -> _Params:
        """Draws the part."""
        height, width = query_size(flat_inputs)
        canvas = torch.empty(1, height, width)
        box = geometry.RandomResizedCrop.get_params(canvas, self.scale, self.ratio)
        return dict(zip(("top", "left", "height", "width"), box, strict=True))

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        options = {"interpolation": self.interpolation, "antialias": self.antialias}
        return self._call_kernel(resized_crop, inpt, **params, size=self.size, **options)


class _Crops(Transform):
    """Base of what makes several pictures of one."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = two_sizes(size)

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Refuses boxes and masks."""
        if has_any(flat_inputs, tv_tensors.BoundingBoxes, tv_tensors.Mask):
            raise TypeError(
                f"BoundingBoxes'es and Mask's are not supported by {type(self).__name__}()"
            )


class FiveCrop(_Crops):
    """Returns four corners and the middle."""

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return self._call_kernel(five_crop, inpt, self.size)


class TenCrop(_Crops):
    """Returns the five crops of a picture, and those of the mirrored picture."""

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False) -> None:
        super().__init__(size)
        self.vertical_flip = vertical_flip

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return self._call_kernel(ten_crop, inpt, self.size, self.vertical_flip)


class _Filling(Transform):
    """Base of what makes new pixels: their value, one for all kinds of inputs or by kind."""

    def _set_fill(self, fill: Fill) -> None:
        self.fill = fill
        self._fill = fills(fill)

    def _fill_of(self, inpt: Any) -> Any:
        return fill_of(self._fill, type(inpt))


class Pad(_Filling):
    """Adds pixels at the sides: see `transforms.functional.pad`."""

    def __init__(
        self,
        padding: int | Sequence[int],
        fill: Fill = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        check_padding(padding)
        check_padding_mode(padding_mode)
        self.padding = padding if isinstance(padding, int) else list(padding)
        self._set_fill(fill)
        self.padding_mode = padding_mode

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return self._call_kernel(pad, inpt, self.padding, self._fill_of(inpt), self.padding_mode)


class RandomZoomOut(_RandomApplyTransform, _Filling):
    """Puts a picture somewhere on a larger canvas, with probability `p` (Liu et al., "SSD").

    Args:
        fill: what the canvas is filled with.
        side_range: how much larger its sides may be, (lowest, highest), from 1.
        p: the probability.
    """

    def __init__(
        self, fill: Fill = 0, side_range: Sequence[float] = (1.0, 4.0), p: float = 0.5
    ) -> None:
        super().__init__(p=p)
        self._set_fill(fill)
        _check_two("side_range", side_range)
        self.side_range = side_range
        if side_range[0] < 1.0 or side_range[0] > side_range[1]:
            raise ValueError(f"Invalid side range provided {side_range}.")

    def make_params(self, flat_inputs: list[Any]) -> _Params:
        """Draws the canvas and the place."""
        height, width = query_size(flat_inputs)
        low, high = self.side_range
        ratio = low + torch.rand(1) * (high - low)
        wide, tall = int(width * ratio), int(height * ratio)
        across, down = torch.rand(2)
        left, top = int((wide - width) * across), int((tall - height) * down)
        return {"padding": [left, top, wide - left - width, tall - top - height]}

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return self._call_kernel(pad, inpt, params["padding"], self._fill_of(inpt))


class RandomRotation(_Filling):
    """Turns by a random angle: see `transforms.RandomRotation`."""

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: Any = "nearest",
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Fill = 0,
    ) -> None:
        super().__init__()
        self.degrees = _angles(degrees)
        self.interpolation = interpolation
        self.expand = expand
        self._set_fill(fill)
        if center is not None:
            _check_two("center", center)
        self.center = center

    def make_params(self, flat_inputs: list[Any]) -> _Params:
        """Draws the angle."""
        return {"angle": _random.uniform(self.degrees[0], self.degrees[1])}

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        options = (self.interpolation, self.expand, self.center, self._fill_of(inpt))
        return self._call_kernel(rotate, inpt, params["angle"], *options)


class RandomAffine(_Filling):
    """Turns, moves, scales and shears at random: see `transforms.RandomAffine`."""

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: Any = "nearest",
        fill: Fill = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        # The first generation's checks.
        checked = warps.RandomAffine(degrees, translate, scale, shear, center=center)
        self.degrees = checked.degrees
        self.translate = translate
        self.scale = scale
        self.shear = checked.shear
        self.interpolation = interpolation
        self._set_fill(fill)
        self.center = center

    def make_params(self, flat_inputs: list[Any]) -> _Params:
        """Draws the map."""
        height, width = query_size(flat_inputs)
        ranges = (self.degrees, self.translate, self.scale, self.shear)
        drawn = warps.RandomAffine.get_params(*ranges, [width, height])
        return dict(zip(("angle", "translate", "scale", "shear"), drawn, strict=True))

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        options = {"interpolation": self.interpolation, "center": self.center}
        return self._call_kernel(affine, inpt, **params, fill=self._fill_of(inpt), **options)


class RandomCrop(_Filling):
    """Cuts out a random part of a size: see `transforms.RandomCrop`."""

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Fill = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = two_sizes(size)
        if padding is not None:
            check_padding(padding)
        if padding is not None or pad_if_needed:
            check_padding_mode(padding_mode)
        self.padding: list[int] | None = None
        if padding:
            left, top, right, bottom = v1._sides(padding)
            self.padding = [left, right, top, bottom]
        self.pad_if_needed = pad_if_needed
        self._set_fill(fill)
        self.padding_mode = padding_mode

    def make_params(self, flat_inputs: list[Any]) -> _Params:
        """Draws the part, after what padding there has to be."""
        height, width = query_size(flat_inputs)
        left, right, top, bottom = self.padding or (0, 0, 0, 0)
        tall, wide = self.size
        if self.pad_if_needed:
            lacking = max(tall - (height + top + bottom), 0)
            top, bottom = top + lacking, bottom + lacking
            lacking = max(wide - (width + left + right), 0)
            left, right = left + lacking, right + lacking
        height, width = height + top + bottom, width + left + right
        if height < tall or width < wide:
            raise ValueError(
                f"Required crop size {(tall, wide)} is larger than "
                f"{'padded ' if self.padding is not None else ''}input image size "
                f"{(height, width)}."
            )
        # Nothing is drawn where there is no choice.
        y = int(torch.randint(0, height - tall + 1, size=())) if height > tall else 0
        x = int(torch.randint(0, width - wide + 1, size=())) if width > wide else 0
        box = (y, x, tall, wide) if (height, width) != (tall, wide) else None
        return {"padding": [left, top, right, bottom], "box": box}

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        if any(params["padding"]):
            options = (params["padding"], self._fill_of(inpt), self.padding_mode)
            inpt = self._call_kernel(pad, inpt, *options)
        if params["box"] is not None:
            inpt = self._call_kernel(crop, inpt, *params["box"])
        return inpt


class RandomPerspective(_RandomApplyTransform, _Filling):
    """Moves the corners inwards at random: see `transforms.RandomPerspective`."""

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: Any = "bilinear",
        fill: Fill = 0,
    ) -> None:
        super().__init__(p=p)
        if not 0 <= distortion_scale <= 1:
            raise ValueError(
                f"Argument distortion_scale value should be between 0 and 1, got {distortion_scale}"
            )
        self.distortion_scale = distortion_scale
        self.interpolation = interpolation
        self._set_fill(fill)

    def make_params(self, flat_inputs: list[Any]) -> _Params:
        """Draws where the corners go."""
        height, width = query_size(flat_inputs)
        points = warps.RandomPerspective.get_params(width, height, self.distortion_scale)
        return {"points": points}

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        options = {"interpolation": self.interpolation, "fill": self._fill_of(inpt)}
        return self._call_kernel(perspective, inpt, *params["points"], **options)


class ElasticTransform(_Filling):
    """Moves every pixel at random, neighbours alike: see `transforms.ElasticTransform`."""

    def __init__(
        self,
        alpha: float | Sequence[float] = 50.0,
        sigma: float | Sequence[float] = 5.0,
        interpolation: Any = "bilinear",
        fill: Fill = 0,
    ) -> None:
        super().__init__()
        self.alpha = number_pair(alpha, "alpha")
        self.sigma = number_pair(sigma, "sigma")
        self.interpolation = interpolation
        self._set_fill(fill)

    def make_params(self, flat_inputs: list[Any]) -> _Params:
        """Draws the displacements."""
        size = query_size(flat_inputs)
        parts = []
        for axis, length in ((0, size[1]), (1, size[0])):
            drawn = torch.rand(1, 1, *size) * 2 - 1
            if self.sigma[axis] > 0.0:
                kernel = int(8 * self.sigma[axis] + 1) | 1
                drawn = gaussian_blur(drawn, [kernel, kernel], list(self.sigma))
            parts.append(drawn * self.alpha[axis] / length)
        return {"displacement": torch.cat(parts, 1).permute([0, 2, 3, 1])}

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        options = {"interpolation": self.interpolation, "fill": self._fill_of(inpt)}
        return self._call_kernel(elastic, inpt, params["displacement"], **options)


class RandomIoUCrop(Transform):
    """Cuts out a part that a box is in enough of (Liu et al., "SSD", ECCV 2016).

    Boxes whose middle is outside become zeros: see `SanitizeBoundingBoxes`.

    Args:
        min_scale: the least share of the sides.
        max_scale: the largest.
        min_aspect_ratio: the least width over height.
        max_aspect_ratio: the largest.
        sampler_options: overlaps of part and box, one of which is drawn; 1 leaves the picture.
        trials: how many parts are tried before another overlap is drawn.
    """

    def __init__(
        self,
        min_scale: float = 0.3,
        max_scale: float = 1.0,
        min_aspect_ratio: float = 0.5,
        max_aspect_ratio: float = 2.0,
        sampler_options: list[float] | None = None,
        trials: int = 40,
    ) -> None:
        super().__init__()
        self.min_scale = min_scale
        self.max_scale = max_scale
        self.min_aspect_ratio = min_aspect_ratio
        self.max_aspect_ratio = max_aspect_ratio
        self.options = sampler_options or [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0]
        self.trials = trials

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Wants a picture and boxes."""
        pictures = (is_pil_image, tv_tensors.Image, is_pure_tensor)
        if not (has_all(flat_inputs, tv_tensors.BoundingBoxes) and has_any(flat_inputs, *pictures)):
            raise TypeError(
                f"{type(self).__name__}() requires input sample to contain tensor or PIL images "
                "and bounding boxes. Sample can also contain masks."
            )

    def make_params(self, flat_inputs: list[Any]) -> _Params:
        """Draws a part until one fits."""
        from ...ops import box_iou

        height, width = query_size(flat_inputs)
        boxes = convert_bounding_box_format(get_bounding_boxes(flat_inputs), new_format="XYXY")
        corners = boxes.as_subclass(torch.Tensor)
        middles = 0.5 * (corners[:, :2] + corners[:, 2:])
        while True:
            least = self.options[int(torch.randint(low=0, high=len(self.options), size=(1,)))]
            if least >= 1.0:
                return {}
            for _ in range(self.trials):
                sides = self.min_scale + (self.max_scale - self.min_scale) * torch.rand(2)
                wide, tall = int(width * sides[0]), int(height * sides[1])
                if not self.min_aspect_ratio <= wide / tall <= self.max_aspect_ratio:
                    continue
                place = torch.rand(2)
                left, top = int((width - wide) * place[0]), int((height - tall) * place[1])
                if wide == 0 or tall == 0:
                    continue
                part = corners.new_tensor([[left, top, left + wide, top + tall]])
                inside = ((middles > part[:, :2]) & (middles < part[:, 2:])).all(dim=1)
                if not inside.any() or box_iou(corners[inside], part).max() < least:
                    continue
                box = (top, left, tall, wide)
                return {"box": box, "inside": inside}

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        if not params:
            return inpt
        output = self._call_kernel(crop, inpt, *params["box"])
        if isinstance(output, tv_tensors.BoundingBoxes):
            output[~params["inside"]] = 0
        return output


class _RandomSize(Transform):
    """Base of what resizes to a size that it draws."""

    interpolation: Any
    antialias: bool | None

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        options = {"interpolation": self.interpolation, "antialias": self.antialias}
        return self._call_kernel(resize, inpt, params["size"], **options)


class ScaleJitter(_RandomSize):
    """Resizes to fit into a target size, times a random factor.

    Args:
        target_size: the target.
        scale_range: the factor, (lowest, highest).
        interpolation: of pictures.
        antialias: smooth what is shrunk.
    """

    def __init__(
        self,
        target_size: tuple[int, int],
        scale_range: tuple[float, float] = (0.1, 2.0),
        interpolation: Any = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.target_size = target_size
        self.scale_range = scale_range
        self.interpolation = interpolation
        self.antialias = antialias

    def make_params(self, flat_inputs: list[Any]) -> _Params:
        """Draws the size."""
        height, width = query_size(flat_inputs)
        low, high = self.scale_range
        scale = low + torch.rand(1) * (high - low)
        ratio = min(self.target_size[1] / height, self.target_size[0] / width) * scale
        return {"size": (int(height * ratio), int(width * ratio))}


class RandomShortestSize(_RandomSize):
    """Resizes the shorter edge to one of several lengths.

    Args:
        min_size: the lengths.
        max_size: the most that the longer edge may become.
        interpolation: of pictures.
        antialias: smooth what is shrunk.
    """

    def __init__(
        self,
        min_size: list[int] | tuple[int, ...] | int,
        max_size: int | None = None,
        interpolation: Any = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.min_size = [min_size] if isinstance(min_size, int) else list(min_size)
        self.max_size = max_size
        self.interpolation = interpolation
        self.antialias = antialias

    def make_params(self, flat_inputs: list[Any]) -> _Params:
        """Draws the size."""
        height, width = query_size(flat_inputs)
        edge = self.min_size[int(torch.randint(len(self.min_size), ()))]
        ratio = edge / min(height, width)
        if self.max_size is not None:
            ratio = min(ratio, self.max_size / max(height, width))
        return {"size": (int(height * ratio), int(width * ratio))}


class RandomResize(_RandomSize):
    """Resizes the shorter edge to a length from `min_size` up to below `max_size`."""

    def __init__(
        self,
        min_size: int,
        max_size: int,
        interpolation: Any = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.min_size = min_size
        self.max_size = max_size
        self.interpolation = interpolation
        self.antialias = antialias

    def make_params(self, flat_inputs: list[Any]) -> _Params:
        """Draws the size."""
        return {"size": [int(torch.randint(self.min_size, self.max_size, ()))]}
