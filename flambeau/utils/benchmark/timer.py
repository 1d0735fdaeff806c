"""`Timer`: runs a statement often enough for its time to mean something."""

from __future__ import annotations

import contextlib
import textwrap
import time
import timeit
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import flambeau as torch

from .measurement import Measurement, TaskSpec

_BLOCK = 0.1
"""Seconds that one block of calls lasts at least, so that the clock's own time is nothing beside it."""


def timer() -> float:
    """The clock, in seconds. What was recorded runs first: its time is what has passed."""
    torch.cpu.synchronize()
    return time.perf_counter()


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Timer:
    """Measures `stmt` (text), after `setup`, with the names in `globals`.

    The statement runs with `num_threads` threads (1). What it records is run within the measured
    time. The labels tell measurements apart in `Compare`.
    """

    def __init__(
        self, stmt: str = "pass", setup: str = "pass", global_setup: str = "",
        timer: Callable[[], float] = timer, globals: dict[str, Any] | None = None,
        label: str | None = None, sub_label: str | None = None, description: str | None = None,
        env: str | None = None, num_threads: int = 1, language: Any = "python",
    ) -> None:  # fmt: skip
        if str(getattr(language, "name", language)).lower() not in ("python", "py", "0"):
            raise NotImplementedError("Timer(language='c++'): flambeau has no C++; write the statement in Python")
        if not isinstance(stmt, str):
            raise ValueError("Currently only a `str` stmt is supported.")
        names = dict(globals or {})
        names.setdefault("torch", torch)
        stmt, setup = textwrap.dedent(stmt).strip(), textwrap.dedent(setup).strip()
        self._timer = timeit.Timer(stmt, setup, timer, names)
        self._task_spec = TaskSpec(stmt, setup, global_setup, label, sub_label, description, env, num_threads)

    def _time(self, number: int) -> float:
        return max(self._timer.timeit(number), 1e-9)

    def timeit(self, number: int = 1000000) -> Measurement:
        """Run the statement `number` times, after some to warm up."""
        with _threads(self._task_spec.num_threads):
            self._time(max(number // 100, 2))
            return Measurement(number, [self._time(number)], self._task_spec)

    def _block(self, min_run_time: float) -> int:
        """How many calls make a block."""
        number = 1
        while True:
            took = self._time(number)
            if took >= min(min_run_time / 1000, _BLOCK) and took > 1e-4 or took >= min_run_time:
                return number
            number *= 10

    def blocked_autorange(self, callback: Callable[[int, float], None] | None = None,
                          min_run_time: float = 0.2) -> Measurement:  # fmt: skip
        """Blocks of calls until `min_run_time` seconds have passed."""
        with _threads(self._task_spec.num_threads):
            number = self._block(min_run_time)
            times: list[float] = []
            while sum(times) < min_run_time:
                times.append(self._time(number))
                if callback is not None:
                    callback(number, times[-1])
            return Measurement(number, times, self._task_spec)

    def adaptive_autorange(self, threshold: float = 0.1, *, min_run_time: float = 0.01,
                           max_run_time: float = 10.0, callback: Any = None) -> Measurement:  # fmt: skip
        """Blocks of calls until the spread of their times is below `threshold` of the median, or
        `max_run_time` seconds have passed."""
        with _threads(self._task_spec.num_threads):
            number = self._block(min_run_time)
            times: list[float] = []
            while True:
                times += [self._time(number) for _ in range(5)]
                found = Measurement(number, times, self._task_spec)
                if callback is not None:
                    callback(number, times[-1])
                steady = found.iqr / found.median < threshold and sum(times) >= min_run_time
                if steady or sum(times) >= max_run_time:
                    return found

    autorange = blocked_autorange

    def collect_callgrind(self, *args: Any, **kwargs: Any) -> NoReturn:
        """NotImplementedError: Valgrind counts machine code's instructions, and most here is Python."""
        raise NotImplementedError(
            "Timer.collect_callgrind needs Valgrind, which flambeau does not use; blocked_autorange "
            "measures times"
        )
