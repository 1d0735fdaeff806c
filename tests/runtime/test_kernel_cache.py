"""Compiled kernels in memory and on disk."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from flambeau import config
from flambeau.engine import tiering
from flambeau.runtime import kernel_cache, native

from .kernels_for_tests import COUNT, source

pytestmark = pytest.mark.skipif(not native.available(), reason=native.reason())

KERNEL = source("count", COUNT)
TEXT = repr(KERNEL.key)


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache without content, in a directory of its own, that nobody else works with."""
    tiering.wait_for_compiler()
    monkeypatch.setattr(config, "cache_dir", str(tmp_path / "made" / "kernels"))
    monkeypatch.setattr(kernel_cache, "stats", kernel_cache.Stats())
    kernel_cache.forget()
    yield tmp_path / "made" / "kernels"
    kernel_cache.forget()


def works(address: int) -> bool:
    counts = np.zeros(5, np.int32)
    table = (ctypes.c_void_p * 1)(counts.ctypes.data)
    args = (ctypes.c_int64 * 1)(0)
    i64, pointer = ctypes.c_int64, ctypes.c_void_p
    ctypes.CFUNCTYPE(None, pointer, pointer, i64, i64, i64)(address)(table, args, 1, 4, 0)
    return counts.tolist() == [0, 1, 1, 1, 0]


def counted() -> tuple[int, int, int, int]:
    s = kernel_cache.stats
    return s.compiled, s.from_disk, s.from_memory, s.rejected


def test_memory_then_disk_then_compiler(empty: Path) -> None:
    assert works(kernel_cache.addresses([KERNEL, KERNEL])[TEXT])
    assert counted() == (1, 0, 0, 0)
    kernel_cache.addresses([KERNEL])
    assert counted() == (1, 0, 1, 0)
    kernel_cache.forget()
    assert works(kernel_cache.addresses([KERNEL])[TEXT])
    assert counted() == (1, 1, 1, 0)
    assert len(list(empty.iterdir())) == 1


@pytest.mark.parametrize("damage", ["cut", "empty", "changed", "other"])
def test_what_is_damaged_is_made_anew(empty: Path, damage: str) -> None:
    kernel_cache.addresses([KERNEL])
    (path,) = empty.iterdir()
    content = path.read_bytes()
    changed = {
        "cut": content[:-10],
        "empty": b"",
        "changed": content[:200] + bytes([content[200] ^ 1]) + content[201:],
        "other": kernel_cache.MAGIC + kernel_cache.checksum(path.name, b"rubbish") + b"rubbish",
    }[damage]
    path.write_bytes(changed)
    kernel_cache.forget()
    assert works(kernel_cache.addresses([KERNEL])[TEXT])
    assert counted() == (2, 0, 0, 1)
    assert path.read_bytes() == content


def test_a_directory_that_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    for place in (str(tmp_path / "file" / "below"), "/proc/nothing", ""):
        monkeypatch.setattr(config, "cache_dir", place)
        kernel_cache.forget()
        assert works(kernel_cache.addresses([KERNEL])[TEXT])


def test_a_full_disk_costs_the_cache_only(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert works(kernel_cache.addresses([KERNEL])[TEXT])
    assert list(empty.iterdir()) == []


def test_another_target_is_another_kernel(empty: Path) -> None:
    kernel_cache.addresses([KERNEL])
    assert works(kernel_cache.addresses([KERNEL], native.host(16))[TEXT])
    expected = 2 if native.host(16) != native.host() else 1
    assert kernel_cache.stats.compiled == expected


def test_the_oldest_files_go(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_cache, "MAX_FILES", 8)
    monkeypatch.setattr(kernel_cache, "LOOK_EVERY", 1)
    empty.mkdir(parents=True)
    now = time.time()
    for i in range(12):
        path = empty / f"old{i:02}"
        path.write_bytes(b"x")
        os.utime(path, (now - 100 + i, now - 100 + i))
    leftover = empty / "x.1.2.tmp"
    leftover.write_bytes(b"x")
    os.utime(leftover, (1, 1))
    kernel_cache.addresses([KERNEL])
    left = sorted(p.name for p in empty.iterdir())
    assert len(left) == 6
    assert left[-5:] == [f"old{i:02}" for i in range(7, 12)]


def test_addresses_hold_while_they_are_referred_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_cache, "KEEP", 1)
    held = kernel_cache.addresses([KERNEL])
    for i in range(1, 4):
        kernel_cache.addresses([source("count", COUNT, i)])
    assert works(held[TEXT])


def test_many_threads_ask_at_once() -> None:
    results: list[bool] = []

    def ask() -> None:
        found = kernel_cache.addresses([source("count", COUNT, i) for i in range(4)])
        results.append(all(works(a) for a in found.values()))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == [True] * 6
    assert kernel_cache.stats.compiled == 4


def test_what_a_kernel_raises_is_raised() -> None:
    with pytest.raises(RuntimeError):
        kernel_cache.addresses([source("wrong", "define void @%s(")])
    assert works(kernel_cache.addresses([KERNEL])[TEXT])


def _put_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _put_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _put_link(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


def _put_huge(path: Path) -> None:
    os.truncate(path, 1 << 40)


def _put_other_name(path: Path) -> None:
    path.write_bytes(kernel_cache.MAGIC + kernel_cache.checksum("0" * 40, b"code") + b"code")


def _put_unreadable(path: Path) -> None:
    path.chmod(0)


@pytest.mark.skipif(os.name != "posix", reason="pipes and links")
@pytest.mark.parametrize(
    "put",
    [_put_directory, _put_pipe, _put_link, _put_huge, _put_other_name, _put_unreadable],
    ids=lambda put: put.__name__,
)
def test_what_lies_in_a_files_place(empty: Path, put: Callable[[Path], None]) -> None:
    kernel_cache.addresses([KERNEL])
    (path,) = empty.iterdir()
    put(path)
    kernel_cache.forget()
    assert works(kernel_cache.addresses([KERNEL])[TEXT])
    if put in (_put_pipe, _put_link, _put_huge, _put_other_name):
        assert counted()[:2] == (2, 0)
        kernel_cache.forget()
        assert works(kernel_cache.addresses([KERNEL])[TEXT])
        assert counted()[:2] == (2, 1)
        assert not path.is_symlink()


def test_swapped_files_are_noticed_before_they_are_linked(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernels = [source("count", COUNT), source("count", COUNT, 1)]
    kernel_cache.addresses(kernels)
    one, two = empty.iterdir()
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert kernel_cache.parse(first, one.name) and not kernel_cache.parse(second, one.name)
    kernel_cache.forget()
    found = kernel_cache.addresses(kernels)
    assert all(map(works, found.values())) and counted() == (4, 0, 0, 2)


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_a_directory_that_others_can_write_to_is_not_used(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty.mkdir(parents=True)
    for mode in (0o777, 0o770, 0o1777):
        empty.chmod(mode)
        kernel_cache._prepared.cache_clear()
        kernel_cache.forget()
        assert works(kernel_cache.addresses([KERNEL])[TEXT])
        assert list(empty.iterdir()) == []
        assert "chmod" in kernel_cache.refusal()
    empty.chmod(0o755)
    kernel_cache._prepared.cache_clear()
    assert kernel_cache.directory() == empty and kernel_cache.refusal() == ""
    kernel_cache._prepared.cache_clear()
    monkeypatch.setattr(kernel_cache, "_user", lambda default: default + 1)
    assert kernel_cache.directory() is None and "another user" in kernel_cache.refusal()


def test_files_of_others_are_not_run(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel_cache.addresses([KERNEL])
    monkeypatch.setattr(kernel_cache, "_user", lambda default: default + 1)
    kernel_cache.forget()
    assert works(kernel_cache.addresses([KERNEL])[TEXT])
    assert counted() == (2, 0, 0, 1)
