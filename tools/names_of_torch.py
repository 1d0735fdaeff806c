"""Write `flambeau/lacking/names.txt`: the public names of an installed PyTorch, module by module.

    python -m tools.names_of_torch        # needs torch; torchvision's names come along if it is there

flambeau knows by this list which of the names that it lacks are PyTorch's. Only names are taken:
of functions, classes, values and submodules, `/` behind the latter.
"""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from pathlib import Path
from types import ModuleType

FILE = Path(__file__).parent.parent / "flambeau" / "lacking" / "names.txt"

PRIVATE = """
_C _decomp _dynamo _dynamo.config _dynamo.utils _export _functorch _functorch.config _guards
_higher_order_ops _inductor _inductor.config _library _logging _numpy _prims _refs _subclasses
_subclasses.fake_tensor _torch_docs _vmap_internals utils._python_dispatch utils._triton
""".split()
"""Modules with an underscore that programs are seen to use all the same."""

SKIPPED = ("testing._internal", "gen_pyi", "etcd")


def modules(root: str) -> list[str]:
    """The names of a package's public modules."""
    package = importlib.import_module(root)
    found = [root]
    for info in pkgutil.walk_packages(package.__path__, root + ".", onerror=lambda name: None):
        inside = info.name.removeprefix(root + ".")
        if not any(part.startswith("_") for part in inside.split(".")):
            found.append(info.name)
    if root == "torch":
        found += [f"torch.{name}" for name in PRIVATE]
    return [name for name in found if not any(part in name for part in SKIPPED)]


def _belongs(value: object, root: str) -> bool:
    """Whether a module's attribute is the package's own, and not something that it imports."""
    if isinstance(value, ModuleType):
        return value.__name__.partition(".")[0] == root
    origin = getattr(value, "__module__", None)
    return not isinstance(origin, str) or origin.partition(".")[0] in (root, "torch", "builtins")


def names(module: ModuleType, root: str) -> list[str]:
    """A module's public names, `/` behind those of submodules."""
    listed = getattr(module, "__all__", None)
    found = []
    for name in sorted({*(listed or ()), *dir(module)}):
        try:
            value = getattr(module, name)
        except Exception:
            continue
        if name.startswith("_"):
            continue
        if listed and name not in listed:
            # The main namespace's list leaves out submodules, and constants that programs use;
            # others leave out functions and classes of their own.
            if module.__name__ != root and getattr(value, "__module__", "") != module.__name__:
                continue
        if not (name in (listed or ()) or _belongs(value, root)):
            continue
        if not isinstance(value, ModuleType):
            found.append(name)
        elif value.__name__ == f"{module.__name__}.{name}":
            found.append(name + "/")
    return found


def main() -> None:
    warnings.simplefilter("ignore")
    lines = ["# The public names of PyTorch, by module. Written by tools/names_of_torch.py."]
    for root in ("torch", "torchvision"):
        try:
            found = modules(root)
        except ImportError:
            continue
        for name in sorted(found):
            try:
                module = importlib.import_module(name)
                lines.append(f"{name}: {' '.join(names(module, root))}".rstrip())
            except Exception as error:
                lines.append(f"{name}:")
                print(f"{name}: {error}")
    FILE.write_text("\n".join(lines) + "\n")
    print(f"{FILE}: {len(lines)} modules")


if __name__ == "__main__":
    main()
