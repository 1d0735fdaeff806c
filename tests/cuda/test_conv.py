"""Convolutions by our own kernels: against NumPy on a simulated GPU."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from flambeau import config
from flambeau.codegen.cuda import contractions, conv, gemm_plan
from flambeau.codegen.planning import Placed, row_major

from .assembling import assemble, needs_ptxas, ptx_of
from .contraction_runner import Bench, conv_forward, conv_input, conv_weight, out_size

Settings = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "cuda_conv_tf32", False)


def run(
    bench: Bench, kind: str, shape: tuple[int, ...], weight: tuple[int, ...], settings: Settings, dtype: str,
    result: str = "", activation: str = "", tf32: bool = False, with_bias: bool = True,
) -> list[Any]:  # fmt: skip
    """Plan, run and check one convolution; its launches."""
    result = result or dtype
    out = (shape[0], weight[0], *out_size(shape[2:], weight[2:], settings))
    x, vx = bench.random(shape, dtype)
    w, vw = bench.random(weight, dtype)
    g, vg = bench.random(out, dtype)
    made, _ = bench.random({"forward": out, "input": shape, "weight": weight}[kind], result)
    bias = None
    if kind == "forward":
        want, size = conv_forward(vx, vw, settings), conv_forward(abs(vx), abs(vw), settings)
        if with_bias:
            bias, vb = bench.random((weight[0],), dtype)
            vb = vb.reshape(-1, *([1] * (len(shape) - 2)))
            want, size = want + vb, size + abs(vb)
        if activation == "relu":
            want = np.maximum(want, 0)
        factors, terms = (x, w), math.prod(weight[1:])
    elif kind == "input":
        want = conv_input(vg, vw, shape, settings)
        size = conv_input(abs(vg), abs(vw), shape, settings)
        factors, terms = (g, w), math.prod(weight) // weight[1] // settings[3]
    else:
        want = conv_weight(vg, vx, weight, settings)
        size = conv_weight(abs(vg), abs(vx), weight, settings)
        factors, terms = (g, x), math.prod(out) // out[1]
    launches = contractions.convolution(bench, kind, *factors, made, settings, bias, activation)
    assert launches is not None
    bench.run(launches)  # type: ignore[arg-type]
    bench.check(made, want, size, terms, tf32)
    return launches


CASES: list[tuple[tuple[int, ...], tuple[int, ...], Settings]] = [
    ((2, 3, 9, 11), (5, 3, 3, 3), ((1, 1), (1, 1), (1, 1), 1)),
    ((2, 4, 11, 8), (6, 4, 3, 2), ((2, 3), (2, 0), (1, 2), 1)),
    ((3, 8, 6, 6), (5, 8, 1, 1), ((1, 1), (0, 0), (1, 1), 1)),
    ((2, 8, 7, 7), (4, 8, 1, 1), ((2, 2), (0, 0), (1, 1), 1)),
    ((2, 6, 8, 5), (8, 3, 3, 3), ((1, 2), (1, 2), (2, 1), 2)),
    ((2, 3, 17), (4, 3, 5), ((2,), (3,), (2,), 1)),
    ((1, 2, 5, 4, 6), (3, 2, 2, 3, 2), ((1, 2, 1), (1, 1, 0), (1, 1, 2), 1)),
]


@pytest.mark.parametrize("kind", ["forward", "input", "weight"])
@pytest.mark.parametrize("shape, weight, settings", CASES)
def test_against_taps(kind: str, shape: Any, weight: Any, settings: Settings) -> None:
    run(Bench(), kind, shape, weight, settings, "float32")


@pytest.mark.parametrize("kind", ["forward", "input", "weight"])
@pytest.mark.parametrize("dtype, result, capability, tf32", [
    ("float64", "float64", 90, False), ("float32", "float32", 90, True), ("float16", "float16", 75, False),
    ("bfloat16", "float32", 90, False),
])  # fmt: skip
def test_dtypes(
    kind: str, dtype: str, result: str, capability: int, tf32: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "cuda_conv_tf32", tf32)
    shape, weight, settings = CASES[1] if kind == "input" else CASES[0]
    launches = run(Bench(capability), kind, shape, weight, settings, dtype, result, tf32=tf32)
    kinds = {"float32": "tf32"}
    assert kinds.get(dtype, dtype) in launches[0].kernel.name


def test_a_relu_is_part_of_the_kernel() -> None:
    launches = run(Bench(), "forward", (2, 3, 6, 6), (4, 3, 3, 3), CASES[0][2], "float32", activation="relu")
    assert len(launches) == 1


def test_large_tiles_with_many_channels() -> None:
    bench = Bench(multiprocessors=1)
    launches = run(bench, "forward", (2, 16, 10, 10), (130, 16, 3, 3), CASES[0][2], "float32", with_bias=False)
    assert "128x128" in launches[0].kernel.name


def test_the_gradient_of_a_weight_is_cut_into_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sums over some of the images and positions; they are added in order."""
    monkeypatch.setattr(gemm_plan, "LAUNCH", 0.0)
    bench = Bench(multiprocessors=16)
    launches = run(bench, "weight", (4, 3, 10, 10), (4, 3, 3, 3), CASES[0][2], "float32")
    assert len(launches) == 2 and "gemm_sum" in launches[1].kernel.name


def test_offsets_of_64_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gemm_plan, "NARROW", 1)
    for kind in ("forward", "input", "weight"):
        run(Bench(), kind, (2, 3, 6, 5), (4, 3, 3, 3), CASES[0][2], "float32")
        run(Bench(), kind, (2, 3, 6, 5), (3, 1, 3, 3), (*CASES[0][2][:3], 3), "float32")


def test_a_kernel_of_one_is_a_product_in_wide_accesses() -> None:
    bench = Bench(multiprocessors=1)
    x, vx = bench.random((2, 16, 8, 8), "float32")
    w, vw = bench.random((24, 16, 1, 1), "float32")
    y, _ = bench.random((2, 24, 8, 8), "float32")
    settings = ((1, 1), (0, 0), (1, 1), 1)
    launches = contractions.convolution(bench, "forward", x, w, y, settings)
    (told,) = bench.run(launches)  # type: ignore[arg-type]
    assert told.accesses[("ld", "global", 16)] * 16 >= 4 * (2 * 16 * 64 + 24 * 16)
    bench.check(y, conv_forward(vx, vw, settings), conv_forward(abs(vx), abs(vw), settings), 16)


def test_positions_that_no_tap_meets_are_zero() -> None:
    """A kernel of one with a stride of two: three of four positions of the data have no gradient."""
    bench = Bench()
    launches = run(bench, "input", (1, 3, 6, 6), (4, 3, 1, 1), ((2, 2), (0, 0), (1, 1), 1), "float32")
    assert len(launches) == 4


def test_phases() -> None:
    """Every position of the data meets the taps that it should."""
    for size, kernel, stride, padding, dilation in ((9, 3, 2, 1, 1), (10, 5, 3, 2, 2), (7, 4, 4, 0, 2), (5, 1, 2, 0, 1)):
        met = {q: [] for q in range(size)}  # type: ignore[var-annotated]
        for f in conv.phases(size, kernel, stride, padding, dilation):
            for i in range(f.length):
                for j in range(f.taps):
                    met[f.first + i * f.step].append((f.tap + j * f.apart, f.start + i + j * f.turn))
        for q, found in met.items():
            places = [(t, q + padding - t * dilation) for t in range(kernel)]
            assert sorted(found) == [(t, p // stride) for t, p in places if p % stride == 0]


# --- depthwise ------------------------------------------------------------------------------------

DEPTHWISE: list[tuple[tuple[int, ...], tuple[int, ...], Settings]] = [
    ((2, 5, 9, 7), (5, 1, 3, 3), ((1, 1), (1, 1), (1, 1), 5)),
    ((2, 3, 9, 8), (6, 1, 3, 2), ((2, 3), (1, 2), (2, 1), 3)),
    ((2, 4, 20), (4, 1, 6), ((1,), (2,), (1,), 4)),
    ((1, 3, 8, 8), (3, 1, 6, 6), ((1, 1), (3, 3), (1, 1), 3)),
    ((1, 2, 4, 5, 4), (4, 1, 2, 2, 3), ((1, 2, 1), (1, 0, 1), (1, 1, 1), 2)),
]


@pytest.mark.parametrize("kind", ["forward", "input", "weight"])
@pytest.mark.parametrize("number", range(len(DEPTHWISE)))
def test_depthwise(kind: str, number: int) -> None:
    dtype, result = [("float32", ""), ("float16", "float32"), ("float64", ""), ("bfloat16", ""), ("float32", "")][number]
    activation = "relu" if kind == "forward" and number == 0 else ""
    launches = run(Bench(75 + 15 * (number % 2)), kind, *DEPTHWISE[number], dtype, result, activation)
    assert launches[0].kernel.name == f"depthwise_{kind}"


# --- planning -------------------------------------------------------------------------------------


def test_what_has_no_kernel() -> None:
    bench = Bench()
    x = Placed(0, "float32", (2, 3, 6, 6), row_major((2, 3, 6, 6)))
    w = Placed(1, "float32", (4, 3, 3, 3), row_major((4, 3, 3, 3)))
    turned = x._replace(strides=(108, 36, 1, 6))
    y = Placed(2, "float32", (2, 4, 6, 6), row_major((2, 4, 6, 6)))
    assert contractions.convolution(bench, "forward", turned, w, y, CASES[0][2]) is None
    empty = Placed(2, "float32", (0, 4, 6, 6), row_major((0, 4, 6, 6)))
    assert contractions.convolution(bench, "forward", x._replace(shape=(0, 3, 6, 6)), w, empty, CASES[0][2]) == []


def test_params_as_the_planner_gets_them() -> None:
    bench = Bench()
    x, vx = bench.random((2, 3, 6, 6), "float32")
    w, vw = bench.random((4, 3, 3, 3), "float32")
    y, _ = bench.random((2, 4, 6, 6), "float32")
    settings = CASES[0][2]
    size = conv_forward(abs(vx), abs(vw), settings)
    for params, bend in ((settings, lambda v: v), (("relu", *settings), lambda v: np.maximum(v, 0))):
        launches = contractions.PLANNERS["conv_forward"](bench, [x, w], [y], params)
        bench.run(launches)  # type: ignore[arg-type]
        bench.check(y, bend(conv_forward(vx, vw, settings)), size, 27)
    dx, _ = bench.random((2, 3, 6, 6), "float32")
    bench.run(contractions.PLANNERS["conv_input"](bench, [y, w], [dx], ((2, 3, 6, 6), *settings)))  # type: ignore[arg-type]


@needs_ptxas
@pytest.mark.parametrize("capability, dtype", [(75, "float32"), (80, "float32")])
def test_kernels_of_a_resnet_assemble_without_spilling(
    capability: int, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "cuda_conv_tf32", capability == 80)
    bench = Bench(capability, 132)
    bench.temporary = lambda nbytes: 9  # type: ignore[method-assign]
    seen = set()
    for n, c, h, o, k, s, p in ((64, 128, 28, 128, 3, 1, 1), (64, 256, 28, 512, 1, 1, 0)):
        q = (h + 2 * p - k) // s + 1
        shapes = {"x": (n, c, h, h), "w": (o, c, k, k), "y": (n, o, q, q)}
        x, w, y = (Placed(i, dtype, v, row_major(v)) for i, v in enumerate(shapes.values()))
        settings = ((s, s), (p, p), (1, 1), 1)
        for kind, a, b, made in (("forward", x, w, y), ("input", y, w, x), ("weight", y, x, w)):
            for launch in contractions.convolution(bench, kind, a, b, made, settings) or []:
                if launch.kernel.key not in seen:  # type: ignore[union-attr]
                    seen.add(launch.kernel.key)  # type: ignore[union-attr]
                    told = assemble(ptx_of(launch.kernel, capability), capability)  # type: ignore[union-attr]
                    assert told.spilled == 0 and told.registers <= 255
