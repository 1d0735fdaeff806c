"""Fourier transforms, short-time spectra, special functions, windows: as PyTorch has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import flambeau

RNG = np.random.default_rng(0)
REAL = RNG.standard_normal((3, 4, 5))
COMPLEX = REAL + 1j * RNG.standard_normal((3, 4, 5))


def _both(call: Any, *arrays: np.ndarray, tolerance: float = 1e-12) -> None:
    """Values and gradients of `call(library, *tensors)`."""
    found = []
    for lib in (torch, flambeau):
        tensors = [lib.tensor(a) for a in arrays]
        for t in tensors:
            if t.is_floating_point() or t.is_complex():
                t.requires_grad_()
        out = call(lib, *tensors)
        grads: list[Any] = []
        if out.requires_grad:
            weights = lib.arange(out.numel(), dtype=out.real.dtype).cos().reshape(out.shape)
            grads = lib.autograd.grad(((out * weights).abs() ** 2).sum(), tensors, allow_unused=True)
        found.append((str(out.dtype), out, grads))
    (dt, want, theirs), (our_dt, have, ours) = found
    assert dt == our_dt
    np.testing.assert_allclose(have.detach().numpy(), want.detach().resolve_conj().numpy(), tolerance, tolerance)
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a.numpy(), b.resolve_conj().numpy(), tolerance, tolerance)


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
def test_transforms(name: str, norm: str | None) -> None:
    x = REAL if name in ("rfft", "ihfft") else COMPLEX
    _both(lambda lib, t: getattr(lib.fft, name)(t, 6, 1, norm), x)
    _both(lambda lib, t: getattr(lib.fft, name + "n")(t, (3, 5), (0, 2), norm), x)
    _both(lambda lib, t: getattr(lib.fft, name + "2")(t, norm=norm), x)


@pytest.mark.parametrize("options", [
    {}, {"center": False}, {"pad_mode": "constant"}, {"normalized": True}, {"onesided": False},
    {"hop_length": 3, "win_length": 6},
])  # fmt: skip
def test_short_time(options: dict[str, Any]) -> None:
    x = RNG.standard_normal((2, 30))
    window = np.hanning(options.get("win_length", 8) + 2)[1:-1]

    def spectrum(lib: Any, t: Any, w: Any) -> Any:
        return lib.stft(t, 8, window=w, return_complex=True, **options)

    def back(lib: Any, t: Any, w: Any) -> Any:
        kept = {k: v for k, v in options.items() if k != "pad_mode"}
        return lib.istft(spectrum(lib, t, w), 8, window=w, length=20, **kept)

    _both(spectrum, x, window)
    if options.get("center", True):
        _both(back, x, window, tolerance=1e-9)


ONE = ("i0", "i0e", "i1", "i1e", "log_ndtr", "ndtr", "entr", "erfcx", "modified_bessel_k0",
       "modified_bessel_k1", "scaled_modified_bessel_k0", "scaled_modified_bessel_k1",
       "spherical_bessel_j0")  # fmt: skip


@pytest.mark.parametrize("name", ONE)
def test_special_functions(name: str) -> None:
    x = np.linspace(0.05, 12, 40)
    _both(lambda lib, t: getattr(lib.special, name)(t), x, tolerance=1e-11)
    narrow = getattr(flambeau.special, name)(flambeau.tensor(x.astype(np.float32)))
    want = getattr(torch.special, name)(torch.tensor(x.astype(np.float32)))
    np.testing.assert_allclose(narrow.numpy(), want.numpy(), 3e-5)


@pytest.mark.parametrize("name", ["airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1"])
def test_functions_that_pytorch_has_to_seven_digits(name: str) -> None:
    x = np.linspace(0.05, 8, 40)
    _both(lambda lib, t: getattr(lib.special, name)(t), x, tolerance=2e-5)


def test_functions_of_two() -> None:
    a, x = RNG.uniform(0.1, 20, 60), RNG.uniform(0.1, 20, 60)
    _both(lambda lib, t: lib.igamma(lib.tensor(a), t), x)
    _both(lambda lib, t: lib.igammac(lib.tensor(a), t), x)
    _both(lambda lib, t: lib.special.zeta(lib.tensor(a + 1.01), t), x)
    _both(lambda lib, s, t: lib.special.xlog1py(s, t), a, x)
    _both(lambda lib, t: lib.mvlgamma(t, 3), a + 1.1)
    _both(lambda lib, t: lib.special.ndtri(t), a / 21, tolerance=1e-11)


@pytest.mark.parametrize("name", sorted(n for n in dir(torch.special) if "polynomial" in n))
def test_polynomials(name: str) -> None:
    x, n = RNG.uniform(-1.5, 1.5, 40), RNG.integers(-1, 15, 40).astype(float)
    _both(lambda lib, t: getattr(lib.special, name)(t.detach(), lib.tensor(n)), x, tolerance=1e-8)


@pytest.mark.parametrize("name", sorted(torch.signal.windows.__all__))
def test_windows(name: str) -> None:
    more = {"general_cosine": {"a": [0.4, 0.5, 0.1]}}.get(name, {})
    for n in (0, 1, 8):
        for sym in (True, False):
            args: Any = {"sym": sym, **more}
            have = getattr(flambeau.signal.windows, name)(n, dtype=flambeau.float64, **args)
            want = getattr(torch.signal.windows, name)(n, dtype=torch.float64, **args)
            np.testing.assert_allclose(have.numpy(), want.numpy(), 1e-10, 1e-12)


@pytest.mark.parametrize("name", ["bartlett", "blackman", "hamming", "hann", "kaiser"])
def test_old_windows(name: str) -> None:
    for n in (0, 1, 7):
        for periodic in (True, False):
            have = getattr(flambeau, name + "_window")(n, periodic)
            want = getattr(torch, name + "_window")(n, periodic)
            np.testing.assert_allclose(have.numpy(), want.numpy(), 1e-5, 1e-6)


def test_low_rank() -> None:
    x = RNG.standard_normal((9, 6))
    for name in ("svd_lowrank", "pca_lowrank"):
        torch.manual_seed(0)
        flambeau.manual_seed(0)
        want = getattr(torch, name)(torch.tensor(x), 3)
        have = getattr(flambeau, name)(flambeau.tensor(x), 3)
        for a, b in zip(have, want, strict=True):
            np.testing.assert_allclose(np.abs(a.numpy()), np.abs(b.numpy()), 1e-8, 1e-10)


def test_packed_factors() -> None:
    x = RNG.standard_normal((5, 5))
    x = x + x.T
    x[range(5), range(5)] *= 0.1
    for ours, theirs in zip(flambeau.linalg.ldl_factor(flambeau.tensor(x)), torch.linalg.ldl_factor(torch.tensor(x)), strict=True):
        np.testing.assert_allclose(np.tril(ours.numpy()) if ours.ndim == 2 else ours.numpy(), np.tril(theirs.numpy()) if theirs.ndim == 2 else theirs.numpy(), 1e-10, 1e-12)
