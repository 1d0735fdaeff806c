"""What a random number can be: dtypes by name, checks of arguments, and casts as C makes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flambeau.runtime.rounding import to_bfloat16

# What a dtype name stands for: the array that holds it, its precision in bits, its largest value.
FLOATS: dict[str, tuple[type[np.floating[Any]], int, float]] = {
    "float16": (np.float16, 11, 65504.0),
    "bfloat16": (np.float32, 8, (2.0 - 2.0**-7) * 2.0**127),
    "float32": (np.float32, 24, (2.0 - 2.0**-23) * 2.0**127),
    "float64": (np.float64, 53, (2.0 - 2.0**-52) * 2.0**1023),
}
INTEGERS: dict[str, tuple[type[np.generic], int, int]] = {
    "bool": (np.bool_, 0, 1),
    "uint8": (np.uint8, 0, 255),
    "int8": (np.int8, -(2**7), 2**7 - 1),
    "int16": (np.int16, -(2**15), 2**15 - 1),
    "int32": (np.int32, -(2**31), 2**31 - 1),
    "int64": (np.int64, -(2**63), 2**63 - 1),
}
COMPLEX = {"complex64": "float32", "complex128": "float64"}

Array = NDArray[Any]


def float_row(operation: str, dtype: str) -> tuple[type[np.floating[Any]], int, float]:
    row = FLOATS.get(dtype)
    if row is None:
        raise NotImplementedError(
            f"{operation}: not defined for dtype {dtype}; use one of {', '.join(FLOATS)}"
        )
    return row


def check_bounds(dtype: str, low: float, high: float, largest: float) -> None:
    if not low <= high:
        raise RuntimeError(f"uniform_: expected low <= high, got low={low} and high={high}")
    for name, value in (("low", low), ("high", high)):
        if not -largest <= value <= largest:
            raise RuntimeError(f"uniform_: {name}={value} is out of bounds for {dtype}")
    if high - low > largest:
        raise RuntimeError(
            f"uniform_: high - low must not exceed {dtype}'s largest value {largest:g}, "
            f"got low={low} and high={high}"
        )


def default_range(dtype: str) -> tuple[int, int, int]:
    """The first value, the width of a draw and the modulus of ``random_()``."""
    if dtype in FLOATS:
        return 0, 64 if dtype == "float64" else 32, 2 ** FLOATS[dtype][1] + 1
    return 0, 64 if dtype == "int64" else 32, INTEGERS[dtype][2] + 1


def checked_range(dtype: str, low: int, high: int | None) -> tuple[int, int]:
    """The range [low, stop) that ``random_(low, high)`` draws from, inside what the dtype holds."""
    for value in (low, high):
        if value is not None and not -(2**63) <= value < 2**63:
            raise ValueError(f"random_: {value} does not fit in 64 bits")
    stop = _open_end(dtype) if high is None else high
    asked = f"low={low} and high={high}"
    # PyTorch refuses a float range of one value where it ends by itself.
    needed = 2 if dtype in FLOATS and high is None else 1
    if dtype in FLOATS and low < stop:
        low = _next_up(low, dtype)
        stop = stop if high is None else _next_down(stop, dtype)
    if stop - low < needed:
        raise RuntimeError(f"random_: expected low < high, got {asked} for {dtype}")
    smallest, largest = _limits(dtype)
    for name, value in (("low", low), ("high - 1", stop - 1)):
        if not smallest <= value <= largest:
            raise RuntimeError(f"random_: {name} is out of bounds for {dtype}, got {asked}")
    if dtype in FLOATS and max(-low, stop - 1) > 2 ** FLOATS[dtype][1]:
        import warnings

        warnings.warn(
            f"random_: {dtype} holds all integers up to 2**{FLOATS[dtype][1]} only, got {asked}",
            UserWarning,
            stacklevel=3,
        )
    return low, stop


def _limits(dtype: str) -> tuple[int, int]:
    if dtype in FLOATS:
        largest = int(FLOATS[dtype][2])
        return -largest, largest
    _, smallest, largest = INTEGERS[dtype]
    return smallest, largest


def _open_end(dtype: str) -> int:
    """Where ``random_(low, None)`` ends, itself excluded."""
    return 2 ** FLOATS[dtype][1] + 1 if dtype in FLOATS else INTEGERS[dtype][2] + 1


def _to_float(value: int, dtype: str) -> int:
    """`value` as the dtype rounds it; infinity is 2**64."""
    rounded = float(narrow(np.array([value], np.int64), dtype)[0])
    return int(min(max(rounded, -(2.0**64)), 2.0**64))


def _next_up(low: int, dtype: str) -> int:
    """`low`, or the dtype's next value above it where its successor would be rounded below it."""
    rounded = _to_float(low + 1, dtype)
    if rounded >= low:
        return low
    return rounded + (1 << (abs(low + 1).bit_length() - FLOATS[dtype][1]))


def _next_down(high: int, dtype: str) -> int:
    """`high`, or the value of the dtype below it where ``high - 1`` would be rounded up to it."""
    rounded = _to_float(high - 1, dtype)
    if rounded < high or rounded >= 2**63:
        return high
    return rounded - (1 << (abs(high - 1).bit_length() - FLOATS[dtype][1]))


def check_permutation(n: int, dtype: str) -> type[np.generic]:
    if n < 0:
        raise RuntimeError(f"randperm: expected n >= 0, got n={n}")
    if dtype in FLOATS:
        storage, digits, _ = FLOATS[dtype]
        if dtype != "bfloat16" and n > 2**digits + 1:
            raise RuntimeError(f"randperm: n={n} is more than {dtype} counts, 2**{digits} + 1")
        return storage
    if dtype not in INTEGERS or dtype == "bool":
        raise NotImplementedError(f"randperm: not defined for dtype {dtype}")
    kind, _, largest = INTEGERS[dtype]
    if n > largest + 1:
        raise RuntimeError(f"randperm: n={n} is more than {dtype} counts, {largest + 1}")
    return kind


def probabilities(p: float | Array, shape: tuple[int, ...]) -> Array:
    """`p` as a checked array: of shape `shape`, or 0-d where it is a scalar."""
    if not isinstance(p, np.ndarray):
        if not 0 <= p <= 1:
            raise RuntimeError(f"bernoulli_: expected p in [0, 1], got p={p}")
        return np.array(p, np.float64)
    if p.dtype.kind != "f":
        raise NotImplementedError(f"bernoulli_: expected float probabilities, got {p.dtype.name}")
    if not ((p >= 0) & (p <= 1)).all():
        raise RuntimeError("bernoulli_: expected all probabilities in [0, 1]")
    if p.dtype != np.float64:
        p = p.astype(np.float32)
    try:
        return np.broadcast_to(p, shape).reshape(-1)
    except ValueError:
        raise RuntimeError(
            f"bernoulli_: probabilities of shape {p.shape} do not broadcast to {shape}"
        ) from None


def check_counts(shape: tuple[int, ...], count: int, replacement: bool) -> None:
    """What can be said of `multinomial` without looking at weights of this shape."""
    if len(shape) not in (1, 2):
        raise RuntimeError(f"multinomial: expected 1 or 2 dimensions, got shape {shape}")
    if count <= 0:
        raise RuntimeError(f"multinomial: expected num_samples > 0, got {count}")
    categories = shape[-1]
    if not replacement and count > categories:
        raise RuntimeError(
            f"multinomial: can't draw {count} of {categories} without replacement; "
            "pass replacement=True"
        )
    if categories > 2**24:
        raise RuntimeError(f"multinomial: at most 2**24 categories, got {categories}")
    if categories == 0:
        raise RuntimeError(f"multinomial: no categories in weights of shape {shape}")


def check_weights(weights: Array, count: int, replacement: bool) -> None:
    if weights.dtype.kind != "f":
        raise RuntimeError(f"multinomial: expected float weights, got {weights.dtype.name}")
    check_counts(weights.shape, count, replacement)
    if not ((weights >= 0) & (weights < np.inf)).all():
        raise RuntimeError("multinomial: weights must be finite and not negative")
    if not weights.any(-1).all():
        raise RuntimeError("multinomial: the weights of a row sum to 0")


def narrow(values: Array, dtype: str) -> Array:
    """Cast as C does: to half and bfloat16 through float32, to bool by comparing with zero."""
    if dtype == "float64":
        return values.astype(np.float64, copy=False)
    if dtype in INTEGERS:
        with np.errstate(invalid="ignore"):
            return values.astype(INTEGERS[dtype][0], copy=False)
    if dtype == "float32" and values.dtype == np.float32:
        return values
    with np.errstate(over="ignore"):
        single = values.astype(np.float32, copy=False)
        if dtype == "float16":
            return single.astype(np.float16)
    return to_bfloat16(single) if dtype == "bfloat16" else single
