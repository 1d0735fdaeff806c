"""`torch.utils._pytree`: nested containers of values as a flat list and a structure, and back.

Containers are list, tuple, dict, OrderedDict, defaultdict, deque, named tuples, and classes that
`register_pytree_node` was told of; everything else is a leaf.
"""

from __future__ import annotations

import json
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from flambeau.errors import refusing

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
FlattenFn: TypeAlias = Callable[[Any], tuple[list[Any], Any]]
UnflattenFn: TypeAlias = Callable[[Iterable[Any], Any], Any]
ToDumpableContextFn: TypeAlias = Callable[[Any], Any]
FromDumpableContextFn: TypeAlias = Callable[[Any], Any]
IsLeaf: TypeAlias = Callable[[Any], bool] | None


# --- paths ---------------------------------------------------------------------------------------


class SequenceKey(NamedTuple):
    """A place in a sequence."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"

    def get(self, sequence: Any) -> Any:
        return sequence[self.idx]


class MappingKey(NamedTuple):
    """A key of a mapping."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"

    def get(self, mapping: Any) -> Any:
        return mapping[self.key]


class GetAttrKey(NamedTuple):
    """The name of an attribute."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"

    def get(self, obj: Any) -> Any:
        return getattr(obj, self.name)


def keystr(kp: tuple[Any, ...]) -> str:
    """A path as Python would write it: `['a'][0]`."""
    return "".join(map(str, kp))


def key_get(obj: Any, kp: tuple[Any, ...]) -> Any:
    """What is at a path."""
    for key in kp:
        obj = key.get(obj)
    return obj


# --- kinds of containers -------------------------------------------------------------------------


class NodeDef(NamedTuple):
    """How a kind of container is taken apart and put together."""

    type: Any
    flatten_fn: FlattenFn
    unflatten_fn: UnflattenFn
    keys: Callable[[Any, Any], list[Any]]
    """Its children's keys, from the container and its context."""
    flatten_with_keys_fn: Any = None


def _by_index(_: Any, context: Any) -> list[Any]:
    return []


def _mapping_keys(_: Any, context: Any) -> list[Any]:
    return [MappingKey(k) for k in context]


def _default_keys(_: Any, context: Any) -> list[Any]:
    return [MappingKey(k) for k in context[1]]


def _flatten_mapping(d: Mapping[Any, Any]) -> tuple[list[Any], Any]:
    return list(d.values()), list(d)



def _unflatten_default(values: Iterable[Any], context: Any) -> Any:
    factory, keys = context
    return defaultdict(factory, zip(keys, values))


def _named_fields(t: Any, context: Any) -> list[Any]:
    return [GetAttrKey(name) for name in t._fields]


class _NamedTuples:
    """Stands for all classes of named tuples."""


SUPPORTED_NODES: dict[Any, NodeDef] = {
    list: NodeDef(list, lambda x: (list(x), None), lambda v, c: list(v), _by_index),
    tuple: NodeDef(tuple, lambda x: (list(x), None), lambda v, c: tuple(v), _by_index),
    dict: NodeDef(dict, _flatten_mapping, lambda v, c: dict(zip(c, v)), _mapping_keys),
    OrderedDict: NodeDef(OrderedDict, _flatten_mapping, lambda v, c: OrderedDict(zip(c, v)),
                         _mapping_keys),
    defaultdict: NodeDef(defaultdict, lambda d: (list(d.values()), [d.default_factory, list(d)]),
                         _unflatten_default, _default_keys),
    deque: NodeDef(deque, lambda d: (list(d), d.maxlen), lambda v, c: deque(v, maxlen=c), _by_index),
}  # fmt: skip
_NAMED = NodeDef(_NamedTuples, lambda t: (list(t), type(t)), lambda v, c: c(*v), _named_fields)
_serialized: dict[str, tuple[Any, Any, Any]] = {}


def register_pytree_node(
    cls: type[Any], flatten_fn: FlattenFn, unflatten_fn: UnflattenFn, *,
    serialized_type_name: str | None = None, to_dumpable_context: Any = None,
    from_dumpable_context: Any = None, flatten_with_keys_fn: Any = None,
) -> None:  # fmt: skip
    """Have objects of a class taken apart: `flatten_fn(obj)` gives children and a context,
    `unflatten_fn(children, context)` the object.

    ValueError where the class is known already.
    """
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    if (to_dumpable_context is None) != (from_dumpable_context is None):
        raise ValueError(
            f"Both to_dumpable_context and from_dumpable_context for {cls} must be None or registered."
        )

    def keys(obj: Any, context: Any) -> list[Any]:
        return [] if flatten_with_keys_fn is None else [k for k, _ in flatten_with_keys_fn(obj)[0]]

    SUPPORTED_NODES[cls] = NodeDef(cls, flatten_fn, unflatten_fn, keys, flatten_with_keys_fn)
    name = serialized_type_name or f"{cls.__module__}.{cls.__qualname__}"
    _serialized[name] = (cls, to_dumpable_context, from_dumpable_context)


_register_pytree_node = register_pytree_node


def is_namedtuple_class(cls: type) -> bool:
    """Whether a class is one of named tuples."""
    return (
        isinstance(cls, type) and issubclass(cls, tuple)
        and isinstance(getattr(cls, "_fields", None), tuple)
        and all(isinstance(f, str) for f in cls._fields)  # type: ignore[attr-defined]
        and callable(getattr(cls, "_make", None))
    )  # fmt: skip


def is_namedtuple_instance(obj: object) -> bool:
    return is_namedtuple_class(type(obj))


def is_namedtuple(obj: object) -> bool:
    """Of a class or an object."""
    return is_namedtuple_class(obj if isinstance(obj, type) else type(obj))


def is_structseq_class(cls: type) -> bool:
    """Whether a class is one of the tuples with names that Python's C code makes, `os.stat_result`."""
    return (
        isinstance(cls, type) and cls.__bases__ == (tuple,)
        and all(isinstance(getattr(cls, n, None), int)
                for n in ("n_fields", "n_sequence_fields", "n_unnamed_fields"))
    )  # fmt: skip


def is_structseq_instance(obj: object) -> bool:
    return is_structseq_class(type(obj))


def is_structseq(obj: object) -> bool:
    """Of a class or an object."""
    return is_structseq_class(obj if isinstance(obj, type) else type(obj))


def _node_of(tree: Any) -> NodeDef | None:
    found = SUPPORTED_NODES.get(type(tree))
    return _NAMED if found is None and is_namedtuple_class(type(tree)) else found


def tree_is_leaf(tree: PyTree, is_leaf: IsLeaf = None) -> bool:
    """Whether something is no container, or `is_leaf` says so."""
    return _node_of(tree) is None or (is_leaf is not None and is_leaf(tree))


# --- structures ----------------------------------------------------------------------------------


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
        return list(self._children)

    def child(self, index: int) -> TreeSpec:
        return self._children[index]

    def flatten_up_to(self, tree: PyTree) -> list[Any]:
        """What is at this structure's leaves in a tree that goes on below them.

        ValueError where the tree does not begin with this structure.
        """
        if self.is_leaf():
            return [tree]
        node = _node_of(tree)
        if node is None or _kind(node, tree) != self.type:
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

    def unflatten(self, leaves: Iterable[Any]) -> PyTree:
        """The containers with these leaves. ValueError where there are not as many as are needed."""
        given = list(leaves)
        if len(given) != self.num_leaves:
            raise ValueError(
                f"treespec.unflatten(leaves): `leaves` has length {len(given)} but the spec refers "
                f"to a pytree that holds {self.num_leaves} items ({self})."
            )
        return self._build(iter(given))

    def _build(self, leaves: Any) -> PyTree:
        if self.is_leaf():
            return next(leaves)
        node = _NAMED if is_namedtuple_class(self.type) else SUPPORTED_NODES[self.type]
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


PyTreeSpec = TreeSpec


class LeafSpec(TreeSpec):
    """The structure of a single value."""

    def __init__(self) -> None:
        super().__init__(None, None, [])
        self.num_leaves = 1


_LEAF = TreeSpec(None, None, [])
_LEAF.num_leaves = 1


def _kind(node: NodeDef, tree: Any) -> Any:
    return type(tree) if node is _NAMED else node.type


# --- taking apart and putting together -----------------------------------------------------------


def tree_flatten_with_path(tree: PyTree, is_leaf: IsLeaf = None) -> tuple[list[tuple[Any, Any]], TreeSpec]:
    """The leaves with their paths, and the structure."""
    leaves: list[tuple[Any, Any]] = []

    def walk(tree: Any, path: tuple[Any, ...]) -> TreeSpec:
        node = _node_of(tree)
        if node is None or (is_leaf is not None and is_leaf(tree)):
            leaves.append((path, tree))
            return _LEAF
        children, context = node.flatten_fn(tree)
        children = list(children)
        keys = node.keys(tree, context) or [SequenceKey(i) for i in range(len(children))]
        specs = [walk(child, (*path, key)) for child, key in zip(children, keys)]
        return TreeSpec(_kind(node, tree), context, specs)

    return leaves, walk(tree, ())


def tree_flatten(tree: PyTree, is_leaf: IsLeaf = None) -> tuple[list[Any], TreeSpec]:
    """The leaves and the structure."""
    leaves: list[Any] = []

    def walk(tree: Any) -> TreeSpec:
        node = _node_of(tree)
        if node is None or (is_leaf is not None and is_leaf(tree)):
            leaves.append(tree)
            return _LEAF
        children, context = node.flatten_fn(tree)
        return TreeSpec(_kind(node, tree), context, [walk(child) for child in children])

    return leaves, walk(tree)


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> PyTree:
    """The containers of a structure with these leaves."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            "tree_unflatten(leaves, treespec): Expected `treespec` to be instance of PyTreeSpec but "
            f"got item of type {type(treespec)}."
        )
    return treespec.unflatten(leaves)


def tree_iter(tree: PyTree, is_leaf: IsLeaf = None) -> Iterable[Any]:
    """The leaves, one after the other."""
    if tree_is_leaf(tree, is_leaf):
        yield tree
        return
    for child in _node_of(tree).flatten_fn(tree)[0]:  # type: ignore[union-attr]
        yield from tree_iter(child, is_leaf)


def tree_leaves(tree: PyTree, is_leaf: IsLeaf = None) -> list[Any]:
    """The leaves."""
    return list(tree_iter(tree, is_leaf))


def tree_leaves_with_path(tree: PyTree, is_leaf: IsLeaf = None) -> list[tuple[Any, Any]]:
    """The leaves with their paths."""
    return tree_flatten_with_path(tree, is_leaf)[0]


def tree_structure(tree: PyTree, is_leaf: IsLeaf = None) -> TreeSpec:
    """The structure."""
    return tree_flatten(tree, is_leaf)[1]


# --- functions over leaves -----------------------------------------------------------------------


def tree_map(func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: IsLeaf = None) -> PyTree:
    """`func` of each leaf, and of what is there in other trees, in the same containers."""
    leaves, spec = tree_flatten(tree, is_leaf)
    return spec.unflatten(map(func, leaves, *(spec.flatten_up_to(rest) for rest in rests)))


def tree_map_(func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: IsLeaf = None) -> PyTree:
    """Call `func` with each leaf; gives the tree itself."""
    leaves, spec = tree_flatten(tree, is_leaf)
    deque(map(func, leaves, *(spec.flatten_up_to(rest) for rest in rests)), maxlen=0)
    return tree


def tree_map_with_path(func: Callable[..., Any], tree: PyTree, *rests: PyTree,
                       is_leaf: IsLeaf = None) -> PyTree:  # fmt: skip
    """`func(path, leaf)` of each leaf, in the same containers."""
    found, spec = tree_flatten_with_path(tree, is_leaf)
    paths, leaves = [p for p, _ in found], [x for _, x in found]
    return spec.unflatten(map(func, paths, leaves, *(spec.flatten_up_to(r) for r in rests)))


def _test(types_or_pred: Any) -> Callable[[Any], bool]:
    if isinstance(types_or_pred, (type, tuple, types.UnionType)):
        return lambda x: isinstance(x, types_or_pred)
    if callable(types_or_pred):
        return types_or_pred  # type: ignore[no-any-return]
    raise TypeError("Argument must be a type, a tuple of types, or a callable.")


def map_only(type_or_types_or_pred: Any, /) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: the function then changes leaves of a kind only."""
    wanted = _test(type_or_types_or_pred)
    return lambda func: lambda x: func(x) if wanted(x) else x


def tree_map_only(type_or_types_or_pred: Any, /, func: Callable[..., Any], tree: PyTree,
                  is_leaf: IsLeaf = None) -> PyTree:  # fmt: skip
    """`func` of the leaves of a type (or that a predicate takes), the others as they are."""
    return tree_map(map_only(type_or_types_or_pred)(func), tree, is_leaf=is_leaf)


def tree_map_only_(type_or_types_or_pred: Any, /, func: Callable[..., Any], tree: PyTree,
                   is_leaf: IsLeaf = None) -> PyTree:  # fmt: skip
    """Call `func` with the leaves of a type; gives the tree itself."""
    return tree_map_(map_only(type_or_types_or_pred)(func), tree, is_leaf=is_leaf)


def tree_all(pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf = None) -> bool:
    """Whether `pred` is true of all leaves."""
    return all(map(pred, tree_iter(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf = None) -> bool:
    """Whether `pred` is true of one of the leaves."""
    return any(map(pred, tree_iter(tree, is_leaf)))


def tree_all_only(type_or_types: Any, /, pred: Callable[[Any], bool], tree: PyTree,
                  is_leaf: IsLeaf = None) -> bool:  # fmt: skip
    """Whether `pred` is true of all leaves of a type."""
    return all(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, type_or_types))


def tree_any_only(type_or_types: Any, /, pred: Callable[[Any], bool], tree: PyTree,
                  is_leaf: IsLeaf = None) -> bool:  # fmt: skip
    """Whether `pred` is true of one of the leaves of a type."""
    return any(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, type_or_types))


# --- structures as text --------------------------------------------------------------------------

_TEXT_KINDS = {"builtins.list": list, "builtins.tuple": tuple, "builtins.dict": dict,
               "collections.OrderedDict": OrderedDict, "collections.deque": deque}  # fmt: skip


def treespec_dumps(treespec: TreeSpec, protocol: int | None = None) -> str:
    """A structure as JSON.

    NotImplementedError where a kind of container is not known by name: register it with
    `serialized_type_name`, and its context's conversions.
    """
    if protocol not in (None, 1):
        raise ValueError(f"Unknown protocol {protocol}. Available protocols: [1]")

    def data(spec: TreeSpec) -> dict[str, Any]:
        if spec.is_leaf():
            return {"type": None, "context": None, "children_spec": []}
        names = {kind: name for name, kind in _TEXT_KINDS.items()}
        context = spec.context
        for name, (cls, dump, _) in _serialized.items():
            if cls is spec.type:
                names[cls] = name
                context = dump(context) if dump else context
        if spec.type not in names:
            raise NotImplementedError(f"No registered serialization name for {spec.type} found.")
        children = [data(child) for child in spec._children]
        return {"type": names[spec.type], "context": json.dumps(context), "children_spec": children}

    return json.dumps((1, data(treespec)))


def treespec_loads(serialized: str) -> TreeSpec:
    """A structure from its JSON."""
    protocol, found = json.loads(serialized)
    if protocol != 1:
        raise NotImplementedError(f"Unknown protocol {protocol}. Available protocols: [1]")

    def spec(found: dict[str, Any]) -> TreeSpec:
        if found["type"] is None:
            return _LEAF
        context = json.loads(found["context"])
        kind: Any = _TEXT_KINDS.get(found["type"])
        if kind is None:
            kind, _, load = _serialized[found["type"]]
            context = load(context) if load else context
        return TreeSpec(kind, context, [spec(child) for child in found["children_spec"]])

    return spec(found)


def treespec_pprint(treespec: TreeSpec) -> str:
    """A structure as Python would print the containers, with `*` for leaves."""

    class Star:
        def __repr__(self) -> str:
            return "*"

    return repr(treespec.unflatten([Star()] * treespec.num_leaves))


__getattr__ = refusing(__name__)
