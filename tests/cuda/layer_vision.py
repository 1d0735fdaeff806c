"""Programs for `tests.cuda.layers`: pictures, regions and models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau as torch
from flambeau.vision import models, ops, tv_tensors
from flambeau.vision import utils as grid
from flambeau.vision.transforms import functional as F1
from flambeau.vision.transforms import v2
from flambeau.vision.transforms.v2 import functional as F2
from tests.cuda.layers import Maker, programs

# --- pictures -----------------------------------------------------------------------------------------


def _pictures(m: Maker) -> tuple[Any, Any]:
    whole = m.i(256, 3, 12, 10).to(torch.uint8)
    return whole, whole.float() / 255


FUNCTIONAL = """
F.resize(x, [6, 7])
F.resize(x, [20, 7], antialias=False)
F.resize(x, [5, 5], interpolation=F.InterpolationMode.NEAREST)
F.resized_crop(x, 1, 2, 5, 6, [4, 4])
F.crop(x, -1, 2, 8, 9)
F.center_crop(x, [20, 6])
F.five_crop(x, [4, 4])
F.ten_crop(x, [4, 4])
F.pad(x, [1, 2, 3, 4], fill=3)
F.pad(x, [1, 2], padding_mode="reflect")
F.pad(x, [1, 2], padding_mode="symmetric")
F.hflip(x)
F.vflip(x)
F.rotate(x, 30.0, expand=True, fill=[1.0])
F.rotate(x, 30.0, interpolation=F.InterpolationMode.BILINEAR)
F.affine(x, 20.0, [1, 2], 1.2, [3.0, 4.0])
F.perspective(x, [[0, 0], [9, 0], [9, 11], [0, 11]], [[1, 1], [8, 0], [9, 9], [0, 11]])
F.elastic_transform(x, torch.full((1, 12, 10, 2), 0.1))
F.gaussian_blur(x, [3, 5], [0.5, 1.0])
F.adjust_brightness(x, 1.3)
F.adjust_contrast(x, 0.6)
F.adjust_saturation(x, 1.4)
F.adjust_hue(x, 0.2)
F.adjust_gamma(x, 1.5)
F.adjust_sharpness(x, 1.7)
F.autocontrast(x)
F.equalize(x)
F.posterize(x, 3)
F.solarize(x, 0.5)
F.invert(x)
F.rgb_to_grayscale(x, 3)
F.erase(x, 1, 2, 3, 4, torch.zeros(3, 3, 4))
F.normalize(x.float(), [0.5] * 3, [0.2, 0.3, 0.4])
F.convert_image_dtype(x, torch.float32)
""".strip().splitlines()
_BYTES = ("equalize", "posterize")


def _functional(call: str) -> Any:
    def program(m: Maker) -> Any:
        found = []
        for F in (F1, F2):  # noqa: N806
            for x in _pictures(m):
                if not (x.is_floating_point() and any(name in call for name in _BYTES)):
                    text = call.replace("torch.full(", "m.f(1).detach().new_full(")
                    found.append(eval(text.replace("torch.zeros(3, 3, 4)", "x.new_zeros(3, 3, 4)"),
                                      {"F": F, "x": x, "torch": torch, "m": m}))  # fmt: skip
        return [t.double().round() if t.max() > 2 else t for t in _tensors(found)]

    program.__name__ = call
    return program


def _tensors(found: Any) -> list[Any]:
    return [t for each in found for t in _tensors(each)] if isinstance(found, (list, tuple)) else [found]


for _call in FUNCTIONAL:
    programs(of="vision")(_functional(_call))

CLASSES: dict[str, Callable[[], Any]] = {
    name: (lambda make: lambda: make)(make)
    for name, make in {
        "flip": v2.RandomHorizontalFlip(1.0),
        "crop": v2.RandomCrop((8, 6), padding=2),
        "resized crop": v2.RandomResizedCrop(6),
        "turn": v2.RandomRotation(40.0),
        "affine": v2.RandomAffine(20.0, (0.1, 0.1), (0.8, 1.2), 5.0),
        "perspective": v2.RandomPerspective(p=1.0),
        "elastic": v2.ElasticTransform(5.0, 1.0),
        "zoom out": v2.RandomZoomOut(p=1.0),
        "cut": v2.RandomIoUCrop(),
        "jitter": v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
        "photometric": v2.RandomPhotometricDistort(p=1.0),
        "erase": v2.RandomErasing(1.0),
        "grayscale": v2.RandomGrayscale(1.0),
        "blur": v2.GaussianBlur(3),
        "noise": v2.GaussianNoise(),
        "augmented": v2.RandAugment(),
        "trivially augmented": v2.TrivialAugmentWide(),
        "auto augmented": v2.AutoAugment(),
        "mixed": v2.AugMix(),
        "normalized": v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.2] * 3)]),
        "size": v2.ScaleJitter((20, 20)),
        "shortest": v2.RandomShortestSize([8]),
        "channels": v2.RandomChannelPermutation(),
    }.items()
}


@programs(of="vision")
def transforms(m: Maker) -> Any:
    """What is drawn is drawn on the CPU: the same on both."""
    whole, _ = _pictures(m)
    boxes = m.t([[1.0, 1, 6, 7], [3, 2, 9, 9]], "float32")
    mask, points = (m.i(2, 12, 10).to(torch.uint8), m.t([[2.0, 3.0], [5.0, 6.0]], "float32"))
    found = {}
    for name, make in CLASSES.items():
        if name == "noise":
            given: Any = {"image": tv_tensors.Image(whole.float() / 255)}
            assert v2.GaussianNoise()(given)["image"].device.type == m.device.type
            continue
        given = {"image": tv_tensors.Image(whole)}
        if name not in ("augmented", "trivially augmented", "auto augmented", "mixed"):
            given["boxes"] = tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(12, 10))
            given |= {"mask": tv_tensors.Mask(mask), "points": tv_tensors.KeyPoints(points, canvas_size=(12, 10))}
        if name == "erase":
            given["image"] = tv_tensors.Image(whole.float() / 255)
        if name == "cut":
            given.pop("points")
        torch.manual_seed(3)
        out = make()(given)
        found[name] = {k: v.as_subclass(torch.Tensor).float() for k, v in out.items()}
        if name in ("erase", "elastic", "turn", "affine", "perspective", "jitter", "photometric", "mixed"):
            found[name].pop("image"), found[name].pop("mask", None)
    return found


@programs(of="vision")
def mixtures(m: Maker) -> Any:
    x, y = m.p(4, 3, 6, 6).detach(), m.i(5, 4)
    torch.manual_seed(1)
    return v2.MixUp(num_classes=5)(x, y), v2.CutMix(num_classes=5)(x, y)


@programs(of="vision")
def conversions(m: Maker) -> Any:
    whole, floats = _pictures(m)
    assert F1.to_pil_image(whole).size == (10, 12)
    boxes = m.t([[1.0, 1, 6, 7]], "float32")
    drawn = grid.draw_bounding_boxes(whole, boxes, colors="red")
    masked = grid.draw_segmentation_masks(whole, m.i(2, 1, 12, 10).bool(), colors="blue")
    return grid.make_grid(floats.expand(4, 3, 12, 10), 2), drawn, masked, grid.flow_to_image(m.f(2, 4, 4).detach()).shape


# --- regions ------------------------------------------------------------------------------------------


@programs(of="vision")
def boxes(m: Maker) -> Any:
    a = m.p(5, 4, grad=False) * 5
    a = torch.cat([a[:, :2], a[:, :2] + a[:, 2:] + 1], 1)
    b = a.flip(0)[:3] + 0.5
    scores, kinds = m.p(5, grad=False), m.i(2, 5)
    found = [ops.box_iou(a, b), ops.generalized_box_iou(a, b), ops.distance_box_iou(a, b), ops.complete_box_iou(a, b),
             ops.nms(a, scores, 0.3), ops.batched_nms(a, scores, kinds, 0.3), ops.box_area(a),
             ops.box_convert(a, "xyxy", "cxcywh"), ops.clip_boxes_to_image(a, (4, 5)), ops.remove_small_boxes(a, 2.0),
             ops.masks_to_boxes(m.i(2, 2, 4, 5).bool())]  # fmt: skip
    pairs = m.p(3, 4) + torch.tensor([0.0, 0, 2, 2], device=m.device)
    losses = [f(pairs, b[:3]) for f in (ops.generalized_box_iou_loss, ops.distance_box_iou_loss, ops.complete_box_iou_loss)]
    return found, losses, ops.sigmoid_focal_loss(m.f(3, 4), m.p(3, 4, grad=False), reduction="mean")


@programs(of="vision")
def regions(m: Maker) -> Any:
    x = m.f(2, 4, 8, 8)
    rois = m.t([[0.0, 1, 1, 6, 5], [1, 0, 2, 7, 7], [0, 3, 3, 5, 5]], "float32")
    found: list[Any] = [ops.roi_align(x, rois, 2, sampling_ratio=2), ops.roi_align(x, rois, (2, 3), 0.5, aligned=True),
             ops.roi_pool(x, rois, 2), ops.ps_roi_align(x, rois, 2), ops.ps_roi_pool(x, rois, 2)]  # fmt: skip
    pooler = ops.MultiScaleRoIAlign(["a", "b"], 2, 2)
    maps = {"a": x, "b": m.f(2, 4, 4, 4)}
    found.append(pooler(maps, [rois[:1, 1:], rois[1:2, 1:]], [(16, 16), (16, 16)]))
    pyramid = m.module(ops.FeaturePyramidNetwork([4, 4], 4))
    found.append(list(pyramid(maps).values()))
    deformed = ops.deform_conv2d(x, m.f(2, 18, 6, 6), m.f(3, 4, 3, 3), m.f(3), mask=m.p(2, 9, 6, 6))
    return found, deformed


@programs(of="vision")
def dropped(m: Maker) -> Any:
    x = torch.ones(2, 3, 6, 6, device=m.device)
    made = (ops.Conv2dNormActivation(3, 4), ops.SqueezeExcitation(3, 2), ops.MLP(6, [4, 2], dropout=0.0))
    layers = [m.module(each) for each in made]
    kept = [ops.drop_block2d(x, 0.5, 3), ops.stochastic_depth(x, 0.5, "row"), ops.DropBlock2d(0.5, 3)(x)]
    norms = m.module(ops.FrozenBatchNorm2d(3))(x)
    return [t.device.type == m.device.type for t in kept], norms, [layer(m.f(2, 3, 6, 6)) for layer in layers]


# --- models -------------------------------------------------------------------------------------------


def _model(make: Callable[[], Any], size: int, train: bool = True) -> Any:
    def program(m: Maker) -> Any:
        net = m.module(make().train(train))
        for layer in net.modules():
            if isinstance(layer, torch.nn.Dropout):
                layer.p = 0.0
        x = m.p(2, 3, size, size)
        if train:
            return net(x)
        with torch.no_grad():
            return net(x)

    return program


def _small_vit() -> Any:
    return models.VisionTransformer(16, 8, 1, 2, 8, 16, num_classes=5)


def _small_swin() -> Any:
    return models.SwinTransformer([4, 4], 8, [1, 1], [2, 4], [4, 4], stochastic_depth_prob=0.0, num_classes=5)


MODELS: dict[str, tuple[Callable[[], Any], int, bool]] = {
    "ResNet": (lambda: models.resnet.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1], num_classes=5), 16, False),
    "VisionTransformer": (_small_vit, 16, True),
    "SwinTransformer": (_small_swin, 32, True),
    "SqueezeNet": (lambda: models.squeezenet1_1(num_classes=5, dropout=0.0), 32, False),
    "MobileNetV2": (lambda: models.MobileNetV2(5, 0.25, dropout=0.0), 16, False),
    "DenseNet": (lambda: models.DenseNet(4, (1, 1), 8, num_classes=5), 16, True),
    "ShuffleNet": (lambda: models.shufflenet_v2_x0_5(num_classes=5), 32, False),
}
for _name, _arguments in MODELS.items():
    _made = _model(*_arguments)
    _made.__name__ = _name
    programs(of="model")(_made)
