"""Subclasses of Tensor that decide what functions do with their instances. See `overriding`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

from .overriding import Overriding, disabled, dispatch, overloaded, state
from .redirecting import redirect_python_functions


def _get_storage(self: Any) -> Any:
    if not state.disabled and _asked_by_a_row():
        raise Overriding
    return self.__dict__["_storage"]


def _asked_by_a_row() -> bool:
    """Whether the function of a row reads a storage, by itself or with `memory.read`."""
    frame: Any = sys._getframe(2)
    if frame.f_code.co_name == "read":
        frame = frame.f_back
    if frame.f_globals.get("__name__") == "flambeau.frontend.linear":
        return True
    return frame.f_code.co_filename.startswith("<flambeau row ")  # type: ignore[no-any-return]


def _set_storage(self: Any, value: Any) -> None:
    self.__dict__["_storage"] = value


_UNTOUCHED = frozenset(
    """__class__ __delattr__ __dict__ __dir__ __doc__ __getattribute__ __hash__ __init__
    __init_subclass__ __module__ __new__ __setattr__ __subclasshook__ __torch_function__ __weakref__
    __annotations__ __reduce_ex__ __array_priority__ __repr__ as_subclass""".split()
)


def prepare(cls: Any) -> None:
    """Let a new subclass of Tensor decide what functions do with its instances."""
    from .tensor import Tensor

    own_bases = cls.__mro__[: cls.__mro__.index(Tensor)]
    plain = not any("__torch_function__" in vars(c) for c in own_bases)
    if cls.__torch_function__ is disabled or (plain and cls.__module__.startswith("flambeau.")):
        cls._overrides = False
        return
    cls._overrides = True
    if isinstance(cls.__dict__.get("_storage"), property) or any(
        isinstance(vars(c).get("_storage"), property) for c in cls.__mro__
    ):
        return
    cls._storage = property(_get_storage, _set_storage)
    known = {name for c in own_bases for name in vars(c)}
    for name, wrapped in _methods().items():
        if name not in known:
            setattr(cls, name, wrapped)
    redirect_python_functions()


_wrapped: dict[str, Any] = {}


def _methods() -> dict[str, Any]:
    """Tensor's methods and properties, asking `__torch_function__` first."""
    from .tensor import RowMethod, Tensor

    for base in reversed(Tensor.__mro__[:-1]):
        for name, value in vars(base).items():
            if name in _wrapped or name in _UNTOUCHED or (name[0] == "_" and name[:2] != "__"):
                continue
            if isinstance(value, (FunctionType, RowMethod)):
                _wrapped[name] = _method(name)
            elif isinstance(value, property):
                _wrapped[name] = _property(value)
    return _wrapped


def _method(name: str) -> Callable[..., Any]:
    from .tensor import Tensor

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        function = getattr(Tensor, name)
        if state.disabled:
            return function(self, *args, **kwargs)
        given = (self, *args)
        return dispatch(function, overloaded((*given, *kwargs.values())), given, kwargs)

    method.__name__ = method.__qualname__ = name
    return method


def _property(value: property) -> property:
    def read(self: Any) -> Any:
        if state.disabled:
            return value.__get__(self)
        return dispatch(value.__get__, [self], (self,), {})

    def write(self: Any, new: Any) -> None:
        if state.disabled:
            value.__set__(self, new)
        else:
            dispatch(value.__set__, overloaded((self, new)), (self, new), {})

    return property(read, write if value.fset is not None else None, value.fdel, value.__doc__)
