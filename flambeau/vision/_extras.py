"""The optional packages that vision makes use of, each loaded by whoever needs it first."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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


_PIXELS = 1 << 23
_PIXELS_PER_BYTE = 8 * 1032
"""No picture that is whole has more pixels than this for each byte, beside the first: deflate makes
at most 1032 bytes of one, and a byte holds eight pixels."""


@contextmanager
def picture_errors(name: Any) -> Iterator[None]:
    """Makes an OSError that names the file of whatever Pillow raises for a damaged picture.

    Pillow's own OSErrors without a file's name (such as "image file is truncated") get it too.
    """
    image = pillow()
    try:
        yield
    except image.UnidentifiedImageError as error:
        raise image.UnidentifiedImageError(f"cannot identify image file {name!r}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise OSError(f"{name} is no picture that can be read: {error}") from error
    except (ArithmeticError, AttributeError, AssertionError, EOFError, LookupError,
            NotImplementedError, SyntaxError, TypeError, ValueError, RuntimeError,
            image.DecompressionBombError) as error:  # fmt: skip
        what = str(error) or type(error).__name__
        raise OSError(f"{name} is no picture that can be read: {what}") from error
    except Exception as error:
        if type(error).__module__ in ("struct", "zlib"):  # their only exceptions
            raise OSError(f"{name} is no picture that can be read: {error}") from error
        raise


def check_pixels(width: int, height: int, size: int) -> None:
    """Refuses a picture whose header announces more than its `size` bytes can hold.

    Pillow takes the memory for all of a picture before it reads any.

    Raises:
        ValueError: it has too many pixels.
    """
    if width * height > _PIXELS + _PIXELS_PER_BYTE * size:
        raise ValueError(f"{size} bytes can't hold {width}x{height} pixels")


def check_header(head: bytes, size: int) -> None:
    """The same for WebP, of which Pillow takes the memory as it opens a file.

    Args:
        head: the file's first 30 bytes.
        size: its length.
    """
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP" or len(head) < 30:
        return
    kind, body = head[12:16], head[20:30]
    if kind == b"VP8X":
        sides = (int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1)
    elif kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        sides = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        sides = (
            int.from_bytes(body[6:8], "little") & 0x3FFF,
            int.from_bytes(body[8:10], "little") & 0x3FFF,
        )
    check_pixels(sides[0], sides[1], size)


_COMMON = ("JPEG", "PNG", "BMP", "PPM", "GIF")
_FORMATS = (*_COMMON, "AVIF", "DIB", "JPEG2000", "MPO", "PCX", "QOI", "SGI", "TGA", "TIFF", "WEBP")
"""What is read, whatever a file's name ends in. Not among them is what Pillow gives to other
programs: an EPS file is a program for Ghostscript."""


def _opened(file: Any) -> Any:
    image = pillow()
    try:
        return image.open(file, formats=_COMMON)
    except image.UnidentifiedImageError:
        image.init()
        file.seek(0)
        return image.open(file, formats=[name for name in _FORMATS if name in image.OPEN])


def open_picture(path: str | os.PathLike[str], mode: str | None = None) -> Any:
    """A picture file as a Pillow image, read to its end, in a mode ("RGB", ...) or as it is.

    Raises:
        OSError: the file can't be read, is no plain file, or no picture that is whole.
    """
    # A pipe in the picture's place is not waited for.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode):
        os.close(handle)
        raise OSError(f"{path} is no picture that can be read: it is no plain file")
    with open(handle, "rb") as file, picture_errors(path):
        check_header(file.read(30), about.st_size)
        file.seek(0)
        with _opened(file) as image:
            check_pixels(image.width, image.height, about.st_size)
            if mode is not None:
                return image.convert(mode)
            image.load()
            return image


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
