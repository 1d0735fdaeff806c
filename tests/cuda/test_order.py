"""Sorting, selecting and searching on a simulated GPU, against NumPy: bits and places."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau import config
from flambeau.codegen.cuda import (
    contractions,
    special_order,
    special_order_radix,
    special_order_search,
    special_order_select,
    specials,
)
from flambeau.codegen.cuda.kernel import Gpu, GpuLaunch
from flambeau.codegen.planning import Placed, row_major
from flambeau.codegen.specials import PLANNERS as OF_CPU
from flambeau.core import device as devices
from flambeau.engine import tiering
from flambeau.graph.evaluate_specials import SPECIALS
from flambeau.ops.lowering.common import ON_GPUS_ALONE
from flambeau.ops.table import table
from flambeau.vision import ops
from tools.gpu import simulated

from . import assembling
from .rows import check as check_row
from .special_runner import Array, Bench, rng, special

DTYPES = ("float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")


def numbers(*shape: int, dtype: str = "float32", ties: bool = True) -> Array:
    """Numbers of which many are equal, with NaN, infinities and zeros of both signs among floats."""
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if kind.kind in "iu":
        if not ties:
            least, most = np.iinfo(kind).min, np.iinfo(kind).max
            return rng.integers(least, most, shape, kind, endpoint=True)
        return rng.integers(0 if kind.kind == "u" else -9, 9, shape).astype(kind)
    x = np.asarray(rng.standard_normal(shape))
    if ties:
        x = np.asarray(np.round(x * 2) / 2)
        hard = np.array([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0])
        where = rng.random(shape) < 0.3
        x[where] = np.asarray(rng.choice(hard, shape))[where]
    return x.astype(kind)


def same(got: list[Array], wanted: list[Array]) -> None:
    for g, w in zip(got, wanted, strict=True):
        assert g.shape == w.shape
        bits = f"u{g.itemsize}"
        np.testing.assert_array_equal(g.view(bits), w.astype(g.dtype).view(bits))


def check(name: str, arrays: list[Array], params: tuple[Any, ...], **how: Any) -> Bench:
    got, wanted, b = special(name, arrays, params, **how)
    same(got, wanted)
    return b


@pytest.mark.parametrize("dtype", DTYPES)
def test_short_rows(dtype: str) -> None:
    """Both kernels, each in both directions."""
    for number, shape in enumerate([(3, 2, 3), (9, 31), (3, 33), (1, 70)]):
        b = check("sort", [numbers(*shape, dtype=dtype)], (number % 2 == 1,))
        assert len(b.launched) == 1


def test_rows_of_one() -> None:
    check("sort", [numbers(5, 1)], (False,))


def test_all_of_a_block() -> None:
    check("sort", [numbers(1, special_order.SHORT, dtype="int64")], (False,))


# --- long rows ----------------------------------------------------------------------------------

LONG = 1100
"""A long row, for kernels with small tiles."""


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are long from 65 elements on, and tiles have some hundred: the simulator takes its time."""
    monkeypatch.setattr(special_order, "SHORT", 64)
    for name, value in (("ROUNDS", 2), ("PART", 64), ("TILE", 512)):
        monkeypatch.setattr(special_order_radix, name, value)
    for name, value in (("BLOCK", 256), ("TILE", 1024)):
        monkeypatch.setattr(special_order_select, name, value)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "bool"])
def test_long_rows(cut: None, dtype: str) -> None:
    rows = 1 if dtype == "float64" else 2
    b = check("sort", [numbers(rows, LONG, dtype=dtype)], (dtype in ("float64", "bool"),))
    assert "sort_move" in b.launched[-1].kernel.name


def test_tiles_as_they_are() -> None:
    check("sort", [numbers(2, special_order.SHORT + 4, dtype="int16")], (True,))
    b = check("topk", [numbers(1, special_order.SHORT + 4, dtype="int16")], (50, True))
    assert b.launched[-1].kernel.name == "select_first"


def test_all_bits_count(cut: None) -> None:
    check("sort", [numbers(200, dtype="int64", ties=False)], (False,))
    check("sort", [numbers(200, ties=False)], (True,))


@pytest.mark.parametrize(("dtype", "largest"), [("float32", True), ("int64", False), ("uint8", True)])
def test_topk(dtype: str, largest: bool) -> None:
    for shape, k in (((3, 7), 2), ((4, 30), 30), ((2, 130), 5)):
        check("topk", [numbers(*shape, dtype=dtype)], (k, largest))


@pytest.mark.parametrize(("dtype", "ties"), [("float32", True), ("float64", False), ("int16", False), ("bool", True)])
def test_topk_of_long_rows(cut: None, dtype: str, ties: bool) -> None:
    for shape, k in (((2, LONG), 1), ((1, LONG + 3), 50)):
        b = check("topk", [numbers(*shape, dtype=dtype, ties=ties)], (k, ties))
        assert b.launched[0].kernel.name == "select_first"


def test_many_of_a_long_row(cut: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(special_order_select, "MOST", 64)
    b = check("topk", [numbers(2, LONG, dtype="int16")], (100, True))
    assert "sort_move" in {x.kernel.name for x in b.launched}


def test_topk_of_one_value(cut: None) -> None:
    check("topk", [np.zeros((2, LONG), np.float32)], (70, True))
    check("topk", [np.full((1, LONG), np.nan, np.float32)], (3, False))


@pytest.mark.parametrize("dtype", ["float32", "int64", "int8"])
@pytest.mark.parametrize("shape", [(3, 5), (2, 40), (2, LONG), (2, LONG + 1)])
def test_ranks(cut: None, shape: tuple[int, ...], dtype: str) -> None:
    x = numbers(*shape, dtype=dtype)
    rank = rng.integers(0, shape[-1], shape[:-1])
    rank[0] = shape[-1] - 1
    check("ranked", [x, rank], ())


def test_ranks_of_the_longest_rows(cut: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(special_order, "LONGEST", 1024)
    b = check("ranked", [numbers(2, LONG, dtype="int16"), np.array([7, 400])], ())
    assert b.launched[-1].kernel.name == "pick_rank"


def test_indices_of_64_bits(cut: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (special_order, special_order_radix, special_order_search, special_order_select):
        monkeypatch.setattr(module, "narrow", lambda *arrays: False)
    for n in (20, 40, 600):
        x = numbers(2, n, dtype="int16")
        check("sort", [x], (True,))
        check("topk", [x], (9, True))
        check("ranked", [x, np.array([3, n - 1])], ())
        check("searchsorted", [np.sort(x), x[:, :5]], (True,))
    monkeypatch.setattr(special_order, "LONGEST", 500)
    check("ranked", [x, np.array([3, n - 1])], ())


@pytest.mark.parametrize("name", ["sort", "topk", "ranked"])
def test_what_is_not_dense(name: str) -> None:
    b = Bench()
    memory = numbers(400)
    x = b.placed(memory, (9, 7), (1, 40), 5)
    params: dict[str, tuple[Any, ...]] = {"sort": (True,), "topk": (3, True), "ranked": ()}
    arrays = [b.value(x)]
    inputs = [x]
    if name == "ranked":
        rank = np.array([6])
        inputs.append(b.placed(rank, (9,), (0,)))
        arrays.append(np.full(9, 6))
    wanted = SPECIALS[name](arrays, params[name])
    outputs = [b.out(w.shape, w.dtype) for w in wanted]
    b.run(specials.PLANNERS[name](b, inputs, outputs, params[name]))
    same([b.value(o) for o in outputs], list(wanted))


def test_a_rank_outside_of_a_row_touches_nothing_else(cut: None) -> None:
    b = Bench()
    for n in (9, 40, LONG):
        x = numbers(2, n, ties=False)
        outputs = [b.out((2,), "float32"), b.out((2,), "int64")]
        b.run(specials.PLANNERS["ranked"](b, [b.array(x), b.array(np.array([-5, n + 5]))], outputs, ()))
        at = b.value(outputs[1])
        assert at[0] == x[0].argmin() and at[1] == x[1].argmax()


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8"])
def test_searchsorted(dtype: str, right: bool) -> None:
    one = np.sort(numbers(37, dtype=dtype))
    rows = np.sort(numbers(3, 20, dtype=dtype), axis=-1)
    check("searchsorted", [one, numbers(4, 50, dtype=dtype)], (right,))
    check("searchsorted", [rows, numbers(3, 5, dtype=dtype)], (right,))
    check("searchsorted", [one, numbers(dtype=dtype).reshape(())], (right,))


def test_it_assembles() -> None:
    made: dict[Any, Any] = {}

    def plan(name: str, shape: tuple[int, ...], dtype: str, params: tuple[Any, ...], more: tuple[Any, ...] = ()) -> None:
        out = shape if name == "sort" else (*shape[:-1], params[0]) if name == "topk" else shape[:-1]
        b = Bench(Gpu())
        inputs = [Placed(0, dtype, shape, row_major(shape)), *more]
        outputs = [Placed(2, dtype, out, row_major(out)), Placed(3, "int64", out, row_major(out))]
        b.slots = [0] * 4
        found = specials.PLANNERS[name](b, inputs, outputs, params)
        made.update({x.kernel.key: x.kernel for x in found or () if isinstance(x, GpuLaunch)})

    rank = (Placed(1, "int64", (2,), (1,)),)
    plan("sort", (2, 20), "float64", (False,))
    plan("sort", (2, 200), "float64", (False,))
    plan("topk", (2, 5000), "float64", (9, True))
    plan("ranked", (2, 5000), "float32", (), rank)
    plan("sort", (2, 5000), "float64", (False,))
    plan("ranked", (2, 2 << 20), "bool", (), rank)
    for kernel in made.values():
        ptx = assembling.ptx_of(kernel, 75)
        if assembling.ptxas():
            assert not assembling.assemble(ptx, 75).spilled, kernel.name


# --- programs -----------------------------------------------------------------------------------


@pytest.fixture
def synchronous() -> Iterator[None]:
    """Programs are compiled before they run the first time."""
    before, config.compile = config.compile, "sync"
    tiering.forget()
    yield
    config.compile = before


def test_the_cpu_has_no_kernels_for_it() -> None:
    assert ON_GPUS_ALONE.isdisjoint(OF_CPU)
    assert {*specials.PLANNERS, *contractions.PLANNERS} >= ON_GPUS_ALONE


def test_the_cpu_calls_numpy(synchronous: None) -> None:
    """Also where two operations are made of one special, of which each is refused."""
    x = torch.arange(12.0).reshape(3, 4).sin()
    values, at = x.sort()
    again = x.sort()[1] + torch.isin(x, x[0].sort()[0]).sum() + x.sort(dim=0)[1].sum()
    assert values.tolist() == [sorted(row) for row in x.tolist()]
    assert again.tolist() == (at + 4 + x.sort(dim=0)[1].sum()).tolist()
    compiled: Any = tiering.programs()[-1].compiled
    assert set(compiled.lowered.declined) <= {"sort_dim", "isin"}


ROWS = (
    "sort argsort topk kthvalue median nanmedian mode searchsorted bucketize isin nonzero_static masked_scatter cross"
).split()


@pytest.fixture(scope="module")
def gpu() -> Iterator[Any]:
    with simulated() as found:
        yield found
    devices.others = False


@pytest.mark.parametrize("name", ROWS)
def test_rows(gpu: Any, name: str) -> None:
    check_row(table[name])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.bool])
def test_other_dtypes(gpu: Any, dtype: Any) -> None:
    x = torch.tensor([[3.0, -1.5, 0.0], [2.0, float("nan"), -7.0]]).to(dtype)
    for dim in (0, 1):
        wanted, found = x.sort(dim), x.cuda().sort(dim)
        assert found[0].dtype is dtype
        assert str(found[0].cpu().tolist()) == str(wanted[0].tolist())
        assert found[1].tolist() == wanted[1].tolist()


def test_sampling_stays_on_the_gpu(gpu: Any) -> None:
    """The steps of top-k and top-p sampling: no call through NumPy."""
    from flambeau.engine import cuda_planning

    tiering.forget()
    x = torch.arange(40.0).reshape(2, 20).sin().cuda()
    values, at = x.topk(5)
    chances, order = x.softmax(-1).sort(descending=True)
    kept = chances.cumsum(-1) - chances < 0.5
    out = torch.where(kept, chances, 0).gather(-1, at).sum() + order.sum() + values.sum() + x.median() + x.argsort()[0, 0]
    out.item()
    made = [cuda_planning.plan(p.program if hasattr(p, "program") else p) for p in tiering.programs()]
    assert made and not any(step.call for plan in made for step in plan.steps)


def test_values_that_are_there(gpu: Any) -> None:
    """Where a result's size depends on data, that size is all that is copied."""
    x = torch.tensor([3.0, 1.0, 3.0, float("nan"), -0.0, 0.0, 1.0, float("nan"), -2.0])
    whole = torch.tensor([[2, 0, 5], [2, 2, 0]])
    for t in (x, whole, whole.to(torch.uint8)):
        wanted = t.unique(return_inverse=True, return_counts=True)
        found = t.cuda().unique(return_inverse=True, return_counts=True)
        assert [str(f.tolist()) for f in found] == [str(w.tolist()) for w in wanted]
        assert all(f.is_cuda for f in found)
        assert t.cuda().nonzero().tolist() == t.nonzero().tolist()
        parts = zip(t.cuda().nonzero(as_tuple=True), t.nonzero(as_tuple=True), strict=True)
        assert all(f.is_cuda and f.tolist() == w.tolist() for f, w in parts)
    flat, weight = whole.reshape(-1), torch.arange(6.0)
    options: list[dict[str, Any]] = [{}, {"minlength": 9}, {"weights": weight}]
    for kwargs in options:
        moved = {k: v.cuda() if k == "weights" else v for k, v in kwargs.items()}
        found = flat.cuda().bincount(**moved)
        assert found.is_cuda and found.dtype is flat.bincount(**kwargs).dtype
        assert found.tolist() == flat.bincount(**kwargs).tolist()
    with pytest.raises(RuntimeError, match="non-negative"):
        torch.tensor([1, -1]).cuda().bincount()


def test_one_hot(gpu: Any) -> None:
    x = torch.tensor([[2, 0], [1, 1]])
    for classes in (-1, 4):
        found = torch.nn.functional.one_hot(x.cuda(), classes)
        assert found.is_cuda
        assert found.tolist() == torch.nn.functional.one_hot(x, classes).tolist()


@pytest.mark.parametrize("count", [1, 60])
def test_boxes_that_overlap(gpu: Any, count: int) -> None:
    low = torch.tensor(rng.random((count, 2)).astype("float32"))
    boxes = torch.cat([low, low + torch.tensor(rng.random((count, 2)).astype("float32")) / 2], 1)
    boxes[count // 2 :] = boxes[: count - count // 2] + 0.05
    scores = torch.tensor(numbers(count))
    classes = torch.arange(count) % 3
    for threshold in (0.1, 0.5):
        wanted, found = (ops.nms(boxes.to(d), scores.to(d), threshold) for d in ("cpu", "cuda"))
        assert found.is_cuda and found.tolist() == wanted.tolist()
        wanted, found = (
            ops.batched_nms(boxes.to(d), scores.to(d), classes.to(d), threshold) for d in ("cpu", "cuda")
        )
        assert found.is_cuda and found.tolist() == wanted.tolist()


def test_the_list_of_what_goes_through_the_host() -> None:
    from tools import cuda_host

    # In a process of its own: other tests may have made rows.
    told = [sys.executable, "-m", "tools.cuda_host", "--check"]
    done = subprocess.run(told, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stdout + done.stderr
    without = {r.name for r in cuda_host.through_numpy()}
    assert without.isdisjoint(ROWS) and "linalg_svd" in without
    assert {"nonzero", "bincount"} <= {r.name for r in cuda_host.looking()}
