"""Picture files through our readers. The first byte chooses the mode and the way."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO

import numpy as np
from PIL import Image

import flambeau as torch
from flambeau.vision._extras import _opened, check_header, check_pixels, picture_errors
from flambeau.vision.io import ImageReadMode
from flambeau.vision.io.image import _decoded
from flambeau.vision.transforms import PILToTensor, ToTensor

ALLOWED = (RuntimeError, OSError)
INSTRUMENT = ("flambeau.vision.io", "flambeau.vision._extras", "flambeau.vision.transforms",
              "PIL.PngImagePlugin", "PIL.JpegImagePlugin", "PIL.GifImagePlugin")  # fmt: skip
MAX_LENGTH = 1500
DICTIONARY = (b"IHDR", b"IDAT", b"PLTE", b"tRNS", b"eXIf", b"acTL", b"fcTL", b"\xff\xd8", b"\xff\xc0",
              b"\xff\xe1Exif", b"GIF89a", b"RIFF", b"WEBP", b"VP8L", b"VP8 ", b"VP8X")  # fmt: skip
_MODES = list(ImageReadMode)
_WAYS = (ToTensor(), PILToTensor())


def run(data: bytes) -> None:
    way, content = data[0] if data else 0, data[1:]
    if way & 0x80:
        _through_pillow(content, way)
        return
    mode = _MODES[way % len(_MODES)]
    tensor = torch.from_numpy(np.frombuffer(content, np.uint8).copy())
    found = _decoded(tensor, ("PNG", "JPEG", "GIF", "WEBP"), mode, bool(way & 0x40))
    assert found.dim() in (3, 4)


def _through_pillow(content: bytes, way: int) -> None:
    with picture_errors("input"):
        check_header(content[:30], len(content))
    with picture_errors("input"), _opened(BytesIO(content)) as image:
        check_pixels(*image.size, len(content))
        if image.width * image.height > 1 << 16:
            return
        picture = image.convert("RGB") if way & 1 else image.copy()
    if picture.mode in ("L", "RGB", "RGBA", "P", "1", "CMYK", "I", "F", "LA", "I;16", "YCbCr"):
        _WAYS[way >> 1 & 1](picture)


def seeds() -> Iterator[bytes]:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    colour = Image.fromarray(pixels)
    for mode, kinds in (("RGB", ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM")), ("1", ("PNG", "TIFF")),
                        ("L", ("PNG", "JPEG")), ("P", ("PNG", "GIF")), ("RGBA", ("PNG", "WEBP")),
                        ("CMYK", ("JPEG", "TIFF")), ("LA", ("PNG",)), ("I;16", ("PNG",))):  # fmt: skip
        for kind in kinds:
            file = BytesIO()
            (colour.convert("L") if mode == "I;16" else colour).convert(mode).save(file, kind)
            if len(file.getvalue()) < MAX_LENGTH:
                for way in (0x00, 0x43, 0x80, 0x83):
                    yield bytes((way,)) + file.getvalue()
    file = BytesIO()
    colour.save(file, "GIF", save_all=True, append_images=[colour.rotate(90)] * 2)
    yield b"\x00" + file.getvalue()


def mutate(
    data: bytes, max_size: int, rng: random.Random, plain: Callable[[bytes, int], bytes]
) -> bytes:
    """Change a PNG's chunks and set their checksums right; others byte by byte."""
    if data[1:9] != b"\x89PNG\r\n\x1a\n" or rng.random() < 0.3:
        return plain(data, max_size)
    at, out = 9, data[:9]
    victim = rng.randrange(4)
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        if victim == 0:
            body = plain(body, len(body) + 16)
        victim -= 1
        out += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        at += 12 + size
    return out[:max_size]
