"""Structures as text: JSON, which can be read back, and what people read."""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from typing import Any

from .kinds import by_name
from .structures import LEAF, TreeSpec

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
        for name, (cls, dump, _) in by_name.items():
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
            return LEAF
        context = json.loads(found["context"])
        kind: Any = _TEXT_KINDS.get(found["type"])
        if kind is None:
            kind, _, load = by_name[found["type"]]
            context = load(context) if load else context
        return TreeSpec(kind, context, [spec(child) for child in found["children_spec"]])

    return spec(found)


def treespec_pprint(treespec: TreeSpec) -> str:
    """A structure as Python would print the containers, with `*` for leaves."""

    class Star:
        def __repr__(self) -> str:
            return "*"

    return repr(treespec.unflatten([Star()] * treespec.num_leaves))
