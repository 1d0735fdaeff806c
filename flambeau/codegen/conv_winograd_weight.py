"""Winograd's gradient by the weight, F(3x3, 4x4): for each tile of 4 by 4 gradients and the 6 by 6
pixels they stem from, 36 instead of 144 products.

    dw = A^T [sum over tiles of (G g G^T) * (B^T x B)] A

V[f][tile][c] = B^T x B is conv_winograd's, H[f][tile][o] = G g G^T is of the same make. A task has
a block of channels c, one of channels o, and a fixed chunk of the tiles: M[f][c][o] stays with it.
"""

from __future__ import annotations

from typing import NamedTuple

from .conv_code import Lanes, Routine, invoke, module
from .conv_tile import emit_product
from .conv_unfold import Words
from .conv_weight import transpose
from .conv_winograd_steps import POINTS, both_ways, emit_source, load_points, output_line
from .ir_text import Code, Val
from .kernel import Target


class Shape(NamedTuple):
    """The kernel's structure: its key."""

    dtype: str


WORDS = (
    "channels height width padding rows out_height out_width "  # rows: output channels
    "down across tile_rows some_rows chunk chunks "  # rows of tiles: of a block, of a chunk
    "some_channels channel_parts some_outputs output_parts "
    "xn gn chunk_pitch "  # bytes from image to image, from partial sum to partial sum
    "v_tile v_point h_tile h_point m_pitch m_point "
    "own_v own_h own_m own_room scratch_bytes"
).split()


def emit(target: Target, symbol: str, shape: Shape) -> str:
    """Arguments: g, source, output, scratch, WORDS, and a tap of zeros."""
    c = Code(target, symbol)
    g, source, dw = c.buffer(), c.buffer(), c.buffer()
    scratch = c.slot()
    w = Words(c, WORDS)
    taps = c.at(Val(c, "ptr", "%args"), c._words, "i64")
    v = Lanes(c, shape.dtype)
    own = c.at(c.value("ptr", f"inttoptr {scratch} to ptr"), c.thread * w.scratch_bytes, "i8")
    vs, hs, m = (c.at(own, at, "i8") for at in (w.own_v, w.own_h, w.own_m))
    room = c.at(own, w.own_room, "i8")
    with c.loop(c.begin, c.end) as task:
        k = task % w.channel_parts * w.some_channels
        rest = task // w.channel_parts
        o = rest % w.output_parts * w.some_outputs
        chunk = rest // w.output_parts
        channels, outputs = (w.channels - k).min(w.some_channels), (w.rows - o).min(w.some_outputs)
        first = chunk * w.chunk
        last = (first + w.chunk).min(w.tile_rows)
        plane, out_plane = w.height * w.width, w.out_height * w.out_width
        with c.loop(first, last, w.some_rows) as q:
            q_end = (q + w.some_rows).min(last)
            invoke(
                c, "source", c.at(source, k * plane, v.element), w.xn, channels, w.height, w.width,
                w.padding, w.down, w.across, q, q_end, room, vs, w.v_tile, w.v_point,
            )  # fmt: skip
            invoke(
                c, "gradient", c.at(g, o * out_plane, v.element), w.gn, outputs, w.out_height,
                w.out_width, 0, w.down, w.across, q, q_end, room, hs, w.h_tile, w.h_point,
            )  # fmt: skip
            with c.loop(0, POINTS) as f:
                invoke(
                    c, "product", c.at(vs, f * w.v_point, "i8"), v.size, channels, taps, 1,
                    w.v_tile, c.at(hs, f * w.h_point, "i8"), w.h_tile, (q_end - q) * w.across,
                    c.at(m, f * w.m_point, "i8"), w.m_pitch, q - first, outputs, own, own,
                )  # fmt: skip
        to = c.at(dw, chunk * w.chunk_pitch, "i8")
        to = c.at(to, (o * w.channels + k) * 9, v.element)
        invoke(c, "output", m, w.m_pitch, w.m_point, channels, outputs, to, w.channels * 9, room)
    return module(c, [
        emit_source(target, shape.dtype), emit_source(target, shape.dtype, "gradient", 4),
        emit_output(target, shape.dtype), *emit_product(target, shape.dtype, 8, False),
    ])  # fmt: skip


OUTPUT = (
    ("ptr", "m"), ("i64", "pitch"), ("i64", "point_pitch"), ("i64", "channels"),
    ("i64", "outputs"), ("ptr", "to"), ("i64", "step"), ("ptr", "room"),
)  # fmt: skip
"""`room`: for 9 vectors of each channel. `step`: elements from output channel to output channel."""


def emit_output(target: Target, dtype: str) -> Routine:
    """dw of some channels, lanes being output channels until it is transposed."""
    f = Routine(target, "output", OUTPUT)
    v = Lanes(f, dtype)
    m, pitch, point_pitch, channels, outputs, to, step, room = f.given()
    bytes_ = v.count * v.size
    with f.loop(0, outputs, v.count) as o:
        with f.loop(0, channels) as c:
            at = f.at(f.at(m, c * pitch, "i8"), o, v.element)
            found = both_ways(output_line, v, load_points(f, v, at, point_pitch), 3)
            for i in range(9):
                f.store(found[i // 3][i % 3], room, (c * 9 + i) * v.count)
        some = (outputs - o).min(v.count)
        line = f.at(to, o * step, v.element)
        transpose(f, v, room, f.int(bytes_), line, step * v.size, channels * 9, some)
    return f
