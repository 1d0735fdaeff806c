"""Small pictures and folders of files that the vision tests share."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np
import pytest

# The tests are no package; their helper module is found here.
sys.path.insert(0, str(Path(__file__).parent))

from small_files import idx_bytes  # noqa: E402


@pytest.fixture
def pixels():
    """A picture of 40 by 30 pixels as bytes (H, W, C), with a pattern that has no symmetry."""
    return (np.arange(40 * 30 * 3).reshape(40, 30, 3) * 7 % 256).astype(np.uint8)


@pytest.fixture
def image(pixels):
    """The same as a Pillow image."""
    return pytest.importorskip("PIL.Image").fromarray(pixels)


@pytest.fixture
def mnist_folder(tmp_path):
    """A folder with an MNIST of 20 training and 10 test digits; the test files are compressed."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    random = np.random.default_rng(0)
    for part, count in (("train", 20), ("t10k", 10)):
        images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 10
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            path = raw / f"{part}-{name}-ubyte"
            if part == "train":
                path.write_bytes(idx_bytes(array))
            else:
                path.with_name(path.name + ".gz").write_bytes(gzip.compress(idx_bytes(array)))
    return tmp_path
