"""A correlation by taps as plans describe it, and how its source can be unfolded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .conv_code import SIZE
from .kernel import Buf

Ints = tuple[int, ...]


class Tap(NamedTuple):
    """Where one tap reads: offsets of depth, row and column in the source, and in `a`."""

    z: int
    y: int
    x: int
    a: int


class Correlation(NamedTuple):
    """See conv_correlate. Strides in elements, sizes (depth, rows, columns)."""

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
    phases: tuple[tuple[Tap, ...], ...]
    """The taps of each phase of the output: of one, unless it is spread."""
    out: Ints
    """Size of a phase of the output."""
    a_strides: Ints
    """Of rows, channels, groups."""
    spread: Ints = (1, 1, 1)
    """The output's element i of phase p is at i * spread + p."""
    full: Ints = ()
    """Size of the whole output, if it is spread."""

    @property
    def taps(self) -> tuple[Tap, ...]:
        """Those of the first phase."""
        return self.phases[0]


class Unfolding(NamedTuple):
    shifts: Sequence[Ints]
    """(depth, row, column) offsets."""
    places: Sequence[Ints]
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


def best_frame(p: Correlation, taps: tuple[Tap, ...], rows: int) -> Unfolding:
    """Sliding, or framed if the vectors lost at lines' ends cost less than what needn't be copied.
    Counted in cycles of vectors of 64 bytes: two products, or a fifth of a copy."""
    slide = sliding(taps, p.step[1])
    frame = framed(taps, p.step[1])
    if p.step[2] != 1 or not frame.beside:
        return slide
    lanes, width = 64 // SIZE[p.dtype], p.out[2]
    vectors = lambda n: -(-n // lanes)  # noqa: E731
    products = p.channels * sum(map(len, p.phases)) * p.rows / 2
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
