"""The header of the safetensors form: what it may hold, and how it is read and checked.

Eight bytes with the header's length, then JSON: dtype, shape and place of each tensor, and perhaps
`__metadata__`, which is text. See https://huggingface.co/docs/safetensors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import flambeau as torch
from flambeau.serialization import tensors
from flambeau.serialization.files import Source

MAX_HEADER = 100_000_000
ALIGNMENT = 8
# In the order in which the package lays the tensors out: the widest first, so that all are aligned.
CODES = {
    "uint64": "U64",
    "int64": "I64",
    "float64": "F64",
    "complex64": "C64",
    "float32": "F32",
    "uint32": "U32",
    "int32": "I32",
    "bfloat16": "BF16",
    "float16": "F16",
    "uint16": "U16",
    "int16": "I16",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e8m0fnu": "F8_E8M0",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}
_NAMES = {code: name for name, code in CODES.items()}


class SafetensorError(ValueError):
    """A file in the safetensors form is damaged, or content does not fit the form."""


class Place(NamedTuple):
    """One tensor in a file: its bytes lie from `start` to `stop`, counted from the file's begin."""

    code: str
    shape: tuple[int, ...]
    start: int
    stop: int

    @property
    def dtype(self) -> Any:
        return tensors.dtypes()[_NAMES[self.code]]


class Header(NamedTuple):
    """What a file says of itself, checked against its size."""

    places: dict[str, Place]
    metadata: dict[str, str] | None


# -------------------------------------------------------------------- making


def plan(state: Any, metadata: Mapping[str, str] | None) -> tuple[bytes, list[str]]:
    """The header of named tensors, with its length, and the names in the order of their data.

    Raises:
        TypeError: something in it is no tensor, or has a dtype that the form lacks.
        RuntimeError: two tensors share memory, which the form can't say.
    """
    names = checked_names(state)
    refuse_shared(state)
    ranks = list(CODES)
    order = sorted(names, key=lambda name: (ranks.index(names[name]), name))
    header: dict[str, Any] = {}
    if metadata is not None:
        header["__metadata__"] = {key: metadata[key] for key in sorted(metadata)}
    offset = 0
    for name in order:
        end = offset + nbytes(state[name])
        header[name] = {
            "dtype": CODES[names[name]],
            "shape": list(state[name].size()),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    if len(text) > MAX_HEADER:
        raise SafetensorError(f"a header of {len(text)} bytes; {MAX_HEADER} are the most")
    return len(text).to_bytes(8, "little") + text, order


def nbytes(tensor: Any) -> int:
    """The bytes that a tensor's elements take in the file."""
    return int(math.prod(tensor.size()) * tensor.dtype.itemsize)


def checked_names(state: Any) -> dict[str, str]:
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
        if dtype not in CODES:
            raise TypeError(f"{name!r} has dtype {tensor.dtype}, which the safetensors form lacks")
        found[name] = dtype
    return found


def refuse_shared(state: Mapping[str, Any]) -> None:
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


def parse(source: Source) -> Header:
    """The header of a file, in the file's order, checked whole: the tensors' data fill the rest of
    the file, without holes. Raises `SafetensorError`."""
    found, start = _json_of(source)
    metadata = found.pop("__metadata__", None)
    if metadata is not None and not _is_text(metadata):
        raise SafetensorError(f"{source.name}: __metadata__ is something else than text")
    places = {name: _place(name, found[name], start) for name in found}
    end = start
    for name in sorted(places, key=lambda name: places[name][2:]):
        if places[name].start != end:
            raise SafetensorError(
                f"{source.name}: a hole or an overlap before the data of {name!r:.80}"
            )
        end = places[name].stop
    if end != source.size:
        raise SafetensorError(
            f"{source.name} is damaged: its header speaks of {end - start} bytes of data, and "
            f"{source.size - start} are there"
        )
    return Header(places, metadata)


def _is_text(metadata: Any) -> bool:
    return isinstance(metadata, dict) and all(type(text) is str for text in metadata.values())


def _json_of(source: Source) -> tuple[dict[str, Any], int]:
    length = int.from_bytes(source.read(0, 8), "little")
    if source.size < 8 or length > source.size - 8 or length > MAX_HEADER:
        raise SafetensorError(
            f"{source.name} is no safetensors file, or is truncated: a header of {length} bytes "
            f"in a file of {source.size}"
        )
    raw = source.read(8, length)
    if raw[:1] != b"{":
        raise SafetensorError(f"{source.name} is no safetensors file: its header is no JSON object")
    return decode(raw, f"{source.name}: the header"), 8 + length


def decode(raw: bytes, what: str) -> dict[str, Any]:
    """The JSON object in `raw`, in which no name may stand twice. Raises `SafetensorError`."""
    try:
        found = json.loads(raw.decode(), object_pairs_hook=_without_twins)
    except (ValueError, RecursionError) as error:
        raise SafetensorError(f"{what} is damaged: {error!s:.200}") from error
    if not isinstance(found, dict):
        raise SafetensorError(f"{what} is no JSON object")
    return found


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name appears twice")
    return found


def _place(name: str, entry: Any, data: int) -> Place:
    """Dtype, shape and place of one tensor, checked against each other; `data` is where the data
    of all begin."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise SafetensorError(f"the header's entry for {name!r:.80} is damaged")
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(code, str) or code not in _NAMES:
        raise SafetensorError(f"{name!r:.80} has the dtype {code!r:.20}, which flambeau lacks")
    if not isinstance(shape, list) or len(shape) > tensors.MAX_DIMENSIONS or not _sizes(shape):
        raise SafetensorError(f"{name!r:.80} has no proper shape: {shape!r:.80}")
    if not isinstance(offsets, list) or len(offsets) != 2 or not _sizes(offsets):
        raise SafetensorError(f"{name!r:.80} has no proper offsets: {offsets!r:.80}")
    dtype = tensors.dtypes()[_NAMES[code]]
    # Sizes of zero do not hide others that no tensor can have.
    if math.prod(max(n, 1) for n in shape) * dtype.itemsize >= 2**63:
        raise SafetensorError(f"{name!r:.80} has no proper shape: {shape!r:.80}")
    if offsets[1] - offsets[0] != math.prod(shape) * dtype.itemsize:
        raise SafetensorError(
            f"{name!r:.80}: shape {shape!r:.80} and dtype {code} do not take {offsets[1] - offsets[0]} bytes"
        )
    return Place(code, tuple(shape), data + offsets[0], data + offsets[1])


def _sizes(numbers: list[Any]) -> bool:
    return all(type(n) is int and 0 <= n < 2**62 for n in numbers)
