"""Noise in the shape of a data set, for trying things out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau as torch

from ..transforms.functional import to_pil_image
from .vision import VisionDataset

__all__ = ["FakeData"]


class FakeData(VisionDataset):
    """Random pictures with random classes, the same for an index every time.

    Args:
        size: number of samples.
        image_size: (channels, height, width) of a picture.
        num_classes: number of classes.
        transform: takes a Pillow image.
        target_transform: takes the class, an int.
        random_offset: added to the index to make a sample's seed.
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, ...] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(transform=transform, target_transform=target_transform)
        self.size = size
        self.num_classes = num_classes
        self.image_size = image_size
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Returns (picture, class), both transformed.

        Raises:
            IndexError: `index` is past the end.
        """
        if index >= len(self):
            raise IndexError(f"{type(self).__name__} index out of range: {index} of {len(self)}")
        generator = torch.Generator()
        generator.manual_seed(index + self.random_offset)
        noise = torch.randn(*self.image_size, generator=generator)
        target = torch.randint(0, self.num_classes, (1,), generator=generator)
        return self._transformed(to_pil_image(noise), int(target.item()))

    def __len__(self) -> int:
        return self.size
