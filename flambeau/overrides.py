"""`torch.overrides`: what classes with `__torch_function__` and functions that honour them need."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import flambeau as torch
from flambeau.errors import refusing
from flambeau.frontend import overridable, overriding, redirecting
from flambeau.frontend.overriding import DisableTorchFunction, DisableTorchFunctionSubclass

__all__ = [
    "BaseTorchFunctionMode", "DisableTorchFunction", "DisableTorchFunctionSubclass", "TorchFunctionMode",
    "get_default_nowrap_functions", "get_ignored_functions", "get_overridable_functions",
    "get_testing_overrides", "handle_torch_function", "has_torch_function",
    "has_torch_function_unary", "has_torch_function_variadic", "is_tensor_like",
    "is_tensor_method_or_property", "resolve_name", "wrap_torch_function",
]  # fmt: skip


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether one of the arguments overrides functions, or a mode is entered."""
    if overriding.state.modes:
        return True
    return not overriding.state.disabled and any(overriding.overrides(x) for x in relevant_args)


def has_torch_function_unary(obj: Any) -> bool:
    """The same for one argument."""
    return has_torch_function((obj,))


def has_torch_function_variadic(*args: Any) -> bool:
    """The same for several arguments."""
    return has_torch_function(args)


def handle_torch_function(
    public_api: Callable[..., Any], relevant_args: Iterable[Any], *args: Any, **kwargs: Any
) -> Any:
    """Let the mode, or the classes of the relevant arguments, do what `public_api` would: the result
    of the first that does not return NotImplemented. TypeError where all do."""
    relevant = [] if overriding.state.disabled else overriding.overloaded(relevant_args)
    return overriding.dispatch(public_api, relevant, args, kwargs)


def wrap_torch_function(dispatcher: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator for functions that can be overridden: `dispatcher` gets their arguments and returns
    an iterable of those that may override."""

    def decorate(func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(wrapped, relevant, *args, **kwargs)
            return func(*args, **kwargs)

        return wrapped

    return decorate


def is_tensor_like(inp: Any) -> bool:
    """Whether something is a tensor, or overrides functions as one does."""
    return isinstance(inp, torch.Tensor) or hasattr(type(inp), "__torch_function__")


def get_overridable_functions() -> dict[Any, list[Any]]:
    """For each namespace its functions that can be overridden."""
    return overridable.names()


@functools.cache
def get_ignored_functions() -> set[Any]:
    """Functions of the namespace that can't be overridden: they have no tensor among their arguments,
    or only switch something."""
    names = overridable.CREATING | overridable._IGNORED
    return {f for f in (overridable._got(torch, n) for n in names) if callable(f)}


@functools.cache
def get_testing_overrides() -> dict[Any, Any]:
    """For each overridable function one with its name that takes anything."""
    def stand_in(*args: Any, **kwargs: Any) -> int:
        return -1

    return {f: stand_in for functions in overridable.names().values() for f in functions}


def get_default_nowrap_functions() -> set[Any]:
    """Functions whose results Tensor's own `__torch_function__` leaves as they are."""
    return overriding.keeping_plain()


def resolve_name(f: Any) -> str | None:
    """The name that users know a function by: `torch.nn.functional.linear`; None if it is none of
    ours."""
    found = overridable.known_names().get(f)
    return found if found is not None else None


def is_tensor_method_or_property(func: Any) -> bool:
    """Whether a function is one of Tensor's methods or properties."""
    return func in set(overridable.names()[torch.Tensor]) or getattr(func, "__name__", "") == "__get__"


class TorchFunctionMode:
    """Sees every function of the namespace that is called inside of `with`: subclasses define
    `__torch_function__(self, func, types, args=(), kwargs=None)`, which calls `func` or does something
    else. Inside of it the mode is off."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise NotImplementedError

    def __enter__(self) -> Any:
        redirecting.enter_mode(self)
        return self

    def __exit__(self, *_: object) -> None:
        redirecting.exit_mode()

    @classmethod
    def push(cls, *args: Any, **kwargs: Any) -> Any:
        """An instance: the old form."""
        return cls(*args, **kwargs)


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that changes nothing."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


def _get_current_function_mode() -> Any:
    """The innermost mode, or None."""
    return overriding.state.modes[-1] if overriding.state.modes else None


def _get_current_function_mode_stack() -> list[Any]:
    """The modes, the innermost last."""
    return list(overriding.state.modes)


__getattr__ = refusing(__name__)
