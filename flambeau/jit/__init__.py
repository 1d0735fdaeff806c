"""`torch.jit`: nothing to do here. flambeau compiles what repeats while the program runs.

`script` and `trace` give back what they got, so that annotated programs run as they are. What
needs TorchScript itself, its file format for example, is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeVar

from flambeau.errors import refusing

__all__ = ["Final", "annotate", "export", "freeze", "ignore", "interface", "is_scripting",
           "is_tracing", "isinstance", "load", "optimize_for_inference", "save", "script",
           "script_if_tracing", "script_method", "trace", "trace_module", "unused"]  # fmt: skip

T = TypeVar("T")


def script(obj: T, optimize: Any = None, _frames_up: int = 0, _rcb: Any = None,
           example_inputs: Any = None) -> T:  # fmt: skip
    """The function, class or module itself."""
    return obj


def trace(func: T, example_inputs: Any = None, *args: Any, **kwargs: Any) -> T:
    """The function or module itself. It is not called: what depends on data stays so."""
    return func


def trace_module(mod: T, inputs: Any = None, *args: Any, **kwargs: Any) -> T:
    """The module itself."""
    return mod


def freeze(mod: T, preserved_attrs: Any = None, optimize_numerics: bool = True) -> T:
    """The module itself."""
    return mod


def optimize_for_inference(mod: T, other_methods: Any = None) -> T:
    """The module itself."""
    return mod


def _same(fn: T) -> T:
    """The function itself: a mark for TorchScript's compiler only."""
    return fn


export = interface = script_method = script_if_tracing = _same


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """A mark for TorchScript's compiler, with and without parentheses."""
    return drop if callable(drop) else _same


unused: Callable[[T], T] = _same


def is_scripting() -> bool:
    """Whether TorchScript compiles this: never."""
    return False


def is_tracing() -> bool:
    """Whether a trace is being recorded: never."""
    return False


def annotate(the_type: Any, the_value: T) -> T:
    """The value."""
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:  # noqa: A001
    """Python's isinstance, for parametrised types by what they are made of."""
    import builtins
    import typing

    kinds = target_type if builtins.isinstance(target_type, tuple) else (target_type,)
    return builtins.isinstance(obj, tuple(typing.get_origin(kind) or kind for kind in kinds))  # type: ignore[misc]


def save(m: Any, f: Any, *args: Any, **kwargs: Any) -> NoReturn:
    """RuntimeError: TorchScript's file format holds compiled code."""
    raise RuntimeError(
        "torch.jit.save writes TorchScript's compiled code, which flambeau has not; keep the "
        "weights with torch.save(model.state_dict(), f)"
    )


def load(f: Any, *args: Any, **kwargs: Any) -> NoReturn:
    """RuntimeError: TorchScript's file format holds compiled code."""
    raise RuntimeError(
        "torch.jit.load runs TorchScript's compiled code, which flambeau does not; load a state "
        "dict into a model made here: model.load_state_dict(torch.load(f))"
    )


def __getattr__(name: str) -> Any:
    if name == "ScriptModule":
        from flambeau import nn

        return nn.Module
    return _refuse(name)


_refuse = refusing(__name__)
