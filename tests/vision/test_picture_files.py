"""Reading and writing picture files as tensors."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch
from flambeau.vision import io

image_module = pytest.importorskip("PIL.Image")


@pytest.fixture
def planes(pixels):
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


def test_png_is_exact(planes, tmp_path):
    path = tmp_path / "picture.png"
    io.write_png(planes, path)
    assert torch.equal(io.read_image(path), planes)
    assert torch.equal(io.decode_image(str(path)), planes)
    assert torch.equal(io.decode_png(io.read_file(path)), planes)
    io.write_png(planes[0], path, compression_level=9)
    assert torch.equal(io.read_image(path), planes[:1])


def test_jpeg_is_close(tmp_path):
    smooth = torch.arange(64 * 64).reshape(1, 64, 64).div(17, rounding_mode="floor").byte()
    smooth = smooth.expand(3, 64, 64) // 2
    io.write_jpeg(smooth, tmp_path / "picture.jpg", quality=95)
    read = io.decode_jpeg(io.read_file(tmp_path / "picture.jpg"))
    assert (read.int() - smooth.int()).abs().float().mean().item() < 3
    small, large = io.encode_jpeg([smooth, smooth]), io.encode_jpeg(smooth, quality=100)
    assert torch.equal(small[0], small[1])
    assert len(small[0]) < len(large)
    assert len(io.decode_jpeg(small)) == 2


@pytest.mark.parametrize(
    ("mode", "channels"), [("GRAY", 1), ("GRAY_ALPHA", 2), ("RGB", 3), ("RGBA", 4)]
)
def test_modes(planes, mode, channels):
    content = io.encode_png(planes)
    assert tuple(io.decode_image(content, mode).shape) == (channels, 40, 30)
    as_enum = io.decode_png(content, io.ImageReadMode[mode])
    assert torch.equal(as_enum, io.decode_image(content, mode.lower()))


def test_other_formats(pixels, tmp_path):
    image = image_module.fromarray(pixels)
    image.save(tmp_path / "picture.webp", lossless=True)
    read = io.decode_webp(io.read_file(tmp_path / "picture.webp"))
    assert torch.equal(read, torch.from_numpy(pixels.transpose(2, 0, 1).copy()))
    frames = [image_module.new("RGB", (4, 3), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "picture.gif", save_all=True, append_images=frames[1:])
    moving = io.decode_gif(io.read_file(tmp_path / "picture.gif"))
    assert tuple(moving.shape) == (2, 3, 3, 4)
    assert moving[:, :, 0, 0].tolist() == [[255, 0, 0], [0, 0, 255]]
    image.convert("P").save(tmp_path / "palette.png")
    assert io.read_image(tmp_path / "palette.png").shape[0] == 3


def test_sixteen_bits(tmp_path):
    values = np.array([[0, 1, 300], [40000, 65535, 7]], np.uint16)
    image_module.fromarray(values).save(tmp_path / "deep.png")
    read = io.read_image(tmp_path / "deep.png")
    assert read.dtype == torch.uint16
    assert read.tolist() == [values.tolist()]


def test_the_way_the_camera_was_held(pixels, tmp_path):
    exif = image_module.Exif()
    exif[0x0112] = 6
    image_module.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    assert tuple(io.read_image(tmp_path / "turned.png").shape) == (3, 40, 30)
    turned = io.read_image(tmp_path / "turned.png", apply_exif_orientation=True)
    assert tuple(turned.shape) == (3, 30, 40)


def test_bytes_of_files(tmp_path):
    io.write_file(tmp_path / "file", torch.tensor([1, 2, 255], dtype=torch.uint8))
    assert (tmp_path / "file").read_bytes() == b"\x01\x02\xff"
    assert io.read_file(tmp_path / "file").tolist() == [1, 2, 255]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda planes: io.read_file("/no/such/file"), RuntimeError),
        (lambda planes: io.decode_image(torch.zeros(20, dtype=torch.uint8)), RuntimeError),
        (lambda planes: io.decode_png(io.encode_jpeg(planes)), RuntimeError),
        (lambda planes: io.decode_image(planes), RuntimeError),
        (lambda planes: io.decode_image(torch.zeros(4)), RuntimeError),
        (lambda planes: io.decode_jpeg([]), ValueError),
        (lambda planes: io.decode_image(io.encode_png(planes), "CMYK"), KeyError),
        (lambda planes: io.encode_png(planes.float()), RuntimeError),
        (lambda planes: io.encode_png(planes[:2]), RuntimeError),
        (lambda planes: io.encode_png(planes[None]), RuntimeError),
        (lambda planes: io.encode_png(planes, 10), RuntimeError),
        (lambda planes: io.encode_jpeg(planes, 0), ValueError),
        (lambda planes: io.encode_jpeg([]), ValueError),
        (lambda planes: io.decode_heic(planes), RuntimeError),
    ],
)
def test_bad_arguments(planes, call, error):
    with pytest.raises(error):
        call(planes)
