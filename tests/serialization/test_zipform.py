"""Saving and loading in PyTorch's ZIP form, without PyTorch."""

from __future__ import annotations

import io
import os
import pickle
import stat
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.serialization import load, save, zipform
from flambeau.serialization.pickle_writer import Global, Persistent, PickleWriter, Reduced


def test_everything_comes_back(content: Any, assert_same: Any, tmp_path: Path) -> None:
    save(content, tmp_path / "all.pt")
    assert_same(load(tmp_path / "all.pt"), content)
    assert_same(load(str(tmp_path / "all.pt"), mmap=True), content)


def test_file_objects(content: Any, assert_same: Any, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    save(content, buffer)
    buffer.seek(0)
    assert_same(load(buffer), content)
    with pytest.raises(EOFError, match=r"seek\(0\)"):
        load(buffer)
    assert_same(load(_Stream(buffer.getvalue())), content)
    shifted = io.BytesIO(b"something before" + buffer.getvalue())
    shifted.seek(16)
    assert_same(load(shifted), content)


class _Stream:
    """A file object that can't seek."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, count: int = -1) -> bytes:
        return self._file.read(count)


def test_a_stream_that_can_not_seek_is_written(content: Any, assert_same: Any) -> None:
    class Out:
        def __init__(self) -> None:
            self.parts: list[bytes] = []

        def write(self, data: Any) -> None:
            self.parts.append(bytes(data))

    out = Out()
    save(content, out)
    assert_same(load(io.BytesIO(b"".join(out.parts))), content)


def test_records(tmp_path: Path) -> None:
    path = tmp_path / "some.weights.pt"
    save({"a": torch.ones(3), "b": torch.zeros(2, 2)}, path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            f"some.weights/{name}"
            for name in (
                "data.pkl", ".format_version", ".storage_alignment", "byteorder",
                "data/0", "data/1", "version", ".data/serialization_id",
            )
        ]  # fmt: skip
        assert archive.read("some.weights/version") == b"3\n"
        assert archive.read("some.weights/byteorder") == sys.byteorder.encode()
        assert archive.read("some.weights/data/0") == np.ones(3, np.float32).tobytes()
        raw = path.read_bytes()
        for entry in archive.infolist():
            assert entry.compress_type == zipfile.ZIP_STORED
            at = entry.header_offset
            start = at + 30 + int.from_bytes(raw[at + 26 : at + 28], "little")
            start += int.from_bytes(raw[at + 28 : at + 30], "little")
            assert start % 64 == 0
            assert raw[start : start + entry.file_size] == archive.read(entry)


def test_same_content_gives_same_bytes(content: Any, tmp_path: Path) -> None:
    save(content, tmp_path / "all.pt")
    first = (tmp_path / "all.pt").read_bytes()
    save(content, tmp_path / "all.pt")
    assert (tmp_path / "all.pt").read_bytes() == first


def test_shared_memory_stays_shared(tmp_path: Path) -> None:
    base = torch.arange(6.0)
    save({"base": base, "row": base.view(2, 3)[1]}, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        assert [name for name in archive.namelist() if "/data/" in name] == ["a/data/0"]
    for mmap in (False, True):
        found = load(tmp_path / "a.pt", mmap=mmap)
        found["base"][4] = 10.0
        assert found["row"].tolist() == [3.0, 10.0, 5.0]
        found["row"].mul_(2)
        assert found["base"].tolist() == [0.0, 1.0, 2.0, 6.0, 20.0, 10.0]
    assert load(tmp_path / "a.pt")["base"].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_parameter_and_its_alias_stay_tied(tmp_path: Path) -> None:
    weight = torch.nn.Parameter(torch.ones(2, 2))
    save([weight, weight, weight.detach().t()], tmp_path / "a.pt")
    first, second, turned = load(tmp_path / "a.pt")
    assert first is second
    with torch.no_grad():
        first[0, 1] = 7.0
    assert turned[1, 0].item() == 7.0


def test_a_small_view_keeps_its_large_storage(tmp_path: Path) -> None:
    save(torch.arange(100)[10:12], tmp_path / "a.pt")
    found = load(tmp_path / "a.pt")
    assert found.tolist() == [10, 11]
    assert found.storage_offset() == 10
    assert found.untyped_storage().nbytes() == 800


def test_expanded_tensors_stay_small(tmp_path: Path) -> None:
    save(torch.ones(1).expand(1000, 1000), tmp_path / "a.pt")
    assert (tmp_path / "a.pt").stat().st_size < 2000
    found = load(tmp_path / "a.pt")
    assert found.stride() == (0, 0)
    assert found.size() == (1000, 1000)


def test_models_and_optimizers_go_on_where_they_were(assert_same: Any, tmp_path: Path) -> None:
    def make() -> Any:
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
        return model, torch.optim.Adam(model.parameters(), lr=0.1)

    def step(model: Any, optimizer: Any) -> None:
        optimizer.zero_grad()
        model(torch.ones(2, 3)).sum().backward()
        optimizer.step()

    model, optimizer = make()
    step(model, optimizer)
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    save(state, tmp_path / "checkpoint.pt")
    other, other_optimizer = make()
    found = load(tmp_path / "checkpoint.pt")
    assert_same(found, state)
    other.load_state_dict(found["model"])
    other_optimizer.load_state_dict(found["optimizer"])
    step(model, optimizer)
    step(other, other_optimizer)
    assert_same(other.state_dict(), model.state_dict())


def test_attributes_of_tensors_are_kept(tmp_path: Path) -> None:
    tensor, parameter = torch.ones(2), torch.nn.Parameter(torch.zeros(2))
    tensor.label = "a tensor"
    parameter.label = ["a parameter"]
    save([tensor, parameter], tmp_path / "a.pt")
    found = load(tmp_path / "a.pt")
    assert [f.label for f in found] == ["a tensor", ["a parameter"]]
    assert [type(f) for f in found] == [torch.Tensor, torch.nn.Parameter]


def test_numpy_content(tmp_path: Path) -> None:
    value = {
        "array": np.arange(6.0).reshape(2, 3).T,
        "big": np.arange(3, dtype=">i2"),
        "text": np.array(["a", "bcd"]),
        "empty": np.empty((0, 2), np.int8),
        "number": np.float64(1.5),
        "dtype": np.dtype("f4"),
    }
    save(value, tmp_path / "a.pt")
    found = load(tmp_path / "a.pt")
    for name in ("array", "big", "text", "empty"):
        np.testing.assert_array_equal(found[name], value[name])
    assert type(found["number"]) is np.float64
    assert found["number"] == 1.5
    assert found["dtype"] == np.float32
    with pytest.raises(pickle.PicklingError, match="dtype object"):
        save(np.array([object()]), tmp_path / "b.pt")


def test_zip64(content: Any, assert_same: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(zipform, "ZIP64_FROM", 100)
    save(content, tmp_path / "all.pt")
    with zipfile.ZipFile(tmp_path / "all.pt") as archive:
        assert archive.testzip() is None
    assert_same(load(tmp_path / "all.pt"), content)


# ------------------------------------------------------------------ refusals


def test_what_no_name_leads_to_is_not_saved(tmp_path: Path) -> None:
    class Local:
        pass

    with pytest.raises(pickle.PicklingError, match=r"at \['f'\]: .*<lambda> is code"):
        save({"f": lambda: 0}, tmp_path / "a.pt")
    with pytest.raises(pickle.PicklingError, match="Local"):
        save({"f": Local()}, tmp_path / "a.pt")
    with pytest.raises(TypeError, match="pickle"):
        save(threading.Lock(), tmp_path / "a.pt")
    assert list(tmp_path.iterdir()) == []


def test_two_dtypes_in_one_storage_are_refused(tmp_path: Path) -> None:
    base = torch.zeros(4)
    with pytest.raises(RuntimeError, match="view the same data as different types"):
        save([base, base.view(torch.int32)], tmp_path / "a.pt")


def test_wrong_arguments(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="Parent directory .* does not exist"):
        save([1], tmp_path / "nowhere" / "a.pt")
    with pytest.raises(AttributeError, match="write"):
        save([1], 5)
    with pytest.raises(AttributeError, match="read"):
        load(5)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "a.pt")
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        load(tmp_path / "a.pt", colour=1)
    with pytest.raises(ValueError, match="mmap"):
        load(io.BytesIO(), mmap=True)
    with pytest.raises(RuntimeError, match="pickle_module"):
        save([1], tmp_path / "a.pt", pickle_module=io)
    save([1], tmp_path / "a.pt", pickle, 4)
    assert load(tmp_path / "a.pt", "cpu", pickle, weights_only=False) == [1]
    with open(tmp_path / "a.pt", errors="replace") as text, pytest.raises(TypeError, match="'rb'"):
        load(text)


# -------------------------------------------------------------- atomic writing


def test_a_failed_save_leaves_what_was_there(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "a.pt"
    save([1], path)

    def fail(_descriptor: int) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="the disk is full"):
            save([2], path)
    with pytest.raises(pickle.PicklingError):
        save([lambda: 0], path)
    assert load(path) == [1]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="permissions and links as POSIX has them")
def test_permissions_and_links_are_kept(tmp_path: Path) -> None:
    path, link = tmp_path / "a.pt", tmp_path / "latest.pt"
    before = os.umask(0o027)
    try:
        save([1], path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o600)
    link.symlink_to(path)
    save([2], link)
    assert link.is_symlink()
    assert load(path) == [2]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    save([3], os.devnull)
    assert not stat.S_ISREG(os.stat(os.devnull).st_mode)


# --------------------------------------------------------------- hostile files


def _archive(path: Path, pickled: bytes, records: dict[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", pickled)
        for name, data in (records or {}).items():
            archive.writestr(f"a/{name}", data)
    return path


def _tensor(*layout: Any, numel: Any = 4, key: Any = "0", kind: str = "FloatStorage") -> bytes:
    """A pickle of one tensor with a layout of the attacker's."""
    storage = Persistent(("storage", Global("torch", kind), key, "cpu", numel))
    function = Global("torch._utils", "_rebuild_tensor_v2")
    reduced = Reduced(function, (storage, *layout, False, {}))
    return PickleWriter(lambda _obj: reduced).dumps(object())


def test_layouts_inside_the_storage_are_accepted(tmp_path: Path) -> None:
    data = {"data/0": np.arange(4, dtype=np.float32).tobytes()}
    for layout in ((0, (2, 2), (2, 1)), (3, (1,), (1,)), (3, (), ()), (4, (0,), (1,)),
                   (1, (2,), (2,)), (0, (5, 4), (0, 1)), (3, (0, 9), (9, 1))):  # fmt: skip
        found = load(_archive(tmp_path / "a.pt", _tensor(*layout), data))
        assert tuple(found.size()) == layout[1]


@pytest.mark.parametrize(
    "layout",
    [
        (0, (5,), (1,)),
        (1, (4,), (1,)),
        (0, (2, 2), (3, 1)),
        (-1, (2,), (1,)),
        (2, (2,), (-1,)),
        (0, (-2,), (1,)),
        (4, (), ()),
        (2**60, (0,), (1,)),
        (0, (2,), (2**62,)),
        (0, (2**40, 2**40), (0, 0)),
        (2**70, (1,), (1,)),
        (0, (2,), (1, 1)),
        (0, (2.0,), (1,)),
        (0, (True,), (1,)),
        (0, "ab", "cd"),
        (0, 2, 1),
        (0, (1,) * 65, (1,) * 65),
    ],
)
def test_layouts_outside_the_storage_are_refused(layout: Any, tmp_path: Path) -> None:
    path = _archive(tmp_path / "a.pt", _tensor(*layout), {"data/0": bytes(16)})
    with pytest.raises(pickle.UnpicklingError):
        load(path)


@pytest.mark.parametrize("numel", [3, 5, 2**40, -4, 4.0, "4", True, 2**80])
def test_a_storage_with_another_size_than_its_record_is_refused(numel: Any, tmp_path: Path) -> None:
    code = _tensor(0, (1,), (1,), numel=numel)
    with pytest.raises(pickle.UnpicklingError):
        load(_archive(tmp_path / "a.pt", code, {"data/0": bytes(16)}))


def test_references_to_something_else_than_a_storage_are_refused(tmp_path: Path) -> None:
    for code in (
        _tensor(0, (1,), (1,), kind="Size"),
        _tensor(0, (1,), (1,), kind="float32"),
        _tensor(0, (1,), (1,), key=0),
        b"\x80\x02K\x00Q.",
        b"\x80\x02X\x07\x00\x00\x00storageQ.",
        b"ctorch._utils\n_rebuild_tensor_v2\n(I0\nI0\n)))}tR.",
        b"ctorch._utils\n_rebuild_parameter\n(I0\nI01\n}tR.",
        b"ctorch\nFloatStorage\n)R.",
        b"ctorch\ndevice\n(S'nothing'\ntR.",
        b"ctorch\nSize\n((S'a'\nttR.",
    ):
        with pytest.raises(pickle.UnpicklingError):
            load(_archive(tmp_path / "a.pt", code, {"data/0": bytes(16)}))
    with pytest.raises(RuntimeError, match="'a/data/../../x' is missing"):
        load(_archive(tmp_path / "a.pt", _tensor(0, (1,), (1,), key="../../x"), {}))


def test_a_tensor_can_not_be_given_fields_of_ours(tmp_path: Path) -> None:
    storage = Persistent(("storage", Global("torch", "FloatStorage"), "0", "cpu", 4))
    args = (storage, 0, (1,), (1,), False, {})
    for name in ("_storage", "_rg", "shape", "data", "__class__"):
        whole = Reduced(
            Global("torch._tensor", "_rebuild_from_type_v2"),
            (
                Global("torch._utils", "_rebuild_tensor_v2"),
                Global("torch", "Tensor"),
                args,
                {name: 1},
            ),
        )
        code = PickleWriter(lambda _obj, whole=whole: whole).dumps(object())
        with pytest.raises(pickle.UnpicklingError, match=name):
            load(_archive(tmp_path / "a.pt", code, {"data/0": bytes(16)}))


def test_code_in_an_archive_is_not_executed(tmp_path: Path) -> None:
    target = tmp_path / "executed"
    code = b"cos\nsystem\n(S'touch " + str(target).encode() + b"'\ntR."
    for weights_only in (True, False, None):
        with pytest.raises(pickle.UnpicklingError, match="os.system"):
            load(_archive(tmp_path / "a.pt", code), weights_only=weights_only)
    assert not target.exists()


def test_truncated_archives_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save({"a": torch.arange(10.0)}, path)
    raw = path.read_bytes()
    for end in range(5, len(raw), 7):
        path.write_bytes(raw[:end])
        with pytest.raises((RuntimeError, pickle.UnpicklingError)):
            load(path)
    path.write_bytes(b"")
    with pytest.raises(EOFError):
        load(path)
    path.write_bytes(raw[:3])
    with pytest.raises(pickle.UnpicklingError):
        load(path)


def test_damaged_archives_are_refused_or_read(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save({"a": torch.arange(3.0), "b": [torch.ones(2, 2).t()]}, path)
    raw = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(raw)
        damaged[rng.integers(4, len(raw))] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            found = load(path)
        except (RuntimeError, pickle.UnpicklingError, EOFError):
            continue
        assert set(found) == {"a", "b"}


def test_archives_that_are_no_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, a=np.ones(2))
    with pytest.raises(RuntimeError, match=r"no checkpoint: it has no data.pkl"):
        load(path)
    with pytest.raises(RuntimeError, match="TorchScript"):
        load(_archive(path, b"N.", {"constants.pkl": b"N."}))
    with pytest.raises(RuntimeError, match="byte order"):
        load(_archive(path, b"N.", {"byteorder": b"middle"}))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"N." + bytes(1000))
    with pytest.raises(RuntimeError, match="compressed"):
        load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"N.")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a/data.pkl", b"I1\n.")
    with pytest.raises(RuntimeError, match="two records"):
        load(path)


def test_records_that_overlap_are_refused(tmp_path: Path) -> None:
    """Many entries for the same bytes would be read to many times the file's size."""
    path = _archive(tmp_path / "a.pt", b"N.", {f"data/{n}": b"x" * 1000 for n in range(2)})
    raw = bytearray(path.read_bytes())
    entry = raw.rindex(b"PK\x01\x02")
    for field in (20, 24):  # the sizes of the last record
        raw[entry + field : entry + field + 4] = (2000).to_bytes(4, "little")
    path.write_bytes(raw)
    with pytest.raises(RuntimeError, match="overlap"):
        load(path)


def test_the_other_byte_order(tmp_path: Path) -> None:
    other = "big" if sys.byteorder == "little" else "little"
    sign = ">" if other == "big" else "<"
    values = {
        "FloatStorage": np.array([1.5, -2.0], sign + "f4"),
        "LongStorage": np.array([1, -2], sign + "i8"),
        "ComplexFloatStorage": np.array([1 + 2j, 3.0], sign + "c8"),
        "ByteStorage": np.array([1, 2], "u1"),
    }
    for kind, array in values.items():
        code = _tensor(0, (2,), (1,), numel=2, kind=kind)
        records = {"data/0": array.tobytes(), "byteorder": other.encode()}
        found = load(_archive(tmp_path / "a.pt", code, records))
        assert found.tolist() == array.tolist()


@pytest.mark.parametrize("form", [True, False])
def test_truth_values_are_zero_or_one(form: bool) -> None:
    file = io.BytesIO()
    save(torch.tensor([7, 0, 255, 1], dtype=torch.uint8), file, _use_new_zipfile_serialization=form)
    data = file.getvalue().replace(b"ByteStorage", b"BoolStorage")
    if form:
        from fuzz.targets._archives import mend

        data = mend(data)
    loaded = load(io.BytesIO(data))
    assert loaded.tolist() == [True, False, True, True]
    assert loaded.view(torch.uint8).tolist() == [1, 0, 1, 1]
