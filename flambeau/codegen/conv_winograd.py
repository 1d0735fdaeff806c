"""Winograd's convolution F(4x4, 3x3): 36 instead of 144 products for a tile of 4 by 4 outputs.

    y = A^T [sum over c of (G w G^T) * (B^T x B)] A

Lanes are channels, so any size of image fills the vectors. Steps (conv_winograd_steps):

    source    x, rows of some channels transposed to channels last, then V[f][tile][c] = B^T x B
    weights   U[f][c][o] = G w G^T
    product   M[f][tile][o] = sum over c of V[f][tile][c] U[f][c][o], for the 36 f
    output    y = A^T M A, transposed back
"""

from __future__ import annotations

from typing import NamedTuple

from .conv_code import Lanes, invoke, module
from .conv_tile import emit_product
from .conv_unfold import Words
from .conv_winograd_steps import POINTS, emit_output, emit_source, emit_weights
from .ir_text import Code, Val
from .kernel import Target


class Shape(NamedTuple):
    """The main kernel's structure: its key."""

    dtype: str
    biased: bool
    few: bool
    """Few tiles, many channels: V is ready and tasks share out output channels, whose weights they
    transform themselves. Otherwise U is ready, and tasks share out tiles."""


WORDS = (
    "channels height width padding rows out_height out_width "  # rows: output channels
    "down across tile_rows task_rows some_channels some_depth "
    "xn yn lane_step step run tap_first tap_step "
    "v_tile v_point u_pitch u_point m_tile m_point "  # pitches in bytes
    "own_v own_u own_m own_room scratch_bytes"
).split()


def emit_main(target: Target, symbol: str, shape: Shape) -> str:
    """Products and output. Arguments: source (few: V), weights (else U), output, [bias], scratch,
    WORDS, and a tap of zeros."""
    c = Code(target, symbol)
    source, weights, y = c.buffer(), c.buffer(), c.buffer()
    bias = c.buffer() if shape.biased else weights
    scratch = c.slot()
    w = Words(c, WORDS)
    taps = c.at(Val(c, "ptr", "%args"), c._words, "i64")
    v = Lanes(c, shape.dtype)
    own = c.at(c.value("ptr", f"inttoptr {scratch} to ptr"), c.thread * w.scratch_bytes, "i8")
    room, m = c.at(own, w.own_room, "i8"), c.at(own, w.own_m, "i8")

    def product(
        vs: Val, tiles: Val, us: Val, point: Val, k: Val, depth: Val, o: Val, some: Val
    ) -> None:
        """Some output channels' sums over `depth` input channels, at one point."""
        invoke(
            c, "product", c.at(c.at(vs, point * w.v_point, "i8"), k, v.element), w.v_tile, tiles,
            taps, 1, v.size, c.at(us, o, v.element), w.u_pitch, depth,
            c.at(m, point * w.m_point, "i8"), w.m_tile, k, some, own, own,
        )  # fmt: skip

    def output(o: Val, some: Val, q: Val, q_end: Val) -> None:
        to = c.at(y, o * (w.out_height * w.out_width), v.element)
        invoke(
            c, "output", m, w.m_tile, w.m_point, some, c.at(bias, o, v.element), to, w.yn,
            w.out_height, w.out_width, w.down, w.across, q, q_end, room,
        )  # fmt: skip

    def share_of_channels(task: Val) -> None:
        o, u = task * w.some_channels, c.at(own, w.own_u, "i8")
        some = (w.rows - o).min(w.some_channels)
        with c.loop(0, w.channels, w.some_depth) as k:
            depth = (w.channels - k).min(w.some_depth)
            invoke(
                c, "weights", c.at(weights, o * w.lane_step + k * w.step, v.element), w.lane_step,
                w.step, w.run, w.tap_first, w.tap_step, some, depth, room, u, w.u_pitch,
                w.u_point,
            )  # fmt: skip
            with c.loop(0, POINTS) as f:
                us = c.at(u, f * w.u_point, "i8")
                product(source, w.tile_rows * w.across, us, f, k, depth, c.int(0), some)
        output(o, some, c.int(0), w.tile_rows)

    def share_of_tiles(task: Val) -> None:
        q, vs = task * w.task_rows, c.at(own, w.own_v, "i8")
        q_end = (q + w.task_rows).min(w.tile_rows)
        invoke(
            c, "source", source, w.xn, w.channels, w.height, w.width, w.padding, w.down, w.across,
            q, q_end, room, vs, w.v_tile, w.v_point,
        )  # fmt: skip
        with c.loop(0, w.rows, w.some_channels) as o:
            some = (w.rows - o).min(w.some_channels)
            with c.loop(0, POINTS) as f, c.loop(0, w.channels, w.some_depth) as k:
                us = c.at(weights, f * w.u_point + k * w.u_pitch, "i8")
                depth = (w.channels - k).min(w.some_depth)
                product(vs, (q_end - q) * w.across, us, f, k, depth, o, some)
            output(o, some, q, q_end)

    with c.loop(c.begin, c.end) as task:
        (share_of_channels if shape.few else share_of_tiles)(task)
    step = emit_weights if shape.few else emit_source
    return module(c, [
        step(target, shape.dtype), emit_output(target, shape.dtype, shape.biased),
        *emit_product(target, shape.dtype, 8, False),
    ])  # fmt: skip


def emit_all_weights(target: Target, symbol: str, dtype: str) -> str:
    """U of all channels. Arguments: w, U, scratch, output channels, those of a task, input
    channels, then as WEIGHTS lane_step to tap_step, pitch and point_pitch, bytes of scratch."""
    c = Code(target, symbol)
    w, u = c.buffer(), c.buffer()
    scratch = c.slot()
    rows, some, channels, lane_step, step, run, tap, tap_step, *pitches, bytes_ = c.words(11)
    v = Lanes(c, dtype)
    room = c.at(c.value("ptr", f"inttoptr {scratch} to ptr"), c.thread * bytes_, "i8")
    with c.loop(c.begin, c.end) as task:
        o = task * some
        invoke(
            c, "weights", c.at(w, o * lane_step, v.element), lane_step, step, run, tap, tap_step,
            (rows - o).min(some), channels, room, c.at(u, o, v.element), *pitches,
        )  # fmt: skip
    return module(c, [emit_weights(target, dtype)])


def emit_all_source(target: Target, symbol: str, dtype: str) -> str:
    """V of all tiles, a task being some channels. Arguments: x, V, scratch, channels, those of a
    task, height, width, padding, down, across, rows of tiles, xn, pitches, bytes of scratch."""
    c = Code(target, symbol)
    x, to = c.buffer(), c.buffer()
    scratch = c.slot()
    channels, some, height, width, padding, down, across, rows, xn, tile, point, room = c.words(12)
    v = Lanes(c, dtype)
    own = c.at(c.value("ptr", f"inttoptr {scratch} to ptr"), c.thread * room, "i8")
    with c.loop(c.begin, c.end) as task:
        k = task * some
        invoke(
            c, "source", c.at(x, k * height * width, v.element), xn, (channels - k).min(some),
            height, width, padding, down, across, 0, rows, own, c.at(to, k, v.element), tile, point,
        )  # fmt: skip
    return module(c, [emit_source(target, dtype)])
