"""Files of the kernel cache: checked and parsed, never linked or run."""

from __future__ import annotations

from collections.abc import Iterator

from flambeau.runtime.kernel_cache import MAGIC, checksum, parse

ALLOWED = ()
INSTRUMENT = ("flambeau.runtime.kernel_cache",)
MAX_LENGTH = 256
DICTIONARY = (MAGIC, b"\x7fELF")
_DIGEST = "0123456789abcdef" * 2 + "01234567"
_CODE = b"\x7fELF\x02\x01\x01" + bytes(40)
_RIGHT = MAGIC + checksum(_DIGEST, _CODE) + _CODE


def run(data: bytes) -> None:
    found = parse(data, _DIGEST)
    # The fuzzer sees what is compared, and so finds checksums that are right.
    assert found is None or data == MAGIC + checksum(_DIGEST, found) + found
    assert parse(data, _DIGEST[::-1]) is None or data != _RIGHT


def seeds() -> Iterator[bytes]:
    yield _RIGHT
    yield MAGIC + checksum(_DIGEST, b"")
    yield MAGIC + checksum(_DIGEST[::-1], _CODE) + _CODE
