"""Loops of the loop language on a GPU: from a loop and its arrays to launches.

`plan_group` is what the planner calls. `loop_choice` chooses how a loop is divided over threads (a
`Shape`), `loop_map` and `loop_rows` write its code.

Elements that are no sums have the same bits as the CPU's code gives: the arithmetic is that of
`loop_values` and `vectormath`, one lane at a time. Sums are added in an order that depends on the
loop's extents and the number of multiprocessors alone.
"""

from __future__ import annotations

import math
from functools import partial

from .. import group_loop, loop_llvm
from ..kernel import Buf, Target
from ..loop import Access, Loop
from ..loop_values import DTYPES
from .ir import divisor_words
from .kernel import GpuKernel, GpuLaunch, Room
from .loop_choice import Choice, choose
from .loop_map import Map
from .loop_rows import Rows, partial_dtypes, shared_reductions
from .loop_shape import ROWS, WHOLE, Shape


def plan_group(
    made: group_loop.Made, room: Room, name: str = "loop", choice: Choice | None = None
) -> list[GpuLaunch]:
    """The launches of a fused group; none where it has no elements. `name` is their label; `choice`,
    if not None, is taken instead of `loop_choice`'s."""
    if 0 in made.extents[: made.loop.par]:
        return []
    choice = choice or choose(made.loop, made.extents, made.operands, room)
    if choice.chunks > 1:
        return _divided(made, choice, room, name)
    words = arguments(made.loop, made.extents, made.operands, made.numbers, choice.shape)
    return [_launch(made, choice.shape, words, (choice.blocks, 1, 1), name, 1.0)]


def _divided(
    made: group_loop.Made, choice: Choice, room: Room, name: str
) -> list[GpuLaunch]:
    """A launch for each full stage, and one for what the rows store."""
    loop, shape = made.loop, choice.shape
    lanes = shape.lanes if shape.kind == "columns" else 1
    rows = choice.rows * lanes
    steps = [n for n, stage in enumerate(loop.stages) if stage.level == "full"]
    last = any(s.op == "store" for st in loop.stages if st.level == "row" for s in st.body)
    buffers: dict[int, list[Buf]] = {}
    for n in steps:
        for r in shared_reductions(loop, n):
            if r.number not in buffers:
                buffers[r.number] = [
                    Buf(room.temporary(choice.chunks * rows * DTYPES[d])) for d in partial_dtypes(r)
                ]
    strides = (1, choice.chunks) if shape.kind == "rows" else (rows, 1)
    out: list[GpuLaunch] = []
    for n in [*steps, ROWS] if last else steps:
        own = shape._replace(step=n)
        words = arguments(loop, made.extents, made.operands, made.numbers, own)
        words += [choice.chunk, choice.chunks, *strides]
        for r in shared_reductions(loop, n):
            words += buffers[r.number]
        grid = (choice.blocks, 1 if n == ROWS else choice.chunks, 1)
        out.append(_launch(made, own, words, grid, name, 0.0 if n == ROWS else 1.0 / len(steps)))
    return out


def _launch(
    made: group_loop.Made, shape: Shape, words: list[int | Buf], grid: tuple[int, int, int],
    name: str, share: float,
) -> GpuLaunch:  # fmt: skip
    label = {WHOLE: name, ROWS: f"{name} (rows)"}.get(shape.step, f"{name} (stage {shape.step})")
    return GpuLaunch(
        kernel(made.loop, shape), tuple(words), grid, (shape.threads, 1, 1), 0,
        share * made.operations * made.elements, share * made.nbytes, label,
    )  # fmt: skip


def arguments(
    loop: Loop, extents: tuple[int, ...], operands: tuple[Access, ...], numbers: tuple[int, ...],
    shape: Shape,
) -> list[int | Buf]:  # fmt: skip
    """A launch's words, in the order of `loop_code`."""
    out: list[int | Buf] = []
    vector_dim = loop.par - 1 if loop.vector == "par" else loop.par + loop.red - 1
    tail = 0
    for dims in (range(loop.par), range(loop.par, loop.par + loop.red)):
        sizes = [extents[d] for d in dims]
        if vector_dim in dims:
            tail = (math.prod(sizes) if shape.flat else sizes[-1]) % shape.lanes
            if not shape.flat:
                sizes[-1] //= shape.lanes
        out.append(math.prod(sizes) // (shape.lanes if shape.flat else 1))
        for n in sizes[1:]:
            out += divisor_words(n)
    out.append(tail)
    for k, a in enumerate(operands):
        out += [Buf(a.slot, a.offset), *a.strides]
        if k in loop.gathers:
            out.append(a.gather)
    return out + list(numbers)


def kernel(loop: Loop, shape: Shape) -> GpuKernel:
    """The kernel of a loop in a shape."""
    what = "map" if shape.kind == "map" else f"reduce_{shape.kind}"
    # By its text: 0.0 and -0.0 are equal, and make different code.
    return GpuKernel(what, ("cuda loop", repr(loop), repr(shape)), partial(emit, loop, shape))


def emit(loop: Loop, shape: Shape, target: Target, symbol: str) -> str:
    """The module's text."""
    code = (Map if shape.kind == "map" else Rows)(loop, shape, target, symbol)
    return code.write() + loop_llvm.mathematics(target, code.functions)
