"""Sine and its kin, for `vectormath`, all in float64.

x = n pi/2 + r with |r| <= pi/4: by pi/2 in three pieces (Cody and Waite 1980) up to FAR, beyond it
lane by lane with as many bits of 2/pi as it takes (Payne and Hanek 1983).
"""

from __future__ import annotations

import math

from .vectormath_tables import TABLES
from .vectormath_text import Body, Val

PI_2 = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33)
"""pi/2 in three pieces."""
FAR = 2.0**43
"""Up to it, rounding x * 2/pi moves |r| by no more than 2^-9 beyond pi/4."""


class Reduced:
    """r, what r lacks, and n in low bits."""

    def __init__(self, r: Val, rest: Val, n: Val) -> None:
        self.r = r
        self.rest = rest
        self.n = n


def _reduce(b: Body, x: Val, bits: int) -> Reduced:
    n, low = b.round_product(x, 2.0 / math.pi)
    first = b.fma(n, -PI_2[0], x)
    if bits < 53:
        r, rest = b.fma(n, -PI_2[1], first), b.val(0.0, x.kind)
    else:  # The first difference is exact, and the second may leave little of it.
        second, second_rest = b.two_product(n, -PI_2[1])
        r, rest = b.two_sum(first, second)
        rest = b.fma(n, -PI_2[2], rest + second_rest)
    return _reduce_far(b, x, Reduced(r, rest, b.bits(low)))


def _reduce_far(b: Body, x: Val, near: Reduced) -> Reduced:
    """The same, but for lanes beyond FAR, if there are any: by a call."""
    any_far = b.any(b.abs(x).gt(FAR))
    f, i = b.type("double"), b.type("i64")
    b.helpers.add("reduce")
    struct = f"{{ {f}, {f}, {i} }}"
    args = f"{f} {x.ref}, {f} {near.r.ref}, {f} {near.rest.ref}, {i} {near.n.ref}"
    b.lines.append(f"  br i1 {any_far.ref}, label %far, label %near\nfar:")
    out = b.line(f"call {struct} @vm_reduce_{b.tag}({args})", "double")
    parts = [
        b.line(f"extractvalue {struct} {out.ref}, {k}", kind)
        for k, kind in enumerate(("double", "double", "i64"))
    ]
    b.lines.append("  br label %near\nnear:")
    before = (near.r, near.rest, near.n)
    r, rest, n = (
        b.line(f"phi {b.type(p.kind)} [ {a.ref}, %entry ], [ {p.ref}, %far ]", p.kind)
        for a, p in zip(before, parts)
    )
    return Reduced(r, rest, n)


def _sin(b: Body, x: Reduced, bits: int) -> tuple[Val, Val]:
    """The sine of r, as a large part and a correction."""
    z = x.r * x.r
    return x.r, b.fma(x.r * z, b.poly(z, TABLES["sin", bits]), x.rest)


def _cos(b: Body, x: Reduced, bits: int) -> tuple[Val, Val]:
    """1 - z/2 and what that rounds away, as in fdlibm's k_cos.c."""
    z = x.r * x.r
    half = z * 0.5
    w = 1.0 - half
    lost = (1.0 - w) - half
    return w, lost + b.fma(z * z, b.poly(z, TABLES["cos", bits]), -(x.r * x.rest))


def _turned(b: Body, x: Val, bits: int, quarter: int) -> Val:
    """The sine of x + quarter * pi/2."""
    reduced = _reduce(b, x, bits)
    n = reduced.n + quarter if quarter else reduced.n
    s, c = _sin(b, reduced, bits), _cos(b, reduced, bits)
    out = b.select((n & 1).eq(0), s[0] + s[1], c[0] + c[1])
    return b.as_float(b.bits(out) ^ ((n & 2) << 62))


def sin(b: Body, x: Val, bits: int) -> Val:
    return b.select(x.eq(0.0), x, _turned(b, x, bits, 0))


def cos(b: Body, x: Val, bits: int) -> Val:
    return _turned(b, x, bits, 1)


def tan(b: Body, x: Val, bits: int) -> Val:
    """sin / cos, or -cos / sin; in float64 with what the quotient's parts lack."""
    reduced = _reduce(b, x, bits)
    even = (reduced.n & 1).eq(0)
    s, c = _sin(b, reduced, bits), _cos(b, reduced, bits)
    if bits < 53:
        sine, cosine = s[0] + s[1], c[0] + c[1]
        out = b.select(even, sine, -cosine) / b.select(even, cosine, sine)
    else:
        s, c = b.fast_two_sum(*s), b.fast_two_sum(*c)
        over = [b.select(even, p, -q) for p, q in zip(s, c)]
        under = [b.select(even, q, p) for p, q in zip(s, c)]
        q = over[0] / under[0]
        rest = b.fma(-q, under[0], over[0]) + b.fma(-q, under[1], over[1])
        out = q + rest / under[0]
    return b.select(x.eq(0.0), x, out)


def _asin_rest(b: Body, x: Val, z: Val, bits: int) -> Val:
    """asin(x) - x for z = x^2 <= 1/4."""
    return x * z * b.poly(z, TABLES["asin", bits])


def _asin_parts(b: Body, x: Val, bits: int) -> tuple[Val, Val, Val, Val]:
    """For a = |x|: whether a <= 1/2, and s and asin(s) - s, where s is a, or beyond 1/2
    sqrt((1 - a) / 2), of which asin(a) = pi/2 - 2 asin(s)."""
    a = b.abs(x)
    small = a.le(0.5)
    z = b.select(small, a * a, b.fma(a, -0.5, 0.5))
    s = b.select(small, a, b.sqrt(z))
    return a, small, s, _asin_rest(b, s, z, bits)


def asin(b: Body, x: Val, bits: int) -> Val:
    _, small, s, rest = _asin_parts(b, x, bits)
    large = (PI_2[0] - (s + s)) - (rest + rest - PI_2[1])
    return b.copysign(b.select(small, s + rest, large), x)


def acos(b: Body, x: Val, bits: int) -> Val:
    _, small, s, rest = _asin_parts(b, x, bits)
    negative = x.lt(0.0)
    signed = b.copysign(s, x)
    middle = (PI_2[0] - signed) - (b.copysign(rest, x) - PI_2[1])
    double, double_rest = s + s, rest + rest
    left = (2 * PI_2[0] - double) - (double_rest - 2 * PI_2[1])
    return b.select(small, middle, b.select(negative, left, double + double_rest))


def _atan_rest(b: Body, t: Val, bits: int) -> Val:
    """atan(t) - t for 0 <= t <= 1."""
    z = t * t
    return t * z * b.poly(z, TABLES["atan", bits])


def atan(b: Body, x: Val, bits: int) -> Val:
    a = b.abs(x)
    small = a.le(1.0)
    t = b.select(small, a, 1.0 / a)
    rest = _atan_rest(b, t, bits)
    large = (PI_2[0] - t) - (rest - PI_2[1])
    return b.copysign(b.select(small, t + rest, large), x)


def atan2(b: Body, y: Val, x: Val, bits: int) -> Val:
    """The angle of (x, y), from that of the point mirrored into 0 <= y <= x."""
    p, q = b.abs(y), b.abs(x)
    steep = p.gt(q)
    over, under = b.select(steep, q, p), b.select(steep, p, q)
    t = over / under
    t = b.select(over.eq(under), b.select(over.eq(0.0), 0.0, 1.0, y.kind), t)
    rest = _atan_rest(b, t, bits)
    left = b.bits(x).lt(0)
    # pi/2 - t, pi/2 + t, pi - t or t.
    base = b.select(steep, PI_2[0], b.select(left, math.pi, 0.0, y.kind))
    base_rest = b.select(steep, PI_2[1], b.select(left, 2 * PI_2[1], 0.0, y.kind))
    flip = steep ^ left
    t, rest = b.select(flip, -t, t), b.select(flip, -rest, rest)
    return b.copysign((base + t) + (rest + base_rest), y)
