"""From pictures to tensors and back, and the scaling of a tensor's values.

These run once an image in every data loader, so they work on NumPy arrays in as few calls as
possible and make one tensor of the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

import flambeau as torch
from flambeau.errors import shown

from .._extras import is_pil_image
from . import _pil, _tensor

if TYPE_CHECKING:
    from PIL.Image import Image

_BYTE_MAX = np.float32(255)

# What one channel of an array may be as a Pillow image, and the modes of 2 to 4 channels of bytes.
_SINGLE_MODES = {"uint8": "L", "int16": "I;16", "int32": "I", "float32": "F"}
_MULTIPLE_MODES = {2: ("LA",), 3: ("RGB", "YCbCr", "HSV"), 4: ("RGBA", "CMYK", "RGBX")}


def to_tensor(pic: Image | np.ndarray[Any, Any]) -> torch.Tensor:
    """Turns a picture into a tensor.

    Args:
        pic: a Pillow image, or an array (H, W) or (H, W, C).

    Returns:
        (C, H, W). Bytes become floats of the default dtype, from 0.0 to 1.0; other types keep their
        type and values.

    Raises:
        TypeError: `pic` is of another kind.
        ValueError: an array of other than 2 or 3 dimensions.
    """
    if is_pil_image(pic):
        array = _pil.pixels(pic)  # type: ignore[arg-type]
    elif isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        array = pic if pic.ndim == 3 else pic[:, :, None]
    else:
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
    planes = array.transpose(2, 0, 1)
    if array.dtype != np.uint8:
        return torch.from_numpy(np.array(planes, order="C"))
    dtype = torch.get_default_dtype()
    if dtype != torch.float32:
        return torch.from_numpy(np.array(planes, order="C")).to(dtype).div(255)
    # Making the planes contiguous while they are bytes is the cheapest order of the two steps.
    return torch.from_numpy(np.divide(np.ascontiguousarray(planes), _BYTE_MAX))


def pil_to_tensor(pic: Image) -> torch.Tensor:
    """Turns a Pillow image into a tensor (C, H, W) of the same type and values.

    Mode "I;16" gives int32: there is no tensor of uint16.

    Raises:
        TypeError: `pic` is no Pillow image.
    """
    if not is_pil_image(pic):
        raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
    array = np.asarray(pic).reshape(pic.height, pic.width, -1)
    if array.dtype == np.uint16:
        array = array.astype(np.int32)
    return torch.from_numpy(np.array(array.transpose(2, 0, 1), order="C"))


def convert_image_dtype(image: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Returns the image in `dtype`, its values scaled from the one type's range to the other's.

    The range of floats is [0, 1], that of an integer type goes from 0 to its largest value.

    Raises:
        TypeError: `image` is no tensor.
        RuntimeError: from float32 to int32 or int64, or float64 to int64: the floats cannot tell
            all those integers apart.
    """
    if not isinstance(image, torch.Tensor):
        raise TypeError(f"Input img should be Tensor Image, got {type(image)}")
    return _tensor.convert_dtype(image, dtype)


def to_pil_image(pic: torch.Tensor | np.ndarray[Any, Any], mode: str | None = None) -> Image:
    """Turns a tensor (C, H, W) or (H, W), or an array (H, W, C) or (H, W), into a Pillow image.

    Args:
        pic: floats are taken as [0, 1] and become bytes, unless `mode` is "F".
        mode: Pillow's name of the colour space; None is "L", "LA", "RGB" or "RGBA" by the number of
            channels, and for one channel "I;16", "I" or "F" by the type.

    Raises:
        TypeError: `pic` is of another kind, or of a type that Pillow lacks.
        ValueError: other dimensions, more than 4 channels, or a `mode` that does not fit.
    """
    if isinstance(pic, torch.Tensor):
        _check_rank(pic.dim())
        tensor = pic if pic.dim() == 3 else pic.unsqueeze(0)
        if tensor.shape[0] > 4:
            raise ValueError(f"pic should not have > 4 channels. Got {tensor.shape[0]} channels.")
        if tensor.is_floating_point() and mode != "F":
            tensor = tensor.mul(255).byte()
        array = tensor.detach().cpu().numpy().transpose(1, 2, 0)
    elif isinstance(pic, np.ndarray):
        _check_rank(pic.ndim)
        array = pic if pic.ndim == 3 else pic[:, :, None]
        if array.shape[2] > 4:
            raise ValueError(f"pic should not have > 4 channels. Got {array.shape[2]} channels.")
    else:
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")
    channels = array.shape[2]
    mode = _image_mode(array, channels, mode)
    return _pil.from_pixels(array[:, :, 0] if channels == 1 else array, mode)


def _check_rank(dimensions: int) -> None:
    if dimensions not in (2, 3):
        raise ValueError(f"pic should be 2/3 dimensional. Got {dimensions} dimensions.")


def _image_mode(array: np.ndarray[Any, Any], channels: int, mode: str | None) -> str:
    if channels == 1:
        expected = _SINGLE_MODES.get(array.dtype.name)
        if mode is not None and mode != expected:
            raise ValueError(
                f"Incorrect mode ({mode}) supplied for input type {array.dtype}. "
                f"Should be {expected}"
            )
        mode = expected
    else:
        permitted = _MULTIPLE_MODES.get(channels, ())
        if mode is not None and mode not in permitted:
            raise ValueError(
                f"Only modes {list(permitted)} are supported for {channels} channels, got "
                f"{shown(mode)}"
            )
        if array.dtype != np.uint8:
            raise TypeError(f"Input type {array.dtype} is not supported for {channels} channels")
        mode = mode or (permitted[0] if permitted else None)
    if mode is None:
        raise TypeError(f"Input type {array.dtype} is not supported")
    return mode


def normalize(
    tensor: torch.Tensor,
    mean: Sequence[float] | float,
    std: Sequence[float] | float,
    inplace: bool = False,
) -> torch.Tensor:
    """Returns (tensor - mean) / std, channel by channel.

    Args:
        tensor: floats (..., C, H, W).
        mean: one number a channel, or one for all.
        std: the same, none of them zero.
        inplace: write the result into `tensor`.

    Raises:
        TypeError: `tensor` is no tensor of floats.
        ValueError: fewer than 3 dimensions, or a zero in `std`.
        RuntimeError: as many means or deviations as do not fit the channels.
    """
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(tensor)}")
    if not tensor.is_floating_point():
        raise TypeError(f"Input tensor should be a float tensor. Got {tensor.dtype}.")
    if tensor.dim() < 3:
        raise ValueError(
            "Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = "
            f"{tensor.size()}"
        )
    kind = _NUMPY_FLOATS.get(tensor.dtype)
    centre, spread = statistics(mean, std, kind or "float64")
    _check_statistics(centre, spread, tensor, mean, std)
    # One array expression costs a fraction of two recorded operations; where a gradient, another
    # device or the caller's own memory is at stake, the operations are what is meant.
    if not inplace and kind and not tensor.requires_grad and tensor.device.type == "cpu":
        result = np.subtract(tensor.numpy(), centre)
        result /= spread
        return torch.from_numpy(result)
    means = torch.from_numpy(centre.copy()).to(tensor.device, tensor.dtype)
    deviations = torch.from_numpy(spread.copy()).to(tensor.device, tensor.dtype)
    if inplace:
        return tensor.sub_(means).div_(deviations)
    return tensor.sub(means).div(deviations)


_NUMPY_FLOATS = {torch.float16: "float16", torch.float32: "float32", torch.float64: "float64"}


def _as_tuple(values: Any) -> tuple[float, ...] | float:
    if isinstance(values, (torch.Tensor, np.ndarray)):
        values = values.tolist()
    return tuple(values) if isinstance(values, (list, tuple)) else values


def statistics(mean: Any, std: Any, kind: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Returns mean and std as (C, 1, 1) arrays of NumPy's dtype `kind`, or 0-d ones for plain
    numbers.

    Raises:
        ValueError: a zero in `std`.
    """
    return _statistics(_as_tuple(mean), _as_tuple(std), kind)


@lru_cache(maxsize=64)
def _statistics(
    mean: tuple[float, ...] | float, std: tuple[float, ...] | float, kind: str
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    arrays = []
    for values in (mean, std):
        array = np.asarray(values, dtype=kind)
        arrays.append(array.reshape(-1, 1, 1) if array.ndim == 1 else array)
    if not arrays[1].all():
        raise ValueError(
            f"std evaluated to zero after conversion to {kind}, leading to division by zero: "
            f"std={std}"
        )
    return arrays[0], arrays[1]


def _check_statistics(
    centre: np.ndarray[Any, Any],
    spread: np.ndarray[Any, Any],
    tensor: torch.Tensor,
    mean: Any,
    std: Any,
) -> None:
    channels = int(tensor.shape[-3])
    for name, array, given in (("mean", centre, mean), ("std", spread, std)):
        if array.size not in (1, channels):
            raise RuntimeError(
                f"normalize: {name}={given} has {array.size} values, but the image has {channels} "
                f"channel{'s' if channels != 1 else ''} (shape {tuple(tensor.shape)}): give 1 or "
                f"{channels}"
            )
