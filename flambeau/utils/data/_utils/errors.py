"""What a worker's exception looks like in the loader's process."""

from __future__ import annotations

import pickle
import traceback
from typing import NoReturn

# What is worth trying, by the signal that ended a worker.
_HINTS = {
    "SIGKILL": "the system may have run out of memory: try fewer num_workers, a smaller "
    "prefetch_factor or batch_size",
    "SIGBUS": "the system may have run out of memory for shared segments: try fewer num_workers, "
    "a smaller prefetch_factor or batch_size",
    "SIGSEGV": "native code that the dataset calls has crashed",
    "SIGABRT": "native code that the dataset calls has given up",
}


# In the loader's process these would mean something else.
_NOT_FOR_OTHERS = (KeyboardInterrupt, GeneratorExit, StopIteration, StopAsyncIteration)


class _PlainKey(str):
    """KeyError shows its argument's repr, which would put the traceback on one line."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class WorkerError:
    """An exception on its way: its type, and its traceback as text."""

    def __init__(self, error: BaseException, where: str) -> None:
        self.where = where
        self.name = type(error).__name__
        try:
            self.text = "".join(traceback.format_exception(error))
        except Exception as another:  # of the error's own methods
            self.text = f"{self.name}, which can't be shown: {type(another).__name__}"
        kind = RuntimeError if isinstance(error, _NOT_FOR_OTHERS) else type(error)
        try:
            self.kind = pickle.dumps(kind)
        except Exception:  # a class that only exists inside a function
            self.kind = pickle.dumps(RuntimeError)

    def reraise(self) -> NoReturn:
        """Raises the worker's exception type with the traceback in the message.

        RuntimeError where the type can't be made from a message alone, and for StopIteration and
        its like, which would end the loop in silence.
        """
        message = f"Caught {self.name} {self.where}.\nOriginal {self.text}"
        try:
            error = self._make(message)
            if message not in str(error):  # a class with a text of its own
                error.add_note(message)
        except (Exception, SystemExit, GeneratorExit):
            error = RuntimeError(message)
        try:
            raise error
        finally:
            # Error, traceback and this frame would else refer to each other, and keep the
            # iterator and its workers alive until the next garbage collection.
            del error

    def _make(self, message: str) -> BaseException:
        kind = pickle.loads(self.kind)
        if kind is KeyError:
            return KeyError(_PlainKey(message))
        by_name = getattr(kind, "message", None)
        error = kind(message=message) if by_name else kind(message)
        if not isinstance(error, BaseException):
            raise TypeError(f"{kind} is no exception")
        return error


def death_message(worker: int, pid: int | None, exitcode: int | None) -> str:
    """Says how a worker that nobody asked to end has ended."""
    who = f"DataLoader worker {worker} (pid {pid}) exited unexpectedly"
    if exitcode is None:
        return f"{who}: it closed its connection"
    if exitcode >= 0:
        return (
            f"{who} with exit code {exitcode}; with num_workers=0 the error shows where it happens"
        )
    import signal

    try:
        name = signal.Signals(-exitcode).name
    except ValueError:
        name = f"signal {-exitcode}"
    hint = f"; {_HINTS[name]}" if name in _HINTS else ""
    return f"{who}: killed by signal {-exitcode} ({name}){hint}"
