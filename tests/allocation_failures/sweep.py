"""The sweep: the n-th allocation of a step fails, for every n.

A step whose n-th allocation failed either recovers (what is free is given back, and it is tried once
more) or raises `torch.OutOfMemoryError`. Afterwards parameters and optimizer are as they were before
the step or as they are after it, all of them, and the step after it has the numbers that it has where
nothing ever failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

import flambeau as torch
from flambeau import config
from flambeau.engine import arena, tiering
from flambeau.runtime import pool, recycled

from .failing import counting, failed, hook, nothing_free
from .steps import Training

TIERS = ("interpreter", "compiled", "compiling", "background")
"""What runs the step: the interpreter; native code that is there; native code that is made in it; the
interpreter, while a thread compiles, whose allocations fail like any other."""
TOLERANCE = 1e-5
"""How far the tiers may differ: a step that is run in two parts sums in another order. A step moves
by 1e-2."""


class _Worker(tiering._Worker):
    """A compiling thread whose allocations are counted."""

    def _work(self) -> None:
        hook().set_handler(hook().capsule)
        super()._work()


class Expected(NamedTuple):
    """What is there before the step, after it and after the next, and the losses of both."""

    states: list[dict[str, Any]]
    losses: list[float]


@contextmanager
def tier(name: str) -> Iterator[None]:
    """Have a tier run everything."""
    before, worker = config.compile, tiering._worker
    config.compile = {"interpreter": "off", "background": "background"}.get(name, "sync")
    tiering._worker = _Worker()
    tiering.forget()
    try:
        yield
    finally:
        tiering.wait_for_compiler()
        config.compile, tiering._worker = before, worker
        tiering.forget()


def started(optimizer: str, warm: int) -> Training:
    """A training, `warm` steps old."""
    training = Training(optimizer)
    for _ in range(warm):
        training.step()
    torch._flush()
    pool.synchronize()
    return training


def expectation(optimizer: str, warm: int) -> Expected:
    """What a run without failures does."""
    training = started(optimizer, warm)
    states, losses = [training.state()], []
    for _ in range(2):
        losses.append(training.step())
        states.append(training.state())
    return Expected(states, losses)


def allocations(optimizer: str, warm: int, name: str) -> int:
    """How many allocations the step makes."""
    training = started(optimizer, warm)
    with _bare(name), counting() as seen:
        training.step()
        return int(seen())


@contextmanager
def _bare(name: str) -> Iterator[None]:
    """No memory is at hand, nor is a program where it is to be compiled."""
    if name == "background":  # some are seen for the second time, and so ordered now
        tiering.wait_for_compiler()
    if name in ("compiling", "background"):
        for program in tiering.programs():
            program.compiled, program.state = None, ""
    arena.release()
    recycled.release()
    with nothing_free():
        yield


def check(optimizer: str, warm: int, name: str, n: int, times: int, expected: Expected) -> str:
    """Let the step's n-th allocation fail, and `times - 1` more. Gives what came of it: "recovered",
    "before" or "after" (an error, and the optimizer's step is not done, or is). AssertionError where
    something was lost."""
    training = started(optimizer, warm)
    error: BaseException | None = None
    with _bare(name), counting(n, times):
        try:
            loss = training.step()
        except torch.OutOfMemoryError as caught:
            assert isinstance(caught, RuntimeError) and isinstance(caught, MemoryError)
            assert "can't allocate memory" in str(caught), caught
            error = caught.with_traceback(None)
        assert failed() or error is None
    where = _same(training.state(), expected.states)
    assert where in (0, 1), f"allocation {n}: the state is neither that before nor that after"
    if error is None:
        assert where == 1
        np.testing.assert_allclose(loss, expected.losses[0], rtol=TOLERANCE)
    loss = training.step()
    np.testing.assert_allclose(loss, expected.losses[where], rtol=TOLERANCE)
    after = _same(training.state(), expected.states)
    assert after == where + 1, f"allocation {n}: the step after it has other numbers"
    return "recovered" if error is None else ("before", "after")[where]


def _same(state: dict[str, Any], known: list[dict[str, Any]]) -> int | None:
    """The number of the state that this one is; None if it is none of them."""
    for i, other in enumerate(known):
        if state.keys() == other.keys() and all(
            np.allclose(state[k], other[k], rtol=TOLERANCE, atol=TOLERANCE) for k in state
        ):
            return i
    return None
