"""`torch.backends`: switches of libraries that flambeau does without.

Each says that it is not available. Switches may be set: programs set them for speed or for
determinism, and neither depends on them here.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from flambeau.errors import missing

_LIBRARIES = ("cpu", "cuda", "cudnn", "cusparselt", "kleidiai", "mha", "miopen", "mkl", "mkldnn", "mps",
              "nnpack", "openmp", "opt_einsum", "quantized", "xnnpack")  # fmt: skip
fp32_precision = "none"


class ContextProp:
    """A switch that is an attribute of a module, read and set by functions."""

    def __init__(self, getter: Any, setter: Any) -> None:
        self.getter, self.setter = getter, setter

    def __get__(self, obj: Any, objtype: Any) -> Any:
        return self.getter()

    def __set__(self, obj: Any, val: Any) -> None:
        self.setter(val)


def __getattr__(name: str) -> Any:
    if name in _LIBRARIES:
        return import_module(f"{__name__}.{name}")
    return missing(__name__, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LIBRARIES})
