"""Which kernel `scaled_dot_product_attention` may use, biases for it, and attention with functions.

flambeau has one kernel, which computes what PyTorch's all compute, so that the choice has no
effect; it is kept, and can be read back.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from flambeau.errors import refusing, shown

__all__ = ["WARN_FOR_UNFUSED_KERNELS", "SDPBackend", "sdpa_kernel"]

WARN_FOR_UNFUSED_KERNELS = False


class SDPBackend(enum.Enum):
    """PyTorch's kernels for `scaled_dot_product_attention`."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


_DEFAULT = (
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.OVERRIDEABLE,
)
_allowed: list[SDPBackend] = list(_DEFAULT)


def _cur_sdpa_kernel_backends(with_priority: bool = False) -> list[SDPBackend]:
    """The kernels that may be used now."""
    return list(_allowed)


@contextmanager
def sdpa_kernel(
    backends: SDPBackend | Iterable[SDPBackend], set_priority: bool = False
) -> Iterator[None]:
    """Inside, allow PyTorch these kernels only. `TypeError` for anything that is none."""
    chosen = [backends] if isinstance(backends, SDPBackend) else list(backends)
    for each in chosen:
        if not isinstance(each, SDPBackend):
            raise TypeError(
                "sdpa_kernel: Backend must be an instance of SDPBackend or a list of SDPBackend "
                f"instances, but got {shown(each)}"
            )
    global _allowed
    before = _allowed
    _allowed = list(dict.fromkeys(chosen))
    try:
        yield
    finally:
        _allowed = before


def _sdpa_kernel(backends: Iterable[SDPBackend], set_priority: bool = False) -> Any:
    """The older, private form of `sdpa_kernel`, which does not go back."""
    global _allowed
    _allowed = list(dict.fromkeys(backends))


__getattr__ = refusing(__name__)
