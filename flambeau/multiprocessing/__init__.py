"""`torch.multiprocessing`: Python's multiprocessing, and `spawn` for a program's own workers.

Tensors that go through its queues and pipes, or to new processes, are moved into shared memory: both
sides then see each other's writes.
"""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable
from multiprocessing import *  # noqa: F403
from multiprocessing import get_context
from typing import Any

from flambeau.errors import refusing, shown

from . import reductions
from .reductions import init_reductions

__all__ = [
    *multiprocessing.__all__,  # type: ignore[attr-defined]
    "ProcessContext", "ProcessExitedException", "ProcessRaisedException",
    "get_all_sharing_strategies", "get_sharing_strategy", "init_reductions", "reductions",
    "set_sharing_strategy", "spawn", "start_processes",
]  # fmt: skip

init_reductions()

_strategy = "file_descriptor"
_STRATEGIES = {"file_descriptor", "file_system"}


def get_all_sharing_strategies() -> set[str]:
    """The strategies that `set_sharing_strategy` takes."""
    return set(_STRATEGIES)


def get_sharing_strategy() -> str:
    """The strategy that was set."""
    return _strategy


def set_sharing_strategy(new_strategy: str) -> None:
    """Choose how memory is shared. Accepted: it goes by file descriptors either way."""
    global _strategy
    if new_strategy not in _STRATEGIES:
        raise AssertionError(f"{shown(new_strategy)} is no sharing strategy: {sorted(_STRATEGIES)}")
    _strategy = new_strategy


class ProcessRaisedException(Exception):
    """A process raised: its traceback is the message."""

    def __init__(self, msg: str, error_index: int, error_pid: int | None) -> None:
        super().__init__(msg)
        self.error_index, self.error_pid = error_index, error_pid


class ProcessExitedException(Exception):
    """A process ended with an exit code, or by a signal."""

    def __init__(
        self, msg: str, error_index: int, error_pid: int | None, exit_code: int | None
    ) -> None:
        super().__init__(msg)
        self.error_index, self.error_pid, self.exit_code = error_index, error_pid, exit_code


def _call(fn: Callable[..., Any], i: int, args: tuple[Any, ...], errors: Any) -> None:
    try:
        fn(i, *args)
    except KeyboardInterrupt:
        pass
    except Exception:
        errors.send(traceback.format_exc())
        raise SystemExit(1) from None


class ProcessContext:
    """Processes that `spawn` has started."""

    def __init__(self, processes: list[Any], errors: list[Any]) -> None:
        self.processes, self._errors = processes, errors

    def pids(self) -> list[int]:
        """The processes' ids."""
        return [int(p.pid) for p in self.processes]

    def join(self, timeout: float | None = None) -> bool:
        """Wait for a process to end; True when all have. When one fails the others are ended, and
        ProcessRaisedException or ProcessExitedException tells why."""
        from multiprocessing.connection import wait

        running = {p.sentinel: p for p in self.processes if p.is_alive()}
        for sentinel in wait(list(running), timeout) if running else []:
            running[sentinel].join()  # type: ignore[index]
        failed = [i for i, p in enumerate(self.processes) if p.exitcode not in (None, 0)]
        if failed:
            self._fail(failed[0])
        return all(not p.is_alive() for p in self.processes)

    def _fail(self, i: int) -> None:
        for p in self.processes:
            if p.is_alive():
                p.terminate()
            p.join()
        process, error = self.processes[i], self._errors[i]
        try:
            text = error.recv() if error.poll() else None
        except EOFError:
            text = None
        if text is not None:
            raise ProcessRaisedException(
                f"\n\n-- Process {i} terminated with the following error:\n{text}", i, process.pid
            )
        code = process.exitcode
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise ProcessExitedException(f"process {i} terminated with {how}", i, process.pid, code)


def start_processes(
    fn: Callable[..., Any], args: tuple[Any, ...] = (), nprocs: int = 1, join: bool = True,
    daemon: bool = False, start_method: str = "spawn",
) -> ProcessContext | None:  # fmt: skip
    """Run `fn(i, *args)` in `nprocs` processes; with `join` until all have ended."""
    context = get_context(start_method)
    processes, errors = [], []
    for i in range(nprocs):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_call, args=(fn, i, args, theirs), daemon=daemon)  # type: ignore[attr-defined]
        process.start()
        theirs.close()
        processes.append(process)
        errors.append(ours)
    started = ProcessContext(processes, errors)
    if not join:
        return started
    while not started.join():
        pass
    return None


def spawn(
    fn: Callable[..., Any], args: tuple[Any, ...] = (), nprocs: int = 1, join: bool = True,
    daemon: bool = False, start_method: str = "spawn",
) -> ProcessContext | None:  # fmt: skip
    """Run `fn(i, *args)` in `nprocs` new processes, i from 0; with `join` until all have ended.

    When one raises, the others are ended and ProcessRaisedException shows its traceback.
    """
    return start_processes(fn, args, nprocs, join, daemon, start_method)


__getattr__ = refusing(__name__)
