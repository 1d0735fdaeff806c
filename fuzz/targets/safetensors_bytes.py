"""The safetensors form."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import flambeau as torch
from flambeau.serialization import safe_tensors
from fuzz.targets._archives import use

ALLOWED = (safe_tensors.SafetensorError,)
INSTRUMENT = ("flambeau.serialization", "json")
MAX_LENGTH = 1024
DICTIONARY = (
    b'"dtype":"F32"', b'"dtype":"BF16"', b'"dtype":"F64"', b'"dtype":"BOOL"', b'"shape":[0]',
    b'"shape":[4294967296,4294967296]', b'"data_offsets":[0,0]', b'"__metadata__":{"a":"b"}',
    b'"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},', b"NaN", b"-1", b"1e400", b"Infinity",
    b"9223372036854775808", b"true", b"null", b"[[[[[[[[", b'{"":', b"\\ud800", b'"shape"',
    b'"F8_E4M3"', b'"U16"', b'"U64"', b'"F4"', b'"C64"',
)  # fmt: skip


def run(data: bytes) -> None:
    use(safe_tensors.load(data))


def seeds() -> Iterator[bytes]:
    yield safe_tensors.save({})
    yield safe_tensors.save({"a": torch.arange(4.0)}, {"format": "pt"})
    yield safe_tensors.save({"a": torch.ones(2, 0), "b": torch.tensor(1), "é": torch.tensor(True)})
    yield safe_tensors.save({"a": torch.ones(1, dtype=torch.bfloat16), "b": torch.ones(2, 2)})


def mutate(
    data: bytes, max_size: int, rng: random.Random, plain: Callable[[bytes, int], bytes]
) -> bytes:
    """Change the header and set the length in front of it right, or leave it wrong."""
    end = 8 + int.from_bytes(data[:8], "little")
    if end > len(data) or rng.random() < 0.2:
        return plain(data, max_size)
    header = plain(data[8:end], max(max_size - 8, 8))
    return len(header).to_bytes(8, "little") + header + data[end:]
