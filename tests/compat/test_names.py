"""Names that flambeau lacks: the sentence says so, and what programs do about it still works."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import flambeau
from flambeau.compat import names
from flambeau.frontend import lacking
from tests.compat.support import run_text


@pytest.fixture
def installed() -> Iterator[None]:
    names.install()
    try:
        yield
    finally:
        names.remove()


MODULES = [
    "", "nn", "nn.functional", "nn.init", "nn.modules", "nn.utils", "nn.utils.rnn", "optim",
    "optim.lr_scheduler", "utils", "utils.data", "utils.checkpoint", "autograd",
    "autograd.functional", "cuda", "cuda.amp", "amp", "backends", "backends.cudnn", "linalg",
    "special", "jit", "multiprocessing", "hub", "random", "types", "testing", "compiler",
    "accelerator", "distributed",
]  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_a_module_names_what_it_lacks(name: str) -> None:
    module = importlib.import_module(f"flambeau.{name}".rstrip("."))
    full = f"torch.{name}.".replace("..", ".")
    with pytest.raises(AttributeError, match=f"^flambeau has no {full}frobnicate: "):
        module.frobnicate  # noqa: B018
    assert not hasattr(module, "frobnicate")
    assert getattr(module, "frobnicate", 3) == 3


@pytest.mark.parametrize("name", ["", ".transforms", ".datasets", ".models"])
def test_torchvision_too(name: str) -> None:
    module = importlib.import_module(f"flambeau.vision{name}")
    with pytest.raises(AttributeError, match=f"flambeau has no torchvision{name}.frobnicate: "):
        module.frobnicate  # noqa: B018


def test_a_tensor_names_what_it_lacks() -> None:
    x = flambeau.ones(2)
    for name in lacking.names(flambeau.Tensor):
        with pytest.raises(AttributeError, match=f"torch.Tensor.{name}, flambeau lacks it so far"):
            getattr(x, name)
        assert not hasattr(x, name)
        assert name not in dir(x)
    with pytest.raises(AttributeError, match="'Tensor' object has no attribute 'frobnicate'"):
        x.frobnicate()
    x.mine = 1  # type: ignore[attr-defined]
    assert x.mine == 1


def test_submodules(installed: None) -> None:
    for name in ("torch.frobnicate", "torch.nn.frobnicate", "torch.frobnicate.more",
                 "torchvision.frobnicate"):  # fmt: skip
        missing = name.removesuffix(".more")
        with pytest.raises(ModuleNotFoundError, match=f"^flambeau has no module {missing}: "):
            importlib.import_module(name)


def test_a_modules_own_faults_show(installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing dependency of a module is not taken for the module."""
    monkeypatch.setitem(sys.modules, "multiprocessing", None)
    monkeypatch.delitem(sys.modules, "flambeau.multiprocessing", raising=False)
    with pytest.raises(ModuleNotFoundError, match="multiprocessing"):
        import torch.multiprocessing  # noqa: F401


def test_names_from_modules(installed: None) -> None:
    for text in ("from torch import frobnicate", "from torch.nn import Frobnicate",
                 "from torch.optim.sgd import Frobnicate"):  # fmt: skip
        with pytest.raises(ImportError) as caught:
            exec(text)
        names.explain(caught.value)
        module, name = text.split()[1], text.split()[-1]
        assert caught.value.__notes__[0].startswith(f"flambeau has no {module}.{name}: ")


def test_other_import_errors_get_no_note() -> None:
    with pytest.raises(ImportError) as caught:
        exec("from json import frobnicate")
    names.explain(caught.value)
    names.explain(ValueError("no import"))
    assert not hasattr(caught.value, "__notes__")


def test_removing_gives_the_names_back() -> None:
    def modules() -> dict[str, object]:
        return {n: m for n, m in sys.modules.items() if n.partition(".")[0] in names.ROOTS}

    before, finders = modules(), list(sys.meta_path)
    names.install()
    names.install()
    import torch

    assert torch is flambeau  # type: ignore[comparison-overlap]
    importlib.import_module("torch.nn")
    assert sys.modules["torch.nn"] is sys.modules["flambeau.nn"]
    names.remove()
    names.remove()
    assert modules() == before
    assert sys.meta_path == finders


def test_programs_that_try(tmp_path: Path) -> None:
    text = """
import torch
try:
    from torch import frobnicate
except ImportError:
    frobnicate = None
try:
    import torch.frobnicate as module
except ImportError:
    module = None
try:
    import torch_frobnicate
except ModuleNotFoundError as error:
    other = error.name
print(frobnicate, module, other, hasattr(torch, "frobnicate"), hasattr(torch.nn, "Frobnicate"))
from torch.nn import Frobnicate
"""
    result = run_text(text, tmp_path)
    assert result.stdout == "None None torch_frobnicate False False\n"
    assert result.returncode == 1
    assert result.stderr.rstrip().splitlines()[-1].startswith("flambeau has no torch.nn.Frobnicate:")


def test_every_submodule_named_by_the_package_is_there() -> None:
    for name in flambeau._SUBMODULES:
        assert hasattr(flambeau, name), name
        assert importlib.import_module(f"flambeau.{name}") is getattr(flambeau, name)


def test_versions_can_be_compared() -> None:
    assert tuple(map(int, flambeau.__version__.split("+")[0].split("."))) >= (2, 0)
    assert flambeau.version.__version__ == flambeau.__version__
    assert flambeau.version.cuda is None
