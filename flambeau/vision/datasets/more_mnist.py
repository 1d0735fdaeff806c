"""The larger relatives of MNIST."""

from __future__ import annotations

import os
import shutil
import string
from typing import Any, ClassVar

import numpy as np

import flambeau as torch

from ._listed import one_of
from .idx import read_idx
from .mnist import MNIST
from .utils import download_and_extract_archive, extract_archive

__all__ = ["EMNIST", "QMNIST"]

_SMALL_LIKE_LARGE = set("cijklmopsuvwxyz")
_ALL = set(string.digits + string.ascii_letters)


class EMNIST(MNIST):
    """Handwritten digits and letters in the form of MNIST (Cohen et al., 2017).

    Args:
        root: the folder that holds `EMNIST/raw/emnist-letters-train-images-idx3-ubyte` and so on.
        split: "byclass", "bymerge", "balanced", "letters", "digits" or "mnist".
        kwargs: arguments of `MNIST`.
    """

    url = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
    md5 = "58c8d27c78d21e728a6bc7b3cc06412e"
    splits = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    classes_split_dict: ClassVar[dict[str, list[str]]] = {
        "byclass": sorted(_ALL),
        "bymerge": sorted(_ALL - _SMALL_LIKE_LARGE),
        "balanced": sorted(_ALL - _SMALL_LIKE_LARGE),
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }

    def __init__(self, root: str | os.PathLike[str], split: str, **kwargs: Any) -> None:
        self.split = one_of(split, "split", self.splits)
        self.classes = self.classes_split_dict[split]  # type: ignore[misc]
        super().__init__(root, **kwargs)

    def _names(self) -> tuple[str, str]:
        part = f"emnist-{self.split}-{'train' if self.train else 'test'}"
        return f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"

    def download(self) -> None:
        """Downloads and extracts the files, where one of this split is missing."""
        if self._check_exists():
            return
        download_and_extract_archive(self.url, self.raw_folder, md5=self.md5)
        folder = os.path.join(self.raw_folder, "gzip")
        for name in os.listdir(folder):
            if name.endswith(".gz"):
                extract_archive(os.path.join(folder, name), self.raw_folder)
        shutil.rmtree(folder)


class QMNIST(MNIST):
    """MNIST's digits and 50,000 more of its test set, with what is known of each (Yadav, 2019).

    Args:
        root: the folder that holds `QMNIST/raw/qmnist-train-images-idx3-ubyte` and so on.
        what: "train", "test", "test10k", "test50k" or "nist"; None goes by `train`.
        compat: the target is the digit; else all that is known of it, int64 (8).
        train: the training digits, else the test digits.
        kwargs: arguments of `MNIST`.
    """

    subsets: ClassVar[dict[str, str]] = {
        "train": "qmnist-train",
        "test": "qmnist-test",
        "test10k": "qmnist-test",
        "test50k": "qmnist-test",
        "nist": "xnist",
    }
    mirrors: ClassVar[list[str]] = [
        "https://raw.githubusercontent.com/facebookresearch/qmnist/master/"
    ]
    _MD5: ClassVar[dict[str, tuple[str, str, str]]] = {
        "qmnist-train": (
            ".gz", "ed72d4157d28c017586c42bc6afe6370", "0058f8dd561b90ffdd0f734c6a30e5e4"
        ),
        "qmnist-test": (
            ".gz", "1394631089c404de565df7b7aeaf9412", "5b5b05890a5e13444e108efe57b788aa"
        ),
        "xnist": (
            ".xz", "7f124b3b8ab81486c9d8c2749c17f834", "5ed0e788978e45d4a8bd4b7caec3d79d"
        ),
    }  # fmt: skip

    def __init__(
        self,
        root: str | os.PathLike[str],
        what: str | None = None,
        compat: bool = True,
        train: bool = True,
        **kwargs: Any,
    ) -> None:
        if what is None:
            what = "train" if train else "test"
        self.what = one_of(what, "what", self.subsets)
        self.compat = compat
        super().__init__(root, train, **kwargs)

    def _names(self) -> tuple[str, str]:
        part = self.subsets[self.what]
        return f"{part}-images-idx3-ubyte", f"{part}-labels-idx2-int"

    def download(self) -> None:
        """Downloads and extracts the files that are missing."""
        ending, *checksums = self._MD5[self.subsets[self.what]]
        for name, md5 in zip(self._names(), checksums, strict=True):
            if self._found(name) is None:
                urls = [mirror + name + ending for mirror in self.mirrors]
                download_and_extract_archive(urls, self.raw_folder, filename=name + ending, md5=md5)

    def _load_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        images, facts = (read_idx(path) for path in map(self._found, self._names()) if path)
        if images.dtype != np.uint8 or images.ndim != 3 or facts.ndim != 2:
            raise RuntimeError(
                f"the files of {self.what} hold shapes {images.shape} and {facts.shape}, not "
                "bytes (N, H, W) and rows of facts"
            )
        chosen = {"test10k": slice(0, 10000), "test50k": slice(10000, None)}.get(self.what)
        if chosen is not None:
            images, facts = images[chosen].copy(), facts[chosen].copy()
        return torch.from_numpy(images), torch.from_numpy(facts.astype(np.int64))

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Returns (picture, digit or facts), both transformed."""
        from .vision import picture

        facts = self.targets[index]
        image = picture(self._rows()[index])
        return self._transformed(image, int(facts[0]) if self.compat else facts)

    def extra_repr(self) -> str:
        """Returns which digits."""
        return f"Split: {self.what}"
