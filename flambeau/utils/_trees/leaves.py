"""From nested containers to a flat list of leaves, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .kinds import IsLeaf, node_of, tree_is_leaf
from .paths import SequenceKey
from .structures import LEAF, TreeSpec, kind_of


def tree_flatten_with_path(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[tuple[Any, Any]], TreeSpec]:
    """The leaves with their paths, and the structure."""
    leaves: list[tuple[Any, Any]] = []

    def walk(tree: Any, path: tuple[Any, ...]) -> TreeSpec:
        node = node_of(tree)
        if node is None or (is_leaf is not None and is_leaf(tree)):
            leaves.append((path, tree))
            return LEAF
        children, context = node.flatten_fn(tree)
        children = list(children)
        keys = node.keys(tree, context) or [SequenceKey(i) for i in range(len(children))]
        specs = [walk(child, (*path, key)) for child, key in zip(children, keys)]
        return TreeSpec(kind_of(node, tree), context, specs)

    return leaves, walk(tree, ())


def tree_flatten(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[Any], TreeSpec]:
    """The leaves and the structure."""
    leaves: list[Any] = []

    def walk(tree: Any) -> TreeSpec:
        node = node_of(tree)
        if node is None or (is_leaf is not None and is_leaf(tree)):
            leaves.append(tree)
            return LEAF
        children, context = node.flatten_fn(tree)
        return TreeSpec(kind_of(node, tree), context, [walk(child) for child in children])

    return leaves, walk(tree)


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> Any:
    """The containers of a structure with these leaves."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            "tree_unflatten(leaves, treespec): Expected `treespec` to be instance of PyTreeSpec but "
            f"got item of type {type(treespec)}."
        )
    return treespec.unflatten(leaves)


def tree_iter(tree: Any, is_leaf: IsLeaf = None) -> Iterable[Any]:
    """The leaves, one after the other."""
    if tree_is_leaf(tree, is_leaf):
        yield tree
        return
    for child in node_of(tree).flatten_fn(tree)[0]:  # type: ignore[union-attr]
        yield from tree_iter(child, is_leaf)


def tree_leaves(tree: Any, is_leaf: IsLeaf = None) -> list[Any]:
    """The leaves."""
    return list(tree_iter(tree, is_leaf))


def tree_leaves_with_path(tree: Any, is_leaf: IsLeaf = None) -> list[tuple[Any, Any]]:
    """The leaves with their paths."""
    return tree_flatten_with_path(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: IsLeaf = None) -> TreeSpec:
    """The structure."""
    return tree_flatten(tree, is_leaf)[1]
