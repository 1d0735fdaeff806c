"""Loops as GPU kernels, on a simulated GPU, against what they mean in NumPy."""

from __future__ import annotations

import math
import random
import re
from typing import Any

import numpy as np
import pytest

from flambeau.codegen import loop_numpy
from flambeau.codegen.cuda import loop_choice
from flambeau.codegen.cuda.kernel import Gpu, target
from flambeau.codegen.cuda.loop_shape import ROWS, Shape
from flambeau.codegen.cuda.loops import kernel, plan_group
from flambeau.codegen.loop import DTYPES, Access, Loop, Operand, Stage, Statement
from flambeau.codegen.planning import row_major
from flambeau.graph import elementwise
from flambeau.runtime import native
from tests.codegen.loop_random import Draw
from tests.codegen.loop_support import NUMPY, Guarded, Memory, Setup
from tools.gpu import run_kernel

from . import loop_runner
from .assembling import assemble, needs_ptxas, ptx_of

pytestmark = pytest.mark.skipif(not native.available(), reason="needs llvmlite")

S = Statement


# --- loops by hand --------------------------------------------------------------------------------


def operand(slot: int, array: Any, dims: tuple[int, ...], steps: dict[int, int], dtype: str = "") -> Memory:
    """An array in memory of its own; `steps` are elements along the loop's dimensions."""
    dtype = dtype or str(array.dtype)
    memory = Guarded(array.nbytes, True)
    flat = memory.bytes.view(NUMPY[dtype])
    flat[:] = array.reshape(-1)
    strides = tuple(steps.get(d, 0) * DTYPES[dtype] for d in range(len(dims)))
    shape = [n if strides[d] else 1 for d, n in enumerate(dims)]
    view = np.lib.stride_tricks.as_strided(flat, shape, strides)
    return Memory(memory, view, Access(slot, 0, strides))


def dense(slot: int, array: Any, dtype: str = "") -> Memory:
    steps = dict(enumerate(row_major(array.shape)))
    return operand(slot, array, array.shape, steps, dtype)


def reduction(
    x: Any, kind: str, out: str, accumulator: str = "", par: int = 1, across: bool = False
) -> Setup:
    """Of the last dimensions of x, or (across) of the first."""
    dims = x.shape if not across else (*x.shape[1:], x.shape[0])
    steps = dict(enumerate(row_major(x.shape)))
    if across:
        first = math.prod(x.shape[1:])
        steps = {d: s for d, s in enumerate(row_major(x.shape[1:]))} | {x.ndim - 1: first}
        par = x.ndim - 1
    rows = dims[:par]
    result = np.zeros(rows, out)
    memory = [
        operand(0, x, dims, steps),
        operand(1, result, dims, dict(enumerate(row_major(rows)))),
    ]
    body = (S("load", (), str(x.dtype), 0), S("reduce", (0,), accumulator or out, kind))
    loop = Loop(
        par, len(dims) - par, "par" if across else "red", (Operand(str(x.dtype), 1),),
        (Operand(out, 1 if across else 0),), (),
        (Stage("full", body), Stage("row", (S("store", (1,), out, 0),))),
    )  # fmt: skip
    return Setup(loop, tuple(dims), 0, memory, [])


def softmax(x: Any) -> Setup:
    n = x.shape[-1]
    loop = Loop(
        1, 1, "red", (Operand("float32", 1),), (Operand("float32", 1),), (),
        (
            Stage("full", (S("load", (), "float32", 0), S("reduce", (0,), "float32", "max"))),
            Stage("full", (
                S("load", (), "float32", 0), S("sub", (2, 1), "float32"), S("exp", (3,), "float32"),
                S("reduce", (4,), "float32", "sum"),
            )),
            Stage("full", (
                S("load", (), "float32", 0), S("sub", (6, 1), "float32"), S("exp", (7,), "float32"),
                S("div", (8, 5), "float32"), S("store", (9,), "float32", 0),
            )),
        ),
    )  # fmt: skip
    return Setup(loop, (len(x), n), 0, [dense(0, x), dense(1, np.zeros_like(x))], [])


def pointwise(dtype: str, n: int, other: str = "") -> Setup:
    """out = x + x, cast to another dtype or not."""
    x = np.arange(n) % 7 - 3
    a = elementwise.cast(x.astype(np.float32), "float32", dtype)
    body = [S("load", (), dtype, 0), S("cast", (0,), "float32"), S("add", (1, 1), "float32"),
            S("cast", (2,), other or dtype), S("store", (3,), other or dtype, 0)]  # fmt: skip
    loop = Loop(
        1, 0, "par", (Operand(dtype, 1),), (Operand(other or dtype, 1),), (), (Stage("full", tuple(body)),)
    )  # fmt: skip
    memory = [dense(0, a, dtype), dense(1, np.zeros(n, NUMPY[other or dtype]), other or dtype)]
    return Setup(loop, (n,), 0, memory, [])


def ptx(setup: Setup, gpu: Gpu | None = None) -> list[str]:
    """Of each launch."""
    gpu = gpu or Gpu()
    room = loop_runner.Room(1000, gpu, set())
    return [ptx_of(x.kernel, gpu.capability) for x in plan_group(loop_runner.made(setup), room)]


# --- random loops ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(30))
def test_a_random_loop(seed: int) -> None:
    draw = Draw(seed)
    loop_runner.check(draw.setup(), draw.loose, Gpu((75, 80, 90)[seed % 3]), seed=seed)


@pytest.mark.parametrize("seed", range(100, 130))
def test_a_random_loop_divided_in_another_way(seed: int) -> None:
    draw = Draw(seed)
    setup = draw.setup()
    choice = loop_runner.other_choice(setup, random.Random(seed))
    loop_runner.check(setup, draw.loose, choice=choice, seed=seed)


# --- elementwise ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "width"),
    [("float32", 4), ("float64", 2), ("float16", 8), ("bfloat16", 8), ("int8", 16), ("bool", 16)],
)
def test_aligned_arrays_are_accessed_16_bytes_at_once(dtype: str, width: int) -> None:
    n = 4096 + 5
    setup = pointwise(dtype, n)
    launches, _ = loop_runner.check(setup, set())
    shape = Shape(*_fields(launches[0]))
    assert shape.lanes == width and all(shape.vectors)
    (text,) = ptx(setup)
    bits = re.findall(r"ld\.global(?:\.nc)?\.v(\d)\.[bf](\d+)", text)
    assert bits and all(int(a) * int(b) == 128 for a, b in bits)
    assert re.search(r"st\.global\.v[24]\.[bf](32|64)", text)


def _fields(launch: Any) -> Any:
    """A launch's shape, from its key."""
    return eval(launch.kernel.key[2], {"Shape": lambda **k: tuple(Shape(**k))})


@pytest.mark.parametrize("n", [1, 3, 4, 1023, 200_001])
def test_all_elements_are_written_and_no_others(n: int) -> None:
    loop_runner.check(pointwise("float32", n, "float16"), set(), Gpu(multiprocessors=2), seed=n)


def test_several_vectors_are_under_way_in_large_arrays() -> None:
    setup = pointwise("float32", 1 << 16)
    (text,) = ptx(setup, Gpu(multiprocessors=2))
    assert re.search(r"(ld\.global(?:\.nc)?\.v4\S*[^\n]*\n\s*){4}", text)
    loop_runner.check(setup, set(), Gpu(multiprocessors=2))


def test_a_slot_that_is_moved_by_a_number_is_aligned_to_an_element_only() -> None:
    setup = pointwise("float32", 4096)
    launches, _, _ = loop_runner.run(setup, loose={0})
    assert Shape(*_fields(launches[0])).vectors == (False, True)
    loop_runner.check(setup, set(), loose={0})


def test_what_an_output_may_overwrite_is_not_read_as_constant() -> None:
    setup = pointwise("float32", 1000)
    loop = setup.loop
    access = setup.memory[0].access
    made = loop_runner.made(setup)._replace(operands=(access, access))
    room = loop_runner.Room(1000, Gpu(), set())
    (launch,) = plan_group(made, room)
    text = launch.kernel.emit(target(90), "k")
    assert "ld.global.nc.v4" not in native.assembly(text, target(90))
    x = setup.memory[0].guarded.bytes.copy()
    run_kernel(text, "k", launch.grid, launch.block, launch.words(), table=[x], race_check=True)
    assert np.array_equal(x.view(np.float32), 2 * setup.memory[0].view)
    assert loop.outputs[0].dtype == "float32"


def test_vectors_go_on_from_row_to_row_where_rows_are_odd() -> None:
    """A channel's number is added to planes of 49 elements."""
    x = np.arange(6 * 5 * 49, dtype=np.float32).reshape(6, 5, 49)
    bias = np.arange(5, dtype=np.float32)
    memory = [dense(0, x), operand(1, bias, x.shape, {1: 1}), dense(2, np.zeros_like(x))]
    body = (S("load", (), "float32", 0), S("load", (), "float32", 1), S("add", (0, 1), "float32"),
            S("index", (), "int64", 1), S("cast", (3,), "float32"), S("mul", (2, 4), "float32"),
            S("store", (5,), "float32", 0))  # fmt: skip
    loop = Loop(3, 0, "par", (Operand("float32", 1), Operand("float32", 0)), (Operand("float32", 1),),
                (), (Stage("full", body),))  # fmt: skip
    launches, _ = loop_runner.check(Setup(loop, x.shape, 0, memory, []), set())
    shape = Shape(*_fields(launches[0]))
    assert shape.lanes == 4 and shape.flat == (True, False, True)


def test_rows_of_a_table_are_gathered_16_bytes_at_once() -> None:
    table = np.arange(50 * 32, dtype=np.float32).reshape(50, 32)
    index = np.array([3, 49, 0, 7, 7], np.int64)
    dims = (5, 32)
    rows = operand(0, table, dims, {1: 1})
    rows = rows._replace(access=rows.access._replace(gather=128))
    step = np.lib.stride_tricks.as_strided(rows.guarded.bytes.view(np.float32), (1, 32, 50), (0, 4, 128))
    memory = [rows._replace(view=step), operand(1, index, dims, {0: 1}), dense(2, np.zeros(dims, "float32"))]
    body = (S("load", (), "int64", 1), S("load", (0,), "float32", 0), S("store", (1,), "float32", 0))
    loop = Loop(2, 0, "par", (Operand("float32", 1), Operand("int64", 0)), (Operand("float32", 1),), (),
                (Stage("full", body),), (0,))  # fmt: skip
    setup = Setup(loop, dims, 0, memory, [])
    launches, got, _ = loop_runner.run(setup)
    assert np.array_equal(got[0].view(np.float32).reshape(dims), table[index])
    assert len(launches) == 1
    assert Shape(*_fields(launches[0])).lanes == 2  # an int64 is 8 bytes: 2 of them are 16
    assert re.search(r"ld\.global(?:\.nc)?\.v2\.[bf]32", ptx(setup)[0])


# --- reductions -----------------------------------------------------------------------------------

KINDS = [
    ("sum", "float32", "float32"), ("sum", "int32", "int64"), ("sum", "uint8", "int64"),
    ("prod", "float64", "float64"), ("prod", "int32", "int32"), ("min", "float32", "float32"),
    ("max", "float64", "float64"), ("max", "int8", "int8"), ("min", "bool", "bool"),
    ("any", "float32", "bool"), ("all", "int16", "bool"), ("argmax", "float32", "int64"),
    ("argmin", "float64", "int64"), ("argmax", "int32", "int64"), ("argmin", "bool", "int64"),
]  # fmt: skip


def some(rng: np.random.Generator, shape: tuple[int, ...], dtype: str, special: bool) -> Any:
    if dtype == "bool":
        return rng.random(shape) < 0.5
    x = rng.integers(0 if dtype == "uint8" else -2, 3, shape).astype(dtype)
    if special and x.dtype.kind == "f" and x.size:
        x[rng.random(shape) < 0.02] = math.nan
        x[rng.random(shape) < 0.05] = -math.inf
    return x


@pytest.mark.parametrize(("kind", "dtype", "out"), KINDS)
@pytest.mark.parametrize("across", [False, True])
def test_each_reduction(kind: str, dtype: str, out: str, across: bool) -> None:
    """Short rows in parts of a warp, long ones in blocks, and columns; NaN counts; the first wins."""
    rng = np.random.default_rng(len(kind) + len(dtype))
    for shape in ((5, 7), (3, 300), (2, 3000)):
        x = some(rng, shape, dtype, kind in ("min", "max", "argmax", "argmin"))
        near = {0} if kind == "prod" and dtype == "float64" else set()
        setup = reduction(x.T.copy() if across and shape[1] == 300 else x, kind, out, across=across)
        loop_runner.check(setup, near, seed=shape[1])


@pytest.mark.parametrize(("kind", "dtype", "out"), KINDS[::2])
def test_rows_that_are_divided_over_the_grid(kind: str, dtype: str, out: str) -> None:
    rng = np.random.default_rng(3)
    n = 140_001 // np.dtype(dtype).itemsize
    for x, across in ((some(rng, (1, n), dtype, True), False), (some(rng, (5000, 3), dtype, True), True)):
        setup = reduction(x, kind, out, across=across)
        launches, _ = loop_runner.check(setup, {0}, Gpu(multiprocessors=3), seed=1)
        assert len(launches) == 2 and launches[0].grid[1] > 1
        assert Shape(*_fields(launches[1])).step == ROWS


@pytest.mark.parametrize("kind", ["sum", "prod", "max", "min", "any", "all", "argmax"])
def test_a_reduction_of_nothing(kind: str) -> None:
    out = {"any": "bool", "all": "bool", "argmax": "int64"}.get(kind, "float32")
    for across in (False, True):
        x = np.zeros((0, 3) if across else (3, 0), np.float32)
        loop_runner.check(reduction(x, kind, out, across=across), set())


def test_no_rows_are_no_launches() -> None:
    assert loop_runner.run(reduction(np.zeros((0, 5), np.float32), "sum", "float32"))[0] == []


def test_long_sums_keep_their_accuracy() -> None:
    """A thread adds some 4000 numbers, in blocks; partial sums are the same for any order of blocks."""
    x = np.random.default_rng(0).random((1, 1 << 18), np.float32)
    setup = reduction(x, "sum", "float32")
    shape = Shape("rows", False, 4, 4, (True, False), (True,), 64, 64)
    choice = loop_choice.Choice(shape, 1, 1)
    _, got, _ = loop_runner.run(setup, choice=choice)
    want = math.fsum(x.ravel().tolist())
    assert abs(float(got[0].view(np.float32)[0]) - want) <= 2e-7 * want
    gpu = Gpu(multiprocessors=5)
    first, again = (loop_runner.run(setup, gpu, seed=seed)[1][0] for seed in (None, 9))
    assert np.array_equal(first, again)


@pytest.mark.parametrize("shape", [(5, 10), (3, 512), (2, 1001), (2, 4096)])
def test_softmax_of_rows_that_stay_in_registers(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    setup = softmax(x)
    (launch,), told = loop_runner.check(setup, {0})
    assert Shape(*_fields(launch)).held
    # One load for all three stages: the row is read once.
    text = launch.kernel.emit(target(90), "k")
    loads = re.findall(r"load (?:float|<. x float>), ptr addrspace\(1\)", text)
    assert len(loads) == Shape(*_fields(launch)).copies


def test_softmax_of_one_long_row() -> None:
    x = np.random.default_rng(0).standard_normal((1, 70_003)).astype(np.float32)
    launches, _ = loop_runner.check(softmax(x), {0}, Gpu(multiprocessors=4))
    assert len(launches) == 3 and all(x.grid[1] > 1 for x in launches)


@pytest.mark.parametrize(("n", "count"), [(40_000, 3), (2000, 1)])
def test_a_row_is_stored_where_it_was_read(n: int, count: int) -> None:
    """As running statistics are, and read by other threads, blocks and launches before: old values."""
    rows = 2
    x = np.random.default_rng(0).integers(-3, 4, (rows, n)).astype(np.float32)
    kept = np.array([5, 7], np.float32)
    stages = (
        Stage("row", (S("load", (), "float32", 1),)),
        Stage("full", (S("load", (), "float32", 0), S("reduce", (1,), "float32", "sum"))),
        Stage("row", (S("add", (0, 2), "float32"), S("store", (3,), "float32", 0))),
        Stage("full", (S("load", (), "float32", 0), S("mul", (5, 0), "float32"), S("store", (6,), "float32", 1))),
    )
    loop = Loop(1, 1, "red", (Operand("float32", 1), Operand("float32", 0)),
                (Operand("float32", 0), Operand("float32", 1)), (), stages)  # fmt: skip
    wide, narrow = (n * 4, 4), (4, 0)
    operands = (Access(0, 0, wide), Access(1, 0, narrow), Access(1, 0, narrow), Access(2, 0, wide))
    made = loop_runner.made(Setup(loop, (rows, n), 0, [], []))._replace(operands=operands)
    room = loop_runner.Room(3, Gpu(), set())
    launches = plan_group(made, room)
    assert len(launches) == count
    table: list[Any] = [x.copy(), kept.copy(), np.zeros_like(x), *(np.zeros(t, np.uint8) for t in room.temporaries)]
    for a in launches:
        text = a.kernel.emit(target(90), "k")
        run_kernel(text, "k", a.grid, a.block, a.words(), table=table, race_check=True, seed=2)
    assert np.array_equal(table[1], kept + x.sum(1)) and np.array_equal(table[2], x * kept[:, None])


def test_sixteen_bits_are_summed_in_float32() -> None:
    x = np.random.default_rng(0).standard_normal((4, 256)).astype(np.float16)
    body = (S("load", (), "float16", 0), S("cast", (0,), "float32"), S("reduce", (1,), "float32", "sum"))
    row = (S("cast", (2,), "bfloat16"), S("store", (3,), "bfloat16", 0))
    loop = Loop(1, 1, "red", (Operand("float16", 1),), (Operand("bfloat16", 0),), (),
                (Stage("full", body), Stage("row", row)))  # fmt: skip
    out = operand(1, np.zeros(4, np.uint16), (4, 256), {0: 1}, "bfloat16")
    launches, _ = loop_runner.check(Setup(loop, (4, 256), 0, [dense(0, x), out], []), {0})
    assert Shape(*_fields(launches[0])).lanes == 8


def test_small_loops_take_few_blocks_and_large_ones_fill_the_device() -> None:
    def grid(shape: tuple[int, ...], across: bool) -> int:
        x = np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), shape, (0,) * len(shape))
        dims = (shape[1], shape[0]) if across else shape
        steps = (1, shape[1]) if across else (shape[1], 1)
        loop = reduction(np.zeros((1, 1), np.float32), "sum", "float32", across=across).loop
        operands = (Access(0, 0, tuple(4 * s for s in steps)), Access(1, 0, (4, 0)))
        choice = loop_choice.choose(loop, dims, operands, loop_runner.Room(0, Gpu(), set()))
        assert x.size == math.prod(dims)
        return choice.blocks * choice.chunks

    assert grid((4, 64), False) == 1 and grid((64, 8), True) == 1
    for shape in ((1, 1 << 24), (1 << 20, 64), (4096, 4096), (300, 1 << 17)):
        assert grid(shape, False) >= 264, shape
    for shape in ((1 << 20, 64), (8192, 4096), (1 << 22, 3)):
        assert grid(shape, True) >= 264, shape


def test_huge_loops_count_in_64_bits() -> None:
    """2^33 elements that are one in memory: what is asked for is only the code and the words."""
    n = 1 << 33
    setup = pointwise("float32", 4)
    made = loop_runner.made(setup)._replace(extents=(n,))
    room = loop_runner.Room(1000, Gpu(), set())
    (launch,) = plan_group(made, room)
    assert Shape(*_fields(launch)).wide and launch.words()[0] == n // 4
    assert launch.grid[0] < 1 << 31
    row = reduction(np.zeros((1, 4), np.float32), "sum", "float32")
    many = plan_group(loop_runner.made(row)._replace(extents=(1, n)), room)
    assert Shape(*_fields(many[0])).wide and many[0].grid[1] > 100


def test_elements_have_the_same_bits_as_on_the_cpu() -> None:
    """exp, tanh and the like are the same functions, lane by lane."""
    from flambeau.codegen.kernel import Target
    from tests.codegen.loop_support import Compiled, execute

    x = np.random.default_rng(0).standard_normal(500).astype(np.float32)
    body = [S("load", (), "float32", 0)]
    for op in ("tanh", "exp", "erf", "sin", "log1p", "rsqrt"):
        body.append(S("abs", (len(body) - 1,), "float32"))
        body.append(S(op, (len(body) - 1,), "float32"))
    body.append(S("store", (len(body) - 1,), "float32", 0))
    full = (Stage("full", tuple(body)),)
    loop = Loop(1, 0, "par", (Operand("float32", 1),), (Operand("float32", 1),), (), full)
    setup = Setup(loop, (500,), 0, [dense(0, x), dense(1, np.zeros_like(x))], [])
    _, got, _ = loop_runner.run(setup)
    execute(setup, Compiled(loop, Target(*native.host())), [(0, 500)])
    assert np.array_equal(got[0], setup.memory[1].guarded.bytes)


def test_a_long_shift_is_zero() -> None:
    """Also by numbers whose low 32 bits are small."""
    a = np.array([5, 5, 5, 5, 5], np.int64)
    by = np.array([1, 63, 64, 1 << 32, -(1 << 63)], np.int64)
    body = (S("load", (), "int64", 0), S("load", (), "int64", 1), S("shl", (0, 1), "int64"),
            S("store", (2,), "int64", 0))  # fmt: skip
    full = (Stage("full", body),)
    loop = Loop(1, 0, "par", (Operand("int64", 1),) * 2, (Operand("int64", 1),), (), full)
    loop_runner.check(Setup(loop, (5,), 0, [dense(0, a), dense(1, by), dense(2, a * 0)], []), set())


# --- code -----------------------------------------------------------------------------------------


@needs_ptxas
@pytest.mark.parametrize("arch", [75, 90])
def test_kernels_assemble_without_spilling(arch: int) -> None:
    gpu = Gpu(arch)
    setups = [
        pointwise("float32", 1 << 18), pointwise("bfloat16", 4096), pointwise("int8", 4096),
        softmax(np.zeros((2, 2048), np.float32)),
        reduction(np.zeros((2000, 70), np.float32), "sum", "float32", across=True),
        reduction(np.zeros((1, 1 << 20), np.float32), "sum", "float32"),
        reduction(np.zeros((3, 512), np.float64), "argmax", "int64"),
    ]  # fmt: skip
    for setup in setups:
        for text in ptx(setup, gpu):
            found = assemble(text, arch)
            assert found.registers <= 128 and not found.spilled, found


def test_a_kernel_is_known_by_its_structure() -> None:
    one, other = (
        plan_group(loop_runner.made(pointwise("float32", n)), loop_runner.Room(9, Gpu(), set()))[0].kernel
        for n in (1000, 1500)
    )
    assert repr(one.key) == repr(other.key) and one.name.isidentifier()
    shape = Shape("map", False, 1, 1, (False, False), (True,), 256)
    assert kernel(pointwise("float32", 4).loop, shape).key != one.key
    assert loop_numpy.REDUCE.keys() >= {k for k, _, _ in KINDS}
