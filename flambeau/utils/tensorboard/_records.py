"""TFRecord files: what TensorBoard reads its events from.

A record is the data's length (8 bytes), that length's checksum, the data, its checksum. The
checksum is CRC-32C (Castagnoli's polynomial), rotated and moved so that a checksum of data with
checksums in it stays a good one.
"""

from __future__ import annotations

import struct
from typing import IO

import numpy as np

_POLYNOMIAL = 0x82F63B78
_LONG = 4096
"""From here on the data is cut into lanes whose checksums are computed side by side."""


def _byte_table() -> np.ndarray:
    crc = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        crc = np.where(crc & 1, crc >> 1 ^ np.uint32(_POLYNOMIAL), crc >> 1).astype(np.uint32)
    return crc


_TABLE = _byte_table()
_INTEGERS: list[int] = _TABLE.tolist()


def _update(crc: int, data: bytes) -> int:
    table = _INTEGERS
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc


def _columns_times(columns: list[int], crc: int) -> int:
    """A matrix over GF(2), given by its columns, times a vector of bits."""
    out = 0
    for column in columns:
        if crc & 1:
            out ^= column
        crc >>= 1
    return out


def _zeros(count: int) -> list[int]:
    """What `count` zero bytes do to a checksum: a matrix, by repeated squaring."""
    step = [_INTEGERS[(1 << i) & 255] ^ (1 << i) >> 8 for i in range(32)]
    result = [1 << i for i in range(32)]
    while count:
        if count & 1:
            result = [_columns_times(step, column) for column in result]
        step = [_columns_times(step, column) for column in step]
        count >>= 1
    return result


def crc32c(data: bytes) -> int:
    """The CRC-32C of some bytes."""
    crc = 0xFFFFFFFF
    if len(data) >= _LONG:
        width = int(len(data) ** 0.5)
        lanes = len(data) // width
        rows = np.frombuffer(data, np.uint8, lanes * width).reshape(lanes, width)
        each = np.zeros(lanes, np.uint32)
        for column in rows.T:
            each = _TABLE[(each ^ column) & 255] ^ each >> 8
        matrix = _zeros(width)
        for lane in each.tolist():
            crc = _columns_times(matrix, crc) ^ lane
        data = data[lanes * width :]
    return _update(crc, data) ^ 0xFFFFFFFF


def masked_crc32c(data: bytes) -> int:
    """The checksum as records hold it."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def write(file: IO[bytes], data: bytes) -> None:
    """Append a record."""
    length = struct.pack("<Q", len(data))
    for part in (length, data):
        file.write(part)
        file.write(struct.pack("<I", masked_crc32c(part)))
