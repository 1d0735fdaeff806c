"""Two hundred random checkpoints, both ways between flambeau and PyTorch, in both forms.

More of them: python -m tests.parity.test_checkpoints FIRST COUNT.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import flambeau

from . import checkpoints

oracle = pytest.importorskip("torch")

SEEDS = range(200)
AT_ONCE = 20
GROUPS = [SEEDS[start : start + AT_ONCE] for start in range(0, len(SEEDS), AT_ONCE)]
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"map_location": "cpu"},
    {"map_location": {"cpu": "cpu"}},
    {"map_location": lambda storage, location: storage},
)


@pytest.fixture(autouse=True)
def allowed() -> Iterator[None]:
    """NumPy's arrays have to be allowed in PyTorch, the named tuple in both."""
    with (
        oracle.serialization.safe_globals(checkpoints.safe_globals()),
        flambeau.serialization.safe_globals([checkpoints.Point]),
    ):
        yield


def difference(found: Any, expected: Any, place: str = "") -> str:
    """Where two descriptions differ first, or nothing."""
    if found == expected:
        return ""
    if type(found) is type(expected) and isinstance(found, (list, tuple)):
        for index, pair in enumerate(zip(found, expected, strict=False)):
            if inner := difference(*pair, f"{place}[{index}]"):
                return inner
    return f"{place}: {found!r:.200} instead of {expected!r:.200}"


def reads(reader: Any, path: Path, expected: Any, seed: int, **options: Any) -> None:
    found = checkpoints.describe(reader, reader.load(path, weights_only=True, **options))
    assert not difference(found, expected), f"seed {seed}: {difference(found, expected)}"


@pytest.mark.parametrize("seeds", GROUPS, ids=lambda seeds: f"from {seeds[0]}")
@pytest.mark.parametrize("writer", [flambeau, oracle], ids=["ours", "theirs"])
@pytest.mark.filterwarnings("ignore:ComplexHalf", "ignore:Sparse invariant")
def test_random_checkpoints(writer: Any, seeds: Any, tmp_path: Path) -> None:
    run(writer, seeds, tmp_path)


def run(writer: Any, seeds: Any, folder: Path) -> None:
    """One library writes the checkpoints of the seeds, in both forms, and the other reads them."""
    reader = oracle if writer is flambeau else flambeau
    for seed in seeds:
        made = checkpoints.make(writer, seed)
        expected = checkpoints.describe(writer, made)
        new, old = folder / "new.pt", folder / "old.pt"
        writer.save(made, new)
        reads(reader, new, expected, seed, **OPTIONS[seed % len(OPTIONS)])
        reads(reader, new, expected, seed, mmap=True)
        writer.save(made, old, _use_new_zipfile_serialization=False)
        if reader is flambeau or not checkpoints.is_late(seed):
            reads(reader, old, expected, seed, **OPTIONS[seed // 2 % len(OPTIONS)])


def test_what_is_loaded_is_written_again_byte_for_byte() -> None:
    def again(written: bytes) -> bytes:
        buffer = io.BytesIO()
        flambeau.save(flambeau.load(io.BytesIO(written)), buffer)
        return buffer.getvalue()

    for seed in SEEDS[:40]:
        first = io.BytesIO()
        flambeau.save(checkpoints.make(flambeau, seed), first)
        # The first time NumPy brings arrays of the other byte order into this machine's.
        written = again(first.getvalue())
        assert again(written) == written, seed


PROGRAM = """
import hashlib, io
import flambeau
from tests.parity import checkpoints

digest = hashlib.sha256()
for seed in range(20):
    for new in (True, False):
        buffer = io.BytesIO()
        made = checkpoints.make(flambeau, seed)
        with flambeau.serialization.safe_globals([checkpoints.Point]):
            flambeau.save(made, buffer, _use_new_zipfile_serialization=new)
        digest.update(buffer.getvalue())
print(digest.hexdigest())
"""


def test_the_same_content_has_the_same_bytes_in_every_process() -> None:
    def digest(hash_seed: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=Path(__file__).parents[2],
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    assert digest("1") == digest("2")


@pytest.mark.filterwarnings("ignore:TypedStorage")
def test_storages_by_themselves(tmp_path: Path) -> None:
    for writer, reader in ((flambeau, oracle), (oracle, flambeau)):
        tensor = writer.tensor([1.0, 2.0, 3.0])
        kept = {"typed": writer.TypedStorage(wrap_storage=tensor.untyped_storage(),
                                             dtype=writer.float32, _internal=True),
                "tensor": tensor, "bytes": writer.arange(4, dtype=writer.uint8).untyped_storage()}  # fmt: skip
        for new in (True, writer is oracle):
            writer.save(kept, tmp_path / "a.pt", _use_new_zipfile_serialization=new)
            if not new and reader is oracle:
                continue
            found = reader.load(tmp_path / "a.pt")
            assert type(found["typed"]) is not type(found["tensor"])
            assert isinstance(found["typed"], reader.TypedStorage)
            assert found["typed"].tolist() == [1.0, 2.0, 3.0]
            assert list(found["bytes"]) == [0, 1, 2, 3]
            found["tensor"][0] = 7.0
            assert found["typed"][0] == 7.0
            assert type(found["typed"]) is reader.TypedStorage


def test_leaves_of_the_later_dtypes(tmp_path: Path) -> None:
    """PyTorch can't read these itself: it sets a leaf's storage in place."""
    leaf = oracle.ones(2).to(oracle.float8_e5m2).requires_grad_()
    oracle.save(leaf, tmp_path / "a.pt")
    found = flambeau.load(tmp_path / "a.pt")
    assert found.requires_grad and found.is_leaf and found.dtype == flambeau.float8_e5m2
    assert found.detach().float().tolist() == [1.0, 1.0]


def test_buffers_and_parameters_without_a_shape(tmp_path: Path) -> None:
    for writer, reader in ((flambeau, oracle), (oracle, flambeau)):
        state = writer.nn.LazyBatchNorm1d().state_dict()
        kept = {"lazy": state, "buffer": writer.nn.Buffer(writer.ones(2))}
        writer.save(kept, tmp_path / "a.pt")
        lazy = [reader.nn.UninitializedParameter, reader.nn.UninitializedBuffer]
        with reader.serialization.safe_globals(lazy if reader is oracle else []):
            found = reader.load(tmp_path / "a.pt")
        assert found["buffer"].tolist() == [1.0, 1.0]
        for name, value in state.items():
            assert type(found["lazy"][name]).__name__ == type(value).__name__
            assert reader.nn.parameter.is_lazy(found["lazy"][name]) == (
                name != "num_batches_tracked"
            )


def test_a_storage_with_bytes_left_over(tmp_path: Path) -> None:
    """Seven bytes, of which a tensor sees four: PyTorch refuses its own file of it."""
    state = {"four": flambeau.arange(7, dtype=flambeau.uint8)[:4].view(flambeau.int32)}
    for new in (True, False):
        flambeau.save(state, tmp_path / "a.pt", _use_new_zipfile_serialization=new)
        assert oracle.load(tmp_path / "a.pt")["four"].item() == 0x03020100
        assert flambeau.load(tmp_path / "a.pt")["four"].item() == 0x03020100


def test_pytorch_loads_what_it_has_no_class_for_as_one_piece_of_memory(tmp_path: Path) -> None:
    base = flambeau.arange(8, dtype=flambeau.uint8)
    kept = [base, base.view(flambeau.uint16), base[3:5].view(flambeau.float8_e4m3fn)]
    flambeau.save(kept, tmp_path / "a.pt")
    for reader in (flambeau, oracle):
        found = reader.load(tmp_path / "a.pt")
        found[0][3] = 0
        assert found[1].tolist()[1] == 2
        assert found[2].view(reader.uint8).tolist() == [0, 4]


if __name__ == "__main__":
    first, count = map(int, sys.argv[1:])
    oracle.serialization.add_safe_globals(checkpoints.safe_globals())
    flambeau.serialization.add_safe_globals([checkpoints.Point])
    with tempfile.TemporaryDirectory() as name:
        for library in (flambeau, oracle):
            run(library, range(first, first + count), Path(name))
    print(f"{count} checkpoints, each written by either library and read by the other: all equal")
