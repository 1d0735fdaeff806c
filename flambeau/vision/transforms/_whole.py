"""The usual transforms, run on a whole batch at a time: the same numbers as sample by sample.

Only transforms of exactly the library's own classes have a step here; for anything else there is
none, and the batch is made sample by sample. Every step is bit for bit what the transform does with
one picture, errors included: where a transform would raise, there is no step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import flambeau as torch

from . import _conversion
from .containers import Compose
from .conversion import ConvertImageDtype, Normalize, PILToTensor, ToTensor
from .geometry import RandomCrop, RandomHorizontalFlip, RandomVerticalFlip

Shape = tuple[int, ...]
Array = np.ndarray[Any, Any]
Step = Callable[[Array, Any], Array]
"""Takes the batch (N, C, H, W) and this step's random words, (N, words), and gives the batch."""

_BYTE_MAX = np.float32(255)


class Steps:
    """A pipeline of transforms for whole batches.

    Attributes:
        words: 32-bit random numbers that one sample uses.
    """

    __slots__ = ("_steps", "words")

    def __init__(self, steps: list[tuple[Step, int]]) -> None:
        self._steps = steps
        self.words = sum(words for _, words in steps)

    def fit(self, count: int) -> bool:
        """Whether a batch of so many samples can be made. The generator gives whole-range integers
        of 64 bits, two words each, so that an odd number of words can't be had."""
        return count > 0 and count * self.words % 2 == 0

    def run(self, pixels: Array, chosen: Array, generator: Any) -> Array:
        """The transformed batch, in memory of its own.

        Args:
            pixels: bytes (N, C, H, W).
            chosen: positions in it.
            generator: where random numbers come from; None is the global one.
        """
        if pixels.flags.c_contiguous:
            batch = pixels.take(chosen, axis=0)
        else:
            batch = np.ascontiguousarray(pixels[chosen])
        words = _draw(len(chosen), self.words, generator) if self.words else None
        used = 0
        for step, count in self._steps:
            own = None if words is None else words[:, used : used + count]
            batch = step(batch, own)
            used += count
        return batch


def _draw(samples: int, words: int, generator: Any) -> Array:
    """What the generator gives next as 32-bit integers, (samples, words)."""
    pairs = torch.empty(samples * words // 2, dtype=torch.int64)
    pairs.random_(-(2**63), None, generator=generator)
    # The first of two words is the upper half.
    halves = pairs.numpy().view(np.uint64)
    split = np.stack([halves >> np.uint64(32), halves & np.uint64(0xFFFFFFFF)], 1)
    return split.reshape(samples, words)


def positions(indices: Sequence[Any], length: int) -> Array | None:
    """Indices as an array; None unless all are integers that lie inside."""
    kinds = set(map(type, indices))
    if not kinds or (kinds != {int} and not all(issubclass(kind, np.integer) for kind in kinds)):
        return None
    chosen = np.array(indices)
    if chosen.dtype.kind not in "iu":  # too large for 64 bits
        return None
    if int(chosen.min()) < -length or int(chosen.max()) >= length:
        return None
    return chosen


def steps(transform: Any, shape: Shape) -> Steps | None:
    """The steps of a transform of Pillow images whose bytes have the shape (C, H, W).

    None where it has none, or where it would raise.
    """
    if torch.get_default_dtype() != torch.float32:
        return None
    found: list[tuple[Step, int]] = []
    kind = "picture"
    for each in _flat(transform):
        make = STEPS.get(type(each))
        made = None if make is None else make(each, kind, shape)
        if made is None:
            return None
        step, words, kind, shape = made
        if step is not None:
            found.append((step, words))
    # A picture that is still one can't be collated.
    return None if kind == "picture" else Steps(found)


def _flat(transform: Any) -> list[Any]:
    """The transforms one after the other."""
    if type(transform) not in CONTAINERS or (type(transform) is not Compose and has_hooks(transform)):
        return [transform]
    listed = transform.transforms
    if type(listed) not in (list, tuple, torch.nn.ModuleList):
        return [None]
    return [inner for each in listed for inner in _flat(each)]


Made = tuple[Step | None, int, str, Shape]
"""The step, its random words a sample, and what the samples are then: their kind and shape."""


def _to_tensor(_transform: ToTensor, kind: str, shape: Shape) -> Made | None:
    if kind != "picture":
        return None
    return _scaled, 0, "float32", shape


def _scaled(batch: Array, _words: Any) -> Array:
    result: Array = np.divide(batch, _BYTE_MAX)
    return result


def _pil_to_tensor(_transform: PILToTensor, kind: str, shape: Shape) -> Made | None:
    return (None, 0, "uint8", shape) if kind == "picture" else None


def to_float_dtype(transform: ConvertImageDtype, kind: str, shape: Shape) -> Made | None:
    """For transforms whose `dtype` says which."""
    return to_float(transform, kind, shape) if transform.dtype is torch.float32 else None


def to_float(transform: Any, kind: str, shape: Shape) -> Made | None:
    """Bytes become fractions."""
    if has_hooks(transform):
        return None
    if kind == "float32":
        return None, 0, kind, shape
    return (_scaled, 0, "float32", shape) if kind == "uint8" else None


def normalize(transform: Normalize, kind: str, shape: Shape) -> Made | None:
    """Channel by channel."""
    if kind != "float32" or has_hooks(transform):
        return None
    try:
        centre, spread = _conversion.statistics(transform.mean, transform.std, "float32")
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return None
    if any(each.ndim not in (0, 3) or each.size not in (1, shape[0]) for each in (centre, spread)):
        return None

    def step(batch: Array, _words: Any) -> Array:
        # Always on an array that a step before has made.
        np.subtract(batch, centre, out=batch)
        return np.divide(batch, spread, out=batch)

    return step, 0, kind, shape


def flip(axis: int) -> Callable[[Any, str, Shape], Made | None]:
    """Mirrors along an axis of (C, H, W), with probability `p`."""
    def make(transform: Any, kind: str, shape: Shape) -> Made | None:
        if has_hooks(transform) or type(transform.p) not in (int, float):
            return None
        p = np.float32(transform.p)

        def step(batch: Array, words: Any) -> Array:
            # What rand(1) makes of a word: its lower 24 bits, as a fraction.
            numbers = (words[:, 0] & np.uint64(0xFFFFFF)).astype(np.float32) * np.float32(2**-24)
            for i in np.flatnonzero(numbers < p):
                batch[i] = np.flip(batch[i], axis).copy()
            return batch

        return step, 1, kind, shape

    return make


def _crop(transform: RandomCrop, kind: str, shape: Shape) -> Made | None:
    padding = transform.padding
    if has_hooks(transform) or transform.pad_if_needed or type(transform.fill) is not int:
        return None
    if transform.fill != 0 or transform.padding_mode != "constant":
        return None
    if padding is None:
        padding = 0
    if type(padding) is not int or padding < 0:
        return None
    return cut(kind, shape, transform.size, padding, always=True)


def cut(kind: str, shape: Shape, size: Any, padding: int, always: bool) -> Made | None:
    """A random part of a size, after zeros all around.

    `always`: a direction without room draws a number too, unless neither has any.
    """
    if any(type(n) is not int or n < 1 for n in size):
        return None
    channels, height, width = shape
    tall, wide = size
    rows, columns = height + 2 * padding - tall, width + 2 * padding - wide
    if rows < 0 or columns < 0:
        return None
    still = rows == columns == 0
    draws = [not still and (always or room > 0) for room in (rows, columns)]

    def step(batch: Array, words: Any) -> Array:
        padded = batch
        if padding:
            room = (height + 2 * padding, width + 2 * padding)
            padded = np.zeros((len(batch), channels, *room), batch.dtype)
            padded[:, :, padding : padding + height, padding : padding + width] = batch
        if still:
            return padded
        result = np.empty((len(batch), channels, tall, wide), batch.dtype)
        nowhere = np.zeros(len(batch), np.uint64)
        tops = words[:, 0] % np.uint64(rows + 1) if draws[0] else nowhere
        lefts = words[:, int(draws[0])] % np.uint64(columns + 1) if draws[1] else nowhere
        for i, (top, left) in enumerate(zip(tops.tolist(), lefts.tolist(), strict=True)):
            result[i] = padded[i, :, top : top + tall, left : left + wide]
        return result

    return step, sum(draws), kind, (channels, tall, wide)


CONTAINERS: set[type] = {Compose}


def has_hooks(module: Any) -> bool:
    """Whether calling the module does more than its `forward`."""
    return bool(module._forward_hooks or module._forward_pre_hooks) or "forward" in module.__dict__


STEPS: dict[type, Callable[[Any, str, Shape], Made | None]] = {  # version 2 adds its own
    ToTensor: _to_tensor,
    PILToTensor: _pil_to_tensor,
    ConvertImageDtype: to_float_dtype,
    Normalize: normalize,
    RandomHorizontalFlip: flip(-1),
    RandomVerticalFlip: flip(-2),
    RandomCrop: _crop,
}
