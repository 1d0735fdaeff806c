"""Planning a correlation by taps: what to unfold, how much at a time, in which tasks."""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

from . import conv_correlate, conv_tile
from .conv_code import SIZE
from .conv_frame import (
    FAR,
    Correlation,
    Tap,
    best_frame,
    flat,
    frame_line,
    odd_pitch,
    shift_words,
    source_words,
)
from .kernel import Buf, Kernel, Launch
from .planning import Room


def tile_rows(rows: int) -> int:
    """The height of tile that wastes least on so many rows."""
    if rows <= 8:
        return max(rows, 1)
    return min((8, 7, 6, 5), key=lambda h: (-(-rows // h) * h - rows) / rows + (8 - h) * 0.02)


DEPTH = 256
"""Products of channels and taps at a time."""

POSITIONS = 1024
"""Of the output, in a task."""


class _Blocks(NamedTuple):
    """What a task has."""

    images: int
    rows: int
    part: int
    """Output channels."""


def _blocks(p: Correlation, flops: float) -> _Blocks:
    """Tasks of about `POSITIONS`, but at least eight of them if there is enough to do. Where
    weights are many, output channels are shared out rather than positions, so that each task reads
    its own weights."""
    lines, width = p.out[0] * p.out[1], p.out[2]
    positions = lines * width
    count = sum(map(len, p.phases))
    heavy = p.rows * p.channels * count * SIZE[p.dtype] > (512 << 10)
    least = 8 if flops > 4e6 else 4 if flops > 5e5 else 1
    want = max(64, POSITIONS // len(p.phases))
    if not heavy:
        want = min(want, max(64, -(-p.images * positions * p.groups // least)))
    if positions < 64 or positions <= want // 2 and p.rows >= 32:
        images, rows = max(1, min(p.images, round(want / positions))), lines
    else:
        images, rows = 1, -(-lines // min(max(1, round(positions / want)), lines))
    blocks = p.groups * -(-p.images // images) * -(-lines // rows)
    parts = max(1, min(-(-least // blocks), p.rows // 32))
    part = -(-p.rows // parts)
    return _Blocks(images, rows, part if parts == 1 else -(-part // 8) * 8)


def _is_matrix(p: Correlation, images: int) -> bool:
    """Whether the source needn't be unfolded: pointwise, and blocks lie within an image."""
    at = p.taps[0][:3] if len(p.taps) == 1 else None
    return (
        at == (0, 0, 0) and len(p.phases) == 1 and p.step == (1, 1, 1) and p.size == p.out
        and images == 1
    )  # fmt: skip


def launches(room: Room, p: Correlation, label: str) -> list[Launch]:
    """The launch that computes it."""
    size = SIZE[p.dtype]
    lines, width = p.out[0] * p.out[1], p.out[2]
    positions = lines * width
    count = sum(map(len, p.phases))
    flops = 2.0 * p.images * p.groups * p.rows * p.channels * count * positions
    images, rows, part = _blocks(p, flops)
    plain = _is_matrix(p, images)
    # Phases share what is unfolded.
    met = {t[:3]: t for taps in p.phases for t in taps}
    taps = tuple(met.values())
    deep = p.out[0] > 1 or p.size[0] > 1 or any(t.z for t in taps)
    how = flat(taps) if deep or images > 1 or not taps else best_frame(p, taps, rows)
    where = dict(zip(met, how.places))
    span, line = frame_line(how, width, size)
    pitch = 0 if plain else odd_pitch(images * (rows + how.extra) * line // size + 32, size)
    some = max(1, DEPTH // max(count, 1))
    result = min(some, p.channels) * len(how.shifts) * pitch + 64
    result_pitch = odd_pitch(images * rows * width, size)
    phase_pitch = part * result_pitch + 64
    spread = _spread(p)
    spots = result + (len(p.phases) * phase_pitch if spread or images > 1 else 0) + 64
    scratch_bytes = spots + (8 * conv_tile.SPOT * rows * width if how.beside else 0)
    scratch_bytes = -(-scratch_bytes // 64) * 64
    shape = conv_correlate.Shape(
        p.dtype, tile_rows(part), p.step[2] if p.step[2] <= 2 else 0, p.bias is not None, plain,
        spread, deep, how.beside > 0,
    )  # fmt: skip
    image_blocks, row_blocks, parts = -(-p.images // images), -(-lines // rows), -(-p.rows // part)
    full = p.full or p.out
    plane = math.prod(full)
    words = {
        "images": p.images, "channels": p.channels, "rows": p.rows, "groups": p.groups,
        "task_images": images, "task_rows": rows, "image_blocks": image_blocks,
        "row_blocks": row_blocks, "some": some, "part": part, "parts": parts,
        **source_words(p, size),
        "sam": p.a_strides[0] * size, "sac": p.a_strides[1] * size, "sag": p.a_strides[2] * size,
        "yn": p.groups * p.rows * plane * size, "yc": plane * size,
        "yz": full[1] * full[2] * size, "yy": full[2] * size,
        **{f"spread_{n}": s for n, s in zip("zyx", p.spread)},
        **{f"full_{n}": s for n, s in zip("zyx", full)},
        "wrap": p.out[1] if p.out[0] > 1 else FAR, "lines": lines, "width": width,
        "extra": how.extra, "span": span, "line": line, "shifts": len(how.shifts),
        "phases": len(p.phases), "pitch": pitch, "result_pitch": result_pitch, "result": result,
        "phase_pitch": phase_pitch, "spots": spots, "scratch_bytes": scratch_bytes,
    }  # fmt: skip
    phase_words: list[int] = []
    tap_words: list[int] = []
    for phase in p.phases:
        phase_words += (len(tap_words) // 2, len(phase))
        for t in phase:
            u, down, right = where[t[:3]]
            tap_words += (t.a * size, u * pitch + down * line + right * size)
    moved = size * (
        p.images * p.groups * (p.channels * math.prod(p.size) + p.rows * plane)
        + p.groups * p.rows * p.channels * count
    )
    kernel = Kernel("conv", ("conv", *shape), partial(conv_correlate.emit, shape=shape))
    tasks = image_blocks * row_blocks * parts * p.groups
    biases: tuple[Buf, ...] = (p.bias,) if p.bias else ()
    args = (
        p.source, p.a, p.y, *biases, room.scratch(scratch_bytes),
        *(words[name] for name in conv_correlate.WORDS), *shift_words(p, how), *phase_words,
        *tap_words,
    )  # fmt: skip
    grain = max(1, int(tasks * 2e5 / max(flops, 1.0)))
    return [Launch(kernel, args, tasks, flops, float(moved), min(grain, tasks), label)]


def _spread(p: Correlation) -> int:
    """conv_correlate.Shape's."""
    if p.spread == (1, 1, 1):
        return 0
    return min(p.spread[2], 3)
