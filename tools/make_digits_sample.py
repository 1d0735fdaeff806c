"""Makes flambeau/vision/data/digits.npz, the sample of MNIST that ships with the package.

    python tools/make_digits_sample.py FOLDER_WITH_MNIST_RAW_FILES [OUTPUT]

FOLDER holds train-images-idx3-ubyte and so on (plain or .gz). The choice is 1,000 training digits
and 200 test digits of each class, drawn with a fixed seed and kept in MNIST's order, so that the
same files give the same sample, byte for byte.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from flambeau.vision.datasets.idx import read_idx  # noqa: E402

SEED = 0
PER_CLASS = {"train": 1000, "t10k": 200}
NAMES = {"train": "train", "t10k": "test"}


def read(folder: Path, name: str) -> np.ndarray:
    """Reads one of the four files, compressed or not."""
    path = folder / name
    return read_idx(path if path.exists() else folder / f"{name}.gz")


def choose(labels: np.ndarray, per_class: int, random: np.random.Generator) -> np.ndarray:
    """Returns the places of `per_class` examples of each class, in ascending order."""
    places = [
        random.choice(np.flatnonzero(labels == digit), per_class, replace=False)
        for digit in range(10)
    ]
    return np.sort(np.concatenate(places))


def main(arguments: list[str]) -> None:
    """Reads MNIST, chooses, and writes the file."""
    if not 1 <= len(arguments) <= 2:
        sys.exit(__doc__)
    folder = Path(arguments[0])
    output = (
        Path(arguments[1])
        if len(arguments) == 2
        else (REPOSITORY / "flambeau" / "vision" / "data" / "digits.npz")
    )
    random = np.random.default_rng(SEED)
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for part, per_class in PER_CLASS.items():
            images = read(folder, f"{part}-images-idx3-ubyte")
            labels = read(folder, f"{part}-labels-idx1-ubyte")
            chosen = choose(labels, per_class, random)
            for kind, values in (("images", images), ("labels", labels)):
                buffer = io.BytesIO()
                np.lib.format.write_array(buffer, values[chosen], allow_pickle=False)
                # A ZipInfo of one's own carries no time, so the file is the same every time.
                entry = zipfile.ZipInfo(f"{NAMES[part]}_{kind}.npy")
                archive.writestr(entry, buffer.getvalue(), zipfile.ZIP_DEFLATED, 9)
    print(f"{output}: {output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
