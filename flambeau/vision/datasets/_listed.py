"""Data sets that are lists of picture files and classes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from .folder import default_loader
from .utils import not_found, well_formed
from .vision import VisionDataset


def one_of(value: Any, name: str, permitted: Iterable[str]) -> Any:
    """Returns a `value` that is permitted, else raises a ValueError that lists what is."""
    allowed = tuple(permitted)
    if not isinstance(value, str):
        raise ValueError(f"Expected type str for argument {name}, but got type {type(value)}.")
    if value not in allowed:
        raise ValueError(
            f"Unknown value '{value}' for argument {name}. Valid values are {list(allowed)}."
        )
    return value


class Listed(VisionDataset):
    """Base: a subclass fills the list of (path, class) in `_list`.

    Attributes:
        loader: opens a picture's path.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[[Any], Any] | None,
        target_transform: Callable[[Any], Any] | None,
        download: bool,
        loader: Callable[[Any], Any] = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.root = os.fspath(self.root)
        self.loader = loader
        if download and not os.path.isdir(self._folder):
            self._download()
        if not os.path.isdir(self._folder):
            raise not_found(type(self).__name__, self.root, [os.path.basename(self._folder)])
        with well_formed(f"what lists the pictures of {type(self).__name__}"):
            self._samples: list[tuple[str, int]] = self._list()
            within(self.root, [path for path, _ in self._samples])

    @property
    def _folder(self) -> str:
        """The folder that has to be there."""
        raise NotImplementedError

    def _download(self) -> None:
        raise RuntimeError(
            f"{type(self).__name__} can't be downloaded: get its files by hand and put them into "
            f"{self._folder}"
        )

    def _list(self) -> list[tuple[str, int]]:
        raise NotImplementedError

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Returns (picture, class), both transformed."""
        path, label = self._samples[index]
        return self._transformed(self.loader(path), label)

    def __len__(self) -> int:
        return len(self._samples)


def within(folder: str, paths: Iterable[str]) -> None:
    """ValueError where a path made from a name in a list leads out of a folder."""
    above = f"{os.sep}..{os.sep}"
    start = os.path.join(folder, "")
    for path in paths:
        if not path.startswith(start) or above in path or "\0" in path:
            raise ValueError(f"{path!r} leads out of {folder}")


def class_number(value: Any, count: int, first: int = 0) -> int:
    """The class that a file writes, counted from `first`; ValueError where it is none of `count`."""
    number = int(value) - first
    if not 0 <= number < count:
        raise ValueError(f"class {value} of {count}")
    return number


def numbered(classes: Iterable[str]) -> dict[str, int]:
    """Returns the number of each class."""
    return {name: index for index, name in enumerate(classes)}


def lines_of(*path: str) -> list[str]:
    """Returns the lines of a text file that are not empty, without what surrounds them."""
    with open(os.path.join(*path), encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip()]
