"""`torch._jit_internal`: decorators and names that copies of PyTorch's layers import."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Dict, Final, List, Optional, Tuple, Union  # noqa: UP035

from flambeau.errors import refusing
from flambeau.jit import export, ignore, is_scripting, unused

__all__ = ["Any", "Dict", "Final", "List", "Optional", "Tuple", "Union", "boolean_dispatch", "export",
           "ignore", "is_scripting", "unused"]  # fmt: skip


def boolean_dispatch(
    arg_name: str, arg_index: int, default: bool, if_true: Callable[..., Any],
    if_false: Callable[..., Any], module_name: str, func_name: str,
) -> Callable[..., Any]:  # fmt: skip
    """A function that is one of two, by a boolean argument."""

    @functools.wraps(if_true if default else if_false)
    def function(*args: Any, **kwargs: Any) -> Any:
        given = args[arg_index] if arg_index < len(args) else kwargs.get(arg_name, default)
        return (if_true if given else if_false)(*args, **kwargs)

    function.__name__, function.__module__ = func_name, module_name
    return function


def _copy_to_script_wrapper(fn: Any) -> Any:
    return fn


def _overload(func: Any) -> Any:
    return func


_overload_method = weak_script = weak_module = weak_script_method = _overload

__getattr__ = refusing(__name__)
