"""What all data sets of pictures share."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

import flambeau as torch
from flambeau.utils.data import Dataset

from .._extras import pillow

__all__ = ["StandardTransform", "VisionDataset"]


class VisionDataset(Dataset[Any]):
    """Base of the data sets of pictures.

    Args:
        root: the folder that holds the data; `~` is the home folder.
        transforms: takes (picture, target) and returns both transformed.
        transform: takes a picture.
        target_transform: takes a target.

    Raises:
        ValueError: both `transforms` and one of the other two are given.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        transforms: Callable[[Any, Any], Any] | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self.root: Any = os.path.expanduser(root) if isinstance(root, str) else root
        if transforms is not None and (transform is not None or target_transform is not None):
            raise ValueError(
                "Only transforms or transform/target_transform can be passed as argument"
            )
        self.transform = transform
        self.target_transform = target_transform
        if transform is not None or target_transform is not None:
            transforms = StandardTransform(transform, target_transform)
        self.transforms = transforms

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not say what sample {index} is")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} does not say how many samples it has")

    def extra_repr(self) -> str:
        """Returns further lines for the representation."""
        return ""

    def __repr__(self) -> str:
        body = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            body.append(f"Root location: {self.root}")
        body += self.extra_repr().splitlines()
        if self.transforms is not None:
            body.append(repr(self.transforms))
        return "\n".join([f"Dataset {type(self).__name__}", *(f"    {line}" for line in body)])

    def _transformed(self, picture: Any, target: Any) -> tuple[Any, Any]:
        if self.transform is not None:
            picture = self.transform(picture)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return picture, target


class StandardTransform:
    """Joins a transform of pictures and one of targets into one of both."""

    def __init__(
        self,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self.transform = transform
        self.target_transform = target_transform

    def __call__(self, input: Any, target: Any) -> tuple[Any, Any]:
        if self.transform is not None:
            input = self.transform(input)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return input, target

    def __repr__(self) -> str:
        lines = [type(self).__name__]
        for head, transform in (
            ("Transform: ", self.transform),
            ("Target transform: ", self.target_transform),
        ):
            if transform is not None:
                first, *rest = repr(transform).splitlines()
                lines += [head + first, *(" " * len(head) + line for line in rest)]
        return "\n".join(lines)


class ArrayView:
    """Remembers the NumPy view of a tensor between samples, as long as it is the same tensor.

    Taking one row of a tensor costs several times what it costs of an array, and a data loader
    does it for every sample. The view shares the tensor's memory, so what is written to the tensor
    is seen. It is not pickled.
    """

    __slots__ = ("_array", "_source")

    def __init__(self) -> None:
        self._source: Any = None
        self._array: Any = None

    def of(self, source: Any) -> Any:
        """Returns `source` as an array; a list is returned as it is."""
        if source is not self._source:
            self._array = source.numpy() if isinstance(source, torch.Tensor) else source
            self._source = source
        return self._array

    def __reduce__(self) -> tuple[type[ArrayView], tuple[()]]:
        return ArrayView, ()


def picture(pixels: np.ndarray[Any, Any]) -> Any:
    """Returns the Pillow image of bytes (H, W) or (H, W, 3), or of what else Pillow understands.

    A grey image shares the memory of `pixels`, and is copied by Pillow before it is changed.
    """
    image = pillow()
    if pixels.dtype == np.uint8:
        height, width = pixels.shape[:2]
        if pixels.ndim == 2 and pixels.flags.c_contiguous:
            return image.frombuffer("L", (width, height), pixels, "raw", "L", 0, 1)
        if pixels.ndim == 3 and pixels.shape[2] == 3:
            return image.frombytes("RGB", (width, height), np.ascontiguousarray(pixels))
    return image.fromarray(pixels)
