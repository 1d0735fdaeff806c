"""Data sets that are lists of picture files and classes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from .folder import default_loader
from .utils import not_found
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
        self._samples: list[tuple[str, int]] = self._list()

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


def numbered(classes: Iterable[str]) -> dict[str, int]:
    """Returns the number of each class."""
    return {name: index for index, name in enumerate(classes)}


def lines_of(*path: str) -> list[str]:
    """Returns the lines of a text file that are not empty, without what surrounds them."""
    with open(os.path.join(*path), encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip()]
