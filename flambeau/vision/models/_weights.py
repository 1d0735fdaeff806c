"""The published weights of the models here, one row each in a table, and the enums made of them."""

from __future__ import annotations

import csv
import json
import os
from functools import cache, partial
from typing import Any

from ..transforms._presets import ImageClassification, SemanticSegmentation
from ..transforms.interpolation import InterpolationMode
from ._api import Weights, WeightsEnum
from ._meta import _FOLDER, _IMAGENET_CATEGORIES, _VOC_CATEGORIES

_BASE_URL = "https://download.pytorch.org/models/"
_RECIPES_URL = "https://github.com/"

# The names of the two accuracies in the table, by what the weights were measured on.
_METRICS = {"ImageNet-1K": ("acc@1", "acc@5"), "COCO-val2017-VOC-labels": ("miou", "pixel_acc")}


def weights_enum(model: str, module: str) -> Any:
    """Returns the enum class `<model>_Weights` of `module`, DEFAULT being the best of them.

    Raises:
        KeyError: the table has no weights of that model.
    """
    name = f"{model}_Weights"
    rows = _table()[name]
    members = {row["weights"]: _entry(row) for row in rows}
    best = next(row["weights"] for row in rows if row["default"])
    members["DEFAULT"] = members[best]
    enum: Any = WeightsEnum
    return enum(name, members, module=module)


@cache
def _table() -> dict[str, list[dict[str, str]]]:
    """The rows of `data/weights.tsv`, by the enum that they belong to."""
    enums: dict[str, list[dict[str, str]]] = {}
    with open(os.path.join(_FOLDER, "weights.tsv"), encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            enums.setdefault(row["enum"], []).append(row)
    return enums


def _entry(row: dict[str, str]) -> Weights:
    options = json.loads(row["options"])
    if "interpolation" in options:
        options["interpolation"] = InterpolationMode(options["interpolation"])
    for name in ("mean", "std"):
        if name in options:
            options[name] = tuple(options[name])
    segments = row["weights"].startswith("COCO")
    data = "COCO-val2017-VOC-labels" if segments else "ImageNet-1K"
    accuracies = dict(zip(_METRICS[data], (float(row["acc1"]), float(row["acc2"])), strict=True))
    meta = {
        "num_params": int(row["params"]),
        "min_size": (int(row["min_height"]), int(row["min_width"])),
        "categories": _categories(row["weights"]),
        "recipe": _RECIPES_URL + row["recipe"],
        "_metrics": {data: accuracies},
        "_ops": float(row["gflops"]),
        "_file_size": float(row["megabytes"]),
    }
    meta.update(json.loads(row["extra"] or "{}"))
    preset = SemanticSegmentation if segments else ImageClassification
    return Weights(_BASE_URL + row["file"], partial(preset, **options), meta)


def _categories(weights: str) -> list[str] | None:
    if weights == "IMAGENET1K_FEATURES":
        # Only the layers before the classifier: it knows no classes. The classifier is nan.
        return None
    return _VOC_CATEGORIES if weights.startswith("COCO") else _IMAGENET_CATEGORIES
