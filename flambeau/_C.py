"""The few names of `torch._C`, PyTorch's compiled part, that programs use."""

from __future__ import annotations

import contextlib
from typing import Any

from .errors import refusing
from .frontend.overriding import DisableTorchFunction, DisableTorchFunctionSubclass
from .frontend.overriding import disabled as _disabled_torch_function_impl


def _log_api_usage_once(event: str) -> None:
    """PyTorch counts what is used; flambeau counts nothing."""


def _get_tracing_state() -> None:
    """No tracer is at work, ever: `torch.jit.trace` runs the function."""


def _add_docstr(function: Any, text: str) -> Any:
    """The function, with a docstring."""
    with contextlib.suppress(AttributeError, TypeError):
        function.__doc__ = text
    return function


def _infer_size(a: Any, b: Any) -> Any:
    """The size that two sizes are broadcast to."""
    import flambeau as torch

    return torch.broadcast_shapes(a, b)


__all__ = ["DisableTorchFunction", "DisableTorchFunctionSubclass", "_disabled_torch_function_impl"]

__getattr__ = refusing(__name__)
