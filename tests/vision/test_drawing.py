"""Drawing into pictures."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch
from flambeau.vision import utils

pytest.importorskip("PIL")

BLACK = torch.zeros(3, 20, 24, dtype=torch.uint8)


def test_boxes():
    boxes = torch.tensor([[2, 3, 10, 12]])
    drawn = utils.draw_bounding_boxes(BLACK, boxes, colors="red")
    expected = np.zeros((20, 24), bool)
    expected[3:13, 2:11] = True
    expected[4:12, 3:10] = False
    assert (drawn[0].numpy() == expected * 255).all()
    assert drawn[1:].sum().item() == 0
    assert BLACK.sum().item() == 0
    filled = utils.draw_bounding_boxes(BLACK, boxes, colors=[(255, 0, 0)], fill=True)
    assert filled[0, 6, 6].item() == 100
    floats = utils.draw_bounding_boxes(BLACK.float(), boxes, colors="red")
    assert floats.dtype == torch.float32
    np.testing.assert_allclose(floats[0].numpy(), expected, atol=1e-6)
    grey = utils.draw_bounding_boxes(BLACK[:1], boxes, colors="red")
    assert torch.equal(grey, drawn)


def test_labels():
    boxes = torch.tensor([[0, 0, 20, 18]])
    plain = utils.draw_bounding_boxes(BLACK, boxes, colors="red")
    texted = utils.draw_bounding_boxes(BLACK, boxes, ["ab"], colors="red", label_colors="blue")
    assert torch.equal(plain[0], texted[0])
    assert texted[2].max().item() > 200
    backed = utils.draw_bounding_boxes(
        BLACK, boxes, ["ab"], colors="red", fill_labels=True, label_background_colors="lime"
    )
    assert (backed[1] == 255).sum().item() > 20


def test_turned_boxes():
    corners = torch.tensor([[4.0, 4.0, 16.0, 4.0, 16.0, 12.0, 4.0, 12.0]])
    drawn = utils.draw_bounding_boxes(BLACK, corners, colors="white")[0] > 0
    assert drawn[12, 4:17].all()
    # The first side is dashed.
    assert 0 < drawn[4, 5:16].sum().item() < 11


def test_masks():
    masks = torch.zeros(2, 20, 24, dtype=torch.bool)
    masks[0, :10] = True
    masks[1, 5:15] = True
    picture = torch.full((3, 20, 24), 100, dtype=torch.uint8)
    drawn = utils.draw_segmentation_masks(picture, masks, 0.5, ["red", (0, 0, 200)])
    assert drawn[:, 0, 0].tolist() == [177, 50, 50]
    assert drawn[:, 7, 0].tolist() == [50, 50, 50]
    assert drawn[:, 12, 0].tolist() == [50, 50, 150]
    assert drawn[:, 19, 0].tolist() == [100, 100, 100]
    palette = utils.draw_segmentation_masks(picture, masks, 1.0)
    assert palette[:, 12, 0].tolist() == [(2**25 - 1) % 255, (2**15 - 1) % 255, (2**21 - 1) % 255]
    assert utils.draw_segmentation_masks(picture, masks[0]).shape == picture.shape


def test_points():
    points = torch.tensor([[[5.0, 6.0], [15.0, 6.0]]])
    drawn = utils.draw_keypoints(BLACK, points, colors="red", radius=1)
    assert drawn[0, 6, 5].item() == 255
    assert drawn[0, 6, 10].item() == 0
    joined = utils.draw_keypoints(BLACK, points, [(0, 1)], width=1)
    assert joined[:, 6, 5:16].min().item() == 255
    seen = torch.tensor([[True, False]])
    half = utils.draw_keypoints(BLACK, points, [(0, 1)], "red", visibility=seen)
    assert half[0, 6, 5].item() == 255
    assert half[0, 6, 15].item() == 0


def test_motion():
    flow = torch.zeros(2, 1, 4)
    flow[0, 0, :2] = torch.tensor([1.0, -1.0])
    flow[1, 0, 2] = 1.0
    image = utils.flow_to_image(flow)
    assert image.dtype == torch.uint8
    assert image[:, 0, 3].tolist() == [255, 255, 255]
    assert image[:, 0, 0].tolist() == [255, 0, 0]
    assert len({tuple(color) for color in image[:, 0].T.tolist()}) == 4
    assert tuple(utils.flow_to_image(torch.randn(5, 2, 3, 4)).shape) == (5, 3, 3, 4)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: utils.draw_bounding_boxes(BLACK.numpy(), torch.zeros(1, 4)), TypeError),
        (lambda: utils.draw_bounding_boxes(BLACK.int(), torch.zeros(1, 4)), ValueError),
        (lambda: utils.draw_bounding_boxes(BLACK[None], torch.zeros(1, 4)), ValueError),
        (lambda: utils.draw_bounding_boxes(BLACK[:2], torch.zeros(1, 4)), ValueError),
        (lambda: utils.draw_bounding_boxes(BLACK, torch.tensor([[5, 0, 1, 1]])), ValueError),
        (lambda: utils.draw_bounding_boxes(BLACK, torch.zeros(1, 4), ["a", "b"]), ValueError),
        (lambda: utils.draw_bounding_boxes(BLACK, torch.zeros(2, 4), colors=["red"]), ValueError),
        (lambda: utils.draw_bounding_boxes(BLACK, torch.zeros(2, 4), colors=(1, 2)), ValueError),
        (lambda: utils.draw_bounding_boxes(BLACK, torch.zeros(2, 4), colors=3), ValueError),
        (lambda: utils.draw_segmentation_masks(BLACK, torch.zeros(20, 24)), ValueError),
        (lambda: utils.draw_segmentation_masks(BLACK, torch.zeros(2, 2).bool()), ValueError),
        (lambda: utils.draw_keypoints(BLACK, torch.zeros(2, 2)), ValueError),
        (lambda: utils.draw_keypoints(BLACK, torch.zeros(1, 2, 2), visibility=torch.ones(1, 3)),
         ValueError),
        (lambda: utils.flow_to_image(torch.zeros(3, 4, 4)), ValueError),
        (lambda: utils.flow_to_image(torch.zeros(2, 4, 4).double()), ValueError),
    ],
)  # fmt: skip
def test_bad_arguments(call, error):
    with pytest.raises(error):
        call()


def test_nothing_to_draw_warns():
    with pytest.warns(UserWarning, match="No box"):
        assert utils.draw_bounding_boxes(BLACK, torch.zeros(0, 4)) is BLACK
    with pytest.warns(UserWarning, match="No mask"):
        masks = torch.zeros(0, 20, 24, dtype=torch.bool)
        assert utils.draw_segmentation_masks(BLACK, masks) is BLACK
