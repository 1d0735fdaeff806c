"""Conversions, normalisation, noise, and the cleaning up of boxes and points."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import flambeau as torch
from flambeau.errors import users_line
from flambeau.utils._pytree import tree_flatten, tree_unflatten

from ... import tv_tensors
from ..._extras import is_pil_image
from .. import _random, warps
from .. import functional as v1
from ._arguments import number_pair, two_sizes
from ._augment import parsed_labels_getter
from ._transform import Transform, get_bounding_boxes, get_keypoints, has_any
from .functional import (
    clamp_bounding_boxes,
    clamp_keypoints,
    convert_bounding_box_format,
    gaussian_blur,
    gaussian_noise,
    is_pure_tensor,
    normalize,
    pil_to_tensor,
    sanitize_keypoints,
    to_dtype,
    to_image,
    to_pil_image,
    uniform_temporal_subsample,
)
from .functional._meta import valid_boxes

_Params = dict[str, Any]


def _is_array(inpt: Any) -> bool:
    return isinstance(inpt, np.ndarray)


class Identity(Transform):
    """Changes nothing."""

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return inpt


class Lambda(Transform):
    """Applies any function to all inputs, or to those of some types."""

    _transformed_types = (object,)

    def __init__(self, lambd: Callable[[Any], Any], *types: type) -> None:
        super().__init__()
        self.lambd = lambd
        self.types = types or self._transformed_types

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return self.lambd(inpt) if isinstance(inpt, self.types) else inpt

    def extra_repr(self) -> str:
        """Returns the function's name and the types'."""
        name = getattr(self.lambd, "__name__", None)
        types = f"types={[kind.__name__ for kind in self.types]}"
        return f"{name}, {types}" if name else types


class LinearTransformation(Transform):
    """Takes a mean off and multiplies by a matrix: see `transforms.LinearTransformation`."""

    _transformed_types = (is_pure_tensor, tv_tensors.Image, tv_tensors.Video)

    def __init__(self, transformation_matrix: torch.Tensor, mean_vector: torch.Tensor) -> None:
        super().__init__()
        self._first = (warps.LinearTransformation(transformation_matrix, mean_vector),)
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Refuses Pillow images."""
        _refuse_pil(self, flat_inputs)

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        output = self._first[0](inpt.as_subclass(torch.Tensor))
        return output if is_pure_tensor(inpt) else tv_tensors.wrap(output, like=inpt)


def _refuse_pil(transform: Transform, flat_inputs: list[Any]) -> None:
    if has_any(flat_inputs, is_pil_image):
        raise TypeError(f"{type(transform).__name__}() does not support PIL images.")


class Normalize(Transform):
    """Returns (input - mean) / std, channel by channel."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean = list(mean)
        self.std = list(std)
        self.inplace = inplace

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Refuses Pillow images."""
        _refuse_pil(self, flat_inputs)

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return self._call_kernel(normalize, inpt, self.mean, self.std, self.inplace)


class GaussianBlur(Transform):
    """Blurs by a random amount: see `transforms.GaussianBlur`."""

    def __init__(
        self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0)
    ) -> None:
        super().__init__()
        self.kernel_size = two_sizes(kernel_size)
        if any(size <= 0 or size % 2 == 0 for size in self.kernel_size):
            raise ValueError(
                f"Kernel size value should be an odd and positive number, got {kernel_size}"
            )
        self.sigma = number_pair(sigma, "sigma")
        if not 0.0 < self.sigma[0] <= self.sigma[1]:
            raise ValueError(
                f"sigma values should be positive and of the form (min, max). Got {self.sigma}"
            )

    def make_params(self, flat_inputs: list[Any]) -> _Params:
        """Draws the deviation."""
        return {"sigma": [_random.uniform(self.sigma[0], self.sigma[1])] * 2}

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return self._call_kernel(gaussian_blur, inpt, self.kernel_size, **params)


class GaussianNoise(Transform):
    """Adds normal noise to tensors: see `functional.gaussian_noise`."""

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> None:
        super().__init__()
        self.mean = mean
        self.sigma = sigma
        self.clip = clip

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return self._call_kernel(gaussian_noise, inpt, self.mean, self.sigma, self.clip)


class ToDtype(Transform):
    """Changes types: of pictures, or by kind of input with "others" for the rest.

    Args:
        dtype: one type for pictures, or a dictionary of them; None leaves a kind as it is.
        scale: scale the values of pictures to the new type's range.
    """

    _transformed_types = (torch.Tensor,)

    def __init__(self, dtype: Any, scale: bool = False) -> None:
        super().__init__()
        if not isinstance(dtype, (dict, torch.dtype)):
            raise ValueError(f"dtype must be a dict or a torch.dtype, got {type(dtype)} instead")
        pictures = (tv_tensors.Image, tv_tensors.Video)
        if isinstance(dtype, dict) and torch.Tensor in dtype and set(pictures) & set(dtype):
            warnings.warn(
                "Got `dtype` values for `torch.Tensor` and either `tv_tensors.Image` or "
                "`tv_tensors.Video`. Note that a plain `torch.Tensor` will *not* be transformed by "
                "this (or any other transformation) in case a `tv_tensors.Image` or "
                "`tv_tensors.Video` is present in the input.",
                stacklevel=users_line(),
            )
        self.dtype = dtype
        self.scale = scale

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        picture = is_pure_tensor(inpt) or isinstance(inpt, (tv_tensors.Image, tv_tensors.Video))
        if isinstance(self.dtype, torch.dtype):
            dtype = self.dtype if picture else None
        elif type(inpt) in self.dtype:
            dtype = self.dtype[type(inpt)]
        elif "others" in self.dtype:
            dtype = self.dtype["others"]
        else:
            raise ValueError(
                f"No dtype was specified for type {type(inpt)}. If you only need to convert the "
                "dtype of images or videos, you can just pass e.g. dtype=torch.float32. If you're "
                'passing a dict as dtype, you can use "others" as a catch-all key e.g. '
                'dtype={tv_tensors.Mask: torch.int64, "others": None} to pass-through the rest of '
                "the inputs."
            )
        if dtype is None:
            if self.scale and picture:
                warnings.warn(
                    "scale was set to True but no dtype was specified for images or videos: no "
                    "scaling will be done.",
                    stacklevel=users_line(),
                )
            return inpt
        return self._call_kernel(to_dtype, inpt, dtype=dtype, scale=self.scale)


class ConvertImageDtype(Transform):
    """Changes the type of pictures, their values scaled."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.dtype = dtype

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        if not isinstance(inpt, torch.Tensor):
            return inpt
        return self._call_kernel(to_dtype, inpt, dtype=self.dtype, scale=True)


class _Sanitizing(Transform):
    """Base of what leaves entries out, and the labels that belong to them."""

    def _set_getter(self, labels_getter: Any) -> None:
        self.labels_getter = labels_getter
        self._labels_getter = parsed_labels_getter(labels_getter)

    def _valid(self, flat: list[Any]) -> torch.Tensor:
        raise NotImplementedError

    def _follows(self, inpt: Any) -> bool:
        """Whether an input has an entry for each that may be left out."""
        raise NotImplementedError

    def forward(self, *inputs: Any) -> Any:
        """Returns the inputs with some entries left out."""
        given = inputs if len(inputs) > 1 else inputs[0]
        labels = self._labels_getter(given)
        if labels is None:
            labels = ()
        elif isinstance(labels, torch.Tensor):
            labels = (labels,)
        flat, spec = tree_flatten(given)
        valid = self._valid(flat)
        for label in labels:
            if not isinstance(label, torch.Tensor):
                raise ValueError(
                    "The labels in the input to forward() must be a tensor or None, got "
                    f"{type(label)} instead."
                )
            if len(label) != len(valid):
                raise ValueError(
                    f"Number of boxes or points ({len(valid)}) must match the number of labels. "
                    f"Found labels with shape={label.shape})."
                )
        outputs = []
        for one in flat:
            if any(one is label for label in labels):
                one = one[valid]
            elif self._follows(one) and len(one) == len(valid):
                one = tv_tensors.wrap(one[valid], like=one)
            outputs.append(one)
        return tree_unflatten(outputs, spec)


class SanitizeBoundingBoxes(_Sanitizing):
    """Leaves out boxes that are too small or reach out of the picture, with masks and labels.

    Args:
        min_size: the least width and height.
        min_area: the least area.
        labels_getter: finds the labels; "default" by their name, None for none.
    """

    def __init__(
        self, min_size: float = 1.0, min_area: float = 1.0, labels_getter: Any = "default"
    ) -> None:
        super().__init__()
        if min_size < 1:
            raise ValueError(f"min_size must be >= 1, got {min_size}.")
        if min_area < 1:
            raise ValueError(f"min_area must be >= 1, got {min_area}.")
        self.min_size = min_size
        self.min_area = min_area
        self._set_getter(labels_getter)

    def _valid(self, flat: list[Any]) -> torch.Tensor:
        boxes = get_bounding_boxes(flat)
        limits = (self.min_size, self.min_area)
        return valid_boxes(boxes, boxes.format, boxes.canvas_size, *limits)

    def _follows(self, inpt: Any) -> bool:
        return isinstance(inpt, (tv_tensors.BoundingBoxes, tv_tensors.Mask))


class SanitizeKeyPoints(_Sanitizing):
    """Leaves out points that are outside of the picture, with their labels."""

    def __init__(self, labels_getter: Any = None) -> None:
        super().__init__()
        self._set_getter(labels_getter)

    def _valid(self, flat: list[Any]) -> torch.Tensor:
        return sanitize_keypoints(get_keypoints(flat))[1]

    def _follows(self, inpt: Any) -> bool:
        return isinstance(inpt, tv_tensors.KeyPoints)


class ConvertBoundingBoxFormat(Transform):
    """Writes boxes down in another format."""

    _transformed_types = (tv_tensors.BoundingBoxes,)

    def __init__(self, format: Any) -> None:
        super().__init__()
        self.format = format

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return convert_bounding_box_format(inpt, new_format=self.format)


class ClampBoundingBoxes(Transform):
    """Cuts off what of boxes leaves the picture; "auto" is the boxes' own mode."""

    _transformed_types = (tv_tensors.BoundingBoxes,)

    def __init__(self, clamping_mode: str | None = "auto") -> None:
        super().__init__()
        self.clamping_mode = clamping_mode

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return clamp_bounding_boxes(inpt, clamping_mode=self.clamping_mode)


class ClampKeyPoints(Transform):
    """Moves points that are outside of the picture onto its edge."""

    _transformed_types = (tv_tensors.KeyPoints,)

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return clamp_keypoints(inpt)


class SetClampingMode(Transform):
    """Sets what transforms do with boxes that leave the picture: "soft", "hard" or None."""

    _transformed_types = (tv_tensors.BoundingBoxes,)

    def __init__(self, clamping_mode: str | None) -> None:
        super().__init__()
        if clamping_mode not in (None, "soft", "hard"):
            raise ValueError(f"clamping_mode must be soft, hard or None, got {clamping_mode}")
        self.clamping_mode = clamping_mode

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        output = inpt.clone()
        output.clamping_mode = self.clamping_mode
        return output


class PILToTensor(Transform):
    """Turns Pillow images into tensors of the same type and values."""

    _transformed_types = (is_pil_image,)

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return pil_to_tensor(inpt)


class ToImage(Transform):
    """Turns Pillow images, arrays (H, W, C) and tensors into `tv_tensors.Image`."""

    _transformed_types = (is_pure_tensor, is_pil_image, _is_array)

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return to_image(inpt)


class ToPILImage(Transform):
    """Turns tensors and arrays into Pillow images, of `mode`."""

    _transformed_types = (is_pure_tensor, tv_tensors.Image, _is_array)

    def __init__(self, mode: str | None = None) -> None:
        super().__init__()
        self.mode = mode

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        if isinstance(inpt, torch.Tensor):
            inpt = inpt.as_subclass(torch.Tensor)
        return to_pil_image(inpt, self.mode)


class ToPureTensor(Transform):
    """Makes plain tensors of all that say what they are of."""

    _transformed_types = (tv_tensors.TVTensor,)

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return inpt.as_subclass(torch.Tensor)


class ToTensor(Transform):
    """The first generation's: Pillow images and arrays to floats from 0 to 1. Deprecated."""

    _transformed_types = (is_pil_image, _is_array)

    def __init__(self) -> None:
        warnings.warn(
            "The transform `ToTensor()` is deprecated and will be removed in a future release. "
            "Instead, please use `v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, "
            "scale=True)])`.Output is equivalent up to float precision.",
            stacklevel=users_line(),
        )
        super().__init__()

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return v1.to_tensor(inpt)


class UniformTemporalSubsample(Transform):
    """Takes so many pictures of a video, evenly spaced."""

    _transformed_types = (torch.Tensor,)

    def __init__(self, num_samples: int) -> None:
        super().__init__()
        self.num_samples = num_samples

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return self._call_kernel(uniform_temporal_subsample, inpt, self.num_samples)
