"""IDX files, plain and compressed. The first byte says which."""

from __future__ import annotations

import gzip
import random
import struct
from collections.abc import Callable, Iterator
from io import BytesIO

from flambeau.vision.datasets.idx import parse_idx

ALLOWED = (RuntimeError,)
INSTRUMENT = ("flambeau.vision.datasets.idx", "gzip")
MAX_LENGTH = 512
DICTIONARY = (
    b"\x00\x00\x08\x01", b"\x00\x00\x08\x03", b"\x00\x00\x0e\x08", b"\xff\xff\xff\xff",
    b"\x80\x00\x00\x00", b"\x1f\x8b\x08",
)  # fmt: skip


def run(data: bytes) -> None:
    content = data[1:]
    parse_idx(BytesIO(content), "input", len(content), bool(data[:1] == b"\x01"))


def seeds() -> Iterator[bytes]:
    for code, item, shape in ((8, 1, (2, 3, 3)), (8, 1, (5,)), (0x0C, 4, (2, 2)), (0x0E, 8, (0, 7))):
        count = item
        for side in shape:
            count *= side
        plain = struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape) + bytes(count)
        yield b"\x00" + plain
        yield b"\x01" + gzip.compress(plain, mtime=0)


def mutate(
    data: bytes, max_size: int, rng: random.Random, plain: Callable[[bytes, int], bytes]
) -> bytes:
    """Change what is compressed and compress it again, now and then."""
    if data[:1] == b"\x01" and rng.random() < 0.6:
        try:
            content = gzip.decompress(data[1:])[:max_size]
        except Exception:  # noqa: S110  hostile by design
            return plain(data, max_size)
        return (b"\x01" + gzip.compress(plain(content, max_size), 1, mtime=0))[:max_size]
    return plain(data, max_size)
