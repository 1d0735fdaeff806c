"""Files of data sets and pictures from strangers: refused by name, without cost, and never run."""

from __future__ import annotations

import bz2
import gzip
import os
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import flambeau as torch
from flambeau.vision import datasets, io, transforms
from flambeau.vision.datasets import idx, matlab
from flambeau.vision.datasets.folder import make_dataset, pil_loader
from flambeau.vision.io import image


def peak() -> int:
    """The most address space that the process has had, in bytes; 0 where nobody tells."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    lines = status.read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmPeak"))


@pytest.fixture(autouse=True)
def memory_is_bounded() -> Any:
    before = peak()
    yield
    assert peak() - before < 400 << 20


# --- IDX ------------------------------------------------------------------------------------------


def header(code: int, *shape: int) -> bytes:
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape)


IDX = {
    "no values": header(8, 60000, 28, 28),
    "huge": header(0x0E, *[2**32 - 1] * 8) + bytes(100),
    "huge but empty": header(0x0E, 0, *[2**32 - 1] * 7),
    "long": header(8, 2) + bytes(3),
    "short": header(8, 5) + bytes(3),
    "no dimensions": bytes([0, 0, 8, 0]),
    "many dimensions": bytes([0, 0, 8, 255]) + bytes(2000),
    "type": header(7, 1) + b"1",
    "magic": b"PK\3\4" + bytes(40),
    "nothing": b"",
}


@pytest.mark.parametrize("name", IDX)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_idx(tmp_path: Path, name: str, ending: str) -> None:
    path = tmp_path / f"file{ending}"
    path.write_bytes(gzip.compress(IDX[name]) if ending else IDX[name])
    with pytest.raises(RuntimeError, match=r"file(\.gz)? is damaged"):
        idx.read_idx(path)


def test_compressed_idx(tmp_path: Path) -> None:
    whole = gzip.compress(header(8, 1000) + bytes(1000))
    for i, content in enumerate(
        [
            whole[:-9], whole[:30], whole[:12] + bytes([whole[12] ^ 255]) + whole[13:], b"\x1f\x8b",
            b"no gzip", gzip.compress(header(8, 2**31) + bytes(5000)),
            gzip.compress(header(8, 200 << 20) + bytes(1 << 20)),
        ]
    ):  # fmt: skip
        path = tmp_path / f"{i}.gz"
        path.write_bytes(content)
        with pytest.raises(RuntimeError, match="is damaged"):
            idx.read_idx(path)


# --- MATLAB ---------------------------------------------------------------------------------------

_HEAD = b"MATLAB".ljust(124) + b"\x00\x01IM"


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(kind: int, shape: Any, name: bytes, *rest: bytes) -> bytes:
    sides = element(5, struct.pack(f"<{len(shape)}i", *shape))
    head = element(6, struct.pack("<II", kind, 0)) + sides + element(1, name)
    return element(14, head + b"".join(rest))


def packed(data: bytes) -> bytes:
    found = zlib.compress(data)
    return struct.pack("<II", 15, len(found)) + found


def nested(depth: int) -> bytes:
    inner = matrix(9, (1, 1), b"", element(2, b"\1"))
    for _ in range(depth):
        inner = matrix(1, (1, 1), b"c", inner)
    return inner


MATLAB = {
    "nothing": b"",
    "deep": nested(2000),
    "bomb": packed(element(14, bytes(80 << 20))),
    "elements": packed(element(14, bytes(1 << 20))),
    "tags": element(14, struct.pack("<HH4x", 1, 60000) * 50) + bytes(60000),
    "negative": matrix(9, (-1, 4), b"X", element(2, bytes(4))),
    "short": matrix(9, (4, 4), b"X", element(2, bytes(4))),
    "infinite sides": element(14, element(6, struct.pack("<II", 9, 0)) + element(9, struct.pack("<d", 1e400))),
    "behind": struct.pack("<II", 14, 2**31) + bytes(50),
    "no text": matrix(4, (1, 1), b"t", element(4, b"\x00\xd8")),
    "cut": packed(nested(1))[:-4],
}  # fmt: skip


@pytest.mark.parametrize("name", MATLAB)
def test_matlab(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matlab, "_ELEMENTS", 1 << 15)
    content = (_HEAD if name != "nothing" else b"") + MATLAB[name]
    with pytest.raises(RuntimeError, match=r"some\.mat is no MAT-file"):
        matlab.parse_matlab(content, "some.mat")


def test_nested_cells_of_usual_depth_are_read() -> None:
    found = matlab.parse_matlab(_HEAD + nested(20))["c"]
    for _ in range(19):
        (found,) = found
    assert found[0].item() == 1


def svhn(pixels: bytes, labels: bytes) -> bytes:
    return _HEAD + pixels + labels


@pytest.mark.parametrize("spoilt", ["X missing", "X text", "X float", "labels", "count", "shape"])
def test_svhn(tmp_path: Path, spoilt: str) -> None:
    pixels = matrix(9, (32, 32, 3, 2), b"X", element(2, bytes(6144)))
    labels = matrix(9, (2, 1), b"y", element(2, b"\x01\x0a"))
    path = tmp_path / "train_32x32.mat"
    path.write_bytes(svhn(pixels, labels))
    assert datasets.SVHN(tmp_path).labels.tolist() == [1, 0]
    if spoilt == "X missing":
        pixels = b""
    elif spoilt == "X text":
        pixels = matrix(4, (1, 1), b"X", element(4, b"a\0"))
    elif spoilt == "X float":
        pixels = matrix(6, (32, 32, 3, 2), b"X", element(2, bytes(6144)))
    elif spoilt == "labels":
        labels = matrix(9, (2, 1), b"y", element(2, b"\x01\x0b"))
    elif spoilt == "count":
        labels = matrix(9, (1, 1), b"y", element(2, b"\x01"))
    else:
        pixels = matrix(9, (3, 32, 32, 2), b"X", element(2, bytes(6144)))
    path.write_bytes(svhn(pixels, labels))
    with pytest.raises(RuntimeError, match="train_32x32.mat is damaged"):
        datasets.SVHN(tmp_path)


# --- lists and arrays -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pixels", "labels", "folds"),
    [(27649, b"\x01", "0"), (27648, b"", "0"), (27648, b"\x00", "0"), (27648, b"\x0b", "0"),
     (27648, b"\x01", "5"), (27648, b"\x01", "-1"), (27648, b"\x01", "x"), (27648, b"\x01", "")],
)  # fmt: skip
def test_stl10(tmp_path: Path, pixels: int, labels: bytes, folds: str) -> None:
    base = tmp_path / "stl10_binary"
    base.mkdir()
    (base / "train_X.bin").write_bytes(bytes(pixels))
    (base / "train_y.bin").write_bytes(labels)
    (base / "fold_indices.txt").write_text(folds)
    with pytest.raises(RuntimeError, match="is damaged"):
        datasets.STL10(tmp_path, folds=0)


def test_usps_and_semeion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = " ".join(f"{i}:0" for i in range(1, 257))
    for text in (
        "11 " + row,
        "x",
        "1 1:5",
        "nan " + row,
        "1 " + row.replace(":0", ":nan"),
        "1\n" * 9,
    ):
        (tmp_path / "usps.bz2").write_bytes(bz2.compress(text.encode()))
        with pytest.raises(RuntimeError, match="usps.bz2 is damaged"):
            datasets.USPS(tmp_path)
    monkeypatch.setattr(datasets.USPS, "_MOST", 1 << 20)
    (tmp_path / "usps.bz2").write_bytes(bz2.compress(bytes(2 << 20)))  # some 50 bytes
    with pytest.raises(RuntimeError, match="more than"):
        datasets.USPS(tmp_path)
    for text in ("1 2 3", "a b", " ".join(["2"] * 266), " ".join(["1"] * 266)):
        (tmp_path / "semeion.data").write_text(text)
        with pytest.raises(RuntimeError, match="semeion.data is damaged"):
            datasets.SEMEION(tmp_path, download=False)


@pytest.mark.parametrize(
    "content",
    ["[" * 100000, "{", "[1]", '{"a": "text"}', '{"a": [["deep"]]}', '{"a": ["../../../secret"]}',
     '{"a": ["/etc/passwd"]}', "\ud800", "null"],
    ids=range(9),
)  # fmt: skip
def test_lists_in_json(tmp_path: Path, content: str) -> None:
    meta = tmp_path / "food-101" / "meta"
    meta.mkdir(parents=True)
    (meta / "train.json").write_text(content, errors="surrogatepass")
    if content == '{"a": ["/etc/passwd"]}':
        assert datasets.Food101(tmp_path)._samples[0][0].startswith(str(tmp_path))
        return
    with pytest.raises(RuntimeError, match="the pictures of Food101 is damaged"):
        datasets.Food101(tmp_path)


@pytest.mark.parametrize(
    "row", ["a.ppm;43", "../../../a.ppm;1", "a.ppm;x", "a.ppm", ";", "a.ppm;-1"]
)
def test_lists_in_csv(tmp_path: Path, row: str) -> None:
    (tmp_path / "gtsrb" / "GTSRB" / "Final_Test" / "Images").mkdir(parents=True)
    (tmp_path / "gtsrb" / "GT-final_test.csv").write_text("Filename;ClassId\n" + row)
    with pytest.raises(RuntimeError, match="the pictures of GTSRB is damaged"):
        datasets.GTSRB(tmp_path, split="test")


LAUGHS = "<!DOCTYPE a [<!ENTITY b0 'ha'>" + "".join(
    f"<!ENTITY b{i} '{f'&b{i - 1};' * 10}'>" for i in range(1, 12)
)
XML = ["", "<a>", "<a/><b/>", "<a>" * 2000 + "</a>" * 2000, LAUGHS + "]><annotation>&b11;</annotation>",
       "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "\x00", "<a>\xff</a>", "&undefined;"]  # fmt: skip


@pytest.mark.parametrize("content", XML, ids=range(len(XML)))
def test_annotations_in_xml(content: str) -> None:
    with pytest.raises(RuntimeError, match=r"some\.xml is damaged"):
        datasets.VOCDetection._parsed(content.encode("latin1"), "some.xml")


def test_names_in_lists_stay_in_the_folder(tmp_path: Path) -> None:
    base = tmp_path / "VOCdevkit" / "VOC2012"
    (base / "ImageSets" / "Main").mkdir(parents=True)
    (base / "ImageSets" / "Main" / "train.txt").write_text("../../../../secret\n")
    with pytest.raises(RuntimeError, match="leads out of"):
        datasets.VOCDetection(tmp_path)
    (base / "ImageSets" / "Main" / "train.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RuntimeError, match="train.txt is damaged"):
        datasets.VOCDetection(tmp_path)


# --- pictures -------------------------------------------------------------------------------------


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG file in grey whose header says what it likes."""
    out = b"\x89PNG\r\n\x1a\n"
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    for kind, body in ((b"IHDR", head), (b"IDAT", zlib.compress(data)), (b"IEND", b"")):
        out += (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )
    return out


def saved(kind: str, mode: str = "RGB", size: int = 16) -> bytes:
    file = BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3)).astype(np.uint8)
    Image.fromarray(pixels).convert(mode).save(file, kind)
    return file.getvalue()


WEBP = b"RIFF\x2c\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00" + b"\xff\x3f\x00" * 2
PICTURES = {
    "60000x60000 of 100 bytes": png(60000, 60000, bytes(50)),
    "13000x13000 of 100 bytes": png(13000, 13000, bytes(50)),
    "no width": png(0, 5),
    "webp of 16384x16384": WEBP.ljust(52, b"\0"),
    "cut png": saved("PNG")[:-60],
    "cut jpeg": saved("JPEG")[:300],
    "cut gif": saved("GIF")[:500],
    "text": b"not a picture",
    "nothing": b"",
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(/tmp/evil) (w) file\n",
    "script": b"#!/bin/sh\necho evil\n",
}


@pytest.mark.parametrize("name", PICTURES)
def test_broken_pictures(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "class"
    folder.mkdir()
    (folder / "good.png").write_bytes(saved("PNG"))
    (folder / "bad.jpg").write_bytes(PICTURES[name])
    found = datasets.ImageFolder(tmp_path, transforms.ToTensor())
    with pytest.raises(OSError, match="bad.jpg"):
        found[0]
    assert found[1][0].shape == (3, 16, 16)
    content = torch.frombuffer(bytearray(PICTURES[name] or b"\0"), dtype=torch.uint8)
    with pytest.raises(RuntimeError, match="no .* picture that can be read"):
        io.decode_image(content)


def test_gif_whose_frames_cost_nothing() -> None:
    """One large picture without content, and others of one pixel: each is as large again."""
    frames = [Image.new("P", (2000, 2000)), *(Image.new("P", (2000, 2000), i) for i in range(1, 4))]
    for frame in frames:
        frame.putpalette(bytes(range(256)) * 3)
    file = BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], optimize=False)
    raw = bytearray(file.getvalue())
    assert len(raw) > 10000
    empty = b"\x2c" + bytes(4) + b"\xd0\x07" * 2 + b"\x00\x02\x00"  # 2000x2000, no data
    with pytest.raises(ValueError, match="can't hold 2000x"):
        image._check_gif(bytes(raw[:781]) + empty * 100 + b"\x3b")
    wide = b"\x2c" + b"\xff\xff" * 2 + b"\x01\x00" * 2 + b"\x00\x02\x00"  # far outside
    with pytest.raises(ValueError, match="can't hold 65536x65536"):
        image._check_gif(bytes(raw[:781]) + wide)
    assert io.decode_gif(torch.frombuffer(raw, dtype=torch.uint8)).shape == (4, 3, 2000, 2000)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes")
def test_what_is_no_plain_file_in_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "class"
    folder.mkdir()
    os.mkfifo(folder / "pipe.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "gone.png").symlink_to(tmp_path / "nowhere")
    found = datasets.ImageFolder(tmp_path)
    assert len(found) == 3
    for i in range(3):
        with pytest.raises(OSError, match=r"(pipe|zero|gone)\.png"):
            found[i]


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="links")
def test_folders_that_lead_in_circles(tmp_path: Path) -> None:
    folder = tmp_path / "class"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.png").write_bytes(saved("PNG"))
    for i in range(4):
        (folder / f"up{i}").symlink_to(tmp_path)
        (folder / "deep" / f"here{i}").symlink_to(folder)
    assert make_dataset(tmp_path, extensions=(".png",)) == [(str(folder / "a.png"), 0)]


MODES = (
    "1",
    "L",
    "LA",
    "P",
    "RGB",
    "RGBA",
    "CMYK",
    "YCbCr",
    "I",
    "F",
    "I;16",
    "HSV",
    "LAB",
    "PA",
    "RGBX",
)


@pytest.mark.parametrize("mode", MODES)
def test_pictures_of_every_mode(mode: str) -> None:
    plain = Image.new(mode, (5, 3))
    for transform in (transforms.ToTensor(), transforms.PILToTensor()):
        try:
            found = transform(plain)
        except (TypeError, ValueError, RuntimeError) as error:
            assert mode in str(error)
        else:
            assert found.shape[1:] == (3, 5)


def test_a_picture_with_orientation(tmp_path: Path) -> None:
    turned = Image.new("RGB", (5, 3))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "a.jpg", exif=exif)
    assert pil_loader(str(tmp_path / "a.jpg")).size == (5, 3)
    assert io.read_image(tmp_path / "a.jpg", apply_exif_orientation=True).shape == (3, 5, 3)
    raw = bytearray((tmp_path / "a.jpg").read_bytes())
    at = raw.index(b"Exif\0\0")
    raw[at + 6 : at + 30] = b"\xff" * 24
    content = torch.frombuffer(raw, dtype=torch.uint8)
    try:
        assert io.decode_image(content, apply_exif_orientation=True).dim() == 3
    except RuntimeError as error:
        assert "picture" in str(error)


def test_cifar_batches_with_other_content(tmp_path: Path) -> None:
    import pickle

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    names = [name for name, _ in [*datasets.CIFAR10.test_list]]
    meta = {"label_names": [str(i) for i in range(10)]}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta))
    good = {"data": np.zeros((10, 3072), np.uint8), "labels": [1] * 10}
    for spoilt in (
        b"cos\nsystem\n(S'false'\ntR.", b"", b"\x80\x04]\x94h\x00a.", pickle.dumps([1]),
        pickle.dumps({**good, "labels": [10] * 10}), pickle.dumps({**good, "labels": [True] * 10}),
        pickle.dumps({**good, "data": good["data"].reshape(3072, 10)}),
        pickle.dumps({**good, "data": good["data"].astype("i1")}), pickle.dumps({**good, "data": "text"}),
    ):  # fmt: skip
        for name in names:
            (folder / name).write_bytes(spoilt)
        with pytest.raises(RuntimeError, match="test_batch"), pytest.MonkeyPatch.context() as patch:
            patch.setattr("flambeau.vision.datasets.cifar._warned", {str(folder)})
            patch.setattr(datasets.CIFAR10, "_test_count", 10)
            datasets.CIFAR10(tmp_path, train=False)
