"""`torch.backends.cudnn`: not there."""

from __future__ import annotations

from typing import Any

from flambeau.errors import refusing

from ._switches import functions_of

enabled = True
benchmark = False
benchmark_limit: int | None = 10
deterministic = False
allow_tf32 = True
fp32_precision = "none"
CUDNN_TENSOR_DTYPES: set[Any] = set()


def is_available() -> bool:
    return False


def version() -> int | None:
    """None: there is no cuDNN."""
    return None


def is_acceptable(tensor: Any) -> bool:
    """Whether cuDNN would compute with a tensor: never."""
    return False


flags, set_flags = functions_of(globals())

__getattr__ = refusing(__name__)
