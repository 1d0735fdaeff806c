"""Planning a correlation by taps: what to unfold, how much at a time, in which tasks."""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import partial
from typing import NamedTuple

from . import conv_correlate, conv_tile
from .conv_code import SIZE
from .conv_frame import (
    FAR,
    Correlation,
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
"""Of the output, in a task, at most."""

UNFOLDED = 384 << 10
"""Bytes that a task should unfold at a time."""

WEIGHTS = 512 << 10
"""Bytes of weights that stay in the second-level cache."""


class _Blocks(NamedTuple):
    """What a task has."""

    images: int
    rows: int
    part: int
    """Output channels."""


def _blocks(p: Correlation, flops: float) -> _Blocks:
    """Tasks of at most `POSITIONS`, at least eight of them if there is enough to do. They may share
    out positions or output channels: whichever reads least. Weights are read for each block of
    positions, what is unfolded for each part of the channels."""
    count = sum(map(len, p.phases))
    size, positions = SIZE[p.dtype], math.prod(p.out)
    least = 8 if flops > 4e6 else 4 if flops > 5e5 else 1
    weights = p.rows * p.channels * count * size
    unfolded = p.images * positions * p.channels * count * size
    found = []
    for parts in (1, 2, 4, 8):
        part = -(-p.rows // parts)
        if parts > 1 and part < 32:
            break
        images, rows = _positions(p, count, -(-least // (parts * p.groups)))
        blocks = -(-p.images // images) * -(-p.out[0] * p.out[1] // rows)
        cost = weights * blocks + unfolded * (parts if parts == 1 else parts + 2)
        if weights <= WEIGHTS:  # they stay in the cache
            cost = unfolded * parts
        few = blocks * parts * p.groups < least
        found.append((few, cost, _Blocks(images, rows, part if parts == 1 else -(-part // 8) * 8)))
    return min(found, key=lambda f: f[:2])[2]


def _positions(p: Correlation, count: int, least: int) -> tuple[int, int]:
    """(images, rows) of a block, for at least so many blocks of a group if they don't become too
    small."""
    size, (lines, width) = SIZE[p.dtype], (p.out[0] * p.out[1], p.out[2])
    positions = lines * width
    if p.rows * p.channels * count * size > WEIGHTS:
        want = POSITIONS
    else:
        want = min(POSITIONS, max(256, UNFOLDED // (size * min(p.channels * max(count, 1), DEPTH))))
    want = max(64, min(want // len(p.phases), -(-p.images * positions // least)))
    if positions < 64 or positions <= want // 2 and p.rows >= 32:
        return max(1, min(p.images, round(want / positions))), lines
    parts = max(1, round(positions / want))
    return 1, -(-lines // min(parts, lines))


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
    most = max(map(len, p.phases))
    some = max(1, (DEPTH if len(p.phases) == 1 else 2 * DEPTH) // max(most, 1))
    result = min(some, p.channels) * len(how.shifts) * pitch + 64
    result_pitch = odd_pitch(images * rows * width, size)
    phase_pitch = part * result_pitch + 64
    spread = _spread(p)
    spots = result + (len(p.phases) * phase_pitch if spread or images > 1 else 0) + 64
    scratch_bytes = spots + (8 * conv_tile.SPOT * rows * width if how.beside else 0)
    scratch_bytes = -(-scratch_bytes // 64) * 64
    image_blocks, row_blocks, parts = -(-p.images // images), -(-lines // rows), -(-p.rows // part)
    ready = parts > 1 and not plain and count > 0
    block_pitch = p.channels * len(how.shifts) * pitch
    shape = conv_correlate.Shape(
        p.dtype, tile_rows(part), p.step[2] if p.step[2] <= 2 else 0, p.bias is not None, plain,
        spread, deep, how.beside > 0, ready,
    )  # fmt: skip
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
        "phases": len(p.phases), "taps": count, "pitch": pitch, "result_pitch": result_pitch, "result": result,
        "phase_pitch": phase_pitch, "spots": spots, "block_pitch": block_pitch,
        "scratch_bytes": scratch_bytes,
    }  # fmt: skip
    phase_words: list[int] = []
    tap_words: list[int] = []
    for phase in p.phases:
        phase_words += (len(tap_words) // 2, len(phase))
        for t in sorted(phase):
            u, down, right = where[t[:3]]
            tap_words += (t.a * size, u * pitch + down * line + right * size)
    moved = size * (
        p.images * p.groups * (p.channels * math.prod(p.size) + p.rows * plane)
        + p.groups * p.rows * p.channels * count
    )
    kernel = Kernel("conv", ("conv", *shape), partial(conv_correlate.emit, shape=shape))
    tasks = image_blocks * row_blocks * parts * p.groups
    biases: tuple[Buf, ...] = (p.bias,) if p.bias else ()
    source, found = p.source, []
    if ready:
        blocks = image_blocks * row_blocks * p.groups
        source = Buf(room.temporary(blocks * block_pitch + 64))
        first: tuple[int | Buf, ...] = (
            p.source, source, *(words[n] for n in conv_correlate.WORDS), *shift_words(p, how)
        )  # fmt: skip
        found.append(_unfolding(p, shape, first, blocks, block_pitch, label))
    args: tuple[int | Buf, ...] = (
        source, p.a, p.y, *biases, room.scratch(scratch_bytes),
        *(words[name] for name in conv_correlate.WORDS), *shift_words(p, how), *phase_words,
        *tap_words, *(_line_taps(p) if how.beside else ()),
    )  # fmt: skip
    grain = max(1, int(tasks * 2e5 / max(flops, 1.0)))
    return [*found, Launch(kernel, args, tasks, flops, float(moved), min(grain, tasks), label)]


def _line_taps(p: Correlation) -> list[int]:
    """For each line of the output, which taps (in their order) don't lie above or below the source:
    the first, and the one after the last."""
    rows = sorted(t.y for t in p.taps)
    if len(p.phases) > 1:
        return [0, FAR] * p.out[1]
    out: list[int] = []
    for r in range(p.out[1]):
        at = r * p.step[1]
        out += (bisect_left(rows, -at), bisect_left(rows, p.size[1] - at))
    return out


def _unfolding(
    p: Correlation, shape: conv_correlate.Shape, args: tuple[int | Buf, ...], blocks: int,
    block_pitch: int, label: str,
) -> Launch:  # fmt: skip
    """Unfolds the source for the tasks of several parts of the output channels."""
    key = (p.dtype, shape.step, shape.deep)
    like = conv_correlate.Shape(p.dtype, 1, shape.step, False, False, 0, shape.deep, False)
    kernel = Kernel(
        "conv_unfold", ("conv unfold", *key), partial(conv_correlate.emit_unfolding, shape=like)
    )
    moved = float(2 * blocks * block_pitch)
    return Launch(kernel, args, blocks * p.channels, 0.0, moved, 4, label + ": unfold")


def _spread(p: Correlation) -> int:
    """conv_correlate.Shape's."""
    if p.spread == (1, 1, 1):
        return 0
    return min(p.spread[2], 3)
