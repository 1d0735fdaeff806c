"""Resizing images: closed forms, names of PyTorch's own, bytes, and one node for it all."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch
from flambeau.nn import functional as F

X = torch.arange(12, dtype=torch.float64).reshape(1, 1, 3, 4)


def test_linear_functions_stay_linear() -> None:
    """Aligned corners: the value of r + 4 c at evenly spaced places."""
    found = torch._nn.upsample_bilinear2d(X, (5, 7), True)[0, 0].numpy()
    r, c = np.linspace(0, 2, 5)[:, None], np.linspace(0, 3, 7)[None]
    np.testing.assert_allclose(found, 4 * r + c)
    found = F.interpolate(X[0], 7, mode="linear", align_corners=True)[0].numpy()
    np.testing.assert_allclose(found, 4 * np.arange(3)[:, None] + c)


def test_nearest_repeats() -> None:
    found = torch._nn.upsample_nearest2d(X, (6, 4), None, None)
    np.testing.assert_array_equal(found[0, 0].numpy(), np.repeat(X[0, 0].numpy(), 2, 0))
    assert torch.equal(found, torch._nn.upsample_nearest2d(X, None, (2.0, 1.0)))


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_a_constant_stays(mode: str) -> None:
    image = torch.full((1, 3, 5, 6), 7.0)
    for antialias in (False, True):
        found = F.interpolate(image, (3, 9), mode=mode, antialias=antialias)
        np.testing.assert_allclose(found.numpy(), 7.0, 1e-6)


def test_the_derivative_is_the_adjoint() -> None:
    x = X.clone().requires_grad_()
    y = F.interpolate(x, (2, 5), mode="bicubic")
    assert y.grad_fn.name() == "UpsampleBicubic2DBackward0"
    assert y.grad_fn.next_functions[0][0].variable is x
    g = torch.linspace(0, 1, 10, dtype=torch.float64).reshape(1, 1, 2, 5)
    (found,) = torch.autograd.grad(y, x, g)
    np.testing.assert_allclose((found * X).sum().item(), (g * y.detach()).sum().item())
    again = torch._nn.upsample_bicubic2d_backward(g, (2, 5), (1, 1, 3, 4), False)
    assert torch.equal(found, again)


def test_bytes() -> None:
    image = torch.tensor([[[[0, 255], [255, 0]]]], dtype=torch.uint8)
    found = F.interpolate(image, (3, 3), mode="bilinear", align_corners=True)
    assert found.dtype is torch.uint8
    assert found[0, 0].tolist() == [[0, 128, 255], [128, 128, 128], [255, 128, 0]]
    with pytest.raises(NotImplementedError, match="int64"):
        F.interpolate(torch.ones(1, 1, 2, 2, dtype=torch.int64), 3, mode="bilinear")


def test_kept_tables_are_no_inference_tensors() -> None:
    def resized(x: torch.Tensor) -> torch.Tensor:
        return F.interpolate(x, (11, 13), mode="bilinear")

    with torch.inference_mode():
        resized(X)
    found = torch.func.grad(lambda x: (resized(x) ** 2).sum())(X)
    x = X.clone().requires_grad_()
    (resized(x) ** 2).sum().backward()
    np.testing.assert_allclose(found.numpy(), x.grad.numpy())


@pytest.mark.parametrize("size", [(3,), (0, 3)])
def test_wrong_sizes(size: tuple[int, ...]) -> None:
    with pytest.raises(RuntimeError, match="upsample_bilinear2d.*output"):
        torch._nn.upsample_bilinear2d(X, size, False)
