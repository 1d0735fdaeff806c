"""Checkpoints around a pickle, written by hand, so that anything in them can be wrong."""

from __future__ import annotations

import pickle
import random
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import Any

import numpy as np

import flambeau as torch
from flambeau.serialization import torch_globals, zipform
from flambeau.serialization.files import Source
from fuzz.targets._pickles import mutate as mutate_pickle

STORAGES = {"0": np.arange(1, 5, dtype="<f4").tobytes(), "1": bytes(range(16))}
"""What the pickles of the targets refer to: four floats, and sixteen bytes."""


def archive(records: Mapping[str, bytes], prefix: str = "a/") -> bytes:
    """A ZIP archive of stored records."""
    out, directory = bytearray(), bytearray()
    for name, data in records.items():
        raw, at = (prefix + name).encode("utf-8", "surrogatepass"), len(out)
        fields = struct.pack("<5H3I2H", 20, 0x800, 0, 0, 33, zlib.crc32(data), len(data), len(data),
                             len(raw), 0)  # fmt: skip
        out += b"PK\x03\x04" + fields + raw + data
        directory += b"PK\x01\x02\x14\x00" + fields + struct.pack("<3H2I", 0, 0, 0, 0, at) + raw
    count = len(records)
    end = struct.pack("<4H2IH", 0, 0, count, count, len(directory), len(out), 0)
    return bytes(out + directory + b"PK\x05\x06" + end)


def checkpoint(pickled: bytes, storages: Mapping[str, bytes] = STORAGES, **more: bytes) -> bytes:
    """A checkpoint of the form since PyTorch 1.6 around a pickle."""
    data = {f"data/{key}": content for key, content in storages.items()}
    return archive({"data.pkl": pickled, "byteorder": b"little", **more, **data})


def stream(pickled: bytes, storages: Mapping[str, bytes] = STORAGES) -> bytes:
    """A checkpoint of the form before 1.6 around a pickle; elements of four bytes."""
    head = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    parts = [*(pickle.dumps(part, 2) for part in head), pickled, pickle.dumps(list(storages), 2)]
    parts += [struct.pack("<q", len(data) // 4) + data for data in storages.values()]
    return b"".join(parts)


class Unpacked:
    """A sound archive that was opened once, around whose storages pickles are read."""

    def __init__(self, storages: Mapping[str, bytes] = STORAGES) -> None:
        source = Source(BytesIO(checkpoint(b"N.", storages)))
        self._size = source.size
        self._loader = zipform._Loader(source, None, mmap=False)

    def load(self, pickled: bytes, whole: bool = False) -> Any:
        """What `torch.load` gives for the archive around this pickle."""
        self._loader._storages = {}
        reader = torch_globals.reader(
            pickled, self._loader._storage, whole=whole, size=self._size + len(pickled)
        )
        return reader.load()


def saved_values() -> list[Any]:
    """Small things that `save` takes, of every kind."""
    base = torch.arange(6.0)
    model = torch.nn.Sequential(torch.nn.Linear(1, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(2, 1)).sum().backward()
    optimizer.step()
    marked = torch.nn.Parameter(torch.ones(1))
    marked.note = "mine"
    sparse = torch.sparse_coo_tensor([[0, 1]], [1.0, 2.0], (3,))
    return [
        base, [base[2:], base[::2], base.reshape(2, 3).T], torch.nn.Parameter(base), marked,
        model.state_dict(), optimizer.state_dict(), torch.tensor(2.0), torch.zeros(0, 3),
        torch.ones(2, dtype=torch.bfloat16), torch.ones(1, dtype=torch.complex64), sparse,
        [torch.float16, torch.device("cpu"), torch.Size([1, 2]), torch.strided],
        {"epoch": 3, "lr": [0.1, None], "array": np.ones(2), "text": "é"},
    ]  # fmt: skip


def saved(zipped: bool = True) -> Iterator[bytes]:
    """The same as files."""
    for value in saved_values():
        file = BytesIO()
        torch.save(value, file, _use_new_zipfile_serialization=zipped)
        yield file.getvalue()


def records(data: bytes) -> dict[str, bytes]:
    """The records of a sound archive, without the folder's name."""
    from zipfile import ZipFile

    with ZipFile(BytesIO(data)) as found:
        return {name.split("/", 1)[1]: found.read(name) for name in found.namelist()}


def mend(data: bytes) -> bytes:
    """An archive whose checksums fit its records again, where those are still to be found."""
    out, at = bytearray(data), data.find(b"PK\x01\x02")
    while at >= 0 and at + 46 <= len(out):
        (size,) = struct.unpack_from("<I", out, at + 24)
        (head,) = struct.unpack_from("<I", out, at + 42)
        if out[head : head + 4] == b"PK\x03\x04" and head + 30 <= len(out):
            name, extra = struct.unpack_from("<2H", out, head + 26)
            start = head + 30 + name + extra
            if size <= len(out):
                crc = struct.pack("<I", zlib.crc32(out[start : start + size]))
                out[at + 16 : at + 20] = out[head + 14 : head + 18] = crc
        at = data.find(b"PK\x01\x02", at + 4)
    return bytes(out)


def use(value: Any, depth: int = 4) -> None:
    """Look at what was loaded: print it and read the tensors' elements."""
    if isinstance(value, torch.Tensor):
        if value.numel() <= 64:
            value.tolist()
    elif isinstance(value, (list, tuple)) and depth:
        for item in value[:8]:
            use(item, depth - 1)
    elif isinstance(value, dict) and depth:
        for item in list(dict.values(value))[:8]:
            use(item, depth - 1)


def whole_mutate(
    data: bytes, max_size: int, rng: random.Random, plain: Callable[[bytes, int], bytes]
) -> bytes:
    """Change an archive's bytes, or its pickle, and repair the checksums."""
    if rng.random() < 0.3:
        try:
            found = records(data)
            found["data.pkl"] = mutate_pickle(found["data.pkl"], max_size, rng, plain)
            return archive(found)[:max_size]
        except Exception:  # noqa: S110  the data are no archive any more
            pass
    data = plain(data, max_size)
    return mend(data) if rng.random() < 0.7 else data
