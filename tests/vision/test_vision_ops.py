"""Boxes, regions, losses and dropped blocks, against loops in NumPy and numbers by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

import flambeau as torch
from flambeau.vision import ops
from flambeau.vision.ops import feature_pyramid_network as pyramids

BOXES = torch.tensor([[0.0, 0, 10, 10], [5, 5, 15, 15], [20, 20, 30, 40], [1, 1, 11, 11]])


def test_overlaps():
    iou = ops.box_iou(BOXES[:2], BOXES[:3])
    np.testing.assert_allclose(iou.tolist(), [[1, 25 / 175, 0], [25 / 175, 1, 0]], rtol=1e-6)
    # The box around the first two is 15 by 15.
    generalized = ops.generalized_box_iou(BOXES[:1], BOXES[1:2])
    np.testing.assert_allclose(generalized.item(), 25 / 175 - (225 - 175) / 225, rtol=1e-6)
    distance = ops.distance_box_iou(BOXES[:1], BOXES[1:2]).item()
    np.testing.assert_allclose(distance, 25 / 175 - 50 / 450, rtol=1e-6)
    assert ops.complete_box_iou(BOXES[:1], BOXES[1:2]).item() == pytest.approx(distance)
    shape = 4 / math.pi**2 * (math.atan(1) - math.atan(0.5)) ** 2
    weight = shape / (1 - 0 + shape)
    complete = ops.complete_box_iou(BOXES[:1], BOXES[2:3]).item()
    plain = ops.distance_box_iou(BOXES[:1], BOXES[2:3]).item()
    np.testing.assert_allclose(complete, plain - weight * shape, rtol=1e-5)
    with pytest.raises(NotImplementedError, match="turned"):
        ops.box_iou(BOXES, BOXES, fmt="xywhr")
    with pytest.raises(ValueError, match="xy"):
        ops.box_iou(BOXES, BOXES, fmt="xy")


def test_formats():
    box = torch.tensor([[10.0, 20.0, 30.0, 60.0]])
    assert ops.box_convert(box, "xyxy", "xywh").tolist() == [[10, 20, 20, 40]]
    assert ops.box_convert(box, "xyxy", "cxcywh").tolist() == [[20, 40, 20, 40]]
    assert ops.box_convert(box, "xyxy", "xyxy") is not box
    for fmt in ("xywh", "cxcywh"):
        there = ops.box_convert(box, "xyxy", fmt)
        assert ops.box_convert(there, fmt, "xyxy").tolist() == box.tolist()
        assert ops.box_area(there, fmt).tolist() == [800]
    turned = torch.tensor([[10.0, 20.0, 4.0, 2.0, 90.0]])
    corners = ops.box_convert(turned, "xywhr", "xyxyxyxy")
    np.testing.assert_allclose(corners.tolist(), [[10, 20, 10, 16, 12, 16, 12, 20]], atol=1e-5)
    back = ops.box_convert(ops.box_convert(turned, "xywhr", "cxcywhr"), "cxcywhr", "xywhr")
    np.testing.assert_allclose(back.tolist(), turned.tolist(), atol=1e-5)
    with pytest.raises(ValueError, match="known are"):
        ops.box_convert(box, "xyxy", "yx")
    with pytest.raises(NotImplementedError):
        ops.box_convert(box, "xyxy", "xywhr")


def test_suppression():
    scores = torch.tensor([0.5, 0.9, 0.1, 0.8])
    assert ops.nms(BOXES, scores, 0.3).tolist() == [1, 3, 2]
    assert ops.nms(BOXES, scores, 0.9).tolist() == [1, 3, 0, 2]
    assert ops.batched_nms(BOXES, scores, torch.tensor([0, 1, 0, 1]), 0.1).tolist() == [1, 0, 2]
    assert ops.nms(BOXES[:0], scores[:0], 0.5).tolist() == []
    degenerate = torch.zeros(2, 4)
    assert ops.nms(degenerate, scores[:2], 0.5).tolist() == [1, 0]
    for boxes, values in ((BOXES[0], scores), (BOXES[:, :3], scores), (BOXES, scores[:2])):
        with pytest.raises(RuntimeError):
            ops.nms(boxes, values, 0.5)


def test_choosing_and_clipping():
    assert ops.remove_small_boxes(BOXES, 10.5).tolist() == []
    assert ops.remove_small_boxes(torch.tensor([[0.0, 0, 3, 1], [0, 0, 3, 3]]), 2).tolist() == [1]
    clipped = ops.clip_boxes_to_image(torch.tensor([[-5.0, 2, 40, 50]]), (30, 20))
    assert clipped.tolist() == [[0, 2, 20, 30]]


def test_masks_to_boxes():
    masks = torch.zeros(2, 6, 7, dtype=torch.bool)
    masks[0, 2:4, 1:6] = True
    boxes = ops.masks_to_boxes(masks)
    assert boxes.tolist() == [[1, 2, 5, 3], [0, 0, 0, 0]]
    assert boxes.dtype == torch.float32
    assert tuple(ops.masks_to_boxes(torch.zeros(0, 3, 3)).shape) == (0, 4)


LOSSES = (
    (ops.generalized_box_iou_loss, ops.generalized_box_iou),
    (ops.distance_box_iou_loss, ops.distance_box_iou),
    (ops.complete_box_iou_loss, ops.complete_box_iou),
)


@pytest.mark.parametrize(("loss", "overlap"), LOSSES)
def test_losses_are_one_less_the_overlap(loss, overlap):
    targets = torch.tensor([[1.0, 0, 9, 12], [6, 5, 18, 14], [2, 2, 5, 5], [0, 2, 11, 9]])
    expected = 1 - overlap(BOXES, targets).diagonal()
    np.testing.assert_allclose(loss(BOXES, targets).tolist(), expected.tolist(), rtol=1e-5)
    boxes = BOXES.double().requires_grad_()
    if loss is not ops.complete_box_iou_loss:  # its weight of the shape is no part of the gradient
        assert torch.autograd.gradcheck(lambda b: loss(b, targets.double(), "mean"), (boxes,))
    assert loss(BOXES[:0], targets[:0], "mean").item() == 0
    with pytest.raises(ValueError, match="reduction"):
        loss(BOXES, targets, "average")


def test_focal_loss():
    logits = torch.tensor([2.0, -1.0, 0.5])
    targets = torch.tensor([1.0, 0.0, 0.0])
    right = [1 / (1 + math.exp(-2)), 1 - 1 / (1 + math.exp(1)), 1 - 1 / (1 + math.exp(-0.5))]
    expected = [alpha * (1 - p) ** 2 * -math.log(p) for p, alpha in zip(right, (0.25, 0.75, 0.75))]
    np.testing.assert_allclose(
        ops.sigmoid_focal_loss(logits, targets).tolist(), expected, rtol=1e-5
    )
    plain = ops.sigmoid_focal_loss(logits, targets, alpha=-1, gamma=0, reduction="sum").item()
    np.testing.assert_allclose(plain, -sum(math.log(p) for p in right), rtol=1e-5)
    with pytest.raises(ValueError, match="alpha"):
        ops.sigmoid_focal_loss(logits, targets, alpha=2)


def bilinear(picture, y, x):
    """The value of a picture (H, W) between its pixels; outside by more than one, zero."""
    height, width = picture.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down, across = y - top, x - left
    upper = picture[top, left] * (1 - across) + picture[top, right] * across
    lower = picture[bottom, left] * (1 - across) + picture[bottom, right] * across
    return upper * (1 - down) + lower * down


def aligned_region(picture, box, bins, samples, aligned):
    offset = 0.5 if aligned else 0
    x1, y1, x2, y2 = (side - offset for side in box)
    width, height = x2 - x1, y2 - y1
    if not aligned:
        width, height = max(width, 1), max(height, 1)
    counts = [samples if samples > 0 else math.ceil(size / bins) for size in (height, width)]
    result = np.zeros((bins, bins))
    for row, column in np.ndindex(bins, bins):
        for i, j in np.ndindex(*counts):
            y = y1 + (row + (i + 0.5) / counts[0]) * height / bins
            x = x1 + (column + (j + 0.5) / counts[1]) * width / bins
            result[row, column] += bilinear(picture, y, x)
    return result / max(counts[0] * counts[1], 1)


REGIONS = [(1, 2, 6.5, 7), (-3, -2, 4, 3), (3, 3, 3.2, 3.1), (5, 4, 14, 12), (0, 0, 2, 2)]


@pytest.mark.parametrize("samples", [-1, 2])
@pytest.mark.parametrize("aligned", [True, False])
def test_roi_align(samples, aligned):
    pictures = np.random.default_rng(0).standard_normal((2, 1, 8, 9)).astype(np.float32)
    pictures = np.concatenate([pictures, pictures * 2], axis=1)
    rois = torch.tensor([[index % 2, *box] for index, box in enumerate(REGIONS)])
    found = ops.roi_align(torch.from_numpy(pictures), rois, 2, 1.0, samples, aligned)
    assert tuple(found.shape) == (5, 2, 2, 2)
    for index, box in enumerate(REGIONS):
        expected = aligned_region(pictures[index % 2, 0], box, 2, samples, aligned)
        np.testing.assert_allclose(found[index, 0].numpy(), expected, atol=1e-5)
        np.testing.assert_allclose(found[index, 1].numpy(), 2 * expected, atol=1e-5)


def test_regions_learn():
    pictures = torch.randn(2, 8, 6, 7, dtype=torch.float64, requires_grad=True)
    rois = torch.tensor([[0, 1.0, 1.2, 4.5, 5], [1, 0, 0.4, 6, 3.3], [1, 2, 2, 9, 9]])
    for cut in (ops.roi_align, ops.roi_pool, ops.ps_roi_align, ops.ps_roi_pool):
        assert torch.autograd.gradcheck(lambda p, cut=cut: cut(p, rois, 2, 0.9), (pictures,))
        empty = cut(pictures, rois[:0], 2)
        assert empty.shape[0] == 0
        assert empty.requires_grad


def test_regions_as_lists_and_wrong_ones():
    pictures = torch.randn(2, 4, 6, 6)
    boxes = [torch.tensor([[1.0, 1, 4, 4]]), torch.tensor([[0.0, 0, 3, 5], [2, 2, 5, 5]])]
    rois = torch.tensor([[0, 1.0, 1, 4, 4], [1, 0, 0, 3, 5], [1, 2, 2, 5, 5]])
    assert torch.equal(ops.roi_align(pictures, boxes, 3), ops.roi_align(pictures, rois, (3, 3)))
    with pytest.raises(AssertionError):
        ops.roi_align(pictures, rois[:, :4], 3)
    with pytest.raises(AssertionError):
        ops.roi_pool(pictures, [rois], 3)
    with pytest.raises(IndexError, match="pictures"):
        ops.roi_align(pictures, torch.tensor([[2, 0.0, 0, 1, 1]]), 3)
    with pytest.raises(RuntimeError, match="multiple"):
        ops.ps_roi_align(pictures, rois, 3)


def test_roi_pool():
    picture = torch.arange(48.0).reshape(1, 1, 6, 8)
    pooled = ops.roi_pool(picture, torch.tensor([[0, 1.0, 1, 4, 4], [0, 9, 9, 12, 12]]), 2)
    # Pixels 1 to 4 in halves; nothing of the second region is inside.
    assert pooled[0, 0].tolist() == [[18, 20], [34, 36]]
    assert pooled[1, 0].tolist() == [[0, 0], [0, 0]]


def test_position_sensitive_regions():
    planes = torch.arange(4.0).reshape(1, 4, 1, 1).expand(1, 4, 6, 6)
    rois = torch.tensor([[0, 1.0, 1, 5, 5]])
    for cut in (ops.ps_roi_align, ops.ps_roi_pool):
        np.testing.assert_allclose(cut(planes, rois, 2)[0, 0].tolist(), [[0, 1], [2, 3]])


def test_a_deformed_convolution():
    x = torch.randn(2, 4, 6, 7, dtype=torch.float64)
    weight = torch.randn(6, 2, 3, 3, dtype=torch.float64)
    offset = torch.zeros(2, 18, 3, 4, dtype=torch.float64)
    where = {"stride": 2, "padding": 1}
    plain = torch.nn.functional.conv2d(x, weight, groups=2, **where)
    found = ops.deform_conv2d(x, offset, weight, **where)
    np.testing.assert_allclose(found.numpy(), plain.numpy(), atol=1e-12)
    # One pixel to the right is the same as the picture moved to the left.
    offset = torch.zeros(2, 9, 2, 6, 7, dtype=torch.float64)
    offset[:, :, 1] = 1.0
    moved = torch.nn.functional.pad(x, (0, 1))[..., 1:]
    found = ops.deform_conv2d(x, offset.flatten(1, 2), weight, padding=1)
    plain = torch.nn.functional.conv2d(moved, weight, padding=1, groups=2)
    np.testing.assert_allclose(found[..., 1:].numpy(), plain[..., 1:].numpy(), atol=1e-12)


def test_a_deformed_convolution_learns():
    x = torch.randn(1, 4, 4, 5, dtype=torch.float64, requires_grad=True)
    offset = (torch.rand(1, 16, 3, 4, dtype=torch.float64) * 0.8 + 0.1).requires_grad_()
    weight = torch.randn(2, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    mask = torch.rand(1, 8, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda a, b, c, d: ops.deform_conv2d(a, b, c, mask=d), (x, offset, weight, mask)
    )
    layer = ops.DeformConv2d(4, 2, 2, groups=2, padding=1)
    assert str(layer) == (
        "DeformConv2d(4, 2, kernel_size=(2, 2), stride=(1, 1), padding=(1, 1), groups=2)"
    )
    assert tuple(layer(x.float(), torch.zeros(1, 8, 5, 6)).shape) == (1, 2, 5, 6)
    with pytest.raises(RuntimeError, match="offset"):
        layer(x.float(), torch.zeros(1, 8, 4, 4))
    with pytest.raises(RuntimeError, match="multiple"):
        layer(x.float(), torch.zeros(1, 4, 5, 6))
    with pytest.raises(ValueError, match="groups"):
        ops.DeformConv2d(4, 3, 2, groups=2)


def test_stochastic_depth():
    torch.manual_seed(0)
    dropped = ops.stochastic_depth(torch.ones(1000, 2, 2), 0.25, "row")
    values = dropped[:, 0, 0].unique().tolist()
    np.testing.assert_allclose(values, [0, 4 / 3], rtol=1e-6)
    assert abs(dropped.mean().item() - 1) < 0.05
    assert ops.stochastic_depth(torch.ones(4, 1), 1.0, "batch").tolist() == [[0]] * 4
    layer = ops.StochasticDepth(0.5, "row").eval()
    x = torch.ones(3, 2)
    assert layer(x) is x
    assert repr(layer) == "StochasticDepth(p=0.5, mode=row)"
    with pytest.raises(ValueError, match="mode"):
        ops.stochastic_depth(x, 0.5, "column")
    with pytest.raises(ValueError, match="probability"):
        ops.stochastic_depth(x, 1.5, "row")


@pytest.mark.parametrize(("drop", "rank"), [(ops.drop_block2d, 2), (ops.drop_block3d, 3)])
def test_dropped_blocks(drop, rank):
    torch.manual_seed(0)
    x = torch.ones(2, 3, *[9] * rank)
    dropped = drop(x, 0.3, 3)
    np.testing.assert_allclose(dropped.mean().item(), 1.0, rtol=1e-5)
    zeros = (dropped == 0).to(torch.float32)
    assert 0.05 < zeros.mean().item() < 0.6
    # Every zero lies in a block of 3 zeros along each axis.
    pool = torch.nn.functional.max_pool2d if rank == 2 else torch.nn.functional.max_pool3d
    whole = -pool(-zeros, 3, 1)
    again = pool(torch.nn.functional.pad(whole, [1] * 2 * rank), 3, 1, 1)
    assert torch.equal(again, zeros)
    assert drop(x, 0.3, 3, training=False) is x
    for arguments, message in (((x, 1.5, 3), "probability"), ((x[0], 0.1, 3), "dimensional")):
        with pytest.raises(ValueError, match=message):
            drop(*arguments)
    with pytest.raises(ValueError, match="odd"):
        drop(x, 0.1, 2)


def test_a_pyramid():
    torch.manual_seed(0)
    maps = {name: torch.randn(1, c, s, s) for name, c, s in (("a", 2, 8), ("b", 3, 4))}
    network = ops.FeaturePyramidNetwork([2, 3], 4, pyramids.LastLevelMaxPool())
    out = network(maps)
    shapes = {name: tuple(one.shape) for name, one in out.items()}
    assert shapes == {"a": (1, 4, 8, 8), "b": (1, 4, 4, 4), "pool": (1, 4, 2, 2)}
    inner = [block(one) for block, one in zip(network.inner_blocks, maps.values())]
    large = inner[0] + torch.nn.functional.interpolate(inner[1], scale_factor=2.0)
    assert torch.equal(out["a"], network.layer_blocks[0](large))
    more = ops.FeaturePyramidNetwork([2, 3], 4, pyramids.LastLevelP6P7(4, 4))(maps)
    assert list(more) == ["a", "b", "p6", "p7"]
    old = {f"{key.split('.')[0]}.{key.split('.')[1]}.{key.split('.')[-1]}": value
           for key, value in network.state_dict().items()}  # fmt: skip
    network.load_state_dict(old)
    with pytest.raises(ValueError, match="in_channels=0"):
        ops.FeaturePyramidNetwork([0], 4)
    with pytest.raises(TypeError, match="ExtraFPNBlock"):
        ops.FeaturePyramidNetwork([2], 4, torch.nn.ReLU())


def test_each_region_from_the_map_of_its_size():
    pooler = ops.MultiScaleRoIAlign(["a", "b"], 2, 2)
    maps = {name: torch.randn(1, 3, size, size) for name, size in (("a", 64), ("b", 32))}
    boxes = torch.tensor([[0.0, 0, 40, 40], [0, 0, 300, 300]])
    found = pooler(maps, [boxes], [(512, 512)])
    assert pooler.scales == [1 / 8, 1 / 16]
    small = ops.roi_align(maps["a"], [boxes[:1]], 2, 1 / 8, 2)
    large = ops.roi_align(maps["b"], [boxes[1:]], 2, 1 / 16, 2)
    np.testing.assert_allclose(found.numpy(), torch.cat([small, large]).numpy(), rtol=1e-5)
    assert repr(pooler) == (
        "MultiScaleRoIAlign(featmap_names=['a', 'b'], output_size=(2, 2), sampling_ratio=2)"
    )
    with pytest.raises(ValueError, match="empty"):
        ops.MultiScaleRoIAlign(["a"], 2, 2)(maps, [boxes], [])


def test_frozen_batch_norm():
    layer = ops.FrozenBatchNorm2d(2)
    live = torch.nn.BatchNorm2d(2)
    torch.nn.init.uniform_(live.weight)
    live.running_mean.fill_(0.5)
    layer.load_state_dict(live.state_dict())
    x = torch.randn(3, 2, 4, 4)
    np.testing.assert_allclose(
        layer(x).numpy(), live.eval()(x).detach().numpy(), rtol=1e-5, atol=1e-6
    )
    assert not list(layer.parameters())
    assert repr(layer) == "FrozenBatchNorm2d(2, eps=1e-05)"


def test_blocks_of_models():
    block = ops.Conv2dNormActivation(3, 4, kernel_size=(3, 5), dilation=2)
    assert block[0].padding == (2, 4)
    assert block[0].bias is None
    assert block.out_channels == 4
    bare = ops.Conv2dNormActivation(3, 4, norm_layer=None, activation_layer=None)
    assert len(bare) == 1
    assert bare[0].bias is not None
    assert tuple(ops.Conv3dNormActivation(1, 2)(torch.randn(2, 1, 4, 4, 4)).shape) == (
        2,
        2,
        4,
        4,
        4,
    )
    perceptron = ops.MLP(4, [8, 2], norm_layer=torch.nn.LayerNorm, dropout=0.1)
    kinds = ["Linear", "LayerNorm", "ReLU", "Dropout", "Linear", "Dropout"]
    assert [type(layer).__name__ for layer in perceptron] == kinds
    squeeze = ops.SqueezeExcitation(4, 2)
    x = torch.randn(1, 4, 3, 3)
    ratio = (squeeze(x) / x)[0]
    np.testing.assert_allclose(ratio.std((1, 2)).detach().tolist(), [0] * 4, atol=1e-5)
    assert tuple(ops.Permute([1, 0])(torch.zeros(2, 3)).shape) == (3, 2)
    with pytest.warns(UserWarning, match="Conv2dNormActivation"):
        ops.misc.ConvNormActivation(1, 1)
