"""The pending trace of a thread: operations recorded but not yet run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from .. import config
from .value import Value


class State(threading.local):
    """What a thread is in the middle of: its pending nodes and its grad modes."""

    def __init__(self) -> None:
        self.nodes: list[Value] = []
        self.pending_bytes = 0
        self.grad = True
        self.inference = False
        self.asked = True
        """What grad mode was asked for in inference mode, where nothing is recorded."""
        self.looks = 0
        """How often a tensor's content was looked at."""
        self.trusted = False
        """Whether a row's derivative runs: the indices that it uses were checked on the way here."""


state = State()

new = object.__new__

flush_hook: Callable[[str], None] | None = None
"""Set by the engine, which lies above this layer: runs what is pending, for the given reason."""


def record(op: Any, aval: Any, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Value:
    """Append one operation to this thread's trace. Inputs are Values, Python numbers or None."""
    value = new(Value)
    value.op, value.aval, value.inputs, value.params = op, aval, inputs, params
    value.buffer, value.token = None, 0
    nodes = state.nodes
    nodes.append(value)
    if len(nodes) >= config.max_pending_nodes:
        overflow(value)
    return value


def overflow(_newest: Value) -> None:
    """The trace is long enough: run it. The newest value is kept alive by the caller."""
    assert flush_hook is not None
    flush_hook("the trace reached its length limit")


def note_bytes(aval: Any) -> None:
    """Count a big pending value; run the trace when what is pending weighs too much."""
    note_many_bytes(aval.nbytes)


def note_many_bytes(nbytes: int) -> None:
    """The same for big values of so many bytes together."""
    state.pending_bytes += nbytes
    if state.pending_bytes > config.max_pending_bytes:
        assert flush_hook is not None
        flush_hook("the trace reached its size limit")
