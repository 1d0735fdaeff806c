"""The second generation of functions: each does the right thing to pictures, masks and boxes."""

from __future__ import annotations

from typing import Any

from flambeau.errors import missing

from ..._conversion import pil_to_tensor, to_pil_image, to_tensor
from ...interpolation import InterpolationMode
from . import _boxes as _boxes
from ._meta import (
    clamp_bounding_boxes,
    clamp_keypoints,
    convert_bounding_box_format,
    convert_image_dtype,
    get_dimensions,
    get_num_channels,
    get_num_frames,
    get_size,
    sanitize_bounding_boxes,
    sanitize_keypoints,
    to_dtype,
    to_image,
)
from ._pictures import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    affine,
    autocontrast,
    center_crop,
    crop,
    elastic,
    equalize,
    erase,
    five_crop,
    gaussian_blur,
    gaussian_noise,
    grayscale_to_rgb,
    horizontal_flip,
    invert,
    jpeg,
    normalize,
    pad,
    permute_channels,
    perspective,
    posterize,
    resize,
    resized_crop,
    rgb_to_grayscale,
    rotate,
    solarize,
    ten_crop,
    uniform_temporal_subsample,
    vertical_flip,
)
from ._registry import is_pure_tensor, named_kernel, register_kernel

hflip = horizontal_flip
vflip = vertical_flip
elastic_transform = elastic
to_grayscale = rgb_to_grayscale
get_image_num_channels = get_num_channels


def get_image_size(inpt: Any) -> list[int]:
    """Returns a picture's [width, height]."""
    height, width = get_size(inpt)
    return [width, height]


__all__ = [
    "InterpolationMode",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "affine",
    "autocontrast",
    "center_crop",
    "clamp_bounding_boxes",
    "clamp_keypoints",
    "convert_bounding_box_format",
    "convert_image_dtype",
    "crop",
    "elastic",
    "elastic_transform",
    "equalize",
    "erase",
    "five_crop",
    "gaussian_blur",
    "gaussian_noise",
    "get_dimensions",
    "get_image_num_channels",
    "get_image_size",
    "get_num_channels",
    "get_num_frames",
    "get_size",
    "grayscale_to_rgb",
    "hflip",
    "horizontal_flip",
    "invert",
    "is_pure_tensor",
    "jpeg",
    "normalize",
    "pad",
    "permute_channels",
    "perspective",
    "pil_to_tensor",
    "posterize",
    "register_kernel",
    "resize",
    "resized_crop",
    "rgb_to_grayscale",
    "rotate",
    "sanitize_bounding_boxes",
    "sanitize_keypoints",
    "solarize",
    "ten_crop",
    "to_dtype",
    "to_grayscale",
    "to_image",
    "to_pil_image",
    "to_tensor",
    "uniform_temporal_subsample",
    "vertical_flip",
    "vflip",
]


def __getattr__(name: str) -> Any:
    """Kernels by their names in torchvision: `resize_image`, `crop_mask`."""
    kernel = named_kernel(name)
    return missing(__name__, name) if kernel is None else kernel
