"""`torch.fft`: discrete Fourier transforms. The transforms are rows of the op table; see
ops/fourier.py and ops/fourier_functions.py."""

from __future__ import annotations

import math
import operator
from typing import Any

import flambeau as torch

from .errors import missing

__all__ = sorted(
    {"fftfreq", "rfftfreq", *(n for n in dir(torch._fft) if not n.startswith("fft_"))}
)


def fftfreq(
    n: int, d: float = 1.0, *, out: Any = None, dtype: Any = None, device: Any = None, **options: Any
) -> Any:
    """The frequencies that fft() of `n` points, `d` apart, tells of: 0, 1, ..., -2, -1 of
    1 / (n d). Options are those of torch.arange."""
    options |= {"dtype": dtype, "device": device}
    _floating("fftfreq", options)
    n = _points("fftfreq", n)
    places = torch.cat([torch.arange(0, (n + 1) // 2), torch.arange(-(n // 2), 0)])
    return _times(places, _inverse(n * float(d)), out, options)


def rfftfreq(
    n: int, d: float = 1.0, *, out: Any = None, dtype: Any = None, device: Any = None, **options: Any
) -> Any:
    """The frequencies that rfft() of `n` points, `d` apart, tells of: 0 to n // 2 of 1 / (n d)."""
    options |= {"dtype": dtype, "device": device}
    _floating("rfftfreq", options)
    n = _points("rfftfreq", n)
    return _times(torch.arange(n // 2 + 1), _inverse(n * float(d)), out, options)


def _points(name: str, n: Any) -> int:
    try:
        return operator.index(n)
    except TypeError:
        raise TypeError(
            f"{name}(): argument 'n' (position 1) must be int, not {type(n).__name__}"
        ) from None


def _inverse(x: float) -> float:
    return 1.0 / x if x else math.inf


def _floating(name: str, options: dict[str, Any]) -> None:
    dtype = options.get("dtype")
    if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
        raise RuntimeError(f"{name} requires a floating point or complex dtype, got {dtype}")


def _times(places: Any, step: float, out: Any, options: dict[str, Any]) -> Any:
    grad = options.pop("requires_grad", False)
    for ignored in ("layout", "pin_memory"):
        options.pop(ignored, None)
    options = {name: value for name, value in options.items() if value is not None}
    dtype = options.pop("dtype", None if out is None else out.dtype) or torch.get_default_dtype()
    found = places.to(dtype=dtype, **options) * step
    return out.resize_(found.shape).copy_(found) if out is not None else found.requires_grad_(grad)


def __getattr__(name: str) -> Any:
    try:
        found = getattr(torch._fft, name)
    except AttributeError:
        return missing(__name__, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return list(__all__)
