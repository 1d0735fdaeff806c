"""Names that flambeau lacks: imported without an error, refused when they are used."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import flambeau
from flambeau.compat import names
from flambeau.lacking import asking, catalogue
from flambeau.lacking.advice import sentence
from flambeau.lacking.standin import LackingError, StandIn, StandInModule
from tests.compat.support import run_text


@pytest.fixture
def torch() -> Iterator[object]:
    names.install()
    try:
        yield flambeau
    finally:
        names.remove()


def mm() -> StandIn:
    return StandIn("torch.nested.narrow")


@pytest.mark.parametrize("use", [
    lambda x: x(), lambda x: x(1, k=2), lambda x: bool(x), lambda x: x.attribute, lambda x: x + 1,
    lambda x: len(x), lambda x: list(x), lambda x: x.__enter__(), lambda x: int(x),
    lambda x: type("Derived", x.__mro_entries__(()), {})(),
])  # fmt: skip
def test_using_one_is_an_error(use: object) -> None:
    with pytest.raises(LackingError, match="flambeau has no torch.nested.narrow: .*lacks it so far; pad"):
        use(mm())  # type: ignore[operator]


def test_what_is_no_use_is_none() -> None:
    x = mm()
    assert x == mm() and x != StandIn("torch.nested.nested_tensor") and {x: 1}[mm()] == 1
    assert not isinstance(3, x) and x != flambeau.float32  # type: ignore[arg-type]
    assert (x | None) and x[int] is x and x.__name__ == "narrow" and not hasattr(x, "__torch_function__")

    class Derived(x):  # type: ignore[valid-type, misc]
        pass

    assert issubclass(Derived, x)  # type: ignore[arg-type]


def test_reading_a_name(torch: object) -> None:
    found = flambeau.quantize_per_tensor
    assert isinstance(found, StandIn)
    assert isinstance(flambeau.onnx.export, StandIn) and isinstance(flambeau.onnx, StandInModule)
    assert not hasattr(flambeau, "quantize_per_tensor")
    assert getattr(flambeau, "quantize_per_tensor", 3) == 3
    try:
        flambeau.quantize_per_tensor  # noqa: B018
        raise AssertionError
    except AttributeError as error:
        assert "quantization" in str(error)


def test_nobodys_names_are_errors() -> None:
    error = ""
    try:
        flambeau.frobnicate  # noqa: B018
    except AttributeError as found:
        error = str(found)
    assert "PyTorch 2.13 has no such name either" in error


def test_programs(tmp_path: Path) -> None:
    text = """
import torch
import torch.nested as sp, torch.onnx, torch.distributed.fsdp.wrap
from torch.nested import nested_tensor as mm, narrow
from torch.ao.quantization import quantize_dynamic
from torch import quantize_per_tensor, qint8, SymInt
from torch.export import ExportedProgram

def annotated(x: torch.SymInt | None, y: torch.sparse.Nothing = None if False else 1) -> SymInt: ...
""".replace("torch.sparse.Nothing", "torch.nested.nested_tensor") + """
class Mine(ExportedProgram):
    pass

try:
    import torch.package
    print("imported")
except ImportError as error:
    print("no package")
try:
    from torch.nested import softmax
    print("imported")
except ImportError:
    print("no softmax")
import importlib, importlib.util
print(importlib.util.find_spec("torch.onnx.ops"), importlib.util.find_spec("torch.nn") is not None)
print(type(importlib.import_module("torch.onnx.ops")).__name__)
for use in (lambda: mm(1, 2), lambda: quantize_dynamic(1), lambda: sp.as_nested_tensor(3), lambda: Mine(),
            lambda: torch.onnx.export(1), lambda: torch.ones(2).int_repr()):
    try:
        use()
    except AttributeError as error:
        print(str(error)[:40])
print({torch.float32: 1, qint8: 2}[torch.float32], torch.float32 == torch.qint8)
mm(1, 2)
"""
    result = run_text(text, tmp_path)
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert lines[:4] == ["no package", "no softmax", "None True", "StandInModule"], result.stderr
    assert all("flambeau has no" in line or "'Tensor' object" in line for line in lines[4:10])
    assert lines[10] == "1 False"
    assert result.stderr.rstrip().splitlines()[-1].endswith("pad_sequence and pass a mask")


def test_the_catalogue() -> None:
    assert catalogue.is_module("torch.nested") and not catalogue.is_module("torch.nested.narrow")
    assert catalogue.is_known("torch.nested.narrow") and catalogue.is_known("torch.ao.quantization")
    assert not catalogue.is_known("torch.nested.frobnicate") and not catalogue.is_known("torch")


@pytest.mark.parametrize("name", [
    "torch.ao.quantization.QConfig", "torch.nested.nested_tensor",
    "torch.onnx.export", "torch.export.export", "torch.fx.replace_pattern", "torch.cuda.cudaStatus",
    "torch.jit.CompilationUnit", "torch.utils.cpp_extension.load", "torch.Tensor.int_repr",
])  # fmt: skip
def test_sentences_say_what_to_do(name: str) -> None:
    text = sentence(name)
    assert text.startswith(f"flambeau has no {name}: ") and "; " in text and "\n" not in text


def test_the_table_of_handlers_is_read_right() -> None:
    def guarded() -> None:
        x = 1
        try:
            x += 1
        except ValueError:
            x = 3
        print(x)

    ranges = asking._guarded(guarded.__code__.co_exceptiontable)
    assert ranges and all(0 < a < b < len(guarded.__code__.co_code) for a, b in ranges)


def test_finding_gives_modules_only(torch: object) -> None:
    assert importlib.util.find_spec("torch.frobnicate") is None
    with pytest.raises(ModuleNotFoundError, match="flambeau has no module torch.frobnicate"):
        importlib.import_module("torch.frobnicate")


def test_old_names_say_what_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "flambeau._six", raising=False)
    assert sentence("torch.gesv").endswith("write torch.linalg.solve(A, B)")
    with pytest.warns(FutureWarning, match="write str, int"):
        six = importlib.import_module("flambeau._six")
    assert isinstance("a", six.string_classes) and six.inf > 1
    flat = flambeau._utils._flatten_dense_tensors([flambeau.ones(2), flambeau.zeros(1, 2)])
    assert flat.tolist() == [1, 1, 0, 0] and list(flambeau._utils._accumulate([1, 2])) == [1, 3]
    first, second = flambeau._utils._unflatten_dense_tensors(flat, [flambeau.ones(2), flambeau.zeros(1, 2)])
    assert first.shape == (2,) and second.shape == (1, 2)
