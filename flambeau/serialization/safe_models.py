"""Whole models' state dicts in the safetensors form, which can't say that two names are one tensor.

As in the package's `safetensors.torch`: of several names for the same tensor the first, sorted, is
kept, and the header's metadata say for each of the others which that is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from flambeau.serialization import tensors

__all__ = ["load_model", "save_model"]


def save_model(
    model: Any,
    filename: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
    force_contiguous: bool = True,
) -> None:
    """A module's state dict into a file, tied parameters once.

    Args:
        model: the module.
        filename: the path, which is written whole or not at all.
        metadata: text to keep with the tensors.
        force_contiguous: accepted for the package's sake; the form is always row by row.

    Raises:
        RuntimeError: two tensors share only a part of their memory.
    """
    from flambeau.serialization.safe_tensors import save_file

    state = model.state_dict()
    dropped = _second_names(state)
    about = {**dropped, **(metadata or {})}
    kept = {name: tensor for name, tensor in state.items() if name not in dropped}
    save_file(kept, filename, about or None)


def load_model(
    model: Any, filename: str | os.PathLike[str], strict: bool = True, device: Any = "cpu"
) -> tuple[set[str], list[str]]:
    """Take over a module's state from a file that `save_model`, or the package's, has written.

    Returns:
        The names that the file lacks, and those that it has in excess.

    Raises:
        RuntimeError: with `strict`, there are such names; or shapes differ.
    """
    from flambeau.serialization.safe_tensors import load_file

    state = load_file(filename, device)
    own = model.state_dict()
    groups: dict[str, list[str]] = {}
    for name, kept in _second_names(own).items():
        groups.setdefault(kept, [kept]).append(name)
    found = model.load_state_dict(state, strict=False)
    missing, unexpected = set(found.missing_keys), list(found.unexpected_keys)
    for group in groups.values():
        present = [name for name in group if name in state]
        missing -= set(group) if present else set()
        unexpected += present[1:]  # two tensors for what is one here
    if strict and (missing or unexpected):
        parts = [("missing", sorted(missing)), ("unexpected", sorted(unexpected))]
        said = "; ".join(f"{what} {names}" for what, names in parts if names)
        raise RuntimeError(f"{filename} does not fit {type(model).__name__}: {said}")
    return missing, unexpected


def _second_names(state: Mapping[str, Any]) -> dict[str, str]:
    """Names of tensors that have another name too, and that other name, the first when sorted."""
    first: dict[Any, str] = {}
    found: dict[str, str] = {}
    for name in sorted(state):
        tensor = state[name]
        if not tensor.numel():
            continue
        layout = (tensor.storage_offset(), tuple(tensor.size()), tuple(tensor.stride()))
        kept = first.setdefault((tensors.storage_id(tensor), tensor.dtype, layout), name)
        if kept != name:
            found[name] = kept
    return found
