"""The Fourier transform extension, on `torch.fft`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau as torch

from .array import arrays as _arrays

ONE = ("fft", "hfft", "ifft", "ihfft", "irfft", "rfft")
SEVERAL = ("fftn", "ifftn", "irfftn", "rfftn")
SHIFTS = ("fftshift", "ifftshift")
FREQUENCIES = ("fftfreq", "rfftfreq")
__all__ = sorted((*ONE, *SEVERAL, *SHIFTS, *FREQUENCIES))  # noqa: PLE0605


def _one(name: str) -> Callable[..., Any]:
    def transform(
        x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward"
    ) -> torch.Tensor:
        return getattr(torch.fft, name)(x, n, axis, norm)  # type: ignore[no-any-return]

    return _named(transform, name, "along an axis, cut or padded to n")


def _several(name: str) -> Callable[..., Any]:
    def transform(
        x: Any, /, *, s: Any = None, axes: Any = None, norm: str = "backward"
    ) -> torch.Tensor:
        return getattr(torch.fft, name)(x, s, axes, norm)  # type: ignore[no-any-return]

    return _named(transform, name, "along several axes, cut or padded to s")


def _shift(name: str) -> Callable[..., Any]:
    def shift(x: Any, /, *, axes: Any = None) -> torch.Tensor:
        return getattr(torch.fft, name)(x, axes)  # type: ignore[no-any-return]

    return _named(shift, name, "over axes (all)")


def _frequencies(name: str) -> Callable[..., Any]:
    def frequencies(
        n: int, /, *, d: float = 1.0, dtype: torch.dtype | None = None, device: Any = None
    ) -> torch.Tensor:
        return getattr(torch.fft, name)(n, d, dtype=dtype, device=device)  # type: ignore[no-any-return]

    return _named(frequencies, name, "for n samples at distance d")


def _named(function: Any, name: str, what: str) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"torch.fft.{name} {what}."
    return _arrays(function)


for _name in ONE:
    globals()[_name] = _one(_name)
for _name in SEVERAL:
    globals()[_name] = _several(_name)
for _name in SHIFTS:
    globals()[_name] = _shift(_name)
for _name in FREQUENCIES:
    globals()[_name] = _frequencies(_name)


def __dir__() -> list[str]:
    return sorted(__all__)
