"""The safetensors form: named tensors and nothing else, in a file that can't hold code.

A header (`safe_header`) and the tensors' bytes in little-endian, row-major order without holes; see
https://huggingface.co/docs/safetensors. Read and written here rather than by the `safetensors`
package, whose NumPy interface has no bfloat16; the tests hold the two against each other. State
dicts in several files with an index are in `safe_shards`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

import numpy as np

from flambeau.serialization import locations, safe_header, tensors
from flambeau.serialization.files import Source
from flambeau.serialization.safe_header import Place, SafetensorError, looks_like
from flambeau.serialization.safe_models import load_model, save_model
from flambeau.serialization.safe_shards import load_sharded, save_sharded
from flambeau.serialization.tensors import LoadedStorage
from flambeau.serialization.whole_files import atomic_file

__all__ = [
    "SafetensorError",
    "load",
    "load_file",
    "load_model",
    "load_sharded",
    "looks_like",
    "safe_open",
    "save",
    "save_file",
    "save_model",
    "save_sharded",
]


def save(state: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> bytes:
    """Named tensors as bytes.

    Args:
        state: a flat dict from names to tensors, such as a state dict.
        metadata: text to keep with them.

    Raises:
        TypeError: something in it is no tensor, or has a dtype that the form lacks.
        RuntimeError: two tensors share memory, which the form can't say.
    """
    parts: list[bytes | memoryview] = []
    _write(state, *safe_header.plan(state, metadata), parts.append)
    return b"".join(parts)


def save_file(
    state: Mapping[str, Any],
    filename: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Named tensors into a file, which is written whole or not at all. Raises as `save` does."""
    header, order = safe_header.plan(state, metadata)
    with atomic_file(filename) as file:
        _write(state, header, order, file.write)


def load(data: bytes) -> dict[str, Any]:
    """The tensors in bytes of the safetensors form.

    Raises:
        SafetensorError: the bytes are damaged.
    """
    from io import BytesIO

    with Source(BytesIO(data)) as source:
        return read(source, None)


def load_file(filename: str | os.PathLike[str], device: Any = "cpu") -> dict[str, Any]:
    """The tensors in a file of the safetensors form, on `device`.

    Raises:
        SafetensorError: the file is damaged.
    """
    with Source(filename) as source:
        return read(source, device)


def write(state: Any, out: Any) -> None:
    """Named tensors into a file object. Raises as `save` does."""
    _write(state, *safe_header.plan(state, None), out.write)


def _write(
    state: Mapping[str, Any],
    header: bytes,
    order: list[str],
    put: Callable[[bytes | memoryview], object],
) -> None:
    put(header)
    for name in order:
        tensor = state[name].detach().contiguous()
        start = tensor.storage_offset() * tensor.dtype.itemsize
        stop = start + safe_header.nbytes(tensor)
        data = np.ascontiguousarray(tensors.storage_bytes(tensor)[start:stop])
        put(tensors.to_native_order(data, tensor.dtype, "little").data)


# -------------------------------------------------------------------- reading


def read(source: Source, map_location: Any, *, mmap: bool = False) -> dict[str, Any]:
    """The tensors of a file, in the file's order. Raises `SafetensorError`."""
    places = safe_header.parse(source).places
    mapped = source.map() if mmap else None
    loaded = {name: _tensor(source, place, map_location, mapped) for name, place in places.items()}
    source.leave_at(source.size)
    return loaded


def _tensor(source: Source, place: Place, map_location: Any, mapped: Any = None) -> Any:
    """One tensor of a file, whose place has been checked."""
    dtype, size = place.dtype, place.stop - place.start
    if mapped is not None and place.start % dtype.itemsize == 0:
        data = mapped[place.start : place.stop]
    else:
        data = source.read_array(place.start, size)
    data = tensors.to_native_order(data, dtype, "little")
    storage = LoadedStorage(dtype, math.prod(place.shape), data)
    locations.place(storage, "cpu", map_location)
    return storage.tensor(dtype, place.shape, _row_major(place.shape), 0)


def _row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


class safe_open:
    """A file of the safetensors form, of which single tensors are read when they are asked for.

        with safe_open("model.safetensors") as file:
            weight = file.get_tensor("fc.weight")
            rows = file.get_slice("embedding")[100:200]

    Args:
        filename: its path.
        framework: `"pt"`, for the package's sake.
        device: where the tensors go.

    Raises:
        SafetensorError: the file is damaged, which is looked for at once; or, later, it has no
            tensor of the name.
    """

    def __init__(
        self, filename: str | os.PathLike[str], framework: str = "pt", device: Any = "cpu"
    ) -> None:
        if framework not in ("pt", "torch", "pytorch"):
            raise SafetensorError(f"framework {framework!r}: flambeau gives tensors, which is 'pt'")
        self._device = device
        self._source = Source(filename)
        try:
            self._header = safe_header.parse(self._source)
        except BaseException:
            self._source.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._source.__exit__()

    def keys(self) -> list[str]:
        """The names, sorted."""
        return sorted(self._header.places)

    def offset_keys(self) -> list[str]:
        """The names, in the order of their data."""
        places = self._header.places
        return sorted(places, key=lambda name: places[name].start)

    def metadata(self) -> dict[str, str] | None:
        """The text that was kept with the tensors."""
        found = self._header.metadata
        return None if found is None else dict(found)

    def _place(self, name: str) -> Place:
        place = self._header.places.get(name)
        if place is None:
            raise SafetensorError(f"{self._source.name} has no tensor {name!r:.80}")
        return place

    def get_tensor(self, name: str) -> Any:
        """The tensor of that name, in memory of its own."""
        return _tensor(self._source, self._place(name), self._device)

    def get_tensors(self, names: Iterable[str] | None = None) -> dict[str, Any]:
        """Several of them, or all."""
        return {name: self.get_tensor(name) for name in (self.keys() if names is None else names)}

    def get_slice(self, name: str) -> SafeSlice:
        """The tensor of that name, to be indexed before it is read."""
        return SafeSlice(self._source, self._place(name), self._device)


class SafeSlice:
    """A tensor in a file. Indexing it gives what `tensor[index]` would, and of a range of the first
    dimension reads only those rows."""

    def __init__(self, source: Source, place: Place, device: Any) -> None:
        self._source = source
        self._whole = place
        self._device = device

    def get_shape(self) -> list[int]:
        return list(self._whole.shape)

    def get_dtype(self) -> str:
        """The dtype in the form's letters (`"F32"`)."""
        return self._whole.code

    def __getitem__(self, index: Any) -> Any:
        first, *others = index if isinstance(index, tuple) else (index,)
        whole = self._whole
        if isinstance(first, slice) and whole.shape:
            begin, end, step = first.indices(whole.shape[0])
            if step == 1:
                rows = max(end - begin, 0)
                return self._rows(begin, rows)[(slice(None), *others)]
        elif whole.shape and isinstance(first, (int, np.integer)) and not isinstance(first, bool):
            row = int(first)
            n = whole.shape[0]
            if not -n <= row < n:
                raise IndexError(f"index {row} is out of bounds for dimension 0 with size {n}")
            return self._rows(row % n, 1)[(0, *others)]
        return _tensor(self._source, whole, self._device)[index]

    def _rows(self, begin: int, rows: int) -> Any:
        """`rows` rows from the row `begin`, which lie inside."""
        whole = self._whole
        width = math.prod(whole.shape[1:]) * whole.dtype.itemsize
        start = whole.start + begin * width
        part = Place(whole.code, (rows, *whole.shape[1:]), start, start + rows * width)
        return _tensor(self._source, part, self._device)
