"""The dictionaries of a module and the attributes that repeat them."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import flambeau as torch
from flambeau import nn
from flambeau.nn.modules._registry import Registry


class Owner:
    taken = "class"


def test_entries_are_attributes() -> None:
    owner = Owner()
    r = Registry(owner, [("a", 1)])
    r["b"] = 2
    r.update({"c": 3}, d=4)
    r |= {"e": 5}
    r.setdefault("f", 6)
    assert vars(owner) == {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6}
    assert r.pop("a") == 1 and r.pop("nothing", 0) == 0 and r.popitem() == ("f", 6)
    del r["b"]
    assert vars(owner) == {"c": 3, "d": 4, "e": 5}
    r.clear()
    assert vars(owner) == {}


def test_other_attributes_stay() -> None:
    owner = Owner()
    owner.plain = "mine"  # type: ignore[attr-defined]
    r = Registry(owner)
    r["plain"] = r["taken"] = 3
    assert owner.plain == "mine" and owner.taken == "class"  # type: ignore[attr-defined]
    r["plain"] = 4
    del r["plain"]
    assert owner.plain == "mine"  # type: ignore[attr-defined]


def test_copies() -> None:
    owner = Owner()
    r = Registry(owner, [("a", [1])])
    assert type(copy.copy(r)) is dict and type(r.copy()) is dict
    alone = copy.deepcopy(r)
    alone["a"].append(2)
    alone["b"] = 3
    assert r["a"] == [1] and not hasattr(owner, "b")
    owner.r = r  # type: ignore[attr-defined]
    for other in (copy.deepcopy(owner), pickle.loads(pickle.dumps(owner))):
        other.r["a"] = "new"
        assert other.a == "new" and owner.a == [1]


def test_module_dies_with_its_last_reference() -> None:
    module = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
    died = weakref.ref(module)
    gc.disable()
    try:
        del module
        assert died() is None
    finally:
        gc.enable()


def test_reading_is_an_ordinary_attribute() -> None:
    layer = nn.Linear(2, 2)
    assert vars(layer)["weight"] is layer._parameters["weight"]
    layer._parameters["weight"] = new = nn.Parameter(torch.ones(2, 2))
    assert layer.weight is new
    layer._parameters = {"only": new}  # type: ignore[assignment]
    assert not hasattr(layer, "weight") and layer.only is new
