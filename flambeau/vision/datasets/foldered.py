"""Data sets whose folders are their classes: ImageNet, Caltech and Omniglot."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any, ClassVar

import flambeau as torch

from .._extras import open_picture
from ._listed import one_of, within
from .folder import ImageFolder
from .matlab import read_matlab
from .utils import download_and_extract_archive, extract_archive, not_found, well_formed
from .vision import VisionDataset

__all__ = ["Caltech101", "Caltech256", "ImageNet", "Omniglot"]

_Path = str | os.PathLike[str]
_Transform = Callable[[Any], Any] | None

_META = "meta.bin"
_DEVKIT = "ILSVRC2012_devkit_t12"
_ARCHIVES = {"train": "ILSVRC2012_img_train.tar", "val": "ILSVRC2012_img_val.tar"}


class ImageNet(ImageFolder):
    """ImageNet of 2012: 1,281,167 pictures for training of 1,000 classes, 50,000 for validation.

    Args:
        root: holds the archives `ILSVRC2012_devkit_t12.tar.gz` and `ILSVRC2012_img_train.tar` or
            `_val.tar`, which are extracted where that has not been done.
        split: "train" or "val".
        kwargs: arguments of `ImageFolder`.

    Attributes:
        classes: for each class its names, a tuple.
        wnids: the names of the classes' folders.

    Raises:
        RuntimeError: an archive is missing.
    """

    def __init__(self, root: _Path, split: str = "train", **kwargs: Any) -> None:
        self.root = os.path.expanduser(root)
        self.split = one_of(split, "split", ("train", "val"))
        names, labels = self._meta()
        if not os.path.isdir(self.split_folder):
            self._extract(labels)
        super().__init__(self.split_folder, **kwargs)
        self.root = os.path.expanduser(root)
        self.wnids, self.wnid_to_idx = self.classes, self.class_to_idx
        with well_formed(os.path.join(self.root, _META)):
            self.classes: Any = [names[wnid] for wnid in self.wnids]
        self.class_to_idx = {
            name: index for index, some in enumerate(self.classes) for name in some
        }

    @property
    def split_folder(self) -> str:
        """The folder of the split's pictures."""
        return os.path.join(self.root, self.split)

    def _archive(self, name: str) -> str:
        path = os.path.join(self.root, name)
        if not os.path.isfile(path):
            raise RuntimeError(
                f"The archive {name} is not present in the root directory or is corrupted. You "
                f"need to download it externally and place it in {self.root}."
            )
        return path

    def _meta(self) -> tuple[dict[str, tuple[str, ...]], list[str]]:
        """The names of each class, and the validation pictures' classes, kept in `meta.bin`."""
        path = os.path.join(self.root, _META)
        if not os.path.isfile(path):
            archive = self._archive(f"{_DEVKIT}.tar.gz")
            folder = os.path.join(self.root, "devkit")
            extract_archive(archive, folder)
            with well_formed(archive):
                torch.save(_parsed(os.path.join(folder, _DEVKIT)), path)
            shutil.rmtree(folder)
        with well_formed(path):
            names, labels = torch.load(path, weights_only=True)
            if not isinstance(names, dict) or not isinstance(labels, list):
                raise ValueError("it does not hold classes and labels")
        return names, labels

    def _extract(self, labels: list[str]) -> None:
        # Under its own name only when all of it is there.
        folder = f"{self.split_folder}.extracting"
        shutil.rmtree(folder, ignore_errors=True)
        extract_archive(self._archive(_ARCHIVES[self.split]), folder)
        if self.split == "train":
            # An archive for each class.
            for name in sorted(os.listdir(folder)):
                path = os.path.join(folder, name)
                extract_archive(path, os.path.splitext(path)[0], remove_finished=True)
            os.rename(folder, self.split_folder)
            return
        pictures = sorted(os.listdir(folder))
        with well_formed(os.path.join(self.root, _META)):
            within(folder, [os.path.join(folder, wnid) for wnid in labels])
            for wnid in set(labels):
                os.mkdir(os.path.join(folder, wnid))
            for wnid, name in zip(labels, pictures, strict=True):
                shutil.move(os.path.join(folder, name), os.path.join(folder, wnid, name))
        os.rename(folder, self.split_folder)

    def extra_repr(self) -> str:
        """Returns the split."""
        return f"Split: {self.split}"


def _parsed(devkit: str) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """What `ImageNet._meta` returns, of the development kit's files."""
    leaves = [
        one
        for one in read_matlab(os.path.join(devkit, "data", "meta.mat"))["synsets"]
        if int(one["num_children"].item()) == 0
    ]
    wnids = {int(one["ILSVRC2012_ID"].item()): one["WNID"] for one in leaves}
    names = {one["WNID"]: tuple(one["words"].split(", ")) for one in leaves}
    truth = os.path.join(devkit, "data", "ILSVRC2012_validation_ground_truth.txt")
    with open(truth, encoding="ascii") as file:
        return names, [wnids[int(line)] for line in file if line.strip()]


class Caltech101(VisionDataset):
    """About 9,000 pictures of 101 classes (Fei-Fei et al., 2004).

    Args:
        root: holds `caltech101`.
        target_type: "category" or "annotation" (an outline), or a list of them.
        transform: takes a picture.
        target_transform: takes the target, or the tuple of them.
        download: get the archive where the folder is missing.
    """

    _URL = "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip"
    _MD5 = "3138e1922a9193bfa496528edbbc45d0"
    # Where the folder of the outlines has another name.
    _OUTLINES: ClassVar[dict[str, str]] = {
        "Faces": "Faces_2",
        "Faces_easy": "Faces_3",
        "Motorbikes": "Motorbikes_16",
        "airplanes": "Airplanes_Side_2",
    }

    def __init__(
        self,
        root: _Path,
        target_type: list[str] | str = "category",
        transform: _Transform = None,
        target_transform: _Transform = None,
        download: bool = False,
    ) -> None:
        base = os.path.join(root, "caltech101")
        super().__init__(base, transform=transform, target_transform=target_transform)
        types = [target_type] if isinstance(target_type, str) else target_type
        self.target_type = [
            one_of(kind, "target_type", ("category", "annotation")) for kind in types
        ]
        self._pictures = os.path.join(self.root, "101_ObjectCategories")
        if download and not os.path.isdir(self._pictures):
            self.download()
        if not os.path.isdir(self._pictures):
            raise not_found("Caltech101", self.root, ["101_ObjectCategories"])
        self.categories = sorted(set(os.listdir(self._pictures)) - {"BACKGROUND_Google"})
        self.annotation_categories = [self._OUTLINES.get(one, one) for one in self.categories]
        self.index: list[int] = []
        self.y: list[int] = []
        for label, name in enumerate(self.categories):
            count = len(os.listdir(os.path.join(self._pictures, name)))
            self.index += range(1, count + 1)
            self.y += [label] * count

    def download(self) -> None:
        """Downloads and extracts the archive, and those inside of it."""
        download_and_extract_archive(self._URL, self.root, md5=self._MD5)
        folder = os.path.join(self.root, "caltech-101")
        for name in os.listdir(folder):
            if name.endswith(".gz"):
                extract_archive(os.path.join(folder, name), self.root)
        shutil.rmtree(folder)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Returns (picture, target), both transformed."""
        label, number = self.y[index], self.index[index]
        path = os.path.join(self._pictures, self.categories[label], f"image_{number:04d}.jpg")
        targets: list[Any] = []
        for kind in self.target_type:
            if kind == "category":
                targets.append(label)
            else:
                folder = os.path.join(self.root, "Annotations", self.annotation_categories[label])
                notes = read_matlab(os.path.join(folder, f"annotation_{number:04d}.mat"))
                with well_formed(folder):
                    targets.append(notes["obj_contour"])
        target = tuple(targets) if len(targets) > 1 else targets[0]
        return self._transformed(open_picture(path), target)

    def __len__(self) -> int:
        return len(self.index)

    def extra_repr(self) -> str:
        """Returns the kinds of targets."""
        return f"Target type: {self.target_type}"


class Caltech256(VisionDataset):
    """30,607 pictures of 257 classes (Griffin et al., 2007).

    Args:
        root: holds `caltech256`.
        transform: takes a picture.
        target_transform: takes the class, an int.
        download: get the archive where the folder is missing.
    """

    _URL = "https://data.caltech.edu/records/nyy15-4j048/files/256_ObjectCategories.tar"
    _MD5 = "67b4f42ca05d46448c6bb8ecd2220f6d"

    def __init__(
        self,
        root: _Path,
        transform: _Transform = None,
        target_transform: _Transform = None,
        download: bool = False,
    ) -> None:
        base = os.path.join(root, "caltech256")
        super().__init__(base, transform=transform, target_transform=target_transform)
        self._pictures = os.path.join(self.root, "256_ObjectCategories")
        if download and not os.path.isdir(self._pictures):
            download_and_extract_archive(self._URL, self.root, md5=self._MD5)
        if not os.path.isdir(self._pictures):
            raise not_found("Caltech256", self.root, ["256_ObjectCategories"])
        self.categories = sorted(os.listdir(self._pictures))
        self.index: list[int] = []
        self.y: list[int] = []
        for label, name in enumerate(self.categories):
            files = os.listdir(os.path.join(self._pictures, name))
            count = sum(one.endswith(".jpg") for one in files)
            self.index += range(1, count + 1)
            self.y += [label] * count

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Returns (picture, class), both transformed."""
        label, number = self.y[index], self.index[index]
        name = f"{label + 1:03d}_{number:04d}.jpg"
        path = os.path.join(self._pictures, self.categories[label], name)
        return self._transformed(open_picture(path), label)

    def __len__(self) -> int:
        return len(self.index)


class Omniglot(VisionDataset):
    """Handwritten characters of 50 alphabets, 20 of each (Lake et al., Science, 2015).

    Args:
        root: holds `omniglot-py`.
        background: the 30 alphabets for training, else the 20 for evaluation.
        transform: takes a picture.
        target_transform: takes the character's number, an int.
        download: get the archive where the folder is missing.
        loader: opens a picture's path; Pillow, in grey, by default.
    """

    folder = "omniglot-py"
    _URL = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/"
    zips_md5: ClassVar[dict[str, str]] = {
        "images_background": "68d2efa1b9178cc56df9314c21c6e718",
        "images_evaluation": "6b91aef0f799c5bb55b94e3f2daec811",
    }

    def __init__(
        self,
        root: _Path,
        background: bool = True,
        transform: _Transform = None,
        target_transform: _Transform = None,
        download: bool = False,
        loader: Callable[[Any], Any] | None = None,
    ) -> None:
        base = os.path.join(root, self.folder)
        super().__init__(base, transform=transform, target_transform=target_transform)
        self.background = background
        self.loader = loader
        name = "images_background" if background else "images_evaluation"
        self.target_folder = os.path.join(self.root, name)
        if download and not os.path.isdir(self.target_folder):
            url = f"{self._URL}{name}.zip"
            download_and_extract_archive(url, self.root, md5=self.zips_md5[name])
        if not os.path.isdir(self.target_folder):
            raise not_found("Omniglot", self.root, [name])
        self._alphabets = _folders(self.target_folder)
        self._characters = [
            os.path.join(alphabet, character)
            for alphabet in self._alphabets
            for character in _folders(os.path.join(self.target_folder, alphabet))
        ]
        self._flat_character_images = [
            (name, number)
            for number, character in enumerate(self._characters)
            for name in sorted(os.listdir(os.path.join(self.target_folder, character)))
            if name.endswith(".png")
        ]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Returns (picture, character), both transformed."""
        name, number = self._flat_character_images[index]
        path = os.path.join(self.target_folder, self._characters[number], name)
        if self.loader is None:
            image = open_picture(path, "L")
        else:
            image = self.loader(path)
        return self._transformed(image, number)

    def __len__(self) -> int:
        return len(self._flat_character_images)


def _folders(path: str) -> list[str]:
    return sorted(name for name in os.listdir(path) if os.path.isdir(os.path.join(path, name)))
