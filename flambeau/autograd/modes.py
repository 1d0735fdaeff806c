"""Grad modes: `no_grad`, `enable_grad`, `set_grad_enabled`, `inference_mode`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..graph.trace import state


class _Mode:
    """A context manager that is a decorator too; it restores what was there before."""

    def __init__(self) -> None:
        self._before: list[tuple[bool, bool]] = []

    def _enter(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Any:
        self._before.append((state.grad, state.inference))
        self._enter()
        return self

    def __exit__(self, *_: object) -> None:
        state.grad, state.inference = self._before.pop()

    def _again(self) -> _Mode:
        return type(self)()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        import inspect

        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generator(*args: Any, **kwargs: Any) -> Any:
                inner = function(*args, **kwargs)
                sent = None
                while True:
                    with self._again():
                        try:
                            item = inner.send(sent)
                        except StopIteration as stop:
                            return stop.value
                    sent = yield item

            return generator

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return wrapped


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
        state.grad = False


class enable_grad(no_grad):
    """Operations inside build the graph, also within no_grad."""

    def _enter(self) -> None:
        state.grad = True


class set_grad_enabled(_Mode):
    """Switch grad mode: at once as a call, until its end as a context manager."""

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self.mode = bool(mode)
        self._previous = (state.grad, state.inference)
        state.grad = self.mode

    def _enter(self) -> None:
        self._before[-1] = self._previous
        state.grad = self.mode

    def _again(self) -> _Mode:
        return set_grad_enabled(self.mode)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        state.grad, state.inference = self._previous
        return super().__call__(function)


class inference_mode(_Mode):
    """As no_grad; tensors made inside can't take part in a graph afterwards."""

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
        if self.mode:
            state.grad, state.inference = False, True
        else:
            state.inference = False

    def _again(self) -> _Mode:
        return inference_mode(self.mode)


def is_grad_enabled() -> bool:
    """Whether operations build the graph."""
    return state.grad


def is_inference_mode_enabled() -> bool:
    return state.inference
