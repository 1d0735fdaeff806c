"""Where the samples and bins of regions lie in a picture, in NumPy: regions have no gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

import flambeau as torch
from flambeau import Tensor

Array = np.ndarray[Any, Any]


def pair(size: Any) -> tuple[int, int]:
    """Returns (height, width) of a size that is one number or two."""
    if isinstance(size, int):
        return size, size
    values = tuple(int(side) for side in size)
    return values * 2 if len(values) == 1 else (values[0], values[1])


def check_boxes(boxes: Any) -> None:
    """Raises AssertionError unless `boxes` is (K, 5), or a list of (L, 4) with one for a picture."""
    if isinstance(boxes, (list, tuple)):
        for one in boxes:
            torch._assert(
                one.dim() == 2 and one.size(1) == 4,
                "The shape of the tensor in the boxes list is not correct as List[Tensor[L, 4]]",
            )
    elif isinstance(boxes, Tensor):
        torch._assert(
            boxes.dim() == 2 and boxes.size(1) == 5,
            "The boxes tensor shape is not correct as Tensor[K, 5]",
        )
    else:
        torch._assert(False, "boxes is expected to be a Tensor[L, 5] or a List[Tensor[K, 4]]")


def as_rois(boxes: Any) -> Tensor:
    """Returns (K, 5): the picture's index, then the corners, of what `check_boxes` lets through."""
    check_boxes(boxes)
    if isinstance(boxes, Tensor):
        return boxes
    indices = [torch.full_like(one[:, :1], index) for index, one in enumerate(boxes)]
    return torch.cat([torch.cat(indices), torch.cat(list(boxes))], dim=1)


def numbers(rois: Tensor, pictures: Tensor) -> tuple[Array, Array]:
    """The pictures' indices (K) and the corners (K, 4) of regions, in the pictures' type.

    Raises:
        IndexError: an index of no picture.
    """
    kind = np.float64 if pictures.dtype == torch.float64 else np.float32
    array = rois.detach().to("cpu", torch.float64).numpy()
    indices = array[:, 0].astype(np.int64)
    if ((indices < 0) | (indices >= pictures.shape[0])).any():
        raise IndexError(
            f"the regions are of pictures {sorted(set(indices.tolist()))}, but there are "
            f"{pictures.shape[0]} of them"
        )
    return indices, array[:, 1:].astype(kind)


def sampling_weights(start: Array, extent: Array, bins: int, samples: int, size: int) -> Array:
    """How much each pixel along an axis counts in the mean of each bin's samples, (K, bins, size).

    A sample lies between two pixels and takes of both, linearly; one further than a pixel outside
    of the picture takes nothing.

    Args:
        start: (K), where the regions begin.
        extent: (K), how long they are.
        bins: bins in a region.
        samples: samples in a bin; not positive for as many as a bin has pixels.
        size: pixels along the axis.
    """
    kind = start.dtype.type
    bin_size = extent / kind(bins)
    if samples > 0:
        counts = np.full(len(start), samples)
    else:
        counts = np.ceil(extent / kind(bins)).astype(np.int64)
    weights = np.zeros((len(start), bins, size), kind)
    most = int(counts.max(initial=0))
    place = np.arange(most, dtype=kind) + kind(0.5)
    with np.errstate(divide="ignore", invalid="ignore"):
        step = bin_size / counts.astype(kind)
    first = start[:, None] + np.arange(bins, dtype=kind) * bin_size[:, None]
    where = first[:, :, None] + place * step[:, None, None]
    taken = (np.arange(most) < counts[:, None])[:, None, :]
    taken = taken & (where >= -1) & (where <= size)
    where = np.where(taken, np.maximum(where, 0), 0)
    low = np.minimum(where.astype(np.int64), size - 1)
    share = np.where(low >= size - 1, 0, where - low).astype(kind)
    high = np.minimum(low + 1, size - 1)
    region, bin_index = np.ogrid[: len(start), :bins]
    target = (region[:, :, None], bin_index[:, :, None])
    np.add.at(weights, (*target, low), np.where(taken, 1 - share, 0))
    np.add.at(weights, (*target, high), np.where(taken, share, 0))
    return weights / np.maximum(counts, 1).astype(kind)[:, None, None]


def whole_bins(
    first: Array, last: Array, bins: int, size: int, inclusive: bool
) -> tuple[Array, Array]:
    """The first pixel of each bin and the one behind its last, (K, bins), in whole pixels.

    Args:
        first: (K), the regions' first pixels, rounded.
        last: (K), their last ones.
        bins: bins in a region.
        size: pixels along the axis.
        inclusive: the last pixel belongs to the region, and bins end with the picture; otherwise
            neither does.
    """
    extent = np.maximum(last - first + (1 if inclusive else 0), 1)
    each = extent / first.dtype.type(bins)
    number = np.arange(bins, dtype=first.dtype)
    start = np.floor(number * each[:, None]) + first[:, None]
    stop = np.ceil((number + 1) * each[:, None]) + first[:, None]
    end = size if inclusive else size - 1
    return np.clip(start, 0, end).astype(np.int64), np.clip(stop, 0, end).astype(np.int64)


def rounded(values: Array) -> Array:
    """To whole numbers, halves away from zero, as C's `round`."""
    return np.copysign(np.floor(np.abs(values) + values.dtype.type(0.5)), values)
