"""The steps of Winograd's convolutions: transformations of the source, the weights, the output.

The points are 0, ±1/√2, ±√2 and infinity: with them float32 loses the least, a third of what the
usual 0, ±1, ±2 do. The error stays below 1e-5 of the largest output (measured: 1.4e-6 at 64
channels, 3.5e-6 at 512).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from .conv_code import Lanes, Routine
from .ir_text import Code, Val
from .kernel import Target
from .special_copy import transposed

A, B = math.sqrt(0.5), math.sqrt(2.0)
"""The points besides 0 and infinity, and their opposites."""

POINTS = 36
"""Values of a transformed tile."""


def source_line(v: Lanes, d: list[Val]) -> list[Val]:
    """B^T d: 6 values to 6."""
    const = lambda x: v.c.const(v.type, x)  # noqa: E731
    p, q = v.fma(d[2], const(-2.0), d[4]), v.fma(d[1], const(-2.0), d[3])
    r, s = v.fma(d[2], const(-0.5), d[4]), v.fma(d[1], const(-0.5), d[3])
    first = v.fma(d[2], const(-2.5), d[0] + d[4])
    last = v.fma(d[3], const(-2.5), d[1] + d[5])
    pairs = [v.fma(b, const(k), a) for a, b, n in ((p, q, A), (r, s, B)) for k in (n, -n)]
    return [first, *pairs, last]


def weight_line(v: Lanes, g: list[Val]) -> list[Val]:
    """G g: 3 values to 6, or 4 for the gradient by the weight."""
    const = lambda x: v.c.const(v.type, x)  # noqa: E731
    out = [g[0]]
    for point, scale in ((A, -1 / 1.5), (B, 1 / 6.0)):
        even = v.fma(g[2], const(point**2 * scale), g[0] * const(scale))
        odd = g[1] * const(point * scale)
        if len(g) == 4:
            odd = v.fma(g[3], const(point**3 * scale), odd)
        out += [even + odd, even - odd]
    return [*out, g[-1]]


def output_line(v: Lanes, m: list[Val], count: int) -> list[Val]:
    """A^T m: 6 values to `count`, 4 or 3."""
    const = lambda x: v.c.const(v.type, x)  # noqa: E731
    s, d, t, e = m[1] + m[2], m[1] - m[2], m[3] + m[4], m[3] - m[4]
    out = [m[0] + s + t, v.fma(e, const(B), d * const(A))]
    out.append(v.fma(t, const(2.0), s * const(0.5)))
    if count == 4:
        out.append(v.fma(e, const(B**3), v.fma(d, const(A**3), m[5])))
    else:
        out[2] = out[2] + m[5]
    return out


def both_ways(
    line: Callable[..., list[Val]], v: Lanes, rows: list[list[Val]], *more: int
) -> list[list[Val]]:
    """A line's transformation of all columns, then of all rows."""
    columns = [line(v, [r[j] for r in rows], *more) for j in range(len(rows[0]))]
    return [line(v, [c[i] for c in columns], *more) for i in range(len(columns[0]))]


# --- the source's transformation ----------------------------------------------------------------

SOURCE = (
    ("ptr", "x"), ("i64", "xn"), ("i64", "channels"), ("i64", "height"), ("i64", "width"),
    ("i64", "padding"), ("i64", "down"), ("i64", "across"), ("i64", "begin"), ("i64", "end"),
    ("ptr", "rows"), ("ptr", "to"), ("i64", "tile_pitch"), ("i64", "point_pitch"),
)  # fmt: skip
"""`down`, `across`: tiles of an image. begin, end: rows of tiles, all images' in one count. `rows`:
room for 6 lines of (4 * across + 2) pixels of one vector. Pitches in bytes."""


def emit_source(target: Target, dtype: str, name: str = "source", reach: int = 6) -> Routine:
    """V of some rows of tiles, all channels. With a reach of 4 instead of 6 pixels, tiles don't
    overlap and are transformed as weights are."""
    f = Routine(target, name, SOURCE)
    transform = source_line if reach == 6 else weight_line
    v = Lanes(f, dtype)
    x, xn, channels, height, width, padding, down, across, begin, end, rows, *rest = f.given()
    to, tile_pitch, point_pitch = rest
    size, n = v.size, v.count
    pixel, plane = n * size, height * width * size
    line = (across * 4 + 2) * pixel
    with f.loop(0, channels, n) as c:
        place = f.var(f.at(to, c, v.element))
        with f.loop(0, across * 4 + 2) as i, f.loop(0, 6) as k:
            f.store(v.zero(), f.at(rows, k * line + i * pixel, "i8"))
        with f.loop(begin, end) as q:
            image = f.at(f.at(x, q // down * xn, "i8"), c * plane, "i8")
            y0 = q % down * 4 - padding
            with f.loop(0, reach) as k:
                y, line_at = y0 + k, f.at(rows, k * line + padding * pixel, "i8")
                f.choose(
                    (y >= 0) & (y < height),
                    partial(turn_line, f, v, f.at(image, y * width, v.element), plane,
                            channels - c, width, line_at),
                    partial(_clear_line, f, v, line_at, width),
                )  # fmt: skip
            with f.loop(0, across) as t:
                at = f.at(rows, t * (4 * pixel), "i8")
                d = [
                    [f.load(v.type, f.at(at, line * i + j * pixel, "i8")) for j in range(reach)]
                    for i in range(reach)
                ]
                found = both_ways(transform, v, d)
                for p in range(POINTS):
                    f.store(found[p // 6][p % 6], f.at(place.get(), point_pitch * p, "i8"))
                place.set(f.at(place.get(), tile_pitch, "i8"))
    return f


def turn_line(
    f: Code, v: Lanes, x: Val, plane: Val, channels: Val, width: Val, to: Val
) -> None:
    """A line of an image, for some channels: pixel by pixel, channels in the lanes."""
    n = v.count
    heads = [f.at(x, plane * (channels - 1).min(k), "i8") for k in range(n)]
    whole = width // n * n

    def block(i: Val, mask: Val | None) -> None:
        cells = [f.load(v.type, h, i, mask) for h in heads]
        for k, p in enumerate(transposed(f, cells)):
            if mask is None:
                f.store(p, to, (i + k) * n)
            else:
                with f.when(width - i > k):
                    f.store(p, to, (i + k) * n)

    with f.loop(0, whole, n) as i:
        block(i, None)
    with f.when(whole < width):
        block(whole, v.first(width - whole))


def _clear_line(f: Code, v: Lanes, to: Val, width: Val) -> None:
    with f.loop(0, width) as i:
        f.store(v.zero(), to, i * v.count)


# --- the weights' transformation ----------------------------------------------------------------

WEIGHTS = (
    ("ptr", "w"), ("i64", "lane_step"), ("i64", "step"), ("i64", "run"), ("i64", "tap_first"),
    ("i64", "tap_step"), ("i64", "count"), ("i64", "channels"), ("ptr", "room"), ("ptr", "to"),
    ("i64", "pitch"), ("i64", "point_pitch"),
)  # fmt: skip
"""Elements from output to output channel and from input to input channel, of which `run` lie side
by side with their taps; the first tap's number and the step to the next (backwards for the gradient
by the data). `count` output channels; `room` for 9 * run vectors; pitches in bytes."""


def emit_weights(target: Target, dtype: str) -> Routine:
    """U of some output channels, all input channels."""
    f = Routine(target, "weights", WEIGHTS)
    v = Lanes(f, dtype)
    w, lane_step, step, run, tap, tap_step, count, channels, room, *rest = f.given()
    to, pitch, point_pitch = rest
    n = v.count
    with f.loop(0, count, n) as o, f.loop(0, channels, run) as k:
        some = (channels - k).min(run)
        at = f.at(w, o * lane_step + k * step, v.element)
        turn_line(f, v, at, lane_step * v.size, count - o, some * 9, room)
        with f.loop(0, some) as c:
            g = [
                [f.load(v.type, room, (c * 9 + tap + tap_step * (3 * i + j)) * n) for j in range(3)]
                for i in range(3)
            ]
            place = f.at(f.at(to, (k + c) * pitch, "i8"), o, v.element)
            found = both_ways(weight_line, v, g)
            for p in range(POINTS):
                f.store(found[p // 6][p % 6], f.at(place, point_pitch * p, "i8"))
    return f


# --- the output's transformation ----------------------------------------------------------------

OUTPUT = (
    ("ptr", "m"), ("i64", "tile_pitch"), ("i64", "point_pitch"), ("i64", "count"), ("ptr", "bias"),
    ("ptr", "y"), ("i64", "yn"), ("i64", "height"), ("i64", "width"), ("i64", "down"),
    ("i64", "across"), ("i64", "begin"), ("i64", "end"), ("ptr", "room"),
)  # fmt: skip
"""`room`: for 4 lines of one vector of pixels of one vector of channels. `y` begins at the first
of the `count` channels."""


def load_points(f: Routine, v: Lanes, at: Val, point_pitch: Val) -> list[list[Val]]:
    """The 36 values of a transformed tile."""
    return [
        [f.load(v.type, f.at(at, point_pitch * (6 * i + j), "i8")) for j in range(6)]
        for i in range(6)
    ]


def emit_output(target: Target, dtype: str, biased: bool) -> Routine:
    """y of some rows of tiles, for some channels."""
    f = Routine(target, "output", OUTPUT)
    v = Lanes(f, dtype)
    m, tile_pitch, point_pitch, count, bias, y, yn, height, width, *rest = f.given()
    down, across, begin, end, room = rest
    n, size = v.count, v.size
    group = n // 4  # tiles side by side fill a vector of pixels
    plane, pixel = height * width * size, n * size
    with f.loop(0, count, n) as o:
        left = count - o
        start = f.load(v.type, bias, o, v.first(left)) if biased else None
        place = f.var(f.at(m, o, v.element))
        with f.loop(begin, end) as q:
            y0 = q % down * 4
            image = f.at(f.at(y, q // down * yn, "i8"), o * plane, "i8")
            with f.loop(0, across, group) as t:
                some = (across - t).min(group)
                with f.loop(0, some) as k:
                    at = place.get()
                    found = both_ways(output_line, v, load_points(f, v, at, point_pitch), 4)
                    for r in range(4):
                        for j in range(4):
                            value = found[r][j] if start is None else found[r][j] + start
                            f.store(value, f.at(room, (k * 4 + (r * n + j)) * pixel, "i8"))
                    place.set(f.at(at, tile_pitch, "i8"))
                mask = v.first((width - t * 4).min(some * 4))
                with f.loop(0, (height - y0).min(4)) as i:
                    line = f.at(image, (y0 + i) * width + t * 4, v.element)
                    from_ = f.at(room, i * (n * pixel), "i8")
                    cells = [f.load(v.type, from_, j * n) for j in range(n)]
                    for lane, p in enumerate(transposed(f, cells)):
                        with f.when(left > lane):
                            f.store(p, f.at(line, plane * lane, "i8"), 0, mask)
    return f
