"""Number formats that NumPy lacks, kept as their bits: bfloat16, the 8-bit floats, complex32."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

# --- bfloat16 -----------------------------------------------------------------------------------


def to_float32(bits: np.ndarray) -> np.ndarray:
    """bfloat16 bits → float32 values."""
    wide = np.array(bits, np.uint32)
    wide <<= np.uint32(16)  # in place, so that 0-d arrays stay arrays
    return wide.view(np.float32)


def to_bfloat16(values: np.ndarray) -> np.ndarray:
    """float values → bfloat16 bits, rounded to nearest even; NaN stays NaN."""
    bits = np.atleast_1d(np.asarray(values, np.float32)).view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    nan = (bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
    out = np.where(nan, np.uint32(0x7FC0), rounded).astype(np.uint16)
    return out.reshape(np.shape(values))


# --- complex32: two float16 side by side --------------------------------------------------------


def to_complex64(bits: np.ndarray) -> np.ndarray:
    """complex32 bits → complex64 values."""
    halves = np.ascontiguousarray(bits).reshape(-1).view(np.float16)
    return halves.astype(np.float32).view(np.complex64).reshape(np.shape(bits))


def to_complex32(values: np.ndarray) -> np.ndarray:
    """complex values → complex32 bits."""
    wide = np.ascontiguousarray(values, np.complex64).reshape(-1).view(np.float32)
    return wide.astype(np.float16).view(np.uint32).reshape(np.shape(values))


# --- 8-bit floats -------------------------------------------------------------------------------


class Float8(NamedTuple):
    """A sign, exponent and mantissa in a byte, as OCP's 8-bit formats (e4m3fn, e5m2, e8m0) and
    those of Graphcore and AMD without negative zero (fnuz)."""

    mantissa: int
    """Bits of the mantissa; `exponent` bits stand before them."""
    exponent: int
    bias: int
    nan: int
    """The code that NaN becomes."""
    beyond: int
    """The code of what is too large: infinity where the format has one, the largest number of
    e4m3fn, else NaN."""
    infinite: bool = False
    unsigned_zero: bool = False
    """There is no negative zero: its code is NaN."""


FLOAT8 = {
    "float8_e4m3fn": Float8(3, 4, 7, 0x7F, 0x7E),
    "float8_e5m2": Float8(2, 5, 15, 0x7F, 0x7C, infinite=True),
    "float8_e4m3fnuz": Float8(3, 4, 8, 0x80, 0x80, unsigned_zero=True),
    "float8_e5m2fnuz": Float8(2, 5, 16, 0x80, 0x80, unsigned_zero=True),
}


@functools.cache
def _decoded(name: str) -> np.ndarray:
    """The float32 values of all 256 codes."""
    codes = np.arange(256)
    if name == "float8_e8m0fnu":
        with np.errstate(over="ignore"):
            values = np.exp2(codes - 127.0).astype(np.float32)
        values[255] = np.nan
        return values
    f = FLOAT8[name]
    fraction = (codes & ((1 << f.mantissa) - 1)) / (1 << f.mantissa)
    power = (codes & 0x7F) >> f.mantissa
    # The exponent 0 has that of 1, without a leading one: numbers below the smallest normal one.
    values = np.where(power, 1 + fraction, fraction) * np.exp2(np.maximum(power, 1.0) - f.bias)
    values = np.where(codes & 0x80, -values, values).astype(np.float32)
    if f.unsigned_zero:
        values[0x80] = np.nan
    elif f.infinite:
        values[codes & 0x7F > f.beyond] = np.nan
        values[[f.beyond, f.beyond | 0x80]] = np.inf, -np.inf
    else:
        values[[0x7F, 0xFF]] = np.nan
    return values


@functools.cache
def _borders(name: str) -> np.ndarray:
    """The values halfway between neighbouring codes, up to where everything is too large."""
    values = _decoded(name)[:128].astype(np.float64)
    finite = values[np.isfinite(values)]
    beyond = 2 * finite[-1] - finite[-2]
    steps = np.append(finite, beyond)
    return (steps[:-1] + steps[1:]) / 2


def _encode_float8(name: str, values: np.ndarray) -> np.ndarray:
    f, borders = FLOAT8[name], _borders(name)
    wide = np.asarray(values, np.float32).astype(np.float64)
    size = np.abs(wide)
    below = np.searchsorted(borders, size, "left")
    above = np.searchsorted(borders, size, "right")
    code = np.where(below % 2 == 0, below, above)  # the same but halfway: to the even one
    code = np.where(code >= len(borders), f.beyond, code)
    nan = np.isnan(wide)
    code = np.where(nan, f.nan, code)
    minus = np.signbit(wide)
    if f.unsigned_zero:
        minus &= (code != 0) & (code != f.nan)
    return (code | np.where(minus, 0x80, 0)).astype(np.uint8)


def _encode_exponent(values: np.ndarray) -> np.ndarray:
    """The exponent alone, rounded by the mantissa: halfway to the even one, 2**-127 upwards."""
    bits = np.atleast_1d(np.asarray(values, np.float32)).view(np.uint32)
    power = ((bits >> np.uint32(23)) & np.uint32(0xFF)).astype(np.int64)
    rest = (bits & np.uint32(0x7FFFFF)).astype(np.int64)
    half = 1 << 22
    up = (rest > half) | ((rest == half) & (power > 0))
    code = np.where(power == 255, 255, power + up)
    return code.astype(np.uint8).reshape(np.shape(values))


# --- all of them --------------------------------------------------------------------------------


def codec(name: str) -> tuple[Callable[[np.ndarray], np.ndarray], Callable[[Any], np.ndarray]]:
    """The functions that read and write a format: bits → values, values → bits."""
    if name == "bfloat16":
        return to_float32, to_bfloat16
    if name == "complex32":
        return to_complex64, to_complex32
    if name == "float8_e8m0fnu":
        return lambda bits: _decoded(name)[bits], _encode_exponent
    return lambda bits: _decoded(name)[bits], functools.partial(_encode_float8, name)
