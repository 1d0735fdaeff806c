"""Ctrl-C put off while processes are started or ended, so that none is forgotten half-way."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any


class Held:
    """The Ctrl-Cs that have come meanwhile."""

    def __init__(self) -> None:
        self.frames: list[FrameType | None] = []

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        self.frames.append(frame)

    def __bool__(self) -> bool:
        return bool(self.frames)


@contextlib.contextmanager
def held_back() -> Iterator[Held]:
    """Calls the program's handler for SIGINT only afterwards.

    Only the main thread can be interrupted, so that elsewhere there is nothing to do.
    """
    held = Held()
    handler = _handler()
    if handler is None:
        yield held
        return
    signal.signal(signal.SIGINT, held)
    try:
        yield held
    finally:
        signal.signal(signal.SIGINT, handler)
        if held:
            handler(signal.SIGINT, held.frames[0])


@contextlib.contextmanager
def kept_from_children() -> Iterator[None]:
    """A process that is started inherits this, until it has handlers of its own."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _handler() -> Any:
    """The program's own handler, if this is a thread that it may interrupt."""
    if threading.current_thread() is not threading.main_thread():
        return None
    handler = signal.getsignal(signal.SIGINT)
    return handler if callable(handler) else None


def again_soon() -> None:
    """Sends this process a Ctrl-C that was swallowed where exceptions can't go on."""
    timer = threading.Timer(0.01, signal.raise_signal, (signal.SIGINT,))
    timer.daemon = True
    timer.start()
