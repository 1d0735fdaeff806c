"""`torch.compiler`: flambeau compiles what repeats by itself; there is nothing to steer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from flambeau import compile
from flambeau.errors import refusing, shown

__all__ = ["allow_in_graph", "assume_constant_result", "compile", "cudagraph_mark_step_begin",
           "disable", "get_default_backend", "is_compiling", "is_dynamo_compiling", "is_exporting",
           "list_backends", "load_cache_artifacts", "nested_compile_region", "reset",
           "save_cache_artifacts", "set_default_backend", "set_enable_guard_collectives", "set_stance",
           "substitute_in_graph"]  # fmt: skip


def _same(fn: Any) -> Any:
    """The function itself."""
    return fn


allow_in_graph = assume_constant_result = _same


def nested_compile_region(fn: Any = None, **options: Any) -> Any:
    """The function itself; without one, a decorator that gives it back."""
    return _same if fn is None else fn


def substitute_in_graph(original_fn: Any, **options: Any) -> Callable[[Any], Any]:
    """A decorator that gives back what it gets: no graph has functions exchanged."""
    return _same


def disable(fn: Callable[..., Any] | None = None, recursive: bool = True, *, reason: Any = None,
            wrapping: bool = True) -> Any:  # fmt: skip
    """The function itself; without one, a decorator that gives it back."""
    return _same if fn is None else fn


def is_compiling() -> bool:
    """Whether this is a compiler's run of the program: never, programs run once."""
    return False


is_dynamo_compiling = is_exporting = is_compiling

_BACKENDS = ["inductor"]
_default: Any = "inductor"


def list_backends(exclude_tags: Any = ()) -> list[str]:
    """The names that `compile(backend=...)` offers."""
    return list(_BACKENDS)


def get_default_backend() -> Any:
    """The backend that `compile` uses: what was set. flambeau's own compiler does the work."""
    return _default


def set_default_backend(backend: Any) -> None:
    """Accepted; see `get_default_backend`."""
    global _default
    _default = "inductor" if backend is None else backend


def reset() -> None:
    """Nothing is kept that would have to be forgotten."""


cudagraph_mark_step_begin = reset


class set_stance(contextlib.ContextDecorator):  # noqa: N801
    """Accepted, as a call, a decorator and a context manager: programs mean the same in each."""

    def __init__(self, stance: str = "default", *, skip_guard_eval_unsafe: bool = False,
                 force_backend: Any = None) -> None:  # fmt: skip
        stances = ("default", "eager_on_recompile", "eager_then_compile", "fail_on_recompile",
                   "force_eager", "aot_eager_then_compile")  # fmt: skip
        if stance not in stances:
            raise RuntimeError(
                f"invalid torch.compile stance {shown(stance)}, expected one of {stances}"
            )

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def set_enable_guard_collectives(enabled: bool) -> bool:
    """Accepted: there are no guards."""
    return False


def save_cache_artifacts() -> None:
    """None: kernels are kept in flambeau's cache folder by themselves."""


def load_cache_artifacts(serialized_artifacts: bytes) -> None:
    """None: there is nothing to be loaded; see `save_cache_artifacts`."""


__getattr__ = refusing(__name__)
