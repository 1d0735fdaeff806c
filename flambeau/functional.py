"""`torch.functional`: functions of the main namespace that PyTorch writes in Python."""

from __future__ import annotations

from typing import Any

import flambeau as torch
from flambeau.errors import missing

_NAMES = ("atleast_1d", "atleast_2d", "atleast_3d", "block_diag", "broadcast_shapes",
          "broadcast_tensors", "cartesian_prod", "cdist", "chain_matmul", "einsum", "istft", "lu",
          "meshgrid", "norm", "split", "stft", "tensordot", "unique", "unique_consecutive",
          "unravel_index")  # fmt: skip
__all__ = [name for name in _NAMES if hasattr(torch, name)]


def __getattr__(name: str) -> Any:
    found = getattr(torch, name, None) if name in __all__ or not name.startswith("_") else None
    return missing(__name__, name) if found is None else found
