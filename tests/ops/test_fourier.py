"""`torch.fft` against NumPy, and its arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import flambeau as torch

RNG = np.random.default_rng(0)
REAL = RNG.standard_normal((3, 4, 5))
COMPLEX = REAL + 1j * RNG.standard_normal((3, 4, 5))
NORMS = (None, "backward", "forward", "ortho")


def _data(name: str) -> Any:
    return REAL if name in ("rfft", "ihfft", "rfft2", "rfftn") else COMPLEX


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
@pytest.mark.parametrize("norm", NORMS)
def test_one_dimension(name: str, norm: str | None) -> None:
    x = _data(name)
    for n, dim in ((None, -1), (3, 0), (7, 1), (6, -1)):
        have = getattr(torch.fft, name)(torch.tensor(x), n=n, dim=dim, norm=norm)
        want = getattr(np.fft, name)(x, n, dim, norm)
        np.testing.assert_allclose(have.numpy(), want, 1e-12, 1e-13)


@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn", "fft2", "ifft2", "rfft2", "irfft2"])
@pytest.mark.parametrize("norm", NORMS)
def test_several_dimensions(name: str, norm: str | None) -> None:
    x = _data(name)
    for s, dim in ((None, (0, 2)), ((5, 4), (2, 1)), ((2, 7), (-2, -1))):
        have = getattr(torch.fft, name)(torch.tensor(x), s=s, dim=dim, norm=norm)
        want = getattr(np.fft, name)(x, s, dim, norm)
        np.testing.assert_allclose(have.numpy(), want, 1e-12, 1e-13)


def test_hermitian_in_the_last_of_several() -> None:
    x = torch.tensor(COMPLEX)
    want = torch.fft.hfft(torch.fft.fft(x, dim=1), n=6, dim=2)
    torch.testing.assert_close(torch.fft.hfft2(x, s=(4, 6)), want)
    torch.testing.assert_close(torch.fft.hfftn(x, s=(4, 6), dim=(1, 2)), want)
    back = torch.fft.ihfftn(want, dim=(1, 2))
    torch.testing.assert_close(torch.fft.hfftn(back, s=(4, 6), dim=(1, 2)), want)
    torch.testing.assert_close(torch.fft.ihfft2(want), back)


@pytest.mark.parametrize("name", ["fft2", "rfft2", "irfft2", "hfft2", "ihfft2"])
def test_the_last_two_by_default(name: str) -> None:
    x = torch.tensor(_data(name) if name != "ihfft2" else REAL)
    longer = getattr(torch.fft, name[:-1] + "n")
    torch.testing.assert_close(getattr(torch.fft, name)(x), longer(x, dim=(-2, -1)))


def test_dtypes() -> None:
    x = torch.ones(4)
    assert torch.fft.fft(x).dtype is torch.complex64
    assert torch.fft.rfft(x.double()).dtype is torch.complex128
    assert torch.fft.irfft(torch.fft.rfft(x)).dtype is torch.float32
    assert torch.fft.fft(torch.arange(4)).dtype is torch.complex64
    with pytest.raises(RuntimeError, match="Unsupported dtype Half"):
        torch.fft.fft(x.half())


def test_out() -> None:
    out = torch.empty(0, dtype=torch.complex128)
    assert torch.fft.fft(torch.tensor(REAL), out=out) is out
    np.testing.assert_allclose(out.numpy(), np.fft.fft(REAL))


def test_derivative_of_half_a_spectrum() -> None:
    x = torch.tensor(REAL[0], requires_grad=True)
    torch.fft.rfft2(x, norm="ortho").abs().square().sum().backward()
    np.testing.assert_allclose(
        x.grad.numpy(), torch.fft.irfft2(2 * torch.fft.rfft2(x) * _once(5), s=(4, 5)).detach().numpy(), 1e-12
    )


def _once(n: int) -> Any:
    """What Parseval's sum over half a spectrum weighs: elements that stand for two count once."""
    weights = torch.full((n // 2 + 1,), 0.5, dtype=torch.float64)
    weights[0] = 1
    return weights


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_frequencies_and_shifts(n: int) -> None:
    np.testing.assert_allclose(torch.fft.fftfreq(n, 0.5).numpy(), np.fft.fftfreq(n, 0.5))
    np.testing.assert_allclose(torch.fft.rfftfreq(n, 0.5).numpy(), np.fft.rfftfreq(n, 0.5))
    x = np.arange(2 * n).reshape(2, n)
    for name in ("fftshift", "ifftshift"):
        ours, theirs = getattr(torch.fft, name), getattr(np.fft, name)
        assert (ours(torch.tensor(x)).numpy() == theirs(x)).all()
        assert (ours(torch.tensor(x), dim=1).numpy() == theirs(x, 1)).all()


def test_frequencies_options() -> None:
    f = torch.fft.fftfreq(4, dtype=torch.float64, requires_grad=True)
    assert f.dtype is torch.float64 and f.requires_grad
    with pytest.raises(RuntimeError, match="floating point or complex dtype"):
        torch.fft.rfftfreq(4, dtype=torch.int32)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda x: torch.fft.fft(x, 0), RuntimeError, r"Invalid number of data points \(0\)"),
        (lambda x: torch.fft.fft(x, norm="x"), RuntimeError, 'Invalid normalization mode: "x"'),
        (lambda x: torch.fft.rfft(x * 1j), RuntimeError, "rfft expects a real input"),
        (lambda x: torch.fft.fftn(x, dim=(0, 0)), RuntimeError, "dims must be unique"),
        (lambda x: torch.fft.fftn(x, s=(1,), dim=(0, 1)), RuntimeError, "must have the same length"),
        (lambda x: torch.fft.fftn(x, s=(1, 2, 3)), RuntimeError, "only has 2 dimensions"),
        (lambda x: torch.fft.rfftn(x, dim=()), RuntimeError, "at least one axis"),
        (lambda x: torch.fft.fft(x, dim=2), IndexError, "out of range"),
        (lambda x: torch.fft.fft(x[0, 0]), IndexError, "no dimensions"),
        (lambda x: torch.fft.fft(x, 2.5), TypeError, "argument 'n'"),
    ],
)
def test_bad_arguments(call: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        call(torch.ones(2, 3))
