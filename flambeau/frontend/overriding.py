"""`__torch_function__`: classes that decide what functions do with their instances.

Three things lead here, none of which costs ordinary tensors anything:

 - A subclass of Tensor has `_storage` as a property. Where the function of a row reads it, that raises
   `Intercept`, and the function goes to `autograd.levels.lifted`, and from there here. Its methods are
   wrapped when the class is made (`tensor_subclasses`).
 - An object that is no tensor fails a row's check of its arguments, which raises the same.
 - Functions written in Python are *redirected* while they have to be (`redirecting`): their code is
   replaced by a stub that looks at the arguments first. That is once a subclass exists, and for all
   functions while a TorchFunctionMode is entered. A function stays the object that it was, so that
   programs can look it up in their tables.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from typing import Any

from ..autograd.wrapped import Intercept


class _State(threading.local):
    """What a thread has switched off, and the modes that it is inside of, the innermost last."""

    def __init__(self) -> None:
        self.disabled = 0
        """How often overriding classes were switched off."""
        self.modes: list[Any] = []


state = _State()


class Overriding(Intercept):
    """An argument has a `__torch_function__`."""

    def __init__(self) -> None:
        super().__init__(None)

    def __str__(self) -> str:
        return "an argument overrides this function with __torch_function__"


def disabled(func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """The `__torch_function__` of classes that override nothing: Parameter is one."""
    return func(*args, **(kwargs or {}))


def overrides(x: Any) -> bool:
    """Whether an argument's class decides what functions do."""
    kind = x.__class__
    if kind in _plain:
        return False
    found = getattr(kind, "__torch_function__", None)
    if found is None or found is disabled or isinstance(x, type):
        _remember_plain(kind)
        return False
    if getattr(kind, "_overrides", None) is False:
        return False
    return True


_plain: set[type] = {int, float, bool, complex, str, type(None), tuple, list, dict}


def _remember_plain(kind: type) -> None:
    if len(_plain) < 4096:
        _plain.add(kind)


def overloaded(args: Iterable[Any]) -> list[Any]:
    """The arguments that override, one of each class, subclasses before their bases."""
    found: list[Any] = []
    for x in args:
        for each in x if x.__class__ in (list, tuple) else (x,):
            if overrides(each) and not any(type(each) is type(y) for y in found):
                at = next(
                    (i for i, y in enumerate(found) if issubclass(type(each), type(y))), len(found)
                )
                found.insert(at, each)
    return found


def dispatch(
    func: Any, relevant: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Ask the overriding arguments' classes, and the innermost mode before them. TypeError where none
    of them knows the function."""
    types = tuple(type(x) for x in relevant)
    if state.modes:
        mode = state.modes[-1]
        with _without_mode():
            found = mode.__torch_function__(func, types, args, kwargs)
        if found is not NotImplemented:
            return found
    for x in relevant:
        found = type(x).__torch_function__(func, types, args, kwargs)
        if found is not NotImplemented:
            return found
    name = f"{getattr(func, '__module__', '')}.{getattr(func, '__name__', func)}"
    raise TypeError(
        f"no implementation found for '{name}' on types that implement __torch_function__: "
        f"{[t.__name__ for t in types]}"
    )


class _without_mode:
    """The modes but for the innermost."""

    def __enter__(self) -> None:
        self.mode = state.modes.pop()

    def __exit__(self, *_: object) -> None:
        state.modes.append(self.mode)


class DisableTorchFunctionSubclass:
    """Inside, subclasses of Tensor are ordinary tensors."""

    def __enter__(self) -> None:
        state.disabled += 1

    def __exit__(self, *_: object) -> None:
        state.disabled -= 1


class DisableTorchFunction(DisableTorchFunctionSubclass):
    """The same, and no mode either."""

    def __enter__(self) -> None:
        super().__enter__()
        self._modes, state.modes = state.modes, []

    def __exit__(self, *_: object) -> None:
        state.modes = self._modes
        super().__exit__()


def default(cls: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """Tensor's own `__torch_function__`: the results become instances of the subclass."""
    if not all(issubclass(cls, t) for t in types):
        return NotImplemented
    with DisableTorchFunctionSubclass():
        found = func(*args, **(kwargs or {}))
        if getattr(func, "_keeps_plain", False) or func in keeping_plain():
            return found
        return converted(found, cls)


def keeping_plain() -> set[Any]:
    """Functions whose results stay as they are: `grad`, for one."""
    from .tensor import Tensor

    names = ("grad", "_base", "_grad", "data")
    return {vars(c)[n].__get__ for c in Tensor.__mro__ for n in names if hasattr(vars(c).get(n), "fget")}


def converted(found: Any, cls: Any) -> Any:
    """A result, or those in a tuple or list, as instances of a class."""
    from .tensor import Tensor

    if isinstance(found, Tensor):
        return found if isinstance(found, cls) else found.as_subclass(cls)
    if isinstance(found, tuple) and hasattr(found, "_fields"):
        return type(found)(*[converted(x, cls) for x in found])
    if isinstance(found, (tuple, list)):
        return type(found)(converted(x, cls) for x in found)
    return found


# --- functions of rows --------------------------------------------------------------------------


def row_overridden(row: Any, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """Dispatch a row's function that met an overriding argument; inside of a composite, let that
    one do it."""
    if _inside_composite(3):
        raise Overriding
    from ..ops import signature
    from .dispatch import function

    ins, statics = iter(inputs), iter(params)
    args: list[Any] = []
    keywords: dict[str, Any] = {}
    for a in signature.parse(row.schema).arguments:
        x = next(ins) if a.is_input else next(statics)
        if a.type == "int*" and not keywords:
            args.extend(x)
            keywords.update({})
        elif a.default is not None and _is_default(x, a.default):
            continue
        elif a.keyword_only or a.default is not None:
            keywords[a.name] = x
        else:
            args.append(x)
    return called(function(row.name), tuple(args), keywords)


def _is_default(x: Any, text: str) -> bool:
    try:
        return bool(x.__class__ in _plain and x == eval(text))
    except (NameError, ValueError, SyntaxError):
        return False


publics: dict[Any, Any] = {}
"""Functions that stand in another one, which is the one that programs know."""


def called(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A function met an overriding argument: ask its class."""
    func = publics.get(func, func)
    return dispatch(func, overloaded((*args, *kwargs.values())), args, kwargs)


def _inside_composite(depth: int) -> bool:
    """Whether a composite's function is about to catch what is raised here."""
    frame: Any = sys._getframe(depth)
    while frame is not None:
        code = frame.f_code
        if code.co_name == "plain" and frame.f_globals.get("__name__") == "flambeau.frontend.dispatch":
            return True
        name = frame.f_globals.get("__name__", "flambeau.")
        if not name.startswith("flambeau.") or name.startswith("flambeau.func"):
            return False
        frame = frame.f_back
    return False


__all__ = ["DisableTorchFunction", "DisableTorchFunctionSubclass", "Overriding", "called", "converted",
           "default", "disabled", "dispatch", "overloaded", "overrides", "row_overridden", "state"]  # fmt: skip
