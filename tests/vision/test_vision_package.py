"""The package itself: what importing it costs, and its small functions."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import flambeau as torch
from flambeau import vision
from flambeau.vision.utils import make_grid, save_image


def test_importing_vision_loads_neither_pillow_nor_its_submodules():
    code = (
        "import sys, flambeau.vision; "
        "heavy = [name for name in sys.modules if name.split('.')[0] in ('PIL', 'tqdm') "
        "or name.startswith('flambeau.vision.')]; "
        "assert not heavy, heavy; "
        "import flambeau.vision.transforms, flambeau.vision.models, flambeau.vision.datasets; "
        "assert 'PIL' not in sys.modules; "
        "assert flambeau.vision.utils.make_grid"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names():
    assert {"datasets", "models", "transforms", "utils"} <= set(dir(vision))
    assert vision.__version__
    assert vision.get_image_backend() == "PIL"
    vision.set_image_backend("PIL")
    with pytest.raises(ValueError, match="accimage"):
        vision.set_image_backend("accimage")
    with pytest.raises(AttributeError, match="oops"):
        vision.oops  # noqa: B018
    assert {"io", "ops", "tv_tensors"} <= set(dir(vision))
    assert vision.get_video_backend() == "pyav"


def test_make_grid():
    images = torch.stack([torch.full((3, 2, 3), float(value)) for value in range(1, 6)])
    grid = make_grid(images, nrow=2, padding=1, pad_value=9.0)
    assert tuple(grid.shape) == (3, 10, 9)
    cells = [[1, 2], [3, 4], [5, 9]]
    for row in range(3):
        for column in range(2):
            cell = grid[:, 1 + 3 * row : 3 + 3 * row, 1 + 4 * column : 4 + 4 * column]
            assert cell.unique().tolist() == [cells[row][column]]
    assert grid[:, 0].unique().tolist() == [9.0]
    assert grid[:, :, 4].unique().tolist() == [9.0]


def test_a_grid_is_not_in_the_graph(tmp_path):
    images = torch.rand(2, 1, 3, 3, requires_grad=True)
    assert not make_grid(images).requires_grad
    save_image(images, tmp_path / "grid.png")


def test_make_grid_of_other_shapes():
    assert tuple(make_grid(torch.zeros(4, 5)).shape) == (3, 4, 5)
    assert tuple(make_grid(torch.zeros(1, 4, 5)).shape) == (3, 4, 5)
    assert tuple(make_grid(torch.zeros(2, 4, 5)).shape) == (2, 4, 5)
    assert tuple(make_grid([torch.zeros(1, 4, 5)] * 2).shape) == (3, 8, 16)
    with pytest.raises(TypeError):
        make_grid(np.zeros((2, 3, 4, 4)))
    with pytest.raises(TypeError):
        make_grid([torch.zeros(3), 4])
    with pytest.raises(ValueError, match="dimensions"):
        make_grid(torch.zeros(4))


def test_make_grid_normalises():
    images = torch.tensor([[[[0.0, 4.0]]], [[[2.0, 3.0]]]])
    together = make_grid(images, padding=0, normalize=True)
    np.testing.assert_allclose(together[0].tolist(), [[0, 1, 0.5, 0.75]], rtol=1e-6)
    apart = make_grid(images, padding=0, normalize=True, scale_each=True)
    np.testing.assert_allclose(apart[0].tolist(), [[0, 1, 0, 1]], rtol=1e-6)
    ranged = make_grid(images, padding=0, normalize=True, value_range=(2.0, 4.0))
    np.testing.assert_allclose(ranged[0].tolist(), [[0, 1, 0, 0.5]], rtol=1e-6)
    assert images.tolist() == [[[[0.0, 4.0]]], [[[2.0, 3.0]]]]
    with pytest.raises(TypeError):
        make_grid(images, normalize=True, value_range=[0, 1])


def test_save_image(tmp_path):
    image = pytest.importorskip("PIL.Image")
    values = torch.tensor([0.0, 0.5, 1.0, 2.0]).view(1, 1, 2, 2).expand(1, 3, 2, 2)
    save_image(values, tmp_path / "out.png")
    with image.open(tmp_path / "out.png") as picture:
        assert np.asarray(picture)[..., 0].tolist() == [[0, 128], [255, 255]]
