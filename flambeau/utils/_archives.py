"""Archives from strangers: extracted whole or not at all, and only to where they belong.

What is in an archive goes into a scratch folder first and is moved when all of it is there, so that
a folder that is there is complete. Links, devices, names that lead out of the folder, and archives
that would become out of proportion large are refused.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

__all__ = ["decompress", "extract"]

_CHUNK = 1 << 20
_GROWTH, _SLACK = 200, 1 << 30
"""What is extracted may be this many times the archive's size, and these bytes more. Text and
label files shrink to a tenth at best."""
_MOST_AT_ONCE = 16 << 20
"""tarfile reads long names and the like in one go, by a length that the archive gives."""

_TARS = (".tgz", ".tbz2", ".tar", ".tar.gz", ".tar.bz2", ".tar.xz")
_SINGLE = (".gz", ".bz2", ".xz")


def kind_of(path: str) -> str:
    """What the file's name says that it is: "tar", "zip", "single", or "" for anything else."""
    name = os.path.basename(path).lower()
    if name.endswith(_TARS):
        return "tar"
    if name.endswith(".zip"):
        return "zip"
    return "single" if name.endswith(_SINGLE) else ""


def extract(path: str, folder: str) -> None:
    """Extracts a tar (plain, gz, bz2 or xz) or a zip into a folder, which is made.

    Raises:
        RuntimeError: the archive is damaged or hostile. Nothing of it is there then.
        OSError: it can't be read, or there is no room for what is in it.
    """
    made = not os.path.isdir(folder)
    scratch = os.path.join(folder, f".flambeau-{os.urandom(8).hex()}.extracting")
    os.makedirs(scratch)
    try:
        with _damage_named(path):
            (_untar if kind_of(path) == "tar" else _unzip)(path, scratch)
        _publish(scratch, folder, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if made:
            with suppress(OSError):  # not empty: it has succeeded
                os.rmdir(folder)


def decompress(path: str, file: IO[bytes]) -> None:
    """Writes what is in a file compressed by gzip, bzip2 or xz to `file`. Raises as `extract`."""
    with _damage_named(path), _opened(path) as source:
        shutil.copyfileobj(source, file, _CHUNK)


@contextmanager
def _damage_named(path: str) -> Iterator[None]:
    """Makes RuntimeErrors of what Python's modules raise for damaged archives."""
    from gzip import BadGzipFile
    from lzma import LZMAError

    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError, BadGzipFile,
            FileExistsError, NotADirectoryError, IsADirectoryError, NotImplementedError,
            ValueError, UnicodeError, OverflowError, IndexError, AssertionError) as error:  # fmt: skip
        what = str(error) or type(error).__name__
        raise RuntimeError(f"{path} is damaged: {what}. Delete it and get it anew") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise RuntimeError(f"{path} is damaged: {error}. Delete it and get it anew") from error


def _refused(path: str, why: str) -> RuntimeError:
    return RuntimeError(f"{path} is not extracted: {why}")


def _most(path: str) -> int:
    return _GROWTH * os.path.getsize(path) + _SLACK


class _Bounded:
    """A file for reading that gives no more than `most` bytes in all, and not too many at once."""

    def __init__(self, file: Any, path: str, most: int) -> None:
        self._file, self._path, self._most = file, path, most
        self.seek, self.tell, self.close = file.seek, file.tell, file.close
        self.last = b""

    def read(self, count: int = -1) -> bytes:
        if count > _MOST_AT_ONCE:
            raise _refused(self._path, f"a name or header in it is to have {count} bytes")
        data: bytes = self._file.read(_CHUNK if count < 0 else count)
        if self._file.tell() > self._most:
            raise _refused(self._path, f"more than {self._most} bytes would come out of it")
        self.last = data
        return data

    def __enter__(self) -> _Bounded:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _opened(path: str) -> _Bounded:
    """A file for reading what is compressed in a file, by the file's name."""
    import bz2
    import gzip
    import lzma

    name = path.lower()
    opener: Callable[..., Any] = open
    if name.endswith((".gz", ".tgz")):
        opener = gzip.open
    elif name.endswith((".bz2", ".tbz2")):
        opener = bz2.open
    elif name.endswith(".xz"):
        opener = lzma.open
    return _Bounded(opener(path, "rb"), path, _most(path))


def _untar(path: str, folder: str) -> None:
    with _opened(path) as source, tarfile.open(fileobj=source, mode="r:") as archive:  # type: ignore[call-overload]
        left = _most(path)
        while (member := archive.next()) is not None:
            archive.members.clear()  # it would keep them all
            if not (member.isfile() or member.isdir()):
                raise _refused(path, f"{member.name!r} in it is no plain file")
            left -= member.size
            if left < 0:  # a sparse file may claim any size
                raise _refused(path, f"more than {_most(path)} bytes would come out of it")
            target = _inside(folder, member.name, path)
            _write(target, None if member.isdir() else archive.extractfile(member))
        # tarfile takes a cut or spoilt header for the end, which is a block of zeros.
        if source.last != bytes(tarfile.BLOCKSIZE):
            raise ValueError("it ends in the middle")
        while source.read():  # up to the checksum of what is compressed
            pass


def _unzip(path: str, folder: str) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > _most(path):
            raise _refused(path, f"more than {_most(path)} bytes would come out of it")
        for member in members:
            mode = member.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refused(path, f"{member.filename!r} in it is no plain file")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise _refused(
                    path, f"{member.filename!r} in it is packed by method {member.compress_type}"
                )
            if member.flag_bits & 1:
                raise _refused(path, f"{member.filename!r} in it is encrypted")
            target = _inside(folder, member.filename, path)
            _write(target, None if member.is_dir() else archive.open(member))


def _inside(folder: str, name: str, archive: str) -> str:
    """Where the member `name` goes; an error where that is not within `folder`."""
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name:
        raise _refused(archive, f"{name!r} in it leads out of the folder")
    return os.path.join(folder, *(part for part in parts if part not in ("", ".")))


def _write(target: str, source: IO[bytes] | None) -> None:
    if source is None:
        os.makedirs(target, exist_ok=True)
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with source, open(target, "wb") as file:
        shutil.copyfileobj(source, file, _CHUNK)


def _publish(scratch: str, folder: str, archive: str) -> None:
    """Moves everything to where it belongs: folders that are there are joined, files replaced."""
    pending = [(scratch, folder)]
    while pending:
        source, target = pending.pop()
        for name in os.listdir(source):
            here, there = os.path.join(source, name), os.path.join(target, name)
            if not os.path.lexists(there):
                os.rename(here, there)
            elif os.path.isdir(here) != os.path.isdir(there):
                kinds = ("file", "folder")
                raise _refused(
                    archive,
                    f"{there} is a {kinds[os.path.isdir(there)]} here and a "
                    f"{kinds[os.path.isdir(here)]} in it",
                )
            elif os.path.isdir(here):
                pending.append((here, there))
            else:
                os.replace(here, there)
