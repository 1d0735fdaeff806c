"""`torch.jit`: nothing to do here. flambeau compiles what repeats while the program runs.

`script` and `trace` give back functions and classes as they are, and of a module a double that
shares its contents and is a `ScriptModule`; Python runs as before. So does what `save` has written
and `load` reads, for modules whose classes the program has. TorchScript's own files hold compiled
code, which flambeau does not run.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

from flambeau import nn
from flambeau.errors import refusing
from flambeau.futures import Future

from ._files import load, save
from ._modules import (
    RecursiveScriptModule,
    ScriptFunction,
    ScriptModule,
    TopLevelTracedModule,
    double,
    scripted_functions,
)

__all__ = ["Attribute", "Error", "Final", "Future", "RecursiveScriptModule", "ScriptFunction",
           "ScriptModule", "TopLevelTracedModule", "annotate", "enable_onednn_fusion", "export",
           "export_opnames", "fork", "freeze", "ignore", "interface", "is_scripting", "is_tracing",
           "isinstance", "load", "onednn_fusion_enabled", "optimize_for_inference", "optimized_execution",
           "run_frozen_optimizations", "save", "script", "script_if_tracing", "script_method",
           "set_fusion_strategy", "strict_fusion", "trace", "trace_module", "unused",
           "wait"]  # fmt: skip

T = TypeVar("T")


class Error(RuntimeError):
    """What a TorchScript program raises; none is run here."""


class Attribute(NamedTuple):
    """A value and its type, for attributes of ScriptModules."""

    value: Any
    type: Any


def _marked(obj: Any, kind: type) -> Any:
    if builtins.isinstance(obj, nn.Module):
        return double(obj, kind)
    if callable(obj) and not builtins.isinstance(obj, type):
        try:
            scripted_functions.add(obj)
        except TypeError:
            pass
    return obj


def script(obj: Any, optimize: Any = None, _frames_up: int = 0, _rcb: Any = None,
           example_inputs: Any = None) -> Any:  # fmt: skip
    """The function or class itself; of a module its double, a ScriptModule."""
    return _marked(obj, RecursiveScriptModule)


def trace(func: Any, example_inputs: Any = None, *args: Any, example_kwarg_inputs: Any = None,
          **kwargs: Any) -> Any:  # fmt: skip
    """The function itself; of a module its double. It is not called: what depends on data stays so."""
    if example_inputs is None and example_kwarg_inputs is None:
        raise RuntimeError("trace() needs example_inputs or example_kwarg_inputs")
    return _marked(func, TopLevelTracedModule)


def trace_module(mod: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
    """The module's double."""
    if not builtins.isinstance(inputs, dict):
        raise AttributeError("expected a dictionary of (method_name, input) pairs")
    return _marked(mod, TopLevelTracedModule)


def freeze(mod: Any, preserved_attrs: Any = None, optimize_numerics: bool = True) -> Any:
    """The module itself, which has to be one that was scripted and is in eval mode."""
    if not builtins.isinstance(mod, ScriptModule):
        raise RuntimeError(
            "Freezing expects a ScriptModule as input. Please use torch.jit.script or "
            "torch.jit.trace to script your 'nn.Module'."
        )
    if mod.training:
        raise RuntimeError("Freezing is currently only implemented for modules in eval mode. Please "
                           "call .eval() on your module before freezing.")  # fmt: skip
    return mod


def optimize_for_inference(mod: Any, other_methods: Any = None) -> Any:
    """The module itself, in eval mode."""
    return mod.eval()


def run_frozen_optimizations(mod: Any, optimize_numerics: bool = True, preserved_methods: Any = None) -> None:
    """Nothing: flambeau compiles what repeats without being asked."""


def _same(fn: T) -> T:
    """The function itself: a mark for TorchScript's compiler only."""
    return fn


export = interface = script_method = script_if_tracing = _overload = _overload_method = _same
unused: Callable[[T], T] = _same


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """A mark for TorchScript's compiler, with and without parentheses."""
    return drop if callable(drop) else _same


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
    """Python's isinstance, with the element types of List, Tuple, Dict and Optional looked at too."""
    from ._types import is_of

    kinds = target_type if builtins.isinstance(target_type, tuple) else (target_type,)
    return any(is_of(obj, kind) for kind in kinds)


def fork(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
    """A future for `func(*args, **kwargs)`, which is called at once, as PyTorch does outside of
    TorchScript."""
    future: Future[Any] = Future()
    future.set_result(func(*args, **kwargs))
    return future


def wait(future: Future[Any]) -> Any:
    """A future's result."""
    return future.wait()


_fork, _wait = fork, wait


def export_opnames(m: Any) -> list[str]:
    """NotImplementedError: there is no TorchScript code whose operations could be listed."""
    raise NotImplementedError("flambeau has no TorchScript code whose operations could be listed; "
                              "python -m flambeau explain SCRIPT lists what a program runs")  # fmt: skip


def enable_onednn_fusion(enabled: bool) -> None:
    """Accepted: oneDNN is not used."""


def onednn_fusion_enabled() -> bool:
    return False


def set_fusion_strategy(strategy: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Accepted: flambeau fuses by itself. Gives the strategy."""
    return strategy


class _Nothing:
    """A context manager that does nothing."""

    def __init__(self, *_: Any) -> None:
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


class TracerWarning(Warning):
    """What PyTorch's tracer warns of. flambeau gives none: for filters that name it."""

    @staticmethod
    def ignore_lib_warnings() -> None:
        """There are none."""


class strict_fusion(_Nothing):  # noqa: N801
    """Accepted: fusions are no errors where they are left out."""


class optimized_execution(_Nothing):  # noqa: N801
    """Accepted: flambeau compiles what repeats."""


__getattr__ = refusing(__name__)
