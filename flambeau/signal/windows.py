"""Window functions (Harris 1978). Symmetric ones are the same from both ends; with `sym=False` a
window is the front part of one that is longer by one, fit to be repeated."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import flambeau as torch

__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine",
    "general_hamming", "hamming", "hann", "kaiser", "nuttall",
]  # fmt: skip


def _window_options(name: str, m: Any, dtype: Any, layout: Any) -> Any:
    """Refuse what makes no window; the dtype."""
    if m < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={m}")
    if layout is not None and layout is not torch.strided:
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    dtype = dtype or torch.get_default_dtype()
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")
    return dtype


def _places(m: int, sym: bool, start: float, end: float) -> Any:
    """M places from `start` to `end`, in float64; the last one is left out where `sym` is false."""
    if m <= 1:
        return torch.full((m,), start, dtype=torch.float64)
    return start + torch.arange(m, dtype=torch.float64) * ((end - start) / (m - 1 if sym else m))


def _made(window: Any, dtype: Any, device: Any, requires_grad: bool) -> Any:
    return window.to(dtype=dtype, device=device).requires_grad_(requires_grad)


def _single(m: int) -> Any:
    """The windows of 0 and 1 points."""
    return torch.ones(m, dtype=torch.float64)


def exponential(
    M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, dtype: Any = None,  # noqa: N803
    layout: Any = None, device: Any = None, requires_grad: bool = False,
) -> Any:  # fmt: skip
    """exp(-|n - center| / tau), by default around the middle. ValueError for a center of a
    symmetric window."""
    dtype = _window_options("exponential", M, dtype, layout)
    if tau <= 0:
        raise ValueError(f"exponential(): Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("exponential(): Center must be None for symmetric windows")
    if M <= 1:
        return _made(_single(M), dtype, device, requires_grad)
    if center is None:
        center = (M - 1 if sym else M) / 2
    n = torch.arange(M, dtype=torch.float64)
    return _made(torch.exp(-(n - center).abs() / tau), dtype, device, requires_grad)


def cosine(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,  # noqa: N803
    requires_grad: bool = False,
) -> Any:  # fmt: skip
    """sin(pi (n + 1/2) / M), half a wave."""
    dtype = _window_options("cosine", M, dtype, layout)
    if M <= 1:
        return _made(_single(M), dtype, device, requires_grad)
    n = torch.arange(M, dtype=torch.float64)
    window = torch.sin(math.pi * (n + 0.5) / (M if sym else M + 1))
    return _made(window, dtype, device, requires_grad)


def gaussian(
    M: int, *, std: float = 1.0, sym: bool = True, dtype: Any = None, layout: Any = None,  # noqa: N803
    device: Any = None, requires_grad: bool = False,
) -> Any:  # fmt: skip
    """exp(-((n - middle) / std)**2 / 2)."""
    dtype = _window_options("gaussian", M, dtype, layout)
    if std <= 0:
        raise ValueError(f"gaussian(): Standard deviation must be positive, got: {std} instead.")
    if M <= 1:
        return _made(_single(M), dtype, device, requires_grad)
    n = torch.arange(M, dtype=torch.float64) - (M - 1 if sym else M) / 2
    return _made(torch.exp(-((n / std) ** 2) / 2), dtype, device, requires_grad)


def kaiser(
    M: int, *, beta: float = 12.0, sym: bool = True, dtype: Any = None, layout: Any = None,  # noqa: N803
    device: Any = None, requires_grad: bool = False,
) -> Any:  # fmt: skip
    """I0(beta sqrt(1 - t**2)) / I0(beta) for t from -1 to 1 (Kaiser 1974)."""
    dtype = _window_options("kaiser", M, dtype, layout)
    if beta < 0:
        raise ValueError(f"kaiser(): beta must be non-negative, got: {beta} instead.")
    if M <= 1:
        return _made(_single(M), dtype, device, requires_grad)
    t = _places(M, sym, -1.0, 1.0)
    bell = torch.special.i0(beta * torch.sqrt((1 - t * t).clamp(min=0)))
    whole = torch.special.i0(torch.tensor(float(beta), dtype=torch.float64))
    return _made(bell / whole, dtype, device, requires_grad)


def bartlett(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,  # noqa: N803
    requires_grad: bool = False,
) -> Any:  # fmt: skip
    """1 - |t| for t from -1 to 1: a triangle."""
    dtype = _window_options("bartlett", M, dtype, layout)
    window = _single(M) if M <= 1 else 1 - _places(M, sym, -1.0, 1.0).abs()
    return _made(window, dtype, device, requires_grad)


def _cosines(
    name: str, m: int, a: Any, sym: bool, dtype: Any, layout: Any, device: Any, requires_grad: bool
) -> Any:
    """A sum of cosines; `name` is the window's in errors."""
    dtype = _window_options(name, m, dtype, layout)
    if not isinstance(a, Iterable):
        raise TypeError(f"{name}(): Coefficients must be a list/tuple, not {type(a).__name__}")
    coefficients = list(a)
    if not coefficients:
        raise ValueError(f"{name}(): Coefficients cannot be empty")
    if m <= 1:
        return _made(_single(m), dtype, device, requires_grad)
    t = _places(m, sym, 0.0, 2 * math.pi)
    window = torch.zeros(m, dtype=torch.float64)
    for i, c in enumerate(coefficients):
        window = window + torch.cos(i * t) * ((-1) ** i * float(c))
    return _made(window, dtype, device, requires_grad)


def general_cosine(
    M: int, *, a: Iterable[float], sym: bool = True, dtype: Any = None, layout: Any = None,  # noqa: N803
    device: Any = None, requires_grad: bool = False,
) -> Any:  # fmt: skip
    """The sum of (-1)**i a[i] cos(i t) for t from 0 to 2 pi. TypeError for coefficients that are no
    list, ValueError for none."""
    return _cosines("general_cosine", M, a, sym, dtype, layout, device, requires_grad)


def general_hamming(
    M: int, *, alpha: float = 0.54, sym: bool = True, dtype: Any = None, layout: Any = None,  # noqa: N803
    device: Any = None, requires_grad: bool = False,
) -> Any:  # fmt: skip
    """alpha - (1 - alpha) cos(t)."""
    a = [alpha, 1.0 - alpha]
    return _cosines("general_hamming", M, a, sym, dtype, layout, device, requires_grad)


def hann(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,  # noqa: N803
    requires_grad: bool = False,
) -> Any:  # fmt: skip
    """1/2 - cos(t) / 2."""
    return _cosines("hann", M, [0.5, 0.5], sym, dtype, layout, device, requires_grad)


def hamming(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,  # noqa: N803
    requires_grad: bool = False,
) -> Any:  # fmt: skip
    """0.54 - 0.46 cos(t)."""
    return _cosines("hamming", M, [0.54, 0.46], sym, dtype, layout, device, requires_grad)


def blackman(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,  # noqa: N803
    requires_grad: bool = False,
) -> Any:  # fmt: skip
    """0.42 - 0.5 cos(t) + 0.08 cos(2 t)."""
    return _cosines("blackman", M, [0.42, 0.5, 0.08], sym, dtype, layout, device, requires_grad)


def nuttall(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,  # noqa: N803
    requires_grad: bool = False,
) -> Any:  # fmt: skip
    """The four-term window of least sidelobes (Nuttall 1981)."""
    a = [0.3635819, 0.4891775, 0.1365995, 0.0106411]
    return _cosines("nuttall", M, a, sym, dtype, layout, device, requires_grad)
