"""Files that TensorBoard's projector reads: points, labels, a sheet of small pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._arrays import as_array, as_picture, png


def write_points(folder: str, points: np.ndarray) -> None:
    """`tensors.tsv`: a line a point."""
    with open(os.path.join(folder, "tensors.tsv"), "w", encoding="utf-8") as file:
        for row in points.tolist():
            file.write("\t".join(map(str, row)) + "\n")


def write_labels(folder: str, labels: Sequence[Any], header: Sequence[str] | None) -> None:
    """`metadata.tsv`: a line a point; with several columns also a header."""
    lines = [str(label) for label in labels] if not header else [
        "\t".join(map(str, row)) for row in ([*header], *labels)
    ]  # fmt: skip
    with open(os.path.join(folder, "metadata.tsv"), "w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)


def write_sprites(folder: str, pictures: Any) -> None:
    """`sprite.png`: the pictures (N x C x H x W) in a square of rows."""
    array = as_array(pictures)
    side = int(np.ceil(np.sqrt(len(array))))
    blank = np.zeros((side * side - len(array), *array.shape[1:]), array.dtype)
    cells = np.concatenate([array, blank])
    _, channels, height, width = cells.shape
    sheet = cells.reshape(side, side, channels, height, width).transpose(2, 0, 3, 1, 4)
    pixels = as_picture(sheet.reshape(channels, side * height, side * width), "CHW")
    with open(os.path.join(folder, "sprite.png"), "wb") as file:
        file.write(png(pixels))


def config(folder: str, tag: str, labels: bool, pictures: Any) -> str:
    """What `projector_config.pbtxt` says of one embedding, in text form."""
    lines = ["embeddings {", f'  tensor_name: "{tag}"', f'  tensor_path: "{folder}/tensors.tsv"']
    if labels:
        lines.append(f'  metadata_path: "{folder}/metadata.tsv"')
    if pictures is not None:
        height, width = pictures.shape[2:]
        lines += ["  sprite {", f'    image_path: "{folder}/sprite.png"',
                  f"    single_image_dim: {width}", f"    single_image_dim: {height}", "  }"]  # fmt: skip
    return "\n".join([*lines, "}", ""])
