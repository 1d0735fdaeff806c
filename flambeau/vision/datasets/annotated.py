"""Pictures with more than a class: boxes, masks, attributes, captions."""

from __future__ import annotations

import os
from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any, ClassVar
from xml.etree import ElementTree

import flambeau as torch

from .._extras import open_picture
from ._listed import class_number, lines_of, numbered, one_of, within
from .utils import damaged, download_and_extract_archive, not_found, well_formed
from .vision import VisionDataset

__all__ = ["CelebA", "CocoCaptions", "CocoDetection", "OxfordIIITPet", "VOCDetection",
           "VOCSegmentation"]  # fmt: skip

_Path = str | os.PathLike[str]
_Transform = Callable[[Any], Any] | None
_Transforms = Callable[[Any, Any], Any] | None

CSV = namedtuple("CSV", ["header", "index", "data"])


class OxfordIIITPet(VisionDataset):
    """Cats and dogs: 7,349 pictures of 37 breeds, with masks (Parkhi et al., CVPR 2012).

    Args:
        root: holds `oxford-iiit-pet`.
        split: "trainval" or "test".
        target_types: "category", "binary-category" or "segmentation", or several.
        transforms: takes a picture and its target.
        transform: takes a picture.
        target_transform: takes the target, or the tuple of them.
        download: get the archives where the folders are missing.
    """

    _URL = "https://www.robots.ox.ac.uk/~vgg/data/pets/data/"
    _FILES: ClassVar[dict[str, str]] = {
        "images": "5c4f3ee8e5d25df40f4fd59a7f44e54c",
        "annotations": "95a8c909bbe2e81eed6a22bccdf3f68f",
    }
    _VALID_TARGET_TYPES = ("category", "binary-category", "segmentation")

    def __init__(
        self,
        root: _Path,
        split: str = "trainval",
        target_types: Sequence[str] | str = "category",
        transforms: _Transforms = None,
        transform: _Transform = None,
        target_transform: _Transform = None,
        download: bool = False,
    ) -> None:
        self._split = one_of(split, "split", ("trainval", "test"))
        types = [target_types] if isinstance(target_types, str) else target_types
        self._target_types = [
            one_of(kind, "target_types", self._VALID_TARGET_TYPES) for kind in types
        ]
        super().__init__(root, transforms, transform, target_transform)
        base = os.path.join(self.root, "oxford-iiit-pet")
        for name, md5 in self._FILES.items():
            if os.path.isdir(os.path.join(base, name)):
                continue
            if not download:
                raise not_found("OxfordIIITPet", base, [name])
            download_and_extract_archive(f"{self._URL}{name}.tar.gz", base, md5=md5)
        path = os.path.join(base, "annotations", f"{split}.txt")
        with well_formed(path):
            self._list(base, [line.split() for line in lines_of(path)])

    def _list(self, base: str, rows: list[list[str]]) -> None:
        """Takes rows of a picture's name, its breed and its species, both from 1."""
        self.bin_classes = ["Cat", "Dog"]
        self._labels = [class_number(row[1], 37, 1) for row in rows]
        self._bin_labels = [class_number(row[2], 2, 1) for row in rows]
        breeds = {
            label: row[0].rsplit("_", 1)[0] for row, label in zip(rows, self._labels, strict=True)
        }
        self.classes = [
            " ".join(part.title() for part in breeds[label].split("_")) for label in sorted(breeds)
        ]
        self.bin_class_to_idx = numbered(self.bin_classes)
        self.class_to_idx = numbered(self.classes)
        self._images = [os.path.join(base, "images", f"{row[0]}.jpg") for row in rows]
        masks = os.path.join(base, "annotations", "trimaps")
        self._segs = [os.path.join(masks, f"{row[0]}.png") for row in rows]
        within(base, self._images)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Returns (picture, target), transformed."""
        image = open_picture(self._images[index], "RGB")
        targets: list[Any] = []
        for kind in self._target_types:
            if kind == "category":
                targets.append(self._labels[index])
            elif kind == "binary-category":
                targets.append(self._bin_labels[index])
            else:
                targets.append(open_picture(self._segs[index]))
        target = _one_or_all(targets)
        if self.transforms is not None:
            image, target = self.transforms(image, target)
        return image, target

    def __len__(self) -> int:
        return len(self._images)


def _one_or_all(targets: list[Any]) -> Any:
    if len(targets) > 1:
        return tuple(targets)
    return targets[0] if targets else None


class CelebA(VisionDataset):
    """Faces of the famous: 202,599 pictures with 40 attributes (Liu et al., ICCV 2015).

    Args:
        root: holds `celeba`, the pictures and lists of the archive; they are not downloaded here.
        split: "train", "valid", "test" or "all".
        target_type: "attr", "identity", "bbox" or "landmarks", or a list of them; [] is none.
        transform: takes a picture.
        target_transform: takes the target, or the tuple of them.
        download: raises where files are missing.

    Attributes:
        attr: int64 (N, 40), 0 or 1.
        identity: int64 (N, 1).
        bbox: int64 (N, 4).
        landmarks_align: int64 (N, 10).
        attr_names: the attributes' names.
    """

    base_folder = "celeba"
    _SPLITS: ClassVar[dict[str, int | None]] = {"train": 0, "valid": 1, "test": 2, "all": None}
    _LISTS: ClassVar[dict[str, bool]] = {
        "list_eval_partition.txt": False,
        "identity_CelebA.txt": False,
        "list_bbox_celeba.txt": True,
        "list_landmarks_align_celeba.txt": True,
        "list_attr_celeba.txt": True,
    }

    def __init__(
        self,
        root: _Path,
        split: str = "train",
        target_type: list[str] | str = "attr",
        transform: _Transform = None,
        target_transform: _Transform = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = split
        self.target_type = target_type if isinstance(target_type, list) else [target_type]
        if not self.target_type and target_transform is not None:
            raise RuntimeError("target_transform is specified but target_type is empty")
        self._base = os.path.join(self.root, self.base_folder)
        wanted = [*self._LISTS, "img_align_celeba"]
        missing = [name for name in wanted if not os.path.exists(os.path.join(self._base, name))]
        if missing:
            if download:
                raise RuntimeError(
                    "CelebA is on Google Drive, which flambeau does not download from: get its "
                    f"files by hand and put them into {self._base}"
                )
            raise not_found("CelebA", self._base, missing)
        part = self._SPLITS[one_of(split.lower(), "split", self._SPLITS)]
        splits, identity, bbox, landmarks, attributes = (
            self._load_csv(name, header) for name, header in self._LISTS.items()
        )
        pictures = os.path.join(self._base, "img_align_celeba")
        with well_formed(os.path.join(self._base, next(iter(self._LISTS)))):
            mask = torch.ones(len(splits.index), dtype=torch.bool)
            if part is not None:
                mask = splits.data[:, 0] == part
            chosen = mask.tolist()
            self.filename = [name for name, yes in zip(splits.index, chosen, strict=True) if yes]
            within(pictures, [os.path.join(pictures, name) for name in self.filename])
        for csv, name in zip(
            (identity, bbox, landmarks, attributes), [*self._LISTS][1:], strict=True
        ):
            if len(csv.index) != len(splits.index):
                raise damaged(
                    os.path.join(self._base, name),
                    f"it has {len(csv.index)} rows for {len(splits.index)} pictures",
                )
        self.identity = identity.data[mask]
        self.bbox = bbox.data[mask]
        self.landmarks_align = landmarks.data[mask]
        # -1 and 1 in the file.
        self.attr = torch.div(attributes.data[mask] + 1, 2, rounding_mode="floor")
        self.attr_names = attributes.header

    def _load_csv(self, filename: str, header: bool = False) -> CSV:
        """Reads names and whole numbers; with a header, the number of lines and it come first."""
        with well_formed(os.path.join(self._base, filename)):
            rows = [line.split() for line in lines_of(self._base, filename)]
            names: list[str] = []
            if header:
                names, rows = rows[1], rows[2:]
            numbers = [[int(part) for part in row[1:]] for row in rows]
            data = torch.tensor(numbers)
            if data.dim() != 2:
                raise ValueError(f"rows of numbers, but their shape is {list(data.shape)}")
            return CSV(names, [row[0] for row in rows], data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Returns (picture, target), both transformed."""
        image = open_picture(os.path.join(self._base, "img_align_celeba", self.filename[index]))
        targets: list[Any] = []
        for kind in self.target_type:
            if kind == "attr":
                targets.append(self.attr[index, :])
            elif kind == "identity":
                targets.append(self.identity[index, 0])
            elif kind == "bbox":
                targets.append(self.bbox[index, :])
            elif kind == "landmarks":
                targets.append(self.landmarks_align[index, :])
            else:
                raise ValueError(f'Target type "{kind}" is not recognized.')
        if not targets:
            return (image if self.transform is None else self.transform(image)), None
        return self._transformed(image, _one_or_all(targets))

    def __len__(self) -> int:
        return len(self.attr)

    def extra_repr(self) -> str:
        """Returns the targets and the split."""
        return f"Target type: {self.target_type}\nSplit: {self.split}"


# Of each year: its page, archive, checksum and folder.
_VOC: dict[str, tuple[str, str, str, str]] = {
    "2012": ("voc2012", "VOCtrainval_11-May-2012.tar", "6cd6e144f989b92b3379bac3b3de84fd", ""),
    "2011": (
        "voc2011", "VOCtrainval_25-May-2011.tar", "6c3384ef61512963050cb5d687e5bf1e", "TrainVal"
    ),
    "2010": ("voc2010", "VOCtrainval_03-May-2010.tar", "da459979d0c395079b5c75ee67908abb", ""),
    "2009": ("voc2009", "VOCtrainval_11-May-2009.tar", "a3e00b113cfcfebf17e343f59da3caa1", ""),
    "2008": ("voc2008", "VOCtrainval_14-Jul-2008.tar", "2629fa636546599198acfcfbfcf1904a", ""),
    "2007": ("voc2007", "VOCtrainval_06-Nov-2007.tar", "c52e279531787c972589f7e41ab4ae64", ""),
    "2007-test": ("voc2007", "VOCtest_06-Nov-2007.tar", "b6e924de25625d8de591ea690078ad9f", ""),
}  # fmt: skip


class _VOCBase(VisionDataset):
    """Base of Pascal VOC's data sets.

    Args:
        root: holds `VOCdevkit`.
        year: "2007" to "2012".
        image_set: "train", "trainval" or "val", and of 2007 "test".
        download: get the archive where the folder is missing.
        transform: takes a picture.
        target_transform: takes its target.
        transforms: takes both.
    """

    _SPLITS_DIR: str
    _TARGET_DIR: str
    _TARGET_FILE_EXT: str

    def __init__(
        self,
        root: _Path,
        year: str = "2012",
        image_set: str = "train",
        download: bool = False,
        transform: _Transform = None,
        target_transform: _Transform = None,
        transforms: _Transforms = None,
    ) -> None:
        super().__init__(root, transforms, transform, target_transform)
        self.year = one_of(year, "year", [str(number) for number in range(2007, 2013)])
        sets = (
            ("train", "trainval", "val", "test") if year == "2007" else ("train", "trainval", "val")
        )
        self.image_set = one_of(image_set, "image_set", sets)
        key = "2007-test" if image_set == "test" else year
        page, archive, md5, above = _VOC[key]
        base = os.path.join(self.root, above, "VOCdevkit", f"VOC{year}")
        if download and not os.path.isfile(self._list_of(base)):
            url = f"https://thor.robots.ox.ac.uk/pascal/VOC/{page}/{archive}"
            download_and_extract_archive(url, self.root, filename=archive, md5=md5)
        if not os.path.isdir(base):
            raise not_found(type(self).__name__, self.root, [os.path.relpath(base, self.root)])
        with well_formed(self._list_of(base)):
            names = lines_of(self._list_of(base))
            self.images = [os.path.join(base, "JPEGImages", f"{name}.jpg") for name in names]
            within(base, self.images)
        folder = os.path.join(base, self._TARGET_DIR)
        self.targets = [os.path.join(folder, name + self._TARGET_FILE_EXT) for name in names]

    def _list_of(self, base: str) -> str:
        return os.path.join(base, "ImageSets", self._SPLITS_DIR, f"{self.image_set}.txt")

    def _target(self, path: str) -> Any:
        raise NotImplementedError

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Returns (picture, target), transformed."""
        image, target = open_picture(self.images[index], "RGB"), self._target(self.targets[index])
        if self.transforms is not None:
            image, target = self.transforms(image, target)
        return image, target

    def __len__(self) -> int:
        return len(self.images)


class VOCSegmentation(_VOCBase):
    """Pascal VOC with masks (Everingham et al., 2010); see `_VOCBase`."""

    _SPLITS_DIR = "Segmentation"
    _TARGET_DIR = "SegmentationClass"
    _TARGET_FILE_EXT = ".png"

    @property
    def masks(self) -> list[str]:
        """The masks' paths."""
        return self.targets

    def _target(self, path: str) -> Any:
        return open_picture(path)


class _Builder(ElementTree.TreeBuilder):
    """Refuses what no annotation has: entities, which may grow without bound, and deep nesting."""

    _DEPTH = 64

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def doctype(self, *_: object) -> None:
        raise ValueError("annotations have no document type")

    def start(self, tag: Any, attributes: Any, /) -> Any:
        self._depth += 1
        if self._depth > self._DEPTH:
            raise ValueError(f"elements are nested more than {self._DEPTH} deep")
        return super().start(tag, attributes)

    def end(self, tag: Any, /) -> Any:
        self._depth -= 1
        return super().end(tag)


class VOCDetection(_VOCBase):
    """Pascal VOC with boxes (Everingham et al., 2010), as dictionaries; see `_VOCBase`."""

    _SPLITS_DIR = "Main"
    _TARGET_DIR = "Annotations"
    _TARGET_FILE_EXT = ".xml"

    @property
    def annotations(self) -> list[str]:
        """The XML files' paths."""
        return self.targets

    def _target(self, path: str) -> Any:
        with open(path, "rb") as file:
            return self._parsed(file.read(), path)

    @classmethod
    def _parsed(cls, content: bytes, path: str) -> dict[str, Any]:
        """A file's content as a dictionary; RuntimeError where it is no XML of that kind."""
        with well_formed(path):
            parser = ElementTree.XMLParser(target=_Builder())
            parser.feed(content)
            return cls.parse_voc_xml(parser.close())

    @staticmethod
    def parse_voc_xml(node: ElementTree.Element) -> dict[str, Any]:
        """Returns an element as a dictionary; "object" of an annotation is always a list."""
        children: dict[str, list[Any]] = {}
        for child in node:
            for name, value in VOCDetection.parse_voc_xml(child).items():
                children.setdefault(name, []).append(value)
        if not len(node):
            return {node.tag: (node.text or "").strip()} if node.text else {}
        if node.tag == "annotation":
            children["object"] = [children.get("object", [])]
        return {
            node.tag: {
                name: values[0] if len(values) == 1 else values for name, values in children.items()
            }
        }


class CocoDetection(VisionDataset):
    """COCO with boxes and outlines (Lin et al., ECCV 2014), by the package pycocotools.

    Args:
        root: holds the pictures.
        annFile: the annotations, a JSON file.
        transform: takes a picture.
        target_transform: takes the list of annotations.
        transforms: takes both.

    Raises:
        ImportError: pycocotools is not installed.
    """

    def __init__(
        self,
        root: _Path,
        annFile: str,
        transform: _Transform = None,
        target_transform: _Transform = None,
        transforms: _Transforms = None,
    ) -> None:
        super().__init__(root, transforms, transform, target_transform)
        try:
            from pycocotools.coco import COCO
        except ImportError as error:
            raise ImportError(
                f"{type(self).__name__} needs pycocotools, which is not installed: "
                "pip install pycocotools"
            ) from error
        self.coco = COCO(annFile)
        self.ids = sorted(self.coco.imgs.keys())

    def _load_image(self, id: int) -> Any:
        path = os.path.join(self.root, self.coco.loadImgs(id)[0]["file_name"])
        return open_picture(path, "RGB")

    def _load_target(self, id: int) -> list[Any]:
        target: list[Any] = self.coco.loadAnns(self.coco.getAnnIds(id))
        return target

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Returns (picture, annotations), transformed."""
        if not isinstance(index, int):
            raise ValueError(f"Index must be of type integer, got {type(index)} instead.")
        image, target = self._load_image(self.ids[index]), self._load_target(self.ids[index])
        if self.transforms is not None:
            image, target = self.transforms(image, target)
        return image, target

    def __len__(self) -> int:
        return len(self.ids)


class CocoCaptions(CocoDetection):
    """COCO with captions, a list of texts; see `CocoDetection`."""

    def _load_target(self, id: int) -> list[Any]:
        return [one["caption"] for one in super()._load_target(id)]
