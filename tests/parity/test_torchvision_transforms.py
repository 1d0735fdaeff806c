"""torchvision's own transforms and operations on pictures: the same for the same seed."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import flambeau as fl
from flambeau.vision import ops, transforms, tv_tensors, utils
from flambeau.vision.transforms import v2

from . import torchvision_oracle

torchvision = torchvision_oracle.load()
image_module = pytest.importorskip("PIL.Image")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torchvision.transforms.v2 as their_v2

Y, X = np.mgrid[:37, :53]
PIXELS = np.stack([Y * 5 + X * 3, Y * 2 + X * 4, Y * 7], -1).astype(np.uint8)
PLANES = PIXELS.transpose(2, 0, 1).copy()

FIRST = {
    "perspective": lambda T: T.RandomPerspective(p=1.0),
    "affine": lambda T: T.RandomAffine(30, (0.1, 0.2), (0.7, 1.3), 10),
    "rotation": lambda T: T.RandomRotation(40, T.InterpolationMode.BILINEAR, fill=3),
    "blur": lambda T: T.GaussianBlur((5, 7)),
    "elastic": lambda T: T.ElasticTransform(),
    "sharpness": lambda T: T.RandomAdjustSharpness(2.0, 1.0),
    "autocontrast": lambda T: T.RandomAutocontrast(1.0),
    "equalize": lambda T: T.RandomEqualize(1.0),
    "crop": lambda T: T.RandomCrop(30, 4, padding_mode="reflect"),
    "resized crop": lambda T: T.RandomResizedCrop(24),
    "jitter": lambda T: T.ColorJitter(0.4, 0.4, 0.4, 0.2),
    "autoaugment": lambda T: T.AutoAugment(),
    "randaugment": lambda T: T.RandAugment(3, 14),
    "trivialaugment": lambda T: T.TrivialAugmentWide(),
    "augmix": lambda T: T.AugMix(),
    "resize": lambda T: T.Resize((60, 70), T.InterpolationMode.BICUBIC),
}


def as_array(picture):
    return np.asarray(picture) if isinstance(picture, image_module.Image) else picture.numpy()


def assert_close(found, expected):
    """Within one step of the bytes, and equal in all but a few."""
    found, expected = as_array(found), as_array(expected)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    difference = np.abs(found.astype(float) - expected.astype(float))
    assert (difference > 1).mean() < 0.002
    assert (difference > 0).mean() < 0.06


@pytest.mark.parametrize("name", FIRST)
def test_the_first_generation(name):
    make = FIRST[name]
    theirs, ours = make(torchvision.transforms), make(transforms)
    assert repr(theirs) == repr(ours)
    pictures = (
        (image_module.fromarray(PIXELS), image_module.fromarray(PIXELS)),
        (torch.from_numpy(PLANES.copy()), fl.from_numpy(PLANES.copy())),
    )
    for seed in range(3):
        for first, second in pictures:
            torch.manual_seed(seed)
            fl.manual_seed(seed)
            assert_close(ours(second), theirs(first))
            assert torch.rand(1).item() == fl.rand(1).item()


SECOND = {
    "flip": lambda M: M.RandomHorizontalFlip(1.0),
    "resize": lambda M: M.Resize(20, max_size=25),
    "resized crop": lambda M: M.RandomResizedCrop(24),
    "crop": lambda M: M.RandomCrop((50, 60), padding=3, pad_if_needed=True),
    "zoom out": lambda M: M.RandomZoomOut(p=1.0),
    "rotation": lambda M: M.RandomRotation((20, 50), expand=True),
    "affine": lambda M: M.RandomAffine(30, (0.1, 0.2), (0.7, 1.3), (1, 5, 2, 6)),
    "perspective": lambda M: M.RandomPerspective(p=1.0),
    "elastic": lambda M: M.ElasticTransform(20.0, 3.0),
    "iou crop": lambda M: M.RandomIoUCrop(),
    "jitter": lambda M: M.ColorJitter(0.4, 0.4, 0.4, 0.2),
    "distort": lambda M: M.RandomPhotometricDistort(p=0.7),
    "erase": lambda M: M.RandomErasing(1.0),
    "sanitize": lambda M: M.Compose([M.CenterCrop((20, 30)), M.SanitizeBoundingBoxes(3)]),
}
BOXES = np.array([[3, 4, 20, 30], [10.5, 2, 40, 12], [0, 0, 53, 37]], np.float32)
POINTS = np.array([[5, 6.0], [20, 30], [50, 3]], np.float32)


def sample(framework, kinds):
    tensor = framework.from_numpy
    return {
        "image": kinds.Image(tensor(PLANES.copy())),
        "mask": kinds.Mask(tensor((Y // 7 + X // 9).astype(np.uint8) % 4)),
        "boxes": kinds.BoundingBoxes(tensor(BOXES.copy()), format="xyxy", canvas_size=(37, 53)),
        "points": kinds.KeyPoints(tensor(POINTS.copy()), canvas_size=(37, 53)),
        "labels": tensor(np.arange(3)),
    }


@pytest.mark.parametrize("name", SECOND)
def test_the_second_generation(name):
    theirs, ours = SECOND[name](their_v2), SECOND[name](v2)
    assert repr(theirs) == repr(ours)
    for seed in range(3):
        torch.manual_seed(seed)
        expected = theirs(sample(torch, torchvision.tv_tensors))
        fl.manual_seed(seed)
        found = ours(sample(fl, tv_tensors))
        assert torch.rand(1).item() == fl.rand(1).item()
        for key, value in expected.items():
            one, other = found[key].as_subclass(fl.Tensor), value.as_subclass(torch.Tensor)
            if key == "image":
                assert_close(one, other)
            else:
                np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-3)
        assert tuple(found["boxes"].canvas_size) == tuple(expected["boxes"].canvas_size)


def test_operations_on_boxes():
    generator = np.random.default_rng(0)
    first = np.cumsum(generator.random((7, 2, 2)), 1).reshape(7, 4).astype(np.float32) * 20
    second = first[:5, [0, 1, 2, 3]] + generator.random((5, 4)).astype(np.float32) * 3
    second[:, 2:] += 3
    T = torchvision.ops
    for name in (
        "box_iou",
        "generalized_box_iou",
        "distance_box_iou",
        "complete_box_iou",
        "generalized_box_iou_loss",
        "distance_box_iou_loss",
        "complete_box_iou_loss",
    ):
        given = (first[:5], second) if name.endswith("loss") else (first, second)
        expected = getattr(T, name)(*map(torch.from_numpy, given)).numpy()
        found = getattr(ops, name)(*(fl.from_numpy(one.copy()) for one in given)).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=name)


def test_drawings():
    boxes = np.array([[5, 6, 30, 30], [20, 10, 50, 36]])
    masks = np.stack([Y < 20, X > 20])
    points = np.array([[[5, 6], [20, 30]], [[40, 4], [8, 9]]])
    pairs = []
    for framework, tools in ((torch, torchvision.utils), (fl, utils)):
        tensor = framework.from_numpy
        picture = tensor(PLANES.copy())
        labelled = tools.draw_bounding_boxes(picture, tensor(boxes.copy()), ["a", "b"], fill=True)
        masked = tools.draw_segmentation_masks(picture, tensor(masks.copy()), 0.4)
        dotted = tools.draw_keypoints(picture, tensor(points.copy()), [(0, 1)], "red")
        pairs.append([labelled, masked, dotted])
    for expected, found in zip(*pairs, strict=True):
        np.testing.assert_array_equal(found.numpy(), expected.numpy())
    flow = np.random.default_rng(0).standard_normal((2, 9, 8)).astype(np.float32)
    expected = torchvision.utils.flow_to_image(torch.from_numpy(flow)).numpy()
    found = utils.flow_to_image(fl.from_numpy(flow.copy())).numpy()
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1
