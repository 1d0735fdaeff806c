"""Huge angles, for `vectormath`: functions that are called in the rare lanes that need them."""

from __future__ import annotations

from .vectormath_text import Body, literal

TWO_OVER_PI = (
    0x0000000000000000, 0xA2F9836E4E441529, 0xFC2757D1F534DDC0, 0xDB6295993C439041,
    0xFE5163ABDEBBC561, 0xB7246E3A424DD2E0, 0x06492EEA09D1921C, 0xFE1DEB1CB129A73E,
    0xE88235F52EBB4484, 0xE99C7026B45F7E41, 0x3991D639835339F4, 0x9C845F8BBDF9283B,
    0x1FF897FFDE05980F, 0xEF2F118B5A0A6D1F, 0x6D367ECF27CB09B7, 0x4F463F669E5FEA2D,
    0x7527BAC7EBE5F17B, 0x3D0739F78A5292EA, 0x6BFB5FB11F8D5D08, 0x56033046FC7B6BAB,
    0xF0CFBC209AF4361D,
)  # fmt: skip
"""A word of zeros, then the bits of 2/pi, 64 in each."""

_FAR = """
@vm_two_over_pi_{tag} = internal unnamed_addr constant [{count} x i64] [{words}]

define internal {{ double, double, i64 }} @vm_far_{tag}(double %x) noinline {attributes} {{
  %bits = bitcast double %x to i64
  %up = lshr i64 %bits, 52
  %biased = and i64 %up, 2047
  %low = and i64 %bits, 4503599627370495
  %m = or i64 %low, 4503599627370496
  ; |x| = m * 2^e; the bits of 2/pi before 2^(2-e) only give multiples of 2 pi. e - 2 + 64:
  %start = sub i64 %biased, 1013
  %word = lshr i64 %start, 6
  %shift = and i64 %start, 63
  %a0 = getelementptr [{count} x i64], ptr @vm_two_over_pi_{tag}, i64 0, i64 %word
  %a1 = getelementptr i64, ptr %a0, i64 1
  %a2 = getelementptr i64, ptr %a0, i64 2
  %a3 = getelementptr i64, ptr %a0, i64 3
  %w0 = load i64, ptr %a0
  %w1 = load i64, ptr %a1
  %w2 = load i64, ptr %a2
  %w3 = load i64, ptr %a3
  %p0 = call i64 @llvm.fshl.i64(i64 %w0, i64 %w1, i64 %shift)
  %p1 = call i64 @llvm.fshl.i64(i64 %w1, i64 %w2, i64 %shift)
  %p2 = call i64 @llvm.fshl.i64(i64 %w2, i64 %w3, i64 %shift)
  ; m * p modulo 2^192: two bits of quadrant, 190 of fraction.
  %mm = zext i64 %m to i128
  %q1 = zext i64 %p1 to i128
  %q2 = zext i64 %p2 to i128
  %t2 = mul i128 %mm, %q2
  %t1 = mul i128 %mm, %q1
  %c2 = lshr i128 %t2, 64
  %s1 = add i128 %t1, %c2
  %t0 = mul i64 %m, %p0
  %u0 = zext i64 %t0 to i128
  %v0 = shl i128 %u0, 64
  %top = add i128 %v0, %s1
  %quadrant = lshr i128 %top, 126
  %q = trunc i128 %quadrant to i64
  %f = shl i128 %top, 2
  %d2 = trunc i128 %t2 to i64
  %e2 = lshr i64 %d2, 62
  %g2 = zext i64 %e2 to i128
  %fraction = or i128 %f, %g2
  ; The nearest quadrant: the fraction, as a signed number, lies in [-1/2, 1/2).
  %minus = icmp slt i128 %fraction, 0
  %one = zext i1 %minus to i64
  %n = add i64 %q, %one
  %negated = sub i128 0, %fraction
  %size = select i1 %minus, i128 %negated, i128 %fraction
  %nonzero = or i128 %size, 1
  %zeros = call i128 @llvm.ctlz.i128(i128 %nonzero, i1 false)
  %normal = shl i128 %nonzero, %zeros
  ; 53 bits, and the next 53.
  %h128 = lshr i128 %normal, 75
  %h = trunc i128 %h128 to i64
  %l128 = lshr i128 %normal, 22
  %l64 = trunc i128 %l128 to i64
  %l = and i64 %l64, 9007199254740991
  %hd = sitofp i64 %h to double
  %ld = sitofp i64 %l to double
  %zc = trunc i128 %zeros to i64
  %ex = sub i64 1023, %zc
  %exs = shl i64 %ex, 52
  %unit = bitcast i64 %exs to double
  %hs = fmul double %hd, {high_scale}
  %ls = fmul double %ld, {low_scale}
  %high = fmul double %hs, %unit
  %rest = fmul double %ls, %unit
  ; times pi/2
  %r = fmul double %high, {pi_2}
  %rn = fneg double %r
  %r1 = call double @llvm.{fma}.f64(double %high, double {pi_2}, double %rn)
  %r2 = call double @llvm.{fma}.f64(double %high, double {pi_2_rest}, double %r1)
  %r3 = call double @llvm.{fma}.f64(double %rest, double {pi_2}, double %r2)
  %below = icmp slt i64 %bits, 0
  %turn = xor i1 %below, %minus
  %ra = fneg double %r
  %rb = select i1 %turn, double %ra, double %r
  %la = fneg double %r3
  %lb = select i1 %turn, double %la, double %r3
  %na = sub i64 0, %n
  %nb = select i1 %below, i64 %na, i64 %n
  ; NaN for an infinite x
  %nothing = fsub double %x, %x
  %rc = fadd double %rb, %nothing
  %o0 = insertvalue {{ double, double, i64 }} poison, double %rc, 0
  %o1 = insertvalue {{ double, double, i64 }} %o0, double %lb, 1
  %o2 = insertvalue {{ double, double, i64 }} %o1, i64 %nb, 2
  ret {{ double, double, i64 }} %o2
}}
"""

_LANES = """
define internal {s} @vm_reduce_{tag}({f} %x, {f} %r, {f} %rest, {i} %n) noinline {attributes} {{
entry:
  br label %loop
loop:
  %lane = phi i64 [ 0, %entry ], [ %next, %after ]
  %r0 = phi {f} [ %r, %entry ], [ %r2, %after ]
  %l0 = phi {f} [ %rest, %entry ], [ %l2, %after ]
  %n0 = phi {i} [ %n, %entry ], [ %n2, %after ]
  %one = extractelement {f} %x, i64 %lane
  %size = call double @llvm.fabs.f64(double %one)
  %far = fcmp ogt double %size, {limit}
  br i1 %far, label %work, label %after
work:
  %got = call {{ double, double, i64 }} @vm_far_{tag}(double %one)
  %g0 = extractvalue {{ double, double, i64 }} %got, 0
  %g1 = extractvalue {{ double, double, i64 }} %got, 1
  %g2 = extractvalue {{ double, double, i64 }} %got, 2
  %r1 = insertelement {f} %r0, double %g0, i64 %lane
  %l1 = insertelement {f} %l0, double %g1, i64 %lane
  %n1 = insertelement {i} %n0, i64 %g2, i64 %lane
  br label %after
after:
  %r2 = phi {f} [ %r0, %loop ], [ %r1, %work ]
  %l2 = phi {f} [ %l0, %loop ], [ %l1, %work ]
  %n2 = phi {i} [ %n0, %loop ], [ %n1, %work ]
  %next = add i64 %lane, 1
  %done = icmp eq i64 %next, {lanes}
  br i1 %done, label %end, label %loop
end:
  %o0 = insertvalue {s} poison, {f} %r2, 0
  %o1 = insertvalue {s} %o0, {f} %l2, 1
  %o2 = insertvalue {s} %o1, {i} %n2, 2
  ret {s} %o2
}}
"""

_SCALAR = """
define internal {s} @vm_reduce_{tag}({f} %x, {f} %r, {f} %rest, {i} %n) noinline {attributes} {{
  %got = call {s} @vm_far_{tag}(double %x)
  ret {s} %got
}}
"""


def text(b: Body, attributes: str, pi_2: tuple[float, ...], far: float) -> str:
    """`vm_reduce_{tag}(x, r, rest, n)`: the last three as given, but right where |x| > far:
    Payne and Hanek's method with 192 bits of 2/pi at a time. And what it calls."""
    f, i = b.type("double"), b.type("i64")
    fma = "fma" if b.fused else "fmuladd"
    names = {
        "s": f"{{ {f}, {f}, {i} }}",
        "f": f,
        "i": i,
        "tag": b.tag,
        "lanes": b.lanes,
        "limit": literal(far, "double"),
        "attributes": attributes,
        "count": len(TWO_OVER_PI),
        "words": ", ".join(f"i64 {w}" for w in TWO_OVER_PI),
        "fma": fma,
        "pi_2": literal(pi_2[0], "double"),
        "pi_2_rest": literal(pi_2[1], "double"),
        "high_scale": literal(2.0**-53, "double"),
        "low_scale": literal(2.0**-106, "double"),
    }
    b.declares |= {
        "declare i64 @llvm.fshl.i64(i64, i64, i64)",
        "declare i128 @llvm.ctlz.i128(i128, i1 immarg)",
        "declare double @llvm.fabs.f64(double)",
        f"declare double @llvm.{fma}.f64(double, double, double)",
    }
    return (_FAR + (_SCALAR if b.lanes == 1 else _LANES)).format(**names)
