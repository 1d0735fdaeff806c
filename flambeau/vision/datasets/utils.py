"""Getting files: download, checksum, extraction.

A file appears under its name only when it is whole: it is written beside its place under another
name and renamed at the end.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

from .._extras import ProgressBar

__all__ = [
    "calculate_md5",
    "check_integrity",
    "check_md5",
    "download_and_extract_archive",
    "download_from_mirrors",
    "download_url",
    "extract_archive",
]

_CHUNK = 1 << 20
_TIMEOUT = 30.0

_Path = str | os.PathLike[str]


def calculate_md5(fpath: _Path, chunk_size: int = _CHUNK) -> str:
    """Returns the file's MD5 in hexadecimal."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(fpath, "rb") as file:
        while chunk := file.read(chunk_size):
            digest.update(chunk)
    return digest.hexdigest()


def check_md5(fpath: _Path, md5: str) -> bool:
    """Says whether the file's MD5 is `md5`."""
    return md5 == calculate_md5(fpath)


def check_integrity(fpath: _Path, md5: str | None = None) -> bool:
    """Says whether the file is there and, where `md5` is given, has that checksum."""
    return os.path.isfile(fpath) and (md5 is None or check_md5(fpath, md5))


def download_url(
    url: str, root: _Path, filename: str | None = None, md5: str | None = None
) -> None:
    """Downloads a file into the folder `root`, unless it is there already.

    Args:
        url: where it is; http, https or file.
        root: the folder, which is made where it is missing.
        filename: its name there; the last part of the address by default.
        md5: its checksum; None takes what comes.

    Raises:
        RuntimeError: it can't be had, or is not what its checksum says. Nothing is left behind.
    """
    filename = filename or os.path.basename(url)
    download_from_mirrors([url], root, filename, md5)


def download_from_mirrors(
    urls: Sequence[str], root: _Path, filename: str, md5: str | None = None
) -> None:
    """Downloads a file from the first address that gives it; else as `download_url`."""
    root = os.path.abspath(os.path.expanduser(root))
    target = os.path.join(root, filename)
    if check_integrity(target, md5):
        return
    failures = []
    for url in urls:
        try:
            _fetch(url, target, md5)
            return
        except (OSError, ValueError, _BadDownloadError) as error:
            failures.append(f"  {url}: {error or type(error).__name__}")
    checksum = f" (md5 {md5})" if md5 else ""
    raise RuntimeError(
        "\n".join(
            [
                f"{filename} could not be downloaded:",
                *failures,
                f"Without a network, put the file{checksum} into {root} by hand.",
            ]
        )
    )


class _BadDownloadError(Exception):
    """What came is not what was asked for."""


def _fetch(url: str, target: str, md5: str | None) -> None:
    from http.client import HTTPException
    from urllib.request import Request, urlopen

    request = Request(url, headers={"User-Agent": "flambeau"})
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with urlopen(request, timeout=_TIMEOUT) as response, whole_file(target, sync=True) as file:
            length = response.headers.get("Content-Length")
            total = int(length) if length and length.isdigit() else None
            received = 0
            with ProgressBar(total, os.path.basename(target)) as bar:
                while chunk := response.read(_CHUNK):
                    file.write(chunk)
                    digest.update(chunk)
                    received += len(chunk)
                    bar.update(len(chunk))
            if total is not None and received != total:
                raise _BadDownloadError(f"the connection ended after {received} of {total} bytes")
            if md5 is not None and digest.hexdigest() != md5:
                raise _BadDownloadError(
                    f"its md5 is {digest.hexdigest()}, not {md5}: the file there is another one"
                )
    except HTTPException as error:
        raise _BadDownloadError(f"{type(error).__name__}: {error}") from error


@contextmanager
def whole_file(target: str, *, sync: bool = False) -> Iterator[IO[bytes]]:
    """Opens a file for writing that takes the name `target` at the end, or vanishes on an error.

    Its folder is made. With `sync` it is on the disk before it has the name."""
    from flambeau.serialization.whole_files import atomic_file

    os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
    with atomic_file(target, sync=sync) as file:
        yield file


def extract_archive(
    from_path: _Path, to_path: _Path | None = None, remove_finished: bool = False
) -> str:
    """Extracts a tar (plain, gz, bz2 or xz), a zip, or one file compressed by gz, bz2 or xz.

    Args:
        from_path: the archive.
        to_path: the folder for what is in it, the archive's own by default.
        remove_finished: delete the archive afterwards.

    Returns:
        The folder; for a single compressed file, the file.

    Raises:
        RuntimeError: another kind of archive, one that is damaged, or one that holds links, paths
            that lead out of the folder or far more than its size. Nothing of it is there then.
    """
    from flambeau.utils import _archives

    from_path = os.fspath(from_path)
    folder = os.fspath(to_path) if to_path is not None else os.path.dirname(from_path)
    kind = _archives.kind_of(from_path)
    if not kind:
        raise RuntimeError(
            f"{from_path} is no archive of a known kind (tar, tgz, zip, gz, bz2, xz)"
        )
    result = folder
    if kind == "single":
        result = os.path.join(folder, os.path.splitext(os.path.basename(from_path))[0])
        with whole_file(result) as file:
            _archives.decompress(from_path, file)
    else:
        _archives.extract(from_path, folder or ".")
    if remove_finished:
        os.remove(from_path)
    return result


def download_and_extract_archive(
    url: str | Sequence[str],
    download_root: _Path,
    extract_root: _Path | None = None,
    filename: str | None = None,
    md5: str | None = None,
    remove_finished: bool = False,
) -> None:
    """Downloads an archive, from `url` or the first of several that gives it, and extracts it.

    See `download_url` and `extract_archive`.
    """
    urls = [url] if isinstance(url, str) else list(url)
    filename = filename or os.path.basename(urls[0])
    root = os.path.expanduser(download_root)
    download_from_mirrors(urls, root, filename, md5)
    extract_archive(os.path.join(root, filename), extract_root or root, remove_finished)


def damaged(path: Any, why: Any) -> RuntimeError:
    """Returns the error for a file, or a data set's files, that are not what they should be."""
    what = str(why) or type(why).__name__
    return RuntimeError(f"{path} is damaged: {what}. Delete it and get it anew")


@contextmanager
def well_formed(path: Any) -> Iterator[None]:
    """Makes the error of `damaged` of what goes wrong where a file is taken apart.

    That the file can't be read at all (OSError) stays what it is.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, EOFError, LookupError, RecursionError, SyntaxError,
            TypeError, ValueError) as error:  # fmt: skip
        raise damaged(path, f"{type(error).__name__}: {error}"[:300]) from error


def not_found(name: str, folder: Any, missing: Sequence[str]) -> RuntimeError:
    """Returns the error for files that are not there and were not to be downloaded."""
    return RuntimeError(
        f"Dataset not found. You can use download=True to download it: {name} misses "
        f"{', '.join(missing)} in {os.path.abspath(folder)}"
    )
