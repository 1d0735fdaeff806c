"""The kinds of containers: how each is taken apart and put together."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from .paths import GetAttrKey, MappingKey

FlattenFn: TypeAlias = Callable[[Any], tuple[list[Any], Any]]
UnflattenFn: TypeAlias = Callable[[Iterable[Any], Any], Any]
IsLeaf: TypeAlias = Callable[[Any], bool] | None


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
NAMED = NodeDef(_NamedTuples, lambda t: (list(t), type(t)), lambda v, c: c(*v), _named_fields)
by_name: dict[str, tuple[Any, Any, Any]] = {}
"""By the name that JSON has for it: a class, and what writes and reads its context."""


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
    by_name[name] = (cls, to_dumpable_context, from_dumpable_context)


def is_namedtuple_class(cls: type) -> bool:
    """Whether a class is one of named tuples."""
    return (
        isinstance(cls, type) and issubclass(cls, tuple)
        and isinstance(getattr(cls, "_fields", None), tuple)
        and all(isinstance(f, str) for f in cls._fields)  # type: ignore[attr-defined]
        and callable(getattr(cls, "_make", None))
    )  # fmt: skip


def is_namedtuple_instance(obj: object) -> bool:
    """Whether an object is a named tuple."""
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
    """Whether an object is a tuple of that kind."""
    return is_structseq_class(type(obj))


def is_structseq(obj: object) -> bool:
    """Of a class or an object."""
    return is_structseq_class(obj if isinstance(obj, type) else type(obj))


def node_of(tree: Any) -> NodeDef | None:
    """How something is taken apart; None for a leaf."""
    found = SUPPORTED_NODES.get(type(tree))
    return NAMED if found is None and is_namedtuple_class(type(tree)) else found


def tree_is_leaf(tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether something is no container, or `is_leaf` says so."""
    return node_of(tree) is None or (is_leaf is not None and is_leaf(tree))
