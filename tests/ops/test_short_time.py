"""Short-time spectra, and the signals from them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import flambeau as torch

SIGNAL = np.random.default_rng(1).standard_normal((2, 40))


def _by_hand(x: np.ndarray, n: int, hop: int, window: np.ndarray) -> np.ndarray:
    frames = [x[..., i : i + n] * window for i in range(0, x.shape[-1] - n + 1, hop)]
    return np.stack([np.fft.rfft(f) for f in frames], -1)


@pytest.mark.parametrize("center", [True, False])
def test_against_the_definition(center: bool) -> None:
    window = np.hanning(8)
    have = torch.stft(torch.tensor(SIGNAL), 8, 3, window=torch.tensor(window), center=center, return_complex=True)
    x = np.pad(SIGNAL, ((0, 0), (4, 4)), "reflect") if center else SIGNAL
    np.testing.assert_allclose(have.numpy(), _by_hand(x, 8, 3, window), 1e-12, 1e-13)


def test_options() -> None:
    x = torch.tensor(SIGNAL)
    w = torch.hann_window(6, dtype=torch.float64)
    whole = torch.stft(x, 8, 2, 6, w, return_complex=True)
    padded = torch.nn.functional.pad(w, (1, 1))
    torch.testing.assert_close(whole, torch.stft(x, 8, 2, window=padded, return_complex=True))
    both = torch.stft(x, 8, 2, 6, w, return_complex=True, onesided=False)
    torch.testing.assert_close(both[:, :5], whole)
    torch.testing.assert_close(both[:, 5:], whole[:, 1:4].flip(1).conj())
    norm = torch.stft(x, 8, 2, 6, w, return_complex=True, normalized=True)
    torch.testing.assert_close(norm * 8**0.5, whole)
    pairs = torch.stft(x, 8, 2, 6, w, return_complex=False)
    torch.testing.assert_close(torch.view_as_complex(pairs), whole)
    torch.testing.assert_close(x[0].stft(8, 2, 6, w, return_complex=True), whole[0])
    aligned = torch.stft(x, 8, 2, 6, w, center=False, align_to_window=True, return_complex=True)
    assert aligned.shape == (2, 5, 18)
    constant = torch.stft(x, 8, 2, 6, w, pad_mode="constant", return_complex=True)
    assert not torch.equal(constant, whole)


@pytest.mark.parametrize("options", [{}, {"normalized": True}, {"onesided": False}, {"center": False}])
def test_there_and_back(options: dict[str, Any]) -> None:
    x = torch.tensor(SIGNAL)
    w = torch.hamming_window(8, dtype=torch.float64)
    spectrum = torch.stft(x, 8, 2, window=w, return_complex=True, **options)
    torch.testing.assert_close(torch.istft(spectrum, 8, 2, window=w, **options), x)
    torch.testing.assert_close(torch.istft(spectrum, 8, 2, window=w, length=30, **options), x[:, :30])
    with pytest.warns(UserWarning, match="shorter than length"):
        longer = spectrum.istft(8, 2, window=w, length=50, **options)
    torch.testing.assert_close(longer[:, :40], x)  # then the continuation, if any, and zeros
    assert longer.shape == (2, 50) and not longer[:, 44:].any()


def test_complex_signals() -> None:
    x = torch.tensor(SIGNAL[0] + 1j * SIGNAL[1])
    w = torch.ones(8, dtype=torch.float64)
    spectrum = torch.stft(x, 8, 4, window=w)
    assert spectrum.shape == (8, 11)
    back = torch.istft(spectrum, 8, 4, window=w, return_complex=True, onesided=False)
    torch.testing.assert_close(back, x)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: torch.stft(x, 8), "return_complex parameter"),
        (lambda x: torch.stft(x, 80, center=False, return_complex=True), "expected 0 < n_fft < 40"),
        (lambda x: torch.stft(x, 8, 0, return_complex=True), "hop_length > 0"),
        (lambda x: torch.stft(x, 8, win_length=9, return_complex=True), "win_length <= n_fft"),
        (lambda x: torch.stft(x, 8, window=torch.ones(9), return_complex=True), "1D window"),
        (lambda x: torch.stft(x * 1j, 8, onesided=True), "onesided output"),
        (lambda x: torch.stft(x, 8, align_to_window=True, return_complex=True), "center = false"),
        (lambda x: torch.istft(x, 8), "complex-valued input"),
        (lambda x: torch.istft(x[:, :6] * 1j, 8), "frequency dimension"),
        (lambda x: torch.istft(x[:, :6].T * 1j, 10, 11), "hop_length <= win_length"),
        (lambda x: torch.istft(x[:, :10].T.reshape(5, 4) * 1j, 8, window=torch.zeros(8)), "window overlap add"),
    ],
)
def test_bad_arguments(call: Any, text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(RuntimeError, match=text):
            call(torch.tensor(SIGNAL))


def test_no_window_warns() -> None:
    with pytest.warns(UserWarning, match="no window"):
        torch.stft(torch.tensor(SIGNAL), 8, return_complex=True)
