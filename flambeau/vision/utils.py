"""Putting pictures side by side, drawing into them, and writing them to files."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterable, Sequence
from typing import Any

import flambeau as torch
from flambeau.errors import refusing

from ._drawing import (
    draw_bounding_boxes,
    draw_keypoints,
    draw_segmentation_masks,
    flow_to_image,
)
from ._extras import pillow

__all__ = [
    "draw_bounding_boxes",
    "draw_keypoints",
    "draw_segmentation_masks",
    "flow_to_image",
    "make_grid",
    "save_image",
]


@torch.no_grad()
def make_grid(
    tensor: torch.Tensor | Sequence[torch.Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> torch.Tensor:
    """Lays a batch of images out as one picture, `nrow` in a row.

    Args:
        tensor: images (B, C, H, W), one image (C, H, W) or (H, W), or a list of equal images.
            Images of one channel become grey pictures of three.
        nrow: images in a row.
        padding: pixels of `pad_value` around every image.
        normalize: shift and scale the values to [0, 1], from `value_range` where given, else from
            the smallest and the largest value found.
        value_range: the (low, high) that become 0 and 1.
        scale_each: find the range of every image by itself.
        pad_value: the value between the images.

    Returns:
        (C, rows * (H + padding) + padding, nrow * (W + padding) + padding). A single image is
        returned as it is.

    Raises:
        TypeError: something other than tensors, or a `value_range` that is no tuple.
    """
    images = _as_batch(tensor)
    if normalize:
        images = _normalized(images, value_range, scale_each)
    if images.size(0) == 1:
        return images.squeeze(0)
    count, channels = int(images.size(0)), int(images.size(1))
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    height, width = int(images.size(2)) + padding, int(images.size(3)) + padding
    grid = images.new_full(
        (channels, rows * height + padding, columns * width + padding), pad_value
    )
    for index in range(count):
        top = index // columns * height + padding
        left = index % columns * width + padding
        cell = grid[:, top : top + height - padding, left : left + width - padding]
        cell.copy_(images[index])
    return grid


def _as_batch(tensor: Any) -> torch.Tensor:
    if not torch.is_tensor(tensor):
        if not isinstance(tensor, (list, tuple)):
            raise TypeError(f"tensor or list of tensors expected, got {type(tensor)}")
        for item in tensor:
            if not torch.is_tensor(item):
                raise TypeError(
                    f"tensor or list of tensors expected, got a list containing {type(item)}"
                )
        tensor = torch.stack(list(tensor), dim=0)
    if tensor.dim() == 2:
        tensor = tensor.unsqueeze(0)
    if tensor.dim() == 3:
        tensor = tensor.unsqueeze(0)
    if tensor.dim() != 4:
        raise ValueError(f"make_grid lays out images of 2 to 4 dimensions, got {tensor.dim()}")
    if tensor.size(1) == 1:
        tensor = torch.cat((tensor, tensor, tensor), 1)
    return tensor


def _normalized(
    images: torch.Tensor, value_range: tuple[float, float] | None, scale_each: bool
) -> torch.Tensor:
    if value_range is not None and not isinstance(value_range, tuple):
        raise TypeError(
            "value_range has to be a tuple (min, max) if specified. min and max are numbers"
        )
    images = images.clone()
    for part in images if scale_each else [images]:
        low, high = value_range or (float(part.min()), float(part.max()))
        # A picture of one value has no range to speak of; 1e-5 keeps the division finite.
        part.clamp_(min=low, max=high).sub_(low).div_(max(high - low, 1e-5))
    return images


@torch.no_grad()
def save_image(
    tensor: torch.Tensor | Sequence[torch.Tensor],
    fp: Any,
    format: str | None = None,
    **kwargs: Any,
) -> None:
    """Writes images to a picture file, which is replaced as a whole; a batch is laid out by
    `make_grid` first.

    Args:
        tensor: what `make_grid` takes, with values in [0, 1].
        fp: a path or an open binary file.
        format: Pillow's name of the format; from the file's ending where it is None.
        kwargs: passed to `make_grid`.
    """
    image = pillow()
    grid = make_grid(tensor, **kwargs)
    pixels = grid.mul(255).add_(0.5).clamp_(0, 255).permute(1, 2, 0).to("cpu", torch.uint8).numpy()
    picture = image.fromarray(pixels.copy())
    if not isinstance(fp, (str, os.PathLike)):
        picture.save(fp, format=format)
        return
    from flambeau.serialization.whole_files import atomic_file

    kind = format or _format_of(image, os.fspath(fp))
    if not os.path.isdir(os.path.dirname(fp) or "."):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", os.fspath(fp))
    with atomic_file(fp, sync=False) as file:
        picture.save(file, format=kind)


def _format_of(image: Any, path: str) -> str:
    """Pillow's name of the format that a file's ending stands for."""
    ending = os.path.splitext(path)[1].lower()
    kinds: dict[str, str] = image.registered_extensions()
    if ending not in kinds:
        raise ValueError(f"unknown file extension: {ending}")
    return kinds[ending]


def _log_api_usage_once(obj: Any) -> None:
    """Does nothing: sources written for torchvision report their use to a logger by it."""


def _make_ntuple(x: Any, n: int) -> tuple[Any, ...]:
    """Returns the entries of `x`, or n times `x` where it has none."""
    return tuple(x) if isinstance(x, Iterable) else (x,) * n


__getattr__ = refusing(__name__)
