"""The transforms beside the same code on PyTorch, and beside PyTorch's own functions."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

import flambeau as fl
from flambeau import vision as fl_vision
from flambeau.vision.transforms import functional as F

torch = pytest.importorskip("torch")
image_module = pytest.importorskip("PIL.Image")

_path = Path(__file__).parent / "vision_on_torch.py"
_spec = importlib.util.spec_from_file_location("vision_on_torch", _path)
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
torch_vision = _module.load()

PIXELS = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)

TRANSFORMS = {
    "crop": lambda T: T.RandomCrop(20, padding=4, padding_mode="reflect"),
    "resized crop": lambda T: T.RandomResizedCrop(24),
    "rotation": lambda T: T.RandomRotation(40, fill=3),
    "expanded rotation": lambda T: T.RandomRotation(40, expand=True),
    "jitter": lambda T: T.ColorJitter(0.5, 0.5, 0.5, 0.3),
    "flips": lambda T: T.Compose([T.RandomHorizontalFlip(), T.RandomVerticalFlip()]),
    "grey": lambda T: T.RandomGrayscale(0.5),
    "apply": lambda T: T.RandomApply([T.Grayscale(3)]),
    "erasing": lambda T: T.Compose([T.ConvertImageDtype(T.FLOAT), T.RandomErasing(0.7)]),
    "noise": lambda T: T.Compose(
        [T.ConvertImageDtype(T.FLOAT), T.RandomErasing(1.0, value="random")]
    ),
    "preset": lambda T: T.Compose(
        [T.Resize(30), T.CenterCrop(24), T.ConvertImageDtype(T.FLOAT), T.Normalize((0.5,), (0.2,))]
    ),
}
fl_vision.transforms.FLOAT, torch_vision.transforms.FLOAT = fl.float32, torch.float32


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_same_seed_gives_the_same_tensor(name):
    make = TRANSFORMS[name]
    planes = PIXELS.transpose(2, 0, 1).copy()
    for seed in range(4):
        fl.manual_seed(seed)
        torch.manual_seed(seed)
        ours = make(fl_vision.transforms)(fl.from_numpy(planes.copy())).numpy()
        theirs = make(torch_vision.transforms)(torch.from_numpy(planes.copy())).numpy()
        assert ours.dtype == theirs.dtype
        # A byte may round the other way; noise comes through logarithms and cosines.
        tolerance = 1 if ours.dtype == np.uint8 else 1e-5
        assert ours.shape == theirs.shape
        difference = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
        if name == "jitter":
            assert (difference > 1).mean() < 0.01
        else:
            assert difference.max() <= tolerance


@pytest.mark.parametrize("name", ["crop", "resized crop", "rotation", "jitter", "flips", "grey"])
def test_the_same_seed_gives_the_same_picture(name):
    make = TRANSFORMS[name]
    picture = image_module.fromarray(PIXELS)
    for seed in range(4):
        fl.manual_seed(seed)
        torch.manual_seed(seed)
        ours = np.asarray(make(fl_vision.transforms)(picture))
        theirs = np.asarray(make(torch_vision.transforms)(picture))
        np.testing.assert_array_equal(ours, theirs)


def test_conversions_are_equal():
    picture = image_module.fromarray(PIXELS)
    pipelines = [
        T.Compose([T.ToTensor(), T.Normalize((0.1, 0.2, 0.3), (0.5, 0.6, 0.7))])
        for T in (fl_vision.transforms, torch_vision.transforms)
    ]
    expected = torch.from_numpy(PIXELS.transpose(2, 0, 1).copy()).float().div(255)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.1, 0.2, 0.3), (0.5, 0.6, 0.7)))
    for pipeline in pipelines:
        np.testing.assert_array_equal(pipeline(picture).numpy(), ((expected - mean) / std).numpy())


@pytest.mark.parametrize("size", [(20, 30), (64, 80), (37, 20), (10, 100)])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "nearest", "nearest-exact"])
@pytest.mark.parametrize("antialias", [True, False])
def test_resize_is_interpolate(size, mode, antialias):
    planes = PIXELS.transpose(2, 0, 1).astype(np.float32) / 255
    options = {}
    if not mode.startswith("nearest"):
        options = {"antialias": antialias, "align_corners": False}
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(planes)[None], size, mode=mode, **options
    )[0]
    found = F.resize(
        fl.from_numpy(planes.copy()), size, F.InterpolationMode(mode), antialias=antialias
    )
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=0, atol=2e-5)


@pytest.mark.parametrize("angle", [0, 30, 90, -45, 137.3])
@pytest.mark.parametrize("center", [None, (5, 7)])
def test_rotate_is_grid_sample(angle, center):
    planes = PIXELS.transpose(2, 0, 1).astype(np.float32) / 255
    height, width = planes.shape[1:]
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    x, y = (0.0, 0.0) if center is None else (center[0] - width / 2, center[1] - height / 2)
    columns = torch.arange(width) + 0.5 - width / 2 - x
    rows = (torch.arange(height) + 0.5 - height / 2 - y)[:, None]
    grid = torch.stack(
        [
            (cos * columns - sin * rows + x) / (width / 2),
            (sin * columns + cos * rows + y) / (height / 2),
        ],
        dim=-1,
    )
    expected = torch.nn.functional.grid_sample(
        torch.from_numpy(planes)[None], grid[None].float(), align_corners=False
    )[0]
    found = F.rotate(
        fl.from_numpy(planes.copy()), angle, F.InterpolationMode.BILINEAR, center=center
    )
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=0, atol=2e-5)


def test_fake_data_is_equal():
    ours = fl_vision.datasets.FakeData(5, (3, 9, 8))
    theirs = torch_vision.datasets.FakeData(5, (3, 9, 8))
    for index in range(5):
        mine, other = ours[index], theirs[index]
        assert mine[1] == other[1]
        np.testing.assert_array_equal(np.asarray(mine[0]), np.asarray(other[0]))


def test_make_grid_is_equal():
    images = np.random.default_rng(1).random((7, 1, 5, 6), dtype=np.float32)
    for options in (
        {},
        {"nrow": 3, "padding": 0},
        {"normalize": True, "pad_value": 0.5},
        {"normalize": True, "scale_each": True, "value_range": (0.2, 0.7)},
    ):
        ours = fl_vision.utils.make_grid(fl.from_numpy(images.copy()), **options).numpy()
        theirs = torch_vision.utils.make_grid(torch.from_numpy(images.copy()), **options).numpy()
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
