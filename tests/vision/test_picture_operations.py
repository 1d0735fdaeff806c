"""Each operation gives the same picture of a Pillow image and of a tensor."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch
from flambeau.vision import transforms as T
from flambeau.vision.transforms import InterpolationMode
from flambeau.vision.transforms import functional as F


def both(image, function):
    """Returns what `function` makes of the image and of its tensor, as arrays."""
    ours = function(F.pil_to_tensor(image))
    pillows = function(image)
    return np.asarray(F.pil_to_tensor(pillows).numpy()), np.asarray(ours.numpy())


def assert_same(image, function, tolerance=0):
    first, second = both(image, function)
    assert first.shape == second.shape
    difference = np.abs(first.astype(int) - second.astype(int))
    assert difference.max(initial=0) <= tolerance


@pytest.mark.parametrize("size", [(20, 13), (40, 30), (64, 80), 20, [25], (10, 100)])
@pytest.mark.parametrize("mode", [InterpolationMode.BILINEAR, InterpolationMode.BICUBIC])
def test_resize(image, size, mode):
    # Pillow rounds to bytes between the two axes, which shows more under the cubic's overshoot.
    smooth = image.resize((8, 8)).resize((30, 40), 2)
    assert_same(smooth, lambda picture: F.resize(picture, size, mode), tolerance=2)


def test_resize_by_the_shorter_edge(image):
    assert F.resize(image, 15).size == (15, 20)
    assert F.resize(image, 15, max_size=18).size == (13, 18)
    assert tuple(F.resize(torch.zeros(2, 30, 40), 15).shape) == (2, 15, 20)
    assert F.resize(image, (40, 30)) is image
    assert T.Resize(15)(image).size == (15, 20)


def test_resize_nearest_takes_pixels():
    tensor = torch.arange(4, dtype=torch.uint8).view(1, 1, 4)
    for mode, expected in (
        (InterpolationMode.NEAREST, [0, 0, 1, 2, 2, 3]),
        (InterpolationMode.NEAREST_EXACT, [0, 1, 1, 2, 3, 3]),
    ):
        assert F.resize(tensor, (1, 6), mode).flatten().tolist() == expected
    assert F.resize(tensor, (1, 2), InterpolationMode.NEAREST).flatten().tolist() == [0, 2]


def test_resize_bilinear_numbers():
    tensor = torch.tensor([[[0.0, 1.0, 2.0, 3.0]]])
    plain = F.resize(tensor, (1, 2), antialias=False).flatten().tolist()
    assert plain == [0.5, 2.5]
    smoothed = F.resize(tensor, (1, 2)).flatten().tolist()
    np.testing.assert_allclose(smoothed, [5 / 7, 16 / 7], rtol=1e-6)
    wider = F.resize(tensor, (1, 8)).flatten().tolist()
    np.testing.assert_allclose(wider, [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3])


def test_resize_has_a_gradient():
    leaf = torch.ones(1, 4, 4, requires_grad=True)
    F.resize(leaf, (2, 2)).sum().backward()
    np.testing.assert_allclose(leaf.grad.sum().item(), 4.0, rtol=1e-6)


@pytest.mark.parametrize(
    "box", [(3, 4, 10, 12), (-3, -4, 10, 12), (35, 25, 20, 20), (-5, -5, 60, 70), (100, 100, 5, 5)]
)
def test_crop(image, box):
    assert_same(image, lambda picture: F.crop(picture, *box))


@pytest.mark.parametrize("size", [10, (60, 20), (70, 71), (40, 30), (39, 29), [12]])
def test_center_crop(image, size):
    assert_same(image, lambda picture: F.center_crop(picture, size))
    assert_same(image, T.CenterCrop(size))


def test_flips(image, pixels):
    assert_same(image, F.hflip)
    assert_same(image, F.vflip)
    np.testing.assert_array_equal(np.asarray(F.hflip(image)), pixels[:, ::-1])
    np.testing.assert_array_equal(np.asarray(F.vflip(image)), pixels[::-1])


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
@pytest.mark.parametrize("padding", [3, (2, 5), (1, 2, 3, 4), [4]])
def test_pad(image, pixels, mode, padding):
    fill = (1, 2, 3) if mode == "constant" else 0
    assert_same(image, lambda picture: F.pad(picture, padding, fill, mode))
    left, top, right, bottom = F._sides(padding)
    padded = np.asarray(F.pad(image, padding, 0, mode))
    expected = np.pad(pixels, ((top, bottom), (left, right), (0, 0)), mode)
    np.testing.assert_array_equal(padded, expected)


@pytest.mark.parametrize("mode", ["constant", "edge"])
def test_negative_padding_cuts(image, pixels, mode):
    assert_same(image, lambda picture: F.pad(picture, (-2, 3, 4, -5), 0, mode))
    cut = F.pad(F.pil_to_tensor(image), -2).numpy()
    np.testing.assert_array_equal(cut, pixels.transpose(2, 0, 1)[:, 2:-2, 2:-2])


def test_pad_keeps_a_palette(image):
    padded = F.pad(image.convert("P"), 2)
    assert padded.mode == "P"
    assert padded.getpalette() == image.convert("P").getpalette()


def test_five_and_ten_crops(image):
    tensor = F.pil_to_tensor(image)
    ours, pillows = F.ten_crop(tensor, (10, 21)), F.ten_crop(image, (10, 21))
    assert len(ours) == len(pillows) == 10
    for mine, theirs in zip(ours, pillows, strict=True):
        np.testing.assert_array_equal(mine.numpy(), F.pil_to_tensor(theirs).numpy())
    assert torch.equal(ours[0], tensor[:, :10, :21])
    assert torch.equal(ours[3], tensor[:, -10:, -21:])
    assert len(T.FiveCrop(5)(image)) == 5
    assert torch.equal(T.TenCrop(5, vertical_flip=True)(tensor)[5], F.vflip(tensor)[:, :5, :5])


@pytest.mark.parametrize("angle", [0, 90, 180, 270, -90])
def test_rotate_by_right_angles(image, angle):
    assert_same(image, lambda picture: F.rotate(picture, angle))
    if angle % 180:
        assert_same(image, lambda picture: F.rotate(picture, angle, expand=True))


@pytest.mark.parametrize(
    "mode", [InterpolationMode.NEAREST, InterpolationMode.BILINEAR], ids=lambda mode: mode.value
)
def test_rotate_by_any_angle(image, mode):
    smooth = image.resize((3, 4)).resize((30, 40), 2)
    for center in (None, (5, 7)):
        first, second = both(smooth, lambda p, c=center: F.rotate(p, 33.0, mode, center=c))
        close = np.abs(first.astype(int) - second.astype(int)) <= 3
        # Pillow takes the border's pixels for half covered ones, torchvision mixes in the fill.
        assert close.mean() > 0.95


def test_rotate_fills():
    tensor = torch.ones(3, 4, 4)
    turned = F.rotate(tensor, 45, fill=[0.25, 0.5, 0.75])
    assert turned[:, 0, 0].tolist() == [0.25, 0.5, 0.75]
    assert turned[:, 2, 2].tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("factor", [0.0, 0.4, 1.0, 1.8])
@pytest.mark.parametrize(
    "adjust",
    [F.adjust_brightness, F.adjust_contrast, F.adjust_saturation],
    ids=lambda f: f.__name__,
)
def test_adjustments(image, adjust, factor):
    # Pillow and torchvision round the grey value differently, by one at most.
    assert_same(image, lambda picture: adjust(picture, factor), tolerance=2)
    exact = adjust(F.to_tensor(image), factor)
    assert exact.dtype == torch.float32
    assert 0.0 <= exact.min().item() <= exact.max().item() <= 1.0


def test_hue_of_pure_colours():
    red = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)
    np.testing.assert_allclose(
        F.adjust_hue(red, 1 / 3).flatten().tolist(), [0, 1, 0], rtol=0, atol=1e-6
    )
    np.testing.assert_allclose(
        F.adjust_hue(red, -1 / 6).flatten().tolist(), [1, 0, 1], rtol=0, atol=1e-6
    )
    grey = torch.full((3, 2, 2), 0.25)
    assert torch.equal(F.adjust_hue(grey, 0.4), grey)
    assert F.adjust_hue(torch.zeros(1, 2, 2), 0.2).shape == (1, 2, 2)


def test_hue_against_pillow(image):
    smooth = image.resize((3, 4)).resize((30, 40), 2)
    # Pillow's HSV has 256 hues only.
    assert_same(smooth, lambda picture: F.adjust_hue(picture, 0.2), tolerance=8)


def test_grayscale(image):
    assert_same(image, F.rgb_to_grayscale, tolerance=1)
    assert_same(image, lambda picture: F.rgb_to_grayscale(picture, 3), tolerance=1)
    assert T.Grayscale()(image).mode == "L"
    assert F.to_grayscale(image, 3).mode == "RGB"


def test_erase():
    tensor = torch.zeros(2, 4, 4)
    erased = F.erase(tensor, 1, 2, 2, 1, torch.tensor([1.0, 2.0])[:, None, None])
    assert erased.sum().item() == 6.0
    assert erased[:, 2, 2].tolist() == [1.0, 2.0]
    assert tensor.sum().item() == 0.0
    assert F.erase(tensor, 0, 0, 1, 1, 1.0, inplace=True) is tensor
    assert tensor[:, 0, 0].tolist() == [1.0, 1.0]


def test_dimensions(image):
    assert F.get_dimensions(image) == [3, 40, 30]
    assert F.get_dimensions(torch.zeros(2, 5, 6)) == [2, 5, 6]
    assert F.get_dimensions(torch.zeros(5, 6)) == [1, 5, 6]
    assert F.get_image_size(image) == [30, 40]
    assert F.get_image_num_channels(image) == 3


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: F.hflip(np.zeros((3, 4, 4))), TypeError),
        (lambda x: F.resize(x, "8"), TypeError),
        (lambda x: F.resize(x, (1, 2, 3)), ValueError),
        (lambda x: F.resize(x, 8, max_size=8), ValueError),
        (lambda x: F.resize(x, (8, 8), max_size=9), ValueError),
        (lambda x: F.resize(x, 8, "bilinear"), TypeError),
        (lambda x: F.resize(x, 8, 9), ValueError),
        (lambda x: F.resize(x, (4, 4), InterpolationMode.LANCZOS), ValueError),
        (lambda x: F.pad(x, "1"), TypeError),
        (lambda x: F.pad(x, (1, 2, 3)), ValueError),
        (lambda x: F.pad(x, 1, padding_mode="wrap"), ValueError),
        (lambda x: F.pad(x, 9, padding_mode="reflect"), RuntimeError),
        (lambda x: F.pad(x, 1, fill=(1, 2)), ValueError),
        (lambda x: F.five_crop(x, 9), ValueError),
        (lambda x: F.rotate(x, "90"), TypeError),
        (lambda x: F.rotate(x, 10, fill=[1, 2]), ValueError),
        (lambda x: F.rotate(x, 10, InterpolationMode.BICUBIC), ValueError),
        (lambda x: F.adjust_brightness(x, -1), ValueError),
        (lambda x: F.adjust_contrast(x[:2], 1), TypeError),
        (lambda x: F.adjust_hue(x, 0.6), ValueError),
        (lambda x: F.rgb_to_grayscale(x, 2), ValueError),
        (lambda x: F.to_grayscale(x), TypeError),
        (lambda x: F.erase(np.zeros(3), 0, 0, 1, 1, 0), TypeError),
        (lambda x: F.hflip(x[0, 0]), TypeError),
    ],
)
def test_bad_input(call, error):
    with pytest.raises(error):
        call(torch.zeros(3, 8, 8))
