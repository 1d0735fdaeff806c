"""Files as checkpoints need them: read at any place, written whole or not at all."""

from __future__ import annotations

import io
import os
from typing import Any, BinaryIO, Self

import numpy as np

from flambeau.serialization.whole_files import atomic_file

__all__ = ["Source", "atomic_file"]


class Source:
    """Random access to a file's bytes, from where a file object stands to its end.

    Args:
        f: a path, or a file object with `read` (and `seek` and `tell`, or it is read whole).
    """

    def __init__(self, f: Any) -> None:
        self._own = isinstance(f, (str, os.PathLike))
        self._file: Any
        if self._own:
            self.name = os.fspath(f)
            self._file = open(f, "rb")  # noqa: SIM115
        else:
            self.name = str(getattr(f, "name", type(f).__name__))
            self._file = f if _seekable(f) else io.BytesIO(f.read())
        self._base = self._file.tell()
        self.size: int = self._file.seek(0, os.SEEK_END) - self._base
        self._file.seek(self._base)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._own:
            self._file.close()

    def read(self, offset: int, count: int) -> bytes:
        """At most `count` bytes from `offset`: fewer at the end."""
        self._file.seek(self._base + offset)
        data: bytes = self._file.read(max(min(count, self.size - offset), 0))
        return data

    def read_array(self, offset: int, count: int) -> np.ndarray[Any, Any]:
        """`count` bytes from `offset` in memory of their own. The caller has checked the bounds."""
        array = np.empty(count, np.uint8)
        self._file.seek(self._base + offset)
        view = array.data
        if hasattr(self._file, "readinto"):
            done = 0
            while done < count and (step := self._file.readinto(view[done:])):
                done += step
        else:
            data = self._file.read(count)
            done = len(data)
            view[:done] = data
        if done != count:
            raise EOFError(f"{self.name}: the file ended while it was read")
        return array

    def map(self) -> np.ndarray[Any, Any]:
        """The whole file as memory, read when it is touched; writes stay in this process."""
        import mmap

        from flambeau.frontend.mapped import guard

        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_COPY)
        if len(mapped) < self.size:
            raise EOFError(f"{self.name}: the file became shorter while it was read")
        guard(mapped, self.name)
        return np.frombuffer(mapped, np.uint8)

    def whole(self) -> BinaryIO:
        """A file object over exactly these bytes, for readers of archives."""
        if self._base:
            return io.BytesIO(self.read(0, self.size))
        file: BinaryIO = self._file
        return file

    def leave_at(self, offset: int) -> None:
        """Where the caller's file object is to stand afterwards."""
        if not self._own:
            self._file.seek(self._base + offset)


def _seekable(f: Any) -> bool:
    if not hasattr(f, "read"):
        raise AttributeError(
            f"expected a path, or a file object opened for reading in binary mode, "
            f"but got {type(f).__name__!r}, which has no read()"
        )
    if isinstance(f, io.TextIOBase):
        raise TypeError("the file is open in text mode: open it with mode 'rb'")
    try:
        f.seek(f.tell())
    except (AttributeError, OSError):
        return False
    return True
