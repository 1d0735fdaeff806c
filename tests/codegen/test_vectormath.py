"""Transcendental functions on vectors: errors in ulp, special values, every number of lanes."""

from __future__ import annotations

import ctypes
import functools
import math
import re
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest

from flambeau.codegen import vectormath
from flambeau.codegen.kernel import Target

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()
llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()

TRIPLE = llvm.get_process_triple()
FEATURES = llvm.get_host_cpu_features()
WIDE = bool(FEATURES.get("avx512f"))
HOST = Target(
    TRIPLE, llvm.get_host_cpu_name(), FEATURES.flatten(),
    64 if WIDE else 32 if FEATURES.get("avx2") else 16, 32 if WIDE else 16, WIDE,
)  # fmt: skip
AVX2 = Target("x86_64-unknown-linux-gnu", "haswell", "", 32, 16, False)
AVX512 = Target("x86_64-unknown-linux-gnu", "skylake-avx512", "", 64, 32, True)
NEON = Target("aarch64-unknown-linux-gnu", "generic", "+neon", 16, 32, False)
SSE = Target("x86_64-unknown-linux-gnu", "x86-64-v2", "", 16, 16, False)
RUNNABLE = [HOST] + ([AVX2] if FEATURES.get("avx2") and FEATURES.get("fma") else [])

NAMES = sorted(vectormath.NAMES)
TWO = ("pow", "atan2")
DTYPES = ("float32", "float64")


def loop(target: Target, lanes: int, dtype: str, name: str) -> str:
    """A function of arrays x, y → out, whose length n is a multiple of lanes."""
    kind = "float" if dtype == "float32" else "double"
    t = kind if lanes == 1 else f"<{lanes} x {kind}>"
    args = ", ".join(f"{t} %{x}v" for x in ("xy" if name in TWO else "x"))
    return f"""
define void @run_{name}(ptr %x, ptr %y, ptr %out, i64 %n) {vectormath.attributes(target)} {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %j, %loop ]
  %xp = getelementptr {kind}, ptr %x, i64 %i
  %yp = getelementptr {kind}, ptr %y, i64 %i
  %op = getelementptr {kind}, ptr %out, i64 %i
  %xv = load {t}, ptr %xp, align 4
  %yv = load {t}, ptr %yp, align 4
  %r = call {t} @{vectormath.symbol(name, lanes, dtype)}({args})
  store {t} %r, ptr %op, align 4
  %j = add i64 %i, {lanes}
  %more = icmp slt i64 %j, %n
  br i1 %more, label %loop, label %end
end:
  ret void
}}"""


def compiled(target: Target, lanes: int, dtype: str, names: tuple[str, ...], jit: bool) -> Any:
    """(module, machine), optimised."""
    text, declares = vectormath.functions(target, lanes, dtype, names)
    parts = [text, *sorted(declares), *(loop(target, lanes, dtype, n) for n in names)]
    module = llvm.parse_assembly("\n".join([f'target triple = "{target.triple}"', *parts]))
    module.verify()
    machine = llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=2, jit=jit
    )
    options = llvm.create_pipeline_tuning_options(2)
    options.loop_unrolling = options.loop_vectorization = options.slp_vectorization = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return module, machine


@functools.cache
def library(target: Target, lanes: int, dtype: str) -> Any:
    module, machine = compiled(target, lanes, dtype, tuple(NAMES), True)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine


def run(name: str, x: Any, y: Any = None, target: Target = HOST, lanes: int = 0) -> Any:
    x = np.asarray(x)
    lanes = lanes or max(1, target.vector_bytes // x.itemsize)
    padded = -(-x.size // lanes) * lanes
    arrays = np.zeros((3, padded), x.dtype)
    arrays[0, : x.size] = x.ravel()
    if y is not None:
        arrays[1, : x.size] = np.ravel(y)
    f = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64)
    address = library(target, lanes, x.dtype.name).get_function_address(f"run_{name}")
    if padded:
        f(address)(*(a.ctypes.data for a in arrays), padded)
    return arrays[2, : x.size].reshape(x.shape)


# --- references ---------------------------------------------------------------------------------


def each(f: Any) -> Any:
    return lambda x: np.array([f(v) for v in x.astype(np.float64).tolist()]).astype(x.dtype)


NUMPY = {
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "pow": np.power,
    "erf": each(math.erf), "erfc": each(math.erfc),
}  # fmt: skip

LONG = np.finfo(np.longdouble).nmant >= 63


def reference(name: str, *args: Any) -> Any:
    """In more bits than the arguments have."""
    wide = np.float64 if args[0].dtype == np.float32 else np.longdouble
    f = NUMPY.get(name) or getattr(np, name)
    with np.errstate(all="ignore"):
        return f(*(a.astype(wide) for a in args))


def errors(have: Any, want: Any) -> Any:
    """In units of the last place of the result; inf where NaN, infinities or zeros differ."""
    limits = np.finfo(have.dtype)
    with np.errstate(all="ignore"):
        near = want.astype(have.dtype)
        exponent = np.maximum(np.frexp(want)[1] - 1, limits.minexp)
        off = abs(have.astype(want.dtype) - want) / np.ldexp(
            np.ones_like(want), exponent - limits.nmant
        )
    infinite = np.isinf(have) | np.isinf(near)
    off = np.where(infinite | np.isnan(near), 0, off)
    wrong = (np.isnan(have) != np.isnan(near)) | (infinite & (have != near))
    wrong |= (near == 0) & (have == 0) & (np.signbit(near) != np.signbit(have))
    return np.where(wrong, np.inf, off)


def specials(dtype: str) -> Any:
    f = np.finfo(dtype)
    edges = [0.0, 1.0, 2.0, 0.5, 3.0, 5.0, 1e10, 1e-30, 88.7, 103.9, 709.7, 745.1, 128.0, 149.5,
             math.inf, f.tiny, f.smallest_subnormal, f.max, 1 + f.eps, 1 - f.epsneg]  # fmt: skip
    return np.array([*edges, *(-v for v in edges), math.nan], dtype)


def samples(dtype: str, count: int, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    f = np.finfo(dtype)
    bits = rng.integers(0, 1 << f.bits, count, dtype=f"u{f.bits // 8}").view(dtype)
    ranges = ((-1, 1), (-5, 5), (-30, 30), (-110, 110), (-760, 760), (0.3, 2.5), (-1e5, 1e5))
    spread = [rng.uniform(a, b, count) for a, b in ranges]
    turns = np.arange(1, 500) * (math.pi / 2)
    ones = 1 + np.arange(-200, 200) * float(f.epsneg)
    rest = np.concatenate([*spread, turns, ones]).astype(dtype)
    return np.concatenate([specials(dtype), bits, rest])


def arguments(name: str, dtype: str, count: int = 20000) -> tuple[Any, ...]:
    x = samples(dtype, count, 0)
    if name not in TWO:
        return (x,)
    y = np.random.default_rng(1).permutation(x)
    if name == "pow":  # most powers are 0 or inf: let half be others
        with np.errstate(all="ignore"):
            exponent = np.random.default_rng(2).uniform(-1100, 1100, x.size) / np.log2(abs(x))
        y[::2] = exponent[::2].astype(dtype)
    a, b = np.meshgrid(specials(dtype), specials(dtype))
    return np.concatenate([a.ravel(), x]), np.concatenate([b.ravel(), y])


# --- tests --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_within_two_ulp(name: str, dtype: str) -> None:
    count = 3000 if name in ("erf", "erfc") else 30000 if dtype == "float32" else 8000
    args = arguments(name, dtype, count)
    # The references of some are no better than the function.
    bound = 2.0 if dtype == "float32" or (LONG and name not in ("erf", "erfc")) else 3.0
    for target in RUNNABLE:
        off = errors(run(name, *args, target=target), reference(name, *args))
        worst = int(np.argmax(off))
        assert off[worst] <= bound, (off[worst], [a[worst] for a in args], target.cpu)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_bits_for_any_lanes_and_target(dtype: str) -> None:
    lanes = 4
    cases = [
        (t, n)
        for t in RUNNABLE
        for n in (1, lanes, max(1, t.vector_bytes // np.dtype(dtype).itemsize))
    ]
    for name in NAMES:
        args = arguments(name, dtype, 300)
        want = run(name, *args)
        for target, n in cases:
            np.testing.assert_array_equal(run(name, *args, target=target, lanes=n), want, name)


def test_two_registers_at_a_time() -> None:
    for name in ("exp", "sin", "pow", "erf"):
        args = arguments(name, "float32", 200)
        np.testing.assert_array_equal(run(name, *args, lanes=16), run(name, *args))


@pytest.mark.parametrize("dtype", DTYPES)
def test_huge_angles_alone_and_beside_small_ones(dtype: str) -> None:
    huge = [2.0**43, 2.0**44, 1e15, 1e22, 1e30, 3e38, -1e20]
    if dtype == "float64":
        huge.append(1.7e308)
        # This one lies next to a multiple of pi/2 (Muller, Elementary Functions, 2016).
        worst = np.full(3, 6381956970095103 * 2.0**797)
        np.testing.assert_allclose(run("cos", worst), -4.68716592425462761112e-19, 2e-16)
    mixed = np.array([v for h in huge for v in (h, 0.5, -h, 1.0, math.inf, math.nan)], dtype)
    for name, f in (("sin", math.sin), ("cos", math.cos), ("tan", math.tan)):
        want = np.array([f(v) if math.isfinite(v) else math.nan for v in mixed.tolist()])
        assert errors(run(name, mixed), want).max() <= 2


def test_exact_values() -> None:
    for dtype in DTYPES:
        n = np.arange(-100, 100).astype(dtype)
        np.testing.assert_array_equal(run("exp2", n), np.exp2(n))
        np.testing.assert_array_equal(run("log2", np.exp2(n)), n)
        np.testing.assert_array_equal(run("pow", n, np.full_like(n, 2)), n * n)
        np.testing.assert_array_equal(run("exp", np.zeros(3, dtype)), 1)
        np.testing.assert_array_equal(run("cos", np.zeros(3, dtype)), 1)
        np.testing.assert_array_equal(run("tanh", np.array([50, -50], dtype)), [1, -1])
        np.testing.assert_array_equal(run("erf", np.array([50, -50], dtype)), [1, -1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("target", [AVX512, AVX2, NEON, SSE], ids=lambda t: t.cpu)
def test_no_calls_to_a_libm(target: Target, dtype: str) -> None:
    lanes = target.vector_bytes // np.dtype(dtype).itemsize
    for n in (1, lanes):
        module, machine = compiled(target, n, dtype, tuple(NAMES), False)
        text = machine.emit_assembly(module)
        called = set(re.findall(r"^\t(?:callq?|jmp|bl|b)\t([a-zA-Z_][\w@.]*)", text, re.M))
        assert called <= {f"vm_reduce_v{n}{'f32' if dtype == 'float32' else 'f64'}",
                          f"vm_far_v{n}{'f32' if dtype == 'float32' else 'f64'}"}, called  # fmt: skip


def test_exp_is_short() -> None:
    """Of 512-bit vectors: two bounds, two for n, two for r, six for the polynomial, the scaling."""
    module, machine = compiled(AVX512, 16, "float32", ("exp",), False)
    text = machine.emit_assembly(module)
    body = text[text.index("\n.LBB0_1:") : text.index("jl\t.LBB0_1")]
    assert len(re.findall(r"^\tv(?!mov)", body, re.M)) == 13


def test_functions_come_once_and_side_by_side() -> None:
    texts, declares = [], set()
    for dtype in DTYPES:
        for lanes in (1, 4, 8):
            text, needs = vectormath.functions(HOST, lanes, dtype, ["sin", "cos", "tan", "sin"])
            texts.append(text)
            declares |= needs
            name = vectormath.symbol("sin", lanes, dtype)
            assert text.count(f"@{name}(") == 1
    llvm.parse_assembly("\n".join([*texts, *sorted(declares)])).verify()
    assert vectormath.functions(HOST, 8, "float32", []) == ("", set())
