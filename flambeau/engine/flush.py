"""Flushing: run what a thread has recorded, and give each value that is still held its buffer."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from .. import config
from ..core import device as devices
from ..graph import trace
from ..graph.program import Capture, Straggler, capture
from ..graph.trace import state
from ..graph.value import Value
from . import memory, tiering
from .buffers import as_array

_lock = threading.RLock()


def lock() -> Any:
    """What a thread holds while it runs what is pending. Others take it for what must not happen
    twice at once and may run something pending: a second lock beside it could lead to a deadlock."""
    return _lock


def flush(reason: str, observed: bool = False) -> None:
    """Run this thread's pending trace. Does nothing where nothing is pending. `observed`: somebody
    waits for a result.

    Where an operation fails, the error is raised here, and what was pending stays computable: a
    value that is looked at later is run by itself, with what it needs.
    """
    if state.nodes:
        with _lock:
            nodes = state.nodes
            state.nodes = []
            state.pending_bytes = state.uploaded = 0
            if config.profile:
                from . import profiling

                profiling.recorded(nodes)
                kept = profiling.unread(nodes)  # noqa: F841  # held while it runs
            if not devices.others:
                run(nodes, reason, observed)
                return
            for part in _by_device(nodes):
                run(part, reason, observed)


def _by_device(nodes: list[Value]) -> list[list[Value]]:
    """Pending nodes by their devices, each in order of recording: values go from one to another by
    copies alone, which are no nodes. The caller's list is emptied, since what refers to a node counts
    as wanting it."""
    parts: dict[Any, list[Value]] = {}
    part: list[Value] = []
    last = None
    for node in nodes:
        a = node.aval
        where = a[0].device if a.__class__ is tuple else a.device
        if where is not last:
            part, last = parts.setdefault(where, []), where
        part.append(node)
    nodes.clear()
    return list(parts.values())


def realise(value: Value, reason: str) -> Any:
    """A value's content as an array (a tuple of them for several results), computed now if need
    be. It must not be written."""
    if value.buffer is None:
        flush(reason, True)
        if value.buffer is None:
            with _lock:
                _pull(value, reason)
    return as_array(value)


def run(nodes: list[Value], reason: str, observed: bool = False) -> None:
    """Capture pending nodes as a program and run it.

    Nodes that have a buffer by now (another thread needed them) are left out; inputs that another
    thread recorded and has not run are run first. Where memory does not suffice, all that is free
    is given back, and what is not computed yet is tried once more.
    """
    tried = False
    while True:
        if [node for node in nodes if node.buffer is not None]:
            # The caller's list too: what it referred to would be taken for wanted.
            nodes[:] = [node for node in nodes if node.buffer is None]
        captured = _captured(nodes)
        program = tiering.find(captured.key)
        started = time.perf_counter_ns() if config.profile else 0
        try:
            tier = tiering.run(program, captured, observed)
            break
        except MemoryError as error:
            if tried:
                # Whoever keeps the error keeps this frame: it must not hold what was pending.
                nodes.clear()
                del captured
                raise memory.named(error, program) from None
        tried = True
        del captured, program
        memory.release()  # here, where the failed run's frames are gone
    if config.debug or config.profile:
        from . import debug, profiling

        debug.flushed(reason, program, tier)
        profiling.flushed(reason, program, tier, started)
    for value in captured.results:  # the others go with the list
        value.inputs = value.params = ()


def _captured(nodes: list[Value]) -> Capture:
    while True:
        try:
            return capture(nodes)
        except Straggler as missing:
            straggler = missing.value
        _pull(straggler, "another thread reads it")


def _pull(value: Value, reason: str) -> None:
    """Run a value that is in no trace of this thread, with all that it needs."""
    if value.buffer is not None:
        return
    order: list[Value] = []
    seen: set[int] = set()
    stack: list[tuple[Value, bool]] = [(value, False)]
    while stack:
        node, ready = stack.pop()
        if ready:
            order.append(node)
        elif node.buffer is None and id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((x, False) for x in node.inputs if isinstance(x, Value))
    run(order, reason, True)


def _after_fork() -> None:
    """A forked child starts with a lock of its own: the parent's may be held by a thread that is
    not there any more."""
    global _lock
    _lock = threading.RLock()
    tiering.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

from . import forks  # noqa: E402, F401  # last: see there

trace.flush_hook = flush
