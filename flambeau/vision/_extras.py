"""The optional packages that vision makes use of, each loaded by whoever needs it first."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


def pillow() -> ModuleType:
    """Returns `PIL.Image`; where Pillow is missing, an ImportError that says how to install it."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            'this needs Pillow, which is not installed: pip install "flambeau[vision]"'
        ) from error
    return Image


def is_pil_image(value: Any) -> bool:
    """Says whether `value` is a Pillow image, without loading Pillow: one exists only if it is."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(value, module.Image)


class ProgressBar:
    """A tqdm bar over `total` bytes where tqdm is installed and `enabled`, else silence.

    A download never fails for want of a progress bar.
    """

    def __init__(self, total: int | None, description: str, enabled: bool = True) -> None:
        self._bar: Any = None
        if not enabled:
            return
        try:
            from tqdm.auto import tqdm
        except ImportError:
            return
        self._bar = tqdm(
            total=total, desc=description, unit="B", unit_scale=True, unit_divisor=1024
        )

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, amount: int) -> None:
        if self._bar is not None:
            self._bar.update(amount)
