"""`torch.utils._pytree`."""

from __future__ import annotations

import os
from collections import OrderedDict, defaultdict, deque, namedtuple
from typing import Any

import pytest

from flambeau.utils import _pytree as pytree

Point = namedtuple("Point", "x y")


def tree() -> Any:
    return {
        "b": [1, (2, Point(3, None))],
        "a": OrderedDict(x=deque([4, 5], maxlen=3)),
        "d": defaultdict(list, {"k": 6}),
    }


def test_taking_apart_and_putting_together() -> None:
    leaves, spec = pytree.tree_flatten(tree())
    assert leaves == [1, 2, 3, None, 4, 5, 6]
    assert (spec.num_leaves, spec.num_nodes, spec.num_children) == (7, 14, 3)
    again = pytree.tree_unflatten(leaves, spec)
    assert again == tree() and again["a"]["x"].maxlen == 3 and again["d"].default_factory is list
    assert type(again["b"][1][1]) is Point and pytree.tree_structure(again) == spec
    assert hash(spec) == hash(pytree.tree_structure(tree())) and repr(pytree.tree_structure(3)) == "*"
    assert spec.child(0).is_leaf() is False and pytree.tree_leaves(None) == [None]


def test_paths() -> None:
    paths = [pytree.keystr(p) for p, _ in pytree.tree_leaves_with_path(tree())]
    assert paths == ["['b'][0]", "['b'][1][0]", "['b'][1][1].x", "['b'][1][1].y", "['a']['x'][0]",
                     "['a']['x'][1]", "['d']['k']"]  # fmt: skip
    path = pytree.tree_leaves_with_path(tree())[2][0]
    assert pytree.key_get(tree(), path) == 3
    assert pytree.tree_map_with_path(lambda p, x: len(p), [1, {"a": 2}]) == [1, {"a": 2}]


def test_functions_over_leaves() -> None:
    assert pytree.tree_map(lambda x, y: (x, y), [1, 2], [3, [4]]) == [(1, 3), (2, [4])]
    assert pytree.tree_map_only(int, lambda x: x + 1, [1, "a", (2.0,)]) == [2, "a", (2.0,)]
    assert pytree.tree_map_only(lambda x: x == 1, lambda x: 9, [1, 2]) == [9, 2]
    seen: list[int] = []
    assert pytree.tree_map_(seen.append, [1, 2]) == [1, 2] and seen == [1, 2]
    assert pytree.tree_all(bool, [1, 2]) and not pytree.tree_any(lambda x: x == 5, [1, 2])
    assert pytree.tree_all_only(int, lambda x: x > 0, [1, "a"])
    assert pytree.tree_any_only(str, lambda x: x == "a", [1, "a"])
    assert pytree.tree_map({1: 2}.get, {"a": 1, "b": 3}) == {"a": 2, "b": None}
    assert pytree.tree_map(lambda x, y: x + y, {"a": 1, "b": 2}, {"b": 20, "a": 10}) == {"a": 11, "b": 22}


@pytest.mark.parametrize("call", [
    lambda: pytree.tree_unflatten([1], pytree.tree_structure([1, 2])),
    lambda: pytree.tree_map(lambda a, b: a, [1, 2], [1]),
    lambda: pytree.tree_map(lambda a, b: a, [1, 2], (1, 2)),
    lambda: pytree.tree_map(lambda a, b: a, {"a": 1}, {"b": 1}),
    lambda: pytree.register_pytree_node(list, lambda x: (x, None), lambda x, c: x),
])  # fmt: skip
def test_what_does_not_fit(call: Any) -> None:
    with pytest.raises(ValueError):
        call()


def test_ones_own_containers() -> None:
    class Box:
        def __init__(self, content: Any) -> None:
            self.content = content

    pytree.register_pytree_node(Box, lambda b: ([b.content], "note"), lambda v, c: Box(*v))
    assert pytree.tree_map(lambda x: x * 2, Box([3])).content == [6]
    with pytest.raises(TypeError, match="instance of PyTreeSpec"):
        pytree.tree_unflatten([1], 3)  # type: ignore[arg-type]


def test_structures_as_text() -> None:
    spec = pytree.tree_structure([1, {"a": (2,)}, deque([1])])
    assert pytree.treespec_loads(pytree.treespec_dumps(spec)) == spec
    assert pytree.treespec_pprint(spec) == "[*, {'a': (*,)}, deque([*])]"
    with pytest.raises(NotImplementedError, match="No registered serialization name"):
        pytree.treespec_dumps(pytree.tree_structure(Point(1, 2)))


def test_kinds() -> None:
    assert pytree.is_namedtuple(Point) and pytree.is_namedtuple_instance(Point(1, 2))
    assert not pytree.is_namedtuple_class(tuple) and pytree.is_structseq(os.stat("."))
    assert pytree.tree_is_leaf(3) and not pytree.tree_is_leaf([])
