"""What `script` and `trace` give for a module: the module's double, of a class that says so."""

from __future__ import annotations

import functools
import weakref
from typing import Any, NoReturn

from flambeau import nn

scripted_functions: weakref.WeakSet[Any] = weakref.WeakSet()


class ScriptModule(nn.Module):
    """A module that went through `script` or `trace`, or whose class derives from this."""

    def save(self, f: Any, **kwargs: Any) -> None:
        """See `torch.jit.save`."""
        from . import save

        save(self, f, **kwargs)

    def _refuse(self) -> NoReturn:
        raise NotImplementedError(
            "flambeau has no TorchScript code of a module: it runs the Python source. print(module) "
            "shows the layers, python -m flambeau explain SCRIPT what was compiled"
        )

    code = graph = inlined_graph = forward_magic_method = property(_refuse)


class RecursiveScriptModule(ScriptModule):
    """A module's double: an object of a class derived from the module's, with the same contents."""

    original_name: str

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        import copy

        return double(copy.deepcopy(plain(self), memo), type(self).__mro__[1])

    def __reduce_ex__(self, protocol: Any) -> Any:
        return plain(self).__reduce_ex__(protocol)


class TopLevelTracedModule(RecursiveScriptModule):
    """What `trace` gives for a module."""


@functools.cache
def _class_of(original: type, kind: type) -> type:
    made = type(kind.__name__, (kind, original), {"original_name": original.__name__})
    made.__module__ = "torch.jit"
    return made


def double(module: Any, kind: type = RecursiveScriptModule) -> Any:
    """A module's double. The two share all attributes, parameters and hooks."""
    if isinstance(module, ScriptModule):
        return module
    made: Any = object.__new__(_class_of(type(module), kind))  # type: ignore[arg-type]
    object.__setattr__(made, "__dict__", module.__dict__)
    return made


def plain(module: Any) -> Any:
    """The module that a double is of."""
    if not isinstance(module, RecursiveScriptModule):
        return module
    made: Any = object.__new__(type(module).__mro__[-_depth(type(module))])
    object.__setattr__(made, "__dict__", module.__dict__)
    return made


def _depth(cls: type) -> int:
    """Where, from its end, a double's class has the original one in its order of bases."""
    original = cls.__bases__[1]
    return len(cls.__mro__) - cls.__mro__.index(original)


class _FunctionMeta(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        try:
            return instance in scripted_functions
        except TypeError:
            return False


class ScriptFunction(metaclass=_FunctionMeta):
    """Functions that went through `script` or `trace` are instances of this."""
