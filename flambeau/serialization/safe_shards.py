"""A state dict in several safetensors files, with an index that says which tensor is in which.

The index is JSON, `model.safetensors.index.json`: `weight_map` from the tensors' names to files
beside it, and `metadata` with the bytes in all; see
https://huggingface.co/docs/hub/models-widgets and the packages transformers and huggingface_hub,
which write and read it. A folder counts as what its `model.safetensors` holds, or else its index.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from flambeau.errors import shown
from flambeau.serialization import safe_header
from flambeau.serialization.files import Source
from flambeau.serialization.safe_header import SafetensorError
from flambeau.serialization.whole_files import atomic_file

INDEX_ENDING = ".safetensors.index.json"
_SINGLE = "model.safetensors"
_INDEX = "model" + INDEX_ENDING
_OURS = re.compile(r"model(-v\d+)?-\d{5}-of-\d{5}\.safetensors")
_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
          "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}  # fmt: skip


# -------------------------------------------------------------------- writing


def save_sharded(
    state: Mapping[str, Any],
    folder: str | os.PathLike[str],
    max_shard_size: int | str = "5GB",
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Named tensors into a folder: `model.safetensors` where they fit into one file, else
    `model-00001-of-00003.safetensors` and so on and their index.

    Whatever moment the process dies, the folder holds the old state or the new one, whole: the new
    files get other names than those that an index there refers to, and the index comes last.

    Args:
        state: a flat dict from names to tensors, such as a state dict.
        max_shard_size: bytes of tensors in a file, or text such as `"500MB"` (a million bytes to
            the MB) or `"1GiB"`. A tensor that is larger gets a file of its own.
        metadata: text to keep in each file; `{"format": "pt"}` if it is left out.

    Raises:
        TypeError, RuntimeError: as `save_file`.
        ValueError: a size that is none.
    """
    from flambeau.serialization.safe_tensors import save_file

    safe_header.checked_names(state)
    safe_header.refuse_shared(state)
    groups = _split(state, _size(max_shard_size))
    folder = os.fspath(folder)
    os.makedirs(folder, exist_ok=True)
    before = _files_of(folder)
    metadata = {"format": "pt"} if metadata is None else metadata
    if len(groups) <= 1:
        save_file(state, os.path.join(folder, _SINGLE), metadata)
        _remove(folder, [_INDEX, *before])
        return
    names = _unused_names(folder, len(groups))
    for name, group in zip(names, groups, strict=True):
        save_file({key: state[key] for key in group}, os.path.join(folder, name), metadata)
    where = {key: name for name, group in zip(names, groups, strict=True) for key in group}
    total = sum(safe_header.nbytes(state[key]) for key in where)
    index = {"metadata": {"total_size": total}, "weight_map": where}
    with atomic_file(os.path.join(folder, _INDEX)) as file:
        file.write((json.dumps(index, indent=2, sort_keys=True) + "\n").encode())
    _remove(folder, [_SINGLE, *before])


def _size(given: int | str) -> int:
    if type(given) is int and given > 0:
        return given
    found = re.fullmatch(r"\s*(\d+)\s*([A-Za-z]*)\s*", given) if isinstance(given, str) else None
    if found is None or found[2].upper() not in _UNITS or not int(found[1]):
        raise ValueError(
            f"max_shard_size={shown(given):.60}: bytes, or text such as '500MB' or '5GB'"
        )
    return int(found[1]) * _UNITS[found[2].upper()]


def _split(state: Mapping[str, Any], room: int) -> list[list[str]]:
    """The names in groups of at most `room` bytes, in the state's order."""
    groups: list[list[str]] = []
    left = -1
    for name, tensor in state.items():
        size = safe_header.nbytes(tensor)
        if size > left or not groups:
            groups.append([])
            left = room
        groups[-1].append(name)
        left -= size
    return groups


def _unused_names(folder: str, count: int) -> list[str]:
    """Names for the files, none of which is taken: after the first save with a number in them."""
    for turn in range(1, 10**6):
        stem = "model" if turn == 1 else f"model-v{turn}"
        names = [f"{stem}-{n:05d}-of-{count:05d}.safetensors" for n in range(1, count + 1)]
        if not any(os.path.lexists(os.path.join(folder, name)) for name in names):
            return names
    raise RuntimeError(f"{folder} is full of files named model-v*: remove some")


def _files_of(folder: str) -> list[str]:
    """The files that the index in a folder refers to, as far as it can be read: such as are ours."""
    try:
        where, _ = _read_index(os.path.join(folder, _INDEX))
    except (OSError, SafetensorError):
        return []
    return sorted({name for name in where.values() if _OURS.fullmatch(name)})


def _remove(folder: str, names: list[str]) -> None:
    """Remove what the state that was there before has left; that it is there does no harm."""
    for name in names:
        with suppress(OSError):
            os.unlink(os.path.join(folder, name))


# -------------------------------------------------------------------- reading


def load_sharded(
    path: str | os.PathLike[str], device: Any = "cpu", *, mmap: bool = False
) -> dict[str, Any]:
    """The tensors that an index and its files hold, in the index's order.

    All files are checked against the index and themselves before any tensor is read.

    Args:
        path: the index, or its folder, which may also hold one `model.safetensors` instead.
        device: where the tensors go.
        mmap: map the files into memory instead of reading them.

    Raises:
        SafetensorError: the index is damaged, names a file outside of its folder, or differs from
            what the files hold.
        FileNotFoundError: one of the files, or any such file in the folder, is missing.
    """
    from flambeau.serialization.safe_tensors import read

    name = os.fspath(path)
    if os.path.isdir(name):
        name = _in_folder(name)
    if not name.endswith(".json"):
        with Source(name) as source:
            return read(source, device, mmap=mmap)
    where, total = _read_index(name)
    files = {shard: _inside(name, shard) for shard in sorted(set(where.values()))}
    _check(name, where, total, files)
    found: dict[str, Any] = {}
    for shard, file in files.items():
        with Source(file) as source:
            tensors = read(source, device, mmap=mmap)
        _compare(name, where, shard, tensors)
        found.update(tensors)
    return {key: found[key] for key in where}


def is_sharded(path: Any) -> bool:
    """Whether a path is an index, or a folder that holds one or a `model.safetensors`."""
    if not isinstance(path, (str, os.PathLike)):
        return False
    name = os.fspath(path)
    if not isinstance(name, str):
        return False
    return name.endswith(INDEX_ENDING) or (os.path.isdir(name) and bool(_candidates(name)))


def _candidates(folder: str) -> list[str]:
    if os.path.isfile(os.path.join(folder, _SINGLE)):
        return [_SINGLE]
    return sorted(name for name in os.listdir(folder) if name.endswith(INDEX_ENDING))


def _in_folder(folder: str) -> str:
    """The file in a folder that stands for it."""
    found = _candidates(folder)
    if not found:
        raise FileNotFoundError(f"{folder} holds neither {_SINGLE} nor an index ({_INDEX})")
    if len(found) > 1:
        raise SafetensorError(f"{folder} holds several indices, so name one: {', '.join(found)}")
    return os.path.join(folder, found[0])


def _read_index(path: str) -> tuple[dict[str, str], int | None]:
    """The file of each tensor, and the bytes in all, where the index tells."""
    with Source(path) as source:
        if source.size > safe_header.MAX_HEADER:
            raise SafetensorError(f"{path}: an index of {source.size} bytes")
        found = safe_header.decode(source.read(0, source.size), f"{path}: the index")
    where, about = found.get("weight_map"), found.get("metadata", {})
    if not isinstance(where, dict) or not all(type(shard) is str for shard in where.values()):
        raise SafetensorError(f"{path}: its weight_map does not map names to files")
    total = about.get("total_size") if isinstance(about, dict) else None
    return where, total if type(total) is int else None


def _inside(index: str, shard: str) -> str:
    """The path of a file that an index names, which must lie in the index's folder."""
    folder = os.path.dirname(os.path.abspath(index))
    if not re.fullmatch(r"[^/\\:\0\ud800-\udfff]+\.safetensors", shard):
        raise SafetensorError(
            f"{index} names the file {shard!r:.80}: only files beside it that end in .safetensors"
        )
    path = os.path.join(folder, shard)
    real = os.path.realpath(path)
    if os.path.dirname(real) not in (os.path.realpath(folder), _blobs(folder)):
        raise SafetensorError(f"{index}: {shard!r:.80} is a link that leads out of its folder")
    return path


def _blobs(folder: str) -> str | None:
    """Where the links of a folder in Hugging Face's cache lead: `snapshots/<revision>` to `blobs`."""
    snapshots = os.path.dirname(os.path.realpath(folder))
    if os.path.basename(snapshots) != "snapshots":
        return None
    return os.path.join(os.path.dirname(snapshots), "blobs")


def _check(index: str, where: dict[str, str], total: int | None, files: dict[str, str]) -> None:
    """Read all headers, and compare them with the index."""
    size = 0
    for shard, file in files.items():
        with Source(file) as source:
            places = safe_header.parse(source).places
        _compare(index, where, shard, places)
        size += sum(place.stop - place.start for place in places.values())
    if total is not None and total != size:
        # Many an index on the hub is wrong here, and nothing depends on it.
        warnings.warn(
            f"{index} speaks of {total} bytes of tensors, and its files hold {size}", stacklevel=4
        )


def _compare(index: str, where: dict[str, str], shard: str, found: Mapping[str, Any]) -> None:
    missing = [name for name, file in where.items() if file == shard and name not in found]
    if missing:
        raise SafetensorError(f"{shard} lacks {missing[0]!r:.80}, which {index} says is in it")
    other = [name for name in found if where.get(name) != shard]
    if other:
        place = where.get(other[0])
        said = f"is in {place!r:.80}" if place else "is not there"
        raise SafetensorError(f"{shard} holds {other[0]!r:.80}, which by {index} {said}")
