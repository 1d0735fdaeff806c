"""The tree is the pipeline: imports point one way, down the list of layers."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import flambeau

ROOT = Path(flambeau.__file__).parent

LAYERS = (
    ("config", "errors", "lacking"),
    ("core",),
    ("runtime",),
    ("ops",),
    ("graph",),
    ("codegen",),
    ("engine",),
    ("frontend", "autograd"),
    ("nn", "optim", "utils", "vision", "serialization", "hub", "linalg", "testing", "backends",
     "cuda", "random", "version", "types", "multiprocessing", "jit", "accelerator", "amp",
     "compiler", "distributed", "distributions", "sparse", "special", "array_api", "fft", "signal", "func", "overrides", "_C",
     "storage", "profiler", "futures", "library", "functional", "cpu", "xpu", "mps", "mtia",
     "torch_version", "return_types", "_dynamo", "_inductor", "fx", "masked", "_hub_repositories",
     "_six", "_utils", "_VF", "_tensor", "_tensor_str", "_jit_internal", "__future__", "__config__"),
    ("demo", "compat", "__main__", "__init__"),
)  # fmt: skip
"""The layers, the lowest first. A module may import its own layer and those above it in this
list."""

RANK = {name: i for i, names in enumerate(LAYERS) for name in names}
LIBRARY = RANK["nn"]
BODIES_MAY_RISE = frozenset(
    [("autograd", "frontend"), ("frontend", "autograd")]
)


def _part(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def _imports(path: Path) -> list[str]:
    """The parts of flambeau that a file imports, at its head or in a function."""
    package = ("flambeau", *path.relative_to(ROOT).with_suffix("").parts)
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level]
            if path.name == "__init__.py":
                base = package[:-1][: len(package) - node.level]
            target = (*base, *(node.module or "").split(".")) if node.module else base
            if len(target) > 1:
                found.append(target[1])
            else:
                found.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("flambeau."):
            found.append((node.module or "").split(".")[1])
        elif isinstance(node, ast.Import):
            found.extend(
                a.name.split(".")[1] for a in node.names if a.name.startswith("flambeau.")
            )
    return found


def test_imports_point_one_way() -> None:
    wrong = []
    for path in sorted(ROOT.rglob("*.py")):
        part = _part(path)
        assert part in RANK, f"{path} is in no layer: add it to LAYERS"
        for target in _imports(path):
            if target in RANK and RANK[target] > RANK[part]:
                wrong.append(f"{path.relative_to(ROOT)} imports {target}")
    assert wrong == []


def test_the_library_stands_on_the_public_interface() -> None:
    """nn, optim, data and vision import no part of the engine."""
    inside = {name for names in LAYERS[1:6] for name in names}
    allowed = {"serialization": {"frontend", "core"}, "linalg": {"ops"}, "cuda": inside, "backends": {"frontend", "runtime"}}
    wrong = []
    for path in sorted(ROOT.rglob("*.py")):
        part = _part(path)
        if RANK[part] != LIBRARY:
            continue
        for target in _imports(path):
            if target in inside and target not in allowed.get(part, set()):
                wrong.append(f"{path.relative_to(ROOT)} imports {target}")
    assert wrong == []


def test_importing_everything_hides_no_function() -> None:
    """A submodule sets an attribute on its package: none may take a function's place."""
    for module in pkgutil.walk_packages([str(ROOT)], "flambeau."):
        if "__main__" not in module.name:
            importlib.import_module(module.name)
    for name in ("tensor", "device", "dtype", "sort", "norm", "save", "load", "Size", "add", "var"):
        assert callable(getattr(flambeau, name)), name


def test_import_brings_no_heavy_module() -> None:
    code = (
        "import sys; before = set(sys.modules); import flambeau; "
        "print(*sorted(set(sys.modules) - before))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent
    )
    loaded = out.stdout.split()
    heavy = ("torch", "llvmlite", "PIL", "matplotlib", "tqdm", "multiprocessing", "urllib.request",
             "numpy.random", "zipfile", "flambeau.vision", "flambeau.nn", "flambeau.optim")  # fmt: skip
    assert [m for m in heavy if m in loaded] == []
