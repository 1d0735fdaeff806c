"""Drawing boxes, masks, points and motion into pictures. `vision.utils` is where users find it."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

import flambeau as torch
from flambeau import Tensor
from flambeau.errors import users_line

from ._extras import pillow

_Color = str | tuple[int, int, int]
_Colors = list[_Color] | _Color | None


def _check_image(image: Any, channels: tuple[int, ...], noun: str) -> None:
    """Raises unless `image` is one picture of bytes or floats, (C, H, W)."""
    if not isinstance(image, Tensor):
        raise TypeError(f"{noun} expected, got {type(image)}")
    if image.dtype != torch.uint8 and not image.is_floating_point():
        raise ValueError(f"The image dtype must be uint8 or float, got {image.dtype}")
    if image.dim() != 3:
        raise ValueError("Pass individual images, not batches")
    if image.size(0) not in channels:
        raise ValueError(
            "Only grayscale and RGB images are supported"
            if 1 in channels
            else "Pass an RGB image. Other Image formats are not supported"
        )


def _to_bytes(image: Tensor) -> Tensor:
    from .transforms.functional import convert_image_dtype

    return convert_image_dtype(image, torch.uint8) if image.is_floating_point() else image


def _as_before(picture: Any, image: Tensor) -> Tensor:
    """A Pillow image as a tensor (C, H, W) of the type and on the device of the tensor that it was."""
    from .transforms.functional import convert_image_dtype, pil_to_tensor

    drawn = pil_to_tensor(picture).to(image.device)
    return convert_image_dtype(drawn, image.dtype) if image.is_floating_point() else drawn


def _to_pillow(image: Tensor) -> Any:
    return pillow().fromarray(np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy()))


def _generate_color_palette(num_objects: int) -> list[tuple[int, ...]]:
    """Colours that differ: multiples of three large numbers, modulo 255."""
    steps = (2**25 - 1, 2**15 - 1, 2**21 - 1)
    return [tuple(index * step % 255 for step in steps) for index in range(num_objects)]


def _parse_colors(
    colors: _Colors, *, num_objects: int, dtype: torch.dtype = torch.uint8
) -> list[tuple[Any, ...]]:
    """Returns a triple for each object, of 0 to 255, or 0 to 1 for floats.

    Args:
        colors: one for each object, one for all, or None for a palette; Pillow's names or triples.
        num_objects: how many are wanted, at least.
        dtype: of the picture.

    Raises:
        ValueError: too few, or something else.
    """
    given: list[Any]
    if colors is None:
        given = list(_generate_color_palette(num_objects))
    elif isinstance(colors, list):
        if len(colors) < num_objects:
            raise ValueError(
                "Number of colors must be equal or larger than the number of objects, but got "
                f"{len(colors)} < {num_objects}."
            )
        given = colors
    elif not isinstance(colors, (tuple, str)):
        raise ValueError(
            f"colors must be a tuple or a string, or a list thereof, but got {colors}."
        )
    elif isinstance(colors, tuple) and len(colors) != 3:
        raise ValueError(f"If passed as tuple, colors should be an RGB triplet, but got {colors}.")
    else:
        given = [colors] * num_objects
    pillow()
    from PIL import ImageColor

    triples = [ImageColor.getrgb(one) if isinstance(one, str) else one for one in given]
    if dtype.is_floating_point:
        return [tuple(part / 255 for part in triple) for triple in triples]
    return [tuple(int(part) for part in triple) for triple in triples]


def _dashed_line(draw: Any, start: tuple[int, int], end: tuple[int, int], **style: Any) -> None:
    """Five pixels of line, five of nothing, and so on."""
    left = math.hypot(end[0] - start[0], end[1] - start[1])
    x, y = float(start[0]), float(start[1])
    visible = True
    while left > 0:
        step = min(left, 5)
        angle = math.atan2(end[1] - y, end[0] - x)
        following = (x + math.cos(angle) * step, y + math.sin(angle) * step)
        if visible:
            draw.line([(x, y), following], **style)
        (x, y), left, visible = following, left - step, not visible


def _turned_box(draw: Any, corners: list[int], fill: Any, outline: Any, width: int) -> None:
    """A box of four corners; the side between the first two is dashed, to show which is up."""
    points = list(zip(corners[0::2], corners[1::2], strict=True))
    _dashed_line(draw, points[0], points[1], fill=outline, width=width)
    for start, end in zip(points[1:], points[2:] + points[:1], strict=True):
        draw.line((start, end), width=width, fill=outline)
    draw.polygon(corners, fill=fill, outline=None, width=0)


@torch.no_grad()
def draw_bounding_boxes(
    image: Tensor,
    boxes: Tensor,
    labels: list[str] | None = None,
    colors: _Colors = None,
    fill: bool | None = False,
    width: int = 1,
    font: str | None = None,
    font_size: int | None = None,
    label_colors: _Colors = None,
    label_background_colors: _Colors = None,
    fill_labels: bool = False,
) -> Tensor:
    """Draws boxes, and what they are of, into a picture.

    Args:
        image: (1 or 3, H, W), bytes, or floats from 0 to 1.
        boxes: (N, 4) of corners xmin, ymin, xmax, ymax, or (N, 8) of four corners x, y.
        labels: N texts.
        colors: of the boxes, one for each or one for all, Pillow's names or triples.
        fill: fill the boxes, translucently.
        width: of the lines, in pixels.
        font: a TrueType file; None is Pillow's own font.
        font_size: in points, of that file.
        label_colors: of the texts; the boxes' by default, or black if `fill_labels`.
        label_background_colors: behind the texts, if `fill_labels`; the boxes' by default.
        fill_labels: fill what is behind the texts.

    Returns:
        The picture with three channels, of the same type; without boxes `image` itself.

    Raises:
        TypeError: `image` is no tensor.
        ValueError: another kind of picture, corners in the wrong order, or a wrong number of
            labels or colours.
    """
    _check_image(image, (1, 3), "Tensor")
    if boxes.shape[-1] == 4 and bool((boxes[:, :2] > boxes[:, 2:]).any()):
        raise ValueError(
            "Boxes need to be in (xmin, ymin, xmax, ymax) format. Use torchvision.ops.box_convert "
            "to convert them"
        )
    count = len(boxes)
    if count == 0:
        warnings.warn("boxes doesn't contain any box. No box was drawn", stacklevel=users_line())
        return image
    if labels is not None and len(labels) != count:
        raise ValueError(
            f"Number of boxes ({count}) and labels ({len(labels)}) mismatch. Please specify "
            "labels for each box."
        )
    outlines = _parse_colors(colors, num_objects=count)
    texts = backgrounds = outlines
    if label_colors or fill_labels:
        texts = _parse_colors(label_colors or "black", num_objects=count)
    if fill_labels and label_background_colors:
        backgrounds = _parse_colors(label_background_colors, num_objects=count)
    letters = _font(font, font_size)
    if image.size(0) == 1:
        image = torch.tile(image, (3, 1, 1))
    picture = _to_pillow(_to_bytes(image))
    from PIL import ImageDraw

    draw: Any = ImageDraw.Draw(picture, "RGBA" if fill else None)
    for index, corners in enumerate(boxes.to(torch.int64).tolist()):
        outline = outlines[index]
        inside = (*outline, 100) if fill else None
        if len(corners) > 4:
            _turned_box(draw, corners, inside, outline, width)
        else:
            draw.rectangle(corners, width=width, outline=outline, fill=inside)
        if labels is not None and labels[index] is not None:
            place = (corners[0] + width + 1, corners[1] + width + 1)
            if fill_labels:
                left, top, right, bottom = draw.textbbox(place, labels[index], font=letters)
                around = (left - 1, top - 1, right + 1, bottom + 1)
                draw.rectangle(around, fill=backgrounds[index])
            draw.text(place, labels[index], fill=texts[index], font=letters)
    return _as_before(picture, image)


def _font(file: str | None, size: int | None) -> Any:
    pillow()
    from PIL import ImageFont

    if file is not None:
        return ImageFont.truetype(font=file, size=size or 10)
    if size is not None:
        warnings.warn(
            "Argument 'font_size' will be ignored since 'font' is not set.",
            stacklevel=users_line(),
        )
    return ImageFont.load_default()


@torch.no_grad()
def draw_segmentation_masks(
    image: Tensor, masks: Tensor, alpha: float = 0.8, colors: _Colors = None
) -> Tensor:
    """Paints masks over a picture; where several overlap, black.

    Args:
        image: (3, H, W), bytes, or floats from 0 to 1.
        masks: (N, H, W) or (H, W), bools.
        alpha: how opaque they are, from 0 to 1.
        colors: of the masks, one for each or one for all, Pillow's names or triples.

    Returns:
        The picture, of the same type; without masks `image` itself.

    Raises:
        TypeError: `image` is no tensor.
        ValueError: another kind of picture or mask, or too few colours.
    """
    _check_image(image, (3,), "The image must be a tensor: one")
    if masks.ndim == 2:
        masks = masks[None, :, :]
    if masks.ndim != 3:
        raise ValueError("masks must be of shape (H, W) or (batch_size, H, W)")
    if masks.dtype != torch.bool:
        raise ValueError(f"The masks must be of dtype bool. Got {masks.dtype}")
    if masks.shape[-2:] != image.shape[-2:]:
        raise ValueError(
            "The image and the masks must have the same height and width, got "
            f"{tuple(image.shape[-2:])} and {tuple(masks.shape[-2:])}"
        )
    if len(masks) == 0:
        warnings.warn("masks doesn't contain any mask. No mask was drawn", stacklevel=users_line())
        return image
    painted = image.detach().clone()
    triples = _parse_colors(colors, num_objects=len(masks), dtype=image.dtype)
    for mask, triple in zip(masks, triples, strict=False):
        color = torch.tensor(triple, dtype=image.dtype, device=image.device)
        painted[:, mask] = color[:, None]
    painted[:, masks.sum(dim=0) > 1] = 0
    return (image * (1 - alpha) + painted * alpha).to(image.dtype)


@torch.no_grad()
def draw_keypoints(
    image: Tensor,
    keypoints: Tensor,
    connectivity: list[tuple[int, int]] | None = None,
    colors: str | tuple[int, int, int] | None = None,
    radius: int = 2,
    width: int = 3,
    visibility: Tensor | None = None,
) -> Tensor:
    """Draws points, and lines between them, into a picture.

    Args:
        image: (3, H, W), bytes, or floats from 0 to 1.
        keypoints: (N, K, 2), K points x, y of each of N things.
        connectivity: pairs of points, by their numbers, that a line joins.
        colors: of the points, Pillow's name or a triple.
        radius: of the points, in pixels.
        width: of the lines, in pixels.
        visibility: (N, K) or (N, K, 1), which points are drawn; None is all.

    Returns:
        The picture, of the same type.

    Raises:
        TypeError: `image` is no tensor.
        ValueError: another kind of picture, or shapes that don't fit.
    """
    _check_image(image, (3,), "The image must be a tensor: one")
    if keypoints.ndim != 3:
        raise ValueError("keypoints must be of shape (num_instances, K, 2)")
    if visibility is None:
        visibility = torch.ones(keypoints.shape[:-1], dtype=torch.bool)
    if visibility.ndim == 3:
        visibility = visibility.squeeze(-1)
    if visibility.ndim != 2:
        raise ValueError(
            f"visibility must be of shape (num_instances, K). Got ndim={visibility.ndim}"
        )
    if visibility.shape != keypoints.shape[:-1]:
        raise ValueError(
            "keypoints and visibility must have the same dimensionality for num_instances and K. "
            f"Got {visibility.shape} and {keypoints.shape}"
        )
    picture = _to_pillow(_to_bytes(image))
    from PIL import ImageDraw

    draw: Any = ImageDraw.Draw(picture)
    shown = visibility.cpu().bool().tolist()
    for points, visible in zip(keypoints.to(torch.int64).tolist(), shown, strict=True):
        for (x, y), seen in zip(points, visible, strict=True):
            if seen:
                around = [x - radius, y - radius, x + radius, y + radius]
                draw.ellipse(around, fill=colors, outline=None, width=0)
        for first, second in connectivity or ():
            if visible[first] and visible[second]:
                draw.line((tuple(points[first]), tuple(points[second])), width=width)
    return _as_before(picture, image)


@torch.no_grad()
def flow_to_image(flow: Tensor) -> Tensor:
    """Shows motion: its direction as a hue, its length, in terms of the longest, as saturation.

    The hues are those of Baker et al., "A Database and Evaluation Methodology for Optical Flow"
    (ICCV 2007).

    Args:
        flow: (N, 2, H, W) or (2, H, W), float32: how far right and down.

    Returns:
        Bytes (N, 3, H, W) or (3, H, W).

    Raises:
        ValueError: another type or shape.
    """
    if flow.dtype != torch.float32:
        raise ValueError(f"Flow should be of dtype torch.float, got {flow.dtype}.")
    batch = flow[None] if flow.ndim == 3 else flow
    if batch.ndim != 4 or batch.shape[1] != 2:
        raise ValueError(
            f"Input flow should have shape (2, H, W) or (N, 2, H, W), got {flow.shape}."
        )
    longest = torch.sum(batch.pow(2), dim=1).sqrt().max()
    batch = batch / (longest + torch.finfo(batch.dtype).eps)
    length = torch.sum(batch.pow(2), dim=1, keepdim=True).sqrt()
    wheel = _make_colorwheel().to(flow.device) / 255.0
    turn = torch.atan2(-batch[:, 1], -batch[:, 0]) / torch.pi
    place = (turn + 1) / 2 * (len(wheel) - 1)
    low = torch.floor(place).to(torch.int64)
    share = (place - low)[..., None]
    hue = (1 - share) * wheel[low] + share * wheel[(low + 1) % len(wheel)]
    color = 1 - length * (1 - hue.permute(0, 3, 1, 2))
    image = torch.floor(255 * color).to(torch.uint8)
    return image[0] if flow.ndim == 3 else image


def _make_colorwheel() -> Tensor:
    """(55, 3): from red over yellow, green, cyan, blue and magenta back, in unequal steps."""
    corners = [(255, 0, 0), (255, 255, 0), (0, 255, 0), (0, 255, 255), (0, 0, 255), (255, 0, 255)]
    rows = []
    for index, steps in enumerate((15, 6, 4, 11, 13, 6)):
        start, end = corners[index], corners[(index + 1) % 6]
        for step in range(steps):
            moved = 255 * step // steps
            rows.append([a + (moved if b > a else -moved if b < a else 0)
                         for a, b in zip(start, end, strict=True)])  # fmt: skip
    return torch.tensor(rows, dtype=torch.float32)
