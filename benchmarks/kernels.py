"""Kernels beside what the machine can do: the micro-kernel and the FMA peak, loops and a copy."""

from __future__ import annotations

import gc
import math
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from typing import Any

from flambeau.codegen import gemm, microkernel, microkernel_nn
from flambeau.codegen.kernel import Kernel, Target
from flambeau.codegen.llvm_text import Function, vector_attributes
from flambeau.codegen.peak import MEMORY, PARAMETERS, Runner, bandwidth, flops, peak
from flambeau.runtime import native, pool

from . import measure
from .native import Room

ROUNDS = 5
"""Peak and kernel are measured in turns so many times; the best of each counts."""


def show(options: Namespace) -> None:
    rounds = options.samples or ROUNDS
    host = native.host()
    print(f"{host.cpu}, vectors of {host.vector_bytes} bytes, LLVM {native.version()}")
    _micro_kernels(rounds)
    _products(rounds)
    _loops(rounds)


# --- the micro-kernel -----------------------------------------------------------------------


Shape = tuple[int, int, int]
"""Rows, columns, and the length of the sums."""


def _tiles(dtype: str, shape: Shape, packed: bool, target: Target, symbol: str) -> str:
    """Module of a kernel that multiplies the same matrices over and over, as many times as its last
    word says."""
    rows, columns = microkernel.tile(target, dtype)
    m, n, k = shape
    suffix = microkernel.SUFFIX[dtype]
    f = Function(symbol, PARAMETERS, vector_attributes(target), linkage="external")
    at = [f.load("ptr", f.gep("%table", 8 * slot), 8) for slot in range(3)]
    sam, sak = (1, rows) if packed else (k, 1)
    with f.loop(f.argument("%args", 0)):
        f.do(
            f"call void @gemm_ahead_{suffix}(ptr {at[0]}, i64 {sam}, i64 {sak}, ptr {at[1]}, "
            f"i64 {columns}, i64 {k * columns}, ptr {at[2]}, i64 {n}, i64 {m}, i64 {n}, i64 {k}, "
            f"i64 0, i64 {int(packed)}, ptr {at[1]}, i64 0)"
        )
    text = [*sorted(microkernel.declares(target, dtype)), microkernel_nn.emit_nn(target, dtype)]
    return "\n".join([*text, f.finish()])


def micro_kernel(dtype: str, shape: Shape, packed: bool, times: int) -> Runner:
    """What multiplies matrices in cache on one thread, `times` times over."""
    m, n, k = shape
    room = Room()
    for rows, columns in ((m, k), (k, n), (m, n)):
        room.random(rows, columns, dtype=dtype)
    key = ("benchmark tiles", dtype, shape, packed)
    kernel = Kernel("tiles", key, partial(_tiles, dtype, shape, packed))
    return Runner(kernel, [times], [b.address for b in room.blocks], 1, room.blocks)


def _micro_kernels(rounds: int) -> None:
    target = Target(*native.host())
    print("\nthe micro-kernel on tiles in cache, one thread")
    for dtype in ("float32", "float64"):
        rows, columns = microkernel.tile(target, dtype)
        for tiles in (1, 4):
            for packed in (True, False):
                shape = (tiles * rows, 2 * columns, 192)
                work = 2.0 * math.prod(shape)
                times = max(1, int(4e7 / work))
                runner = micro_kernel(dtype, shape, packed, times)
                most = best = 0.0
                for _ in range(rounds):
                    most = max(most, flops(dtype, 1))
                    best = max(best, work * times / runner.shortest())
                how = "packed" if packed else "rows"
                print(
                    f"  {dtype}, tiles of {rows}x{columns}, {shape[0]:>3}x{shape[1]}x{shape[2]}, "
                    f"A in {how:<7}{best / 1e9:>7.1f} GFLOP/s of {most / 1e9:>6.1f}: "
                    f"{best / most:.0%}",
                    flush=True,
                )


def _products(rounds: int) -> None:
    """Whole matrix products, beside PyTorch's."""
    import torch

    most = peak().flops["float32"]
    print(f"\nmatrix products, {pool.get_num_threads()} threads, peak {most / 1e9:.0f} GFLOP/s")
    for m, n, k in ((128, 512, 784), (784, 512, 128), (1024, 576, 192), (1024, 192, 768),
                    (512, 512, 512), (1024, 1024, 1024)):  # fmt: skip
        room = Room()
        a, b, c = room.random(m, k), room.random(k, n), room.random(m, n)
        call = room.call(gemm.plan_matmul(room, a, b, c))
        left, right = torch.randn(m, k), torch.randn(k, n)
        ours, theirs = measure.in_turns([call, lambda: left @ right], rounds)  # noqa: B023
        work = 2.0 * m * n * k
        print(
            f"  {f'{m}x{n}x{k}':<18}{work / ours / 1e9:>7.1f} GFLOP/s {work / ours / most:>5.0%}; "
            f"PyTorch {work / theirs / 1e9:>7.1f}; {theirs / ours:.2f}x",
            flush=True,
        )


# --- loops ----------------------------------------------------------------------------------


def _chains(torch: Any) -> dict[str, tuple[int, Callable[..., Any]]]:
    """What is computed, and how many arrays that reads and writes."""
    return {
        "a * b + c": (4, lambda a, b, c: a * b + c),
        "relu(a * 2 + b) * c": (4, lambda a, b, c: torch.relu(a * 2 + b) * c),
        "where(a > 0, b, 0)": (3, lambda a, b, c: torch.where(a > 0, b, 0.0)),
        "a * 2": (2, lambda a, b, c: a * 2),
        "(a * b).sum()": (2, lambda a, b, c: (a * b).sum()),
    }


def _loops(rounds: int) -> None:
    """Fused loops over dense arrays, in cache and in memory, beside a plain copy."""
    import flambeau

    print("\nfused loops beside a plain copy (GB/s read and written)")
    all_threads = pool.get_num_threads()
    for where, each, threads in (("cache", 1 << 17, 1), ("memory", MEMORY // 2, all_threads)):
        pool.set_num_threads(threads)
        for name, (arrays, function) in _chains(flambeau).items():
            most = best = 0.0
            for _ in range(rounds):
                most = max(most, bandwidth(each * arrays // 2, threads))
                best = max(best, _moved(flambeau, function, arrays, each * threads))
                gc.collect()
            size = arrays * each * threads / 1e6
            print(
                f"  {name:<22}in {where:<8}{size:>7.1f} MB, {threads} threads "
                f"{best / 1e9:>7.1f} GB/s; copy {most / 1e9:>6.1f}: {best / most:.0%}",
                flush=True,
            )
    pool.set_num_threads(all_threads)


def _moved(torch: Any, function: Callable[..., Any], arrays: int, nbytes: int) -> float:
    """Bytes a second that a compiled expression over arrays of so many bytes moves."""
    from flambeau.engine import debug, tiering
    from flambeau.engine.explain import timed

    inputs = [torch.ones(nbytes // 4) for _ in range(3)]
    with debug.profiling():
        for _ in range(40):
            out = function(*inputs)
            torch._flush()
            tiering.wait_for_compiler()
            del out
        seconds = sum(t.seconds for t in timed(tiering.programs()[-1].compiled))
    return arrays * nbytes / seconds
