"""The kernels that measure the machine do what they say."""

from __future__ import annotations

import numpy as np
import pytest

from flambeau.codegen import peak
from flambeau.codegen.kernel import Target
from flambeau.runtime import blocks, native

pytestmark = pytest.mark.skipif(not native.available(), reason="needs llvmlite")

NEON = Target("aarch64-unknown-linux-gnu", "neoverse-n1", "+neon", 16, 32, False)


def host() -> Target:
    return Target(*native.host())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_sum_is_made(dtype: str) -> None:
    target = host()
    n = target.vector_bytes // (4 if dtype == "float32" else 8)
    block = blocks.allocate(5 * target.vector_bytes)
    words = block.array(dtype, (5, n))
    words[:] = 0.5
    runner = peak.Runner(peak.fma_kernel(dtype), [0, 0, 200], [block.address], 1, block)
    assert runner.seconds() > 0
    # x -> x / 2 + 1 / 2 goes to 1, in each accumulator.
    assert np.allclose(words[3], peak.accumulators(target))
    assert (words[:3] == 0.5).all() and (words[4] == 0.5).all()


def test_the_copy_copies() -> None:
    step = peak.STEP * host().vector_bytes
    size = 3 * step
    source, to = blocks.allocate(4 * size), blocks.allocate(4 * size)
    given, found = source.array("uint8", (4 * size,)), to.array("uint8", (4 * size,))
    given[:] = np.random.default_rng(0).integers(0, 255, 4 * size)
    found[:] = 0
    words = [0, 0, 1, 0, size, 2]
    peak.Runner(peak.copy_kernel(), words, [source.address, to.address], 3, (source, to)).seconds()
    assert (found[: 3 * size] == given[: 3 * size]).all()
    assert (found[3 * size :] == 0).all()


@pytest.mark.parametrize("target", [Target(*native.host(32)) if native.available() else NEON, NEON])
def test_other_machines_get_whole_vectors_of_multiply_adds(target: Target) -> None:
    text = native.assembly(peak.fma_kernel("float32").emit(target, "kernel"), target)
    name = "fmla" if "aarch64" in target.triple else "vfmadd"
    lines = [line for line in text.splitlines() if name in line]
    assert len(lines) >= 2 * peak.accumulators(target)
    assert not any("(%rsp" in line or "[sp" in line for line in lines)
    native.assembly(peak.copy_kernel().emit(target, "kernel"), target)


def test_least_time_is_arithmetics_or_memorys() -> None:
    p = peak.Peak(2, {"float32": 1e11, "float64": 5e10}, 1e11, 1e10)
    assert p.seconds(1e11, 0) == 1.0
    assert p.seconds(1e9, 1e10) == 1.0
    assert p.bandwidth(1000) == 1e11 and p.bandwidth(1e9) == 1e10
