"""`torch.autograd`: the graph of derivatives."""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import no_attribute
from .modes import enable_grad, inference_mode, no_grad, set_grad_enabled
from .reverse import backward, grad

_LAZY = {
    "Function": "function", "FunctionCtx": "function", "Variable": "variable",
    "gradcheck": "gradcheck", "gradgradcheck": "gradcheck", "detect_anomaly": "anomaly",
    "set_detect_anomaly": "anomaly", "graph_text": "drawing", "draw": "drawing",
}  # fmt: skip
_MODULES = {"anomaly_mode": "anomaly", "function": "function", "functional": "functional",
            "grad_mode": "modes", "graph": "graph", "variable": "variable"}  # fmt: skip

__all__ = ["backward", "enable_grad", "grad", "inference_mode", "no_grad", "set_grad_enabled",
           *_LAZY]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        found: Any = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    elif name in _LAZY:
        found = getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    else:
        raise no_attribute(__name__, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, *_MODULES})
