"""`torch.types`: names for annotations."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO, Any, TypeAlias

from flambeau import Size, Tensor, device, dtype
from flambeau.errors import refusing
from flambeau.storage import TypedStorage, UntypedStorage

Number: TypeAlias = int | float | bool
Device: TypeAlias = device | str | int | None
FileLike: TypeAlias = str | os.PathLike[str] | IO[bytes]
BoolLikeType: TypeAlias = bool
IntLikeType: TypeAlias = int
FloatLikeType: TypeAlias = float
Storage: TypeAlias = UntypedStorage | TypedStorage

# The names that PyTorch's own annotations have; copies of its layers import them.
_int, _float, _bool, _complex = int, float, bool, complex
_device, _dtype = device, dtype
_size: TypeAlias = Size | list[int] | tuple[int, ...]
_symsize: TypeAlias = Size | Sequence[int]
_TensorOrTensors: TypeAlias = Tensor | Sequence[Tensor]

__all__ = ["IO", "Any", "BoolLikeType", "Device", "FileLike", "FloatLikeType", "IntLikeType",
           "Number", "Sequence", "Size", "Storage",
           "Tensor"]  # fmt: skip

__getattr__ = refusing(__name__)
