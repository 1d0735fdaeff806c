"""Tensors that say what they are of."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import flambeau as torch
from flambeau.vision import tv_tensors


@pytest.fixture
def boxes():
    return tv_tensors.BoundingBoxes([[1, 2, 3, 4]], format="xywh", canvas_size=(5, 6))


def test_operations_give_plain_tensors(boxes):
    image = tv_tensors.Image(torch.ones(2, 3))
    assert tuple(image.shape) == (1, 2, 3)
    for result in (image + 1, image[0], image.sum(), torch.stack([image, image]), boxes * 2):
        assert type(result) is torch.Tensor
    for result in (image.clone(), image.to(torch.float64), image.detach(), copy.deepcopy(image)):
        assert type(result) is tv_tensors.Image
    image.add_(1)
    assert type(image) is tv_tensors.Image
    assert type(image.add_(1)) is torch.Tensor
    assert image.sum().item() == 18


def test_the_return_type_can_be_set(boxes):
    image = tv_tensors.Image(torch.ones(1, 2, 3))
    with tv_tensors.set_return_type("TVTensor"):
        assert type(image + 1) is tv_tensors.Image
        doubled = boxes * 2
        assert type(doubled) is tv_tensors.BoundingBoxes
        assert doubled.canvas_size == (5, 6)
    assert type(image + 1) is torch.Tensor
    with pytest.raises(ValueError, match="return_type"):
        tv_tensors.set_return_type("Image")


def test_what_boxes_carry(boxes):
    assert boxes.format is tv_tensors.BoundingBoxFormat.XYWH
    assert repr(boxes) == (
        "BoundingBoxes([[1, 2, 3, 4]], format=BoundingBoxFormat.XYWH, canvas_size=(5, 6), "
        "clamping_mode=soft)"
    )
    for same in (boxes.clone(), copy.deepcopy(boxes), boxes.to(torch.float32)):
        assert (same.format, same.canvas_size) == (boxes.format, (5, 6))
    wrapped = tv_tensors.wrap(torch.zeros(4), like=boxes, canvas_size=(9, 9))
    assert tuple(wrapped.shape) == (1, 4)
    assert (wrapped.format, wrapped.canvas_size) == (boxes.format, (9, 9))
    points = tv_tensors.KeyPoints([3.0, 4.0], canvas_size=(5, 6))
    assert repr(points) == "KeyPoints([[3., 4.]], canvas_size=(5, 6))"


def test_what_they_are_made_of(image, pixels):
    made = tv_tensors.Image(image)
    assert (made.numpy() == pixels.transpose(2, 0, 1)).all()
    assert tuple(tv_tensors.Mask(image.convert("L")).shape) == (1, 40, 30)
    asked = tv_tensors.Image(np.zeros((1, 2, 2)), dtype=torch.float32, requires_grad=True)
    assert asked.dtype == torch.float32
    assert asked.requires_grad
    assert tv_tensors.is_rotated_bounding_format("XYWHR")


@pytest.mark.parametrize(
    "call",
    [
        lambda: tv_tensors.Image(torch.zeros(3)),
        lambda: tv_tensors.Video(torch.zeros(3, 3, 3)),
        lambda: tv_tensors.BoundingBoxes(torch.zeros(1, 1, 4), format="xyxy", canvas_size=(1, 1)),
        lambda: tv_tensors.BoundingBoxes(
            torch.zeros(1, 4), format="xyxy", canvas_size=(1, 1), clamping_mode="firm"
        ),
        lambda: tv_tensors.BoundingBoxes(
            torch.zeros(1, 5, dtype=torch.int64), format="XYWHR", canvas_size=(1, 1)
        ),
        lambda: tv_tensors.KeyPoints(torch.zeros(1, 3), canvas_size=(1, 1)),
        lambda: tv_tensors.is_rotated_bounding_format(3),
    ],
)
def test_bad_arguments(call):
    with pytest.raises(ValueError):
        call()
