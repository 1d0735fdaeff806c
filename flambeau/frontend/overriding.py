"""`__torch_function__`: classes that decide what functions do with their instances.

Three things lead here, none of which costs ordinary tensors anything:

 - A subclass of Tensor has `_storage` as a property. Where the function of a row reads it, that raises
   `Intercept`, and the function goes to `autograd.levels.lifted`, and from there here. Its methods are
   wrapped when the class is made.
 - An object that is no tensor fails a row's check of its arguments, which raises the same.
 - Functions written in Python are *redirected* while they have to be: their code is replaced by a stub
   that looks at the arguments first. That is once a subclass exists, and for all functions while a
   TorchFunctionMode is entered. A function stays the object that it was, so that programs can look it
   up in their tables.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from types import CodeType, FunctionType
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


# --- subclasses of Tensor -----------------------------------------------------------------------


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
    own_bases = cls.__mro__[:-3]  # those above are Tensor and what it is made of
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
    known = {name for c in cls.__mro__[:-3] for name in vars(c)}
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


# --- redirected functions -----------------------------------------------------------------------

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
            redirect(function)
            _permanent.add(id(function))


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


def called(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A function met an overriding argument: ask its class."""
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
           "default", "disabled", "dispatch", "enter_mode", "exit_mode", "overloaded", "overrides",
           "prepare", "redirect", "row_overridden", "state"]  # fmt: skip
