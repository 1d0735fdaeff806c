"""Windows against NumPy's and their formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import flambeau as torch

W = torch.signal.windows
F64 = torch.float64


@pytest.mark.parametrize("n", [2, 7, 8])
def test_against_numpy(n: int) -> None:
    for ours, theirs in (
        (W.bartlett(n, dtype=F64), np.bartlett(n)), (W.blackman(n, dtype=F64), np.blackman(n)),
        (W.hann(n, dtype=F64), np.hanning(n)), (W.hamming(n, dtype=F64), np.hamming(n)),
        (W.kaiser(n, beta=5.0, dtype=F64), np.kaiser(n, 5.0)),
    ):  # fmt: skip
        np.testing.assert_allclose(ours.numpy(), theirs, 1e-12, 1e-15)


@pytest.mark.parametrize("name", ["bartlett", "blackman", "cosine", "exponential", "gaussian", "hamming", "hann", "kaiser", "nuttall"])
def test_periodic_windows_are_longer_symmetric_ones(name: str) -> None:
    make = getattr(W, name)
    torch.testing.assert_close(make(6, sym=False, dtype=F64), make(7, dtype=F64)[:-1])
    window = make(7, dtype=F64)
    torch.testing.assert_close(window, window.flip(0))
    assert make(0).shape == (0,) and make(1).tolist() == [1.0]


def test_formulas() -> None:
    n = torch.arange(5, dtype=F64)
    torch.testing.assert_close(W.cosine(5, dtype=F64), torch.sin(torch.pi * (n + 0.5) / 5))
    torch.testing.assert_close(W.exponential(5, tau=2.0, dtype=F64), torch.exp(-(n - 2).abs() / 2))
    torch.testing.assert_close(W.exponential(5, center=0.0, sym=False, dtype=F64), torch.exp(-n))
    torch.testing.assert_close(W.gaussian(5, std=0.7, dtype=F64), torch.exp(-((n - 2) / 0.7) ** 2 / 2))
    torch.testing.assert_close(W.general_hamming(5, alpha=0.4, dtype=F64), W.general_cosine(5, a=[0.4, 0.6], dtype=F64))
    assert W.hann(4, requires_grad=True).requires_grad


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda: W.hann(-1), ValueError), (lambda: W.hann(3, dtype=torch.int32), ValueError),
        (lambda: W.gaussian(3, std=0.0), ValueError), (lambda: W.exponential(3, tau=0.0), ValueError),
        (lambda: W.exponential(3, center=1.0), ValueError), (lambda: W.kaiser(3, beta=-1.0), ValueError),
        (lambda: W.general_cosine(3, a=[]), ValueError), (lambda: W.general_cosine(3, a=1.0), TypeError),
        (lambda: W.hann(3, layout=torch.sparse_coo), ValueError),
    ],
)  # fmt: skip
def test_bad_arguments(call: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        call()
