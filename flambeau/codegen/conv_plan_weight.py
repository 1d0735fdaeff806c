"""Planning the gradient by the weight: which kernel, blocks of positions, tasks, partial sums."""

from __future__ import annotations

import math
from functools import partial

from . import conv_dots, conv_weight
from .conv_code import SIZE
from .conv_frame import (
    FAR,
    Correlation,
    Unfolding,
    best_frame,
    flat,
    frame_line,
    odd_pitch,
    shift_words,
    source_words,
)
from .conv_plan import tile_rows
from .kernel import Buf, Kernel, Launch
from .planning import Room

WIDE = 32
"""From so many output channels on, vectors run along them."""

_TASKS = 8


def launches(room: Room, p: Correlation, label: str) -> list[Launch]:
    """dw from g: the correlation is the forward one, `y` being g and `a` the gradient to write."""
    wide = p.rows >= WIDE
    lines, width = p.out[0] * p.out[1], p.out[2]
    images, rows = _blocks(p, wide)
    image_blocks, row_blocks = -(-p.images // images), -(-lines // rows)
    some, chunks = _tasks(p, wide, image_blocks * row_blocks)
    chunk = -(-(image_blocks * row_blocks) // chunks)
    chunks = -(-(image_blocks * row_blocks) // chunk)
    size, count = SIZE[p.dtype], len(p.taps)
    deep = p.out[0] > 1 or p.size[0] > 1 or any(t.z for t in p.taps)
    how = flat(p.taps) if wide or deep else best_frame(p, p.taps, rows)
    span, line = frame_line(how, width, size)
    pitch = odd_pitch(images * (rows + how.extra) * line // size + 32, size)
    some_at_once = max(1, min(some, (192 << 10) // (pitch * count))) if wide else some
    left = some_at_once * len(how.shifts) * pitch + 64
    left_pitch = odd_pitch(p.rows, size)
    # Vectors have 2 to 16 elements; each line may end with a partial one.
    vectors = images * rows * (width // 2 + 1)
    most = images * rows * (width + 16) + 32
    result = left + (images * rows * width * left_pitch if wide else p.rows * most * size)
    scratch_bytes = result + (some * count * left_pitch if wide else 8 * vectors) + 64
    scratch_bytes = -(-scratch_bytes // 64) * 64
    elements = p.groups * p.rows * p.channels * count
    slot, offset = p.a
    if chunks > 1:
        slot, offset = room.temporary(chunks * elements * size), 0
    words = {
        "images": p.images, "channels": p.channels, "rows": p.rows, "groups": p.groups,
        "task_images": images, "task_rows": rows, "image_blocks": image_blocks,
        "row_blocks": row_blocks, "some": some, "parts": -(-p.channels // some), "chunk": chunk,
        "chunks": chunks, **source_words(p, size),
        "gn": p.groups * p.rows * lines * width * size, "gc": lines * width * size,
        "chunk_pitch": elements * size, "dw_group": p.a_strides[2] * size,
        "wrap": p.out[1] if p.out[0] > 1 else FAR, "lines": lines, "width": width,
        "extra": how.extra, "span": span, "line": line, "shifts": len(how.shifts), "taps": count,
        "pitch": pitch,
        "some_at_once": some_at_once, "left": left, "result": result, "left_pitch": left_pitch,
        "result_pitch": left_pitch if wide else p.channels * count * size,
        "scratch_bytes": scratch_bytes,
    }  # fmt: skip
    ends = [0, 0] if wide else _frame_rows(how, some, pitch, line, size)
    step = p.step[2] if p.step[2] <= 2 else 0
    height = tile_rows(some_at_once * count if wide else p.rows)
    shape = conv_weight.Shape(p.dtype, height, step, deep)
    emit = conv_weight.emit_wide if wide else conv_dots.emit_dots
    name = "conv_weight_wide" if wide else "conv_weight_dots"
    kernel = Kernel(name, (name, *shape), partial(emit, shape=shape))
    args: tuple[int | Buf, ...] = (
        p.y, p.source, Buf(slot, offset), room.scratch(scratch_bytes),
        *(words[n] for n in conv_weight.WORDS), *shift_words(p, how), *ends,
    )  # fmt: skip
    positions = lines * width
    flops = 2.0 * p.images * positions * elements
    moved = size * (
        p.images * p.groups * (p.channels * math.prod(p.size) + p.rows * positions) + elements
    )
    tasks = words["parts"] * chunks * p.groups
    grain = min(tasks, max(1, int(tasks * 2e5 / max(flops, 1.0))))
    found = [Launch(kernel, args, tasks, flops, float(moved), grain, label)]
    if chunks > 1:
        found.append(add_parts(p, slot, elements, chunks, label))
    return found


def _blocks(p: Correlation, wide: bool) -> tuple[int, int]:
    """(images, rows) of a block of positions."""
    lines, width = p.out[0] * p.out[1], p.out[2]
    positions = lines * width
    # The rows of g of a tile, or a sliver of g transposed, are to stay in the first-level cache.
    want = 256 if wide else max(64, (24 << 10) // (SIZE[p.dtype] * min(p.rows, 8)))
    if positions * 2 <= want:
        return max(1, min(p.images, want // positions)), lines
    parts = max(1, round(positions / want))
    return 1, -(-lines // min(parts, lines))


def _tasks(p: Correlation, wide: bool, blocks: int) -> tuple[int, int]:
    """(channels of a task, chunks of the blocks)."""
    count = len(p.taps)
    flops = 2.0 * p.images * math.prod(p.out) * p.groups * p.rows * p.channels * count
    want = _TASKS if flops > 4e6 else 4 if flops > 1e6 else 2 if flops > 2e5 else 1
    want = -(-want // p.groups)
    if wide:
        most = max(1, (300 << 10) // (count * p.rows * SIZE[p.dtype]))
        parts = -(-p.channels // most)
        chunks = max(1, min(blocks, -(-want // parts)))
        if parts * chunks < want and p.channels * count >= 128:
            parts = even_parts(p.channels, max(parts, min(-(-want // chunks), 4)))
        return -(-p.channels // parts), chunks
    chunks = max(1, min(want, blocks // 2))
    return -(-p.channels // even_parts(p.channels, -(-want // chunks))), chunks


def even_parts(count: int, want: int) -> int:
    """A number of parts for so many things, at least `want` if there are as many: an even one, if
    that isn't far, so that two threads get the same."""
    for parts in range(want, 2 * want + 1):
        found = -(-count // -(-count // parts))
        if found >= want and (found % 2 == 0 or want == 1):
            return found
    return min(count, want)


def _frame_rows(how: Unfolding, some: int, pitch: int, line: int, size: int) -> list[int]:
    """Where each row (c, t) of a task's frame begins."""
    return [
        (c * len(how.shifts) + u) * pitch + down * line + right * size
        for c in range(some)
        for u, down, right in how.places
    ]


def add_parts(p: Correlation, slot: int, elements: int, chunks: int, label: str) -> Launch:
    """Adds the chunks' partial sums."""
    size = SIZE[p.dtype]
    kernel = Kernel("conv_sum", ("conv sum", p.dtype), partial(conv_weight.emit_sum, dtype=p.dtype))
    return Launch(
        kernel, (Buf(slot), p.a, elements, chunks, elements * size),
        -(-elements // conv_weight.SUM_BLOCK), float(elements * (chunks - 1)),
        float(size * elements * (chunks + 1)), 4, label + ": sum",
    )  # fmt: skip
