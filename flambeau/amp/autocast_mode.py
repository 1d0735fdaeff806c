"""`autocast`: where PyTorch would compute in a narrower dtype."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import flambeau as torch

__all__ = ["autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]


def is_autocast_available(device_type: str) -> bool:
    """Whether `autocast` can be switched on for a kind of device: for none in this version."""
    torch.device(device_type)
    return False


class autocast:  # noqa: N801
    """Context manager and decorator. Switched off it does nothing.

    On a GPU's behalf it switches itself off with a warning, as PyTorch does on a machine without
    one. On the CPU it is NotImplementedError: the operations inside would have to run in bfloat16.
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:  # fmt: skip
        if not isinstance(device_type, str):
            raise ValueError(
                f"Expected `device_type` of type `str`, got: `{type(device_type)}`"
            )
        self.device = torch.device(device_type).type
        self.fast_dtype = dtype
        self._enabled = enabled and self._usable(dtype)

    def _usable(self, dtype: Any) -> bool:
        if self.device != "cpu":
            warnings.warn(
                f"{self.device.upper()} is not available. Disabling autocast.", stacklevel=3
            )
            return False
        if dtype not in (None, torch.bfloat16, torch.float16):
            warnings.warn(
                "In CPU autocast, but the target dtype is not supported. Disabling autocast.\n"
                "CPU autocast only supports torch.bfloat16 and torch.float16, "
                f"not {dtype}.",
                stacklevel=3,
            )
            return False
        raise NotImplementedError(
            "torch.autocast('cpu'): flambeau lacks CPU autocast so far. Leave it off "
            "(enabled=False), or convert the model and its inputs with .to(torch.bfloat16)"
        )

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return wrapped


def custom_fwd(
    fwd: Callable[..., Any] | None = None, *, device_type: str = "cuda", cast_inputs: Any = None
) -> Any:
    """Decorate an autograd Function's forward: outside of autocast it runs as it is."""
    return (lambda function: function) if fwd is None else fwd


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str = "cuda") -> Any:
    """Decorate an autograd Function's backward: outside of autocast it runs as it is."""
    return (lambda function: function) if bwd is None else bwd
