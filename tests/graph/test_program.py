"""Capture and the canonical program."""

from __future__ import annotations

import numpy as np

from flambeau.core.aval import aval
from flambeau.core.dtypes import float32
from flambeau.graph import program
from flambeau.graph.value import Value, leaf
from flambeau.ops.table import table

A = aval((2,), float32)
ADD, MUL = table["add"], table["mul"]


def data(*numbers: float) -> Value:
    return leaf(A, np.array(numbers, np.float32))


def test_inputs_are_numbered_by_first_use() -> None:
    x, y = data(1, 2), data(3, 4)
    nodes = [Value(MUL, A, (y, x), ())]
    nodes.append(Value(ADD, A, (nodes[0], y, 1), ()))
    kept = nodes[1]
    captured = program.capture(nodes)
    assert captured.leaves == [y, x] and captured.scalars == [1] and captured.results == [kept]
    made = program.build(captured.key)
    made.verify()
    assert [i.args for i in made.instructions] == [(0, 1), (3, 0, 2)]
    assert made.outputs == (4,)


def test_the_key_is_the_structure() -> None:
    def key(scalar: float, swap: bool) -> object:
        x, y = data(1, 2), data(3, 4)
        nodes = [Value(MUL, A, (y, x) if swap else (x, y), ())]
        nodes.append(Value(ADD, A, (nodes[0], x, scalar), ()))
        kept = nodes[1]
        found = program.capture(nodes).key
        del kept
        return found

    assert key(1.0, False) == key(2.0, False)
    assert key(1.0, False) != key(1, False)
    assert key(1.0, False) != key(1.0, True)


def test_dead_nodes_are_dropped_with_what_only_they_read() -> None:
    x = data(1, 2)
    nodes = [Value(MUL, A, (x, 2.0), ())]
    nodes.append(Value(MUL, A, (nodes[0], 3.0), ()))
    nodes.append(Value(ADD, A, (x, 1.0, 1), ()))
    kept = nodes[2]
    captured = program.capture(nodes)
    assert captured.results == [kept]
    assert len(captured.key.entries) == 1


def test_dying_inputs_are_found() -> None:
    x = data(1, 2)
    nodes = [Value(MUL, A, (x, data(5, 6)), ())]
    kept = nodes[0]
    captured = program.capture(nodes)
    assert captured.key.dying == (1,)  # x is held here; the other input by nobody else
    made = program.build(captured.key)
    assert made.instructions[0].dies == (1,)
    assert kept.buffer is None


def test_a_pending_input_from_elsewhere_is_a_straggler() -> None:
    foreign = Value(MUL, A, (data(1, 2), 2.0), ())
    nodes = [Value(ADD, A, (foreign, 1.0, 1), ())]
    try:
        program.capture(nodes)
    except program.Straggler as missing:
        assert missing.value is foreign
    else:
        raise AssertionError("a straggler went unnoticed")
