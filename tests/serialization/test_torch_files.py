"""Files that PyTorch itself has written (by tools/make_torch_fixtures.py)."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.serialization import load


@pytest.mark.parametrize("name", ["zip.pt", "zip_1_6.pt", "protocol4.pt", "legacy.pt"])
def test_everything_is_read(name: str, data: Path, content: Any, assert_same: Any) -> None:
    found = load(data / name)
    optimizer = found.pop("optimizer")
    assert_same(found, content)
    assert optimizer["param_groups"][0]["betas"] == (0.5, 0.75)
    assert optimizer["param_groups"][0]["params"] == [0, 1, 2, 3]
    assert optimizer["state"][0]["step"].item() == 1.0
    np.testing.assert_allclose(optimizer["state"][0]["exp_avg"].numpy(), np.full((2, 3), 0.5))
    np.testing.assert_allclose(optimizer["state"][0]["exp_avg_sq"].numpy(), np.full((2, 3), 0.25))
    found["views"][0][0, 0, 1] = 7.0
    assert found["views"][4].item() == 7.0


def test_a_model_and_its_optimizer_take_the_state(data: Path) -> None:
    state = load(data / "zip.pt")
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    model.load_state_dict(state["state_dict"])
    assert model[0].weight.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    optimizer = torch.optim.Adam(model.parameters())
    optimizer.load_state_dict(state["optimizer"])
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_mapped_into_memory(data: Path, content: Any, assert_same: Any) -> None:
    found = load(data / "zip.pt", mmap=True)
    del found["optimizer"]
    assert_same(found, content)


def test_numpy_content(data: Path) -> None:
    found = load(data / "numpy.pt")
    np.testing.assert_array_equal(found["numpy"], np.arange(6.0).reshape(2, 3))
    assert type(found["scalar"]) is np.float32


def test_attributes_and_conjugated_views(data: Path) -> None:
    found = load(data / "special.pt")
    assert found["tagged"].tolist() == [1.0, 2.0]
    assert found["tagged"].label == "tagged"
    assert found["conjugated"].tolist() == [1 - 2j, 3 + 4j]


def test_a_whole_module_is_for_those_who_trust_the_file(data: Path) -> None:
    with pytest.raises(pickle.UnpicklingError, match=r"Linear(.|\n)*weights_only=False(.|\n)*state"):
        load(data / "module.pt")
    found = load(data / "module.pt", weights_only=False)
    assert type(found) is torch.nn.Linear
    assert found(torch.ones(1, 2)).shape == (1, 2)
    assert [name for name, _ in found.named_parameters()] == ["weight", "bias"]


def test_sparse_tensors(data: Path, tmp_path: Path) -> None:
    found = load(data / "sparse.pt")
    sparse = next(iter(found.values())) if isinstance(found, dict) else found
    assert sparse.is_sparse
    torch.save(sparse, tmp_path / "a.pt")
    assert torch.equal(load(tmp_path / "a.pt").to_dense(), sparse.to_dense())


def test_locations(data: Path) -> None:
    path = data / "cuda.pt"
    seen = []

    def keep(storage: Any, location: str) -> Any:
        seen.append((location, storage.nbytes(), storage.dtype))
        return storage

    for map_location in ("cpu", torch.device("cpu"), {"cuda:0": "cpu"}, keep):
        found = load(path, map_location=map_location)
        assert found["cuda"].tolist() == [1.0, 1.0]
        assert found["cuda"].device.type == "cpu"
    assert seen == [("cuda:0", 8, torch.float32)]
    with pytest.raises(TypeError, match="map_location"):
        load(path, map_location=5)


def test_a_device_that_is_not_here(data: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    for map_location in (None, {"cuda:1": "cpu"}, lambda storage, location: None):
        with pytest.raises(RuntimeError, match="map_location"):
            load(data / "cuda.pt", map_location=map_location)
