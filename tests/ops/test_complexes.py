"""Complex numbers: parts, conjugates, pairs, angles, gradients in PyTorch's convention."""

from __future__ import annotations

import math

import numpy as np
import pytest

import flambeau as torch

Z = np.array([1 + 2j, -1 + 0.5j, -2j, 3 + 0j])


def test_parts() -> None:
    z = torch.tensor(Z)
    np.testing.assert_array_equal(z.real.numpy(), Z.real)
    np.testing.assert_array_equal(torch.imag(z).numpy(), Z.imag)
    x = torch.ones(2)
    assert torch.real(x) is x and x.conj() is x and torch.resolve_conj(x) is x
    with pytest.raises(RuntimeError, match="non-complex"):
        x.imag  # noqa: B018
    assert torch.isreal(z).tolist() == [False, False, False, True]
    assert torch.is_conj(z.conj()) is False


def test_conjugates() -> None:
    z = torch.tensor(Z)
    np.testing.assert_array_equal(z.conj().numpy(), Z.conj())
    np.testing.assert_array_equal(torch.conj_physical(z).numpy(), Z.conj())
    z.conj_physical_()
    np.testing.assert_array_equal(z.numpy(), Z.conj())


def test_pairs_and_back() -> None:
    z = torch.tensor(Z.astype(np.complex64))
    pairs = torch.view_as_real(z)
    assert pairs.shape == (4, 2) and pairs.dtype is torch.float32
    assert torch.equal(torch.view_as_complex(pairs), z)
    assert torch.equal(torch.complex(z.real, z.imag), z)
    np.testing.assert_allclose(torch.polar(z.abs(), z.angle()).numpy(), Z, 1e-6, 1e-6)
    made = torch.complex(torch.tensor([0.0]), torch.tensor([math.inf]))
    assert made.real.item() == 0.0


def test_refused() -> None:
    with pytest.raises(RuntimeError, match="size 2"):
        torch.view_as_complex(torch.ones(2, 3))
    with pytest.raises(RuntimeError, match="complex"):
        torch.view_as_real(torch.ones(2))
    with pytest.raises(RuntimeError, match="scalar type"):
        torch.complex(torch.ones(2), torch.ones(2).double())
    with pytest.raises(RuntimeError, match="Float or Double"):
        torch.complex(torch.tensor([1]), torch.tensor([1]))


def test_angles() -> None:
    np.testing.assert_allclose(torch.angle(torch.tensor(Z)).numpy(), np.angle(Z))
    x = torch.tensor([1.0, -1.0, -0.0, math.nan], dtype=torch.float64)
    assert str(torch.angle(x).tolist()) == str([0.0, math.pi, 0.0, math.nan])
    assert torch.angle(torch.tensor([-1])).dtype is torch.float32


def test_gradients_are_conjugate() -> None:
    z = torch.tensor([3 + 4j], requires_grad=True)
    (z * z.conj()).real.sum().backward()
    np.testing.assert_allclose(z.grad.numpy(), [6 + 8j])
    z.grad = None
    z.abs().sum().backward()
    np.testing.assert_allclose(z.grad.numpy(), [0.6 + 0.8j], 1e-6)
    z.grad = None
    z.imag.sum().backward()
    np.testing.assert_allclose(z.grad.numpy(), [1j])


def test_a_real_input_gets_a_real_gradient() -> None:
    x = torch.tensor([2.0], requires_grad=True)
    (x * (1 + 2j)).abs().sum().backward()
    assert x.grad.dtype is torch.float32
    assert x.grad.item() == pytest.approx(math.sqrt(5))
