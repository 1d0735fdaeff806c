"""PyTorch's file form since 1.6: a ZIP archive, stored without compression.

`data.pkl` holds the object, with references to storages; `data/0`, `data/1`, … hold the storages.
Each record begins at a multiple of 64 bytes, so that a file can be mapped into memory.
"""

from __future__ import annotations

import hashlib
import struct
import sys
import zlib
from pickle import UnpicklingError
from typing import Any

import numpy as np

from flambeau.serialization import locations, tensors, torch_globals
from flambeau.serialization.files import Source
from flambeau.serialization.pickle_writer import PickleWriter
from flambeau.serialization.reductions import Reductions
from flambeau.serialization.tensors import LoadedStorage

MAGIC = b"PK\x03\x04"
ALIGNMENT = 64
# From this size on, numbers are written in the ZIP64 fields, and a field of ones refers to them.
ZIP64_FROM = 0xFFFFFFFF
_ELSEWHERE = 0xFFFFFFFF
_UTF_8 = 0x800  # a record's flag: how its name is encoded
_ALIGNED = 16  # every dtype's elements are at their place in memory if a mapped record begins so
_DATE = 33  # 1980-01-01: the earliest that ZIP has, since the same content gives the same bytes


# -------------------------------------------------------------------- writing


def write(obj: Any, out: Any, prefix: str) -> None:
    """Write `obj` as an archive into `out`, which needs `write` only.

    Raises:
        pickle.PicklingError: something in `obj` is no data.
        RuntimeError: tensors of different dtypes share a storage.
    """
    reductions = Reductions()
    pickled = PickleWriter(reductions).dumps(obj)
    archive = _ZipWriter(out, prefix)
    archive.add("data.pkl", pickled)
    archive.add(".format_version", b"1")
    archive.add(".storage_alignment", str(ALIGNMENT).encode())
    archive.add("byteorder", sys.byteorder.encode())
    for key, _, data in reductions.storages():
        archive.add(f"data/{key}", np.ascontiguousarray(data).data)
    archive.add("version", b"3\n")
    archive.add(".data/serialization_id", archive.identification())
    archive.close()


class _ZipWriter:
    """Writes stored records one after the other, without seeking back."""

    def __init__(self, out: Any, prefix: str) -> None:
        self._out = out
        self._prefix = prefix
        self._offset = 0
        self._directory: list[bytes] = []
        self._content = hashlib.sha256()

    def add(self, name: str, data: bytes | memoryview) -> None:
        size = len(data)
        crc = zlib.crc32(data)
        self._content.update(f"{name} {size} {crc}\n".encode())
        raw_name = f"{self._prefix}/{name}".encode()
        flags = 0 if raw_name.isascii() else _UTF_8
        large = size >= ZIP64_FROM
        extra = struct.pack("<HHQQ", 1, 16, size, size) if large else b""
        sizes = (_ELSEWHERE,) * 2 if large else (size, size)
        start = self._offset + 30 + len(raw_name) + len(extra) + 4
        pad = -start % ALIGNMENT
        extra += struct.pack("<HH", 0x4246, pad) + b"Z" * pad
        version = 45 if large else 20
        common = (flags, 0, 0, _DATE, crc, *sizes, len(raw_name))
        header = struct.pack("<4s5H3I2H", MAGIC, version, *common, len(extra))
        self._directory.append(self._entry(raw_name, flags, crc, size))
        self._put(header + raw_name + extra)
        self._put(data)

    def _entry(self, raw_name: bytes, flags: int, crc: int, size: int) -> bytes:
        """The record's line in the central directory; its header is about to be written."""
        wide = [n for n in (size, size, self._offset) if n >= ZIP64_FROM]
        extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
        narrow = [n if n < ZIP64_FROM else _ELSEWHERE for n in (size, self._offset)]
        version = 45 if wide else 20
        sizes = (crc, narrow[0], narrow[0], len(raw_name), len(extra))
        head = (b"PK\x01\x02", version, version, flags, 0, 0, _DATE)
        entry = struct.pack("<4s6H3I5H2I", *head, *sizes, 0, 0, 0, 0, narrow[1])
        return entry + raw_name + extra

    def _put(self, data: bytes | memoryview) -> None:
        self._out.write(data)
        self._offset += len(data)

    def identification(self) -> bytes:
        """Forty digits made from the records so far."""
        return f"{int.from_bytes(self._content.digest()[:16], 'little'):040d}".encode()

    def close(self) -> None:
        start, count = self._offset, len(self._directory)
        for entry in self._directory:
            self._put(entry)
        size, end = self._offset - start, self._offset
        if max(start, size) >= ZIP64_FROM or count >= 0xFFFF:
            record = struct.pack(
                "<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, start
            )
            self._put(record + struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1))
        narrow = [n if n < ZIP64_FROM else _ELSEWHERE for n in (size, start)]
        counts = (min(count, 0xFFFF),) * 2
        self._put(struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, *counts, *narrow, 0))


# -------------------------------------------------------------------- reading


class _Record:
    __slots__ = ("crc", "header", "name", "size")

    def __init__(self, header: int, size: int, crc: int, name: bytes) -> None:
        self.name = name
        self.header = header
        self.size = size
        self.crc = crc


class _ZipReader:
    """The records of an archive, checked to lie in the file and not to be compressed."""

    def __init__(self, source: Source) -> None:
        from zipfile import BadZipFile, ZipFile

        self._source = source
        try:
            with ZipFile(source.whole()) as archive:
                entries = archive.infolist()
        except (BadZipFile, ValueError, NotImplementedError, struct.error, OSError) as error:
            raise RuntimeError(
                f"{source.name} is no complete ZIP archive: it is truncated or damaged ({error})"
            ) from error
        self.records: dict[str, _Record] = {}
        for entry in entries:
            if entry.filename in self.records:
                raise RuntimeError(f"{source.name} has two records named {entry.filename!r}")
            if entry.compress_type != 0 or entry.flag_bits & 1:
                raise RuntimeError(
                    f"{source.name}: the record {entry.filename!r} is compressed or encrypted, "
                    "which a checkpoint's records never are. Unpack the archive first."
                )
            code = "utf-8" if entry.flag_bits & _UTF_8 else "cp437"
            self.records[entry.filename] = _Record(
                entry.header_offset, entry.file_size, entry.CRC, entry.orig_filename.encode(code)
            )
        self._check_places()

    def _check_places(self) -> None:
        """The records begin with the file, and none lies in another."""
        reach = 0
        for record in sorted(self.records.values(), key=lambda record: record.header):
            if record.header != 0 and reach == 0:
                raise RuntimeError(
                    f"{self._source.name} has data before its first record at {record.header}"
                )
            if record.header < reach:
                raise RuntimeError(
                    f"{self._source.name} has records that overlap or reach beyond its end"
                )
            reach = record.header + 30 + record.size
        if reach > self._source.size:
            raise RuntimeError(
                f"{self._source.name} has records that overlap or reach beyond its end"
            )

    def offset(self, name: str) -> tuple[int, int]:
        """Where a record's data begin, and their size."""
        record = self.records[name]
        header = self._source.read(record.header, 30 + len(record.name))
        if len(header) < 30 or header[:4] != MAGIC:
            raise RuntimeError(
                f"{self._source.name}: the record {name!r} is not where it should be"
            )
        flags, method = struct.unpack("<HH", header[6:10])
        name_length, extra_length = struct.unpack("<HH", header[26:30])
        if name_length != len(record.name) or header[30:] != record.name or method or flags & 1:
            raise RuntimeError(
                f"{self._source.name}: the record {name!r} is another one by its own header"
            )
        start = record.header + 30 + name_length + extra_length
        if start + record.size > self._source.size:
            raise RuntimeError(f"{self._source.name}: the record {name!r} is truncated")
        return start, record.size

    def read(self, name: str) -> np.ndarray[Any, Any]:
        start, size = self.offset(name)
        data = self._source.read_array(start, size)
        if zlib.crc32(data.data) != self.records[name].crc:
            raise RuntimeError(
                f"{self._source.name}: the record {name!r} is damaged (its checksum is wrong)"
            )
        return data


class _Loader:
    """Gives the storages that `data.pkl` refers to, each once."""

    def __init__(self, source: Source, map_location: Any, mmap: bool) -> None:
        self._source = source
        self._archive = _ZipReader(source)
        self._map_location = map_location
        self._prefix = self._find_prefix()
        self._mapped = source.map() if mmap else None
        self._storages: dict[str, LoadedStorage] = {}
        order_name = f"{self._prefix}byteorder"
        # Files from before the record existed were written on little-endian machines.
        order = bytes(self._archive.read(order_name)) if self._has(order_name) else b"little"
        if order not in (b"little", b"big"):
            raise RuntimeError(f"{source.name}: the byte order {order[:20]!r} is not known")
        self._order = order.decode()

    def _has(self, name: str) -> bool:
        return name in self._archive.records

    def _find_prefix(self) -> str:
        names = self._archive.records
        found = [n.removesuffix("data.pkl") for n in names if n.split("/")[1:] == ["data.pkl"]]
        if "data.pkl" in names:
            found.append("")
        if len(found) != 1:
            raise RuntimeError(
                f"{self._source.name} is a ZIP archive but no checkpoint: it has "
                f"{len(found) or 'no'} data.pkl"
            )
        if self._has(found[0] + "constants.pkl"):
            raise RuntimeError(
                f"{self._source.name} is a TorchScript archive, which holds code: save the "
                "model's state_dict() with torch.save instead"
            )
        return found[0]

    def pickled(self) -> bytes:
        return bytes(self._archive.read(f"{self._prefix}data.pkl"))

    def load(self, encoding: str, whole: bool) -> Any:
        reader = torch_globals.reader(
            self.pickled(), self._storage, encoding=encoding, whole=whole, size=self._source.size
        )
        return reader.load()

    def _storage(self, reference: Any) -> LoadedStorage:
        dtype, key, location, numel = torch_globals.storage_reference(reference, 5)
        found = self._storages.get(key)
        if found is None:
            found = self._storages[key] = self._read(dtype, key, location, numel)
        elif found.dtype != dtype or len(found) != numel:
            raise UnpicklingError(f"two different descriptions of storage {key!r}")
        return found

    def _read(self, dtype: Any, key: str, location: str, numel: int) -> LoadedStorage:
        name = f"{self._prefix}data/{key}"
        if not self._has(name):
            raise RuntimeError(f"{self._source.name}: the record {name!r} is missing")
        nbytes = numel * dtype.itemsize
        if self._archive.records[name].size != nbytes:
            raise UnpicklingError(
                f"storage {key!r} is to have {numel} elements of {dtype}, but its record has "
                f"{self._archive.records[name].size} bytes"
            )
        data = self._bytes(name)
        data = tensors.to_native_order(data, dtype, self._order)
        storage = LoadedStorage(dtype, numel, data)
        return locations.place(storage, location, self._map_location)

    def _bytes(self, name: str) -> np.ndarray[Any, Any]:
        if self._mapped is not None:
            start, size = self._archive.offset(name)
            if start % _ALIGNED == 0:
                return self._mapped[start : start + size]
        return self._archive.read(name)


def pickled_object(source: Source) -> bytes:
    """The pickle in an archive, of which nothing is read. Raises `RuntimeError` as `read` does."""
    return _Loader(source, None, mmap=False).pickled()


def read(source: Source, map_location: Any, *, mmap: bool, encoding: str, whole: bool) -> Any:
    """The object in an archive; with `whole` also one of the program's own classes.

    Raises:
        RuntimeError: the archive is damaged, or is something else than a checkpoint.
        pickle.UnpicklingError: it refers to code, or to storages that are not as it says.
    """
    loaded = _Loader(source, map_location, mmap).load(encoding, whole)
    source.leave_at(source.size)
    return loaded
