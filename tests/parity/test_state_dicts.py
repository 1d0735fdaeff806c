"""Training that goes on in the other library: state dicts of models, optimizers and schedulers."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau.vision import models

from .checkpoints import describe
from .families import FAMILIES, data, mean_square
from .small_models import SMALL
from .test_checkpoints import difference

oracle = pytest.importorskip("torch")

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


PARITY = Path(__file__).parent
SCHEDULERS = _module(PARITY.parent / "optim" / "scheduler_cases.py").CASES
# Large `eps`: gradients that are nothing but rounding must not be blown up to whole steps.
OPTIMIZERS: dict[str, Callable[[Any, Any], Any]] = {
    "SGD": lambda O, p: O.SGD(p, 0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
    "plain SGD": lambda O, p: O.SGD(p, 0.1),
    "Adam": lambda O, p: O.Adam(p, 0.01, eps=1e-2),
    "AMSGrad": lambda O, p: O.Adam(p, 0.01, eps=1e-2, amsgrad=True, weight_decay=0.1),
    "AdamW": lambda O, p: O.AdamW(p, 0.01, eps=1e-2),
    "NAdam": lambda O, p: O.NAdam(p, 0.01, eps=1e-2),
    "RAdam": lambda O, p: O.RAdam(p, 0.01, eps=1e-2),
    "Adamax": lambda O, p: O.Adamax(p, 0.01, eps=1e-2),
    "Adagrad": lambda O, p: O.Adagrad(p, 0.01, eps=1e-2),
    "Adadelta": lambda O, p: O.Adadelta(p, 0.1, eps=1e-2),
    "RMSprop": lambda O, p: O.RMSprop(p, 0.01, eps=1e-2, momentum=0.5, centered=True),
    "ASGD": lambda O, p: O.ASGD(p, 0.01, t0=1),
    "Rprop": lambda O, p: O.Rprop(p, 1e-3),
    "Adafactor": lambda O, p: O.Adafactor(p, 0.01),
}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """PyTorch's threads wait busily, which small models do not pay for."""
    before = oracle.get_num_threads()
    oracle.set_num_threads(1)
    yield
    oracle.set_num_threads(before)


class Run:
    """A model, its optimizer and a scheduler, in one of the libraries."""

    def __init__(
        self, library: Any, build: Callable[[Any], Any], optimizer: str, seed: int
    ) -> None:
        library.manual_seed(seed)
        self.library = library
        self.model, self.loss = build(library)
        for module in self.model.modules():
            if isinstance(getattr(module, "p", None), float):
                module.p = 0.0  # dropout and stochastic depth
        trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = OPTIMIZERS[optimizer](library.optim, trained)
        self.scheduler = library.optim.lr_scheduler.ExponentialLR(self.optimizer, 0.9)

    def step(self) -> None:
        self.optimizer.zero_grad()
        self.loss().backward()
        self.optimizer.step()
        self.scheduler.step()

    def state(self) -> dict[str, Any]:
        kept = {"model": self.model, "optimizer": self.optimizer, "scheduler": self.scheduler}
        return {name: part.state_dict() for name, part in kept.items()}

    def save(self, path: Path) -> Any:
        self.library.save(self.state(), path)
        return describe(self.library, self.state(), layouts=False)

    def load(self, path: Path) -> Any:
        state = self.library.load(path, weights_only=True)
        for name, part in state.items():
            found = getattr(self, name).load_state_dict(part)
            assert name != "model" or not (found.missing_keys or found.unexpected_keys)
        return describe(self.library, self.state(), layouts=False)


def close(ours: Run, theirs: Run, name: str) -> None:
    """Equal up to the rounding of one step."""
    expected = theirs.model.state_dict()
    for key, value in ours.model.state_dict().items():
        pair = [t.detach().to(t.dtype).double().numpy() for t in (value, expected[key])]
        np.testing.assert_allclose(*pair, rtol=2e-3, atol=2e-5, err_msg=f"{name}: {key}")


def there_and_back(
    build: Callable[[Any], Any], optimizer: str, folder: Path, name: str, settle: bool = False
) -> None:
    """PyTorch trains a step, flambeau goes on and trains one, and PyTorch goes on with that.

    With `settle` the batch statistics of the first step stay: those of small batches amplify
    rounding beyond measure.
    """
    theirs, ours, last = (
        Run(library, build, optimizer, seed)
        for seed, library in enumerate((oracle, flambeau, oracle))
    )
    theirs.step()
    for run in (theirs, ours, last):
        run.model.train(not settle)
    written = theirs.save(folder / "theirs.pt")
    found = ours.load(folder / "theirs.pt")
    assert not difference(found, written), difference(found, written)
    ours.step()
    theirs.step()
    close(ours, theirs, name)
    written = ours.save(folder / "ours.pt")
    found = last.load(folder / "ours.pt")
    assert not difference(found, written), difference(found, written)
    last.step()
    theirs.step()
    close(last, theirs, name)


@pytest.fixture(scope="module")
def vision_on_torch() -> Any:
    return _module(PARITY / "vision_on_torch.py").load()


LARGE = ("googlenet", "squeezenet", "resnet", "mobilenet v2", "mnasnet", "maxvit")
VISION = [name for name in SMALL if name not in LARGE]
TURNS = dict(zip((*FAMILIES, *VISION), itertools.cycle(OPTIMIZERS), strict=False))


@pytest.mark.parametrize("name", FAMILIES)
def test_families(name: str, tmp_path: Path) -> None:
    there_and_back(FAMILIES[name], TURNS[name], tmp_path, name)


@pytest.mark.parametrize("name", VISION)
def test_torchvisions_families(name: str, tmp_path: Path, vision_on_torch: Any) -> None:
    make, size = SMALL[name]

    def build(library: Any) -> Any:
        model = make(models if library is flambeau else vision_on_torch.models)
        return model, lambda: mean_square(model(data(library, 2, 3, size, size)))

    there_and_back(build, TURNS[name], tmp_path, name, settle=True)


def two_layers(library: Any) -> Any:
    model = library.nn.Sequential(
        library.nn.Linear(4, 3), library.nn.Tanh(), library.nn.Linear(3, 2)
    )
    return model, lambda: mean_square(model(data(library, 5, 4)))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name: str, tmp_path: Path) -> None:
    there_and_back(two_layers, name, tmp_path, name)


def of_schedulers(library: Any, name: str) -> tuple[Any, Any]:
    """An optimizer of two groups and a scheduler."""
    groups = [{"params": [library.nn.Parameter(library.ones(2))], "lr": lr} for lr in (0.1, 0.2)]
    optimizer = library.optim.SGD(groups, momentum=0.9)
    return optimizer, SCHEDULERS[name](library.optim.lr_scheduler, optimizer)


def rates(optimizer: Any, scheduler: Any, steps: int) -> list[list[float]]:
    """The learning rates and momenta after each step."""
    found = []
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        found.append([group[key] for group in optimizer.param_groups for key in ("lr", "momentum")])
    return found


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers(name: str, tmp_path: Path) -> None:
    for writer, reader in ((oracle, flambeau), (flambeau, oracle)):
        parts = of_schedulers(writer, name)
        rates(*parts, 6)
        writer.save([part.state_dict() for part in parts], tmp_path / "a.pt")
        loaded = of_schedulers(reader, name)
        for part, state in zip(
            loaded, reader.load(tmp_path / "a.pt", weights_only=True), strict=True
        ):
            part.load_state_dict(state)
        np.testing.assert_allclose(rates(*loaded, 8), rates(*parts, 8), rtol=1e-12)


@pytest.mark.parametrize("name", ["plateau", "swa"])
def test_schedulers_that_are_told_more(name: str, tmp_path: Path) -> None:
    def make(library: Any) -> tuple[Any, Any]:
        optimizer = library.optim.SGD([library.nn.Parameter(library.ones(2))], 0.1)
        if name == "swa":
            return optimizer, library.optim.swa_utils.SWALR(optimizer, 0.01, anneal_epochs=5)
        plateau = library.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=2, cooldown=1)
        return optimizer, plateau

    def run(parts: tuple[Any, Any], steps: int) -> list[float]:
        found = []
        for step in range(steps):
            parts[0].step()
            parts[1].step(*([1.0 + step % 2] if name == "plateau" else []))
            found.append(parts[0].param_groups[0]["lr"])
        return found

    for writer, reader in ((oracle, flambeau), (flambeau, oracle)):
        parts, loaded = make(writer), make(reader)
        run(parts, 4)
        writer.save([part.state_dict() for part in parts], tmp_path / "a.pt")
        for part, state in zip(
            loaded, reader.load(tmp_path / "a.pt", weights_only=True), strict=True
        ):
            part.load_state_dict(state)
        np.testing.assert_allclose(run(loaded, 8), run(parts, 8), rtol=1e-12)


def test_optimizers_of_other_ways(tmp_path: Path) -> None:
    """LBFGS, which calls the loss itself; Muon, for matrices; SparseAdam, for sparse gradients."""

    def lbfgs(library: Any) -> Any:
        weight = library.nn.Parameter(data(library, 4))
        optimizer = library.optim.LBFGS([weight], lr=0.1, max_iter=3, history_size=4)

        def loss() -> Any:
            optimizer.zero_grad()
            found = (weight.pow(4) + weight).sum()
            found.backward()
            return found

        return weight, optimizer, lambda: optimizer.step(loss)

    def with_gradient(kind: Any, shape: tuple[int, ...], sparse: bool) -> Callable[[Any], Any]:
        def make(library: Any) -> Any:
            weight = library.nn.Parameter(data(library, *shape))
            optimizer = kind(library.optim)([weight], lr=0.01)

            def step() -> None:
                grad = weight.detach() * library.tensor([[1.0], [0.0], [2.0]])
                weight.grad = grad.to_sparse(1) if sparse else grad
                optimizer.step()

            return weight, optimizer, step

        return make

    ways = {
        "LBFGS": lbfgs,
        "Muon": with_gradient(lambda O: O.Muon, (3, 4), False),
        "SparseAdam": with_gradient(lambda O: O.SparseAdam, (3, 4), True),
    }
    for name, make in ways.items():
        for writer, reader in ((oracle, flambeau), (flambeau, oracle)):
            weight, optimizer, step = make(writer)
            step()
            step()
            writer.save({"w": weight, "o": optimizer.state_dict()}, tmp_path / "a.pt")
            loaded, other, go_on = make(reader)
            state = reader.load(tmp_path / "a.pt", weights_only=True)
            loaded.data.copy_(state["w"].data)
            other.load_state_dict(state["o"])
            step()
            go_on()
            pair = [w.detach().numpy() for w in (loaded, weight)]
            np.testing.assert_allclose(*pair, rtol=1e-2 if name == "Muon" else 1e-5, err_msg=name)


def test_a_gradient_scaler(tmp_path: Path) -> None:
    for writer, reader in ((oracle, flambeau), (flambeau, oracle)):
        scaler = writer.amp.GradScaler("cpu", init_scale=8.0, growth_interval=3)
        scaler.scale(writer.ones(()))
        scaler.update(16.0)
        writer.save(scaler.state_dict(), tmp_path / "a.pt")
        found = reader.amp.GradScaler("cpu")
        found.load_state_dict(reader.load(tmp_path / "a.pt", weights_only=True))
        assert found.state_dict() == scaler.state_dict()


def test_a_resumable_run(tmp_path: Path) -> None:
    """PyTorch reads all of its file."""
    from flambeau.utils.resume import Resumable

    run = Run(flambeau, two_layers, "Adam", 0)
    run.step()
    loader = flambeau.utils.data.DataLoader([1.0, 2.0, 3.0], shuffle=True)
    next(iter(loader))
    parts = {"model": run.model, "optimizer": run.optimizer, "loader": loader}
    Resumable(tmp_path / "run.pt", step=3, **parts).save()
    found = oracle.load(tmp_path / "run.pt", weights_only=True)
    assert found["values"] == {"step": 3}
    model = two_layers(oracle)[0]
    model.load_state_dict(found["parts"]["model"])
    assert model[0].weight.tolist() == run.model[0].weight.tolist()


def test_tied_models_in_safetensors(tmp_path: Path) -> None:
    package = pytest.importorskip("safetensors.torch")
    from flambeau.serialization import safe_tensors

    ours, theirs = FAMILIES["gpt"](flambeau)[0], FAMILIES["gpt"](oracle)[0]
    package.save_model(theirs, tmp_path / "a.safetensors")
    assert safe_tensors.load_model(ours, tmp_path / "a.safetensors") == (set(), [])
    safe_tensors.save_model(ours, tmp_path / "b.safetensors")
    read = [(tmp_path / f"{name}.safetensors").read_bytes() for name in "ab"]
    assert read[0] == read[1]
    last = FAMILIES["gpt"](oracle)[0]
    package.load_model(last, tmp_path / "b.safetensors")
    assert last.head.weight.tolist() == theirs.head.weight.tolist()
