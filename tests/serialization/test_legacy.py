"""PyTorch's form before 1.6."""

from __future__ import annotations

import io
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.serialization import legacy, load, pickle_writer, save
from flambeau.serialization.pickle_writer import Global, Persistent, PickleWriter, Reduced


def dumps(obj: Any) -> bytes:
    return PickleWriter(lambda obj: obj).dumps(obj)


def stream(obj: Any, keys: list[str], storages: bytes) -> io.BytesIO:
    """A stream around any object and any bytes."""
    head = (legacy.MAGIC_NUMBER, legacy.VERSION, {"little_endian": True})
    return io.BytesIO(b"".join(map(dumps, (*head, obj, keys))) + storages)


class _Tensor(Reduced):
    """A tensor of the attacker's, to stand in a container."""


def tensor(view: Any = None, size: Any = (2,), offset: int = 0, numel: Any = 3) -> Any:
    storage = Persistent(("storage", Global("torch", "FloatStorage"), "k", "cpu", numel, view))
    function = Global("torch._utils", "_rebuild_tensor_v2")
    return _Tensor(function, (storage, offset, size, (1,), False, {}))


FLOATS = np.array([1, 2, 3], "<f4").tobytes()


def test_everything_comes_back(content: Any, assert_same: Any, tmp_path: Path) -> None:
    save(content, tmp_path / "all.pt", _use_new_zipfile_serialization=False)
    assert_same(load(tmp_path / "all.pt"), content)


def test_a_stream_that_python_2_has_written(monkeypatch: Any) -> None:
    """Its text is byte strings."""

    def save_byte_string(writer: Any, text: str) -> None:
        raw = text.encode()
        writer._out += b"U" + bytes((len(raw),)) + raw

    monkeypatch.setitem(pickle_writer._WRITERS, str, save_byte_string)
    file = io.BytesIO()
    save({"weight": torch.ones(2), "é": "text"}, file, _use_new_zipfile_serialization=False)
    for encoding, names in (("utf-8", ["weight", "é"]), ("bytes", [b"weight", "é".encode()])):
        file.seek(0)
        found = load(file, encoding=encoding)
        assert list(found) == names
        assert found[names[0]].tolist() == [1.0, 1.0]


def test_several_in_one_file() -> None:
    file = io.BytesIO()
    for value in ([torch.ones(2)], {"b": 2}):
        save(value, file, _use_new_zipfile_serialization=False)
    file.seek(0)
    assert load(file)[0].tolist() == [1.0, 1.0]
    assert load(file) == {"b": 2}


def test_a_pickle_longer_than_the_first_read(tmp_path: Path) -> None:
    value = {"text": "x" * 1_000_000, "a": torch.arange(5)}
    save(value, tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    found = load(tmp_path / "a.pt")
    assert found["text"] == value["text"]
    assert found["a"].tolist() == [0, 1, 2, 3, 4]


def test_views_of_storages() -> None:
    whole = load(stream([tensor(), tensor(("v", 1, 2))], ["k"], struct.pack("<q", 3) + FLOATS))
    assert whole[0].tolist() == [1.0, 2.0]
    assert whole[1].tolist() == [2.0, 3.0]
    whole[0][1] = 9.0
    assert whole[1].tolist() == [9.0, 3.0]


@pytest.mark.parametrize(
    "bad",
    [
        tensor(("v", 2, 2)),
        tensor(("v", -1, 2)),
        tensor(("v", 0, 1)),
        tensor(("v", 0)),
        tensor(5),
        tensor(size=(4,)),
        tensor(offset=2),
        tensor(numel=4),
        tensor(numel=-1),
        tensor(numel=2**61),
    ],
)
def test_bounds_are_checked(bad: Any) -> None:
    with pytest.raises(pickle.UnpicklingError):
        load(stream([bad], ["k"], struct.pack("<q", 3) + FLOATS))


def test_storages_that_are_not_there() -> None:
    good = struct.pack("<q", 3) + FLOATS
    for keys, storages in ((["k"], good[:-1]), (["k"], good[:5]), ([], b""), (["j"], good),
                           (["k", "k"], good + good), ([5], good)):  # fmt: skip
        with pytest.raises((pickle.UnpicklingError, RuntimeError)):
            load(stream([tensor()], keys, storages))
    huge = struct.pack("<q", 2**40) + FLOATS
    with pytest.raises(RuntimeError, match="truncated"):
        load(stream([tensor(numel=2**40)], ["k"], huge))


def test_truncated_streams_are_refused(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save(content, path, _use_new_zipfile_serialization=False)
    raw = path.read_bytes()
    for end in range(1, len(raw), 101):
        with pytest.raises((pickle.UnpicklingError, RuntimeError)):
            load(io.BytesIO(raw[:end]))


def test_code_is_not_executed(tmp_path: Path) -> None:
    target = tmp_path / "executed"
    call = Reduced(Global(os.name, "system"), (f"touch {target}",))
    with pytest.raises(pickle.UnpicklingError, match="system"):
        load(stream([call], [], b""))
    assert not target.exists()
    module = Persistent(("module", Global("collections", "OrderedDict"), None, None, 0))
    with pytest.raises(pickle.UnpicklingError, match="whole module"):
        load(stream([module], [], b""))


def test_other_pickles_are_refused() -> None:
    with pytest.raises(RuntimeError, match="magic number"):
        load(io.BytesIO(dumps([1, 2])))
    with pytest.raises(RuntimeError, match="protocol version"):
        load(io.BytesIO(dumps(legacy.MAGIC_NUMBER) + dumps(1002)))
    with pytest.raises(pickle.UnpicklingError):
        load(io.BytesIO(b"not a checkpoint at all"))
    with pytest.raises(RuntimeError, match="mmap"):
        path = Path(__file__).parent / "data" / "legacy.pt"
        load(path, mmap=True)
