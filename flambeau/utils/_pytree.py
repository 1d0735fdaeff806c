"""`torch.utils._pytree`: nested containers of values as a flat list and a structure, and back.

Containers are list, tuple, dict, OrderedDict, defaultdict, deque, named tuples, and classes that
`register_pytree_node` was told of; everything else is a leaf.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from flambeau.errors import refusing

from ._trees.functions import (
    map_only,  # noqa: F401
    tree_all,
    tree_all_only,
    tree_any,
    tree_any_only,
    tree_map,
    tree_map_,
    tree_map_only,
    tree_map_only_,
    tree_map_with_path,
)
from ._trees.kinds import (
    SUPPORTED_NODES,  # noqa: F401
    FlattenFn,
    NodeDef,
    UnflattenFn,
    is_namedtuple,
    is_namedtuple_class,
    is_namedtuple_instance,
    is_structseq,
    is_structseq_class,
    is_structseq_instance,
    register_pytree_node,
    tree_is_leaf,
)
from ._trees.leaves import (
    tree_flatten,
    tree_flatten_with_path,
    tree_iter,
    tree_leaves,
    tree_leaves_with_path,
    tree_structure,
    tree_unflatten,
)
from ._trees.paths import GetAttrKey, MappingKey, SequenceKey, key_get, keystr
from ._trees.structures import LeafSpec, TreeSpec
from ._trees.text import treespec_dumps, treespec_loads, treespec_pprint

__all__ = [
    "Context", "DumpableContext", "FlattenFn", "FromDumpableContextFn", "LeafSpec", "MappingKey", "PyTree",
    "PyTreeSpec", "GetAttrKey", "SequenceKey", "ToDumpableContextFn", "TreeSpec", "UnflattenFn",
    "is_namedtuple", "is_namedtuple_class", "is_namedtuple_instance", "is_structseq",
    "is_structseq_class", "is_structseq_instance", "key_get", "keystr", "register_pytree_node",
    "tree_all", "tree_all_only", "tree_any", "tree_any_only", "tree_flatten",
    "tree_flatten_with_path", "tree_is_leaf", "tree_iter", "tree_leaves", "tree_leaves_with_path",
    "tree_map", "tree_map_", "tree_map_only", "tree_map_only_", "tree_map_with_path",
    "tree_structure", "tree_unflatten", "treespec_dumps", "treespec_loads", "treespec_pprint",
]  # fmt: skip

PyTree: TypeAlias = Any
Context: TypeAlias = Any
DumpableContext: TypeAlias = Any
ToDumpableContextFn: TypeAlias = Callable[[Any], Any]
FromDumpableContextFn: TypeAlias = Callable[[Any], Any]
PyTreeSpec = TreeSpec
_register_pytree_node = register_pytree_node

for _class in (GetAttrKey, LeafSpec, MappingKey, NodeDef, SequenceKey, TreeSpec):
    _class.__module__ = __name__

__getattr__ = refusing(__name__)
