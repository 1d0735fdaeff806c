"""Data sets that are a few files of arrays."""

from __future__ import annotations

import bz2
import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ._listed import lines_of, one_of
from .matlab import read_matlab
from .utils import damaged, download_and_extract_archive, download_url, not_found, well_formed
from .vision import VisionDataset, picture

__all__ = ["SEMEION", "STL10", "SVHN", "USPS"]

_Path = str | os.PathLike[str]
_Transform = Callable[[Any], Any] | None


class SVHN(VisionDataset):
    """House numbers of Google Street View, 32x32 pixels in colour (Netzer et al., 2011).

    Args:
        root: holds `train_32x32.mat`, `test_32x32.mat` and `extra_32x32.mat`.
        split: "train", "test" or "extra".
        transform: takes a Pillow image of mode "RGB".
        target_transform: takes the digit, an int.
        download: get the file where it is missing.

    Attributes:
        data: bytes (N, 3, 32, 32).
        labels: int64 (N).
    """

    _URL = "http://ufldl.stanford.edu/housenumbers/"
    _MD5: ClassVar[dict[str, str]] = {
        "train": "e26dedcc434d2e4c54c9b2d4a06d8373",
        "test": "eb5a983be6a315427106f1b164d9cef3",
        "extra": "a93ce644f1a588dc4d68dda5feec44a7",
    }

    def __init__(
        self,
        root: _Path,
        split: str = "train",
        transform: _Transform = None,
        target_transform: _Transform = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = one_of(split, "split", self._MD5)
        self.filename = f"{split}_32x32.mat"
        path = os.path.join(self.root, self.filename)
        if download and not os.path.isfile(path):
            download_url(self._URL + self.filename, self.root, md5=self._MD5[split])
        if not os.path.isfile(path):
            raise not_found("SVHN", self.root, [self.filename])
        with well_formed(path):
            pixels, labels = self._checked(read_matlab(path))
        self.data = pixels.transpose(3, 2, 0, 1)
        # The files write 10 for the digit 0.
        self.labels = np.where(labels == 10, 0, labels)

    @staticmethod
    def _checked(arrays: dict[str, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """The file's pixels (32, 32, 3, N) and labels (N), 1 to 10."""
        pixels, labels = arrays["X"], arrays["y"].ravel()
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[:3] != (32, 32, 3):
            raise ValueError(f"X is {pixels.dtype} {pixels.shape}, not bytes (32, 32, 3, N)")
        if len(labels) != pixels.shape[3] or not np.isin(labels, np.arange(11)).all():
            raise ValueError(f"y does not hold {pixels.shape[3]} labels from 1 to 10")
        return pixels, labels.astype(np.int64)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Returns (picture, digit), both transformed."""
        pixels = np.ascontiguousarray(self.data[index].transpose(1, 2, 0))
        return self._transformed(picture(pixels), int(self.labels[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        """Returns the split."""
        return f"Split: {self.split}"


class STL10(VisionDataset):
    """Pictures of 10 classes, 96x96 pixels, and 100,000 of none (Coates et al., 2011).

    Args:
        root: holds `stl10_binary`.
        split: "train", "test", "unlabeled" or "train+unlabeled".
        folds: which of ten parts of "train", from 0; None is all.
        transform: takes a Pillow image of mode "RGB".
        target_transform: takes the class, an int; -1 is none.
        download: get the archive where the folder is missing.

    Attributes:
        data: bytes (N, 3, 96, 96).
        labels: (N).
        classes: their names.
    """

    base_folder = "stl10_binary"
    url = "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"
    filename = "stl10_binary.tar.gz"
    tgz_md5 = "91f7769df0f17e558f3565bffb0c7dfb"
    splits = ("train", "train+unlabeled", "unlabeled", "test")

    def __init__(
        self,
        root: _Path,
        split: str = "train",
        folds: int | None = None,
        transform: _Transform = None,
        target_transform: _Transform = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = one_of(split, "split", self.splits)
        if folds is not None and (not isinstance(folds, int) or folds not in range(10)):
            raise ValueError(
                f"Value for argument folds should be in the range [0, 10), but got {folds}."
            )
        self.folds = folds
        self._base = os.path.join(self.root, self.base_folder)
        if download and not os.path.isdir(self._base):
            download_and_extract_archive(
                self.url, self.root, filename=self.filename, md5=self.tgz_md5
            )
        if not os.path.isdir(self._base):
            raise not_found("STL10", self.root, [self.base_folder])
        parts = [self._part(name) for name in split.split("+")]
        self.data = np.concatenate([data for data, _ in parts])
        self.labels = np.concatenate([labels for _, labels in parts])
        if os.path.isfile(os.path.join(self._base, "class_names.txt")):
            self.classes = lines_of(self._base, "class_names.txt")

    def _part(self, name: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        path = os.path.join(self._base, f"{name}_X.bin")
        pixels = np.fromfile(path, np.uint8)
        with well_formed(path):
            # Column by column in the files.
            data = pixels.reshape(-1, 3, 96, 96).transpose(0, 1, 3, 2)
        if name == "unlabeled":
            return data, np.full(len(data), -1)
        path = os.path.join(self._base, f"{name}_y.bin")
        labels = np.fromfile(path, np.uint8) - 1
        if len(labels) != len(data) or (labels > 9).any():
            raise damaged(path, f"it does not hold {len(data)} labels from 1 to 10")
        if name == "train" and self.folds is not None:
            path = os.path.join(self._base, "fold_indices.txt")
            with well_formed(path):
                chosen = np.array(lines_of(path)[self.folds].split(), np.int64)
                if (chosen < 0).any():
                    raise ValueError(f"fold {self.folds} has negative indices")
                return data[chosen], labels[chosen]
        return data, labels

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Returns (picture, class), both transformed."""
        pixels = np.ascontiguousarray(self.data[index].transpose(1, 2, 0))
        return self._transformed(picture(pixels), int(self.labels[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        """Returns the split."""
        return f"Split: {self.split}"


class _Grey(VisionDataset):
    """Base of small grey pictures (N, H, W)."""

    data: np.ndarray[Any, Any]

    def _target(self, index: int) -> int:
        raise NotImplementedError

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Returns (picture, digit), both transformed."""
        return self._transformed(picture(self.data[index]), self._target(index))

    def __len__(self) -> int:
        return len(self.data)


class USPS(_Grey):
    """Digits of envelopes, 16x16 grey pixels: 7,291 for training, 2,007 for testing (Hull, 1994).

    Args:
        root: holds `usps.bz2` and `usps.t.bz2`.
        train: the training digits, else the test digits.
        transform: takes a Pillow image of mode "L".
        target_transform: takes the digit, an int.
        download: get the file where it is missing.
    """

    _URL = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/"
    _FILES = (
        ("usps.t.bz2", "8ea070ee2aca1ac39742fdd1ef5ed118"),
        ("usps.bz2", "ec16c51db3855ca6c91edd34d0e9b197"),
    )
    _MOST = 128 << 20

    def __init__(
        self,
        root: _Path,
        train: bool = True,
        transform: _Transform = None,
        target_transform: _Transform = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        name, md5 = self._FILES[bool(train)]
        path = os.path.join(self.root, name)
        if download and not os.path.isfile(path):
            download_url(self._URL + name, self.root, md5=md5)
        if not os.path.isfile(path):
            raise not_found("USPS", self.root, [name])
        with well_formed(path), bz2.open(path) as file:
            self.data, self.targets = self._parsed(file.read(self._MOST + 1))

    @classmethod
    def _parsed(cls, text: bytes) -> tuple[np.ndarray[Any, Any], list[int]]:
        """The digits and what they are."""
        if len(text) > cls._MOST:
            raise ValueError(f"it holds more than {cls._MOST} bytes of text")
        # A line is the digit's number from 1, then numbered values from -1 to 1.
        rows = [line.split() for line in text.decode("ascii").splitlines() if line.strip()]
        values = np.array([[part.split(":")[-1] for part in row[1:]] for row in rows], np.float32)
        targets = [int(float(row[0])) - 1 for row in rows]
        if values.shape[1:] != (256,) or not (abs(values) <= 1).all():
            raise ValueError(f"rows of 256 values from -1 to 1, but there is {values.shape}")
        if not all(0 <= target < 10 for target in targets):
            raise ValueError("classes are numbers from 1 to 10")
        return ((values + 1) / 2 * 255).astype(np.uint8).reshape(-1, 16, 16), targets

    def _target(self, index: int) -> int:
        return self.targets[index]


class SEMEION(_Grey):
    """Handwritten digits: 1,593 of 16x16 pixels, black or white (Buscema, 1998).

    Args:
        root: holds `semeion.data`.
        transform: takes a Pillow image of mode "L".
        target_transform: takes the digit, an int.
        download: get the file where it is missing.
    """

    url = "http://archive.ics.uci.edu/ml/machine-learning-databases/semeion/semeion.data"
    filename = "semeion.data"
    md5_checksum = "cb545d371d2ce14ec121470795a77432"

    def __init__(
        self,
        root: _Path,
        transform: _Transform = None,
        target_transform: _Transform = None,
        download: bool = True,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        path = os.path.join(self.root, self.filename)
        if download and not os.path.isfile(path):
            download_url(self.url, self.root, self.filename, self.md5_checksum)
        if not os.path.isfile(path):
            raise not_found("SEMEION", self.root, [self.filename])
        with well_formed(path):
            values = np.loadtxt(path, ndmin=2)
            if values.shape[1] != 266 or not np.isin(values, (0, 1)).all():
                raise ValueError("rows of 266 numbers, each 0 or 1, were expected")
            if not (values[:, 256:].sum(1) == 1).all():
                raise ValueError("each row has one class")
        self.data = (values[:, :256] * 255).astype(np.uint8).reshape(-1, 16, 16)
        self.labels = np.nonzero(values[:, 256:])[1]

    def _target(self, index: int) -> int:
        return int(self.labels[index])
