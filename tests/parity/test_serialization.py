"""Checkpoints both ways: what one library saves, the other loads."""

from __future__ import annotations

import collections
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

import flambeau

oracle = pytest.importorskip("torch")

DTYPES = (
    "float16", "float32", "float64", "bfloat16", "uint8", "int8", "int16", "int32", "int64", "bool",
    "complex64", "complex128",
)  # fmt: skip


def views(torch: Any) -> Any:
    base = torch.arange(60, dtype=torch.float32).reshape(3, 4, 5)
    return [
        base, base[1], base[:, 1], base[..., ::2], base.transpose(0, 2), base.permute(1, 2, 0),
        base[2, 3, 4], base[1:1], base.view(-1)[7:9], base[:1].expand(6, 4, 5),
    ]  # fmt: skip


def attributes(torch: Any) -> Any:
    made = [torch.ones(2), torch.nn.Parameter(torch.zeros(2))]
    for number, tensor in enumerate(made):
        tensor.label = f"number {number}"
    return made


def optimizer_state(torch: Any) -> Any:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1, weight_decay=0.01)
    momentum = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(5, 3)).pow(2).sum().backward()
    optimizer.step()
    momentum.step()
    return {
        "model": model.state_dict(),
        "adam": optimizer.state_dict(),
        "sgd": momentum.state_dict(),
    }


CASES = {
    "dtypes": lambda torch: {
        name: torch.arange(6).to(getattr(torch, name)).reshape(2, 3) for name in DTYPES
    },
    "0-d": lambda torch: [torch.tensor(1.5), torch.tensor(True), torch.tensor(3)],
    "empty": lambda torch: [torch.empty(0), torch.empty(2, 0, 3), torch.tensor([])],
    "views": views,
    "one tensor": lambda torch: torch.ones(2, 3),
    "the same tensor twice": lambda torch: [torch.ones(2)] * 3,
    "parameters": lambda torch: [
        torch.nn.Parameter(torch.ones(2)),
        torch.nn.Parameter(torch.ones(2), requires_grad=False),
    ],
    "parameter list": lambda torch: dict(torch.nn.Linear(2, 2).named_parameters()),
    "attributes": attributes,
    "leaves": lambda torch: torch.ones(2, requires_grad=True),
    "results": lambda torch: torch.ones(2, requires_grad=True) * 2,
    "state dict": lambda torch: torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Linear(3, 2)
    ).state_dict(),
    "optimizers": optimizer_state,
    "torch's own": lambda torch: [
        torch.Size([1, 2]), torch.Size([]), torch.device("cpu"), torch.float32, torch.bfloat16,
        torch.bool,
    ],
    "containers": lambda torch: {
        "list": [1, [2, [torch.ones(1)]], []],
        "tuple": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, torch.ones(1))),
        "set": {1, "a", (2, 3)},
        "ordered": collections.OrderedDict([("b", 1), ("a", torch.ones(1))]),
        "counter": collections.Counter("aab"),
        5: "integer key",
        (1, "a"): "tuple key",
    },
    "numbers": lambda torch: [
        0, 1, -1, 255, 256, 65535, 65536, 2**31 - 1, 2**31, -(2**31), -(2**63), 2**200, 0.1, -0.0,
        float("inf"), 1e-320, 3 + 4j, True, False, None,
    ],
    "text": lambda torch: ["", "a", "é", "日本語", "x" * 70_000],
    "bytes": lambda torch: [b"", b"\x00\xff", bytearray(b"ab")],
    "long": lambda torch: [list(range(2500)), {n: str(n) for n in range(2500)}],
}  # fmt: skip


def same(found: Any, expected: Any, place: str = "") -> None:
    """Compares across the two libraries, by names and values."""
    assert type(found).__name__ == type(expected).__name__, place
    if hasattr(expected, "requires_grad"):
        assert str(found.dtype) == str(expected.dtype), place
        for facts in ("size", "stride", "storage_offset"):
            assert getattr(found, facts)() == getattr(expected, facts)(), place
        assert found.requires_grad == expected.requires_grad, place
        assert getattr(found, "label", None) == getattr(expected, "label", None), place
        assert found.tolist() == expected.tolist(), place
    elif isinstance(expected, dict):
        assert list(found) == list(expected), place
        same(getattr(found, "_metadata", None), getattr(expected, "_metadata", None), place)
        for key in expected:
            same(found[key], expected[key], f"{place}[{key!r}]")
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected), place
        for index, (left, right) in enumerate(zip(found, expected, strict=True)):
            same(left, right, f"{place}[{index}]")
    elif isinstance(expected, (set, int, float, complex, str, bytes, bytearray, type(None))):
        assert repr(found) == repr(expected) or found == expected, place
    else:
        assert str(found) == str(expected), place


@pytest.mark.parametrize("new_form", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", CASES)
def test_ours_is_read_by_pytorch(name: str, new_form: bool, tmp_path: Path) -> None:
    ours = CASES[name](flambeau)
    path = tmp_path / "a.pt"
    flambeau.save(ours, path, _use_new_zipfile_serialization=new_form)
    same(oracle.load(path, weights_only=True), ours)
    if new_form:
        same(oracle.load(path, weights_only=True, mmap=True), ours)


@pytest.mark.parametrize("form", ["zip", "legacy", "protocol 4"])
@pytest.mark.parametrize("name", CASES)
def test_pytorchs_is_read_by_us(name: str, form: str, tmp_path: Path) -> None:
    theirs = CASES[name](oracle)
    path = tmp_path / "a.pt"
    oracle.save(
        theirs,
        path,
        pickle_protocol=4 if form == "protocol 4" else 2,
        _use_new_zipfile_serialization=form != "legacy",
    )
    same(flambeau.load(path), theirs)
    if form == "zip":
        same(flambeau.load(path, mmap=True), theirs)


def test_files_that_we_read_are_written_again_with_the_same_content(tmp_path: Path) -> None:
    theirs = {name: case(oracle) for name, case in CASES.items()}
    oracle.save(theirs, tmp_path / "a.pt")
    flambeau.save(flambeau.load(tmp_path / "a.pt"), tmp_path / "b.pt")
    same(oracle.load(tmp_path / "b.pt", weights_only=True), theirs)


def test_file_objects() -> None:
    for writer, reader in ((flambeau, oracle), (oracle, flambeau)):
        buffer = io.BytesIO()
        writer.save({"a": writer.ones(2)}, buffer)
        buffer.seek(0)
        assert reader.load(buffer)["a"].tolist() == [1.0, 1.0]


def test_shared_memory_is_shared_on_the_other_side(tmp_path: Path) -> None:
    for writer, reader in ((flambeau, oracle), (oracle, flambeau)):
        base = writer.zeros(4)
        writer.save([base, base[1:]], tmp_path / "a.pt")
        first, second = reader.load(tmp_path / "a.pt")
        first[2] = 5.0
        assert second.tolist() == [0.0, 5.0, 0.0]


def test_the_records_are_pytorchs(tmp_path: Path) -> None:
    names = []
    for library in (flambeau, oracle):
        library.save({"a": library.ones(3), "b": library.ones(2)}, tmp_path / "a.pt")
        with zipfile.ZipFile(tmp_path / "a.pt") as archive:
            names.append(archive.namelist())
    assert names[0] == names[1]


def test_zip64_is_read_by_pytorch(tmp_path: Path, monkeypatch: Any) -> None:
    from flambeau.serialization import zipform

    monkeypatch.setattr(zipform, "ZIP64_FROM", 100)
    ours = CASES["optimizers"](flambeau)
    flambeau.save(ours, tmp_path / "a.pt")
    same(oracle.load(tmp_path / "a.pt", weights_only=True), ours)


def test_wrong_calls_raise_pytorchs_types(tmp_path: Path) -> None:
    empty, text, pickled = (tmp_path / name for name in ("empty", "text", "pickled"))
    empty.write_bytes(b"")
    text.write_bytes(b"no checkpoint at all")
    pickled.write_bytes(b"\x80\x02K\x01.")
    base = {library: library.zeros(4) for library in (oracle, flambeau)}

    archive = io.BytesIO()
    oracle.save([1], archive)
    cut, cut_legacy = tmp_path / "cut", tmp_path / "cut_legacy"
    cut.write_bytes(archive.getvalue()[:300])
    oracle.save(oracle.ones(3), cut_legacy, _use_new_zipfile_serialization=False)
    cut_legacy.write_bytes(cut_legacy.read_bytes()[:-3])

    def twice(torch: Any) -> None:
        torch.save([base[torch], base[torch].view(torch.int32)], tmp_path / "a.pt")

    calls = [
        lambda torch: torch.load(empty),
        lambda torch: torch.load(text),
        lambda torch: torch.load(pickled),
        lambda torch: torch.load(tmp_path / "nowhere.pt"),
        lambda torch: torch.load(5),
        lambda torch: torch.save([1], 5),
        lambda torch: torch.save([1], tmp_path / "nowhere" / "a.pt"),
        lambda torch: torch.load(cut),
        lambda torch: torch.load(cut_legacy),
        lambda torch: torch.load(io.BytesIO(archive.getvalue()), mmap=True),
        lambda torch: torch.load(cut_legacy, mmap=True),
        twice,
    ]
    for call in calls:
        with pytest.raises(Exception) as theirs:
            call(oracle)
        with pytest.raises(type(theirs.value)):
            call(flambeau)


def test_safetensors_both_ways(tmp_path: Path) -> None:
    package = pytest.importorskip("safetensors.torch")
    names = [name for name in DTYPES if name != "complex128"]
    for writer in (flambeau, oracle):
        state = {name: writer.arange(6).to(getattr(writer, name)).reshape(2, 3) for name in names}
        state |= {"0-d": writer.tensor(2.5), "empty": writer.empty(0, 3), "é": writer.ones(1)}
        if writer is flambeau:
            flambeau.save(state, tmp_path / "ours.safetensors")
            found = package.load_file(tmp_path / "ours.safetensors")
        else:
            package.save_file(state, tmp_path / "theirs.safetensors")
            found = flambeau.load(tmp_path / "theirs.safetensors")
        assert set(found) == set(state)
        for name, tensor in state.items():
            same(found[name], tensor, name)
    ours, theirs = (tmp_path / f"{name}.safetensors" for name in ("ours", "theirs"))
    assert ours.read_bytes() == theirs.read_bytes()
