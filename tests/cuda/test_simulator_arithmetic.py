"""Arithmetic of the simulated GPU against Python's integers and fractions."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from .ptx_kernels import apply, predicate

RNG = np.random.default_rng(7)
SPECIAL = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1.1754944e-38, 3.4028235e38, 65504.0, 6e-8, 2049.0,
           0.5, 1.5, 2.5, -0.5, 0.49999997, 16777217.0, 2147483648.0, 4294967296.0, -2147483904.0, 9.223372e18, 1.8446744e19]  # fmt: skip


def floats(n: int, dtype: Any = "f4") -> Any:
    """Numbers of all sizes, special ones among them."""
    wide = 30 if np.dtype(dtype).itemsize > 2 else 10
    x = RNG.standard_normal(n) * 2.0 ** RNG.integers(-wide, wide, n)
    k = min(len(SPECIAL), n)
    with np.errstate(over="ignore"):
        x = x.astype(dtype)
        x[RNG.permutation(n)[:k]] = np.array(SPECIAL[:k], dtype)
    return x


def ints(n: int, dtype: str) -> Any:
    info = np.iinfo(dtype)
    x = RNG.integers(info.min, info.max, n, dtype, endpoint=True)
    edge = np.array([0, 1, info.max, info.min, info.max - 1, 2, 3, 7], dtype)
    x[RNG.permutation(n)[:8]] = edge
    return x


def same(a: Any, b: Any) -> None:
    """Equal bits; NaN is NaN."""
    a, b = np.asarray(a), np.asarray(b)
    assert a.dtype == b.dtype
    u = f"u{a.itemsize}"
    equal = (a.view(u) == b.view(u)) | (np.isnan(a) & np.isnan(b) if a.dtype.kind == "f" else False)
    assert equal.all(), (a[~equal][:5], b[~equal][:5], np.flatnonzero(~equal)[:5])


def wrapped(values: list[int], dtype: str) -> Any:
    bits = 8 * np.dtype(dtype).itemsize
    return np.array([v & ((1 << bits) - 1) for v in values], f"u{bits // 8}").view(dtype)


def rounded(x: Fraction, digits: int, least: int, mode: str = "rn") -> Fraction:
    """To so many binary digits, the last one of weight 2**least at the least."""
    if x == 0:
        return x
    exponent = (
        math.floor(math.log2(abs(x)))
        if abs(x) < 2**1000
        else abs(x.numerator).bit_length() - abs(x.denominator).bit_length()
    )
    while Fraction(2) ** exponent > abs(x):
        exponent -= 1
    while Fraction(2) ** (exponent + 1) <= abs(x):
        exponent += 1
    unit = Fraction(2) ** max(exponent - digits + 1, least)
    q = x / unit
    if mode == "rn":
        return round(q) * unit
    if mode == "rz":
        return math.trunc(q) * unit
    return (math.floor(q) if mode == "rm" else math.ceil(q)) * unit


@pytest.mark.parametrize("dtype", ["i2", "u2", "i4", "u4", "i8", "u8"])
def test_integers(dtype: str) -> None:
    n = 200
    a, b, c = ints(n, dtype), ints(n, dtype), ints(n, dtype)
    A, B, C = ([int(v) for v in x] for x in (a, b, c))
    t = ("s" if dtype[0] == "i" else "u") + str(8 * int(dtype[1]))
    bits = 8 * int(dtype[1])
    same(
        apply(f"add.{t} {{0}}, {{1}}, {{2}}", a, b, out=dtype),
        wrapped([x + y for x, y in zip(A, B)], dtype),
    )
    same(
        apply(f"sub.{t} {{0}}, {{1}}, {{2}}", a, b, out=dtype),
        wrapped([x - y for x, y in zip(A, B)], dtype),
    )
    same(
        apply(f"mul.lo.{t} {{0}}, {{1}}, {{2}}", a, b, out=dtype),
        wrapped([x * y for x, y in zip(A, B)], dtype),
    )
    same(
        apply(f"mul.hi.{t} {{0}}, {{1}}, {{2}}", a, b, out=dtype),
        wrapped([x * y >> bits for x, y in zip(A, B)], dtype),
    )
    same(
        apply(f"mad.lo.{t} {{0}}, {{1}}, {{2}}, {{3}}", a, b, c, out=dtype),
        wrapped([x * y + z for x, y, z in zip(A, B, C)], dtype),
    )
    if bits < 64:
        wide = f"{dtype[0]}{2 * int(dtype[1])}"
        same(
            apply(f"mul.wide.{t} {{0}}, {{1}}, {{2}}", a, b, out=wide),
            wrapped([x * y for x, y in zip(A, B)], wide),
        )
    d = np.where(b == 0, np.array(1, dtype), b)
    D = [int(v) for v in d]
    quotients = [math.trunc(Fraction(x, y)) for x, y in zip(A, D)]
    same(apply(f"div.{t} {{0}}, {{1}}, {{2}}", a, d, out=dtype), wrapped(quotients, dtype))
    same(
        apply(f"rem.{t} {{0}}, {{1}}, {{2}}", a, d, out=dtype),
        wrapped([x - y * q for x, y, q in zip(A, D, quotients)], dtype),
    )
    same(apply(f"min.{t} {{0}}, {{1}}, {{2}}", a, b, out=dtype), np.minimum(a, b))
    same(apply(f"max.{t} {{0}}, {{1}}, {{2}}", a, b, out=dtype), np.maximum(a, b))
    shift = RNG.integers(0, bits + 9, n).astype("u4")
    S = [int(v) for v in shift]
    same(
        apply(f"shl.b{bits} {{0}}, {{1}}, {{2}}", a, shift, out=dtype),
        wrapped([x << s for x, s in zip(A, S)], dtype),
    )
    same(
        apply(f"shr.{t} {{0}}, {{1}}, {{2}}", a, shift, out=dtype),
        wrapped([x >> s for x, s in zip(A, S)], dtype),
    )
    for name, f in (
        ("lt", np.less),
        ("eq", np.equal),
        ("ge", np.greater_equal),
        ("ne", np.not_equal),
    ):
        assert np.array_equal(predicate(f"setp.{name}.{t} {{0}}, {{1}}, {{2}}", a, c), f(a, c))
    if dtype[0] == "i":
        same(apply(f"abs.{t} {{0}}, {{1}}", a, out=dtype), wrapped([abs(x) for x in A], dtype))
        same(apply(f"neg.{t} {{0}}, {{1}}", a, out=dtype), wrapped([-x for x in A], dtype))


@pytest.mark.parametrize("dtype", ["u4", "u8", "i4", "i8"])
def test_bits(dtype: str) -> None:
    n, bits = 200, 8 * int(dtype[1])
    a, b = ints(n, dtype), ints(n, dtype)
    U = [int(v) & ((1 << bits) - 1) for v in a]
    V = [int(v) & ((1 << bits) - 1) for v in b]
    t = ("s" if dtype[0] == "i" else "u") + str(bits)
    if dtype[0] == "u":
        same(
            apply(f"popc.b{bits} {{0}}, {{1}}", a, out="u4"),
            np.array([x.bit_count() for x in U], "u4"),
        )
        same(
            apply(f"clz.b{bits} {{0}}, {{1}}", a, out="u4"),
            np.array([bits - x.bit_length() for x in U], "u4"),
        )
        same(
            apply(f"brev.b{bits} {{0}}, {{1}}", a, out=dtype),
            np.array([int(f"{x:0{bits}b}"[::-1], 2) for x in U], dtype),
        )
        same(apply(f"not.b{bits} {{0}}, {{1}}", a, out=dtype), ~a)
        same(apply(f"xor.b{bits} {{0}}, {{1}}, {{2}}", a, b, out=dtype), a ^ b)
    find = [
        (x if not (dtype[0] == "i" and x >> (bits - 1)) else ~x & ((1 << bits) - 1)).bit_length()
        - 1
        for x in U
    ]
    same(apply(f"bfind.{t} {{0}}, {{1}}", a, out="u4"), wrapped(find, "u4"))
    p, m = RNG.integers(0, bits + 4, n).astype("u4"), RNG.integers(0, bits + 4, n).astype("u4")
    expected = []
    for x, q, k in zip(U, p.tolist(), m.tolist()):
        if dtype[0] == "u":
            expected.append((x >> q) & ((1 << k) - 1) & ((1 << bits) - 1))
            continue
        sign = 0 if k == 0 else x >> min(q + k - 1, bits - 1) & 1
        expected.append(
            sum((x >> (q + j) & 1 if j < k and q + j < bits else sign) << j for j in range(bits))
        )
    same(apply(f"bfe.{t} {{0}}, {{1}}, {{2}}, {{3}}", a, p, m, out=dtype), wrapped(expected, dtype))
    if dtype[0] == "u":
        mask = [((1 << k) - 1) << q & ((1 << bits) - 1) for q, k in zip(p.tolist(), m.tolist())]
        inserted = [(x << q) & w | y & ~w for x, y, q, w in zip(U, V, p.tolist(), mask)]
        same(
            apply(f"bfi.b{bits} {{0}}, {{1}}, {{2}}, {{3}}, {{4}}", a, b, p, m, out=dtype),
            wrapped(inserted, dtype),
        )


def test_permutes_and_funnels() -> None:
    n = 300
    a, b, s = ints(n, "u4"), ints(n, "u4"), ints(n, "u4")
    expected = []
    for x, y, c in zip(a.tolist(), b.tolist(), s.tolist()):
        both, out = y << 32 | x, 0
        for k in range(4):
            pick = c >> 4 * k & 15
            byte = both >> 8 * (pick & 7) & 255
            out |= (255 * (byte >> 7) if pick & 8 else byte) << 8 * k
        expected.append(out)
    same(apply("prmt.b32 {0}, {1}, {2}, {3}", a, b, s, out="u4"), np.array(expected, "u4"))
    same(apply("shf.l.wrap.b32 {0}, {1}, {2}, {3}", a, b, s, out="u4"),
         np.array([(y << 32 | x) << (c & 31) >> 32 & 0xFFFFFFFF for x, y, c in zip(a.tolist(), b.tolist(), s.tolist())], "u4"))  # fmt: skip
    small = s % 40
    same(apply("shf.r.clamp.b32 {0}, {1}, {2}, {3}", a, b, small, out="u4"),
         np.array([(y << 32 | x) >> min(c, 32) & 0xFFFFFFFF for x, y, c in zip(a.tolist(), b.tolist(), small.tolist())], "u4"))  # fmt: skip
    same(apply("lop3.b32 {0}, {1}, {2}, {3}, 0x96", a, b, s, out="u4"), a ^ b ^ s)
    same(apply("lop3.b32 {0}, {1}, {2}, {3}, 0xCA", a, b, s, out="u4"), (a & b) | (~a & s))
    x, y = ints(n, "u8"), ints(n, "u8")
    low = apply("{{.reg .b64 t; add.cc.u64 t, {1}, {2}; addc.u64 {0}, 0, 0;}}", x, y, out="u8")
    same(low, np.array([(p + q) >> 64 for p, q in zip(x.tolist(), y.tolist())], "u8"))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_floats_are_rounded_once(dtype: str) -> None:
    n = 400
    a, b, c = floats(n, dtype), floats(n, dtype), floats(n, dtype)
    t = f"f{8 * int(dtype[1])}"
    with np.errstate(all="ignore"):
        same(apply(f"add.rn.{t} {{0}}, {{1}}, {{2}}", a, b, out=dtype), a + b)
        same(apply(f"sub.rn.{t} {{0}}, {{1}}, {{2}}", a, b, out=dtype), a - b)
        same(apply(f"mul.rn.{t} {{0}}, {{1}}, {{2}}", a, b, out=dtype), a * b)
        same(apply(f"div.rn.{t} {{0}}, {{1}}, {{2}}", a, b, out=dtype), a / b)
        same(apply(f"rcp.rn.{t} {{0}}, {{1}}", a, out=dtype), 1 / a)
        same(apply(f"sqrt.rn.{t} {{0}}, {{1}}", a, out=dtype), np.sqrt(a))
        same(apply(f"neg.{t} {{0}}, {{1}}", a, out=dtype), -a)
        same(apply(f"abs.{t} {{0}}, {{1}}", a, out=dtype), np.abs(a))
        same(apply(f"copysign.{t} {{0}}, {{1}}, {{2}}", a, b, out=dtype), np.copysign(b, a))
        same(apply(f"min.{t} {{0}}, {{1}}, {{2}}", a, b, out=dtype), np.fmin(a, b))
        same(apply(f"max.NaN.{t} {{0}}, {{1}}, {{2}}", a, b, out=dtype), np.maximum(a, b))
    zeros = np.array([0.0, -0.0, 0.0, -0.0], dtype)
    others = np.array([-0.0, 0.0, 0.0, -0.0], dtype)
    same(
        apply(f"max.{t} {{0}}, {{1}}, {{2}}", zeros, others, out=dtype),
        np.array([0.0, 0.0, 0.0, -0.0], dtype),
    )
    same(
        apply(f"min.{t} {{0}}, {{1}}, {{2}}", zeros, others, out=dtype),
        np.array([-0.0, -0.0, 0.0, -0.0], dtype),
    )
    for name, f in (("lt", np.less), ("eq", np.equal), ("gt", np.greater)):
        assert np.array_equal(predicate(f"setp.{name}.{t} {{0}}, {{1}}, {{2}}", a, c), f(a, c))
    nan = np.isnan(a) | np.isnan(c)
    assert np.array_equal(predicate(f"setp.ne.{t} {{0}}, {{1}}, {{2}}", a, c), (a != c) & ~nan)
    assert np.array_equal(predicate(f"setp.ltu.{t} {{0}}, {{1}}, {{2}}", a, c), (a < c) | nan)
    assert np.array_equal(predicate(f"setp.nan.{t} {{0}}, {{1}}, {{2}}", a, c), nan)
    assert np.array_equal(predicate(f"testp.finite.{t} {{0}}, {{1}}", a), np.isfinite(a))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_fma(dtype: str) -> None:
    """Against fractions, cancellation and numbers between two others included."""
    n = 400
    digits, least = (24, -149) if dtype == "f4" else (53, -1074)
    a, b = RNG.standard_normal(n).astype(dtype), RNG.standard_normal(n).astype(dtype)
    c = RNG.standard_normal(n).astype(dtype)
    c[:100] = -(a * b)[:100]
    c[100:200] = (a * b)[100:200] * np.array(2.0**digits, dtype)
    a[200:220] *= np.array(2.0 ** (least // 2), dtype)
    b[200:220] *= np.array(2.0 ** (least // 2 + 10), dtype)
    c[200:220] = 0
    t = f"f{8 * int(dtype[1])}"
    exact = [
        Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z)) for x, y, z in zip(a, b, c)
    ]
    made = apply(f"fma.rn.{t} {{0}}, {{1}}, {{2}}, {{3}}", a, b, c, out=dtype)
    for x, e in zip(made, exact):
        assert Fraction(float(x)) == rounded(e, digits, least)
    if dtype == "f4":
        for mode in ("rz", "rm", "rp"):
            made = apply(f"fma.{mode}.f32 {{0}}, {{1}}, {{2}}, {{3}}", a, b, c, out=dtype)
            for x, e in zip(made, exact):
                assert Fraction(float(x)) == rounded(e, digits, least, mode), mode


@pytest.mark.parametrize("mode", ["rz", "rm", "rp"])
def test_directed_rounding(mode: str) -> None:
    a, b = (RNG.standard_normal(200) * 2.0 ** RNG.integers(-20, 20, 200) for _ in range(2))
    for dtype, digits, least in (("f4", 24, -149), ("f8", 53, -1074)):
        x, y = a.astype(dtype), b.astype(dtype)
        t = f"f{8 * int(dtype[1])}"
        X, Y = [Fraction(float(v)) for v in x], [Fraction(float(v)) for v in y]
        for name, exact in (
            ("add", [p + q for p, q in zip(X, Y)]),
            ("mul", [p * q for p, q in zip(X, Y)]),
            ("div", [p / q for p, q in zip(X, Y)]),
        ):
            made = apply(f"{name}.{mode}.{t} {{0}}, {{1}}, {{2}}", x, y, out=dtype)
            for v, e in zip(made, exact):
                assert Fraction(float(v)) == rounded(e, digits, least, mode), (name, dtype)


def test_conversions_between_floats() -> None:
    x = floats(2000)
    with np.errstate(all="ignore"):
        same(apply("cvt.rn.f16.f32 {0}, {1}", x, out="f2"), x.astype("f2"))
        same(apply("cvt.f64.f32 {0}, {1}", x, out="f8"), x.astype("f8"))
        wide = floats(2000, "f8")
        same(apply("cvt.rn.f32.f64 {0}, {1}", wide, out="f4"), wide.astype("f4"))
    half = np.arange(65536, dtype="u4").astype("u2").view("f2")[::7]
    same(apply("cvt.f32.f16 {0}, {1}", half, out="f4"), half.astype("f4"))
    brain = np.arange(0, 65536, 5, dtype="u4").astype("u2")
    same(apply("cvt.f32.bf16 {0}, {1}", brain, out="f4"), (brain.astype("u4") << 16).view("f4"))
    y = (RNG.standard_normal(300) * 2.0 ** RNG.integers(-100, 100, 300)).astype("f4")
    y[:30] *= np.float32(2.0**-120)
    for kind, digits, least, convert in (
        ("bf16", 8, -133, lambda v: (v.astype("u4") << 16).view("f4")), ("tf32", 11, -149, lambda v: v.view("f4")),
    ):  # fmt: skip
        mode = "rn" if kind == "bf16" else "rna"
        made = convert(
            apply(f"cvt.{mode}.{kind}.f32 {{0}}, {{1}}", y, out="u2" if kind == "bf16" else "u4")
        )
        for v, e in zip(made[30:], y[30:]):
            near = rounded(Fraction(float(e)), digits, least)
            away = abs(Fraction(float(e)) - near) * 2
            assert (
                Fraction(float(v)) == near
                or mode == "rna"
                and abs(Fraction(float(v)) - Fraction(float(e))) == away / 2
            )
        if kind == "bf16":
            for v, e in zip(made, y):
                assert Fraction(float(v)) == rounded(Fraction(float(e)), digits, least)
    z = y[30:]
    for mode in ("rz", "rm", "rp"):
        made = apply(f"cvt.{mode}.f32.f64 {{0}}, {{1}}", z.astype("f8") * 1.1, out="f4")
        for v, e in zip(made, z.astype("f8") * 1.1):
            assert Fraction(float(v)) == rounded(Fraction(float(e)), 24, -149, mode)
    pair = apply("cvt.rn.f16x2.f32 {0}, {1}, {2}", x[:100], x[100:200], out="u4")
    with np.errstate(all="ignore"):
        same(pair.astype("u2").view("f2"), x[100:200].astype("f2"))
        same((pair >> 16).astype("u2").view("f2"), x[:100].astype("f2"))


@pytest.mark.parametrize("to", ["s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64"])
@pytest.mark.parametrize("of", ["f32", "f64", "f16"])
def test_floats_to_integers(to: str, of: str) -> None:
    """Clamped; NaN is 0, or the highest bit where a type has 64 bits."""
    dtype = f"f{int(of[1:]) // 8}"
    x = floats(300, dtype)
    bits = int(to[1:])
    out = ("i" if to[0] == "s" else "u") + str(bits // 8)
    info = np.iinfo(out)
    held = out if bits > 8 else out[0] + "2"
    for mode, f in (("rzi", math.trunc), ("rni", round), ("rmi", math.floor), ("rpi", math.ceil)):
        expected = []
        for v in x.tolist():
            if math.isnan(v):
                special = bits == 64 or of == "f64"
                expected.append(1 << (bits - 1) if special else 0)
            elif math.isinf(v):
                expected.append(int(info.max if v > 0 else info.min))
            else:
                expected.append(min(max(f(v), int(info.min)), int(info.max)))
        made = apply(f"cvt.{mode}.{to}.{of} {{0}}, {{1}}", x, out=held)
        same(made.astype(out), wrapped(expected, out))


@pytest.mark.parametrize("of", ["s8", "u16", "s32", "u32", "s64", "u64"])
def test_integers_to_floats(of: str) -> None:
    bits = int(of[1:])
    dtype = ("i" if of[0] == "s" else "u") + str(max(bits, 16) // 8)
    x = ints(300, dtype)
    if bits == 8:
        x = (x % 128).astype(dtype)
    X = [int(v) for v in x]
    for to, digits, least, code in (("f32", 24, -149, "f4"), ("f64", 53, -1074, "f8")):
        made = apply(f"cvt.rn.{to}.{of} {{0}}, {{1}}", x, out=code)
        for v, e in zip(made, X):
            assert Fraction(float(v)) == rounded(Fraction(e), digits, least)
    if bits >= 32:
        made = apply(f"cvt.rn.bf16.{of} {{0}}, {{1}}", x, out="u2")
        for v, e in zip((made.astype("u4") << 16).view("f4"), X):
            assert Fraction(float(v)) == rounded(Fraction(e), 8, -133)
        same(apply(f"cvt.u16.{of} {{0}}, {{1}}", x, out="u2"), wrapped(X, "u2"))
        same(
            apply(f"cvt.sat.u8.{of} {{0}}, {{1}}", x, out="u2"),
            np.array([min(max(v, 0), 255) for v in X], "u2"),
        )
    else:
        same(apply(f"cvt.{of[0]}64.{of} {{0}}, {{1}}", x, out="u8"), wrapped(X, "u8"))


@pytest.mark.parametrize("kind", ["f16", "bf16"])
def test_halves(kind: str) -> None:
    n = 300
    digits, least = (11, -24) if kind == "f16" else (8, -133)
    if kind == "f16":
        a, b, c = (
            (RNG.standard_normal(n) * 2.0 ** RNG.integers(-6, 6, n)).astype("f2").view("u2")
            for _ in range(3)
        )
        value = lambda u: u.view("f2").astype("f8")  # noqa: E731
    else:
        a, b, c = (
            (RNG.standard_normal(n) * 2.0 ** RNG.integers(-60, 60, n)).astype("f4").view("u4") >> 16
            for _ in range(3)
        )
        a, b, c = a.astype("u2"), b.astype("u2"), c.astype("u2")
        value = lambda u: (u.astype("u4") << 16).view("f4").astype("f8")  # noqa: E731
    A, B, C = ([Fraction(float(v)) for v in value(x)] for x in (a, b, c))
    for name, args, exact in (
        ("add", (a, b), [x + y for x, y in zip(A, B)]), ("sub", (a, b), [x - y for x, y in zip(A, B)]),
        ("mul", (a, b), [x * y for x, y in zip(A, B)]), ("fma", (a, b, c), [x * y + z for x, y, z in zip(A, B, C)]),
    ):  # fmt: skip
        rest = ", ".join(f"{{{k + 1}}}" for k in range(len(args)))
        made = value(apply(f"{name}.rn.{kind} {{0}}, {rest}", *args, out="u2"))
        pairs = [(x.astype("u4") << 16) | x[::-1] for x in args]
        both = apply(f"{name}.rn.{kind}x2 {{0}}, {rest}", *pairs, out="u4")
        assert np.array_equal(value((both >> 16).astype("u2")), made) and np.array_equal(
            value(both.astype("u2")), made[::-1]
        )
        for v, e in zip(made, exact):
            r = rounded(e, digits, least)
            assert (Fraction(float(v)) == r) if abs(r) < 65520 or kind != "f16" else math.isinf(v)
    assert np.array_equal(
        predicate(f"setp.lt.{kind} {{0}}, {{1}}, {{2}}", a, b), value(a) < value(b)
    )


def test_approximate_functions() -> None:
    x = RNG.uniform(0.1, 8.0, 200).astype("f4")
    for name, f in (("ex2.approx.f32", np.exp2), ("lg2.approx.f32", np.log2), ("rsqrt.approx.f32", lambda v: 1 / np.sqrt(v)),
                    ("sin.approx.f32", np.sin), ("cos.approx.f32", np.cos), ("tanh.approx.f32", np.tanh),
                    ("sqrt.approx.f32", np.sqrt), ("rcp.approx.ftz.f32", lambda v: 1 / v)):  # fmt: skip
        np.testing.assert_allclose(
            apply(f"{name} {{0}}, {{1}}", x, out="f4"), f(x.astype("f8")), rtol=1e-6, atol=1e-6
        )


def test_flush_and_saturation() -> None:
    tiny = np.array([1e-45, -1e-40, 1.0, 2.0**-126], "f4")
    same(
        apply("add.ftz.f32 {0}, {1}, {2}", tiny, np.zeros(4, "f4"), out="f4"),
        np.array([0.0, 0.0, 1.0, 2.0**-126], "f4"),
    )
    same(
        apply("mul.ftz.f32 {0}, {1}, {2}", tiny, np.ones(4, "f4"), out="f4"),
        np.array([0.0, -0.0, 1.0, 2.0**-126], "f4"),
    )
    x = np.array([-1.0, 0.25, 2.0, np.nan], "f4")
    same(
        apply("add.sat.f32 {0}, {1}, {2}", x, np.zeros(4, "f4"), out="f4"),
        np.array([0.0, 0.25, 1.0, 0.0], "f4"),
    )


def test_packing_and_selecting() -> None:
    a, b = ints(100, "u4"), ints(100, "u4")
    same(apply("mov.b64 {0}, {{{1}, {2}}}", a, b, out="u8"), (b.astype("u8") << 32) | a)
    x = ints(100, "u8")
    same(apply("{{.reg .b32 lo, hi; mov.b64 {{lo, hi}}, {1}; add.u32 {0}, lo, hi;}}", x, out="u4"),
         x.astype("u4") + (x >> np.uint64(32)).astype("u4"))  # fmt: skip
    same(
        apply("{{.reg .b16 p, q; mov.b32 {{p, q}}, {1}; mov.b32 {0}, {{q, p}};}}", a, out="u4"),
        (a << 16) | (a >> 16),
    )
    same(
        apply("slct.b32.s32 {0}, {1}, {2}, {1}", a, b, out="u4"), np.where(a.view("i4") >= 0, a, b)
    )
    joined = predicate(
        "setp.lt.u32 %p5, {1}, 1000000; setp.gt.and.u32 {0}|%p6, {1}, {2}, !%p5", a, b
    )
    assert np.array_equal(joined, (a > b) & (a >= 1000000))
