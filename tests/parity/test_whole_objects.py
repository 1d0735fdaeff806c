"""Whole modules and sparse tensors in files, both ways."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

import flambeau

oracle = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:Sparse invariant checks")


def there(source: Any, target: Any, obj: Any, legacy: bool = False) -> Any:
    """`obj` of one framework, through a file, in the other."""
    file = io.BytesIO()
    source.save(obj, file, _use_new_zipfile_serialization=not legacy)
    file.seek(0)
    return target.load(file, weights_only=False)


MODULES = {
    "linear": lambda nn: nn.Linear(3, 2),
    "convolutions": lambda nn: nn.Sequential(
        nn.Conv1d(3, 4, 1), nn.BatchNorm1d(4), nn.LeakyReLU(0.1), nn.Flatten(0)
    ),
    "dictionary": lambda nn: nn.ModuleDict({"a": nn.Embedding(3, 2), "b": nn.LayerNorm(3)})["b"],
    "encoder": lambda nn: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(3, 1, 4, 0.0, batch_first=True), 2, enable_nested_tensor=False
    ),
    "recurrent": lambda nn: nn.GRU(3, 2),
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", list(MODULES))
@pytest.mark.parametrize("direction", ["in", "out"])
def test_modules(name: str, direction: str, legacy: bool) -> None:
    if name in ("recurrent", "encoder") and direction == "out":
        pytest.skip("PyTorch's recurrent and Transformer layers want attributes ours do not keep")
    source, target = (oracle, flambeau) if direction == "in" else (flambeau, oracle)
    source.manual_seed(0)
    module = MODULES[name](source.nn).eval()
    found = there(source, target, module, legacy)
    assert type(found).__name__ == type(module).__name__
    x = np.linspace(-1, 1, 6, dtype=np.float32).reshape(1, 2, 3)
    if name == "convolutions":
        x = x.transpose(0, 2, 1).copy()
    results = [m(t.from_numpy(x)) for m, t in ((module, source), (found, target))]
    first, second = (r[0] if isinstance(r, tuple) else r for r in results)
    np.testing.assert_allclose(first.detach().numpy(), second.detach().numpy(), atol=1e-5)


def test_optimizers_and_schedulers_are_readable() -> None:
    parameters = [oracle.nn.Parameter(oracle.ones(2))]
    found = there(oracle, flambeau, oracle.optim.SGD(parameters, lr=0.5, momentum=0.9))
    assert type(found) is flambeau.optim.SGD
    assert found.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize("direction", ["in", "out"])
def test_sparse_tensors(direction: str) -> None:
    source, target = (oracle, flambeau) if direction == "in" else (flambeau, oracle)
    made = source.sparse_coo_tensor(
        source.tensor([[0, 1, 0], [1, 0, 1]]), source.tensor([1.0, 2.0, 3.0]), (2, 2)
    )
    file = io.BytesIO()
    source.save({"a": made, "b": made.coalesce()}, file)
    file.seek(0)
    found = target.load(file)
    assert repr(found["a"]) == repr(made)
    assert repr(found["b"]) == repr(made.coalesce())
    x = target.ones(2, 1)
    assert (found["a"] @ x).tolist() == [[4.0], [2.0]]
