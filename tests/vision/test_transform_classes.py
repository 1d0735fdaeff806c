"""The transform classes: representations, random draws, and what they refuse."""

from __future__ import annotations

import random

import numpy as np
import pytest

import flambeau as torch
from flambeau.vision import transforms as T
from flambeau.vision.transforms import functional as F

REPRESENTATIONS = {
    "ToTensor()": lambda: T.ToTensor(),
    "PILToTensor()": lambda: T.PILToTensor(),
    "ToPILImage()": lambda: T.ToPILImage(),
    "ToPILImage(mode=L)": lambda: T.ToPILImage("L"),
    "ConvertImageDtype()": lambda: T.ConvertImageDtype(torch.float32),
    "Normalize(mean=(0.5,), std=[0.25])": lambda: T.Normalize((0.5,), [0.25]),
    "Resize(size=256, interpolation=bilinear, max_size=None, antialias=True)": lambda: T.Resize(
        256
    ),
    "Resize(size=(2, 3), interpolation=nearest, max_size=None, antialias=True)": lambda: T.Resize(
        (2, 3), 0
    ),
    "CenterCrop(size=(224, 224))": lambda: T.CenterCrop(224),
    "RandomCrop(size=(32, 32), padding=4)": lambda: T.RandomCrop(32, padding=4),
    "RandomHorizontalFlip(p=0.5)": lambda: T.RandomHorizontalFlip(),
    "RandomVerticalFlip(p=0.25)": lambda: T.RandomVerticalFlip(0.25),
    "RandomResizedCrop(size=(224, 224), scale=(0.08, 1.0), ratio=(0.75, 1.3333), "
    "interpolation=bilinear, antialias=True)": lambda: T.RandomResizedCrop(224),
    "Pad(padding=3, fill=0, padding_mode=constant)": lambda: T.Pad(3),
    "RandomRotation(degrees=[-10.0, 10.0], interpolation=nearest, expand=False, fill=0)": (
        lambda: T.RandomRotation(10)
    ),
    "RandomRotation(degrees=[0.0, 9.0], interpolation=bilinear, expand=True, center=(1, 2), "
    "fill=7)": lambda: T.RandomRotation((0, 9), T.InterpolationMode.BILINEAR, True, (1, 2), 7),
    "ColorJitter(brightness=(0.5, 1.5), contrast=None, saturation=(0.0, 3.0), hue=(-0.1, 0.1))": (
        lambda: T.ColorJitter(0.5, 0, 2, 0.1)
    ),
    "RandomErasing(p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, inplace=False)": (
        lambda: T.RandomErasing()
    ),
    "Grayscale(num_output_channels=1)": lambda: T.Grayscale(),
    "RandomGrayscale(p=0.1)": lambda: T.RandomGrayscale(),
    "FiveCrop(size=(3, 3))": lambda: T.FiveCrop(3),
    "TenCrop(size=(3, 4), vertical_flip=False)": lambda: T.TenCrop((3, 4)),
    "Lambda()": lambda: T.Lambda(len),
    "Compose(\n    ToTensor()\n    Lambda()\n)": lambda: T.Compose([T.ToTensor(), T.Lambda(len)]),
    "RandomApply(\n    p=0.5\n    ToTensor()\n)": lambda: T.RandomApply([T.ToTensor()]),
    "RandomOrder(\n    ToTensor()\n)": lambda: T.RandomOrder([T.ToTensor()]),
    "RandomChoice(\n    ToTensor()\n)(p=None)": lambda: T.RandomChoice([T.ToTensor()]),
}


@pytest.mark.parametrize("text", REPRESENTATIONS)
def test_representation(text):
    assert repr(REPRESENTATIONS[text]()) == text


# The numbers below are what the same draws give with PyTorch's generator.


def test_random_crop_draws(image):
    torch.manual_seed(0)
    boxes = [T.RandomCrop.get_params(image, (20, 20)) for _ in range(3)]
    assert boxes == [(11, 7, 20, 20), (14, 3, 20, 20), (1, 3, 20, 20)]
    before = torch.get_rng_state()
    assert T.RandomCrop.get_params(image, (40, 30)) == (0, 0, 40, 30)
    assert torch.equal(torch.get_rng_state(), before)


def test_random_resized_crop_draws(image):
    crop = T.RandomResizedCrop(24)
    torch.manual_seed(0)
    boxes = [crop.get_params(image, crop.scale, crop.ratio) for _ in range(3)]
    assert boxes == [(11, 0, 23, 27), (13, 1, 20, 22), (16, 2, 24, 25)]
    torch.manual_seed(1)
    boxes = [crop.get_params(image, crop.scale, crop.ratio) for _ in range(3)]
    assert boxes == [(4, 0, 33, 29), (21, 18, 10, 12), (4, 4, 27, 26)]


def test_random_resized_crop_falls_back_to_the_middle():
    narrow = torch.zeros(1, 100, 4)
    crop = T.RandomResizedCrop(8, scale=(0.9, 1.0))
    assert crop.get_params(narrow, crop.scale, crop.ratio) == (47, 0, 5, 4)
    flat = torch.zeros(1, 4, 100)
    assert crop.get_params(flat, crop.scale, crop.ratio) == (0, 47, 4, 5)


def test_rotation_draws():
    torch.manual_seed(0)
    angles = [T.RandomRotation.get_params([-30.0, 30.0]) for _ in range(2)]
    np.testing.assert_allclose(angles, [-0.22460460662841797, 16.093307495117188], rtol=1e-6)


def test_colour_jitter_draws():
    torch.manual_seed(1)
    order, *factors = T.ColorJitter.get_params((0.5, 1.5), (0.5, 1.5), None, (-0.1, 0.1))
    assert order.tolist() == [1, 3, 2, 0]
    assert factors[2] is None
    np.testing.assert_allclose(
        [factors[0], factors[1], factors[3]],
        [1.2346844673156738, 0.5292815566062927, 0.059971727430820465],
        rtol=1e-6,
    )


def test_erasing_draws():
    image = torch.zeros(3, 40, 30)
    torch.manual_seed(0)
    assert T.RandomErasing.get_params(image, (0.02, 0.33), (0.3, 3.3), [0.0])[:4] == (14, 9, 20, 10)
    torch.manual_seed(0)
    *box, noise = T.RandomErasing.get_params(image, (0.02, 0.33), (0.3, 3.3), None)
    assert box == [18, 12, 20, 10]
    np.testing.assert_allclose(noise.sum().item(), 30.080524444580078, rtol=1e-4)


def test_flips_follow_the_generator(image):
    torch.manual_seed(0)
    flip = T.RandomHorizontalFlip()
    flipped = [flip(image) is not image for _ in range(12)]
    assert [int(flag) for flag in flipped] == [1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1]


def test_image_and_tensor_go_the_same_way(image):
    tensor = F.pil_to_tensor(image)
    for transform in (
        T.RandomCrop(20, padding=4, padding_mode="reflect"),
        T.RandomCrop((50, 20), pad_if_needed=True),
        T.RandomHorizontalFlip(),
        T.RandomVerticalFlip(),
        T.RandomApply([T.CenterCrop(10)]),
    ):
        for seed in range(4):
            torch.manual_seed(seed)
            first = F.pil_to_tensor(transform(image))
            torch.manual_seed(seed)
            assert torch.equal(transform(tensor), first)


def test_every_random_transform_runs_on_tensors():
    tensor = torch.rand(3, 20, 16)
    for transform, shape in (
        (T.RandomResizedCrop(8), (3, 8, 8)),
        (T.RandomRotation(30), (3, 20, 16)),
        (T.ColorJitter(0.5, 0.5, 0.5, 0.3), (3, 20, 16)),
        (T.RandomGrayscale(1.0), (3, 20, 16)),
        (T.RandomErasing(1.0, value="random"), (3, 20, 16)),
        (T.RandomErasing(1.0, value=(1, 2, 3)), (3, 20, 16)),
        (T.RandomErasing(0.0), (3, 20, 16)),
    ):
        assert tuple(transform(tensor).shape) == shape


def test_choice_and_order_follow_python():
    first, second = T.Lambda(lambda x: [*x, "first"]), T.Lambda(lambda x: [*x, "second"])
    random.seed(0)
    expected = random.choices(["first", "second"])
    random.seed(0)
    assert T.RandomChoice([first, second])([]) == expected
    assert T.RandomChoice([first, second], p=[0.0, 1.0])([]) == ["second"]
    assert sorted(T.RandomOrder([first, second])([])) == ["first", "second"]


def test_compose_runs_in_order(image):
    transform = T.Compose([T.Resize((10, 12)), T.ToTensor(), T.Normalize((0.5,) * 3, (0.5,) * 3)])
    result = transform(image)
    assert tuple(result.shape) == (3, 10, 12)
    assert -1.0 <= result.min().item() < 0.0 < result.max().item() <= 1.0


def test_transforms_go_into_a_sequential():
    pipeline = torch.nn.Sequential(T.CenterCrop(4), T.Normalize((0.5,), (0.5,)))
    assert tuple(pipeline(torch.zeros(1, 8, 8)).shape) == (1, 4, 4)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: T.Lambda(3), TypeError),
        (lambda: T.RandomOrder(T.ToTensor()), TypeError),
        (lambda: T.RandomChoice([T.ToTensor()], p=1), TypeError),
        (lambda: T.Resize(None), TypeError),
        (lambda: T.Resize(3.5), TypeError),
        (lambda: T.Resize((1, 2, 3)), ValueError),
        (lambda: T.CenterCrop((1, 2, 3)), ValueError),
        (lambda: T.Pad("1"), TypeError),
        (lambda: T.Pad(1, fill={}), TypeError),
        (lambda: T.Pad((1, 2, 3)), ValueError),
        (lambda: T.Pad(1, padding_mode="wrap"), ValueError),
        (lambda: T.RandomCrop(9)(torch.zeros(1, 8, 8)), ValueError),
        (lambda: T.RandomResizedCrop(8, scale=1), TypeError),
        (lambda: T.RandomResizedCrop(8, ratio=1), TypeError),
        (lambda: T.RandomRotation(-1), ValueError),
        (lambda: T.RandomRotation((1, 2, 3)), ValueError),
        (lambda: T.RandomRotation(1, center=3), TypeError),
        (lambda: T.RandomRotation(1, fill={}), TypeError),
        (lambda: T.ColorJitter(-1), ValueError),
        (lambda: T.ColorJitter((2, 1)), ValueError),
        (lambda: T.ColorJitter("a"), TypeError),
        (lambda: T.ColorJitter(hue=0.6), ValueError),
        (lambda: T.RandomErasing(p=2), ValueError),
        (lambda: T.RandomErasing(scale=(0, 2)), ValueError),
        (lambda: T.RandomErasing(ratio=3), TypeError),
        (lambda: T.RandomErasing(value="noise"), ValueError),
        (lambda: T.RandomErasing(value={}), TypeError),
        (lambda: T.RandomErasing(1.0, value=(1, 2))(torch.zeros(3, 8, 8)), ValueError),
    ],
)
def test_bad_arguments(call, error):
    with pytest.raises(error):
        call()


def test_ranges_in_the_wrong_order_warn():
    with pytest.warns(UserWarning, match="kind"):
        T.RandomResizedCrop(8, scale=(1.0, 0.5))
    with pytest.warns(UserWarning, match="kind"):
        T.RandomErasing(ratio=(3, 1))
