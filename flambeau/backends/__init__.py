"""`torch.backends`: switches of libraries that flambeau does without.

Each says that it is not available. Switches may be set: programs set them for speed or for
determinism, and neither depends on them here.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from flambeau.errors import no_attribute

_LIBRARIES = ("cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp", "opt_einsum")


def __getattr__(name: str) -> Any:
    if name in _LIBRARIES:
        return import_module(f"{__name__}.{name}")
    raise no_attribute(__name__, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LIBRARIES})
