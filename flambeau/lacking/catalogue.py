"""The public names of PyTorch, as `names.txt` lists them."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def _modules() -> dict[str, frozenset[str]]:
    """By module, the names in it: those of submodules end in `/`."""
    text = resources.files(__package__).joinpath("names.txt").read_text(encoding="utf-8")
    lines = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    found = {name: set(names.split()) for name, _, names in lines}
    for name in list(found):
        parent, _, last = name.rpartition(".")
        if parent in found:
            found[parent].add(last + "/")
    return {name: frozenset(names) for name, names in found.items()}


def is_module(name: str) -> bool:
    """Whether PyTorch has a module of this name: `torch.sparse`."""
    return name in _modules()


def is_known(name: str) -> bool:
    """Whether a name is PyTorch's: `torch.sparse.mm`."""
    module, _, last = name.rpartition(".")
    names = _modules().get(module, frozenset())
    return last in names or last + "/" in names
