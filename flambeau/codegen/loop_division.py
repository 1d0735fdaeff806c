"""floordiv, remainder and fmod: integers that never trap, floats exactly as NumPy has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .loop import DTYPES

if TYPE_CHECKING:
    from .loop_values import Lanes


def apply(v: Lanes, op: str, dtype: str, a: str, b: str, divisor: Any = None) -> str:
    """The result of `op`, one of the three. `divisor` is b where it is a constant."""
    if dtype in ("float32", "float64"):
        mod = v.outside("fmod", dtype, a, b)
        if op == "fmod":
            return mod
        return _remainder(v, dtype, mod, b) if op == "remainder" else _floor(v, dtype, mod, a, b)
    if divisor is not None and 0 < divisor < 1 << (8 * DTYPES[dtype] - 1):
        return _by_constant(v, op, dtype, a, int(divisor))
    return _integer(v, op, dtype, a, b)


def _by_constant(v: Lanes, op: str, dtype: str, a: str, divisor: int) -> str:
    """By a positive constant: shifts where it is a power of two."""
    c = lambda k: v.const(k, dtype)  # noqa: E731
    if divisor & (divisor - 1) == 0:
        if op == "remainder":
            return v.do("and", dtype, a, c(divisor - 1))
        shift = "lshr" if dtype == "uint8" else "ashr"
        return v.do(shift, dtype, a, c(divisor.bit_length() - 1))
    if dtype == "uint8":
        return v.do("udiv" if op == "floordiv" else "urem", dtype, a, c(divisor))
    quotient = v.do("sdiv", dtype, a, c(divisor))
    rest = v.do("sub", dtype, a, v.do("mul", dtype, quotient, c(divisor)))
    below = v.compare("lt", dtype, rest, c(0))
    if op == "remainder":
        return v.do("add", dtype, rest, v.select(below, dtype, c(divisor), c(0)))
    return v.do("sub", dtype, quotient, v.select(below, dtype, c(1), c(0)))


def _integer(v: Lanes, op: str, dtype: str, a: str, b: str) -> str:
    """0 where b is 0. The quotient by -1 is a negation, which wraps where a division traps."""
    c = lambda k: v.const(k, dtype)  # noqa: E731
    zero = v.compare("eq", dtype, b, c(0))
    if dtype == "uint8":
        safe = v.select(zero, dtype, c(1), b)
        out = v.do("udiv" if op == "floordiv" else "urem", dtype, a, safe)
        return v.select(zero, dtype, c(0), out)
    minus = v.compare("eq", dtype, b, c(-1))
    safe = v.select(v.do("or", "bool", zero, minus), dtype, c(1), b)
    quotient = _quotient(v, dtype, a, safe)
    rest = v.do("sub", dtype, a, v.do("mul", dtype, quotient, safe))
    other_sign = v.compare("lt", dtype, v.do("xor", dtype, rest, safe), c(0))
    below = v.do("and", "bool", other_sign, v.compare("ne", dtype, rest, c(0)))
    if op == "remainder":
        out = v.do("add", dtype, rest, v.select(below, dtype, safe, c(0)))
        return v.select(zero, dtype, c(0), out)  # By -1 the rest of a division by 1: 0.
    out = v.do("sub", dtype, quotient, v.select(below, dtype, c(1), c(0)))
    out = v.select(minus, dtype, v.do("sub", dtype, c(0), a), out)
    return v.select(zero, dtype, c(0), out)


def _quotient(v: Lanes, dtype: str, a: str, b: str) -> str:
    """a / b truncated. There are no vector instructions for it; up to 32 bits doubles are exact,
    since the nearest double of a quotient that is no integer lies on the same side of it."""
    if v.lanes == 1 or DTYPES[dtype] == 8:
        return v.do("sdiv", dtype, a, b)
    x, y = (v.cast(k, dtype, "float64") for k in (a, b))
    return v.cast(v.do("fdiv", "float64", x, y), "float64", dtype)


def _remainder(v: Lanes, dtype: str, mod: str, b: str) -> str:
    """fmod moved to the divisor's sign; a zero has the divisor's sign."""
    zero = v.const(0, dtype)
    differ = v.do("xor", "bool", v.compare("lt", dtype, b, zero), v.compare("lt", dtype, mod, zero))
    moved = v.select(differ, dtype, v.do("fadd", dtype, mod, b), mod)
    is_zero = v.compare("eq", dtype, mod, zero)
    return v.select(is_zero, dtype, v.call("copysign", dtype, zero, b), moved)


def _floor(v: Lanes, dtype: str, mod: str, a: str, b: str) -> str:
    """NumPy's floor_divide: from the exact remainder, so that it agrees with it."""
    zero, one = v.const(0, dtype), v.const(1, dtype)
    plain = v.do("fdiv", dtype, a, b)
    quotient = v.do("fdiv", dtype, v.do("fsub", dtype, a, mod), b)
    differ = v.do("xor", "bool", v.compare("lt", dtype, b, zero), v.compare("lt", dtype, mod, zero))
    below = v.do("and", "bool", differ, v.compare("ne", dtype, mod, zero))
    quotient = v.select(below, dtype, v.do("fsub", dtype, quotient, one), quotient)
    low = v.call("floor", dtype, quotient)
    up = v.compare("gt", dtype, v.do("fsub", dtype, quotient, low), v.const(0.5, dtype))
    low = v.select(up, dtype, v.do("fadd", dtype, low, one), low)
    is_zero = v.compare("eq", dtype, quotient, zero)
    low = v.select(is_zero, dtype, v.call("copysign", dtype, zero, plain), low)
    return v.select(v.compare("eq", dtype, b, zero), dtype, plain, low)


def fmod_text(target: Any, lanes: int, dtype: str, attributes: str) -> str:
    """The IR of `vm_fmod`: the exact remainder of the sign of a, NaN for b = 0 or a infinite.

    The divisor is scaled up by powers of 2^BITS to just below a, then taken off at every scale on
    the way down. A turn's quotient has at most BITS + 1 bits, so its fma is exact.
    """
    from .llvm_text import Function
    from .loop_values import Lanes

    kind = "f32" if dtype == "float32" else "f64"
    name = f"vm_fmod_v{lanes}{kind}"
    bits = 20 if dtype == "float32" else 48
    f = Function(name, "", attributes)
    v = Lanes(f, target, lanes, set())
    t = v.kind(dtype)

    def named(name: str, text: str) -> None:
        f.lines.append(f"  %{name} = {text}")

    f.head = f"define internal {t} @{name}({t} %a, {t} %b) {attributes} {{"
    zero, inf = v.const(0, dtype), v.const(float("inf"), dtype)
    up, down = v.const(2.0**bits, dtype), v.const(2.0**-bits, dtype)
    size, by = v.call("fabs", dtype, "%a"), v.call("fabs", dtype, "%b")
    fine = v.do("and", "bool", v.compare("lt", dtype, size, inf), v.compare("gt", dtype, by, zero))
    within = v.do("and", "bool", fine, v.compare("lt", dtype, by, inf))
    rest = v.select(within, dtype, size, zero)
    unit = v.select(within, dtype, by, v.const(1, dtype))

    f.do("br label %up")
    f.label("up")
    named("unit.now", f"phi {t} [{unit}, %entry], [%unit.next, %up]")
    grow = v.compare("le", dtype, "%unit.now", v.do("fmul", dtype, rest, down))
    larger = v.do("fmul", dtype, "%unit.now", up)
    named("unit.next", f"select {v.kind('bool')} {grow}, {t} {larger}, {t} %unit.now")
    f.do(f"br i1 {_any(v, grow)}, label %up, label %down")

    f.label("down")
    named("scale.now", f"phi {t} [%unit.next, %up], [%scale.next, %down]")
    named("rest.now", f"phi {t} [{rest}, %up], [%rest.next, %down]")
    q = v.call("trunc", dtype, v.do("fdiv", dtype, "%rest.now", "%scale.now"))
    r = v.call("fma", dtype, f.op(f"fneg {t} {q}"), "%scale.now", "%rest.now")
    back = v.do("fadd", dtype, r, "%scale.now")
    below = v.compare("lt", dtype, r, zero)
    named("rest.next", f"select {v.kind('bool')} {below}, {t} {back}, {t} {r}")
    more = v.compare("gt", dtype, "%scale.now", unit)
    smaller = v.do("fmul", dtype, "%scale.now", down)
    named("scale.next", f"select {v.kind('bool')} {more}, {t} {smaller}, {t} %scale.now")
    f.do(f"br i1 {_any(v, more)}, label %down, label %out")

    f.label("out")
    # By an infinity everything finite is its own remainder.
    finite = v.compare("lt", dtype, size, inf)
    whole = v.do("and", "bool", finite, v.compare("eq", dtype, by, inf))
    out = v.select(whole, dtype, size, "%rest.next")
    wrong = v.do("xor", "bool", v.do("or", "bool", fine, whole), v.const(True, "bool"))
    signed = v.call("copysign", dtype, out, "%a")
    out = v.select(wrong, dtype, v.const(float("nan"), dtype), signed)
    return f.finish(f"{t} {out}")


def _any(v: Lanes, condition: str) -> str:
    if v.lanes == 1:
        return condition
    return v.f.op(f"call i1 @llvm.vector.reduce.or.v{v.lanes}i1(<{v.lanes} x i1> {condition})")
