"""Grad modes: `no_grad`, `enable_grad`, `set_grad_enabled`, `inference_mode`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from typing import Any

from ..graph.trace import state


class _Mode:
    """A context manager that is a decorator too; it restores what was there before."""

    def __init__(self) -> None:
        self._before: list[tuple[bool, bool, bool]] = []

    def _enter(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Any:
        self._before.append(_now())
        try:
            self._enter()
        except BaseException:  # a signal's handler may raise anywhere
            _restore(self._before.pop())
            raise
        return self

    def __exit__(self, *_: object) -> None:
        _restore(self._before.pop())

    def _again(self) -> _Mode:
        """The same mode anew, for each call of a decorated function."""
        return type(self)()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        import inspect

        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generator(*args: Any, **kwargs: Any) -> Any:
                return _resumed(function(*args, **kwargs), self._again)

            return generator

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return wrapped


def _resumed(inner: Generator[Any, Any, Any], mode: Callable[[], _Mode]) -> Any:
    """A generator that is in the mode whenever it runs, and out of it while it waits."""
    resume: Callable[[], Any] = functools.partial(next, inner)
    while True:
        try:
            with mode():
                item = resume()
        except StopIteration as stop:
            return stop.value
        try:
            sent = yield item
        except GeneratorExit:
            with mode():
                inner.close()
            raise
        except BaseException as error:
            resume = functools.partial(inner.throw, error)
        else:
            resume = functools.partial(inner.send, sent)


def _now() -> tuple[bool, bool, bool]:
    return state.grad, state.inference, state.asked


def _restore(modes: tuple[bool, bool, bool]) -> None:
    state.grad, state.inference, state.asked = modes


def _set_grad(mode: bool) -> None:
    """Record or don't; in inference mode nothing is recorded, whatever is asked for."""
    state.grad = mode and not state.inference
    state.asked = mode


class no_grad(_Mode):
    """Operations inside build no graph."""

    def __new__(cls, function: Any = None) -> Any:
        made = super().__new__(cls)
        if function is not None:
            made.__init__()  # type: ignore[misc]
            return made(function)
        return made

    def __init__(self, function: Any = None) -> None:
        super().__init__()

    def _enter(self) -> None:
        _set_grad(False)


class enable_grad(no_grad):
    """Operations inside build the graph, also within no_grad."""

    def _enter(self) -> None:
        _set_grad(True)


class set_grad_enabled(_Mode):
    """Switch grad mode: at once as a call, until its end as a context manager."""

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self.mode = bool(mode)
        self._previous = _now()
        _set_grad(self.mode)

    def _enter(self) -> None:
        self._before[-1] = self._previous
        _set_grad(self.mode)

    def _again(self) -> _Mode:
        return set_grad_enabled(self.mode)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        _restore(self._previous)
        return super().__call__(function)


class inference_mode(_Mode):
    """As no_grad; tensors made inside can't take part in a graph afterwards. `inference_mode(False)`
    is normal mode, with the graph."""

    def __new__(cls, mode: Any = True) -> Any:
        made = super().__new__(cls)
        if callable(mode):
            made.__init__(True)  # type: ignore[misc]
            return made(mode)
        return made

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self.mode = mode

    def _enter(self) -> None:
        state.inference = self.mode
        _set_grad(not self.mode)

    def _again(self) -> _Mode:
        return inference_mode(self.mode)


class set_multithreading_enabled(_Mode):
    """Accepted for compatibility: a backward pass runs in the thread that asks for it, and what it
    computes on the thread pool. At once as a call, until its end as a context manager."""

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self.mode = bool(mode)

    def _enter(self) -> None:
        pass

    def _again(self) -> _Mode:
        return set_multithreading_enabled(self.mode)


class enforce_grad_layout_policy(_Mode):
    """Accepted for compatibility: gradients are row-major here, whatever the layout of the leaf."""

    def __init__(self, mode: Any = True) -> None:
        super().__init__()
        self.mode = mode

    def _enter(self) -> None:
        pass

    def _again(self) -> _Mode:
        return enforce_grad_layout_policy(self.mode)


def is_grad_enabled() -> bool:
    """Whether grad mode is on."""
    return state.asked if state.inference else state.grad


def is_inference_mode_enabled() -> bool:
    """Whether inference mode is on."""
    return state.inference
