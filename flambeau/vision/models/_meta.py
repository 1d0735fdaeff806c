"""The names of the classes that published weights tell apart, in the order of their outputs."""

from __future__ import annotations

import os

_FOLDER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "data")


def _lines(file: str) -> list[str]:
    with open(os.path.join(_FOLDER, file), encoding="utf-8") as lines:
        return lines.read().splitlines()


_IMAGENET_CATEGORIES = _lines("imagenet_classes.txt")

_VOC_CATEGORIES = (
    "__background__ aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse "
    "motorbike person pottedplant sheep sofa train tvmonitor"
).split()
