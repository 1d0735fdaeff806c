"""Instructions on float32 and float64 numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import halves, integers
from .fma import fma
from .ptx import Instruction
from .rounding import add_odd, directed_f64, product_error, to_f32, two_sum
from .values import Context, Op, elementwise, instruction, unsupported

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
_DIRECTED = ("rz", "rm", "rp")
_TINY = np.float32(2.0**-126)


def flushed(a: Any) -> Any:
    """Subnormal float32 numbers become zeros of their sign."""
    return np.where(np.abs(a) < _TINY, np.copysign(np.float32(0), a), a)


def decorated(i: Instruction, f: Callable[..., Any]) -> Callable[..., Any]:
    """f with the modifiers .ftz and .sat."""
    g = f
    if "ftz" in i.modifiers and i.type == "f32":

        def ftz(*args: Any) -> Any:
            return flushed(f(*[flushed(a) for a in args]))

        g = ftz
    if "sat" in i.modifiers:
        inner = g

        def sat(*args: Any) -> Any:
            x = inner(*args)
            return np.where(
                np.isnan(x), x.dtype.type(0), np.clip(x, x.dtype.type(0), x.dtype.type(1))
            )

        g = sat
    return g


def minimum(a: Any, b: Any) -> Any:
    """Of a number and NaN the number; -0 is less than +0."""
    out = np.fmin(a, b)
    zeros = (a == 0) & (b == 0)
    return np.where(zeros & (np.signbit(a) | np.signbit(b)), -np.zeros_like(out), out)


def maximum(a: Any, b: Any) -> Any:
    out = np.fmax(a, b)
    zeros = (a == 0) & (b == 0)
    return np.where(zeros & ~(np.signbit(a) & np.signbit(b)), np.zeros_like(out), out)


def with_nan(f: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """NaN where one of the two is (min.NaN and max.NaN)."""
    return lambda a, b: np.where(np.isnan(a) | np.isnan(b), a.dtype.type(np.nan), f(a, b))


def _arithmetic(i: Instruction) -> Callable[[Any, Any], Any]:
    mode = next((m for m in i.modifiers if m in _DIRECTED), "")
    opcode = i.opcode
    if not mode:
        return {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}[opcode]
    if i.type == "f32":

        def single(a: Any, b: Any) -> Any:
            x, y = a.astype(F64), b.astype(F64)
            if opcode == "mul":
                return to_f32(x * y, mode)
            if opcode in ("add", "sub"):
                return to_f32(add_odd(x, y if opcode == "add" else -y), mode)
            q = x / y  # float64 of two float32: never exactly between two float32 unless exact
            return to_f32(q, mode)

        return single

    def double(a: Any, b: Any) -> Any:
        if opcode == "mul":
            return directed_f64(*product_error(a, b), mode)
        if opcode in ("add", "sub"):
            return directed_f64(*two_sum(a, b if opcode == "add" else -b), mode)
        q = a / b
        return directed_f64(q, fma(-q, b, a) * np.sign(b), mode)

    return double


def _fma_function(i: Instruction) -> Callable[..., Any]:
    mode = next((m for m in i.modifiers if m in _DIRECTED), "")
    if not mode:
        return lambda a, b, c: fma(a, b, c)
    if i.type == "f64":
        raise unsupported(i)
    return lambda a, b, c: to_f32(add_odd(a.astype(F64) * b.astype(F64), c.astype(F64)), mode)


def build(c: Context, i: Instruction) -> Op:
    """add, sub, mul, div, fma, mad, neg, abs, min, max of floating point numbers."""
    kind, opcode = i.type, i.opcode
    if kind in ("f16", "bf16", "f16x2", "bf16x2"):
        return halves.build(c, i)
    if kind not in ("f32", "f64"):
        raise unsupported(i)
    known = {"rn", "ftz", "sat", "approx", "full", "NaN", *_DIRECTED, kind}
    if not known.issuperset(i.modifiers):
        raise unsupported(i)
    if opcode in ("add", "sub", "mul", "div"):
        return elementwise(c, i, decorated(i, _arithmetic(i)), (kind, kind), kind)
    if opcode in ("fma", "mad"):
        return elementwise(c, i, decorated(i, _fma_function(i)), (kind,) * 3, kind)
    if opcode in ("min", "max"):
        f: Callable[..., Any] = minimum if opcode == "min" else maximum
        f = with_nan(f) if "NaN" in i.modifiers else f
        return elementwise(c, i, decorated(i, f), (kind,) * (len(i.operands) - 1), kind)
    if opcode in ("neg", "abs"):
        # Bits, so that NaN keeps its own.
        bits = kind.replace("f", "b")
        mask = np.uint32(1 << 31) if kind == "f32" else np.uint64(1 << 63)
        g: Callable[[Any], Any] = (lambda a: a ^ mask) if opcode == "neg" else (lambda a: a & ~mask)
        if "ftz" in i.modifiers:
            return elementwise(c, i, lambda a: g(flushed(a.view(F32)).view(a.dtype)), (bits,), bits)
        return elementwise(c, i, g, (bits,), bits)
    raise unsupported(i)


@instruction("add", "sub", "mul", "div", "rem", "neg", "abs", "min", "max")
def _by_type(c: Context, i: Instruction) -> Op:
    return (
        integers.build(c, i)
        if integers.is_integer(i.type) or i.type in ("u16x2", "s16x2")
        else build(c, i)
    )


@instruction("fma")
def _fma(c: Context, i: Instruction) -> Op:
    return build(c, i)


_mad_of_integers = integers._mad


@instruction("mad")
def _mad(c: Context, i: Instruction) -> Op:
    return _mad_of_integers(c, i) if integers.is_integer(i.type) else build(c, i)


def _reciprocal(a: Any) -> Any:
    return a.dtype.type(1) / a


def _sine_cosine(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda a: f(a.astype(F64)).astype(a.dtype)


_UNARY: dict[str, Callable[[Any], Any]] = {
    "sqrt": np.sqrt,
    "rcp": _reciprocal,
    "rsqrt": lambda a: (1 / np.sqrt(a.astype(F64))).astype(a.dtype),
    "sin": _sine_cosine(np.sin),
    "cos": _sine_cosine(np.cos),
    "lg2": lambda a: np.log2(a.astype(F64)).astype(a.dtype),
    "ex2": lambda a: np.exp2(a.astype(F64)).astype(a.dtype),
    "tanh": lambda a: np.tanh(a.astype(F64)).astype(a.dtype),
}


@instruction(*_UNARY)
def _unary(c: Context, i: Instruction) -> Op:
    kind = i.type
    if kind not in ("f32", "f64"):
        return halves.unary(c, i, _UNARY[i.opcode])
    if not {"rn", "ftz", "approx", "sat", kind}.issuperset(i.modifiers):
        raise unsupported(i)
    return elementwise(c, i, decorated(i, _UNARY[i.opcode]), (kind,), kind)


@instruction("copysign")
def _copysign(c: Context, i: Instruction) -> Op:
    # The sign of the first, the rest of the second.
    bits = i.type.replace("f", "b")
    mask = np.uint32(1 << 31) if i.type == "f32" else np.uint64(1 << 63)
    return elementwise(c, i, lambda a, b: (a & mask) | (b & ~mask), (bits, bits), bits)


@instruction("testp")
def _testp(c: Context, i: Instruction) -> Op:
    tiny = np.finfo(np.float32 if i.type == "f32" else np.float64).tiny
    tests: dict[str, Callable[[Any], Any]] = {
        "finite": np.isfinite,
        "infinite": np.isinf,
        "number": lambda a: ~np.isnan(a),
        "notanumber": np.isnan,
        "normal": lambda a: np.isfinite(a) & (np.abs(a) >= tiny),
        "subnormal": lambda a: (a != 0) & (np.abs(a) < tiny),
    }
    return elementwise(c, i, tests[i.modifiers[0]], (i.type,), "pred")
