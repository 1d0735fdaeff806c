"""Grids and sampling at them."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch
from flambeau.nn import functional as F

MODES = [(m, p, a) for m in ("bilinear", "nearest", "bicubic")
         for p in ("zeros", "border", "reflection") for a in (True, False)]  # fmt: skip


def _image() -> torch.Tensor:
    return torch.arange(24, dtype=torch.float64).reshape(1, 2, 3, 4).sin()


@pytest.mark.parametrize(("mode", "padding", "align"), MODES)
def test_the_identity_grid_gives_the_image(mode: str, padding: str, align: bool) -> None:
    image = _image()
    theta = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]], dtype=torch.float64)
    grid = F.affine_grid(theta, (1, 2, 3, 4), align_corners=align)
    assert grid.shape == (1, 3, 4, 2)
    sampled = F.grid_sample(image, grid, mode, padding, align)
    np.testing.assert_allclose(sampled.numpy(), image.numpy(), atol=1e-12)


def test_a_half_turn_flips_the_image() -> None:
    theta = torch.tensor([[[-1.0, 0, 0], [0, -1, 0]]], dtype=torch.float64)
    grid = F.affine_grid(theta, (1, 2, 3, 4), align_corners=False)
    sampled = F.grid_sample(_image(), grid, align_corners=False)
    np.testing.assert_allclose(sampled.numpy(), _image().flip(2, 3).numpy(), atol=1e-12)


def test_outside_of_the_image() -> None:
    image = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    grid = torch.tensor([[[[-5.0 / 3, 0.0], [5.0 / 3, 0.0]]]])
    for padding, expected in (("zeros", [0, 0]), ("border", [1, 3]), ("reflection", [1.5, 2.5])):
        found = F.grid_sample(image, grid, "bilinear", padding, align_corners=False)
        np.testing.assert_allclose(found.reshape(-1).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(("mode", "padding", "align"), MODES)
def test_derivatives(mode: str, padding: str, align: bool) -> None:
    image = _image().requires_grad_()
    points = np.random.default_rng(0).uniform(-1.3, 1.3, (1, 2, 2, 2))
    grid = torch.tensor(points, requires_grad=True)

    def sample(image: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
        return F.grid_sample(image, grid, mode, padding, align)

    assert torch.autograd.gradcheck(sample, (image, grid))


def test_volumes() -> None:
    theta = torch.eye(3, 4, dtype=torch.float64).unsqueeze(0)
    volume = torch.arange(24, dtype=torch.float64).reshape(1, 1, 2, 3, 4)
    grid = F.affine_grid(theta, volume.shape, align_corners=True)
    sampled = F.grid_sample(volume, grid, align_corners=True)
    np.testing.assert_allclose(sampled.numpy(), volume.numpy(), atol=1e-12)


def test_wrong_calls() -> None:
    image, grid = torch.ones(2, 1, 2, 2), torch.ones(2, 2, 2, 2)
    for error, call in (
        (ValueError, lambda: F.grid_sample(image, grid, mode="cubic")),
        (ValueError, lambda: F.grid_sample(image, grid, padding_mode="wrap")),
        (RuntimeError, lambda: F.grid_sample(image, grid.double(), align_corners=True)),
        (RuntimeError, lambda: F.grid_sample(image, grid[:1], align_corners=True)),
        (RuntimeError, lambda: F.grid_sample(image, torch.ones(2, 2, 2, 3), align_corners=True)),
        (ValueError, lambda: F.affine_grid(torch.ones(1, 2, 2), (1, 1, 2, 2), True)),
        (NotImplementedError, lambda: F.affine_grid(torch.ones(1, 2, 3), (1, 1, 2), True)),
    ):
        with pytest.raises(error, match=r"(grid_sample|affine_grid)\(\)"):
            call()
