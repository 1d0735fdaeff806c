"""What `torch.cuda`'s functions do where there is no GPU: answer, or say so."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from flambeau.engine.flush import flush
from flambeau.runtime import cuda as driver

F = TypeVar("F", bound=Callable[..., Any])


def needing(function: F) -> F:
    """A function that needs a GPU: without one it raises what `require` raises."""

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        require()
        return function(*args, **kwargs)

    return checked  # type: ignore[return-value]


def without(answer: Any) -> Callable[[F], F]:
    """A function whose answer without a GPU is this, or what this, called, gives."""

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def asked(*args: Any, **kwargs: Any) -> Any:
            if not driver.available():
                return answer() if callable(answer) else answer
            return function(*args, **kwargs)

        return asked  # type: ignore[return-value]

    return decorate


def require() -> None:
    """Raise what PyTorch raises where there is no GPU.

    Raises:
        AssertionError: there is no driver.
        RuntimeError: there is one, but no GPU that can be used.
    """
    if not driver.available():
        driver.require()


class _Thread(threading.local):
    """What is a thread's own."""

    graph: Any = None
    """The `CUDAGraph` that records what this thread does."""


thread = _Thread()


def submit(reason: str, waits: bool = False) -> bool:
    """Run what this thread has recorded, so that it is on its stream. False, and nothing runs, while a
    `CUDAGraph` records it.

    Raises:
        RuntimeError: one does, and the caller `waits` for the GPU.
    """
    if thread.graph is not None:
        if waits:
            raise RuntimeError(
                f"CUDA error: operation not permitted when stream is capturing: {reason} inside of "
                "torch.cuda.graph"
            )
        return False
    flush(reason)
    return True
