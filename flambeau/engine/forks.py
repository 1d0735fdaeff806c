"""Ctrl-C while the process forks.

Before a fork, threads are ended and locks are waited for, in functions from which Python lets no
exception out: a KeyboardInterrupt that came there would be lost. So the signal is held back until
the fork is over. Imported after everything that has something to do at a fork, since what was
registered last comes first before it and last after it.
"""

from __future__ import annotations

import _thread
import os
import signal
import threading
import time

SOON = 0.005
"""Seconds after which the fork's caller has control again."""

_held: list[set[int]] = []


def _hold() -> None:
    if threading.current_thread() is threading.main_thread():
        _held.append(signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}))  # type: ignore[arg-type]


def _let_go() -> None:
    if _held and threading.current_thread() is threading.main_thread():
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, _held.pop())
        except KeyboardInterrupt:
            threading.Thread(target=_again, daemon=True).start()


def _again() -> None:
    time.sleep(SOON)
    _thread.interrupt_main()


if hasattr(os, "register_at_fork") and hasattr(signal, "pthread_sigmask"):
    os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_let_go)
