"""CIFAR-10 and CIFAR-100 (Krizhevsky, "Learning Multiple Layers of Features from Tiny Images")."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import Any, ClassVar
from warnings import warn

import numpy as np

from .in_memory import ClassOf, InMemory
from .utils import download_and_extract_archive, not_found

__all__ = ["CIFAR10", "CIFAR100"]

# Folders whose files were said to differ from the published ones.
_warned: set[str] = set()


class CIFAR10(ClassOf, InMemory):
    """Colour pictures of 10 kinds of things: 50,000 for training, 10,000 for testing, 32x32 pixels.

    Args:
        root: the folder that holds `cifar-10-batches-py`.
        train: the training pictures, else the test pictures.
        transform: takes a Pillow image of mode "RGB".
        target_transform: takes the class, an int.
        download: get the archive where files are missing.

    Attributes:
        data: a NumPy array of bytes, (N, 32, 32, 3).
        targets: a list of N ints.
        classes: the names of the classes.

    Files that are not the published ones byte for byte are taken, with a warning, where what they
    hold is well-formed.

    Raises:
        RuntimeError: files are missing, can't be had, or are damaged.
    """

    base_folder = "cifar-10-batches-py"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    filename = "cifar-10-python.tar.gz"
    tgz_md5 = "c58f30108f718f92721af3b95e74349a"
    train_list: ClassVar[list[list[str]]] = [
        ["data_batch_1", "c99cafc152244af753f735de768cd75f"],
        ["data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"],
        ["data_batch_3", "54ebc095f3ab1f0389bbae665268c751"],
        ["data_batch_4", "634d18415352ddfa80567beed471001a"],
        ["data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"],
    ]
    test_list: ClassVar[list[list[str]]] = [["test_batch", "40351d587109b95175f43aff81a1287e"]]
    meta: ClassVar[dict[str, str]] = {
        "filename": "batches.meta",
        "key": "label_names",
        "md5": "5ff9c542aee3614f3951f8cda6e48888",
    }
    # Pictures in one file of each list, the key of their labels, and the number of classes.
    _train_count, _test_count = 10000, 10000
    _labels_key, _class_count = "labels", 10

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
        if missing := self._missing():
            raise not_found(type(self).__name__, self._folder, missing)
        self._load_meta()
        self._hold(*self._load_data())

    @property
    def _folder(self) -> str:
        return os.path.join(self.root, self.base_folder)

    def _files(self) -> list[list[str]]:
        return self.train_list if self.train else self.test_list

    def _missing(self) -> list[str]:
        names = [*(name for name, _ in self._files()), self.meta["filename"]]
        return [name for name in names if not os.path.isfile(os.path.join(self._folder, name))]

    def download(self) -> None:
        """Downloads and extracts the archive, where a file of this split is missing."""
        if self._missing():
            download_and_extract_archive(
                self.url, self.root, filename=self.filename, md5=self.tgz_md5
            )

    def _load_meta(self) -> None:
        path, entry = self._read(self.meta["filename"], self.meta["md5"])
        names = entry.get(self.meta["key"])
        if (
            not isinstance(names, list)
            or len(names) != self._class_count
            or not all(isinstance(name, str) for name in names)
        ):
            raise RuntimeError(
                f"{path} does not hold {self._class_count} names of classes: get it anew"
            )
        self.classes: list[str] = names
        self.class_to_idx = {name: index for index, name in enumerate(names)}

    def _load_data(self) -> tuple[np.ndarray[Any, Any], list[int]]:
        count = self._train_count if self.train else self._test_count
        files = self._files()
        # As in the files: batches are made of whole planes.
        data = np.empty((count * len(files), 3, 32, 32), np.uint8)
        targets: list[int] = []
        for number, (name, md5) in enumerate(files):
            pixels, labels = self._checked(*self._read(name, md5), count)
            data[number * count : (number + 1) * count] = pixels.reshape(count, 3, 32, 32)
            targets += labels
        return data.transpose(0, 2, 3, 1), targets

    def _read(self, name: str, md5: str) -> tuple[str, dict[str, Any]]:
        """Returns the file's path and the dictionary that is pickled in it; executes nothing."""
        from pickle import UnpicklingError

        from flambeau.serialization.pickle_reader import read_plain_pickle

        path = os.path.join(self._folder, name)
        with open(path, "rb") as file:
            content = file.read()
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
            self._warn_once()
        try:
            entry = read_plain_pickle(content, encoding="latin1")
        except UnpicklingError as error:
            raise RuntimeError(f"{path} is damaged: {error}. Delete it and get it anew") from error
        if not isinstance(entry, dict):
            raise RuntimeError(
                f"{path} holds a {type(entry).__name__}, not a dictionary: get it anew"
            )
        return path, entry

    def _warn_once(self) -> None:
        folder = os.path.abspath(self._folder)
        if folder not in _warned:
            _warned.add(folder)
            warn(
                f"files in {folder} differ from the published ones; they are used if what they "
                "hold is well-formed",
                UserWarning,
                stacklevel=5,
            )

    def _checked(
        self, path: str, entry: dict[str, Any], count: int
    ) -> tuple[np.ndarray[Any, Any], list[int]]:
        """Returns the batch's pixels (count, 3072) and labels, if that is what it holds."""
        pixels, labels = entry.get("data"), entry.get(self._labels_key)
        if (
            not isinstance(pixels, np.ndarray)
            or pixels.dtype != np.uint8
            or pixels.shape != (count, 3072)
        ):
            found = (
                f"{pixels.dtype} {pixels.shape}"
                if isinstance(pixels, np.ndarray)
                else type(pixels).__name__
            )
            raise RuntimeError(f"{path} holds {found}, not bytes ({count}, 3072): get it anew")
        if (
            not isinstance(labels, list)
            or len(labels) != count
            or not all(type(label) is int and 0 <= label < self._class_count for label in labels)
        ):
            raise RuntimeError(
                f"{path} does not hold {count} labels from 0 to {self._class_count - 1}: "
                "get it anew"
            )
        return pixels, labels

    def extra_repr(self) -> str:
        """Returns the split's name."""
        return f"Split: {'Train' if self.train is True else 'Test'}"


class CIFAR100(CIFAR10):
    """The same of 100 kinds of things, 500 pictures of each for training and 100 for testing."""

    base_folder = "cifar-100-python"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    filename = "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list: ClassVar[list[list[str]]] = [["train", "16019d7e3df5f24257cddd939b257f8d"]]
    test_list: ClassVar[list[list[str]]] = [["test", "f0ef6b0ae62326f3e7ffdfab6717acfc"]]
    meta: ClassVar[dict[str, str]] = {
        "filename": "meta",
        "key": "fine_label_names",
        "md5": "7973b15100ade9c7d40fb424638fde48",
    }
    _train_count, _test_count = 50000, 10000
    _labels_key, _class_count = "fine_labels", 100
