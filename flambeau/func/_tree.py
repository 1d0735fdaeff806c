"""Nested containers of tensors, as `torch.utils._pytree` knows them: what functions take and give."""

from __future__ import annotations

from typing import Any

from flambeau.utils._pytree import (
    TreeSpec,
    tree_flatten,
    tree_is_leaf,
    tree_map,
    tree_structure,
    tree_unflatten,
)

Tree = TreeSpec
flatten = tree_flatten
unflatten = tree_unflatten
map_leaves = tree_map


def broadcast(prefix: Any, tree: Tree) -> list[Any] | None:
    """For each leaf of a structure what `prefix` says of it: `prefix` is of the same structure, or
    has one leaf in the place of a part. None where it does not fit."""
    if tree.is_leaf():
        return [prefix] if tree_is_leaf(prefix) else None
    if tree_is_leaf(prefix):
        return [prefix] * tree.num_leaves
    opened = tree_structure(prefix, is_leaf=lambda x: x is not prefix)
    if (opened.type, opened.context) != (tree.type, tree.context):
        return None
    parts, _ = tree_flatten(prefix, is_leaf=lambda x: x is not prefix)
    if len(parts) != len(tree.children()):
        return None
    out: list[Any] = []
    for part, child in zip(parts, tree.children(), strict=True):
        found = broadcast(part, child)
        if found is None:
            return None
        out += found
    return out
