"""Transforms that move pixels or change their values: on both kinds of pictures, and their draws."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch
from flambeau.vision import transforms as T
from flambeau.vision.transforms import _warps, autoaugment
from flambeau.vision.transforms import functional as F


@pytest.fixture
def tensor(pixels):
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


@pytest.fixture
def smooth():
    """A picture of gentle slopes, (3, 40, 30) bytes: interpolations of it agree within a little."""
    y, x = np.mgrid[:40, :30]
    planes = np.stack([y * 5, x * 7, (x + y) * 3]).astype(np.uint8)
    return torch.from_numpy(planes)


def on_pillow(operation, tensor):
    return F.pil_to_tensor(operation(F.to_pil_image(tensor)))


EXACT = {
    "invert": lambda picture: F.invert(picture),
    "posterize": lambda picture: F.posterize(picture, 3),
    "solarize": lambda picture: F.solarize(picture, 100),
    "equalize": lambda picture: F.equalize(picture),
    "move": lambda picture: F.affine(picture, 0, [3, -2], 1.0, 0),
    "quarter turn": lambda picture: F.affine(picture, 90, [0, 0], 1.0, 0),
    "double": lambda picture: F.affine(picture, 0, [0, 0], 2.0, 0, center=[0, 0]),
    "fill": lambda picture: F.affine(picture, 0, [3, 4], 1.0, 0, fill=[9, 8, 7]),
}


@pytest.mark.parametrize("name", EXACT)
def test_both_kinds_are_equal(name, tensor):
    operation = EXACT[name]
    assert torch.equal(operation(tensor), on_pillow(operation, tensor))


CLOSE = {
    "sharpen": lambda picture: F.adjust_sharpness(picture, 1.7),
    "soften": lambda picture: F.adjust_sharpness(picture, 0.2),
    "autocontrast": lambda picture: F.autocontrast(picture),
    "gamma": lambda picture: F.adjust_gamma(picture, 0.6, 1.1),
    "affine": lambda picture: F.affine(
        picture, 20, [2, 1], 2.0, [5.0, 8.0], T.InterpolationMode.BILINEAR
    ),
    "perspective": lambda picture: F.perspective(
        picture, [[0, 0], [29, 0], [29, 39], [0, 39]], [[2, 1], [27, 3], [28, 37], [1, 38]]
    ),
    "blur": lambda picture: F.gaussian_blur(picture, 5, 1.2),
}


@pytest.mark.parametrize("name", CLOSE)
def test_both_kinds_are_close(name, smooth):
    operation = CLOSE[name]
    difference = (operation(smooth).int() - on_pillow(operation, smooth).int()).abs()
    # Pillow draws what lies on the picture's edge a little differently.
    assert difference[:, 4:-4, 4:-4].max().item() <= 2


def test_values():
    row = torch.tensor([[[10, 20, 110]]], dtype=torch.uint8)
    assert F.autocontrast(row).tolist() == [[[0, 25, 255]]]
    assert F.autocontrast(torch.full((1, 1, 2), 0.5)).tolist() == [[[0.5, 0.5]]]
    assert F.invert(torch.tensor([[[0.25]]])).item() == 0.75
    assert F.solarize(torch.tensor([[[0.25, 0.75]]]), 0.5).tolist() == [[[0.25, 0.25]]]
    white = torch.tensor([[[255]]], dtype=torch.uint8)
    assert [F.posterize(white, bits).item() for bits in (0, 2, 8)] == [0, 192, 255]
    np.testing.assert_allclose(F.adjust_gamma(torch.full((1, 1, 1), 0.5), 2).item(), 0.25)
    assert F.adjust_sharpness(row, 3.0) is row


def test_a_perspective_leads_corners_to_corners():
    start = [[0, 0], [29, 0], [29, 39], [0, 39]]
    end = [[3, 2], [25, 4], [28, 35], [1, 30]]
    a, b, c, d, e, f, g, h = _warps._get_perspective_coeffs(start, end)
    for (x, y), (u, v) in zip(end, start, strict=True):
        below = g * x + h * y + 1
        found = ((a * x + b * y + c) / below, (d * x + e * y + f) / below)
        np.testing.assert_allclose(found, (u, v), atol=1e-3)


def test_the_inverse_of_an_affine_map():
    arguments = ([3.0, 4.0], 25.0, [2.0, -1.0], 1.5, [10.0, 20.0])
    there, back = (
        np.array([*_warps._get_inverse_affine_matrix(*arguments, inverted=inverted), 0, 0, 1])
        for inverted in (False, True)
    )
    product = there.reshape(3, 3) @ back.reshape(3, 3)
    np.testing.assert_allclose(product, np.eye(3), atol=1e-12)


def test_a_blur_keeps_the_mean_and_gradients():
    picture = torch.rand(1, 3, 9, 9, dtype=torch.float64, requires_grad=True)
    blurred = F.gaussian_blur(torch.ones(3, 9, 9), [3, 5], [0.5, 2.0])
    np.testing.assert_allclose(blurred.numpy(), np.ones((3, 9, 9)), rtol=1e-6)
    assert torch.autograd.gradcheck(lambda p: F.gaussian_blur(p, 3, 1.0), (picture,))


def test_a_displacement_moves():
    picture = torch.arange(12.0).reshape(1, 3, 4)
    shift = torch.zeros(1, 3, 4, 2)
    shift[..., 0] = 2 / 4
    moved = F.elastic_transform(picture, shift)
    np.testing.assert_allclose(moved[0, :, :3].numpy(), picture[0, :, 1:].numpy(), atol=1e-5)
    with pytest.raises(ValueError, match="shape"):
        F.elastic_transform(picture, shift[:, :2])
    with pytest.raises(TypeError):
        F.elastic_transform(picture, [0])


REPRESENTATIONS = {
    "RandomPerspective(p=0.5)": lambda: T.RandomPerspective(),
    "RandomAffine(degrees=[-10.0, 10.0], translate=(0.1, 0.2), scale=(1, 2), "
    "shear=[-3.0, 3.0], interpolation=bilinear, fill=4, center=(1, 2))": lambda: T.RandomAffine(
        10, (0.1, 0.2), (1, 2), 3, T.InterpolationMode.BILINEAR, 4, (1, 2)
    ),
    "RandomAffine(degrees=[0.0, 5.0])": lambda: T.RandomAffine((0, 5)),
    "GaussianBlur(kernel_size=(3, 3), sigma=(0.1, 2.0))": lambda: T.GaussianBlur(3),
    "ElasticTransform(alpha=[50.0, 50.0], sigma=[5.0, 5.0], "
    "interpolation=InterpolationMode.BILINEAR, fill=[0.0])": lambda: T.ElasticTransform(),
    "RandomInvert(p=0.5)": lambda: T.RandomInvert(),
    "RandomPosterize(bits=2,p=0.5)": lambda: T.RandomPosterize(2),
    "RandomSolarize(threshold=99,p=0.5)": lambda: T.RandomSolarize(99),
    "RandomAdjustSharpness(sharpness_factor=2,p=0.5)": lambda: T.RandomAdjustSharpness(2),
    "RandomAutocontrast(p=0.5)": lambda: T.RandomAutocontrast(),
    "RandomEqualize(p=0.5)": lambda: T.RandomEqualize(),
    "LinearTransformation(transformation_matrix=[[2.0]], mean_vector=[1.0])": (
        lambda: T.LinearTransformation(torch.tensor([[2.0]]), torch.tensor([1.0]))
    ),
    "AutoAugment(policy=AutoAugmentPolicy.SVHN, fill=None)": lambda: T.AutoAugment(
        T.AutoAugmentPolicy.SVHN
    ),
    "RandAugment(num_ops=2, magnitude=9, num_magnitude_bins=31, "
    "interpolation=InterpolationMode.NEAREST, fill=None)": lambda: T.RandAugment(),
    "TrivialAugmentWide(num_magnitude_bins=31, interpolation=InterpolationMode.NEAREST, "
    "fill=None)": lambda: T.TrivialAugmentWide(),
    "AugMix(severity=3, mixture_width=3, chain_depth=-1, alpha=1.0, all_ops=True, "
    "interpolation=InterpolationMode.BILINEAR, fill=None)": lambda: T.AugMix(),
}


@pytest.mark.parametrize("text", REPRESENTATIONS)
def test_representation(text):
    assert repr(REPRESENTATIONS[text]()) == text


# What torchvision draws for the seeds, and the sums of the pictures that it makes.
PERSPECTIVE = [[4, 7], [27, 3], [25, 32], [3, 29]]
AFFINE = [-0.07486820220947266, 2, -7, 0.6980457305908203, -1.9257718324661255, 1.902235984802246]
ELASTIC = 33.63392639160156
SUMS = {
    "AutoAugment": [526422, 526422, 453375, 511397, 387407],
    "AutoAugment CIFAR10": [457800, 416246, 526422, 526422, 445200],
    "AutoAugment SVHN": [460200, 356012, 457113, 459234, 457955],
    "RandAugment": [340325, 292486, 217434, 362624, 208923],
    "TrivialAugmentWide": [91560, 461150, 350241, 457800, 402016],
    "AugMix": [450078, 438641, 452526, 457072, 448234],
}


def test_draws_of_a_perspective():
    torch.manual_seed(0)
    start, end = T.RandomPerspective.get_params(30, 40, 0.5)
    assert start == [[0, 0], [29, 0], [29, 39], [0, 39]]
    assert end == PERSPECTIVE


def test_draws_of_an_affine_map():
    torch.manual_seed(0)
    ranges = ([-10.0, 10.0], (0.1, 0.2), (0.5, 2.0), [-5.0, 5.0, 0.0, 3.0])
    angle, moved, scale, shears = T.RandomAffine.get_params(*ranges, [30, 40])
    np.testing.assert_allclose([angle, *moved, scale, *shears], AFFINE, rtol=1e-6)


def test_draws_of_displacements():
    torch.manual_seed(0)
    field = T.ElasticTransform.get_params([10.0, 10.0], [1.0, 2.0], [12, 18])
    assert tuple(field.shape) == (1, 12, 18, 2)
    np.testing.assert_allclose(field.abs().sum().item(), ELASTIC, rtol=1e-4)


CHAINS = {
    "AutoAugment": lambda: T.AutoAugment(),
    "AutoAugment CIFAR10": lambda: T.AutoAugment(T.AutoAugmentPolicy.CIFAR10),
    "AutoAugment SVHN": lambda: T.AutoAugment(T.AutoAugmentPolicy.SVHN, fill=128),
    "RandAugment": lambda: T.RandAugment(3, 14),
    "TrivialAugmentWide": lambda: T.TrivialAugmentWide(),
    "AugMix": lambda: T.AugMix(),
}


@pytest.mark.parametrize("name", CHAINS)
def test_chains_for_a_seed(name, tensor):
    chain = CHAINS[name]()
    sums = []
    for seed in range(5):
        torch.manual_seed(seed)
        sums.append(int(chain(tensor).to(torch.int64).sum().item()))
    # One pixel in a hundred may round otherwise.
    np.testing.assert_allclose(sums, SUMS[name], rtol=2e-5)


def test_chains_take_pillow_images(image):
    for name, make in CHAINS.items():
        torch.manual_seed(1)
        changed = make()(image)
        assert changed.size == image.size, name


def test_every_operation_of_the_chains_exists(tensor):
    for policy in T.AutoAugmentPolicy:
        pairs = T.AutoAugment(policy).policies
        assert len(pairs) == 25
        for name in {step[0] for pair in pairs for step in pair}:
            out = autoaugment._apply_op(tensor, name, 3.0, T.InterpolationMode.NEAREST, None)
            assert out.shape == tensor.shape
    with pytest.raises(ValueError, match="recognized"):
        autoaugment._apply_op(tensor, "Twist", 1.0, T.InterpolationMode.NEAREST, None)
    with pytest.raises(ValueError, match="recognized"):
        T.AutoAugment("imagenet")
    with pytest.raises(ValueError, match="severity"):
        T.AugMix(severity=11)


def test_with_probability(image):
    for make in (
        lambda p: T.RandomInvert(p),
        lambda p: T.RandomPosterize(2, p),
        lambda p: T.RandomSolarize(10, p),
        lambda p: T.RandomAdjustSharpness(2, p),
        lambda p: T.RandomAutocontrast(p),
        lambda p: T.RandomEqualize(p),
        lambda p: T.RandomPerspective(p=p),
    ):
        assert make(0.0)(image) is image
        assert make(1.0)(image) is not image


def test_whitening():
    matrix = torch.eye(12) * 2
    transform = T.LinearTransformation(matrix, torch.ones(12))
    x = torch.arange(12.0).reshape(3, 2, 2)
    assert torch.equal(transform(x), (x - 1) * 2)
    with pytest.raises(ValueError, match="incompatible"):
        transform(torch.zeros(3, 3, 3))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: T.RandomPerspective(fill={}), TypeError),
        (lambda: T.RandomAffine(-1), ValueError),
        (lambda: T.RandomAffine(1, translate=(0.1,)), ValueError),
        (lambda: T.RandomAffine(1, translate=(0.1, 2)), ValueError),
        (lambda: T.RandomAffine(1, scale=(0, 1)), ValueError),
        (lambda: T.RandomAffine(1, shear=(1, 2, 3)), ValueError),
        (lambda: T.GaussianBlur(4), ValueError),
        (lambda: T.GaussianBlur((3, 3, 3)), ValueError),
        (lambda: T.GaussianBlur(3, -1.0), ValueError),
        (lambda: T.GaussianBlur(3, (2.0, 1.0)), ValueError),
        (lambda: T.ElasticTransform(alpha=3), TypeError),
        (lambda: T.ElasticTransform(sigma=(1.0, 2.0, 3.0)), ValueError),
        (lambda: T.ElasticTransform(fill="red"), TypeError),
        (lambda: T.LinearTransformation(torch.ones(2, 3), torch.ones(2)), ValueError),
        (lambda: T.LinearTransformation(torch.ones(2, 2), torch.ones(3)), ValueError),
        (lambda: T.LinearTransformation(torch.ones(2, 2), torch.ones(2).double()), ValueError),
        (lambda: F.posterize(torch.zeros(1, 2, 2), 2), TypeError),
        (lambda: F.posterize(torch.zeros(1, 2, 2).byte(), 9), ValueError),
        (lambda: F.equalize(torch.zeros(1, 2, 2)), TypeError),
        (lambda: F.invert(torch.zeros(2, 2)), TypeError),
        (lambda: F.solarize(torch.zeros(1, 2, 2), 3), TypeError),
        (lambda: F.adjust_gamma(torch.zeros(1, 2, 2), -1), ValueError),
        (lambda: F.adjust_sharpness(torch.zeros(1, 4, 4), -1), ValueError),
        (lambda: F.affine(torch.zeros(1, 2, 2), "1", [0, 0], 1.0, 0), TypeError),
        (lambda: F.affine(torch.zeros(1, 2, 2), 1, 3, 1.0, 0), TypeError),
        (lambda: F.affine(torch.zeros(1, 2, 2), 1, [0], 1.0, 0), ValueError),
        (lambda: F.affine(torch.zeros(1, 2, 2), 1, [0, 0], 0.0, 0), ValueError),
        (lambda: F.affine(torch.zeros(1, 2, 2), 1, [0, 0], 1.0, [1, 2, 3]), ValueError),
        (lambda: F.affine(torch.zeros(1, 2, 2), 1, [0, 0], 1.0, 0, 3), ValueError),
        (lambda: F.affine(torch.zeros(3, 2, 2), 1, [0, 0], 1.0, 0, fill=[1, 2]), ValueError),
        (lambda: F.perspective(torch.zeros(1, 2, 2), [[0, 0]], [[0, 0]]), ValueError),
        (lambda: F.gaussian_blur(torch.zeros(1, 9, 9), 4), ValueError),
        (lambda: F.gaussian_blur(torch.zeros(1, 9, 9), "3"), TypeError),
        (lambda: F.gaussian_blur(torch.zeros(1, 9, 9), 3, "1"), TypeError),
        (lambda: F.gaussian_blur(torch.zeros(1, 9, 9), 3, 0.0), ValueError),
        (lambda: F.gaussian_blur(np.zeros((9, 9)), 3), TypeError),
    ],
)
def test_bad_arguments(call, error):
    with pytest.raises(error):
        call()
