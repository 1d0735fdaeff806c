"""Planning Winograd's convolution: where it wins, and how its steps are shared out."""

from __future__ import annotations

from functools import partial

from . import conv_winograd
from .conv_code import SIZE
from .conv_plan import Correlation, odd_pitch
from .conv_winograd import POINTS
from .kernel import Buf, Kernel, Launch
from .planning import Room

LANES = 16
"""Channels are padded to a multiple of it: at least the longest vector."""


def pays(p: Correlation) -> bool:
    """Whether it applies (3x3 taps side by side, no strides) and should win."""
    ys, xs = {t.y for t in p.taps}, {t.x for t in p.taps}
    if not (
        p.dtype == "float32" and p.groups == 1 and len(p.taps) == 9 and p.step == (1, 1, 1)
        and p.out[0] == p.size[0] == 1 and p.out_strides[2:] == (p.out[1] * p.out[2], p.out[2], 1)
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


def _padded(channels: int) -> int:
    return -(-channels // LANES) * LANES


def launches(room: Room, p: Correlation, label: str) -> list[Launch]:
    """Two launches: U or V of everything, then the rest."""
    size = SIZE[p.dtype]
    down, across = tiles(p)
    tile_rows = p.images * down
    few = p.channels * p.rows > 8 * tile_rows * across * LANES
    padding = -min(t.x for t in p.taps)
    taps = sorted(p.taps)
    step = taps[1].a - taps[0].a
    v_tile = odd_pitch(_padded(p.channels), size)
    task_channels = 32 if few else p.rows
    u_pitch = odd_pitch(_padded(task_channels), size)
    most = max(8, (600 if few else 1200 << 10) // (POINTS * v_tile)) if not few else 64
    task_rows = max(1, min(tile_rows, min(most, 64) // across))
    if not few:
        least = 8 if tile_rows * across >= 128 else 2
        task_rows = max(1, min(task_rows, -(-tile_rows // least)))
    some_tiles = task_rows * across
    v_point = (tile_rows * across if few else some_tiles) * v_tile + 64
    u_point = p.channels * u_pitch + 64
    some_channels = min(task_channels, max(48, (600 << 10) // (POINTS * some_tiles * size) // 16 * 16))
    m_tile = odd_pitch(_padded(some_channels), size)
    m_point = some_tiles * m_tile + 64
    line_room = 6 * (4 * across + 2) * LANES * size + 4 * LANES * LANES * size
    own = _places({
        "own_v": 0 if few else POINTS * v_point, "own_u": POINTS * u_point if few else 0,
        "own_m": POINTS * m_point, "own_room": line_room,
    })  # fmt: skip
    depth = p.channels if p.channels <= 192 else -(-p.channels // -(-p.channels // 160))
    plane, out_plane = p.size[1] * p.size[2], p.out[1] * p.out[2]
    words = {
        "channels": p.channels, "height": p.size[1], "width": p.size[2], "padding": padding,
        "rows": p.rows, "out_height": p.out[1], "out_width": p.out[2], "down": down,
        "across": across, "tile_rows": tile_rows, "task_rows": task_rows,
        "task_channels": task_channels, "some_channels": some_channels, "some_depth": depth,
        "xn": p.channels * plane * size, "yn": p.rows * out_plane * size,
        "lane_step": p.a_strides[0], "step": p.a_strides[1], "tap_step": step,
        "tap_first": taps[0].a, "v_tile": v_tile, "v_point": v_point, "u_pitch": u_pitch,
        "u_point": u_point, "m_tile": m_tile, "m_point": m_point, **own,
    }  # fmt: skip
    # What is ready when the main kernel begins.
    first: Launch
    if few:
        ready = Buf(room.temporary(POINTS * v_point))
        first = _source(room, p, ready, words, label)
        source, weights = ready, p.a
    else:
        ready = Buf(room.temporary(POINTS * u_point))
        first = _weights(p, ready, words, label)
        source, weights = p.source, ready
    shape = conv_winograd.Shape(p.dtype, p.bias is not None, few)
    kernel = Kernel(
        "conv_winograd", ("conv winograd", *shape), partial(conv_winograd.emit_main, shape=shape)
    )
    args = (
        source, weights, p.y, *([p.bias] if p.bias else []), room.scratch(own["scratch_bytes"]),
        *(words[n] for n in conv_winograd.WORDS), 0, 0,
    )  # fmt: skip
    tasks = -(-p.rows // task_channels) if few else -(-tile_rows // task_rows)
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


def _weights(p: Correlation, to: Buf, words: dict[str, int], label: str) -> Launch:
    size, some = SIZE[p.dtype], LANES
    kernel = Kernel(
        "conv_winograd_weights", ("conv winograd weights", p.dtype),
        partial(conv_winograd.emit_all_weights, dtype=p.dtype),
    )  # fmt: skip
    at = Buf(p.a.slot, p.a.offset + words["tap_first"] * size)
    args = (
        at, to, p.rows, some, p.channels, words["lane_step"], words["step"], words["tap_step"],
        words["u_pitch"], words["u_point"],
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
    args = (
        p.source, to, room.scratch(bytes_), p.channels, some, *(words[n] for n in names), bytes_,
    )  # fmt: skip
    count = words["tile_rows"] * across * p.channels
    return Launch(
        kernel, args, -(-p.channels // some), 144.0 * count, float(52 * size * count), 1,
        label + ": source",
    )  # fmt: skip
