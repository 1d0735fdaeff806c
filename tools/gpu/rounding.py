"""Exact rounding: float64 results to narrower types, in every direction."""

from __future__ import annotations

from typing import Any

import numpy as np

from .fma import fma

U16, U32, U64, I64 = (np.dtype(t) for t in (np.uint16, np.uint32, np.uint64, np.int64))
F32, F64 = np.dtype(np.float32), np.dtype(np.float64)


def two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """float64 s and e, s = a + b rounded, s + e = a + b exactly."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def odd(s: Any, e: Any) -> Any:
    """float64 `s + e`, `s` being its nearest, rounded to odd: of the two neighbours the one whose last
    bit is 1, so that rounding it once more to fewer bits is right."""
    s = np.asarray(s, F64)
    bits = s.view(U64)
    # s is the larger in magnitude where e points to zero: the truncated one is the one before.
    towards_zero = (e != 0) & ((e < 0) == (s > 0)) & (s != 0)
    kept = np.where(towards_zero, bits - np.uint64(1), bits)
    inexact = (e != 0) & np.isfinite(e) & np.isfinite(s)
    return np.where(inexact, kept | np.uint64(1), bits).view(F64)


def to_f32(x: Any, mode: str = "rn") -> Any:
    """float64 to float32. Modes: "rn", "rz", "rm" (down), "rp" (up), "odd"."""
    x = np.asarray(x, F64)
    near = x.astype(F32)
    if mode == "rn":
        return near
    back = near.astype(F64)
    bits = near.view(U32)
    with np.errstate(invalid="ignore"):
        above = np.abs(back) > np.abs(x)
    truncated = np.where(above, bits - np.uint32(1), bits)
    inexact = (back != x) & ~np.isnan(x)
    if mode == "rz":
        return truncated.view(F32)
    if mode == "odd":
        return np.where(inexact, truncated | np.uint32(1), bits).view(F32)
    # Away from zero where the direction and the sign agree.
    away = inexact & ((x < 0) if mode == "rm" else (x > 0))
    return np.where(away, truncated + np.uint32(1), truncated).view(F32)


def f32_to_bf16(x: Any, mode: str = "rn") -> Any:
    """float32 to the bits of bfloat16."""
    bits = np.asarray(x, F32).view(U32)
    if mode == "rz":
        made = bits >> np.uint32(16)
    elif mode == "rna":
        made = (bits + np.uint32(0x8000)) >> np.uint32(16)
    else:
        made = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(
            16
        )
    return np.where(np.isnan(x), np.uint16(0x7FFF), made.astype(U16))


def to_bf16(x: Any, mode: str = "rn") -> Any:
    """float64 to the bits of bfloat16."""
    return f32_to_bf16(to_f32(x, "odd" if mode != "rz" else "rz"), mode)


def from_bf16(bits: Any) -> Any:
    """The bits of bfloat16 as float32."""
    return (np.asarray(bits, U16).astype(U32) << np.uint32(16)).view(F32)


def to_f16(x: Any, mode: str = "rn") -> Any:
    """float64 or float32 to float16."""
    x = np.asarray(x)
    near = x.astype(np.float16)
    if mode == "rn":
        return near
    wide = x.astype(F64)
    back = near.astype(F64)
    bits = near.view(U16)
    truncated = np.where(np.abs(back) > np.abs(wide), bits - np.uint16(1), bits)
    if mode == "rz":
        return truncated.view(np.float16)
    away = (back != wide) & ~np.isnan(wide) & ((wide < 0) if mode == "rm" else (wide > 0))
    return np.where(away, truncated + np.uint16(1), truncated).view(np.float16)


def add_odd(a: Any, b: Any) -> Any:
    """The sum of float64 numbers, rounded to odd."""
    return odd(*two_sum(np.asarray(a, F64), np.asarray(b, F64)))


def multiply_add_odd(a: Any, b: Any, c: Any) -> Any:
    """a * b + c rounded to odd, where a * b is exact in float64."""
    return add_odd(np.asarray(a, F64) * np.asarray(b, F64), c)


def directed_f64(near: Any, error: Any, mode: str) -> Any:
    """A float64 result rounded in a direction, from its nearest and the (sign of the) error."""
    near = np.asarray(near, F64)
    if mode == "rz":
        towards = np.where(near > 0, -np.inf, np.inf)
        wrong = (error != 0) & ((error < 0) == (near > 0))
    else:
        towards = np.asarray(-np.inf if mode == "rm" else np.inf)
        wrong = (error < 0) if mode == "rm" else (error > 0)
    return np.where(wrong & np.isfinite(near), np.nextafter(near, towards), near)


def product_error(a: Any, b: Any) -> tuple[Any, Any]:
    """float64 p and e, p = a * b rounded, p + e = a * b exactly (but for underflow)."""
    p = a * b
    return p, fma(a, b, -p)
