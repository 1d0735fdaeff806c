"""Writes the digits that ship with flambeau as MNIST's files, for the examples that read MNIST.

    python examples/make_data.py

12,000 of MNIST's 70,000 pictures, in the folder where `torchvision.datasets.MNIST` looks for them:
nothing is downloaded. With the original files in that folder the examples use those.
"""

import argparse
import importlib.util
import struct
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


def sample():
    """Path of flambeau's sample, found without importing the framework."""
    spec = importlib.util.find_spec("flambeau")
    package = Path(spec.origin).parent if spec else HERE.parent / "flambeau"
    return package / "vision" / "data" / "digits.npz"


def write_idx(path, array):
    """Write bytes in the idx format: a magic number with the rank, the sizes, the bytes."""
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


def write(root, limit=None):
    """Write both splits below `root`, the first `limit` pictures of each."""
    folder = Path(root) / "MNIST" / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    with np.load(sample()) as digits:
        for split, prefix in (("train", "train"), ("test", "t10k")):
            write_idx(folder / f"{prefix}-images-idx3-ubyte", digits[f"{split}_images"][:limit])
            write_idx(folder / f"{prefix}-labels-idx1-ubyte", digits[f"{split}_labels"][:limit])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default=str(HERE / "data"), help="folder to write to")
    parser.add_argument("--limit", type=int, help="pictures of each split")
    args = parser.parse_args()
    write(args.out, args.limit)
    print(f"written to {args.out}")
