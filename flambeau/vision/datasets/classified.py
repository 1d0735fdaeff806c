"""Pictures of one class each, listed in text or MATLAB files or by their folders."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from typing import Any, ClassVar

from ._listed import Listed, class_number, lines_of, numbered, one_of
from .folder import ImageFolder, default_loader, find_classes, make_dataset
from .matlab import read_matlab
from .utils import download_and_extract_archive, download_url, not_found

__all__ = [
    "DTD",
    "GTSRB",
    "SUN397",
    "Country211",
    "EuroSAT",
    "FGVCAircraft",
    "Flowers102",
    "Food101",
    "Imagenette",
    "RenderedSST2",
    "StanfordCars",
]

_Path = str | os.PathLike[str]
_Transform = Callable[[Any], Any] | None


class DTD(Listed):
    """Describable textures: 5,640 pictures of 47 classes (Cimpoi et al., CVPR 2014).

    Args:
        root: holds `dtd/dtd`.
        split: "train", "val" or "test".
        partition: which of the ten divisions into these, from 1.
        transform: takes a picture.
        target_transform: takes the class, an int.
        download: get the archive where the folder is missing.
        loader: opens a picture's path.
    """

    _URL = "https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz"
    _MD5 = "fff73e5086ae6bdbea199a49dfb8a4c1"

    def __init__(
        self,
        root: _Path,
        split: str = "train",
        partition: int = 1,
        transform: _Transform = None,
        target_transform: _Transform = None,
        download: bool = False,
        loader: Callable[[Any], Any] = default_loader,
    ) -> None:
        self._split = one_of(split, "split", ("train", "val", "test"))
        if not isinstance(partition, int) or not 1 <= partition <= 10:
            raise ValueError(
                "Parameter 'partition' should be an integer with `1 <= partition <= 10`, but got "
                f"{partition} instead"
            )
        self._partition = partition
        super().__init__(root, transform, target_transform, download, loader)

    @property
    def _folder(self) -> str:
        return os.path.join(self.root, "dtd", "dtd")

    def _download(self) -> None:
        download_and_extract_archive(self._URL, os.path.join(self.root, "dtd"), md5=self._MD5)

    def _list(self) -> list[tuple[str, int]]:
        names = lines_of(self._folder, "labels", f"{self._split}{self._partition}.txt")
        self.classes = sorted({name.split("/")[0] for name in names})
        self.class_to_idx = numbered(self.classes)
        return [
            (
                os.path.join(self._folder, "images", *name.split("/")),
                self.class_to_idx[name.split("/")[0]],
            )
            for name in names
        ]

    def extra_repr(self) -> str:
        """Returns the split."""
        return f"split={self._split}, partition={self._partition}"


class Food101(Listed):
    """Dishes: 101,000 pictures of 101 classes (Bossard et al., ECCV 2014).

    Args:
        root: holds `food-101`.
        split: "train" or "test".
        transform: takes a picture.
        target_transform: takes the class, an int.
        download: get the archive where the folder is missing.
        loader: opens a picture's path.
    """

    _URL = "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz"
    _MD5 = "85eeb15f3717b99a5da872d97d918f87"

    def __init__(
        self,
        root: _Path,
        split: str = "train",
        transform: _Transform = None,
        target_transform: _Transform = None,
        download: bool = False,
        loader: Callable[[Any], Any] = default_loader,
    ) -> None:
        self._split = one_of(split, "split", ("train", "test"))
        super().__init__(root, transform, target_transform, download, loader)

    @property
    def _folder(self) -> str:
        return os.path.join(self.root, "food-101")

    def _download(self) -> None:
        download_and_extract_archive(self._URL, self.root, md5=self._MD5)

    def _list(self) -> list[tuple[str, int]]:
        path = os.path.join(self._folder, "meta", f"{self._split}.json")
        with open(path, encoding="utf-8") as file:
            names: dict[str, list[str]] = json.load(file)
        if not all(
            isinstance(some, list) and all(isinstance(one, str) for one in some)
            for some in names.values()
        ):
            raise ValueError(f"{path} is no list of pictures for each class")
        self.classes = sorted(names)
        self.class_to_idx = numbered(self.classes)
        images = os.path.join(self._folder, "images")
        return [
            (os.path.join(images, *f"{one}.jpg".split("/")), self.class_to_idx[label])
            for label, some in names.items()
            for one in some
        ]

    def extra_repr(self) -> str:
        """Returns the split."""
        return f"split={self._split}"


class FGVCAircraft(Listed):
    """Aircraft: 10,000 pictures of 100 variants (Maji et al., 2013).

    Args:
        root: holds `fgvc-aircraft-2013b`.
        split: "train", "val", "trainval" or "test".
        annotation_level: "variant", "family" or "manufacturer".
        transform: takes a picture.
        target_transform: takes the class, an int.
        download: get the archive where the folder is missing.
        loader: opens a picture's path.
    """

    _URL = "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz"
    _LEVELS: ClassVar[dict[str, str]] = {
        "variant": "variants.txt",
        "family": "families.txt",
        "manufacturer": "manufacturers.txt",
    }

    def __init__(
        self,
        root: _Path,
        split: str = "trainval",
        annotation_level: str = "variant",
        transform: _Transform = None,
        target_transform: _Transform = None,
        download: bool = False,
        loader: Callable[[Any], Any] = default_loader,
    ) -> None:
        self._split = one_of(split, "split", ("train", "val", "trainval", "test"))
        self._annotation_level = one_of(annotation_level, "annotation_level", self._LEVELS)
        super().__init__(root, transform, target_transform, download, loader)

    @property
    def _folder(self) -> str:
        return os.path.join(self.root, "fgvc-aircraft-2013b")

    def _download(self) -> None:
        download_and_extract_archive(self._URL, self.root)

    def _list(self) -> list[tuple[str, int]]:
        data = os.path.join(self._folder, "data")
        self.classes = lines_of(data, self._LEVELS[self._annotation_level])
        self.class_to_idx = numbered(self.classes)
        samples = []
        for line in lines_of(data, f"images_{self._annotation_level}_{self._split}.txt"):
            name, label = line.split(" ", 1)
            samples.append((os.path.join(data, "images", f"{name}.jpg"), self.class_to_idx[label]))
        return samples


class Flowers102(Listed):
    """Flowers: 8,189 pictures of 102 classes (Nilsback and Zisserman, 2008).

    Args:
        root: holds `flowers-102`.
        split: "train", "val" or "test".
        transform: takes a picture.
        target_transform: takes the class, an int.
        download: get the files where the pictures are missing.
        loader: opens a picture's path.
    """

    _URL = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
    _FILES: ClassVar[dict[str, str]] = {
        "102flowers.tgz": "52808999861908f626f3c1f4e79d11fa",
        "imagelabels.mat": "e0620be6f572b9609742df49c70aed4d",
        "setid.mat": "a5357ecc9cb78c4bef273ce3793fc85c",
    }
    _SPLITS: ClassVar[dict[str, str]] = {"train": "trnid", "val": "valid", "test": "tstid"}

    def __init__(
        self,
        root: _Path,
        split: str = "train",
        transform: _Transform = None,
        target_transform: _Transform = None,
        download: bool = False,
        loader: Callable[[Any], Any] = default_loader,
    ) -> None:
        self._split = one_of(split, "split", self._SPLITS)
        super().__init__(root, transform, target_transform, download, loader)

    @property
    def _folder(self) -> str:
        return os.path.join(self.root, "flowers-102", "jpg")

    def _download(self) -> None:
        base = os.path.dirname(self._folder)
        pictures, *others = self._FILES
        download_and_extract_archive(self._URL + pictures, base, md5=self._FILES[pictures])
        for name in others:
            download_url(self._URL + name, base, md5=self._FILES[name])

    def _list(self) -> list[tuple[str, int]]:
        base = os.path.dirname(self._folder)
        chosen = read_matlab(os.path.join(base, "setid.mat"))[self._SPLITS[self._split]]
        labels = read_matlab(os.path.join(base, "imagelabels.mat"))["labels"].ravel()
        return [
            (
                os.path.join(self._folder, f"image_{number:05d}.jpg"),
                class_number(labels[class_number(number, len(labels), 1)], 102, 1),
            )
            for number in map(int, chosen.ravel().tolist())
        ]

    def extra_repr(self) -> str:
        """Returns the split."""
        return f"split={self._split}"


class StanfordCars(Listed):
    """Cars: 16,185 pictures of 196 classes (Krause et al., 2013). They can't be downloaded.

    Args:
        root: holds `stanford_cars`.
        split: "train" or "test".
        transform: takes a picture.
        target_transform: takes the class, an int.
        download: raises.
        loader: opens a picture's path.
    """

    def __init__(
        self,
        root: _Path,
        split: str = "train",
        transform: _Transform = None,
        target_transform: _Transform = None,
        download: bool = False,
        loader: Callable[[Any], Any] = default_loader,
    ) -> None:
        self._split = one_of(split, "split", ("train", "test"))
        super().__init__(root, transform, target_transform, download, loader)

    @property
    def _folder(self) -> str:
        return os.path.join(self.root, "stanford_cars", "devkit")

    def _list(self) -> list[tuple[str, int]]:
        base = os.path.dirname(self._folder)
        names = read_matlab(os.path.join(self._folder, "cars_meta.mat"))["class_names"]
        self.classes = list(names)
        self.class_to_idx = numbered(self.classes)
        notes = os.path.join(self._folder, "cars_train_annos.mat")
        if self._split == "test":
            notes = os.path.join(base, "cars_test_annos_withlabels.mat")
        images = os.path.join(base, f"cars_{self._split}")
        return [
            (
                os.path.join(images, one["fname"]),
                class_number(one["class"].item(), len(self.classes), 1),
            )
            for one in read_matlab(notes)["annotations"]
        ]


class SUN397(Listed):
    """Scenes: 108,754 pictures of 397 classes (Xiao et al., CVPR 2010).

    Args:
        root: holds `SUN397`.
        transform: takes a picture.
        target_transform: takes the class, an int.
        download: get the archive where the folder is missing.
        loader: opens a picture's path.
    """

    _URL = "http://vision.princeton.edu/projects/2010/SUN/SUN397.tar.gz"
    _MD5 = "8ca2778205c41d23104230ba66911c7a"

    def __init__(
        self,
        root: _Path,
        transform: _Transform = None,
        target_transform: _Transform = None,
        download: bool = False,
        loader: Callable[[Any], Any] = default_loader,
    ) -> None:
        super().__init__(root, transform, target_transform, download, loader)

    @property
    def _folder(self) -> str:
        return os.path.join(self.root, "SUN397")

    def _download(self) -> None:
        download_and_extract_archive(self._URL, self.root, md5=self._MD5)

    def _list(self) -> list[tuple[str, int]]:
        # A line is, say, /a/abbey.
        self.classes = [line[3:] for line in lines_of(self._folder, "ClassName.txt")]
        self.class_to_idx = numbered(self.classes)
        samples = []
        for folder, inner, files in os.walk(self._folder):
            inner.sort()
            label = "/".join(os.path.relpath(folder, self._folder).split(os.sep)[1:])
            for name in sorted(files):
                if name.startswith("sun_") and name.endswith(".jpg"):
                    samples.append((os.path.join(folder, name), self.class_to_idx[label]))
        return samples


class GTSRB(Listed):
    """German traffic signs: 39,209 pictures for training of 43 classes, 12,630 for testing.

    Args:
        root: holds `gtsrb`.
        split: "train" or "test".
        transform: takes a picture.
        target_transform: takes the class, an int.
        download: get the archives where the folder is missing.
    """

    _URL = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/"
    _FILES: ClassVar[dict[str, list[tuple[str, str]]]] = {
        "train": [("GTSRB-Training_fixed.zip", "513f3c79a4c5141765e10e952eaa2478")],
        "test": [
            ("GTSRB_Final_Test_Images.zip", "c7e4e6327067d32654124b0fe9e82185"),
            ("GTSRB_Final_Test_GT.zip", "fe31e9c9270bbcd7b84b7f21a9d9d9e5"),
        ],
    }

    def __init__(
        self,
        root: _Path,
        split: str = "train",
        transform: _Transform = None,
        target_transform: _Transform = None,
        download: bool = False,
    ) -> None:
        self._split = one_of(split, "split", ("train", "test"))
        super().__init__(root, transform, target_transform, download)

    @property
    def _folder(self) -> str:
        part = ("Training",) if self._split == "train" else ("Final_Test", "Images")
        return os.path.join(self.root, "gtsrb", "GTSRB", *part)

    def _download(self) -> None:
        for name, md5 in self._FILES[self._split]:
            folder = os.path.join(self.root, "gtsrb")
            download_and_extract_archive(self._URL + name, folder, md5=md5)

    def _list(self) -> list[tuple[str, int]]:
        if self._split == "train":
            return make_dataset(self._folder, extensions=(".ppm",))
        path = os.path.join(self.root, "gtsrb", "GT-final_test.csv")
        with open(path, encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, delimiter=";", skipinitialspace=True)
            return [
                (os.path.join(self._folder, row["Filename"]), class_number(row["ClassId"], 43))
                for row in rows
            ]


class RenderedSST2(Listed):
    """Sentences as pictures, to be told positive from negative (Radford et al., 2021).

    Args:
        root: holds `rendered-sst2`.
        split: "train", "val" or "test".
        transform: takes a picture.
        target_transform: takes the class, an int.
        download: get the archive where the folder is missing.
        loader: opens a picture's path.
    """

    _URL = "https://openaipublic.azureedge.net/clip/data/rendered-sst2.tgz"
    _MD5 = "2384d08e9dcfa4bd55b324e610496ee5"

    def __init__(
        self,
        root: _Path,
        split: str = "train",
        transform: _Transform = None,
        target_transform: _Transform = None,
        download: bool = False,
        loader: Callable[[Any], Any] = default_loader,
    ) -> None:
        self._split = one_of(split, "split", ("train", "val", "test"))
        self.classes = ["negative", "positive"]
        self.class_to_idx = numbered(self.classes)
        super().__init__(root, transform, target_transform, download, loader)

    @property
    def _folder(self) -> str:
        return os.path.join(self.root, "rendered-sst2")

    def _download(self) -> None:
        download_and_extract_archive(self._URL, self.root, md5=self._MD5)

    def _list(self) -> list[tuple[str, int]]:
        part = "valid" if self._split == "val" else self._split
        return make_dataset(os.path.join(self._folder, part), extensions=("png",))

    def extra_repr(self) -> str:
        """Returns the split."""
        return f"split={self._split}"


class Imagenette(Listed):
    """Ten classes of ImageNet that are easily told apart.

    Args:
        root: holds `imagenette2`, or `imagenette2-320` or `imagenette2-160`.
        split: "train" or "val".
        size: "full", "320px" or "160px".
        download: get the archive where the folder is missing.
        transform: takes a picture.
        target_transform: takes the class, an int.
        loader: opens a picture's path.
    """

    _URL = "https://s3.amazonaws.com/fast-ai-imageclas/"
    _SIZES: ClassVar[dict[str, tuple[str, str]]] = {
        "full": ("imagenette2", "fe2fc210e6bb7c5664d602c3cd71e612"),
        "320px": ("imagenette2-320", "3df6f0d01a2c9592104656642f5e78a3"),
        "160px": ("imagenette2-160", "e793b78cc4c9e9a4ccc0c1155377a412"),
    }
    _WNID_TO_CLASS: ClassVar[dict[str, tuple[str, ...]]] = {
        "n01440764": ("tench", "Tinca tinca"),
        "n02102040": ("English springer", "English springer spaniel"),
        "n02979186": ("cassette player",),
        "n03000684": ("chain saw", "chainsaw"),
        "n03028079": ("church", "church building"),
        "n03394916": ("French horn", "horn"),
        "n03417042": ("garbage truck", "dustcart"),
        "n03425413": ("gas pump", "gasoline pump", "petrol pump", "island dispenser"),
        "n03445777": ("golf ball",),
        "n03888257": ("parachute", "chute"),
    }

    def __init__(
        self,
        root: _Path,
        split: str = "train",
        size: str = "full",
        download: bool = False,
        transform: _Transform = None,
        target_transform: _Transform = None,
        loader: Callable[[Any], Any] = default_loader,
    ) -> None:
        self._split = one_of(split, "split", ("train", "val"))
        self._size = one_of(size, "size", self._SIZES)
        super().__init__(root, transform, target_transform, download, loader)

    @property
    def _folder(self) -> str:
        return os.path.join(self.root, self._SIZES[self._size][0])

    def _download(self) -> None:
        name, md5 = self._SIZES[self._size]
        download_and_extract_archive(f"{self._URL}{name}.tgz", self.root, md5=md5)

    def _list(self) -> list[tuple[str, int]]:
        folder = os.path.join(self._folder, self._split)
        self.wnids, self.wnid_to_idx = find_classes(folder)
        self.classes = [self._WNID_TO_CLASS[wnid] for wnid in self.wnids]
        self.class_to_idx = {
            name: index for index, names in enumerate(self.classes) for name in names
        }
        return make_dataset(folder, self.wnid_to_idx, extensions=".jpeg")


class EuroSAT(ImageFolder):
    """Satellite pictures: 27,000 of 10 kinds of land (Helber et al., 2019).

    Args:
        root: holds `eurosat/2750`.
        transform: takes a picture.
        target_transform: takes the class, an int.
        download: get the archive where the folder is missing.
        loader: opens a picture's path.
    """

    _URL = (
        "https://huggingface.co/datasets/torchgeo/eurosat/resolve/"
        "c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip"
    )

    def __init__(
        self,
        root: _Path,
        transform: _Transform = None,
        target_transform: _Transform = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        base = os.path.join(os.path.expanduser(root), "eurosat")
        folder = os.path.join(base, "2750")
        if download and not os.path.isdir(folder):
            download_and_extract_archive(self._URL, base, md5="c8fa014336c82ac7804f0398fcb19387")
        if not os.path.isdir(folder):
            raise not_found("EuroSAT", base, ["2750"])
        super().__init__(folder, transform, target_transform, loader)
        self.root = os.path.expanduser(root)


class Country211(ImageFolder):
    """Pictures from 211 countries (Radford et al., 2021).

    Args:
        root: holds `country211`.
        split: "train", "valid" or "test".
        transform: takes a picture.
        target_transform: takes the class, an int.
        download: get the archive where the folder is missing.
        loader: opens a picture's path.
    """

    _URL = "https://openaipublic.azureedge.net/clip/data/country211.tgz"
    _MD5 = "84988d7644798601126c29e9877aab6a"

    def __init__(
        self,
        root: _Path,
        split: str = "train",
        transform: _Transform = None,
        target_transform: _Transform = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        self._split = one_of(split, "split", ("train", "valid", "test"))
        base = os.path.expanduser(root)
        folder = os.path.join(base, "country211")
        if download and not os.path.isdir(folder):
            download_and_extract_archive(self._URL, base, md5=self._MD5)
        if not os.path.isdir(folder):
            raise not_found("Country211", base, ["country211"])
        super().__init__(os.path.join(folder, self._split), transform, target_transform, loader)
        self.root = base
