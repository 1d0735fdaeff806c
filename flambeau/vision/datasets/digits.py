"""The sample of MNIST that ships with flambeau."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

import flambeau as torch

from .in_memory import InMemory

__all__ = ["Digits"]

_FILE = os.path.join(os.path.dirname(os.path.dirname(__file__)), "data", "digits.npz")


class Digits(InMemory):
    """Real handwritten digits without a download: 10,000 for training and 2,000 for testing.

    They are MNIST's own, as many of each digit; the test digits are from MNIST's test set.

    Args:
        train: the training digits, else the test digits.
        transform: takes a Pillow image of mode "L", 28x28.
        target_transform: takes the digit, an int.

    Attributes:
        data: uint8 (N, 28, 28).
        targets: int64 (N,).
    """

    classes: ClassVar[list[str]] = [str(digit) for digit in range(10)]

    def __init__(
        self,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(transform=transform, target_transform=target_transform)
        self.train = train
        part = "train" if train else "test"
        with np.load(_FILE, allow_pickle=False) as arrays:
            images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]
        self._hold(torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64)))

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The number of each class."""
        return {name: index for index, name in enumerate(self.classes)}

    def extra_repr(self) -> str:
        """Returns the split's name."""
        return f"Split: {'Train' if self.train else 'Test'}"
