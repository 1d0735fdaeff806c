"""`torch.backends`: switches of libraries.

`cuda` and `cudnn` are about what runs on a GPU. The others are libraries that flambeau does without; each
says that it is not available. Their switches may be set: programs set them for speed or for determinism,
and neither depends on them here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from flambeau.errors import missing
from flambeau.frontend import precision

from . import _properties

_LIBRARIES = ("cpu", "cuda", "cudnn", "cusparselt", "kleidiai", "mha", "miopen", "mkl", "mkldnn", "mps",
              "nnpack", "openmp", "opt_einsum", "quantized", "xnnpack")  # fmt: skip
fp32_precision: str
"""How exactly float32 products and convolutions on a GPU are computed where nothing nearer says it: "ieee",
"tf32", "bf16" or "none"."""


class ContextProp:
    """A switch that is an attribute of a module, read and set by functions."""

    def __init__(self, getter: Any, setter: Any) -> None:
        self.getter, self.setter = getter, setter

    def __get__(self, obj: Any, objtype: Any) -> Any:
        return self.getter()

    def __set__(self, obj: Any, val: Any) -> None:
        self.setter(val)


def set_flags(_fp32_precision: str | None = "none") -> tuple[str]:
    """Set `fp32_precision`; gives what it was."""
    before = precision.get("generic", "all")
    if _fp32_precision is not None:
        precision.put("generic", "all", _fp32_precision)
    return (before,)


@contextlib.contextmanager
def flags(fp32_precision: str = "none") -> Iterator[None]:
    """Set `fp32_precision` until the end of a `with` block."""
    before = precision.state()
    set_flags(fp32_precision)
    try:
        yield
    finally:
        precision.restore(before)


def __getattr__(name: str) -> Any:
    if name in _LIBRARIES:
        return import_module(f"{__name__}.{name}")
    return missing(__name__, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LIBRARIES})


_properties.give(__name__, fp32_precision=_properties.fp32_precision("generic", "all"))
