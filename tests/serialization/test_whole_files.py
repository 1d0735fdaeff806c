"""Files that are written whole or not at all: where they lie, and what goes wrong."""

from __future__ import annotations

import errno
import gc
import gzip
import io
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import flambeau as torch
from flambeau.serialization import whole_files
from flambeau.serialization.whole_files import atomic_file

linux = pytest.mark.skipif(sys.platform != "linux", reason="the system has its own ways")
without_root = pytest.mark.skipif(
    getattr(os, "geteuid", lambda: 1)() == 0, reason="root may write anywhere"
)


@pytest.fixture(params=["unnamed", "named"])
def scratch(request: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of writing, also where the file system has the better one."""
    whole_files._looked.clear()
    if request.param == "named":
        monkeypatch.setattr(whole_files._Scratch, "_unnamed", lambda self: None)
    return str(request.param)


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_nothing_is_there_before_the_end(scratch: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    for content in (b"one", b"two"):
        before = path.read_bytes() if path.exists() else None
        with atomic_file(path) as file:
            file.write(content)
            assert (path.read_bytes() if path.exists() else None) == before
        assert path.read_bytes() == content
    assert names(tmp_path) == ["a.pt"]


def test_an_error_leaves_what_was_there(scratch: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(b"old")
    for kind in (ValueError, KeyboardInterrupt, SystemExit):
        with pytest.raises(kind), atomic_file(path) as file:
            file.write(b"new" * 10000)
            raise kind
    assert names(tmp_path) == ["a.pt"]
    assert path.read_bytes() == b"old"
    with pytest.raises(Exception, match="lambda"):
        torch.save({"a": torch.ones(5), "b": lambda: 1}, path)
    assert names(tmp_path) == ["a.pt"] and path.read_bytes() == b"old"


@linux
def test_permissions(scratch: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    mask = os.umask(0o027)
    try:
        torch.save(torch.ones(1), path)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o604)
    try:
        os.setxattr(path, "user.note", b"kept")
    except OSError:
        noted = False
    else:
        noted = True
    torch.save(torch.ones(2), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604
    assert not noted or os.getxattr(path, "user.note") == b"kept"


def test_links(scratch: str, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    path = tmp_path / "real" / "a.pt"
    torch.save(torch.ones(1), path)
    os.link(path, tmp_path / "hard.pt")
    os.symlink(path, tmp_path / "soft.pt")
    torch.save(torch.ones(2), tmp_path / "soft.pt")
    assert (tmp_path / "soft.pt").is_symlink()
    assert torch.load(path).tolist() == [1.0, 1.0]
    assert torch.load(tmp_path / "hard.pt").tolist() == [1.0]  # keeps the old content
    os.symlink(tmp_path / "real" / "later.pt", tmp_path / "dangling.pt")
    torch.save(torch.ones(3), tmp_path / "dangling.pt")
    assert torch.load(tmp_path / "real" / "later.pt").numel() == 3
    os.symlink("round", tmp_path / "round")
    with pytest.raises(OSError, match="symbolic links"):
        torch.save(torch.ones(1), tmp_path / "round")


class Bytes:
    """A path object whose path is bytes."""

    def __init__(self, path: Path) -> None:
        self._path = os.fsencode(path)

    def __fspath__(self) -> bytes:
        return self._path


def test_names(scratch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    longest = "é" * 127
    for name in ("a.pt", "с пробелом и é.pt", longest, ".hidden", "no ending", "new\nline"):
        for _ in range(2):  # new, and over what is there
            torch.save(torch.ones(2), name)
            assert torch.load(tmp_path / name).tolist() == [1.0, 1.0]
    assert len(names(tmp_path)) == 6
    with atomic_file(Bytes(tmp_path / "bytes.pt")) as file:
        file.write(b"1")
    assert (tmp_path / "bytes.pt").read_bytes() == b"1"


def test_the_folder_may_change_meanwhile(scratch: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    with atomic_file("a.pt") as file:
        os.chdir("other")
        file.write(b"1")
    assert names(tmp_path) == ["a.pt", "other"]


def test_wrong_targets(scratch: str, tmp_path: Path) -> None:
    x = torch.ones(1)
    with pytest.raises(RuntimeError, match="Parent directory .*missing does not exist"):
        torch.save(x, tmp_path / "missing" / "a.pt")
    with pytest.raises(IsADirectoryError):
        torch.save(x, tmp_path)
    with pytest.raises(OSError):
        torch.save(x, str(tmp_path / "a.pt") + os.sep)
    with pytest.raises(RuntimeError, match="invalid file name"):
        torch.save(x, "")
    with pytest.raises(OSError, match="too long"):
        torch.save(x, tmp_path / ("a" * 300))
    with pytest.raises(ValueError, match="null"):
        torch.save(x, str(tmp_path / "a\0b"))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RuntimeError, match="does not exist"):
        torch.save(x, tmp_path / "file" / "a.pt")
    assert names(tmp_path) == ["file"]


@without_root
def test_what_may_not_be_written(scratch: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save(torch.ones(1), path)
    path.chmod(0o444)
    with pytest.raises(PermissionError, match="write-protected"):
        torch.save(torch.ones(2), path)
    path.chmod(0o644)
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(PermissionError, match="folder has to be writable"):
            torch.save(torch.ones(2), path)
    finally:
        tmp_path.chmod(0o755)
    assert torch.load(path).numel() == 1 and names(tmp_path) == ["a.pt"]


@linux
def test_devices_and_pipes_are_written_directly(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught:
        torch.save(torch.ones(5), "/dev/full")
    assert caught.value.errno == errno.ENOSPC
    torch.save(torch.ones(5), "/dev/null")
    os.mkfifo(tmp_path / "pipe")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    torch.save(torch.arange(20000), tmp_path / "pipe")
    reader.join()
    assert torch.load(io.BytesIO(got[0])).numel() == 20000
    code = "import flambeau as t; t.save(t.ones(3), '/dev/stdout')"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert torch.load(io.BytesIO(out.stdout)).tolist() == [1.0, 1.0, 1.0]


def test_saving_over_the_file_that_is_mapped(scratch: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save({"a": torch.arange(50000.0)}, path)
    for _ in range(3):
        found = torch.load(path, mmap=True)
        found["b"] = found["a"][:10]
        torch.save(found, path)
    again = torch.load(path, mmap=True)
    assert torch.equal(again["a"], torch.arange(50000.0)) and again["b"].tolist()[9] == 9.0
    assert torch.equal(found["a"], torch.arange(50000.0))


def test_many_at_once(scratch: str, tmp_path: Path) -> None:
    """Threads that save under one name: one of them wins, as a whole."""
    path = tmp_path / "a.pt"
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for _ in range(8):
                torch.save(torch.full((2000 + number,), float(number)), path)
                found = torch.load(path)
                assert found.numel() == 2000 + int(found[0]) and found.min() == found.max()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failed == []
    assert names(tmp_path) == ["a.pt"]


@linux
def test_an_interrupt_leaves_nothing(scratch: str, tmp_path: Path) -> None:
    """Ctrl-C at many moments of many saves."""
    path = tmp_path / "a.pt"
    state = {"a": torch.ones(100_000), "n": 0}
    torch.save(state, path)
    before = len(os.listdir("/proc/self/fd"))
    old = signal.signal(signal.SIGALRM, signal.default_int_handler)
    interrupted = 0
    try:
        for number in range(60):
            signal.setitimer(signal.ITIMER_REAL, 0.0002 + 0.0001 * number)
            try:
                for _ in range(50):
                    torch.save(state, path)
            except KeyboardInterrupt:
                interrupted += 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            assert torch.load(path)["a"].sum() == 100_000
    finally:
        signal.signal(signal.SIGALRM, old)
    assert interrupted > 30
    gc.collect()
    whole_files._looked.clear()
    torch.save(state, path)
    assert names(tmp_path) == ["a.pt"]
    assert len(os.listdir("/proc/self/fd")) <= before + 1


# --- leftovers -----------------------------------------------------------------------------------


def leftover(folder: Path, host: str | None = None, number: int = 0) -> Path:
    host = whole_files._host() if host is None else host
    path = folder / f".flambeau-{host}-{number:016x}.partial"
    path.write_bytes(b"half a file")
    return path


@linux
def test_leftovers_of_the_dead_are_removed(scratch: str, tmp_path: Path) -> None:
    gone = leftover(tmp_path)
    others = [
        leftover(tmp_path, "0" * 8),  # another host's, and not a day old
        tmp_path / ".flambeau-notes.partial",
        tmp_path / ".a.pt.1234.partial",
    ]
    for each in others[1:]:
        each.write_bytes(b"somebody's")
    os.symlink(
        tmp_path / "elsewhere", tmp_path / f".flambeau-{whole_files._host()}-{5:016x}.partial"
    )
    torch.save(torch.ones(1), tmp_path / "a.pt")
    assert not gone.exists() and all(each.exists() for each in others)
    assert len(names(tmp_path)) == 5
    os.utime(others[0], (0, 0))
    whole_files._looked.clear()
    torch.save(torch.ones(1), tmp_path / "a.pt")
    assert not others[0].exists()


@linux
def test_files_that_are_being_written_are_left_alone(tmp_path: Path, monkeypatch: Any) -> None:
    """Another process's, and another thread's of this one."""
    monkeypatch.setattr(whole_files._Scratch, "_unnamed", lambda self: None)
    with atomic_file(tmp_path / "a.pt") as file:
        file.write(b"slowly")
        whole_files._looked.clear()
        torch.save(torch.ones(1), tmp_path / "b.pt")
        code = f"import flambeau as t; t.save(t.ones(1), {str(tmp_path / 'c.pt')!r})"
        subprocess.run([sys.executable, "-c", code], check=True)
        assert len(names(tmp_path)) == 3
    assert (tmp_path / "a.pt").read_bytes() == b"slowly"


# --- file objects --------------------------------------------------------------------------------


class Sips(io.RawIOBase):
    """An unbuffered file that takes less than it is given, as pipes do."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        taken = bytes(data[:777])
        self.data += taken
        return len(taken)


@pytest.mark.parametrize("new_form", [True, False])
def test_unbuffered_files_get_everything(new_form: bool, tmp_path: Path) -> None:
    state = {"a": torch.arange(5000)}
    file = Sips()
    torch.save(state, file, _use_new_zipfile_serialization=new_form)
    assert torch.equal(torch.load(io.BytesIO(bytes(file.data)))["a"], state["a"])
    with tempfile.NamedTemporaryFile(buffering=0) as named:
        torch.save(state, named, _use_new_zipfile_serialization=new_form)
        named.seek(0)
        assert torch.load(named)["a"].numel() == 5000
    with gzip.open(tmp_path / "a.gz", "wb") as packed:
        torch.save(state, packed, _use_new_zipfile_serialization=new_form)
    with gzip.open(tmp_path / "a.gz", "rb") as packed:
        assert torch.load(packed)["a"].numel() == 5000


def test_sockets_and_full_pipes() -> None:
    left, right = socket.socketpair()
    got: list[bytes] = []

    def read() -> None:
        with right.makefile("rb") as file:
            got.append(file.read())

    reader = threading.Thread(target=read)
    reader.start()
    with left, left.makefile("wb", buffering=0) as file:
        torch.save(torch.arange(100_000), file)
    left.close()
    reader.join()
    right.close()
    assert torch.load(io.BytesIO(got[0])).numel() == 100_000
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with open(reading, "rb"), open(writing, "wb", buffering=0) as pipe:
        with pytest.raises(BlockingIOError, match="takes no more"):
            torch.save(torch.arange(100_000), pipe)


# --- other writers -------------------------------------------------------------------------------


@pytest.fixture
def pictures() -> Iterator[Callable[..., Any]]:
    pytest.importorskip("PIL")
    from flambeau.vision.utils import save_image

    yield save_image


def test_pictures_are_whole(pictures: Callable[..., Any], tmp_path: Path) -> None:
    for name in ("a.png", "b.jpg", "c.tiff", "d.bmp"):
        for _ in range(2):
            pictures(torch.rand(3, 8, 8), tmp_path / name)
        assert (tmp_path / name).stat().st_size > 50
    with pytest.raises(ValueError, match="unknown file extension"):
        pictures(torch.rand(3, 8, 8), tmp_path / "e.nothing")
    with pytest.raises(FileNotFoundError):
        pictures(torch.rand(3, 8, 8), tmp_path / "missing" / "a.png")
    assert len(names(tmp_path)) == 4
