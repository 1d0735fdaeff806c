"""The safetensors form: named tensors and nothing else, in a file that can't hold code.

Eight bytes with the length of a JSON header, the header (dtype, shape and place of each tensor),
and the tensors' bytes in little-endian, row-major order without holes; see
https://huggingface.co/docs/safetensors. Read and written here rather than by the `safetensors`
package, whose NumPy interface has no bfloat16; the tests hold the two against each other.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import flambeau as torch
from flambeau.serialization import locations, tensors
from flambeau.serialization.files import Source, atomic_file
from flambeau.serialization.tensors import LoadedStorage

MAX_HEADER = 100_000_000
_ALIGNMENT = 8
# In the order in which the package lays the tensors out: the widest first, so that all are aligned.
_CODES = {
    "int64": "I64",
    "float64": "F64",
    "complex64": "C64",
    "float32": "F32",
    "int32": "I32",
    "bfloat16": "BF16",
    "float16": "F16",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}
_NAMES = {code: name for name, code in _CODES.items()}


class SafetensorError(ValueError):
    """A file in the safetensors form is damaged, or content does not fit the form."""


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
    _write(state, metadata, parts.append)
    return b"".join(parts)


def save_file(
    state: Mapping[str, Any],
    filename: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Named tensors into a file, which is written whole or not at all. Raises as `save` does."""
    header, order = _plan(state, metadata)
    with atomic_file(filename) as file:
        _write_planned(state, header, order, file.write)


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


# -------------------------------------------------------------------- writing


def _write(
    state: Mapping[str, Any],
    metadata: Mapping[str, str] | None,
    put: Callable[[bytes | memoryview], object],
) -> None:
    header, order = _plan(state, metadata)
    _write_planned(state, header, order, put)


def write(state: Any, out: Any) -> None:
    """Named tensors into a file object. Raises as `save` does."""
    _write(state, None, out.write)


def _write_planned(
    state: Mapping[str, Any],
    header: bytes,
    order: list[str],
    put: Callable[[bytes | memoryview], object],
) -> None:
    put(len(header).to_bytes(8, "little") + header)
    for name in order:
        tensor = state[name].detach().contiguous()
        dtype = tensor.dtype
        start = tensor.storage_offset() * dtype.itemsize
        stop = start + math.prod(tensor.size()) * dtype.itemsize
        data = np.ascontiguousarray(tensors.storage_bytes(tensor)[start:stop])
        put(tensors.to_native_order(data, dtype, "little").data)


def _plan(state: Any, metadata: Mapping[str, str] | None) -> tuple[bytes, list[str]]:
    """The header, and the names in the order of their data."""
    names = _checked_names(state)
    _refuse_shared(state)
    ranks = list(_CODES)
    order = sorted(names, key=lambda name: (ranks.index(names[name]), name))
    header: dict[str, Any] = {}
    if metadata is not None:
        header["__metadata__"] = {key: metadata[key] for key in sorted(metadata)}
    offset = 0
    for name in order:
        shape = list(state[name].size())
        end = offset + math.prod(shape) * state[name].dtype.itemsize
        header[name] = {
            "dtype": _CODES[names[name]],
            "shape": shape,
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    if len(text) > MAX_HEADER:
        raise SafetensorError(f"a header of {len(text)} bytes; {MAX_HEADER} are the most")
    return text, order


def _checked_names(state: Any) -> dict[str, str]:
    """The dtype's name of each tensor, by the tensor's name."""
    if not isinstance(state, Mapping):
        raise TypeError(
            f"the safetensors form holds a flat dict of named tensors, not a "
            f"{type(state).__name__}: save a state_dict(), or use a name that ends in .pt"
        )
    found = {}
    for name, tensor in state.items():
        if type(name) is not str or name == "__metadata__":
            raise TypeError(f"the safetensors form names its tensors with text, not {name!r}")
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(
                f"the safetensors form holds tensors only, and {name!r} is a "
                f"{type(tensor).__name__}: use a name that ends in .pt for other content"
            )
        dtype = tensors.dtype_name(tensor.dtype)
        if dtype not in _CODES:
            raise TypeError(f"{name!r} has dtype {tensor.dtype}, which the safetensors form lacks")
        found[name] = dtype
    return found


def _refuse_shared(state: Mapping[str, Any]) -> None:
    """The form keeps each tensor's bytes apart, so that overlapping ones would come back untied."""
    spans: dict[int, list[tuple[int, int, str]]] = {}
    for name, tensor in state.items():
        if 0 in tensor.size():
            continue
        first = tensor.storage_offset()
        steps = zip(tensor.size(), tensor.stride(), strict=True)
        last = first + sum((n - 1) * step for n, step in steps)
        size = tensor.dtype.itemsize
        key = tensors.storage_id(tensor)
        spans.setdefault(key, []).append((first * size, (last + 1) * size, name))
    for found in spans.values():
        found.sort()
        reach, owner = 0, ""
        for start, stop, name in found:
            if start < reach:
                raise RuntimeError(
                    f"the tensors {owner!r} and {name!r} share memory, which the safetensors form "
                    "can't keep: clone() one of them, leave it out, or use a name that ends in .pt"
                )
            reach, owner = stop, name


# -------------------------------------------------------------------- reading


def looks_like(source: Source) -> bool:
    """Whether a file begins as one of this form does."""
    head = source.read(0, 9)
    length = int.from_bytes(head[:8], "little")
    return head[8:] == b"{" and length <= min(source.size - 8, MAX_HEADER)


def read(source: Source, map_location: Any) -> dict[str, Any]:
    """The tensors of a file, in the file's order. Raises `SafetensorError`."""
    header, start = _header(source)
    header.pop("__metadata__", None)
    loaded = {}
    end = 0
    places = {name: _place(name, header[name]) for name in header}
    for name in sorted(places, key=lambda name: places[name][2:]):
        dtype, shape, first, stop = places[name]
        if first != end:
            raise SafetensorError(
                f"{source.name}: a hole or an overlap before the data of {name!r}"
            )
        end = stop
    if end != source.size - start:
        raise SafetensorError(
            f"{source.name} is damaged: its header speaks of {end} bytes of data, and "
            f"{source.size - start} are there"
        )
    for name, (dtype, shape, first, stop) in places.items():
        data = tensors.to_native_order(
            source.read_array(start + first, stop - first), dtype, "little"
        )
        storage = LoadedStorage(dtype, math.prod(shape), data)
        locations.place(storage, "cpu", map_location)
        loaded[name] = storage.tensor(dtype, shape, _row_major(shape), 0)
    source.leave_at(source.size)
    return loaded


def _header(source: Source) -> tuple[dict[str, Any], int]:
    length = int.from_bytes(source.read(0, 8), "little")
    if source.size < 8 or length > source.size - 8 or length > MAX_HEADER:
        raise SafetensorError(
            f"{source.name} is no safetensors file, or is truncated: a header of {length} bytes "
            f"in a file of {source.size}"
        )
    raw = source.read(8, length)
    if raw[:1] != b"{":
        raise SafetensorError(f"{source.name} is no safetensors file: its header is no JSON object")
    try:
        header = json.loads(raw.decode(), object_pairs_hook=_without_twins)
    except (ValueError, RecursionError) as error:
        raise SafetensorError(f"{source.name}: the header is damaged: {error}") from error
    return header, 8 + length


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name appears twice")
    return found


def _place(name: str, entry: Any) -> tuple[Any, tuple[int, ...], int, int]:
    """Dtype, shape and the two offsets of one tensor, checked against each other."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise SafetensorError(f"the header's entry for {name!r} is damaged")
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(code, str) or code not in _NAMES:
        raise SafetensorError(f"{name!r} has the dtype {code!r:.20}, which flambeau lacks")
    if not isinstance(shape, list) or len(shape) > tensors.MAX_DIMENSIONS or not _sizes(shape):
        raise SafetensorError(f"{name!r} has no proper shape: {shape!r:.80}")
    if not isinstance(offsets, list) or len(offsets) != 2 or not _sizes(offsets):
        raise SafetensorError(f"{name!r} has no proper offsets: {offsets!r:.80}")
    dtype = tensors.dtypes()[_NAMES[code]]
    if offsets[1] - offsets[0] != math.prod(shape) * dtype.itemsize:
        raise SafetensorError(
            f"{name!r}: shape {shape} and dtype {code} do not take {offsets[1] - offsets[0]} bytes"
        )
    return dtype, tuple(shape), offsets[0], offsets[1]


def _sizes(numbers: list[Any]) -> bool:
    return all(type(n) is int and 0 <= n < 2**62 for n in numbers)


def _row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))
