"""Switches of the main namespace: determinism, precision, the default device, compiling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core import device as devices
from ..core.device import device, usable
from ..engine import tiering
from .precision import matmul_precision, set_matmul_precision, switch

_deterministic = {"mode": False, "warn_only": False}


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for algorithms that give the same result in every run. flambeau has no others: the same
    program gives the same bits, on any number of threads.

    Where it is on, bits don't depend either on what ran before in this process: everything is
    compiled before it runs the first time, and that is waited for. So a run that was resumed equals
    one that was not interrupted. (Otherwise a program's first runs are interpreted.)
    """
    _deterministic.update(mode=bool(mode), warn_only=bool(warn_only))
    switch(deterministic=bool(mode))
    tiering.at_once = bool(mode)


def are_deterministic_algorithms_enabled() -> bool:
    """Whether they were asked for."""
    return _deterministic["mode"]


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    return _deterministic["warn_only"]


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """The same as a mode: "default" (0), "warn" (1) or "error" (2)."""
    names = {"default": 0, "warn": 1, "error": 2}
    mode = names.get(debug_mode, -1) if isinstance(debug_mode, str) else debug_mode
    if mode not in (0, 1, 2):
        raise RuntimeError(
            f"invalid value of debug_mode, expected one of {', '.join(names)} or 0, 1, 2, "
            f"but got {debug_mode}"
        )
    use_deterministic_algorithms(mode > 0, warn_only=mode == 1)


def get_deterministic_debug_mode() -> int:
    if not _deterministic["mode"]:
        return 0
    return 1 if _deterministic["warn_only"] else 2


def set_float32_matmul_precision(precision: str) -> None:
    """Allow float32 products on a GPU to round their operands to TF32 ("high", "medium"), or don't
    ("highest", as at first). The CPU's are exact to float32's rounding whatever is set."""
    set_matmul_precision(precision)


def get_float32_matmul_precision() -> str:
    """What was allowed; "highest" at first."""
    return matmul_precision()


def set_default_device(device: Any) -> None:
    """Choose where new tensors are made if nothing is said; None: on the CPU."""
    where = devices.CPU if device is None else usable(device)
    devices.default = None if where is devices.CPU else where
    devices.current.device = where


def get_default_device() -> device:
    """Where new tensors are made."""
    return usable(None)


def set_flush_denormal(mode: bool) -> bool:
    """Whether the processor could be told to take denormal numbers for zero: it can't be."""
    return False


def typename(obj: Any) -> str:
    """A tensor's type in PyTorch 0.3's words (`torch.FloatTensor`), else the class's full name."""
    from .tensor import Tensor

    if isinstance(obj, Tensor):
        return str(obj.type())
    kind = obj if hasattr(obj, "__qualname__") else type(obj)
    module = getattr(kind, "__module__", None)
    return str(kind.__qualname__ if module in ("builtins", None) else f"{module}.{kind.__qualname__}")


def compile(
    model: Callable[..., Any] | None = None, *, fullgraph: bool = False,
    dynamic: bool | None = None, backend: Any = "inductor", mode: str | None = None,
    options: Any = None, disable: bool = False, **more: Any,
) -> Any:  # fmt: skip
    """The module or function itself: flambeau compiles what repeats without being asked.

    Without one, a decorator that gives back what it decorates.
    """
    if model is None:
        return lambda found: found
    if not callable(model):
        raise TypeError(f"compile() takes a function or a module, not {type(model).__name__}")
    return model
