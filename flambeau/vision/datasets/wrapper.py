"""Data sets made before the second generation of transforms, for use with it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import flambeau as torch
from flambeau.errors import shown
from flambeau.utils.data import Dataset

from .. import tv_tensors
from ..transforms.v2 import functional as F
from .annotated import CelebA, CocoDetection, OxfordIIITPet, VOCDetection, VOCSegmentation
from .vision import VisionDataset

__all__ = ["wrap_dataset_for_transforms_v2"]

# Data sets whose targets are classes, which no transform concerns.
_VOC_CLASSES = (
    "__background__ aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse "
    "motorbike person pottedplant sheep sofa train tvmonitor"
).split()


def wrap_dataset_for_transforms_v2(
    dataset: Any, target_keys: Collection[str] | str | None = None
) -> Any:
    """Returns a data set whose boxes and masks say what they are of.

    Args:
        dataset: one of `VOCDetection`, `VOCSegmentation`, `OxfordIIITPet`, `CelebA`,
            `CocoDetection`, or one whose targets are classes, which stay.
        target_keys: which entries of a dictionary of targets to keep; None is those that are of
            use, "all" is all.

    Raises:
        TypeError: it is no data set of `vision.datasets`.
        ValueError: `target_keys` is neither.
    """
    if not isinstance(dataset, VisionDataset):
        raise TypeError(
            "This wrapper is meant for subclasses of `torchvision.datasets.VisionDataset`, but got "
            f"a '{type(dataset).__name__}' instead."
        )
    if isinstance(target_keys, str) and target_keys != "all":
        raise ValueError(
            "`target_keys` can be None, 'all', or a collection of strings denoting the keys to be "
            f"returned, but got target_keys={shown(target_keys)}"
        )
    # An instance of the data set's class, as programs may ask for.
    kind: Any = type(f"Wrapped{type(dataset).__name__}", (_Wrapped, type(dataset)), {})
    wrapped = kind.__new__(kind)
    wrapped.__dict__.update(_dataset=dataset, _keys=target_keys)
    return wrapped


class _Wrapped(Dataset[Any]):
    """Asks the data set without its transforms, changes the targets, and applies them."""

    _dataset: Any
    _keys: Any

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("_dataset", "_keys"):
            raise AttributeError(name)
        return getattr(self._dataset, name)

    def __getitem__(self, index: Any) -> Any:
        dataset = self._dataset
        kept = dataset.transform, dataset.target_transform, dataset.transforms
        dataset.transform = dataset.target_transform = dataset.transforms = None
        try:
            image, target = dataset[index]
        finally:
            dataset.transform, dataset.target_transform, dataset.transforms = kept
        image, target = _converted(dataset, image, target, self._keys)
        return (image, target) if kept[2] is None else kept[2](image, target)

    def __len__(self) -> int:
        return len(self._dataset)

    def __reduce__(self) -> Any:
        return wrap_dataset_for_transforms_v2, (self._dataset, self._keys)

    def __repr__(self) -> str:
        return repr(self._dataset)


def _converted(dataset: Any, image: Any, target: Any, keys: Any) -> tuple[Any, Any]:
    size = tuple(F.get_size(image)) if not isinstance(image, tuple) else (0, 0)
    if isinstance(dataset, VOCDetection):
        found = {**target, **_voc_boxes(target["annotation"]["object"], size)}
        return image, _chosen(found, keys, ("boxes", "labels"))
    if isinstance(dataset, VOCSegmentation):
        return image, tv_tensors.Mask(target)
    if isinstance(dataset, CocoDetection):
        return image, _coco(target, size, keys)
    if isinstance(dataset, OxfordIIITPet) and "segmentation" in dataset._target_types:
        values = target if isinstance(target, tuple) else (target,)
        marked = tuple(
            tv_tensors.Mask(one) if kind == "segmentation" else one
            for kind, one in zip(dataset._target_types, values, strict=True)
        )
        return image, marked if isinstance(target, tuple) else marked[0]
    if isinstance(dataset, CelebA) and "bbox" in dataset.target_type:
        values = target if isinstance(target, tuple) else (target,)
        marked = tuple(
            tv_tensors.BoundingBoxes(one, format="XYWH", canvas_size=size)
            if kind == "bbox"
            else one
            for kind, one in zip(dataset.target_type, values, strict=True)
        )
        return image, marked if isinstance(target, tuple) else marked[0]
    return image, target


def _chosen(found: dict[str, Any], keys: Any, default: tuple[str, ...]) -> dict[str, Any]:
    if keys == "all":
        return found
    wanted = default if keys is None else keys
    return {name: value for name, value in found.items() if name in wanted}


def _voc_boxes(objects: list[dict[str, Any]], size: Any) -> dict[str, Any]:
    corners = [
        [int(one["bndbox"][side]) for side in ("xmin", "ymin", "xmax", "ymax")] for one in objects
    ]
    boxes = tv_tensors.BoundingBoxes(
        torch.tensor(corners).reshape(-1, 4), format="XYXY", canvas_size=size
    )
    labels = torch.tensor([_VOC_CLASSES.index(one["name"]) for one in objects], dtype=torch.int64)
    return {"boxes": boxes, "labels": labels}


def _coco(target: list[dict[str, Any]], size: Any, keys: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: [one[name] for one in target] for name in (target[0] if target else ())
    }
    boxes = torch.tensor(found.get("bbox", []), dtype=torch.float32).reshape(-1, 4)
    straight = tv_tensors.BoundingBoxes(boxes, format="XYWH", canvas_size=size)
    found["boxes"] = F.convert_bounding_box_format(straight, new_format="XYXY")
    found["labels"] = torch.tensor(found.get("category_id", []), dtype=torch.int64)
    if target:
        found["image_id"] = target[0].get("image_id")
    return _chosen(found, keys, ("image_id", "boxes", "labels"))
