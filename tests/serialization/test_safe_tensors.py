"""The safetensors form."""

from __future__ import annotations

import importlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.serialization import load, safe_tensors, save

DTYPES = (
    "float16", "float32", "float64", "bfloat16", "uint8", "int8", "int16", "int32", "int64", "bool",
    "complex64", "uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz",
    "float8_e5m2fnuz", "float8_e8m0fnu",
)  # fmt: skip


def blob(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype: str = "F32", shape: Any = (2,), begin: int = 0, end: int = 8) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def test_every_dtype_comes_back(tmp_path: Path) -> None:
    state = {name: torch.arange(6).to(getattr(torch, name)).reshape(2, 3) for name in DTYPES}
    state |= {"0-d": torch.tensor(2.5), "empty": torch.empty(3, 0), "é": torch.ones(4, 3).t()}
    path = tmp_path / "a.safetensors"
    save(state, path)
    with safe_tensors.safe_open(path) as file:
        one_by_one = {name: file.get_tensor(name) for name in file.keys()}
    mapped, streamed = load(path, mmap=True), load(io.BytesIO(path.read_bytes()))
    for found in (load(path), safe_tensors.load_file(path), streamed, mapped, one_by_one):
        assert set(found) == set(state)
        for name, tensor in state.items():
            assert found[name].dtype == tensor.dtype
            assert found[name].size() == tensor.size()
            assert found[name].tolist() == tensor.tolist()
    assert path.read_bytes() == safe_tensors.save(state)


def test_writes_to_a_mapped_file_stay_here(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save({"a": torch.zeros(3)}, path)
    before = path.read_bytes()
    load(path, mmap=True)["a"].fill_(1.0)
    assert path.read_bytes() == before


def test_single_tensors_and_parts_of_them(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    state = {"b": torch.arange(24.0).reshape(4, 3, 2), "a": torch.tensor(5), "c": torch.empty(0, 2)}
    safe_tensors.save_file(state, path, {"format": "pt"})
    with safe_tensors.safe_open(path, framework="pt", device="cpu") as file:
        assert file.keys() == ["a", "b", "c"]
        assert file.offset_keys()[0] == "a"
        assert file.metadata() == {"format": "pt"}
        assert file.get_tensors(["a"])["a"].item() == 5
        part = file.get_slice("b")
        assert (part.get_shape(), part.get_dtype()) == ([4, 3, 2], "F32")
        for index in (
            slice(1, 3), slice(None), slice(3, 1), slice(-2, None), slice(0, 4, 2), 2, -1,
            (slice(1, 3), 1), (1, slice(0, 2), 1), (..., 1), (slice(None), slice(1, 2)),
            torch.tensor([0, 2]), (None, 1),
        ):  # fmt: skip
            expected = state["b"][index]
            assert part[index].size() == expected.size()
            assert part[index].tolist() == expected.tolist()
        assert file.get_slice("a")[...].item() == 5
        assert file.get_slice("c")[:5].size() == (0, 2)
        with pytest.raises(IndexError):
            part[4]
        with pytest.raises(safe_tensors.SafetensorError, match="no tensor 'd'"):
            file.get_tensor("d")
    with pytest.raises(safe_tensors.SafetensorError, match="framework"):
        safe_tensors.safe_open(path, framework="tf")


def test_the_package_reads_ours_and_lays_it_out_so(tmp_path: Path) -> None:
    package = pytest.importorskip("safetensors")
    path = tmp_path / "a.safetensors"
    names = [name for name in DTYPES if not name.startswith(("float8", "bfloat"))]
    state = {name: torch.arange(6).to(getattr(torch, name)).reshape(2, 3) for name in names}
    safe_tensors.save_file(state, path, {"a": "1"})
    with package.safe_open(path, "np") as theirs, safe_tensors.safe_open(path) as ours:
        assert sorted(theirs.keys()) == ours.keys()
        assert theirs.offset_keys() == ours.offset_keys()
        assert theirs.metadata() == ours.metadata()
        for name in names:
            np.testing.assert_array_equal(theirs.get_tensor(name), ours.get_tensor(name).numpy())
            assert theirs.get_slice(name).get_dtype() == ours.get_slice(name).get_dtype()
            part = theirs.get_slice(name)[1:]
            np.testing.assert_array_equal(part, ours.get_slice(name)[1:].numpy())
    arrays = {name: state[name].numpy() for name in names}
    assert (
        importlib.import_module("safetensors.numpy").save(arrays, {"a": "1"}) == path.read_bytes()
    )


def test_the_bytes() -> None:
    state = {"b": torch.tensor([1.0, 2.0]), "a": torch.tensor([3], dtype=torch.int64)}
    raw = safe_tensors.save(state, metadata={"format": "pt"})
    length = int.from_bytes(raw[:8], "little")
    assert length % 8 == 0
    assert json.loads(raw[8 : 8 + length]) == {
        "__metadata__": {"format": "pt"},
        "a": entry("I64", (1,), 0, 8),
        "b": entry("F32", (2,), 8, 16),
    }
    assert raw[8 + length :] == np.array([3], "<i8").tobytes() + np.array([1, 2], "<f4").tobytes()
    assert list(safe_tensors.load(raw)) == ["a", "b"]


def test_views_of_disjoint_parts_are_saved() -> None:
    base = torch.arange(6.0)
    found = safe_tensors.load(safe_tensors.save({"a": base[:3], "b": base[3:]}))
    assert found["b"].tolist() == [3.0, 4.0, 5.0]
    assert found["b"].storage_offset() == 0


def test_shared_memory_is_refused(tmp_path: Path) -> None:
    weight = torch.ones(3)
    with pytest.raises(RuntimeError, match="'a' and 'b' share memory"):
        save({"a": weight, "b": weight[1:]}, tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []


class Tied(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
        self.third = torch.nn.Linear(2, 2, bias=False)
        self.second.weight = self.third.weight = self.first.weight


def test_models_with_tied_parameters(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    model, other = Tied(), Tied()
    safe_tensors.save_model(model, path, {"format": "pt"})
    with safe_tensors.safe_open(path) as file:
        assert file.keys() == ["first.bias", "first.weight", "second.bias"]
        ties = {"second.weight": "first.weight", "third.weight": "first.weight"}
        assert file.metadata() == {"format": "pt", **ties}
    assert safe_tensors.load_model(other, path) == (set(), [])
    assert other.third.weight.tolist() == model.first.weight.tolist()
    assert other.second.weight is other.first.weight
    state = load(path)
    safe_tensors.save_file({**state, "third.weight": state["first.weight"].clone()}, path)
    with pytest.raises(RuntimeError, match=r"unexpected \['third.weight'\]"):
        safe_tensors.load_model(other, path)
    state["third.weight"] = state.pop("first.weight")
    safe_tensors.save_file({**state, "more": torch.ones(1)}, path)
    assert safe_tensors.load_model(other, path, strict=False) == (set(), ["more"])
    safe_tensors.save_file({"second.bias": torch.ones(2)}, path)
    with pytest.raises(RuntimeError, match="missing .'first.bias', 'first.weight'"):
        safe_tensors.load_model(other, path)
    model.second.weight = torch.nn.Parameter(model.first.weight.detach()[:1])
    with pytest.raises(RuntimeError, match="share memory"):
        safe_tensors.save_model(model, path)


def test_other_content_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    for content in (
        torch.ones(2),
        {"a": 1},
        {"a": {"b": torch.ones(2)}},
        {1: torch.ones(2)},
        {"a": torch.ones(2, dtype=torch.complex128)},
        {"__metadata__": torch.ones(2)},
    ):
        with pytest.raises(TypeError):
            save(content, path)
    assert list(tmp_path.iterdir()) == []


def test_a_pytorch_file_under_this_name_is_read(tmp_path: Path) -> None:
    save([1], tmp_path / "a.pt")
    (tmp_path / "a.pt").rename(tmp_path / "a.safetensors")
    assert load(tmp_path / "a.safetensors") == [1]


@pytest.mark.parametrize(
    "raw",
    {
        "nothing": b"",
        "short": b"\x01\x00",
        "header beyond the end": (100).to_bytes(8, "little") + b"{}",
        "huge header": (2**63).to_bytes(8, "little") + b"{}",
        "no object": blob(b"[]"),
        "leading space": blob(b" {}"),
        "no JSON": blob(b"{,}"),
        "no UTF-8": blob(b'{"\xff": 1}'),
        "deep JSON": blob(b'{"a": ' + b"[" * 100_000),
        "twins": blob(b'{"a": {"dtype":"U8","shape":[0],"data_offsets":[0,0]}, "a": 1}'),
        "metadata no text": blob({"__metadata__": {"a": 1}}),
        "no entry": blob({"a": 5}),
        "fields missing": blob({"a": {"dtype": "F32", "shape": [2]}}, bytes(8)),
        "unknown dtype": blob({"a": entry("F4", (8,))}, bytes(8)),
        "dtype no text": blob({"a": {**entry(), "dtype": []}}, bytes(8)),
        "negative size": blob({"a": entry(shape=(-2,))}, bytes(8)),
        "size no integer": blob({"a": entry(shape=(2.0,))}, bytes(8)),
        "size a bool": blob({"a": entry("U8", (True,), 0, 1)}, bytes(1)),
        "wrong size": blob({"a": entry(shape=(3,))}, bytes(8)),
        "huge size": blob({"a": entry(shape=(2**61, 2**61))}, bytes(8)),
        "many dimensions": blob({"a": entry("U8", (1,) * 100, 0, 1)}, bytes(1)),
        "offsets turned": blob({"a": entry(begin=8, end=0)}, bytes(8)),
        "data missing": blob({"a": entry()}, bytes(7)),
        "data left over": blob({"a": entry()}, bytes(9)),
        "a hole": blob({"a": entry(begin=1, end=9)}, bytes(9)),
        "an overlap": blob({"a": entry(), "b": entry()}, bytes(8)),
    }.items(),
    ids=lambda item: item[0],
)
def test_damaged_files_are_refused(raw: Any) -> None:
    with pytest.raises(safe_tensors.SafetensorError):
        safe_tensors.load(raw[1])
