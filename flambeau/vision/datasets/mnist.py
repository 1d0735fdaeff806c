"""MNIST (LeCun, Cortes and Burges) and the data sets of the same form."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar
from warnings import warn

import numpy as np

import flambeau as torch

from .idx import read_idx
from .in_memory import InMemory
from .utils import download_and_extract_archive, not_found

__all__ = ["KMNIST", "MNIST", "FashionMNIST"]


class MNIST(InMemory):
    """Handwritten digits: 60,000 for training and 10,000 for testing, 28x28 grey pixels.

    Args:
        root: the folder that holds `MNIST/raw/train-images-idx3-ubyte` and so on; the same files
            with `.gz` do too.
        train: the training digits, else the test digits.
        transform: takes a Pillow image of mode "L".
        target_transform: takes the digit, an int.
        download: get the files that are missing.

    Attributes:
        data: uint8 (N, 28, 28).
        targets: int64 (N,).

    Raises:
        RuntimeError: files are missing, can't be had, or are damaged.
    """

    mirrors: ClassVar[list[str]] = [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ]
    resources: ClassVar[list[tuple[str, str]]] = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    classes: ClassVar[list[str]] = [
        "0 - zero",
        "1 - one",
        "2 - two",
        "3 - three",
        "4 - four",
        "5 - five",
        "6 - six",
        "7 - seven",
        "8 - eight",
        "9 - nine",
    ]

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        missing = [name for name in self._names() if self._found(name) is None]
        if missing:
            raise not_found(type(self).__name__, self.raw_folder, missing)
        self._hold(*self._load_data())

    @property
    def raw_folder(self) -> str:
        """The folder of the original files."""
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def processed_folder(self) -> str:
        """The folder where old versions kept tensors; nothing is read there."""
        return os.path.join(self.root, type(self).__name__, "processed")

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The number of each class."""
        return {name: index for index, name in enumerate(self.classes)}

    @property
    def train_labels(self) -> torch.Tensor:
        """`targets` under its old name."""
        return self._renamed("train_labels", "targets")

    @property
    def test_labels(self) -> torch.Tensor:
        """`targets` under its old name."""
        return self._renamed("test_labels", "targets")

    @property
    def train_data(self) -> torch.Tensor:
        """`data` under its old name."""
        return self._renamed("train_data", "data")

    @property
    def test_data(self) -> torch.Tensor:
        """`data` under its old name."""
        return self._renamed("test_data", "data")

    def _renamed(self, old: str, new: str) -> torch.Tensor:
        warn(f"{old} has been renamed {new}", stacklevel=3)
        tensor: torch.Tensor = getattr(self, new)
        return tensor

    def _names(self) -> tuple[str, str]:
        part = "train" if self.train else "t10k"
        return f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"

    def _found(self, name: str) -> str | None:
        """Returns the path of the file `name`, or of the same compressed, if it is there."""
        for path in (os.path.join(self.raw_folder, name + ending) for ending in ("", ".gz")):
            if os.path.isfile(path):
                return path
        return None

    def _check_exists(self) -> bool:
        return all(self._found(name) for name in self._names())

    def download(self) -> None:
        """Downloads and extracts the files that are missing."""
        for filename, md5 in self.resources:
            if self._found(filename.removesuffix(".gz")) is None:
                urls = [mirror + filename for mirror in self.mirrors]
                download_and_extract_archive(urls, self.raw_folder, filename=filename, md5=md5)

    def _load_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        paths = [self._found(name) for name in self._names()]
        images, labels = (read_idx(path) for path in paths if path is not None)
        if images.dtype != np.uint8 or images.ndim != 3:
            raise RuntimeError(
                f"{paths[0]} holds {images.dtype} values of shape {images.shape}, not bytes "
                "(N, H, W)"
            )
        if labels.dtype != np.uint8 or labels.shape != images.shape[:1]:
            raise RuntimeError(
                f"{paths[1]} holds {labels.dtype} values of shape {labels.shape}, not a byte for "
                f"each of {len(images)} images"
            )
        if labels.size and int(labels.max()) >= len(self.classes):
            raise RuntimeError(
                f"{paths[1]} holds the label {labels.max()}, but there are "
                f"{len(self.classes)} classes"
            )
        return torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))

    def extra_repr(self) -> str:
        """Returns the split's name."""
        return f"Split: {'Train' if self.train is True else 'Test'}"


class FashionMNIST(MNIST):
    """Pictures of clothes in the form of MNIST (Xiao, Rasul and Vollgraf, 2017)."""

    mirrors: ClassVar[list[str]] = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    resources: ClassVar[list[tuple[str, str]]] = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes: ClassVar[list[str]] = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ]


class KMNIST(MNIST):
    """Cursive Japanese characters in the form of MNIST (Clanuwat et al., 2018)."""

    mirrors: ClassVar[list[str]] = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources: ClassVar[list[tuple[str, str]]] = [
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes: ClassVar[list[str]] = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]
