"""Makes small files in the formats of the data sets."""

from __future__ import annotations

import pickle
import struct
import zlib

import numpy as np

from flambeau.vision import datasets
from flambeau.vision.datasets import cifar


def idx_bytes(array: np.ndarray) -> bytes:
    """Returns the IDX file of an array of bytes."""
    return struct.pack(f">HBB{array.ndim}I", 0, 0x08, array.ndim, *array.shape) + array.tobytes()


class SmallCIFAR(datasets.CIFAR10):
    """CIFAR-10 of 4 training pictures a file and 3 test pictures."""

    _train_count, _test_count = 4, 3


def write_cifar(folder):
    """Writes the small files into `folder` and returns their folder."""
    folder = folder / "cifar-10-batches-py"
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    sizes = [(f"data_batch_{i}", 4) for i in range(1, 6)] + [("test_batch", 3)]
    for name, count in sizes:
        entry = {
            "data": random.integers(0, 256, (count, 3072), dtype=np.uint8),
            "labels": [(count + i) % 10 for i in range(count)],
        }
        (folder / name).write_bytes(pickle.dumps(entry, protocol=2))
    names = {"label_names": [f"class {i}" for i in range(10)]}
    (folder / "batches.meta").write_bytes(pickle.dumps(names, protocol=2))
    cifar._warned.clear()
    return folder


def matlab_bytes(arrays: dict, compressed: bool = False) -> bytes:
    """Returns a MAT-file of level 5 that holds arrays, texts, lists (cells) and dictionaries."""
    content = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    for name, value in arrays.items():
        element = _element(14, _matrix(name, value))
        if compressed:
            packed = zlib.compress(element)
            element = struct.pack("<II", 15, len(packed)) + packed
        content += element
    return content


def _element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def _matrix(name: str, value) -> bytes:
    if isinstance(value, str):
        return _head(4, (1, len(value)), name) + _element(4, value.encode("utf-16-le"))
    if isinstance(value, list) and value and isinstance(value[0], dict):
        names = list(value[0])
        width = max(map(len, names)) + 1
        body = struct.pack("<HHi", 5, 4, width)  # the short form of an element
        body += _element(1, b"".join(one.encode().ljust(width, b"\0") for one in names))
        for row in value:
            body += b"".join(_element(14, _matrix("", row[one])) for one in names)
        return _head(2, (1, len(value)), name) + body
    if isinstance(value, list):
        cells = b"".join(_element(14, _matrix("", one)) for one in value)
        return _head(1, (1, len(value)), name) + cells
    array = np.atleast_2d(np.asarray(value))
    kind, stored = {"uint8": (9, 2), "float64": (6, 9), "int32": (12, 5)}[array.dtype.name]
    return _head(kind, array.shape, name) + _element(stored, array.tobytes(order="F"))


def _head(kind: int, shape, name: str) -> bytes:
    flags = _element(6, struct.pack("<II", kind, 0))
    dimensions = _element(5, struct.pack(f"<{len(shape)}i", *shape))
    return flags + dimensions + _element(1, name.encode())
