"""Pictures to tensors and back, and normalising."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch
from flambeau.vision import transforms as T
from flambeau.vision.transforms import functional as F


def test_to_tensor_of_an_image(image, pixels):
    tensor = F.to_tensor(image)
    assert tensor.dtype == torch.float32
    assert tensor.is_contiguous()
    expected = pixels.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(tensor.numpy(), expected)


def test_to_tensor_of_arrays():
    grey = np.array([[0, 255], [51, 102]], np.uint8)
    np.testing.assert_array_equal(
        F.to_tensor(grey).numpy(), (grey / np.float32(255)).astype(np.float32)[None]
    )
    wide = np.arange(6.0).reshape(1, 2, 3)
    assert F.to_tensor(wide).dtype == torch.float64
    np.testing.assert_array_equal(F.to_tensor(wide).numpy(), wide.transpose(2, 0, 1))


def test_to_tensor_follows_the_default_dtype(image):
    torch.set_default_dtype(torch.float64)
    try:
        tensor = F.to_tensor(image)
    finally:
        torch.set_default_dtype(torch.float32)
    assert tensor.dtype == torch.float64
    assert tensor.max().item() == 1.0


@pytest.mark.parametrize(
    ("mode", "channels", "dtype"),
    [
        ("1", 1, torch.float32),
        ("L", 1, torch.float32),
        ("LA", 2, torch.float32),
        ("P", 1, torch.float32),
        ("RGBA", 4, torch.float32),
        ("CMYK", 4, torch.float32),
        ("I", 1, torch.int32),
        ("F", 1, torch.float32),
    ],
)
def test_to_tensor_of_every_mode(image, mode, channels, dtype):
    converted = image.convert(mode)
    tensor = F.to_tensor(converted)
    assert (tuple(tensor.shape), tensor.dtype) == ((channels, 40, 30), dtype)
    values = np.asarray(converted).astype(np.float64).reshape(40, 30, channels)
    scale = {"1": 1.0, "I": 1.0, "F": 1.0}.get(mode, 255.0)
    np.testing.assert_allclose(tensor.numpy(), values.transpose(2, 0, 1) / scale, rtol=1e-6, atol=0)


def test_to_tensor_does_not_share_the_arrays_memory():
    array = np.ones((2, 2, 1), np.float32)
    tensor = F.to_tensor(array)
    array[:] = 5
    assert tensor.max().item() == 1.0


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", "int16"])
def test_one_channel_goes_there_and_back(dtype):
    pytest.importorskip("PIL")
    array = np.arange(6).reshape(2, 3).astype(dtype)
    tensor = torch.from_numpy(array)
    back = F.pil_to_tensor(F.to_pil_image(tensor, mode="F" if dtype == "float32" else None))
    np.testing.assert_array_equal(back.numpy()[0], array)


def test_to_pil_image_of_colours(image, pixels):
    tensor = F.to_tensor(image)
    np.testing.assert_array_equal(np.asarray(F.to_pil_image(tensor)), pixels)
    np.testing.assert_array_equal(np.asarray(F.to_pil_image(pixels)), pixels)
    assert F.to_pil_image(tensor[:2]).mode == "LA"
    assert F.to_pil_image(np.zeros((2, 2, 4), np.uint8)).mode == "RGBA"
    assert T.ToPILImage("HSV")(pixels).mode == "HSV"


def test_to_pil_image_copies():
    pytest.importorskip("PIL")
    tensor = torch.zeros(1, 2, 2, dtype=torch.uint8)
    picture = F.to_pil_image(tensor)
    tensor.fill_(9)
    assert picture.getpixel((0, 0)) == 0


def test_normalize_of_images(image, pixels):
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    tensor = F.to_tensor(image)
    before = tensor.numpy().copy()
    result = T.Normalize(mean, std)(tensor)
    column = np.float32(mean).reshape(3, 1, 1), np.float32(std).reshape(3, 1, 1)
    np.testing.assert_array_equal(result.numpy(), (before - column[0]) / column[1])
    np.testing.assert_array_equal(tensor.numpy(), before)
    batch = T.Normalize(mean, std)(torch.stack([tensor, tensor]))
    np.testing.assert_array_equal(batch[1].numpy(), result.numpy())


def test_normalize_in_place_and_in_the_graph():
    tensor = torch.ones(1, 2, 2)
    result = F.normalize(tensor, (0.5,), (0.5,), inplace=True)
    assert result is tensor
    assert tensor.tolist() == [[[1.0, 1.0], [1.0, 1.0]]]
    leaf = torch.ones(2, 2, 2, requires_grad=True)
    F.normalize(leaf, (0.5, 0.5), (0.5, 0.25)).sum().backward()
    assert leaf.grad.tolist() == [[[2.0, 2.0], [2.0, 2.0]], [[4.0, 4.0], [4.0, 4.0]]]


def test_normalize_takes_lists_tensors_and_numbers():
    tensor = torch.ones(2, 1, 1)
    assert F.normalize(tensor, [0.5, 1.0], torch.tensor([0.5, 2.0])).flatten().tolist() == [
        1.0,
        0.0,
    ]
    assert F.normalize(tensor, 0.5, 0.25).flatten().tolist() == [2.0, 2.0]
    assert F.normalize(tensor.double(), 0.5, 0.25).dtype == torch.float64


@pytest.mark.parametrize(
    ("source", "target", "value", "expected"),
    [
        (torch.uint8, torch.float32, 255, 1.0),
        (torch.float32, torch.uint8, 1.0, 255),
        (torch.float32, torch.uint8, 0.5, 127),
        (torch.uint8, torch.int16, 255, 32640),
        (torch.int16, torch.uint8, 32767, 255),
        (torch.float64, torch.int32, 1.0, 2147483647),
        (torch.float32, torch.float64, 0.25, 0.25),
        (torch.uint8, torch.uint8, 7, 7),
    ],
)
def test_convert_image_dtype(source, target, value, expected):
    result = T.ConvertImageDtype(target)(torch.tensor([value], dtype=source))
    assert result.dtype == target
    assert result.tolist() == [expected]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: F.to_tensor([1, 2]), TypeError),
        (lambda: F.to_tensor(np.zeros(3, np.uint8)), ValueError),
        (lambda: F.pil_to_tensor(np.zeros((2, 2), np.uint8)), TypeError),
        (lambda: F.to_pil_image("no"), TypeError),
        (lambda: F.to_pil_image(torch.zeros(2, 3, 4, 5)), ValueError),
        (lambda: F.to_pil_image(torch.zeros(5, 3, 4)), ValueError),
        (lambda: F.to_pil_image(np.zeros((2, 2, 6), np.uint8)), ValueError),
        (lambda: F.to_pil_image(np.zeros((2, 2), np.uint8), mode="F"), ValueError),
        (lambda: F.to_pil_image(np.zeros((2, 2, 3), np.uint8), mode="LA"), ValueError),
        (lambda: F.to_pil_image(np.zeros((2, 2, 3), np.int32)), TypeError),
        (lambda: F.to_pil_image(np.zeros((2, 2), np.int64)), TypeError),
        (lambda: F.normalize(np.zeros((1, 2, 2)), 0, 1), TypeError),
        (lambda: F.normalize(torch.zeros(1, 2, 2, dtype=torch.uint8), 0, 1), TypeError),
        (lambda: F.normalize(torch.zeros(2, 2), 0, 1), ValueError),
        (lambda: F.normalize(torch.zeros(1, 2, 2), (0.5,), (0.0,)), ValueError),
        (lambda: F.normalize(torch.zeros(1, 2, 2), (0.5,) * 3, (0.5,) * 3), RuntimeError),
        (lambda: F.convert_image_dtype(torch.zeros(1), torch.int64), RuntimeError),
        (lambda: F.convert_image_dtype(np.zeros(1), torch.int64), TypeError),
    ],
)
def test_bad_input(call, error):
    with pytest.raises(error):
        call()


def test_the_error_of_a_wrong_number_of_channels_names_them():
    with pytest.raises(RuntimeError, match=r"mean=.*3 values.*1 channel \(shape \(1, 28, 28\)\)"):
        F.normalize(torch.zeros(1, 28, 28), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
