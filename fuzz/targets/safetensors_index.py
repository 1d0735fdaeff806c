"""The index of a safetensors state in several files, and the names of files in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO

from flambeau.serialization import safe_header, safe_shards

ALLOWED = (safe_header.SafetensorError,)
INSTRUMENT = ("flambeau.serialization.safe_shards", "flambeau.serialization.safe_header")
MAX_LENGTH = 512
DICTIONARY = (
    b'"weight_map"', b'"metadata"', b'"total_size"', b"../", b"/etc/passwd", b"\\u0000", b"\\\\",
    b".safetensors", b"C:", b"NaN", b"[[[[", b'{"a":', b"\\ud800", b"//",
)  # fmt: skip


def run(data: bytes) -> None:
    where, _ = safe_shards._read_index(BytesIO(data))
    for shard in set(where.values()):
        safe_shards._inside("/no/such/folder/model.safetensors.index.json", shard)


def seeds() -> Iterator[bytes]:
    names = {
        "a.weight": "model-00001-of-00002.safetensors",
        "b": "model-00002-of-00002.safetensors",
    }
    yield json.dumps({"metadata": {"total_size": 8}, "weight_map": names}).encode()
    yield b'{"weight_map":{"a":"b.safetensors"}}'
