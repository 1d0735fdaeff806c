"""Makes small files in the formats of the data sets."""

from __future__ import annotations

import pickle
import struct

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
