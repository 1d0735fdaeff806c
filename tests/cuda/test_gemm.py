"""Matrix products by our own kernels: every variant against NumPy on a simulated GPU."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from flambeau import config
from flambeau.codegen.cuda import contractions, gemm, gemm_plan, gemm_vector, mma
from flambeau.codegen.cuda.gemm_index import Bound, Digit, axis
from flambeau.codegen.cuda.gemm_plan import Choice
from flambeau.codegen.cuda.kernel import Gpu, GpuLaunch
from flambeau.codegen.planning import Placed, row_major

from .assembling import assemble, needs_ptxas, ptx_of
from .contraction_runner import Bench

KINDS = ["float32", "float64", "tf32", "float16", "bfloat16"]


def dtype_of(kind: str) -> str:
    return "float32" if kind == "tf32" else kind


@pytest.fixture
def tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "cuda_matmul_tf32", True)


def ordered(turned: bool) -> list[int]:
    return [1, 0] if turned else [0, 1]


# --- tiles ----------------------------------------------------------------------------------------

VARIANTS = [
    *((kind, i, 90) for kind in KINDS[:4] for i in range(len(gemm_plan.shapes(kind)))),
    ("bfloat16", 1, 90), ("float16", 0, 75), ("float16", 2, 75), ("tf32", 2, 80),
]  # fmt: skip


@pytest.mark.parametrize("kind, number, capability", VARIANTS)
def test_every_tile(kind: str, number: int, capability: int) -> None:
    """Edges, all transpositions, memory that is aligned and not, chunks of the sum."""
    shape, _, _ = gemm_plan.shapes(kind)[number]
    bench = Bench(capability)
    dtype = dtype_of(kind)
    m, n, k = shape.m + 3, max(shape.n // 2 + 4, 12), 2 * shape.depth + 5
    turn = (number + len(kind)) % 4
    a, va = bench.random((m, k), dtype, order=ordered(bool(turn & 1)), pad=3 * (turn == 2))
    b, vb = bench.random((k, n), dtype, order=ordered(bool(turn & 2)))
    out, _ = bench.random((m, n), dtype)
    p = contractions.problem(a, b, out, None, False, "")
    assert p is not None
    chunk = shape.depth * (1 if number % 2 else 4)
    splits = -(-k // chunk)
    dtype = "float64" if kind == "float64" else "float32"
    if splits == 1:
        launches = [gemm_plan.product(bench, p, kind, Choice(shape, 1, 1, chunk))]
    else:
        slot = bench.temporary(splits * m * n * gemm_plan.SIZE[dtype])
        parts = gemm_plan.Result(slot, dtype, 0, axis(Digit(m, n)), axis(Digit(n, 1)))
        launches = [
            gemm_plan.product(bench, p._replace(out=parts), kind, Choice(shape, 1, splits, chunk), m * n),
            gemm_plan.total(bench, p, slot, dtype, splits),
        ]
    bench.run(launches)
    bench.check(out, va @ vb, np.abs(va) @ np.abs(vb), k, kind == "tf32")


@pytest.mark.parametrize("kind", ["float32", "tf32", "float16"])
@pytest.mark.parametrize("turns", range(4))
def test_transpositions_in_wide_accesses(kind: str, turns: int, tf32: None) -> None:
    """What lies right comes in accesses of 16 bytes, whichever axis is contiguous."""
    bench = Bench(multiprocessors=1)
    dtype = dtype_of(kind)
    if kind == "float32":
        config.cuda_matmul_tf32 = False
    a, va = bench.random((64, 64), dtype, order=ordered(bool(turns & 1)))
    b, vb = bench.random((64, 64), dtype, order=ordered(bool(turns & 2)))
    out, _ = bench.random((64, 64), dtype)
    launches = contractions.matmul(bench, a, b, out)
    assert launches is not None and len(launches) == 1 and kind in launches[0].kernel.name  # type: ignore[union-attr]
    (told,) = bench.run(launches)  # type: ignore[arg-type]
    bench.check(out, va @ vb, np.abs(va) @ np.abs(vb), 64, kind == "tf32")
    opcode = "ld" if isinstance(gemm_plan.shapes(kind)[0][0], gemm.gemm_fma.Shape) else "cp"
    wide = told.accesses.get((opcode, "global", 16), 0)
    assert wide * 16 >= 2 * 64 * 64 * a.itemsize


@pytest.fixture
def chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another launch costs nothing, so that sums are cut into chunks."""
    for name, value in (("LAUNCH", 0.0), ("TRAFFIC", 1e9), ("SHORTEST", 32)):
        monkeypatch.setattr(gemm_plan, name, value)


def test_blocks_in_any_order_give_the_same_bits(chunks: None) -> None:
    found = []
    for seed in (None, 1):
        bench = Bench(multiprocessors=8)
        a, _ = bench.random((20, 200), "float32")
        b, _ = bench.random((200, 20), "float32")
        out, _ = bench.random((20, 20), "float32")
        launches = contractions.matmul(bench, a, b, out)
        assert launches is not None and len(launches) == 2  # chunks and their sum
        bench.run(launches, seed=seed)  # type: ignore[arg-type]
        found.append(bench.slots[out.slot].tobytes())
    assert len(set(found)) == 1


def test_numbers_that_are_none_stay_in_their_rows() -> None:
    """NaN and infinity spread to the results that depend on them, and to no others."""
    for dtype in ("float32", "float16"):
        bench = Bench()
        values = bench.rng.standard_normal((20, 33))
        values[7, 5], values[9, 32] = np.nan, np.inf
        a, va = bench.put(values, dtype)
        b, vb = bench.put(np.abs(bench.rng.standard_normal((33, 24))) + 0.1, dtype)
        out, _ = bench.random((20, 24), dtype)
        bench.run(contractions.matmul(bench, a, b, out))  # type: ignore[arg-type]
        got = bench.value(out)
        rest = [i for i in range(20) if i not in (7, 9)]
        assert np.isnan(got[7]).all() and (got[9] == np.inf).all() and np.isfinite(got[rest]).all()


# --- everything a product may be -------------------------------------------------------------------


def gelu(x: Any) -> Any:
    return x * 0.5 * (1 + np.vectorize(math.erf)(x * 0.5**0.5))


def gelu_tanh(x: Any) -> Any:
    return x * 0.5 * (1 + np.tanh(0.7978845608028654 * (x + 0.044715 * x**3)))


ACTIVATIONS: dict[str, Any] = {"": lambda x: x, "relu": lambda x: np.maximum(x, 0), "gelu": gelu, "gelu_tanh": gelu_tanh}


@pytest.mark.parametrize("activation, dtype, result, splits", [
    ("", "float32", "float16", True), ("relu", "float32", "float32", False), ("gelu", "float16", "float32", True),
    ("gelu_tanh", "bfloat16", "bfloat16", False), ("gelu", "float64", "float64", False),
    ("gelu_tanh", "float64", "float64", True),
])  # fmt: skip
def test_epilogues(activation: str, dtype: str, result: str, splits: bool, chunks: None) -> None:
    """Bias, what is there, activation, another dtype; in the product and in the sum of chunks."""
    bench = Bench(multiprocessors=64 if splits else 1)
    k = 100 if splits else 20
    a, va = bench.random((30, k), dtype)
    b, vb = bench.random((k, 22), dtype)
    bias, vc = bench.random((22,), result)
    out, old = bench.random((30, 22), result, pad=2, offset=4)
    launches = contractions.matmul(bench, a, b, out, bias, True, activation)
    assert launches is not None and len(launches) == 1 + splits
    bench.run(launches)  # type: ignore[arg-type]
    size = np.abs(va) @ np.abs(vb) + np.abs(vc) + np.abs(old)
    bench.check(out, ACTIVATIONS[activation](va @ vb + vc + old), 2 * size + 4, k)


BATCHES = [
    ((3,), (), (3,)),
    ((), (3,), (3,)),
    ((2, 3), (2, 3), (2, 3)),
    ((2, 1), (1, 3), (2, 3)),
    ((2, 1, 2), (3, 1), (2, 3, 2)),
]


@pytest.mark.parametrize("of_a, of_b, batch", BATCHES)
def test_batches(of_a: tuple[int, ...], of_b: tuple[int, ...], batch: tuple[int, ...]) -> None:
    bench = Bench()
    a, va = bench.random((*of_a, 10, 24), "float32")
    b, vb = bench.random((*of_b, 24, 20), "float32", order=[*range(len(of_b)), len(of_b) + 1, len(of_b)])
    bias, vc = bench.random((20,), "float32")
    out, _ = bench.random((*batch, 10, 20), "float32")
    launches = contractions.matmul(bench, a, b, out, bias)
    bench.run(launches)  # type: ignore[arg-type]
    bench.check(out, va @ vb + vc, np.abs(va) @ np.abs(vb) + np.abs(vc), 24)


def test_a_batch_that_a_factor_lacks_is_more_rows() -> None:
    bench = Bench()
    a, _ = bench.random((6, 10, 24), "float32")
    b, _ = bench.random((24, 20), "float32")
    out, _ = bench.random((6, 10, 20), "float32")
    p = contractions.problem(a, b, out, None, False, "")
    assert p is not None and (p.m, p.n, p.batch) == (60, 20, 1)


def test_heads_of_attention_as_they_lie() -> None:
    """(batch, position, head, channel) as queries and keys: strides of all kinds."""
    bench = Bench()
    q, vq = bench.random((2, 3, 20, 16), "float16", order=[0, 2, 1, 3])
    k, vk = bench.random((2, 3, 16, 20), "float16", order=[0, 3, 1, 2])
    out, _ = bench.random((2, 3, 20, 20), "float16")
    bench.run(contractions.matmul(bench, q, k, out))  # type: ignore[arg-type]
    bench.check(out, vq @ vk, np.abs(vq) @ np.abs(vk), 16)


def test_a_bias_for_each_row_and_for_each_matrix() -> None:
    bench = Bench()
    a, va = bench.random((3, 10, 24), "float32")
    b, vb = bench.random((3, 24, 20), "float32")
    for shape in ((3, 10, 1), (10, 20), (3, 1, 20), (1,)):
        bias, vc = bench.random(shape, "float32")
        out, _ = bench.random((3, 10, 20), "float32")
        bench.run(contractions.matmul(bench, a, b, out, bias))  # type: ignore[arg-type]
        bench.check(out, va @ vb + vc, np.abs(va) @ np.abs(vb) + np.abs(vc), 24)


def test_dtypes_that_differ_are_summed_in_float32() -> None:
    bench = Bench()
    a, va = bench.random((18, 30), "float16")
    b, vb = bench.random((30, 20), "bfloat16")
    out, _ = bench.random((18, 20), "float32")
    bench.run(contractions.matmul(bench, a, b, out))  # type: ignore[arg-type]
    bench.check(out, va @ vb, np.abs(va) @ np.abs(vb), 30)


def test_bfloat16_without_its_tensor_cores() -> None:
    bench = Bench(75)
    a, va = bench.random((18, 30), "bfloat16")
    b, vb = bench.random((30, 20), "bfloat16")
    out, _ = bench.random((18, 20), "bfloat16")
    launches = contractions.matmul(bench, a, b, out)
    assert launches is not None and "fma" in launches[0].kernel.name  # type: ignore[union-attr]
    bench.run(launches)  # type: ignore[arg-type]
    bench.check(out, va @ vb, np.abs(va) @ np.abs(vb), 30)


def test_offsets_of_64_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gemm_plan, "NARROW", 1)
    bench = Bench()
    for m in (20, 2):
        a, va = bench.random((m, 40), "float32", pad=4)
        b, vb = bench.random((40, 24), "float32")
        bias, vc = bench.random((24,), "float32")
        out, _ = bench.random((m, 24), "float32")
        bench.run(contractions.matmul(bench, a, b, out, bias))  # type: ignore[arg-type]
        bench.check(out, va @ vb + vc, np.abs(va) @ np.abs(vb) + np.abs(vc), 40)


def test_arrays_that_a_number_has_moved_are_read_element_by_element() -> None:
    bench = Bench(multiprocessors=1)
    a, va = bench.random((24, 32), "float32")
    b, vb = bench.random((32, 24), "float32")
    out, _ = bench.random((24, 24), "float32")
    bench.moved = {a.slot, b.slot, out.slot}
    (told,) = bench.run(contractions.matmul(bench, a, b, out))  # type: ignore[arg-type]
    assert told.accesses.get(("ld", "global", 16), 0) == 0 and told.widest("st") == 4
    bench.check(out, va @ vb, np.abs(va) @ np.abs(vb), 32)


def test_nothing_to_do() -> None:
    bench = Bench()
    empty = Placed(0, "float32", (0, 8), (8, 1))
    whole = Placed(1, "float32", (8, 4), (4, 1))
    assert contractions.matmul(bench, empty, whole, Placed(2, "float32", (0, 4), (4, 1))) == []


def test_a_sum_of_nothing_is_the_bias() -> None:
    bench = Bench()
    a = Placed(bench.temporary(4), "float32", (20, 0), (1, 1))
    b = Placed(bench.temporary(4), "float32", (0, 24), (24, 1))
    bias, vc = bench.random((24,), "float32")
    out, _ = bench.random((20, 24), "float32")
    bench.run(contractions.matmul(bench, a, b, out, bias))  # type: ignore[arg-type]
    np.testing.assert_array_equal(bench.value(out), np.broadcast_to(vc, (20, 24)))


def test_integers_have_no_kernel() -> None:
    x = Placed(0, "int64", (8, 8), (8, 1))
    assert contractions.matmul(Bench(), x, x, x) is None


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_activation_behind_a_library(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cuBLASLt lacks is done to its result, in place."""
    from flambeau.codegen.cuda import library_calls

    asked = []

    def matmul(room: Any, a: Any, b: Any, out: Any, bias: Any, accumulate: bool, epilogue: str) -> Any:
        asked.append(epilogue)
        return []

    monkeypatch.setattr(library_calls, "matmul", matmul)
    monkeypatch.setattr(contractions, "LARGE", 1)
    bench = Bench()
    bench.gpu = bench.gpu._replace(libraries=frozenset(["cublaslt"]))
    a, _ = bench.random((20, 8), dtype)
    b, _ = bench.random((8, 22), dtype)
    out, old = bench.random((20, 22), dtype)
    bench.run(contractions.matmul(bench, a, b, out, activation="gelu"))  # type: ignore[arg-type]
    bench.check(out, gelu(old), np.abs(old) + 1, 1)
    assert contractions.matmul(bench, a, b, out, activation="gelu_tanh") == []
    assert asked == ["", "gelu"]


# --- a short side ---------------------------------------------------------------------------------

SHORT = [
    (1, 70, 100, 0, "float32"), (1, 70, 100, 3, "float16"), (3, 130, 64, 3, "float32"),
    (3, 130, 64, 0, "float16"), (8, 40, 33, 0, "float32"), (8, 40, 32, 3, "float16"),
    (50, 1, 128, 0, "float32"), (37, 5, 40, 3, "float16"), (1, 1, 300, 0, "float32"),
    (4, 90, 48, 2, "float64"), (6, 31, 50, 1, "bfloat16"), (2, 64, 96, 0, "bfloat16"),
]  # fmt: skip


@pytest.mark.parametrize("m, n, k, turns, dtype", SHORT)
def test_a_short_side(m: int, n: int, k: int, turns: int, dtype: str) -> None:
    bench = Bench(multiprocessors=(1, 8)[turns % 2])
    a, va = bench.random((m, k), dtype, order=ordered(bool(turns & 1)))
    b, vb = bench.random((k, n), dtype, order=ordered(bool(turns & 2)))
    bias, vc = bench.random((n,), dtype)
    out, old = bench.random((m, n), dtype)
    launches = contractions.matmul(bench, a, b, out, bias, accumulate=True)
    assert launches is not None and launches[0].kernel.name.startswith("gemm_vector")  # type: ignore[union-attr]
    bench.run(launches)  # type: ignore[arg-type]
    bench.check(out, va @ vb + vc + old, np.abs(va) @ np.abs(vb) + np.abs(vc) + np.abs(old), k)


@pytest.mark.parametrize("parts, columns, height", [(1, 4, 1), (2, 1, 2), (4, 4, 4), (8, 1, 8)])
def test_warps_that_share_sums(parts: int, columns: int, height: int) -> None:
    bench = Bench()
    a, va = bench.random((height, 300), "float32")
    b, vb = bench.random((300, 50), "float32", order=[1, 0])
    out, _ = bench.random((height, 50), "float32")
    p = contractions.problem(a, b, out, None, False, "")
    assert p is not None
    (launch,) = gemm_vector.plan(bench, p) or []
    spec = launch.kernel.key[1]._replace(parts=parts, columns=columns)  # type: ignore[index]
    blocks = -(-50 // gemm_vector.across(spec))
    args = (*launch.args[:3], *gemm_plan.divisor_words(blocks), *launch.args[5:])
    bench.run([launch._replace(
        kernel=gemm_vector.kernel(spec), args=args, grid=(blocks, 1, 1), shared=gemm_vector.shared_bytes(spec))])  # fmt: skip
    bench.check(out, va @ vb, np.abs(va) @ np.abs(vb), 300)


# --- planning -------------------------------------------------------------------------------------


def planned(m: int, n: int, k: int, dtype: str = "float32", gpu: Gpu = Gpu()) -> GpuLaunch:
    bench = Bench()
    bench.gpu = gpu
    a, b, out = (Placed(i, dtype, s, row_major(s)) for i, s in enumerate(((m, k), (k, n), (m, n))))
    bench.temporary = lambda nbytes: 9  # type: ignore[method-assign]
    found = contractions.matmul(bench, a, b, out)
    assert found is not None
    return found[0]  # type: ignore[return-value]


def test_tiles_follow_sizes() -> None:
    assert "128x128" in planned(4096, 4096, 4096).kernel.name
    assert "128x128" in planned(4096, 4096, 4096, "float16").kernel.name
    assert planned(4096, 4096, 4096).grid == (1024, 1, 1)
    assert "16x128" in planned(12, 4096, 4096).kernel.name
    assert "128x16" in planned(4096, 12, 4096).kernel.name
    assert "vector" in planned(4, 4096, 4096).kernel.name
    long = planned(64, 64, 100_000)
    assert long.grid[0] > 120  # cut into chunks


def test_equal_structure_is_an_equal_kernel() -> None:
    """Sizes are words: kernels are compiled once for all of them."""
    one, two = planned(4096, 4096, 4096), planned(8192, 2048, 1024)
    assert repr(one.kernel.key) == repr(two.kernel.key)


def test_everything_is_counted() -> None:
    x = planned(1024, 1024, 512)
    assert x.flops == 2 * 1024 * 1024 * 512 and "1024x1024x512" in x.label


@needs_ptxas
@pytest.mark.parametrize("kind, capability", [
    ("float32", 75), ("float16", 75), ("tf32", 80), ("bfloat16", 80), ("float32", 90), ("float64", 90),
    ("float16", 90),
])  # fmt: skip
def test_kernels_assemble_without_spilling(kind: str, capability: int) -> None:
    bench = Bench(capability)
    dtype = dtype_of(kind)
    a, b, out = (Placed(i, dtype, (512, 512), (512, 1)) for i in range(3))
    p = contractions.problem(a, b, out, Placed(3, dtype, (512,), (1,)), True, "relu")
    assert p is not None
    found = gemm_plan.kind_of(p._replace(tf32=kind == "tf32"), capability)
    assert found is not None
    for shape, _, blocks in gemm_plan.shapes(found):
        launch = gemm_plan.product(bench, p, found, Choice(shape, blocks, 1, 512))
        told = assemble(ptx_of(launch.kernel, capability), capability)
        assert told.registers <= 255 and told.spilled == 0
        assert launch.shared <= (64 << 10 if capability < 80 else 99 << 10)


def test_tiles_fit_what_they_say() -> None:
    tile = mma.tile(64, 32, "k", "float16")
    assert (tile.lines, tile.pitch, tile.nbytes) == ("mn", 40, 64 * 40 * 2)
    assert axis(Digit(3, 8), Digit(1, 5), Digit(4, 2)) == (Digit(12, 2),)
    assert axis(Digit(3, 8, 0, 4), Digit(4, 2)) == (Digit(3, 8, 0, 4), Digit(4, 2))
    assert Bound(-1, 4).limit == 4
