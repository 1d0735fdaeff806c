"""Erasing parts of pictures, and mixing the pictures and labels of a batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flambeau as torch
from flambeau.utils._pytree import tree_flatten, tree_unflatten

from ... import tv_tensors
from ..._extras import is_pil_image
from .. import color
from ..geometry import _check_two
from ._transform import Transform, _RandomApplyTransform, has_any, query_chw, query_size
from .functional import erase, is_pure_tensor, jpeg

_Params = dict[str, Any]


class RandomErasing(_RandomApplyTransform):
    """Overwrites a random rectangle: see `transforms.RandomErasing`."""

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0.0,
        inplace: bool = False,
    ) -> None:
        super().__init__(p=p)
        # The first generation's checks.
        color.RandomErasing(p, scale, ratio, value)
        self.scale = scale
        self.ratio = ratio
        self.value: list[float] | None = None
        if isinstance(value, (int, float)):
            self.value = [float(value)]
        elif not isinstance(value, str):
            self.value = [float(part) for part in value]
        self.inplace = inplace

    def make_params(self, flat_inputs: list[Any]) -> _Params:
        """Draws the rectangle and what is written there."""
        channels, height, width = query_chw(flat_inputs)
        if self.value is not None and len(self.value) not in (1, channels):
            raise ValueError(
                "If value is a sequence, it should have either a single value or "
                f"{channels} (number of inpt channels)"
            )
        canvas = torch.empty(channels, height, width)
        drawn = color.RandomErasing.get_params(canvas, self.scale, self.ratio, self.value)
        return {} if drawn[4] is canvas else {"drawn": drawn}

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        if not params:
            return inpt
        return self._call_kernel(erase, inpt, *params["drawn"], inplace=self.inplace)


def labels_of(inputs: Any) -> Any:
    """Finds the labels: the second input, or an entry of it whose name says so.

    Raises:
        ValueError: there are none to be found.
    """
    if isinstance(inputs, (tuple, list)):
        inputs = inputs[1]
    if is_pure_tensor(inputs):
        return inputs
    if not isinstance(inputs, Mapping):
        raise ValueError(
            "When using the default labels_getter, the input passed to forward must be a "
            "dictionary or a two-tuple whose second item is a dictionary or a tensor, but got "
            f"{inputs} instead."
        )
    exact = [key for key in inputs if key.lower() == "labels"]
    for key in exact + [key for key in inputs if "label" in key.lower()]:
        return inputs[key]
    raise ValueError(
        "Could not infer where the labels are in the sample. Try passing a callable as the "
        "labels_getter parameter?If there are no labels in the sample by design, pass "
        "labels_getter=None."
    )


def parsed_labels_getter(labels_getter: Any) -> Callable[[Any], Any]:
    """Returns the function that finds the labels, of what a transform was given for it."""
    if labels_getter == "default":
        return labels_of
    if callable(labels_getter):
        found: Callable[[Any], Any] = labels_getter
        return found
    if labels_getter is None:
        return lambda _: None
    raise ValueError(
        f"labels_getter should either be 'default', a callable, or None, but got {labels_getter}."
    )


class _Mixing(Transform):
    """Base of what mixes each picture of a batch with the one before it.

    Args:
        alpha: of the Beta distribution that the share is drawn from.
        num_classes: for labels that are numbers of classes.
        labels_getter: finds the labels in the inputs.
    """

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        num_classes: int | None = None,
        labels_getter: Any = "default",
    ) -> None:
        super().__init__()
        self.alpha = float(alpha)
        both = torch.tensor([self.alpha])
        self._dist = torch.distributions.Beta(both, both)
        self.num_classes = num_classes
        self._labels_getter = parsed_labels_getter(labels_getter)

    def forward(self, *inputs: Any) -> Any:
        """Returns the inputs, pictures and labels mixed; labels become shares of classes."""
        given = inputs if len(inputs) > 1 else inputs[0]
        flat, spec = tree_flatten(given)
        wanted = self._needs_transform_list(flat)
        refused = (tv_tensors.BoundingBoxes, tv_tensors.Mask, tv_tensors.KeyPoints)
        if has_any(flat, is_pil_image, *refused):
            raise ValueError(
                f"{type(self).__name__}() does not support PIL images, bounding boxes, keypoints "
                "and masks."
            )
        labels = self._labels_getter(given)
        self._check_labels(labels)
        pictures = [one for one, yes in zip(flat, wanted, strict=True) if yes]
        params = self.make_params([one for one in pictures if one is not labels])
        params.update(labels=labels, count=len(labels))
        outputs = [
            self.transform(one, params) if yes or one is labels else one
            for one, yes in zip(flat, wanted, strict=True)
        ]
        return tree_unflatten(outputs, spec)

    def _check_labels(self, labels: Any) -> None:
        if not isinstance(labels, torch.Tensor):
            raise ValueError(f"The labels must be a tensor, but got {type(labels)} instead.")
        if labels.ndim not in (1, 2):
            raise ValueError(
                "labels should be index based with shape (batch_size,) or probability based with "
                f"shape (batch_size, num_classes), but got a tensor of shape {labels.shape} "
                "instead."
            )
        classes = self.num_classes
        if labels.ndim == 2 and classes is not None and labels.shape[-1] != classes:
            raise ValueError(
                "When passing 2D labels, the number of elements in last dimension must match "
                f"num_classes: {labels.shape[-1]} != {classes}. You can Leave num_classes to None."
            )
        if labels.ndim == 1 and classes is None:
            raise ValueError("num_classes must be passed if the labels are index-based (1D)")

    def _mixed_labels(self, labels: torch.Tensor, share: float) -> torch.Tensor:
        if labels.ndim == 1:
            assert self.num_classes is not None
            labels = torch.nn.functional.one_hot(labels, num_classes=self.num_classes)
        if not labels.is_floating_point():
            labels = labels.float()
        return labels.roll(1, 0).mul_(1.0 - share).add_(labels.mul(share))

    def _mixed(self, inpt: torch.Tensor, params: _Params) -> torch.Tensor:
        raise NotImplementedError

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        if inpt is params["labels"]:
            return self._mixed_labels(inpt, params["share"])
        if not (isinstance(inpt, (tv_tensors.Image, tv_tensors.Video)) or is_pure_tensor(inpt)):
            return inpt
        rank = 5 if isinstance(inpt, tv_tensors.Video) else 4
        if inpt.ndim != rank:
            raise ValueError(
                f"Expected a batched input with {rank} dims, but got {inpt.ndim} dimensions "
                "instead."
            )
        if inpt.shape[0] != params["count"]:
            raise ValueError(
                "The batch size of the image or video does not match the batch size of the "
                f"labels: {inpt.shape[0]} != {params['count']}."
            )
        output = self._mixed(inpt.as_subclass(torch.Tensor), params)
        return output if is_pure_tensor(inpt) else tv_tensors.wrap(output, like=inpt)


class MixUp(_Mixing):
    """Adds pictures up, and labels with the same shares (Zhang et al., ICLR 2018)."""

    def make_params(self, flat_inputs: list[Any]) -> _Params:
        """Draws the share."""
        return {"share": float(self._dist.sample(()))}

    def _mixed(self, inpt: torch.Tensor, params: _Params) -> torch.Tensor:
        share = params["share"]
        return inpt.roll(1, 0).mul_(1.0 - share).add_(inpt.mul(share))


class CutMix(_Mixing):
    """Puts a part of one picture into another, and adds labels up by area (Yun et al., 2019)."""

    def make_params(self, flat_inputs: list[Any]) -> _Params:
        """Draws the part."""
        share = float(self._dist.sample(()))
        height, width = query_size(flat_inputs)
        x, y = int(torch.randint(width, size=(1,))), int(torch.randint(height, size=(1,)))
        half = 0.5 * math.sqrt(1.0 - share)
        across, down = int(half * width), int(half * height)
        left, top = max(x - across, 0), max(y - down, 0)
        right, bottom = min(x + across, width), min(y + down, height)
        area = (right - left) * (bottom - top)
        box = (left, top, right, bottom)
        return {"box": box, "share": float(1.0 - area / (width * height))}

    def _mixed(self, inpt: torch.Tensor, params: _Params) -> torch.Tensor:
        left, top, right, bottom = params["box"]
        output = inpt.clone()
        output[..., top:bottom, left:right] = inpt.roll(1, 0)[..., top:bottom, left:right]
        return output


class JPEG(Transform):
    """What JPEG makes of pictures of bytes, of a quality from 1 to 100, or one of a range."""

    def __init__(self, quality: int | Sequence[int]) -> None:
        super().__init__()
        if isinstance(quality, bool):
            raise TypeError("quality can't be bool")
        if isinstance(quality, int):
            quality = [quality, quality]
        else:
            _check_two("quality", quality)
        whole = all(isinstance(one, int) for one in quality)
        if not whole or not 1 <= quality[0] <= quality[1] <= 100:
            raise ValueError(f"quality must be an integer from 1 to 100, got {quality}")
        self.quality = quality

    def make_params(self, flat_inputs: list[Any]) -> _Params:
        """Draws the quality."""
        return {"quality": int(torch.randint(self.quality[0], self.quality[1] + 1, ()))}

    def transform(self, inpt: Any, params: _Params) -> Any:
        """See `Transform`."""
        return self._call_kernel(jpeg, inpt, params["quality"])
