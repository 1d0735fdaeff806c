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
    with pytest.raises(RuntimeError, match="Half, Float or Double"):
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


def test_parts_are_views() -> None:
    z = torch.tensor(Z)
    z.real.mul_(2)
    z.imag = torch.tensor([0.0, 1, 2, 3])
    assert z.tolist() == [2 + 0j, -2 + 1j, 2j, 6 + 3j]
    pairs = torch.view_as_real(z)
    pairs[0] = 5
    shown = z.numpy()
    z.real[1] = 9
    assert shown.tolist() == [5 + 5j, 9 + 1j, 2j, 6 + 3j] and pairs[1, 0] == 9
    assert z.real.stride() == (2,) and z.imag.storage_offset() == 1
    assert z._version == z.real._version == 4
    table = torch.zeros(2, 3, dtype=torch.complex64)
    table.t()[1].imag.fill_(1)
    assert table[:, 1].tolist() == [1j, 1j] and table.sum() == 2j


def test_pairs_seen_as_complex_numbers_share_memory() -> None:
    x = torch.arange(7.0)
    z = torch.view_as_complex(x[2:6].view(2, 2))
    z.mul_(1j)
    assert x.tolist() == [0, 1, -3, 2, -5, 4, 6]
    for wrong in (x[1:3], x[:6].view(3, 2).t()[:, :2], torch.zeros(3, 3)[:, :2]):
        with pytest.raises(RuntimeError, match="view_as_complex"):
            torch.view_as_complex(wrong)
    assert torch.view_as_complex(torch.zeros(0, 2)).shape == (0,)


def test_gradients_through_written_parts() -> None:
    z = torch.tensor([3 + 4j], requires_grad=True)
    y = z * 1
    y.real.mul_(3)
    (y.real + 2 * y.imag).sum().backward()
    assert z.grad.tolist() == [3 + 2j]
    x = torch.tensor([1.0, 2, 3], requires_grad=True)
    y = x * 1
    torch.view_as_complex(y[:2]).mul_(1j)  # (1, 2) becomes (-2, 1)
    (y * torch.tensor([1.0, 10, 100])).sum().backward()
    assert x.grad.tolist() == [10, -1, 100]
    x.grad = None
    y = x * 1
    part = torch.view_as_complex(y[:2])
    y.mul_(2)
    part.imag.sum().backward()
    assert x.grad.tolist() == [0, 2, 0]


def test_half_precision() -> None:
    h = torch.tensor([1.5, 2.0], dtype=torch.float16)
    z = torch.complex(h, h)
    assert z.dtype is torch.complex32 and (h * 1j).dtype is torch.complex32
    assert z.real.dtype is torch.float16 and z.real.tolist() == [1.5, 2.0]
    assert torch.view_as_complex(torch.view_as_real(z)).tolist() == z.tolist() == [1.5 + 1.5j, 2 + 2j]
    assert str(z) == "tensor([1.5000+1.5000j, 2.0000+2.0000j], dtype=torch.complex32)"
    assert (z * z).tolist() == [4.5j, 8j] and z.cfloat().dtype is torch.complex64
    assert torch.ones(1).chalf().dtype is torch.chalf
    with pytest.raises(TypeError, match="ComplexHalf"):
        z.numpy()
