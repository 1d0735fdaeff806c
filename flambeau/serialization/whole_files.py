"""Files that appear under their name whole or not at all, whatever moment the process dies.

Where the file system can (Linux: ext4, xfs, btrfs, tmpfs …) the content goes into a file without a
name, which the kernel frees if the process dies. When it is complete and on the disk it is given
its name: at once where there is none of that name yet; else by way of a scratch name, since only a
rename replaces. A process that is killed between those two calls leaves one whole file under the
scratch name. Elsewhere (network file systems, other systems) the content is written under the
scratch name from the start, and a process that is killed leaves what it had written there.

Scratch names are `.flambeau-<host>-<digits>.partial`. Their writer holds a lock (flock) on them
until they have their name, and the kernel takes it away from whoever dies, so that the next save
into the folder can tell a leftover from a file that somebody is writing, and removes the former.
Process ids and clocks have no part in this.
"""

from __future__ import annotations

import errno
import functools
import io
import os
import re
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from typing import Any, BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_SCRATCH = re.compile(r"\.flambeau-([0-9a-f]{8})-[0-9a-f]{16}\.partial")
_FOREIGN_AGE = 86400.0
"""Seconds for which another host's scratch file is left alone: its locks may not reach us."""
_LOOK_AGAIN = 600.0
"""Seconds between two looks for leftovers in one folder."""
_FOLDERS = 64
"""Folders of which the time of the last look is remembered."""

_OPEN_FILES = ("/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/")
"""Names of files that are open already, which can only be written where they are."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY)
_TOO_MANY = (errno.EMFILE, errno.ENFILE)
_NO_UNNAMED = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT, errno.ENOSYS)
"""How systems say that they have no unnamed files."""
_NO_LINKS = (errno.EXDEV, errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)

_looked: dict[str, float] = {}


@contextmanager
def atomic_file(path: Any, *, sync: bool = True) -> Iterator[BinaryIO]:
    """A file for writing, and reading back, that takes the name `path` when the block ends.

    Until then, and if the block raises, whatever was under that name stays; nothing else is left
    either. The permissions, the owner (where the system lets us) and the access list of a file
    that is replaced are kept, a symbolic link is followed, and other hard links to the old file
    keep the old content, as do memory maps of it. Devices and pipes are written directly.

    Args:
        path: text or a path object.
        sync: whether the content has to be on the disk before it gets its name. False is for
            files that can be had again: a power failure may leave them short.

    Raises:
        RuntimeError: the folder does not exist, or the name is empty.
        OSError: the system refused, by its kind; the message says what to do.
    """
    name = os.fsdecode(os.fspath(path))
    target, about = _resolve(name)
    if target is None:
        with open(name, "wb") as direct:
            yield direct
        return
    scratch = _Scratch(target)
    try:
        with _explained(target):
            file = io.BufferedRandom(scratch.open())
        _look_for_leftovers(scratch)
        yield file
        _refuse_zeros()
        with _explained(target):
            file.flush()
            scratch.publish(about, sync)
        if sync:
            _sync_folder(scratch.folder, target)
    finally:
        scratch.discard()


def _refuse_zeros() -> None:
    """An error if what was written came from a mapped file that was made shorter meanwhile."""
    mapped = sys.modules.get("flambeau.frontend.mapped")
    if mapped is not None:
        mapped.tell()


def _resolve(name: str) -> tuple[str | None, os.stat_result | None]:
    """The file that is to be replaced or made, and what is there now; None where `name` is to be
    written directly, or where open() knows better what is wrong with it."""
    if not name:
        raise RuntimeError("invalid file name: ''")
    try:
        about = os.stat(name)
    except (FileNotFoundError, NotADirectoryError):
        about = None
    if about is not None and not stat.S_ISREG(about.st_mode):
        return None, about
    if os.path.abspath(name).startswith(_OPEN_FILES):
        return None, about
    target = os.path.realpath(name)
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise RuntimeError(f"Parent directory {folder} does not exist.")
    if about is None:
        return (target, None) if os.path.basename(name) else (None, None)
    if os.path.exists(target) and not os.access(target, os.W_OK):
        raise PermissionError(
            errno.EACCES, "Permission denied (the file is there and write-protected)", target
        )
    return target, about


class _Raw(io.FileIO):
    """The file under the buffer, whose errors speak of the file that the user named."""

    target = ""

    def write(self, data: Any) -> int:
        """As a file's; may write less than it is given."""
        with _explained(self.target):
            return super().write(data)


_read_and_write = functools.partial(_Raw, mode="w+")


class _Scratch:
    """The file that is written: unnamed (`path` is None) or under a scratch name."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.folder = os.path.dirname(target)
        self.path: str | None = None
        self.raw: _Raw = _Raw.__new__(_Raw)  # closed

    def open(self) -> _Raw:
        """Make the file."""
        found = self._unnamed()
        self.raw = self._named() if found is None else found
        return self.raw

    def _unnamed(self) -> _Raw | None:
        flag = getattr(os, "O_TMPFILE", None)
        if flag is None:
            return None
        try:
            raw = self._file(self.folder, flag | os.O_RDWR)
        except OSError as error:
            if error.errno in _NO_UNNAMED:
                return None
            raise
        try:
            if os.path.samestat(os.stat(_in_proc(raw)), os.fstat(raw.fileno())):
                return raw
        except OSError:
            pass  # no /proc, without which it can't be given a name
        raw.close()
        return None

    def _named(self) -> _Raw:
        """A new file under a scratch name, locked."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        while True:
            self.path = self._new_name()
            raw = self._file(self.path, flags)
            _lock(raw.fileno())
            # Before the lock another save can have taken it for a leftover.
            if os.path.exists(self.path):
                return raw
            raw.close()

    def _file(self, path: str, flags: int) -> _Raw:
        """A new file, with the permissions that the umask leaves."""
        # One call that comes back to Python with an object that owns the descriptor: between two,
        # Ctrl-C would lose it.
        raw: _Raw = next(map(_read_and_write, map(os.open, [path], [flags], [0o666])))
        raw.target = self.target
        return raw

    def _new_name(self) -> str:
        return os.path.join(self.folder, f".flambeau-{_host()}-{os.urandom(8).hex()}.partial")

    def publish(self, about: os.stat_result | None, sync: bool) -> None:
        """Give the complete content its name, in the place of the file `about`, if any."""
        if sync:
            os.fsync(self.raw.fileno())
        if about is not None:
            _keep_attributes(self.target, about, self.raw.fileno())
        if self.path is None:
            try:
                if self._linked(about is not None):
                    return
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                self._copy(about, sync)
        if os.name == "nt":
            self.raw.close()  # an open file can't be renamed there
        assert self.path is not None
        os.replace(self.path, self.target)
        self.path = None

    def _linked(self, replaces: bool) -> bool:
        """Give the unnamed file a name; whether it is the one that it is to have."""
        if not replaces:
            with suppress(FileExistsError):  # somebody was faster
                _link(self.raw, self.target)
                return True
        _lock(self.raw.fileno())
        self.path = self._new_name()
        _link(self.raw, self.path)
        return False

    def _copy(self, about: os.stat_result | None, sync: bool) -> None:
        """Write the content again under a scratch name: this system names no unnamed file."""
        source = self.raw
        self.raw = self._named()
        with source:
            source.seek(0)
            while chunk := source.read(1 << 22):
                left = memoryview(chunk)
                while left:
                    left = left[self.raw.write(left) :]
        if about is not None:
            _keep_attributes(self.target, about, self.raw.fileno())
        if sync:
            os.fsync(self.raw.fileno())

    def discard(self) -> None:
        """Let go of the file; what was not published vanishes."""
        if self.path is not None:
            if os.name == "nt":
                self.raw.close()
            with suppress(FileNotFoundError):
                os.unlink(self.path)
        with suppress(OSError):  # what was published is on the disk already
            self.raw.close()


def _in_proc(raw: io.FileIO) -> str:
    return f"/proc/self/fd/{raw.fileno()}"


def _link(raw: io.FileIO, path: str) -> None:
    # Without a folder's descriptor Python before 3.13 calls link(), which doesn't follow the link
    # in /proc. The descriptor itself is not looked at, since the path is absolute.
    os.link(_in_proc(raw), path, src_dir_fd=raw.fileno(), follow_symlinks=True)


def _lock(descriptor: int) -> bool:
    """Whether a file could be locked; never waits."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@functools.cache
def _host() -> str:
    """Eight digits for the running system: on it, locks hold between processes."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            found = file.read(64)
    except OSError:
        import socket

        found = socket.gethostname().encode()
    return blake2b(found, digest_size=4).hexdigest()


def _keep_attributes(old: str, about: os.stat_result, descriptor: int) -> None:
    """Owner, permissions and access list of the file that is replaced."""
    if os.name == "nt":
        return
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (about.st_uid, about.st_gid):
        with suppress(OSError):  # only root may give files away
            os.fchown(descriptor, about.st_uid, about.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(about.st_mode))
    if not hasattr(os, "listxattr"):
        return
    with suppress(OSError):
        for name in os.listxattr(old):
            if name == "system.posix_acl_access" or name.startswith("user."):
                os.setxattr(descriptor, name, os.getxattr(old, name))


def _sync_folder(folder: str, target: str) -> None:
    """Have the new name on the disk too, where the system can do that."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    except OSError:
        return  # Windows, and folders that may be written but not read
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno == errno.EIO or error.errno in _FULL:
            raise OSError(
                error.errno,
                f"{error.strerror} (the new file is in its place and whole, but its folder could "
                "not be written to the disk: save it again)",
                target,
            ) from error
    finally:
        with suppress(OSError):
            os.close(descriptor)


# --- what is left of processes that have died ----------------------------------------------------


def _look_for_leftovers(scratch: _Scratch) -> None:
    """Remove the scratch files of dead processes from a folder, now and then."""
    now = time.monotonic()
    last = _looked.get(scratch.folder)
    if last is not None and now - last < _LOOK_AGAIN:
        return
    if len(_looked) >= _FOLDERS:
        _looked.clear()
    _looked[scratch.folder] = now
    with suppress(OSError), os.scandir(scratch.folder) as entries:
        # The file system's own idea of the time, which may be another machine's.
        today = os.fstat(scratch.raw.fileno()).st_mtime
        for entry in entries:
            matched = _SCRATCH.fullmatch(entry.name)
            if matched and entry.path != scratch.path and entry.is_file(follow_symlinks=False):
                with suppress(OSError):
                    _remove_leftover(entry.path, matched[1] == _host(), today)


def _remove_leftover(path: str, ours: bool, today: float) -> None:
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    try:
        about = os.fstat(descriptor)
        mine = about.st_uid == getattr(os, "geteuid", lambda: about.st_uid)()
        if mine and (ours or today - about.st_mtime > _FOREIGN_AGE) and _lock(descriptor):
            os.unlink(path)
    finally:
        os.close(descriptor)


# --- errors --------------------------------------------------------------------------------------


@contextmanager
def _explained(target: str) -> Iterator[None]:
    """Makes the system's errors speak of `target` and say what to do."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename == target:
            raise
        text = "not saved; what was under this name is as it was"
        if error.errno in _FULL:
            text += ". Make room, or save to another disk"
        elif error.errno in _REFUSED:
            text += (
                ". The folder has to be writable, since the file is replaced as a whole: save "
                "elsewhere, or give an open file instead of a path"
            )
        elif error.errno in _TOO_MANY:
            text += ". Close files, or raise the limit (ulimit -n)"
        raise OSError(error.errno, f"{error.strerror} ({text})", target) from error


# --- file objects of the caller's ----------------------------------------------------------------


class WholeWrites:
    """Writes all it is given to an unbuffered file, whose own write() may take less."""

    def __init__(self, file: io.RawIOBase) -> None:
        self._file = file

    def write(self, data: Any) -> int:
        """The number of bytes of `data`. BlockingIOError: the file is a pipe or socket that
        doesn't wait, and takes no more."""
        view = left = memoryview(data).cast("B")
        while left:
            done = self._file.write(left)
            if not done:
                raise BlockingIOError(
                    errno.EAGAIN,
                    "the file takes no more now: give a file that waits (os.set_blocking), or "
                    "save into an io.BytesIO",
                    len(view) - len(left),
                )
            left = left[done:]
        return len(view)


def sink(file: Any) -> Any:
    """An object whose write() takes everything: `file` itself, unless it is unbuffered."""
    inner = getattr(file, "file", file)  # tempfile wraps the file that it has opened
    return WholeWrites(inner) if isinstance(inner, io.RawIOBase) else file
