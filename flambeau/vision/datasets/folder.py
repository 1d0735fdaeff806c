"""Data sets that are folders of files, one folder a class."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .._extras import open_picture
from .vision import VisionDataset

__all__ = ["DatasetFolder", "ImageFolder", "default_loader", "find_classes", "make_dataset"]

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")

_Sample = tuple[str, int]


def has_file_allowed_extension(filename: str, extensions: str | tuple[str, ...]) -> bool:
    """Says whether the name ends in one of `extensions`, whatever its case."""
    return filename.lower().endswith(extensions)


def is_image_file(filename: str) -> bool:
    """Says whether the name ends as a picture's does."""
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


def find_classes(directory: str | os.PathLike[str]) -> tuple[list[str], dict[str, int]]:
    """Returns the names of the folders in `directory`, sorted, and the number of each.

    Raises:
        FileNotFoundError: there is no folder in it.
    """
    classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
    if not classes:
        raise FileNotFoundError(f"Couldn't find any class folder in {os.fspath(directory)}.")
    return classes, {name: index for index, name in enumerate(classes)}


def make_dataset(
    directory: str | os.PathLike[str],
    class_to_idx: dict[str, int] | None = None,
    extensions: str | tuple[str, ...] | None = None,
    is_valid_file: Callable[[str], bool] | None = None,
    allow_empty: bool = False,
) -> list[_Sample]:
    """Lists the files under the folders of the classes, as (path, number of the class).

    Args:
        directory: the folder of the classes' folders.
        class_to_idx: the number of each class; from `find_classes` by default.
        extensions: the endings of the files to take; or else
        is_valid_file: says of a path whether to take it.
        allow_empty: accept a class without files.

    Raises:
        ValueError: both or neither of `extensions` and `is_valid_file` are given, or no class.
        FileNotFoundError: a class has no file.
    """
    directory = os.path.expanduser(directory)
    if class_to_idx is None:
        class_to_idx = find_classes(directory)[1]
    elif not class_to_idx:
        raise ValueError("'class_to_index' must have at least one entry to collect any samples.")
    if (extensions is None) == (is_valid_file is None):
        raise ValueError(
            "Both extensions and is_valid_file cannot be None or not None at the same time"
        )
    accepted = is_valid_file or (lambda path: has_file_allowed_extension(path, extensions or ()))
    samples: list[_Sample] = []
    empty = []
    for name in sorted(class_to_idx):
        found = [path for path in _files_under(os.path.join(directory, name)) if accepted(path)]
        samples += [(path, class_to_idx[name]) for path in found]
        if not found:
            empty.append(name)
    if empty and not allow_empty:
        message = f"Found no valid file for the classes {', '.join(sorted(empty))}. "
        if extensions is not None:
            endings = extensions if isinstance(extensions, str) else ", ".join(extensions)
            message += f"Supported extensions are: {endings}"
        raise FileNotFoundError(message)
    return samples


def _files_under(folder: str) -> list[str]:
    if not os.path.isdir(folder):
        return []
    return [
        os.path.join(root, name) for root, names in sorted(_walk(folder)) for name in sorted(names)
    ]


def _walk(folder: str) -> Iterator[tuple[str, list[str]]]:
    """Folders and the names of their files, following links but not around in circles."""
    above: dict[str, frozenset[tuple[int, int]]] = {folder: frozenset()}
    for root, folders, names in os.walk(folder, followlinks=True):
        yield root, names
        about = os.stat(root)
        here = above.pop(root) | {(about.st_dev, about.st_ino)}
        for name in list(folders):
            path = os.path.join(root, name)
            about = os.stat(path)
            if (about.st_dev, about.st_ino) in here:
                folders.remove(name)
            else:
                above[path] = here


class DatasetFolder(VisionDataset):
    """Files under `root/CLASS/`, at any depth, opened by `loader`.

    Args:
        root: the folder of the classes' folders.
        loader: takes a path and returns the sample.
        extensions: the endings of the files to take; or else
        is_valid_file: says of a path whether to take it.
        transform: takes a sample.
        target_transform: takes the class, an int.
        allow_empty: accept a class without files.

    Attributes:
        classes: the names of the classes, sorted.
        class_to_idx: the number of each.
        samples: (path, number of the class) of every file.
        targets: the number of the class of every file.

    Raises:
        FileNotFoundError: there is no class, or one has no file.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        loader: Callable[[str], Any],
        extensions: tuple[str, ...] | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.loader = loader
        self.extensions = extensions
        self.samples = self.make_dataset(
            self.root, self.class_to_idx, extensions, is_valid_file, allow_empty
        )
        self.targets = [target for _, target in self.samples]

    @staticmethod
    def make_dataset(
        directory: str | os.PathLike[str],
        class_to_idx: dict[str, int],
        extensions: tuple[str, ...] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> list[_Sample]:
        """Lists the samples; a subclass may do it its own way."""
        if class_to_idx is None:
            raise ValueError("The class_to_idx parameter cannot be None.")
        return make_dataset(directory, class_to_idx, extensions, is_valid_file, allow_empty)

    def find_classes(self, directory: str | os.PathLike[str]) -> tuple[list[str], dict[str, int]]:
        """Finds the classes; a subclass may do it its own way."""
        return find_classes(directory)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Returns (sample, class), both transformed."""
        path, target = self.samples[index]
        return self._transformed(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.samples)


def pil_loader(path: str) -> Any:
    """Opens a picture file as a Pillow image of mode "RGB"; OSError where it is damaged."""
    return open_picture(path, "RGB")


def default_loader(path: str) -> Any:
    """What folders of pictures are read with: `pil_loader`."""
    return pil_loader(path)


class ImageFolder(DatasetFolder):
    """Pictures under `root/CLASS/`, at any depth. See `DatasetFolder`; `imgs` is `samples`."""

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(
            root,
            loader,
            IMG_EXTENSIONS if is_valid_file is None else None,
            transform,
            target_transform,
            is_valid_file,
            allow_empty,
        )
        self.imgs: Sequence[_Sample] = self.samples
