"""PyTorch's file form before 1.6: a stream of pickles, and the storages' bytes after them.

In order: a magic number, the form's version, a description of the machine, the object, the sorted
keys of the storages, and for each key its number of elements (8 bytes) and its elements, both
little-endian on every machine.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

from flambeau.errors import brief
from flambeau.serialization import locations, tensors, torch_globals
from flambeau.serialization.files import Source
from flambeau.serialization.pickle_reader import PickleReader, Truncated, full_name
from flambeau.serialization.pickle_writer import PickleWriter
from flambeau.serialization.reductions import Reductions
from flambeau.serialization.tensors import LoadedStorage

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
VERSION = 1001
_FIRST_READ = 1 << 18


class _Inert:
    """Whatever a walk through a pickle does not build."""


class _Scanner(PickleReader):
    """Walks through a pickle and builds no object: to find its end and the storages it names."""

    def call(self, function: Any, args: Any) -> Any:
        return _Inert()

    def make(self, cls: Any, args: Any, kwargs: Any) -> Any:
        return _Inert()

    def build(self, target: Any, state: Any) -> None:
        pass

    def extend(self, target: Any, items: list[Any]) -> None:
        pass

    def set_items(self, target: Any, items: list[Any]) -> None:
        pass

    def add(self, target: Any, items: list[Any]) -> None:
        pass


class NameCollector(_Scanner):
    """Walks through a pickle and keeps the names of the globals it asks for, in `names`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.names: dict[str, None] = {}

    def find_global(self, module: str, name: str) -> Any:
        self.names[full_name(module, name)] = None
        return _Inert()

    def persistent(self, reference: Any) -> Any:
        return _Inert()


class _Loader:
    """Reads one stream. The object's pickle precedes the sizes of the storages that it refers to,
    so it is walked through once to learn the storages' dtypes, and read when they are there."""

    def __init__(self, source: Source, map_location: Any, encoding: str, whole: bool) -> None:
        self._source = source
        self._whole = whole
        self._map_location = map_location
        self._encoding = encoding
        self._head = b""
        self._described: dict[str, tuple[Any, str, int]] = {}
        self._storages: dict[str, LoadedStorage] = {}

    def load(self) -> Any:
        _refuse_tar(self._source)
        start = self._preamble()
        _, end = self._with_enough(lambda: self._pickle(start, self._describe, _Scanner))
        keys, position = self._with_enough(lambda: self._pickle(end, _no_storage))
        position = self._read_storages(keys, position)
        loaded, _ = self._pickle(start, self._give)
        self._source.leave_at(position)
        return loaded

    def _with_enough(self, step: Callable[[], tuple[Any, int]]) -> tuple[Any, int]:
        """A step that reads pickles, on as much of the file's beginning as it takes."""
        while True:
            try:
                return step()
            except Truncated:
                if len(self._head) >= self._source.size:
                    raise
                wanted = max(2 * len(self._head), _FIRST_READ)
                self._head = self._source.read(0, wanted)

    def _pickle(
        self,
        start: int,
        persistent_load: Callable[[Any], Any],
        kind: type[PickleReader] = PickleReader,
    ) -> tuple[Any, int]:
        reader = torch_globals.reader(
            self._head, persistent_load, kind=kind, encoding=self._encoding, start=start,
            whole=self._whole, size=self._source.size,
        )  # fmt: skip
        return reader.load(), reader.position

    def _preamble(self) -> int:
        """Check what precedes the object, and give where that begins."""
        magic, position = self._with_enough(lambda: self._pickle(0, _no_storage))
        if type(magic) is not int or magic != MAGIC_NUMBER:
            raise RuntimeError(
                f"Invalid magic number; corrupt file? {self._source.name} is a pickle but no "
                "PyTorch checkpoint"
            )
        version, position = self._with_enough(lambda: self._pickle(position, _no_storage))
        if type(version) is not int or version != VERSION:
            raise RuntimeError(f"Invalid protocol version: {brief(version)}")
        _machine, position = self._with_enough(lambda: self._pickle(position, _no_storage))
        return position

    # ----------------------------------------------------------- storages

    def _describe(self, reference: Any) -> Any:
        if self._is_class(reference):
            return _Inert()
        root, _ = _split_view(reference)
        dtype, key, location, numel = torch_globals.storage_reference(root, 5)
        if self._described.setdefault(key, (dtype, location, numel)) != (dtype, location, numel):
            raise UnpicklingError(f"two different descriptions of storage {key!r}")
        return _Inert()

    def _read_storages(self, keys: Any, position: int) -> int:
        if type(keys) is not list or any(type(key) not in (str, bytes) for key in keys):
            raise UnpicklingError("the list of the storages is damaged")
        for name in keys:
            key = name.decode("ascii", "replace") if type(name) is bytes else name
            described = self._described.get(key)
            if described is None or key in self._storages:
                raise UnpicklingError(f"storage {key!r} is not one that the object refers to")
            dtype, location, numel = described
            count = self._source.read(position, 8)
            if len(count) == 8 and count != struct.pack("<q", numel):
                raise UnpicklingError(f"storage {key!r} is to have {numel} elements, and has not")
            start, nbytes = position + 8, numel * dtype.itemsize
            if nbytes > self._source.size - start:
                raise RuntimeError(
                    f"the file is truncated: storage {key!r} has {nbytes} bytes, of which "
                    f"{max(self._source.size - start, 0)} are there"
                )
            data = self._source.read_array(start, nbytes)
            data = tensors.to_native_order(data, dtype, "little")
            storage = LoadedStorage(dtype, numel, data)
            self._storages[key] = locations.place(storage, location, self._map_location)
            position = start + nbytes
        return position

    def _is_class(self, reference: Any) -> bool:
        """Whether it is the class of a whole module, which has its source text beside it."""
        if not self._whole or type(reference) is not tuple or len(reference) != 4:
            return False
        return reference[0] in ("module", b"module")

    def _give(self, reference: Any) -> Any:
        if self._is_class(reference):
            return reference[1]
        root, view = _split_view(reference)
        key = torch_globals.storage_reference(root, 5)[1]
        storage = self._storages.get(key)
        if storage is None:
            raise UnpicklingError(f"storage {key!r} is not in the file")
        return storage if view is None else storage.part(*view)


def _refuse_tar(source: Source) -> None:
    if source.read(257, 5) == b"ustar":
        raise RuntimeError(
            f"{source.name} is a tar archive. PyTorch wrote those before version 0.1.10, and "
            "flambeau does not read them: load it with an old PyTorch and save it again"
        )


def _no_storage(_reference: Any) -> Any:
    raise UnpicklingError("a storage where there can't be one")


def _split_view(reference: Any) -> tuple[Any, tuple[int, int] | None]:
    """A reference without its last field, and that field: where in its storage a view begins,
    and its number of elements."""
    if type(reference) is not tuple or len(reference) not in (5, 6):
        return reference, None
    view = reference[5] if len(reference) == 6 else None
    if view is None:
        return reference[:5], None
    if type(view) is not tuple or len(view) != 3 or any(type(n) is not int for n in view[1:]):
        raise UnpicklingError("a view of a storage without its bounds")
    return reference[:5], (view[1], view[2])


def read(source: Source, map_location: Any, *, encoding: str, whole: bool) -> Any:
    """The object in a stream; with `whole` also one of the program's own classes.

    Raises:
        RuntimeError: it is no such stream, or its end is missing.
        pickle.UnpicklingError: it is damaged, or refers to code.
    """
    return _Loader(source, map_location, encoding, whole).load()


def write(obj: Any, out: Any) -> None:
    """Write `obj` as a stream into `out`, which needs `write` only."""
    reductions = Reductions(legacy=True)
    machine = {
        "protocol_version": VERSION,
        "little_endian": sys.byteorder == "little",
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    pickled = PickleWriter(reductions).dumps(obj)
    storages = {key: (dtype, data) for key, dtype, data in reductions.storages()}
    keys = sorted(storages)
    for part in (MAGIC_NUMBER, VERSION, machine):
        out.write(PickleWriter(reductions).dumps(part))
    out.write(pickled)
    out.write(PickleWriter(reductions).dumps(keys))
    for key in keys:
        dtype, data = storages[key]
        out.write(struct.pack("<q", data.size // dtype.itemsize))
        out.write(tensors.to_native_order(data, dtype, "little").data)
