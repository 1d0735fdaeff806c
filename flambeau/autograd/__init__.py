"""`torch.autograd`: the graph of derivatives."""

from __future__ import annotations

import importlib
from typing import Any

from .modes import enable_grad, inference_mode, no_grad, set_grad_enabled
from .reverse import backward, grad

_LAZY = {
    "Function": "function", "FunctionCtx": "function", "Variable": "variable",
    "gradcheck": "gradcheck", "gradgradcheck": "gradcheck", "detect_anomaly": "anomaly",
    "set_detect_anomaly": "anomaly", "graph_text": "drawing", "draw": "drawing",
}  # fmt: skip

__all__ = ["backward", "enable_grad", "grad", "inference_mode", "no_grad", "set_grad_enabled",
           *_LAZY]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in ("function", "functional", "graph", "variable"):
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _LAZY:
        raise AttributeError(f"flambeau has no torch.autograd.{name}")
    found = getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = found
    return found
