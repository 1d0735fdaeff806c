"""The second generation of transforms: structures, masks, boxes and points, draws and mixtures."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch
from flambeau.vision import tv_tensors
from flambeau.vision.transforms import functional as v1
from flambeau.vision.transforms import v2
from flambeau.vision.transforms.v2 import functional as F

CANVAS = (40, 30)


@pytest.fixture
def planes(pixels):
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


@pytest.fixture
def sample(planes):
    """A picture with a mask of the rectangle that its box is around, and the box's corners."""
    mask = torch.zeros(CANVAS, dtype=torch.uint8)
    mask[12:24, 6:18] = 1
    return {
        "image": tv_tensors.Image(planes),
        "mask": tv_tensors.Mask(mask),
        "boxes": tv_tensors.BoundingBoxes(
            torch.tensor([[6.0, 12, 18, 24]]), format="xyxy", canvas_size=CANVAS
        ),
        "points": tv_tensors.KeyPoints(torch.tensor([[6.0, 12], [17, 23]]), canvas_size=CANVAS),
        "labels": torch.tensor([7]),
        "name": "a",
    }


MOVING = {
    "flip": lambda: v2.RandomHorizontalFlip(1.0),
    "vertical flip": lambda: v2.RandomVerticalFlip(1.0),
    "resize": lambda: v2.Resize((80, 90)),
    "resize the longer edge": lambda: v2.Resize(None, max_size=80),
    "center crop": lambda: v2.CenterCrop((34, 28)),
    "crop": lambda: v2.RandomCrop((38, 28)),
    "padded crop": lambda: v2.RandomCrop((42, 32), padding=2, pad_if_needed=True),
    "resized crop": lambda: v2.RandomResizedCrop(48, scale=(0.8, 1.0), interpolation="nearest"),
    "pad": lambda: v2.Pad((1, 2, 3, 4)),
    "zoom out": lambda: v2.RandomZoomOut(p=1.0, side_range=(1.5, 2.0)),
    "quarter turn": lambda: v2.RandomRotation((90, 90), expand=True),
    "affine": lambda: v2.RandomAffine(0, translate=(0.1, 0.1), scale=(0.8, 1.2)),
    "random size": lambda: v2.RandomResize(30, 50),
    "shortest size": lambda: v2.RandomShortestSize([50], max_size=60),
    "jitter": lambda: v2.ScaleJitter((50, 50), (0.8, 1.2)),
}


@pytest.mark.parametrize("name", MOVING)
def test_boxes_and_points_go_with_the_mask(name, sample):
    torch.manual_seed(0)
    out = MOVING[name]()(sample)
    assert out["labels"] is sample["labels"]
    assert out["name"] == "a"
    size = tuple(out["image"].shape[-2:])
    assert tuple(out["mask"].shape) == out["boxes"].canvas_size == out["points"].canvas_size == size
    y, x = np.nonzero(out["mask"].numpy())
    edges = [x.min(), y.min(), x.max() + 1, y.max() + 1]
    np.testing.assert_allclose(out["boxes"][0].tolist(), edges, atol=1.6)
    points = out["points"].numpy()
    np.testing.assert_allclose(points.min(0), [x.min(), y.min()], atol=2.6)
    np.testing.assert_allclose(points.max(0), [x.max(), y.max()], atol=2.6)


@pytest.mark.parametrize("fmt", ["XYWH", "CXCYWH"])
@pytest.mark.parametrize("name", ["flip", "vertical flip", "resize", "crop", "pad", "affine"])
def test_formats_of_boxes_make_no_difference(name, fmt, sample):
    results = []
    for form in ("XYXY", fmt):
        torch.manual_seed(0)
        boxes = F.convert_bounding_box_format(sample["boxes"], new_format=form)
        out = MOVING[name]()(sample["image"], boxes)[1]
        assert out.format.value == form
        results.append(F.convert_bounding_box_format(out, new_format="XYXY").numpy())
    np.testing.assert_allclose(results[0], results[1], atol=1e-4)


def test_perspectives_and_displacements(sample):
    torch.manual_seed(0)
    for transform in (v2.RandomPerspective(0.3, p=1.0), v2.ElasticTransform(20.0, 3.0)):
        out = transform(sample)
        y, x = np.nonzero(out["mask"].numpy())
        edges = [x.min(), y.min(), x.max() + 1, y.max() + 1]
        np.testing.assert_allclose(out["boxes"][0].tolist(), edges, atol=3.5)


def test_whole_numbers_stay_whole():
    boxes = torch.tensor([[1, 2, 6, 9]])
    for fmt, expected in (("xywh", [1, 2, 5, 7]), ("cxcywh", [3, 5, 5, 7])):
        there = F.convert_bounding_box_format(boxes, "xyxy", fmt)
        assert there.tolist() == [expected]
    turned = tv_tensors.BoundingBoxes([[1.0, 2, 3, 4, 90]], format="XYWHR", canvas_size=(9, 9))
    with pytest.raises(ValueError, match="rotated"):
        F.convert_bounding_box_format(turned, new_format="XYXY")
    with pytest.raises(NotImplementedError, match="turned"):
        F.horizontal_flip(turned)
    with pytest.raises(ValueError, match="old_format"):
        F.convert_bounding_box_format(boxes, new_format="XYXY")
    with pytest.raises(TypeError, match="new_format"):
        F.convert_bounding_box_format(boxes)


def test_boxes_are_cut_at_the_edge(sample):
    boxes = sample["boxes"]
    assert F.crop(boxes, 15, 0, 20, 10).tolist() == [[6, 0, 10, 9]]
    kept = v2.SetClampingMode(None)(boxes)
    assert F.crop(kept, 15, 0, 20, 10).tolist() == [[6, -3, 18, 9]]
    assert v2.ClampBoundingBoxes("soft")(F.crop(kept, 15, 0, 20, 10)).tolist() == [[6, 0, 10, 9]]
    points = tv_tensors.KeyPoints([[-3.0, 50.0]], canvas_size=CANVAS)
    assert v2.ClampKeyPoints()(points).tolist() == [[0, 39]]


def test_cleaning_up(sample):
    boxes = tv_tensors.BoundingBoxes(
        [[0.0, 0, 10, 10], [5, 5, 5.5, 20], [0, 0, 31, 20]], format="xyxy", canvas_size=CANVAS
    )
    inputs = {
        "boxes": boxes,
        "masks": tv_tensors.Mask(torch.zeros(3, *CANVAS)),
        "labels": torch.tensor([1, 2, 3]),
        "image": sample["image"],
    }
    out = v2.SanitizeBoundingBoxes()(inputs)
    assert out["boxes"].tolist() == [[0, 0, 10, 10]]
    assert out["labels"].tolist() == [1]
    assert tuple(out["masks"].shape) == (1, *CANVAS)
    assert type(out["masks"]) is tv_tensors.Mask
    kept, valid = F.sanitize_bounding_boxes(boxes, min_size=11)
    assert valid.tolist() == [False, False, False]
    assert tuple(kept.shape) == (0, 4)
    with pytest.raises(ValueError, match="labels"):
        v2.SanitizeBoundingBoxes()({"boxes": boxes})
    points = tv_tensors.KeyPoints([[1.0, 1.0], [30.0, 1.0]], canvas_size=CANVAS)
    assert v2.SanitizeKeyPoints()(points).tolist() == [[1, 1]]


def test_a_part_that_boxes_are_in_enough_of(sample):
    torch.manual_seed(3)
    for _ in range(4):
        out = v2.RandomIoUCrop(sampler_options=[0.1])(sample)
        assert tuple(out["image"].shape[-2:]) == out["boxes"].canvas_size
        assert out["boxes"].sum().item() > 0
    assert v2.RandomIoUCrop(sampler_options=[1.0])(sample)["image"] is sample["image"]
    with pytest.raises(TypeError, match="bounding boxes"):
        v2.RandomIoUCrop()(sample["image"])


COLOURING = {
    "jitter": (lambda: v2.ColorJitter(0.4, 0.4, 0.4, 0.2), None),
    "grey": (lambda: v2.Grayscale(3), lambda p: v1.rgb_to_grayscale(p, 3)),
    "invert": (lambda: v2.RandomInvert(1.0), v1.invert),
    "posterize": (lambda: v2.RandomPosterize(3, 1.0), lambda p: v1.posterize(p, 3)),
    "solarize": (lambda: v2.RandomSolarize(99, 1.0), lambda p: v1.solarize(p, 99)),
    "equalize": (lambda: v2.RandomEqualize(1.0), v1.equalize),
    "sharpen": (lambda: v2.RandomAdjustSharpness(2, 1.0), lambda p: v1.adjust_sharpness(p, 2)),
    "channels": (lambda: v2.RandomChannelPermutation(), None),
    "distort": (lambda: v2.RandomPhotometricDistort(p=1.0), None),
    "blur": (lambda: v2.GaussianBlur(3, (1.0, 1.0)), lambda p: v1.gaussian_blur(p, 3, 1.0)),
    "erase": (lambda: v2.RandomErasing(1.0, value=3), None),
    "noise": (lambda: v2.GaussianNoise(), None),
    "jpeg": (lambda: v2.JPEG((50, 90)), None),
}


@pytest.mark.parametrize("name", COLOURING)
def test_colours_leave_masks_and_boxes_alone(name, sample, planes):
    torch.manual_seed(0)
    make, expected = COLOURING[name]
    out = make()(sample)
    assert type(out["image"]) is tv_tensors.Image
    assert not torch.equal(out["image"], planes)
    for kept in ("mask", "boxes", "points"):
        assert out[kept] is sample[kept]
    if expected is not None:
        assert torch.equal(out["image"], expected(planes))


def test_which_tensor_is_the_picture(planes):
    flip = v2.RandomHorizontalFlip(1.0)
    first, second = flip(planes, planes)
    assert torch.equal(first, planes.flip(-1))
    assert second is planes
    image = tv_tensors.Image(planes)
    flipped, plain, nested = flip(image, planes, [{"again": image}])
    assert torch.equal(flipped, planes.flip(-1))
    assert plain is planes
    assert torch.equal(nested[0]["again"], planes.flip(-1))


def test_pillow_images(image, pixels):
    flipped = v2.RandomHorizontalFlip(1.0)(image)
    assert (np.asarray(flipped) == pixels[:, ::-1]).all()
    pipeline = v2.Compose([v2.ToImage(), v2.Resize((8, 9)), v2.ToDtype(torch.float32, scale=True)])
    tensor = pipeline(image)
    assert type(tensor) is tv_tensors.Image
    assert tuple(tensor.shape) == (3, 8, 9)
    assert tensor.max().item() <= 1
    assert v2.ToPILImage()(tensor).size == (9, 8)
    assert type(v2.ToPureTensor()(tensor)) is torch.Tensor
    assert tuple(v2.PILToTensor()(image).shape) == (3, 40, 30)
    with pytest.raises(TypeError, match="PIL"):
        v2.Normalize([0.5], [0.5])(image)


def test_types(sample, planes):
    only = v2.ToDtype(torch.float32, scale=True)(sample)
    assert (only["image"].dtype, only["mask"].dtype) == (torch.float32, torch.uint8)
    chosen = v2.ToDtype({tv_tensors.Mask: torch.int64, "others": None})(sample)
    assert (chosen["image"].dtype, chosen["mask"].dtype) == (torch.uint8, torch.int64)
    assert type(chosen["mask"]) is tv_tensors.Mask
    assert torch.equal(F.to_dtype(planes, torch.float32, scale=True), planes.float() / 255)
    with pytest.raises(ValueError, match="others"):
        v2.ToDtype({tv_tensors.Mask: torch.int64})(sample)


def test_containers(planes):
    first, second = v2.RandomHorizontalFlip(1.0), v2.RandomVerticalFlip(1.0)
    assert torch.equal(v2.RandomChoice([first, second], p=[0, 3])(planes), planes.flip(-2))
    assert torch.equal(v2.RandomOrder([first, second])(planes), planes.flip(-1, -2))
    assert v2.RandomApply([first], p=0.0)(planes) is planes
    several = v2.Compose([first, v2.Identity()])(planes, 3)
    assert torch.equal(several[0], planes.flip(-1))
    assert several[1] == 3
    for make in (v2.Compose, v2.RandomOrder, v2.RandomApply):
        with pytest.raises(ValueError, match="at least one"):
            make([])
        with pytest.raises(TypeError, match="sequence"):
            make(3)
    with pytest.raises(ValueError, match="Length of p"):
        v2.RandomChoice([first], p=[0.5, 0.5])


REPRESENTATIONS = {
    "Resize(size=[224], interpolation=bilinear, antialias=True)": lambda: v2.Resize(224),
    "RandomHorizontalFlip(p=0.5)": lambda: v2.RandomHorizontalFlip(),
    "ToDtype(scale=True)": lambda: v2.ToDtype(torch.float32, scale=True),
    "Lambda(len, types=['Tensor'])": lambda: v2.Lambda(len, torch.Tensor),
    "AutoAugment(interpolation=nearest, policy=AutoAugmentPolicy.CIFAR10)": lambda: v2.AutoAugment(
        v2.AutoAugmentPolicy.CIFAR10
    ),
    "Compose(\n      ToImage()\n      Identity()\n)": lambda: v2.Compose(
        [v2.ToImage(), v2.Identity()]
    ),
}


@pytest.mark.parametrize("text", REPRESENTATIONS)
def test_representation(text):
    assert repr(REPRESENTATIONS[text]()) == text


# Sums of the pictures that torchvision makes for the seeds.
SUMS: dict[str, list[int]] = {
    "AutoAugment": [526422, 526422, 458794, 511312],
    "RandAugment": [323989, 292295, 217434, 362624],
    "TrivialAugmentWide": [91560, 454494, 351459, 457800],
    "AugMix": [456080, 446871, 452549, 457020],
    "RandomResizedCrop": [219984, 221148, 220656, 224177],
    "RandomCrop": [129182, 153192, 151704, 130316],
    "ColorJitter": [318104, 539408, 448107, 276575],
    "RandomAffine": [261255, 453449, 402210, 225133],
}
CHAINS = {
    "AutoAugment": lambda: v2.AutoAugment(),
    "RandAugment": lambda: v2.RandAugment(3, 14),
    "TrivialAugmentWide": lambda: v2.TrivialAugmentWide(),
    "AugMix": lambda: v2.AugMix(),
    "RandomResizedCrop": lambda: v2.RandomResizedCrop(24),
    "RandomCrop": lambda: v2.RandomCrop(20, padding=3),
    "ColorJitter": lambda: v2.ColorJitter(0.4, 0.4, 0.4, 0.2),
    "RandomAffine": lambda: v2.RandomAffine(30, (0.1, 0.2), (0.7, 1.3), 10),
}


@pytest.mark.parametrize("name", CHAINS)
def test_pictures_for_a_seed(name, planes):
    transform = CHAINS[name]()
    sums = []
    for seed in range(4):
        torch.manual_seed(seed)
        sums.append(int(transform(tv_tensors.Image(planes)).to(torch.int64).sum().item()))
    np.testing.assert_allclose(sums, SUMS[name], rtol=2e-4)


def test_chains_take_one_picture(sample, planes):
    with pytest.raises(TypeError, match="BoundingBoxes"):
        v2.RandAugment()(sample["image"], sample["boxes"])
    with pytest.raises(TypeError, match="no image"):
        v2.AutoAugment()("a")
    torch.manual_seed(0)
    out, label = v2.TrivialAugmentWide()(tv_tensors.Image(planes), 3)
    assert label == 3
    assert type(out) is tv_tensors.Image


@pytest.mark.parametrize("mix", [v2.MixUp, v2.CutMix])
def test_mixtures(mix):
    torch.manual_seed(1)
    images = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 3, 10, 10)
    labels = torch.tensor([0, 1, 2, 1])
    mixed, shares = mix(num_classes=3)(images, labels)
    assert tuple(shares.shape) == (4, 3)
    np.testing.assert_allclose(shares.sum(1).tolist(), [1] * 4, rtol=1e-6)
    own = shares[2, 2].item()
    np.testing.assert_allclose(mixed[2].mean().item(), 2 * own + 1 * (1 - own), rtol=1e-5)
    sample = {"image": tv_tensors.Image(images), "labels": torch.eye(4)}
    out = mix(labels_getter=lambda inputs: inputs["labels"])(sample)
    assert type(out["image"]) is tv_tensors.Image
    for call, message in (
        (lambda: mix()(images, labels), "num_classes"),
        (lambda: mix(num_classes=3)(images[:3], labels), "batch size"),
        (lambda: mix(num_classes=3)(images[0], labels), "dims"),
        (lambda: mix(num_classes=3)(images, [0]), "labels_getter"),
        (lambda: mix(num_classes=2)(images, torch.eye(4)), "num_classes"),
        (lambda: mix(labels_getter=3), "labels_getter"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_kernels_of_ones_own(planes):
    class Depth(tv_tensors.TVTensor):
        pass

    depth = planes.float().as_subclass(Depth)
    assert v2.RandomHorizontalFlip(1.0)(depth) is depth
    with pytest.raises(TypeError, match="supports inputs"):
        F.horizontal_flip(depth)

    @F.register_kernel("horizontal_flip", Depth)
    def flip(inpt):
        return tv_tensors.wrap(inpt.flip(-1), like=inpt)

    assert type(v2.RandomHorizontalFlip(1.0)(depth)) is Depth
    for arguments in (("twist", Depth), (F.resize, torch.Tensor), (F.resize, tv_tensors.Mask)):
        with pytest.raises(ValueError):
            F.register_kernel(*arguments)
    assert torch.equal(F.horizontal_flip_image(planes), planes.flip(-1))
    assert torch.equal(F.resize_mask(planes, [8, 8]), v1.resize(planes, [8, 8], 0))
    with pytest.raises(AttributeError):
        F.twist  # noqa: B018


class Doubling(v2.Transform):
    """A transform of one's own."""

    def make_params(self, flat_inputs):
        return {"factor": 2, "size": v2.query_size(flat_inputs)}

    def transform(self, inpt, params):
        return inpt * params["factor"]


def test_transforms_of_ones_own(planes):
    out = Doubling()({"image": planes.float(), "label": 3})
    assert torch.equal(out["image"], planes.float() * 2)
    assert out["label"] == 3
    with pytest.raises(TypeError, match="was found"):
        Doubling()({"label": 3})
    with pytest.raises(ValueError, match="multiple"):
        v2.query_size([tv_tensors.Mask(planes[0]), planes[:, :5]])
    with pytest.raises(NotImplementedError):
        v2.Transform()(planes)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: v2.RandomHorizontalFlip(2), ValueError),
        (lambda: v2.Resize(None), ValueError),
        (lambda: v2.Resize((1, 2, 3)), ValueError),
        (lambda: v2.CenterCrop((1, 2, 3)), ValueError),
        (lambda: v2.RandomResizedCrop(3, scale=1), TypeError),
        (lambda: v2.Pad("1"), ValueError),
        (lambda: v2.Pad(1, padding_mode="wrap"), ValueError),
        (lambda: v2.Pad(1, fill="red"), TypeError),
        (lambda: v2.RandomZoomOut(side_range=(0.5, 1)), ValueError),
        (lambda: v2.RandomCrop(50)(torch.zeros(1, 8, 8)), ValueError),
        (lambda: v2.RandomPerspective(2), ValueError),
        (lambda: v2.ElasticTransform(alpha="1"), ValueError),
        (lambda: v2.ElasticTransform(alpha={}), TypeError),
        (lambda: v2.GaussianBlur(4), ValueError),
        (lambda: v2.GaussianBlur(3, -1), ValueError),
        (lambda: v2.GaussianNoise(sigma=-1)(torch.zeros(1, 8, 8)), ValueError),
        (lambda: v2.JPEG(0), ValueError),
        (lambda: v2.JPEG(True), TypeError),
        (lambda: v2.ToDtype("float"), ValueError),
        (lambda: v2.SanitizeBoundingBoxes(min_size=0), ValueError),
        (lambda: v2.SetClampingMode("firm"), ValueError),
        (lambda: v2.FiveCrop(3)(tv_tensors.Mask(torch.zeros(8, 8))), TypeError),
        (lambda: F.perspective(torch.zeros(1, 8, 8), None, None), ValueError),
        (lambda: F.to_image(3), TypeError),
    ],
)
def test_bad_arguments(call, error):
    with pytest.raises(error):
        call()
