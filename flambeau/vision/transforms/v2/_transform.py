"""The base of the second generation of transforms, which take any structure of inputs.

A transform draws its parameters once a call and applies them to every picture, mask, box and point
of what it is given: one input, several, or lists and dictionaries of them. The rest goes through. A
plain tensor is taken for the picture where there is no other; further ones go through.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import flambeau as torch
from flambeau.utils._pytree import tree_flatten, tree_unflatten

from ... import tv_tensors
from ..._extras import is_pil_image
from .. import _random
from .functional import get_dimensions, get_size, is_pure_tensor
from .functional._registry import kernel_of

_Check = type | Callable[[Any], bool]


def check_type(obj: Any, types_or_checks: tuple[Any, ...]) -> bool:
    """Says whether an object is of one of the types, or passes one of the checks."""
    return any(
        isinstance(obj, one) if isinstance(one, type) else one(obj) for one in types_or_checks
    )


def has_any(flat_inputs: list[Any], *types_or_checks: Any) -> bool:
    """Says whether any input is of one of the types, or passes one of the checks."""
    return any(check_type(one, types_or_checks) for one in flat_inputs)


def has_all(flat_inputs: list[Any], *types_or_checks: Any) -> bool:
    """Says whether there is an input for each of the types and checks."""
    return all(has_any(flat_inputs, one) for one in types_or_checks)


_PICTURES: tuple[Any, ...] = (is_pure_tensor, tv_tensors.Image, tv_tensors.Video, is_pil_image)
_PLACED: tuple[Any, ...] = (tv_tensors.Mask, tv_tensors.BoundingBoxes, tv_tensors.KeyPoints)


def query_chw(flat_inputs: list[Any]) -> tuple[int, int, int]:
    """Returns the pictures' common channels, height and width.

    Raises:
        TypeError: there is no picture.
        ValueError: they differ.
    """
    found = {tuple(get_dimensions(one)) for one in flat_inputs if check_type(one, _PICTURES)}
    if not found:
        raise TypeError("No image or video was found in the sample")
    if len(found) > 1:
        raise ValueError(f"Found multiple CxHxW dimensions in the sample: {sorted(found)}")
    channels, height, width = found.pop()
    return channels, height, width


def query_size(flat_inputs: list[Any]) -> tuple[int, int]:
    """Returns the common height and width of pictures, masks, boxes and points.

    Raises:
        TypeError: there is none of them.
        ValueError: they differ.
    """
    kinds = _PICTURES + _PLACED
    found = {tuple(get_size(one)) for one in flat_inputs if check_type(one, kinds)}
    if not found:
        raise TypeError("No image, video, mask, bounding box of keypoint was found in the sample")
    if len(found) > 1:
        raise ValueError(f"Found multiple HxW dimensions in the sample: {sorted(found)}")
    height, width = found.pop()
    return height, width


def get_bounding_boxes(flat_inputs: list[Any]) -> Any:
    """Returns the first boxes; a ValueError if there are none."""
    for one in flat_inputs:
        if isinstance(one, tv_tensors.BoundingBoxes):
            return one
    raise ValueError("No bounding boxes were found in the sample")


def get_keypoints(flat_inputs: list[Any]) -> Any:
    """Returns the first points; a ValueError if there are none."""
    for one in flat_inputs:
        if isinstance(one, tv_tensors.KeyPoints):
            return one
    raise ValueError("No keypoints were found in the sample")


class Transform(torch.nn.Module):
    """Base of transforms: a subclass says what `transform` does, with what `make_params` drew."""

    _transformed_types: tuple[Any, ...] = (torch.Tensor, is_pil_image)

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Raises if the inputs are not what the transform can take."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draws the parameters of one call, for the inputs that are transformed."""
        return {}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Returns one input, transformed."""
        raise NotImplementedError(f"{type(self).__name__} does not say what to do with an input")

    def _call_kernel(self, functional: Any, inpt: Any, *args: Any, **kwargs: Any) -> Any:
        kernel = kernel_of(functional, type(inpt), passing=True)
        return kernel(inpt, *args, **kwargs)

    def forward(self, *inputs: Any) -> Any:
        """Returns the inputs, transformed, in the structure that they came in."""
        given = inputs if len(inputs) > 1 else inputs[0]
        flat, spec = tree_flatten(given)
        self.check_inputs(flat)
        if not self._happens():
            return given
        wanted = self._needs_transform_list(flat)
        params = self.make_params([one for one, yes in zip(flat, wanted, strict=True) if yes])
        outputs = [
            self.transform(one, params) if yes else one
            for one, yes in zip(flat, wanted, strict=True)
        ]
        return tree_unflatten(outputs, spec)

    def _happens(self) -> bool:
        """Draws whether this call changes anything."""
        return True

    def _needs_transform_list(self, flat_inputs: list[Any]) -> list[bool]:
        wanted = []
        plain = not has_any(flat_inputs, tv_tensors.Image, tv_tensors.Video, is_pil_image)
        for one in flat_inputs:
            yes = check_type(one, self._transformed_types)
            if yes and is_pure_tensor(one):
                yes, plain = plain, False
            wanted.append(yes)
        return wanted

    def extra_repr(self) -> str:
        """Returns the settings."""
        kinds = (bool, int, float, str, tuple, list, enum.Enum)
        return ", ".join(
            f"{name}={value}"
            for name, value in self.__dict__.items()
            if not name.startswith("_") and name != "training" and isinstance(value, kinds)
        )


class _RandomApplyTransform(Transform):
    """A transform that happens with probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        if not 0.0 <= p <= 1.0:
            raise ValueError(
                f"`p` should be a floating point value in the interval [0.0, 1.0], got {p}."
            )
        super().__init__()
        self.p = p

    def _happens(self) -> bool:
        return _random.chance(self.p)
