"""`torch.backends.cpu`: what the processor's vectors are."""

from __future__ import annotations

from flambeau import _cpu_capability
from flambeau.errors import refusing

__all__ = ["get_cpu_capability"]


def get_cpu_capability() -> str:
    """The name of the widest vectors that the compiler makes use of: "AVX512", "AVX2", "DEFAULT"."""
    return _cpu_capability()


__getattr__ = refusing(__name__)
