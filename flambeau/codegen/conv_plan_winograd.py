"""Planning Winograd's convolution: where it wins, and how its steps are shared out."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from . import conv_winograd, conv_winograd_weight
from .conv_code import SIZE
from .conv_frame import Correlation, odd_pitch
from .conv_plan_weight import add_parts
from .conv_winograd_steps import POINTS
from .kernel import Buf, Kernel, Launch
from .planning import Room

LANES = 16
"""Channels are padded to a multiple of it: at least the longest vector."""


RUN = 16
"""Input channels whose weights are transposed at a time."""


def pays(p: Correlation) -> bool:
    """Whether it applies (3x3 taps side by side, no strides) and should win."""
    ys, xs = {t.y for t in p.taps}, {t.x for t in p.taps}
    if not (
        p.dtype == "float32" and p.groups == 1 and len(p.taps) == 9 and p.step == (1, 1, 1)
        and p.out[0] == p.size[0] == 1 and p.spread == (1, 1, 1)
        and max(ys) - min(ys) == max(xs) - min(xs) == 2 and len(ys) == len(xs) == 3
        and min(ys) == min(xs) and -2 <= min(xs) <= 0
    ):  # fmt: skip
        return False
    down, across = tiles(p)
    filled = p.out[1] * p.out[2] / (16.0 * down * across)
    return min(p.channels, p.rows) >= 32 and filled > 0.5 and p.images * down * across >= 8


def tiles(p: Correlation) -> tuple[int, int]:
    """Of an image: rows, columns."""
    return -(-p.out[1] // 4), -(-p.out[2] // 4)


def padded(channels: int) -> int:
    return -(-channels // LANES) * LANES


class _Sizes(NamedTuple):
    """How the work is cut."""

    few: bool
    """Few tiles: see conv_winograd.Shape."""
    rows: int
    """Of tiles, in a task."""
    channels: int
    """Output channels at a time."""
    depth: int
    """Input channels at a time."""


V_BYTES, M_BYTES = 1200 << 10, 600 << 10
"""What a task's transformed source and sums should not exceed, of the second-level cache."""


def _sizes(p: Correlation) -> _Sizes:
    size, (down, across) = SIZE[p.dtype], tiles(p)
    tile_rows = p.images * down
    count = tile_rows * across
    if p.channels * p.rows > 8 * LANES * count and count <= 192:
        return _Sizes(True, tile_rows, min(32, p.rows), min(128, p.channels))
    some = min(64, max(48, V_BYTES // (POINTS * odd_pitch(padded(p.channels), size))))
    least = 8 if count >= 128 else 2
    rows = max(1, min(some // across, -(-tile_rows // least)))
    channels = max(48, M_BYTES // (POINTS * rows * across * size) // LANES * LANES)
    parts = -(-p.channels // 192)
    return _Sizes(False, rows, min(channels, p.rows), -(-p.channels // parts))


def launches(room: Room, p: Correlation, label: str) -> list[Launch]:
    """Two launches: U or V of everything, then the rest."""
    size, (down, across) = SIZE[p.dtype], tiles(p)
    tile_rows = p.images * down
    few, rows, channels, depth = _sizes(p)
    taps = sorted(p.taps)
    v_tile = odd_pitch(padded(p.channels), size)
    v_point = rows * across * v_tile + 64
    # A part of U that is transformed at a time is dense, so its lines don't collide.
    u_pitch = padded(channels) * size if few else odd_pitch(padded(p.rows), size)
    u_point = (depth if few else p.channels) * u_pitch + 64
    m_tile = padded(channels) * size
    m_point = rows * across * m_tile + 64
    line_room = (6 * (4 * across + 2) + max(4 * LANES, 9 * RUN)) * LANES * size
    own = _places({
        "own_v": 0 if few else POINTS * v_point, "own_u": POINTS * u_point if few else 0,
        "own_m": POINTS * m_point, "own_room": line_room,
    })  # fmt: skip
    plane, out_plane = p.size[1] * p.size[2], p.out[1] * p.out[2]
    words = {
        "channels": p.channels, "height": p.size[1], "width": p.size[2],
        "padding": -min(t.x for t in p.taps), "rows": p.rows, "out_height": p.out[1],
        "out_width": p.out[2], "down": down, "across": across, "tile_rows": tile_rows,
        "task_rows": rows, "some_channels": channels, "some_depth": depth,
        "xn": p.channels * plane * size, "yn": p.rows * out_plane * size,
        "lane_step": p.a_strides[0], "step": p.a_strides[1],
        "run": RUN if p.a_strides[1] == 9 else 1, "tap_first": taps[0].a,
        "tap_step": taps[1].a - taps[0].a, "v_tile": v_tile, "v_point": v_point,
        "u_pitch": u_pitch, "u_point": u_point, "m_tile": m_tile, "m_point": m_point, **own,
    }  # fmt: skip
    # What is ready when the main kernel begins.
    ready = Buf(room.temporary(POINTS * (v_point if few else u_point)))
    first = (_source if few else _weights)(room, p, ready, words, label)
    source, weights = (ready, p.a) if few else (p.source, ready)
    shape = conv_winograd.Shape(p.dtype, p.bias is not None, few)
    kernel = Kernel(
        "conv_winograd", ("conv winograd", *shape), partial(conv_winograd.emit_main, shape=shape)
    )
    args: tuple[int | Buf, ...] = (
        source, weights, p.y, *([p.bias] if p.bias else []), room.scratch(own["scratch_bytes"]),
        *(words[n] for n in conv_winograd.WORDS), 0, 0,
    )  # fmt: skip
    tasks = -(-p.rows // channels) if few else -(-tile_rows // rows)
    flops = 2.0 * POINTS * tile_rows * across * p.channels * p.rows
    moved = float(size * p.images * (p.channels * plane + p.rows * out_plane))
    return [first, Launch(kernel, args, tasks, flops, moved, 1, label)]


def _places(sizes: dict[str, int]) -> dict[str, int]:
    """Where parts of the scratch begin, and how large it is."""
    out, at = {}, 0
    for name, n in sizes.items():
        out[name] = at
        at += -(-n // 64) * 64
    return {**out, "scratch_bytes": at + 64}


def _weights(room: Room, p: Correlation, to: Buf, words: dict[str, int], label: str) -> Launch:
    size, some = SIZE[p.dtype], LANES
    kernel = Kernel(
        "conv_winograd_weights", ("conv winograd weights", p.dtype),
        partial(conv_winograd.emit_all_weights, dtype=p.dtype),
    )  # fmt: skip
    bytes_ = 9 * RUN * LANES * size + 64
    names = "lane_step step run tap_first tap_step u_pitch u_point".split()
    args: tuple[int | Buf, ...] = (
        p.a, to, room.scratch(bytes_), p.rows, some, p.channels, *(words[n] for n in names), bytes_,
    )  # fmt: skip
    flops, moved = 90.0 * p.rows * p.channels, 45.0 * size * p.rows * p.channels
    return Launch(kernel, args, -(-p.rows // some), flops, moved, 1, label + ": weights")


def _source(room: Room, p: Correlation, to: Buf, words: dict[str, int], label: str) -> Launch:
    size, some = SIZE[p.dtype], 4 * LANES
    kernel = Kernel(
        "conv_winograd_source", ("conv winograd source", p.dtype),
        partial(conv_winograd.emit_all_source, dtype=p.dtype),
    )  # fmt: skip
    across = words["across"]
    bytes_ = 6 * (4 * across + 2) * LANES * size + 64
    names = "height width padding down across tile_rows xn v_tile v_point".split()
    args: tuple[int | Buf, ...] = (
        p.source, to, room.scratch(bytes_), p.channels, some, *(words[n] for n in names), bytes_,
    )  # fmt: skip
    count = words["tile_rows"] * across * p.channels
    return Launch(
        kernel, args, -(-p.channels // some), 144.0 * count, float(52 * size * count), 1,
        label + ": source",
    )  # fmt: skip


def weight_launches(room: Room, p: Correlation, label: str) -> list[Launch]:
    """dw from g: the correlation is the forward one, `y` being g and `a` the gradient to write."""
    size, (down, across) = SIZE[p.dtype], tiles(p)
    tile_rows = p.images * down
    channels, outputs = min(64, p.channels), min(64 if tile_rows * across > 256 else 128, p.rows)
    parts = -(-p.channels // channels), -(-p.rows // outputs)
    chunks = max(1, min(8 // (parts[0] * parts[1]), tile_rows * across // 64))
    if parts[0] * parts[1] == 1 and chunks > 1:
        chunks += chunks % 2  # so that two threads get the same
    chunk = -(-tile_rows // chunks)
    chunks = -(-tile_rows // chunk)
    rows = max(1, min(chunk, (64 if outputs <= 64 else 32) // across))
    v_tile, h_tile = padded(channels) * size, padded(outputs) * size
    v_point, h_point = rows * across * v_tile + 64, rows * across * h_tile + 64
    m_point = channels * h_tile + 64
    own = _places({
        "own_v": POINTS * v_point, "own_h": POINTS * h_point, "own_m": POINTS * m_point,
        "own_room": max(6 * (4 * across + 2), 9 * channels) * LANES * size,
    })  # fmt: skip
    elements = p.rows * p.channels * 9
    target = p.a if chunks == 1 else Buf(room.temporary(chunks * elements * size))
    plane, out_plane = p.size[1] * p.size[2], p.out[1] * p.out[2]
    words = {
        "channels": p.channels, "height": p.size[1], "width": p.size[2],
        "padding": -min(t.x for t in p.taps), "rows": p.rows, "out_height": p.out[1],
        "out_width": p.out[2], "down": down, "across": across, "tile_rows": tile_rows,
        "some_rows": rows, "chunk": chunk, "chunks": chunks, "some_channels": channels,
        "channel_parts": parts[0], "some_outputs": outputs, "output_parts": parts[1],
        "xn": p.channels * plane * size, "gn": p.rows * out_plane * size,
        "chunk_pitch": elements * size, "v_tile": v_tile, "v_point": v_point, "h_tile": h_tile,
        "h_point": h_point, "m_pitch": h_tile, "m_point": m_point, **own,
    }  # fmt: skip
    shape = conv_winograd_weight.Shape(p.dtype)
    kernel = Kernel(
        "conv_winograd_weight", ("conv winograd weight", *shape),
        partial(conv_winograd_weight.emit, shape=shape),
    )  # fmt: skip
    args: tuple[int | Buf, ...] = (
        p.y, p.source, target, room.scratch(own["scratch_bytes"]),
        *(words[n] for n in conv_winograd_weight.WORDS), 0, 0,
    )  # fmt: skip
    flops = 2.0 * POINTS * tile_rows * across * p.channels * p.rows
    moved = float(size * p.images * (p.channels * plane + p.rows * out_plane))
    found = [Launch(kernel, args, parts[0] * parts[1] * chunks, flops, moved, 1, label)]
    if chunks > 1:
        found.append(add_parts(p, target.slot, elements, chunks, label))
    return found
