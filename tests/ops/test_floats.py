"""Mantissas, neighbours, hashes."""

from __future__ import annotations

import math

import numpy as np
import pytest

import flambeau as torch


def test_frexp() -> None:
    x = torch.tensor([0.0, 1.0, -10.0, 0.3, math.inf])
    mantissa, exponent = torch.frexp(x)
    assert mantissa.tolist()[:3] == [0.0, 0.5, -0.625] and exponent.tolist()[:3] == [0, 1, 4]
    assert exponent.dtype is torch.int32
    torch.testing.assert_close(torch.ldexp(mantissa, exponent), x)
    assert x.frexp().mantissa is not None
    with pytest.raises(RuntimeError, match="floating-point"):
        torch.frexp(torch.arange(3))


def test_nextafter() -> None:
    x = torch.tensor([0.0, 1.0, -1.0, 2.0])
    y = torch.tensor([1.0, -1.0, -2.0, 2.0])
    np.testing.assert_array_equal(torch.nextafter(x, y).numpy(), np.nextafter(x.numpy(), y.numpy()))
    for dt in (torch.float16, torch.bfloat16):
        up = torch.nextafter(torch.ones(2, dtype=dt), torch.tensor([2.0, 0.0], dtype=dt))
        eps = torch.finfo(dt).eps
        assert up.float().tolist() == [1 + eps, 1 - eps / 2]
    tiny = torch.nextafter(torch.zeros(2, dtype=torch.bfloat16), torch.tensor([-1.0, 1.0]).bfloat16())
    assert (tiny.float() * torch.tensor([-1.0, 1.0]) > 0).all()
    with pytest.raises(NotImplementedError, match="nextafter"):
        torch.nextafter(torch.arange(2), torch.arange(2))


def test_hash_tensor() -> None:
    x = torch.tensor([1.0, -2.5, 7.0])
    bits = x.double().numpy().view(np.uint64)
    assert int(torch.hash_tensor(x)) == int(bits[0] ^ bits[1] ^ bits[2])
    assert torch.hash_tensor(torch.tensor([[1, 2], [4, 8]]), 1, keepdim=True).tolist() == [[3], [12]]
    with pytest.raises(RuntimeError, match="mode"):
        x.hash_tensor(mode=1)
