"""Functions written in Python that look for `__torch_function__` first: while a mode is entered, and for
good once a class overrides. See `overriding`."""

from __future__ import annotations

import inspect
import threading
from types import CodeType, FunctionType
from typing import Any

from .overriding import dispatch, overloaded, state

_stubs: dict[int, CodeType] = {}


def _stub(free: int) -> CodeType:
    """Code that calls `_redirected_` with the arguments, for a function with so many free variables."""
    if free not in _stubs:
        names = [f"v{i}" for i in range(free)]
        lines = [f"def outer({', '.join(names)}):",
                 " def stub(*args, _redirected_, **kwargs):",
                 f"  if 0: {', '.join(names) or '0'}",
                 "  return _redirected_(args, kwargs)",
                 " return stub"]  # fmt: skip
        scope: dict[str, Any] = {}
        exec(compile("\n".join(lines), "<flambeau redirected>", "exec"), scope)
        _stubs[free] = scope["outer"](*[None] * free).__code__
    return _stubs[free]


class Redirected:
    """A function whose calls look at their arguments, and at the modes, first."""

    def __init__(self, function: FunctionType, public: Any = None) -> None:
        self.function = function
        self.public = public or function
        """What a mode is told: a property's `__get__`, for one."""
        self.kept = (function.__code__, function.__defaults__, function.__kwdefaults__)
        code, defaults, keywords = self.kept
        self.twin = FunctionType(
            code, function.__globals__, function.__name__, defaults, function.__closure__
        )
        self.twin.__kwdefaults__ = keywords
        self.shows = not hasattr(function, "__wrapped__")
        if self.shows:
            function.__wrapped__ = self.twin  # type: ignore[attr-defined]  # for `inspect.signature`
        function.__defaults__ = None
        function.__kwdefaults__ = {"_redirected_": self.call}
        function.__code__ = _stub(len(code.co_freevars))

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if state.modes or not state.disabled:
            relevant = [] if state.disabled else overloaded((*args, *kwargs.values()))
            if relevant or state.modes:
                return dispatch_or(self.twin, self.public, relevant, args, kwargs)
        return self.twin(*args, **kwargs)

    def undo(self) -> bool:
        """Give the function its code back. False where somebody else has exchanged it since
        (autocast does): then this stays, and asks for nothing where no mode is entered."""
        function = self.function
        if function.__code__ is not _stub(len(self.kept[0].co_freevars)):
            return False
        code, defaults, keywords = self.kept
        function.__code__, function.__defaults__ = code, defaults
        function.__kwdefaults__ = keywords
        if self.shows:
            del function.__wrapped__  # type: ignore[attr-defined]
        return True


def dispatch_or(
    twin: Any, func: Any, relevant: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """`dispatch`; a mode that is not there any more leaves the function itself."""
    if relevant or state.modes:
        return dispatch(func, relevant, args, kwargs)
    return twin(*args, **kwargs)


redirected: dict[int, Redirected] = {}
"""By the identity of the function."""
_permanent: set[int] = set()
_modes_entered = [0]
_lock = threading.RLock()


def redirect(function: Any, public: Any = None) -> None:
    """Redirect a function, if it is one that is written in Python."""
    if isinstance(function, FunctionType) and id(function) not in redirected:
        if function.__code__.co_flags & 0x2A0:  # generators and coroutines
            return
        redirected[id(function)] = Redirected(function, public)


def made(function: Any) -> Any:
    """A function of a row was made: while a mode is entered it is redirected at once."""
    if _modes_entered[0]:
        redirect(function)
    return function


def redirect_python_functions() -> None:
    """Redirect, for good, the functions that are written in Python."""
    from .overridable import python_functions

    with _lock:
        for function in python_functions():
            if not hasattr(function, "__signature__"):  # its code will be a stub's
                function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
            redirect(function)
            _permanent.add(id(function))


def found(function: Any) -> Any:
    """A function was looked up for the first time: where those written in Python have been
    redirected for good, it is too."""
    if _permanent and isinstance(function, FunctionType) and id(function) not in redirected:
        from .overridable import _of_row

        if not _of_row(function):
            redirect(function)
            _permanent.add(id(function))
    return function


def enter_mode(mode: Any) -> None:
    """Push a mode: from now on it sees all functions that this thread calls."""
    from .overridable import everything, properties

    with _lock:
        _modes_entered[0] += 1
        if _modes_entered[0] == 1:
            for function in everything():
                redirect(function)
            for function, public in properties():
                redirect(function, public)
    state.modes.append(mode)


def exit_mode() -> None:
    """Pop the innermost mode."""
    state.modes.pop()
    with _lock:
        _modes_entered[0] -= 1
        if not _modes_entered[0]:
            for key, each in list(redirected.items()):
                if key not in _permanent and each.undo():
                    del redirected[key]
