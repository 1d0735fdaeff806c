"""`torch.autograd`: the graph of derivatives."""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import missing
from .modes import (
    enable_grad,
    enforce_grad_layout_policy,
    inference_mode,
    no_grad,
    set_grad_enabled,
    set_multithreading_enabled,
)
from .reverse import backward, grad

_LAZY = {
    "Function": "function", "FunctionCtx": "function", "NestedIOFunction": "function",
    "Variable": "variable", "is_anomaly_enabled": "anomaly",
    "gradcheck": "gradcheck", "gradgradcheck": "gradcheck", "detect_anomaly": "anomaly",
    "set_detect_anomaly": "anomaly", "graph_text": "drawing", "draw": "drawing",
}  # fmt: skip
_MODULES = {"anomaly_mode": "anomaly", "function": "function", "functional": "functional",
            "forward_ad": "forward_ad", "grad_mode": "modes", "graph": "graph", "profiler": "profiler",
            "profiler_util": "profiler_util", "variable": "variable"}  # fmt: skip

__all__ = ["backward", "enable_grad", "enforce_grad_layout_policy", "grad", "inference_mode", "no_grad",
           "set_grad_enabled", "set_multithreading_enabled", *_LAZY]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        found: Any = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    elif name in _LAZY:
        found = getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    else:
        return missing(__name__, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, *_MODULES})
