"""Window functions of signal processing (Harris 1978)."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.device import usable
from ..runtime.shortage import named, room
from .creation import wrap
from .tensor import Tensor


def _window(
    name: str, length: Any, periodic: bool, values: Callable[[np.ndarray, int], np.ndarray],
    dtype: Any, device: Any, requires_grad: bool,
) -> Tensor:  # fmt: skip
    """`values` gets the places 0, 1, ... and the last one. A periodic window is the front part of
    one that is longer by one."""
    try:
        n = operator.index(length)
    except TypeError:
        raise TypeError(
            f"{name}(): argument 'window_length' (position 1) must be int, "
            f"not {type(length).__name__}"
        ) from None
    dt = dtypes.get_default() if dtype is None else dtype
    where = usable(device)
    if not (isinstance(dt, dtypes.dtype) and dt.is_floating_point):
        raise RuntimeError(f"{name} expects floating point dtypes, got: {dt}")
    if n < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={n}")
    last = n if periodic else n - 1
    room(32 * n, name)  # with what comes up on the way
    try:
        with np.errstate(all="ignore"):
            array = np.ones(n) if n <= 1 else values(np.arange(n, dtype=np.float64), last)
    except MemoryError as error:
        raise named(error, name) from None
    return wrap(dtypes.narrow(array, dt), dt, requires_grad, where)


def hann_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """0.5 - 0.5 cos(2 pi n / N)."""
    return _window("hann_window", window_length, periodic,
                   lambda i, last: 0.5 - 0.5 * np.cos(2 * math.pi * i / last),
                   dtype, device, requires_grad)  # fmt: skip


def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *,
    dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """alpha - beta cos(2 pi n / N)."""
    for name, number in (("alpha", alpha), ("beta", beta)):
        if not hasattr(number, "__float__"):
            raise TypeError(
                f"hamming_window(): argument '{name}' must be float, not {type(number).__name__}"
            )
    return _window("hamming_window", window_length, periodic,
                   lambda i, last: alpha - beta * np.cos(2 * math.pi * i / last),
                   dtype, device, requires_grad)  # fmt: skip


def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N)."""

    def values(i: np.ndarray, last: int) -> np.ndarray:
        turn = 2 * math.pi * i / last
        return 0.42 - 0.5 * np.cos(turn) + 0.08 * np.cos(2 * turn)  # type: ignore[no-any-return]

    return _window("blackman_window", window_length, periodic, values, dtype, device, requires_grad)


def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A triangle from 0 to 1 and back."""
    return _window("bartlett_window", window_length, periodic,
                   lambda i, last: 1 - np.abs(2 * i / last - 1),
                   dtype, device, requires_grad)  # fmt: skip


def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, *, dtype: Any = None,
    layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """I0(beta sqrt(1 - (2 n / N - 1)^2)) / I0(beta), of the Bessel function I0."""
    return _window("kaiser_window", window_length, periodic,
                   lambda i, last: np.i0(beta * np.sqrt(1 - (2 * i / last - 1) ** 2)) / np.i0(beta),
                   dtype, device, requires_grad)  # fmt: skip
