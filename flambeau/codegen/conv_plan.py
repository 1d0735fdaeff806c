"""Planning a correlation by taps: what to unfold, how much at a time, in which tasks."""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

from . import conv_correlate, conv_tile
from .conv_code import SIZE
from .kernel import Buf, Kernel, Launch
from .planning import Room

Ints = tuple[int, ...]


class Tap(NamedTuple):
    """Where one tap reads: offsets of depth, row and column in the source, and in `a`."""

    z: int
    y: int
    x: int
    a: int


class Correlation(NamedTuple):
    """A correlation by taps; see conv_correlate. Strides in elements, sizes (depth, rows, columns)."""

    dtype: str
    source: Buf
    a: Buf
    y: Buf
    bias: Buf | None
    images: int
    groups: int
    channels: int
    """Of the source, in each group."""
    rows: int
    """Channels of the output, in each group."""
    size: Ints
    """Of the source's images, which are dense."""
    step: Ints
    taps: tuple[Tap, ...]
    out: Ints
    """Size of the output."""
    out_strides: Ints
    """Of images, channels, depth, rows, columns."""
    a_strides: Ints
    """Of rows, channels, groups."""


class Unfolding(NamedTuple):
    shifts: list[Ints]
    """(depth, row, column) offsets."""
    places: list[Ints]
    """For each tap its shift, and the rows and columns that it lies further in the frame."""
    extra: int
    """Rows of a frame beyond those of the output."""
    beside: int = 0
    """Columns of a frame beyond those of the output."""


FAR = 1 << 40


def flat(taps: tuple[Tap, ...]) -> Unfolding:
    """Each tap has a shift of its own."""
    return Unfolding([(t.z, t.y, t.x) for t in taps], [(i, 0, 0) for i in range(len(taps))], 0)


def sliding(taps: tuple[Tap, ...], step: int) -> Unfolding:
    """Taps of one column, whose rows differ by multiples of the step, share a shift."""
    first: dict[Ints, int] = {}
    for t in taps:
        key = (t.x, t.y % step)
        first[key] = min(t.y, first.get(key, t.y))
    order = {key: i for i, key in enumerate(first)}
    places = [
        (order[t.x, t.y % step], (t.y - first[t.x, t.y % step]) // step, 0) for t in taps
    ]
    shifts = [(0, y, x) for (x, _), y in first.items()]
    return Unfolding(shifts, places, max(down for _, down, _ in places))


def framed(taps: tuple[Tap, ...], step: int) -> Unfolding:
    """Columns also share a shift: the frame is wider than the output."""
    left = min(t.x for t in taps)
    how = sliding(tuple(t._replace(x=left) for t in taps), step)
    places = [(u, down, t.x - left) for t, (u, down, _) in zip(taps, how.places)]
    return Unfolding(how.shifts, places, how.extra, max(right for _, _, right in places))


def frame_line(how: Unfolding, width: int, size: int) -> tuple[int, int]:
    """(columns, bytes from line to line) of a frame."""
    if not how.beside:
        return width, width * size
    return width + how.beside, odd_pitch(width + how.beside, size)


def best_frame(p: Correlation, rows: int) -> Unfolding:
    """Sliding, or framed if the vectors lost at lines' ends cost less than what needn't be copied.
    Counted in cycles of vectors of 64 bytes: two products, or a fifth of a copy."""
    slide = sliding(p.taps, p.step[1])
    frame = framed(p.taps, p.step[1])
    if p.step[2] != 1 or not frame.beside:
        return slide
    lanes, width = 64 // SIZE[p.dtype], p.out[2]
    vectors = lambda n: -(-n // lanes)  # noqa: E731
    products = p.channels * len(p.taps) * p.rows / 2
    copies = 5 * p.channels
    by_slide = (
        vectors(rows * width) * products
        + copies * len(slide.shifts) * (rows + slide.extra) * vectors(width)
    )
    by_frame = (
        rows * vectors(width) * products
        + copies * len(frame.shifts) * (rows + frame.extra) * vectors(width + frame.beside)
    )
    return frame if by_frame < by_slide else slide


def odd_pitch(elements: int, size: int) -> int:
    """Bytes of a line of elements, an odd multiple of 64: lines spread over the cache's sets."""
    units = -(-elements * size // 64)
    return 64 * (units | 1)


def tile_rows(rows: int) -> int:
    """The height of tile that wastes least on so many rows."""
    if rows <= 8:
        return max(rows, 1)
    return min((8, 7, 6, 5), key=lambda h: (-(-rows // h) * h - rows) / rows + (8 - h) * 0.02)


L2_BYTES = 512 << 10
"""Of unfolded source in a task."""

DEPTH = 256
"""Products of channels and taps at a time."""


def _blocks(p: Correlation, flops: float) -> tuple[int, int]:
    """(images, rows) of a task."""
    lines, width = p.out[0] * p.out[1], p.out[2]
    positions = lines * width
    heavy = p.rows * p.channels * len(p.taps) * SIZE[p.dtype] > (512 << 10)
    want = 1024
    per_group = p.images * positions
    least = 8 if flops > 4e6 else 4 if flops > 5e5 else 1
    if heavy:
        least = 2
    want = min(want, max(64, -(-per_group * p.groups // least)))
    if positions < 64 or positions <= want // 2 and p.rows >= 32:
        images = max(1, min(p.images, round(want / positions)))
        return images, lines
    parts = max(1, round(positions / want))
    return 1, -(-lines // min(parts, lines))


def launches(room: Room, p: Correlation, label: str) -> list[Launch]:
    """The launch that computes it."""
    size = SIZE[p.dtype]
    lines, width = p.out[0] * p.out[1], p.out[2]
    positions = lines * width
    count = len(p.taps)
    flops = 2.0 * p.images * p.groups * p.rows * p.channels * count * positions
    images, rows = _blocks(p, flops)
    dense = p.out_strides[2:] == (p.out[1] * width, width, 1)
    plain = (
        p.taps[:1] == (Tap(0, 0, 0, p.taps[0].a),) * count and p.step == (1, 1, 1)
        and p.size == p.out and images == 1 and dense
    ) if count == 1 else False  # fmt: skip
    deep = p.out[0] > 1 or p.size[0] > 1 or any(t.z for t in p.taps)
    how = flat(p.taps) if deep or images > 1 or not count else best_frame(p, rows)
    span, line = frame_line(how, width, size)
    pitch = odd_pitch(images * (rows + how.extra) * line // size + 32, size)
    some = max(1, DEPTH // max(count, 1))
    result_pitch = odd_pitch(images * rows * width, size)
    result = 0 if plain else min(some, p.channels) * len(how.shifts) * pitch + 64
    in_place = dense and images == 1
    spots = result + (0 if in_place else p.rows * result_pitch) + 64
    scratch_bytes = spots + (8 * conv_tile.SPOT * rows * width if how.beside else 0)
    shape = conv_correlate.Shape(
        p.dtype, tile_rows(p.rows), p.step[2] if p.step[2] <= 2 else 0, p.bias is not None, plain,
        not dense, deep, how.beside > 0,
    )  # fmt: skip
    image_blocks, row_blocks = -(-p.images // images), -(-lines // rows)
    words = {
        "images": p.images, "channels": p.channels, "rows": p.rows, "groups": p.groups,
        "task_images": images, "task_rows": rows, "image_blocks": image_blocks,
        "row_blocks": row_blocks, "some": some, **source_words(p, size),
        "sam": p.a_strides[0] * size, "sac": p.a_strides[1] * size, "sag": p.a_strides[2] * size,
        **{f"y{n}": s * size for n, s in zip("nczyx", p.out_strides)},
        "wrap": p.out[1] if p.out[0] > 1 else FAR, "lines": lines, "width": width,
        "extra": how.extra, "span": span, "line": line, "spots": spots, "shifts": len(how.shifts), "taps": count, "pitch": pitch,
        "result_pitch": result_pitch, "result": result, "scratch_bytes": scratch_bytes,
    }  # fmt: skip
    if plain:
        taps = [(t.a * size, 0) for t in p.taps]
    else:
        taps = [
            (t.a * size, u * pitch + down * line + right * size)
            for t, (u, down, right) in zip(p.taps, how.places)
        ]
    moved = size * (
        p.images * p.groups * (p.channels * math.prod(p.size) + p.rows * positions)
        + p.groups * p.rows * p.channels * count
    )
    kernel = Kernel("conv", ("conv", *shape), partial(conv_correlate.emit, shape=shape))
    tasks = image_blocks * row_blocks * p.groups
    args = (
        p.source, p.a, p.y, *([p.bias] if p.bias else []), room.scratch(-(-scratch_bytes // 64) * 64),
        *(words[name] for name in conv_correlate.WORDS),
        *shift_words(p, how), *(n for t in taps for n in t),
    )  # fmt: skip
    grain = max(1, int(tasks * 2e5 / max(flops, 1.0)))
    return [Launch(kernel, args, tasks, flops, float(moved), min(grain, tasks), label)]


def shift_words(p: Correlation, how: Unfolding) -> list[int]:
    """For each shift its offsets, and the columns and rows that lie within the source."""
    reach = (p.out[2] + how.beside - 1) * p.step[2] + 1
    out: list[int] = []
    for z, y, x in how.shifts:
        low, high = min(max(-x, 0), reach), max(0, min(p.size[2] - x, reach))
        top, bottom = (max(0, -(-n // p.step[1])) for n in (-y, p.size[1] - y))
        out += (z, y, x, low, high, top, bottom)
    return out


def source_words(p: Correlation, size: int) -> dict[str, int]:
    """What kernels know of the source."""
    d, h, w = p.size
    channel = d * h * w * size
    return {
        "xn": p.groups * p.channels * channel, "xc": channel, "xz": h * w * size, "xy": w * size,
        "row_step_z": p.step[0], "row_step_y": p.step[1], "step": p.step[2],
        "depth": d, "height": h,
    }  # fmt: skip
