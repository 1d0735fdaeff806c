"""Compiled kernels, kept in memory and on disk by what they are.

A kernel is anything with `name`, `key` and `emit(target, symbol)` (see `codegen/kernel.py`). Its
object code lies in a file of its own, named by a hash of everything that the code depends on:
flambeau's sources, LLVM, the machine, the kernel's key. Files are written whole or not at all, and
carry a checksum of name and content; one that is not what it should be is deleted and made anew. A
directory that can't be read or written only costs the cache, and one that other users can write to
is not used: what lies there runs (docs/decisions/0024-the-kernel-cache-and-strangers.md).
"""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

from .. import config
from . import native

MAGIC = b"flambeau kernel 2\n"
KEEP = 4096
"""Kernels that stay in memory although no program uses them."""
MAX_FILES, MAX_BYTES = 4000, 256 << 20
MAX_FILE = 32 << 20
"""A file that is larger is none of ours; kernels take some 10 KB."""
LOOK_EVERY = 256
"""Files written by this process between two looks at the directory's size."""
DAY = 86400.0


class Kernel(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def key(self) -> Any: ...
    @property
    def emit(self) -> Callable[[Any, str], str]: ...


class Stats:
    """What the cache did in this process."""

    def __init__(self) -> None:
        self.compiled = 0
        self.seconds = 0.0
        """Spent in emitting and compiling."""
        self.from_disk = 0
        self.from_memory = 0
        self.rejected = 0
        """Files that were not what they should be."""

    def __repr__(self) -> str:
        return (
            f"{self.compiled} compiled in {self.seconds:.2f} s, {self.from_disk} from disk, "
            f"{self.from_memory} from memory, {self.rejected} files rejected"
        )


class Addresses(dict[str, int]):
    """Addresses of kernels by their key's text. They hold as long as this object lives."""

    def __init__(self) -> None:
        super().__init__()
        self.libraries: list[native.Library] = []


stats = Stats()
_loaded: OrderedDict[tuple[Any, str], tuple[int, native.Library]] = OrderedDict()
_written = 0


def addresses(kernels: Iterable[Kernel], target: Any = None) -> Addresses:
    """Where the kernels are, loading or compiling those that are not in memory.

    `target` is what they are made for, the host if None; it is what `emit` gets, and has the
    fields of `codegen.kernel.Target`. Safe in any thread. Raises `native.Unavailable` where
    there is no LLVM, and what `emit` or LLVM raise for a kernel that is wrong."""
    target = native.host() if target is None else target
    result = Addresses()
    for kernel in kernels:
        text = repr(kernel.key)
        if text not in result:
            with native.lock:
                address, library = _find(kernel, text, target)
            result[text] = address
            result.libraries.append(library)
    return result


def forget() -> None:
    """Drop what is in memory; code that is in use stays."""
    with native.lock:
        _loaded.clear()


def _find(kernel: Kernel, text: str, target: Any) -> tuple[int, native.Library]:
    found = _loaded.get((target, text))
    if found is not None:
        stats.from_memory += 1
        _loaded.move_to_end((target, text))
        return found
    digest = digest_of(text, target)
    symbol = f"{kernel.name}_{digest[:12]}"
    library = _from_disk(digest, symbol)
    if library is None:
        start = time.perf_counter()
        code = native.compile_module(kernel.emit(target, symbol), target)
        stats.seconds += time.perf_counter() - start
        stats.compiled += 1
        library = native.load([code], [symbol])
        write(digest, code)
    found = _loaded[target, text] = (library.addresses[symbol], library)
    if len(_loaded) > KEEP:
        _loaded.popitem(last=False)
    return found


@cache
def _sources() -> bytes:
    """A hash of the sources that decide what code comes out."""
    package = Path(__file__).resolve().parent.parent
    hashed = blake2b(digest_size=16)
    with suppress(OSError):  # from a zip file: the version alone must do
        for path in sorted([*package.glob("codegen/**/*.py"), Path(native.__file__)]):
            hashed.update(str(path.relative_to(package)).encode() + path.read_bytes())
    version = getattr(sys.modules[__package__.split(".")[0]], "__version__", "")
    hashed.update(version.encode())
    return hashed.digest()


def digest_of(text: str, target: Any) -> str:
    """The name of the file of a kernel's code, `text` being its key's."""
    hashed = blake2b(_sources(), digest_size=20)
    hashed.update(repr((native.version(), tuple(target), text)).encode())
    return hashed.hexdigest()


# The directory.


@cache
def _prepared(path: str) -> tuple[Path | None, str]:
    """The directory, made if need be, or None and why it is not used."""
    directory = Path(path)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = directory.stat()
    except OSError as error:
        return None, f"{path} can't be had: {error.strerror}"
    if about.st_uid != _user(about.st_uid):
        return None, f"{path} belongs to another user"
    if os.name == "posix" and about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return None, f"other users can write to {path}: chmod go-w would make it usable"
    return directory, ""


def _user(default: int) -> int:
    """Whose files we trust; the default where there are no users."""
    getuid: Callable[[], int] = getattr(os, "geteuid", lambda: default)
    return getuid()


def directory() -> Path | None:
    """Where kernels are kept, or None where they are not."""
    return _prepared(config.cache_dir)[0] if config.cache_dir else None


def refusal() -> str:
    """Why kernels are not kept on disk; empty where they are."""
    return _prepared(config.cache_dir)[1] if config.cache_dir else "FLAMBEAU_CACHE_DIR is empty"


def checksum(digest: str, code: bytes) -> bytes:
    """What stands before the code in the file `digest`: of another name it is another."""
    return blake2b(code, digest_size=16, key=digest.encode()[:64]).digest()


def parse(content: bytes, digest: str) -> bytes | None:
    """The code in the content of the file `digest`; None where that is not what was written."""
    head = len(MAGIC) + 16
    code = content[head:]
    return code if content[:head] == MAGIC + checksum(digest, code) else None


_FLAGS = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))


def _content(path: Path) -> bytes | None:
    """A file of ours; b"" for what is none, None where there is nothing or it can't be read.

    Links are not followed, and a pipe in its place is not waited for.
    """
    try:
        handle = os.open(path, os.O_RDONLY | _FLAGS)
    except OSError:
        return None
    try:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode) or about.st_size > MAX_FILE:
            return b""
        if about.st_uid != _user(about.st_uid):
            return b""
        with open(handle, "rb", closefd=False) as file:
            return file.read(MAX_FILE + 1)
    except OSError:
        return None
    finally:
        os.close(handle)


def _from_disk(digest: str, symbol: str) -> native.Library | None:
    code = read(digest)
    if code is None:
        return None
    try:
        library = native.load([code], [symbol])
    except RuntimeError:
        reject(digest)
        return None
    stats.from_disk += 1
    return library


def read(digest: str) -> bytes | None:
    """The code in the file `digest`; None where there is none, or not what was written."""
    place = directory()
    if place is None:
        return None
    content = _content(place / digest)
    if content is None:
        return None
    code = parse(content, digest)
    if code is None:
        reject(digest)
    else:
        _touch(place / digest)
    return code


def reject(digest: str) -> None:
    """Delete a file that is not what it should be."""
    stats.rejected += 1
    place = directory()
    if place is not None:
        with suppress(OSError):
            (place / digest).unlink()


def _touch(path: Path) -> None:
    """Note the use of a file, at most once a day."""
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > DAY:
            os.utime(path)


def write(digest: str, code: bytes) -> None:
    """Keep code in the file `digest`, whole or not at all."""
    global _written
    place = directory()
    if place is None:
        return
    temporary = place / f"{digest}.{os.getpid()}.{threading.get_ident()}.tmp"
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)
        with open(handle, "wb") as file:
            file.write(MAGIC + checksum(digest, code) + code)
        os.replace(temporary, place / digest)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        return
    if _written % LOOK_EVERY == 0:
        with suppress(OSError):
            _shrink(place)
    _written += 1


def _shrink(place: Path) -> None:
    """Remove the files not used for longest, down to 3/4 of the bounds, and writers' leftovers."""
    files = []
    with os.scandir(place) as entries:
        for entry in entries:
            about = entry.stat(follow_symlinks=False)
            if entry.name.endswith(".tmp"):
                if time.time() - about.st_mtime > DAY:
                    with suppress(OSError):
                        os.unlink(entry.path)
            else:
                files.append((about.st_mtime, about.st_size, entry.path))
    total = sum(size for _, size, _ in files)
    if len(files) <= MAX_FILES and total <= MAX_BYTES:
        return
    count = len(files)
    for _, size, path in sorted(files):
        if count <= MAX_FILES * 3 // 4 and total <= MAX_BYTES * 3 // 4:
            return
        with suppress(OSError):
            os.unlink(path)
        count, total = count - 1, total - size
