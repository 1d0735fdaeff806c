"""State dicts in several safetensors files with an index."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import flambeau as torch
from flambeau.serialization import load, safe_shards
from flambeau.serialization.safe_tensors import (
    SafetensorError,
    load_file,
    load_sharded,
    save_file,
    save_sharded,
)

INDEX = "model.safetensors.index.json"


def state(start: float = 0.0) -> dict[str, Any]:
    made = {f"layer.{n}.weight": torch.full((10,), start + n) for n in range(5)}
    return {**made, "half": torch.ones(3, dtype=torch.bfloat16), "none": torch.empty(0)}


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert (found[name].dtype, found[name].tolist()) == (tensor.dtype, tensor.tolist())


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_shards_and_index(tmp_path: Path) -> None:
    save_sharded(state(), tmp_path, max_shard_size=90)
    names = [f"model-{n:05d}-of-00003.safetensors" for n in (1, 2, 3)]
    assert files(tmp_path) == [*names, INDEX]
    index = json.loads((tmp_path / INDEX).read_text())
    assert index["metadata"] == {"total_size": 206}
    assert list(load_file(tmp_path / names[1])) == ["layer.2.weight", "layer.3.weight"]
    assert index["weight_map"]["layer.4.weight"] == names[2]
    for found in (
        load(tmp_path),
        load(tmp_path / INDEX),
        load(str(tmp_path), map_location="cpu", mmap=True),
        load_sharded(tmp_path),
    ):
        same(found, state())


@pytest.mark.parametrize(
    ("size", "count"),
    [("80", 3), ("1KB", 1), ("5GB", 1), (1, 7), ("0.1", None), (0, None), ("5XB", None)],
)
def test_sizes(size: Any, count: int | None, tmp_path: Path) -> None:
    if count is None:
        with pytest.raises(ValueError, match="max_shard_size"):
            save_sharded(state(), tmp_path, size)
        return
    save_sharded(state(), tmp_path, size)
    assert len(list(tmp_path.glob("*.safetensors"))) == count
    same(load(tmp_path), state())


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_sharded(state(), tmp_path / name, 90)
    for name in files(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("sizes", [(90, 50), (90, 90), (90, 1000), (1000, 90), (1000, 1000)])
def test_the_old_state_or_the_new_one_whatever_fails(sizes: Any, tmp_path: Path) -> None:
    """Each write and each removal fails in turn."""
    (tmp_path / "notes.safetensors").write_bytes(b"mine")
    turn = 0
    while True:
        save_sharded(state(), tmp_path, sizes[0])
        left = [turn]

        def failing(function: Callable[..., Any], left: Any = left) -> Callable[..., Any]:
            def run(*args: Any, **kwargs: Any) -> Any:
                left[0] -= 1
                if left[0] < 0:
                    raise KeyboardInterrupt
                return function(*args, **kwargs)

            return run

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(safe_shards, "atomic_file", failing(safe_shards.atomic_file))
            patch.setattr(f"{save_file.__module__}.save_file", failing(save_file))
            patch.setattr(os, "unlink", failing(os.unlink))
            try:
                save_sharded(state(7.0), tmp_path, sizes[1])
            except KeyboardInterrupt:
                found = load(tmp_path)
                assert found["layer.0.weight"][0].item() in (0.0, 7.0)
                same(found, state(found["layer.0.weight"][0].item()))
                turn += 1
                continue
        break
    same(load(tmp_path), state(7.0))
    assert turn >= 1
    assert (tmp_path / "notes.safetensors").read_bytes() == b"mine"


def test_nothing_is_left_of_the_old_state(tmp_path: Path) -> None:
    for size in (50, 90, 1000, 90):
        save_sharded(state(), tmp_path, size)
    assert files(tmp_path) == [f"model-{n:05d}-of-00003.safetensors" for n in (1, 2, 3)] + [INDEX]
    save_sharded(state(), tmp_path, 1000)
    assert files(tmp_path) == ["model.safetensors"]


def test_a_hostile_index_does_not_say_what_is_removed(tmp_path: Path) -> None:
    victim = tmp_path / "victim.safetensors"
    victim.write_bytes(b"")
    folder = tmp_path / "model"
    folder.mkdir()
    where = {"a": "../victim.safetensors", "b": str(victim)}
    (folder / INDEX).write_text(json.dumps({"weight_map": where}))
    save_sharded(state(), folder)
    assert victim.exists()


def test_shared_memory_and_other_content_are_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    weight = torch.ones(4)
    with pytest.raises(RuntimeError, match="share memory"):
        save_sharded({"a": weight, "b": weight[1:]}, tmp_path / "x", 4)
    with pytest.raises(TypeError):
        save_sharded({"a": weight, "b": 1}, tmp_path / "x", 4)
    assert not (tmp_path / "x").exists()


def index_of(folder: Path, where: Any, **more: Any) -> Path:
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": where, **more}))
    return folder / INDEX


@pytest.mark.parametrize(
    "name",
    [
        "../out.safetensors", "/etc/out.safetensors", "a/../../out.safetensors", "..", "", "sub/in.safetensors",
        "..\\out.safetensors", "C:out.safetensors", "in.safetensors\0", "in.bin", ".safetensors/..",
    ],
)  # fmt: skip
def test_an_index_can_not_leave_its_folder(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    for path in (tmp_path / "out.safetensors", folder / "sub" / "in.safetensors"):
        save_file({"a": torch.ones(2)}, path)
    with pytest.raises(SafetensorError, match="only files beside it"):
        load(index_of(folder, {"a": name}))


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    save_file({"a": torch.ones(2)}, tmp_path / "out.safetensors")
    (folder / "in.safetensors").symlink_to(tmp_path / "out.safetensors")
    with pytest.raises(SafetensorError, match="leads out of its folder"):
        load(index_of(folder, {"a": "in.safetensors"}))
    (tmp_path / "other").symlink_to(folder)  # the folder itself may be a link
    (folder / "in.safetensors").unlink()
    save_file({"a": torch.ones(2)}, folder / "in.safetensors")
    assert load(tmp_path / "other")["a"].tolist() == [1.0, 1.0]


def test_the_links_of_a_hub_cache_are_followed(tmp_path: Path) -> None:
    folder = tmp_path / "models--a--b" / "snapshots" / "0123"
    blobs = tmp_path / "models--a--b" / "blobs"
    folder.mkdir(parents=True)
    blobs.mkdir()
    save_file({"a": torch.ones(2)}, blobs / "ff00")
    (folder / "in.safetensors").symlink_to("../../blobs/ff00")
    index_of(blobs, {"a": "in.safetensors"}).rename(blobs / "ee00")
    (folder / INDEX).symlink_to("../../blobs/ee00")
    assert load(folder)["a"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("where", "match"),
    [
        ({"a": "1.safetensors"}, "'b', which by .* is not there"),
        ({"a": "1.safetensors", "b": "1.safetensors", "d": "2.safetensors"}, "lacks 'd'"),
        (
            {"a": "1.safetensors", "b": "2.safetensors", "c": "2.safetensors"},
            "holds 'b'.* is in '2",
        ),
        ([], "weight_map"),
        ({"a": 1}, "weight_map"),
        (None, "weight_map"),
    ],
)
def test_an_index_that_differs_from_its_files(where: Any, match: str, tmp_path: Path) -> None:
    save_file({"a": torch.ones(2), "b": torch.ones(1)}, tmp_path / "1.safetensors")
    save_file({"c": torch.ones(2)}, tmp_path / "2.safetensors")
    with pytest.raises(SafetensorError, match=match):
        load(index_of(tmp_path, where))


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[]", b"{", b"\xff", b"5", b'{"weight_map": {"a": "1.safetensors", "a": "2.safetensors"}}',
        b"[" * 100_000, b'{"weight_map":' + b'{"a":' * 100_000,
    ],
)  # fmt: skip
def test_a_damaged_index(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / INDEX).write_bytes(raw)
    with pytest.raises(SafetensorError):
        load(tmp_path)


def test_sizes_that_do_not_fit_are_warned_of(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "1.safetensors")
    path = index_of(tmp_path, {"a": "1.safetensors"}, metadata={"total_size": 9})
    with pytest.warns(UserWarning, match="9 bytes of tensors, and its files hold 8"):
        load(path)


def test_missing_and_damaged_files(tmp_path: Path) -> None:
    save_sharded(state(), tmp_path, 90)
    last = tmp_path / "model-00003-of-00003.safetensors"
    whole = last.read_bytes()
    last.write_bytes(whole[:-1])
    with pytest.raises(SafetensorError, match="damaged"):
        load(tmp_path)
    last.unlink()
    with pytest.raises(FileNotFoundError):
        load(tmp_path)
    (tmp_path / INDEX).rename(tmp_path / ("a" + INDEX))
    (tmp_path / ("b" + INDEX)).write_bytes(b"{}")
    with pytest.raises(SafetensorError, match="several indices"):
        load(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="holds neither"):
        load_sharded(tmp_path / "empty")
    with pytest.raises(IsADirectoryError):
        load(tmp_path / "empty")
