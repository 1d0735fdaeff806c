"""Spectra of stretches of a signal, and the signal from them (Griffin and Lim 1984)."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

from ..errors import users_line
from .table import call, row


class _Options(NamedTuple):
    """What both directions have: sizes in samples, the window as long as a stretch."""

    name: str
    n_fft: int
    hop: int
    win: int
    window: Any
    onesided: bool
    norm: str

    def refuse(self, text: str) -> None:
        raise RuntimeError(f"{self.name}(): {text}")


def _options(
    name: str, n_fft: int, hop: Any, win: Any, window: Any, onesided: bool, norm: str,
) -> _Options:  # fmt: skip
    if window is None:
        same = "Use the one that stft() had" if name == "istft" else "It leaks frequencies"
        warnings.warn(
            f"{name}(): no window was given, so that a rectangular one is used. {same}; "
            "window=torch.ones(n_fft) says that it is meant.",
            UserWarning, stacklevel=users_line(),
        )  # fmt: skip
    hop = n_fft // 4 if hop is None else int(hop)
    win = n_fft if win is None else int(win)
    found = _Options(name, n_fft, hop, win, window, onesided, norm)
    if not 0 < win <= n_fft:
        found.refuse(f"expected 0 < win_length <= n_fft, but got win_length={win}, n_fft={n_fft}")
    if window is not None and tuple(window.shape) != (win,):
        found.refuse(
            f"expected a 1D window tensor of size equal to win_length={win}, but got window with "
            f"size {list(window.shape)}"
        )
    return found


def _whole_window(o: _Options, dtype: Any) -> Any:
    """The window in the middle of n_fft points; None if it changes nothing."""
    window = o.window
    if window is None:
        if o.win == o.n_fft:
            return None
        window = call.ones((o.win,), dtype=dtype)
    if o.win < o.n_fft:
        left = (o.n_fft - o.win) // 2
        window = call.constant_pad_nd(window, [left, o.n_fft - o.win - left], 0)
    return window


def _stft(
    input: Any, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Any = None, center: bool = True, pad_mode: str = "reflect", normalized: bool = False,
    onesided: bool | None = None, return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Any:  # fmt: skip
    """Spectra (*, frequencies, stretches) of a signal (*, samples), every `hop_length` samples.

    `center` puts the middle of the first stretch on the first sample, the signal being continued as
    `pad_mode` says; else `align_to_window` lets the first window begin there, not the first stretch.
    """
    complex_ = input.is_complex() or (window is not None and window.is_complex())
    if return_complex is None:
        if not complex_:
            raise RuntimeError(
                "stft requires the return_complex parameter be given for real inputs: True for a "
                "complex result, whose parts torch.view_as_real() gives"
            )
        return_complex = True
    if center and align_to_window is not None:
        raise RuntimeError("stft align_to_window should only be set when center = false")
    one = not complex_ if onesided is None else bool(onesided)
    norm = "root" if normalized else "none"
    o = _options("stft", int(n_fft), hop_length, win_length, window, one, norm)
    if not (input.is_floating_point() or input.is_complex()):
        o.refuse(f"expected a tensor of floating point or complex values, got {input.dtype}")
    if not 0 < input.ndim <= 2:
        o.refuse(f"expected a 1D or 2D tensor, got shape {list(input.shape)}")
    single = input.ndim == 1
    x = input.unsqueeze(0) if single else input
    if center:
        x = call.pad(x.unsqueeze(1), [o.n_fft // 2] * 2, mode=pad_mode).squeeze(1)
    size = x.shape[-1]
    if not 0 < o.n_fft <= size:
        o.refuse(f"expected 0 < n_fft < {size}, but got n_fft={o.n_fft}")
    if o.hop <= 0:
        o.refuse(f"expected hop_length > 0, but got hop_length={o.hop}")
    if align_to_window:
        x = call.constant_pad_nd(x, [(o.n_fft - o.win) // 2] * 2, 0)
    if complex_ and o.onesided:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    frames = x.unfold(-1, o.n_fft, o.hop)
    whole = _whole_window(o, x.dtype.to_real())
    if whole is not None:
        frames = frames * whole
    if frames.is_complex():
        out = call.fft_c2c(frames, (2,), o.norm, True)
    else:
        out = call.fft_r2c(frames, (2,), o.norm, o.onesided)
    out = out.transpose(1, 2)
    if single:
        out = out.squeeze(0)
    return out if return_complex else call.view_as_real(out)


def _istft(
    input: Any, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Any = None, center: bool = True, normalized: bool = False,
    onesided: bool | None = None, length: int | None = None, return_complex: bool = False,
) -> Any:  # fmt: skip
    """The signal whose stft() is nearest to `input`: the stretches' signals are windowed once more,
    added where they overlap, and divided by the sum of the windows' squares."""
    if not input.is_complex():
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with "
            f"return_complex=True, got {input.dtype}"
        )
    if input.ndim < 2:
        raise IndexError(
            "istft(): Dimension out of range: expected (*, frequencies, stretches), got shape "
            f"{list(input.shape)}"
        )
    windowed = window is not None and window.is_complex()
    if windowed and not return_complex:
        raise RuntimeError("istft(): Complex windows are incompatible with return_complex=False")
    one = input.shape[-2] != n_fft if onesided is None else bool(onesided)
    norm = "root" if normalized else "n"
    o = _options("istft", int(n_fft), hop_length, win_length, window, one, norm)
    if return_complex and o.onesided:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    if not input.numel():
        o.refuse("input tensor cannot be empty.")
    if input.ndim not in (2, 3):
        o.refuse(f"expected a tensor with 2 or 3 dimensions, but got {input.ndim}")
    if not 0 < o.hop <= o.win:
        o.refuse(
            f"expected 0 < hop_length <= win_length, but got hop_length={o.hop}, win_length={o.win}"
        )
    wanted = o.n_fft // 2 + 1 if o.onesided else o.n_fft
    if input.shape[-2] != wanted:
        o.refuse(
            f"expected the frequency dimension (3rd to the last) of the input tensor to match "
            f"{wanted}, which n_fft={o.n_fft} and onesided={o.onesided} give, but got {input.shape[-2]}"
        )
    single = input.ndim == 2
    x = (input.unsqueeze(0) if single else input).transpose(1, 2)
    if return_complex:
        frames = call.fft_c2c(x, (2,), o.norm, False)
    else:
        half = x if o.onesided else call.slice(x, 2, 0, o.n_fft // 2 + 1)
        frames = call.fft_c2r(half, (2,), o.norm, o.n_fft)
    out = _overlapped(o, frames, center, length)
    return out.squeeze(0) if single else out


def _overlapped(o: _Options, frames: Any, center: bool, length: int | None) -> Any:
    """Stretches of a signal added up; RuntimeError where the windows leave a gap."""
    batch, count, n = frames.shape
    size = n + o.hop * (count - 1)
    window = _whole_window(o, frames.dtype.to_real())
    if window is None:
        window = call.ones((n,), dtype=frames.dtype.to_real())
    added = call.as_strided_backward(
        (frames * window).contiguous(), 0, (batch, size), (batch, count, n), (size, o.hop, 1)
    )
    squares = call.pow(window, 2).expand(count, n)
    weight = call.as_strided_backward(squares.contiguous(), 0, (size,), (count, n), (o.hop, 1))
    start = n // 2 if center else 0
    end = start + int(length) if length is not None else size - start
    added, weight = call.slice(added, 1, start, end), call.slice(weight, 0, start, end)
    least = abs(call.observe(weight, "istft: windows may leave gaps")).min(initial=1.0)
    if not least > 1e-11:
        o.refuse(f"window overlap add min: the windows leave gaps, their least sum is {least}")
    out = added / weight
    missing = 0 if length is None else int(length) - out.shape[1]
    if missing > 0:
        warnings.warn(
            f"istft(): the signal is shorter than length={length} and is filled up with zeros. "
            "Please check center and hop_length.",
            UserWarning, stacklevel=users_line(),
        )  # fmt: skip
        out = call.constant_pad_nd(out, [0, missing], 0)
    return out


row(
    "stft(Tensor input, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None) -> Tensor",
    body=_stft, forms="fm",
    samples=lambda m: [
        ((m(12), 4), {"window": m(4, low=0.5, high=1.5), "return_complex": True}),
        ((m(2, 9), 4, 3, 2), {"window": m(2, low=0.5, high=1.5), "return_complex": True,
                              "center": False, "onesided": False, "normalized": True})],
    doc="Short-time Fourier transform.",
)  # fmt: skip
row(
    "istft(Tensor input, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None) -> Tensor",
    body=_istft, forms="fm",
    samples=lambda m: [((m.complex(3, 6), 4, 2), {"window": m(4, low=0.5, high=1.5)})],
    doc="The inverse of stft().",
)  # fmt: skip
