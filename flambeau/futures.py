"""`torch.futures`: results that are there later."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from flambeau.errors import refusing

__all__ = ["Future", "collect_all", "wait_all"]

T = TypeVar("T")
S = TypeVar("S")


class Future(Generic[T]):
    """A result that some thread sets, once, and others wait for."""

    def __init__(self, *, devices: Any = None) -> None:
        if devices:
            raise ValueError("Future(devices=...): flambeau computes on the CPU, leave devices out")
        self._changed = threading.Condition()
        self._done = False
        self._result: Any = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[Future[T]], Any]] = []

    def done(self) -> bool:
        """Whether there is a result, or an error."""
        return self._done

    def wait(self) -> T:
        """The result, once it is there; raises the error instead of one."""
        with self._changed:
            self._changed.wait_for(lambda: self._done)
        return self.value()

    def value(self) -> T:
        """The result; RuntimeError where it isn't there yet."""
        if not self._done:
            raise RuntimeError("value() is asked for before the future is done: wait() for it")
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[no-any-return]

    def then(self, callback: Callable[[Future[T]], S]) -> Future[S]:
        """A future for `callback(self)`, which is called when this one is done."""
        following: Future[S] = Future()

        def follow(done: Future[T]) -> None:
            try:
                following.set_result(callback(done))
            except Exception as error:
                following.set_exception(error)

        self.add_done_callback(follow)
        return following

    def add_done_callback(self, callback: Callable[[Future[T]], Any]) -> None:
        """Call `callback(self)` when this is done: by whoever sets the result, or at once."""
        with self._changed:
            if not self._done:
                self._callbacks.append(callback)
                return
        callback(self)

    def set_result(self, result: T) -> None:
        """There it is. RuntimeError where there is one already."""
        self._finish(result, None)

    def set_exception(self, result: BaseException) -> None:
        """There won't be one, and why."""
        if not isinstance(result, Exception):
            raise AssertionError(f"{result} is of type {type(result)}, not an Exception.")
        self._finish(None, result)

    def _finish(self, result: Any, error: BaseException | None) -> None:
        with self._changed:
            if self._done:
                raise RuntimeError("the future has a result already, which can be set only once")
            self._result, self._error, self._done = result, error, True
            callbacks, self._callbacks = self._callbacks, []
            self._changed.notify_all()
        for callback in callbacks:
            callback(self)


def collect_all(futures: list[Future[Any]]) -> Future[list[Future[Any]]]:
    """A future that is done when all are, with the list of them."""
    together: Future[list[Future[Any]]] = Future()
    missing, lock = [len(futures)], threading.Lock()

    def one_more(_: Future[Any]) -> None:
        with lock:
            missing[0] -= 1
            last = missing[0] == 0
        if last:
            together.set_result(futures)

    if not futures:
        together.set_result(futures)
    for future in futures:
        future.add_done_callback(one_more)
    return together


def wait_all(futures: list[Future[Any]]) -> list[Any]:
    """The results of all; raises the first error in the list."""
    return [future.wait() for future in collect_all(futures).wait()]


__getattr__ = refusing(__name__)
