"""The structure of nested containers, without the leaves."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Hashable, Iterable
from typing import Any

from .kinds import NAMED, SUPPORTED_NODES, NodeDef, is_namedtuple_class, node_of


class TreeSpec:
    """A structure: the kind of container, its context and its children's structures."""

    def __init__(self, type: Any, context: Any, children_specs: list[TreeSpec]) -> None:
        self.type, self.context, self._children = type, context, list(children_specs)
        self.num_children = len(self._children)
        self.num_leaves: int = sum(c.num_leaves for c in self._children)
        self.num_nodes: int = 1 + sum(c.num_nodes for c in self._children)

    children_specs = property(lambda self: self._children)

    def is_leaf(self) -> bool:
        """Whether this is a single value's."""
        return self.type is None

    def children(self) -> list[TreeSpec]:
        """The structures of the children, in order."""
        return list(self._children)

    def child(self, index: int) -> TreeSpec:
        """The structure of one child."""
        return self._children[index]

    def flatten_up_to(self, tree: Any) -> list[Any]:
        """What is at this structure's leaves in a tree that goes on below them.

        ValueError where the tree does not begin with this structure.
        """
        if self.is_leaf():
            return [tree]
        node = node_of(tree)
        if node is None or kind_of(node, tree) != self.type:
            raise ValueError(f"Type mismatch; expected {self.type!r}, but got {type(tree)!r}.")
        children, context = node.flatten_fn(tree)
        if len(children) != self.num_children:
            raise ValueError(
                f"Node arity mismatch; expected {self.num_children}, but got {len(children)}."
            )
        if node.type in (dict, OrderedDict, defaultdict):
            wanted, found = (c[1] if node.type is defaultdict else c for c in (self.context, context))
            if set(wanted) != set(found):
                raise ValueError(f"Node keys mismatch; expected {wanted}, but got {found}.")
            children = [tree[k] for k in wanted]
        elif context != self.context:
            raise ValueError(f"Node context mismatch; expected {self.context}, but got {context}.")
        return [x for spec, c in zip(self._children, children) for x in spec.flatten_up_to(c)]

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """The containers with these leaves. ValueError where there are not as many as are needed."""
        given = list(leaves)
        if len(given) != self.num_leaves:
            raise ValueError(
                f"treespec.unflatten(leaves): `leaves` has length {len(given)} but the spec refers "
                f"to a pytree that holds {self.num_leaves} items ({self})."
            )
        return self._build(iter(given))

    def _build(self, leaves: Any) -> Any:
        if self.is_leaf():
            return next(leaves)
        node = NAMED if is_namedtuple_class(self.type) else SUPPORTED_NODES[self.type]
        return node.unflatten_fn([c._build(leaves) for c in self._children], self.context)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TreeSpec) and (self.type, self.context, self._children) == (
            other.type, other.context, other._children
        )  # fmt: skip

    def __hash__(self) -> int:
        context = self.context if isinstance(self.context, Hashable) else str(self.context)
        return hash((self.type, str(context), tuple(self._children)))

    def __repr__(self) -> str:
        if self.is_leaf():
            return "*"
        inner = ", ".join(map(repr, self._children))
        return f"TreeSpec({self.type.__name__}, {self.context}, [{inner}])"


class LeafSpec(TreeSpec):
    """The structure of a single value."""

    def __init__(self) -> None:
        super().__init__(None, None, [])
        self.num_leaves = 1


LEAF = TreeSpec(None, None, [])
LEAF.num_leaves = 1


def kind_of(node: NodeDef, tree: Any) -> Any:
    """The class that a structure names for a container."""
    return type(tree) if node is NAMED else node.type
