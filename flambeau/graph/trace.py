"""The pending trace of a thread: operations recorded but not yet run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from .. import config
from ..runtime import limits, shortage
from .value import Value


class State(threading.local):
    """What a thread is in the middle of: its pending nodes and its grad modes."""

    def __init__(self) -> None:
        self.nodes: list[Value] = []
        self.pending_bytes = 0
        """Bytes that were asked for since the trace last ran, in big pieces: of results that are
        recorded, and of arrays that were made at once. So what it holds, dying inputs included, is
        no more than what the program held then and these."""
        self.uploaded = 0
        """Bytes that were copied to GPUs since the trace last ran."""
        self.grad = True
        self.inference = False
        self.asked = True
        """What grad mode was asked for in inference mode, where nothing is recorded."""
        self.looks = 0
        """How often a tensor's content was looked at."""
        self.trusted = False
        """Whether a row's derivative runs: the indices that it uses were checked on the way here."""
        self.unbroken = False
        """Whether what is recorded now must not run in parts, as an optimizer's step: it is done
        as a whole or not at all."""


state = State()

new = object.__new__

MOST_PENDING = 2 << 30
"""Bytes that may be pending by default, at most."""

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
    if not state.unbroken:
        assert flush_hook is not None
        flush_hook("the trace reached its length limit")


def note_bytes(aval: Any) -> None:
    """Count a big pending value; run the trace when what is pending weighs too much, or more than
    there is room for."""
    state.pending_bytes = pending = state.pending_bytes + aval.nbytes
    if pending > config.max_pending_bytes:
        _heavy()
    elif aval.nbytes >= shortage.LARGE:
        _large(pending)


def note_many_bytes(nbytes: int) -> None:
    """The same for big values of so many bytes together."""
    state.pending_bytes = pending = state.pending_bytes + nbytes
    if pending > config.max_pending_bytes:
        _heavy()


def note_uploaded(nbytes: int, most: int) -> None:
    """Count bytes that were copied to a GPU; run the trace when it may hold on to more than `most`. What it
    has recorded there takes no memory before it runs, and what is fused never does: so results don't count,
    and a training step is one program, however large."""
    state.uploaded += nbytes
    if state.uploaded > most and not state.unbroken:
        assert flush_hook is not None
        flush_hook("copies to the GPU reached their limit")
        state.uploaded = 0


def _heavy() -> None:
    if not config.max_pending_bytes:  # as long as nobody has asked what there is
        config.max_pending_bytes = min(MOST_PENDING, limits.most() // 8)
        note_many_bytes(0)
    elif not state.unbroken:
        assert flush_hook is not None
        flush_hook("the trace reached its size limit")
        state.pending_bytes = 0


def _large(pending: int) -> None:
    """With a large value: what is pending runs now if it may not fit, so that the error is that of
    the operation that asked for too much."""
    if pending > config.max_pending_bytes // 4 and not state.unbroken:
        if pending > limits.available():
            assert flush_hook is not None
            flush_hook("memory is short")


shortage.keeps(lambda: {"pending": state.pending_bytes})
