"""The pickle writer, against Python's own reader."""

from __future__ import annotations

import collections
import os
import pickle
import subprocess
import sys
from typing import Any

import pytest

from flambeau.serialization.pickle_reader import read_plain_pickle
from flambeau.serialization.pickle_writer import Global, PickleWriter, Reduced

PLAIN = [
    None, True, 0, 255, 256, 65535, 65536, -1, -(2**31), 2**31, -(2**63), 2**200, -(2**3000),
    1.5, -0.0, 3 + 4j, "", "é", "x" * 300, b"", b"\xff" * 300, bytearray(), bytearray(b"ab"),
    (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], [1], list(range(2500)), {}, {"a": 1},
    {n: str(n) for n in range(2500)}, {1, "a"}, frozenset(["b"]), set(),
    collections.OrderedDict(a=1), collections.Counter("aab"), collections.defaultdict(list, a=[1]),
    collections.defaultdict(None, a=1),
]  # fmt: skip


def _refuse(obj: Any) -> Any:
    raise pickle.PicklingError(f"{type(obj).__name__} can't be written")


def dumps(obj: Any) -> bytes:
    return PickleWriter(_refuse).dumps(obj)


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: repr(value)[:20])
def test_python_and_our_reader_read_it(value: Any) -> None:
    for found in (pickle.loads(dumps(value)), read_plain_pickle(dumps(value))):
        assert type(found) is type(value)
        assert found == value


def test_identity_is_kept() -> None:
    shared = [1]
    found = pickle.loads(dumps({"a": shared, "b": (shared, shared)}))
    assert found["a"] is found["b"][0] is found["b"][1]


def test_cycles_are_kept() -> None:
    cycle: list[Any] = []
    small, large = (cycle,), (1, 2, 3, cycle)
    cycle.extend([small, large])
    for top in (cycle, small, large):
        found = pickle.loads(dumps(top))
        inner = found if isinstance(found, list) else found[-1]
        assert inner[0][0] is inner
        assert inner[1][3] is inner


def test_attributes_of_an_ordered_dict_are_kept() -> None:
    value = collections.OrderedDict(a=1)
    value._metadata = {"": {"version": 1}}  # type: ignore[attr-defined]
    for found in (pickle.loads(dumps(value)), read_plain_pickle(dumps(value))):
        assert found._metadata == {"": {"version": 1}}


def test_same_content_gives_same_bytes() -> None:
    # Two strings of the same text, as two parts of a program make them.
    words = ["weight", "Weight".lower()]
    assert words[0] is not words[1]
    assert dumps([words[0], words[1]]) == dumps([words[0], words[0]])


def test_sets_do_not_depend_on_the_hash_seed() -> None:
    program = (
        "from flambeau.serialization.pickle_writer import PickleWriter as W;"
        "print(W(None).dumps({'a', 'b', 'c', 1, (2, 'd')}))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_objects_are_reduced() -> None:
    def reduce(obj: Any) -> Any:
        if obj is Ellipsis:
            return Global("builtins", "len")
        return Reduced(Global("collections", "OrderedDict"), (), {"a": 1}, {"mark": 2})

    found = pickle.loads(PickleWriter(reduce).dumps([object(), ...]))
    assert found[0] == {"a": 1}
    assert found[0].mark == 2
    assert found[1] is len


def test_an_error_says_where() -> None:
    with pytest.raises(
        pickle.PicklingError, match=r"at \['a'\]\[1\]\[0\]: object can't be written"
    ):
        dumps({"a": [1, (object(),)], "b": 2})
    with pytest.raises(pickle.PicklingError, match="factory"):
        dumps([collections.defaultdict(lambda: 0)])
