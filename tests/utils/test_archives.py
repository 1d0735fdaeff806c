"""Archives that attack whoever extracts them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from flambeau.utils import _archives


def tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for info, content in members:
            if not info.size:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def nothing_left(folder: Path) -> None:
    assert not (folder / "out").exists()


KINDS = {
    "symbolic link": tarfile.SYMTYPE, "hard link": tarfile.LNKTYPE, "character device": tarfile.CHRTYPE,
    "block device": tarfile.BLKTYPE, "pipe": tarfile.FIFOTYPE,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file(tmp_path: Path, kind: str) -> None:
    tar(tmp_path / "a.tar", (member("good"), b"1"), (member("bad", KINDS[kind], "/etc/passwd"), b""))
    with pytest.raises(RuntimeError, match="'bad' in it is no plain file"):
        _archives.extract(str(tmp_path / "a.tar"), str(tmp_path / "out"))
    nothing_left(tmp_path)


NAMES = ["../evil", "/evil", "a/../../evil", "..\\evil", "C:\\evil", "a/..", ".."]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_names_that_lead_out(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    if kind == "tar":
        tar(path, (member("good"), b"1"), (member(name), b"2"))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("good", "1")
            archive.writestr(name, "2")
    with pytest.raises(RuntimeError, match="leads out of the folder"):
        _archives.extract(str(path), str(tmp_path / "out"))
    nothing_left(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [f"a.{kind}"]


def test_links_in_zips_and_other_methods(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a", "1")
    raw = bytearray((tmp_path / "b.zip").read_bytes())
    at = raw.index(b"PK\x01\x02")
    raw[at + 8] |= 1
    (tmp_path / "c.zip").write_bytes(raw)
    for name, what in (("a.zip", "no plain file"), ("b.zip", "method 14"), ("c.zip", "method 14")):
        with pytest.raises(RuntimeError, match=what):
            _archives.extract(str(tmp_path / name), str(tmp_path / "out"))
        nothing_left(tmp_path)


def test_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_archives, "_SLACK", 1 << 20)
    zeros = bytes(8 << 20)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", zeros)
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as packed:
        info = member("a")
        info.size = len(zeros)
        packed.addfile(info, io.BytesIO(zeros))
    # A sparse file may say that it is as large as it likes.
    sparse = member("a", tarfile.GNUTYPE_SPARSE)
    raw = bytearray(sparse.tobuf(tarfile.GNU_FORMAT))
    raw[483:495] = b"77777777777\0"
    raw[148:156] = b"%06o\0 " % (sum(raw[:148]) + 8 * 32 + sum(raw[156:512]))
    (tmp_path / "b.tar").write_bytes(bytes(raw) + bytes(1024))
    # A name of 3 GB.
    long = member("a", tarfile.GNUTYPE_LONGNAME)
    long.size = 3 << 30
    (tmp_path / "c.tar").write_bytes(long.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    for name in ("a.zip", "a.tar.gz", "b.tar", "c.tar"):
        with pytest.raises(RuntimeError, match="is not extracted: (more than|a name or header)"):
            _archives.extract(str(tmp_path / name), str(tmp_path / "out"))
        nothing_left(tmp_path)
    for name, opener in (("a.gz", gzip.open), ("a.bz2", bz2.open), ("a.xz", lzma.open)):
        with opener(tmp_path / name, "wb") as file:
            file.write(zeros)
        with pytest.raises(RuntimeError, match="more than"), open(tmp_path / "out", "wb") as out:
            _archives.decompress(str(tmp_path / name), out)
        (tmp_path / "out").unlink()


def test_entries_that_overlap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many names for the same packed bytes."""
    monkeypatch.setattr(_archives, "_SLACK", 1 << 20)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("aaaa", bytes(1 << 20))
    raw = (tmp_path / "a.zip").read_bytes()
    at, end = raw.index(b"PK\x01\x02"), raw.index(b"PK\x05\x06")
    entry, count = raw[at:end], 200
    tail = bytearray(raw[end:])
    struct.pack_into("<HHI", tail, 8, count, count, len(entry) * count)
    (tmp_path / "a.zip").write_bytes(raw[:at] + entry * count + tail)
    with pytest.raises(RuntimeError, match="more than"):
        _archives.extract(str(tmp_path / "a.zip"), str(tmp_path / "out"))
    nothing_left(tmp_path)


def whole(path: Path) -> bytes:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for i in range(5):
                archive.writestr(f"deep/{i}", os.urandom(300))
    else:
        with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as packed:
            for i in range(5):
                info = member(f"deep/{i}")
                info.size = 300
                packed.addfile(info, io.BytesIO(os.urandom(300)))
    return path.read_bytes()


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_damage(tmp_path: Path, name: str) -> None:
    content = whole(tmp_path / name)
    spoilt = [content[: len(content) // 2], content[:100], b"", b"rubbish" * 100]
    if name != "a.tar":
        spoilt.append(content[:200] + bytes([content[200] ^ 255]) + content[201:])
    else:
        spoilt.append(content[:2048] + b"\xff" + content[2049:])
    for some in spoilt:
        (tmp_path / name).write_bytes(some)
        with pytest.raises(RuntimeError, match="is damaged|is not extracted"):
            _archives.extract(str(tmp_path / name), str(tmp_path / "out"))
        nothing_left(tmp_path)


def test_what_is_there_is_joined_or_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "deep").mkdir(parents=True)
    (out / "deep" / "mine").write_text("mine")
    (out / "deep" / "1").write_text("old")
    whole(tmp_path / "a.zip")
    _archives.extract(str(tmp_path / "a.zip"), str(out))
    assert sorted(os.listdir(out)) == ["deep"]
    assert sorted(os.listdir(out / "deep")) == ["0", "1", "2", "3", "4", "mine"]
    assert len((out / "deep" / "1").read_bytes()) == 300
    tar(tmp_path / "b.tar", (member("deep"), b"a file"))
    tar(tmp_path / "c.tar", (member("x"), b"a file"), (member("x/y"), b"below it"))
    tar(tmp_path / "d.tar", (member("."), b"no name"))
    for name in ("b.tar", "c.tar", "d.tar"):
        with pytest.raises(RuntimeError):
            _archives.extract(str(tmp_path / name), str(out))
    assert sorted(os.listdir(out)) == ["deep"]
    assert (out / "deep" / "mine").read_text() == "mine"


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole(tmp_path / "a.zip")
    written: list[int] = []
    copy: Callable[..., None] = _archives.shutil.copyfileobj

    def full(*args: object) -> None:
        written.append(1)
        if len(written) > 3:
            raise OSError(28, "No space left on device")
        copy(*args)

    monkeypatch.setattr(_archives.shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space"):
        _archives.extract(str(tmp_path / "a.zip"), str(tmp_path / "out"))
    nothing_left(tmp_path)
    monkeypatch.undo()
    _archives.extract(str(tmp_path / "a.zip"), str(tmp_path / "out"))
    assert len(os.listdir(tmp_path / "out" / "deep")) == 5
