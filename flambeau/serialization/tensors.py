"""Where serialization meets the tensor core: storages in, storages out, and nothing else."""

from __future__ import annotations

import functools
import math
import sys
from pickle import UnpicklingError
from typing import Any

import numpy as np

import flambeau as torch

# The class that PyTorch names for a storage, by the dtype's name.
STORAGE_CLASSES = {
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "uint8": "ByteStorage",
    "int8": "CharStorage",
    "int16": "ShortStorage",
    "int32": "IntStorage",
    "int64": "LongStorage",
    "bool": "BoolStorage",
    "complex64": "ComplexFloatStorage",
    "complex128": "ComplexDoubleStorage",
}
MAX_DIMENSIONS = 64  # NumPy's limit, as PyTorch's


@functools.cache
def dtypes() -> dict[str, Any]:
    """Every dtype by its name (`"float32"`)."""
    return {name: getattr(torch, name) for name in STORAGE_CLASSES}


def dtype_name(dtype: Any) -> str:
    """`"float32"` for `torch.float32`."""
    return str(dtype).rpartition(".")[2]


def unit(dtype: Any) -> int:
    """The bytes that have one order among themselves: half an element where it is complex."""
    itemsize: int = dtype.itemsize
    return itemsize // 2 if dtype.is_complex else itemsize


def storage_id(tensor: Any) -> int:
    """Equal for two tensors exactly when they share a storage."""
    from flambeau.frontend import memory

    return int(memory.storage_id(tensor))


def storage_bytes(tensor: Any) -> np.ndarray[Any, Any]:
    """The whole storage of a tensor, as bytes, to be read only."""
    from flambeau.frontend import memory

    array: np.ndarray[Any, Any] = memory.storage_bytes(tensor)
    return array


def storage_nbytes(tensor: Any) -> int:
    """The size of a tensor's whole storage."""
    return int(tensor.untyped_storage().nbytes())


class LoadedStorage:
    """A storage that a file names: its dtype, its device and its bytes.

    `map_location` functions receive it; they look at `dtype`, `device` and `nbytes()` and give it
    back, or give nothing.
    """

    def __init__(self, dtype: Any, numel: int, data: np.ndarray[Any, Any]) -> None:
        self.dtype = dtype
        self.device = torch.device("cpu")
        self._numel = numel
        self._data = data
        self._first: Any = None

    def __len__(self) -> int:
        return self._numel

    size = __len__

    def nbytes(self) -> int:
        return int(self._data.size)

    def cpu(self) -> LoadedStorage:
        self.device = torch.device("cpu")
        return self

    def cuda(self, device: Any = None) -> LoadedStorage:
        self.device = torch.device("cuda" if device is None else f"cuda:{device}")
        return self

    def part(self, start: int, numel: int) -> StoragePart:
        """`numel` elements from `start`, as a storage that lies in this one."""
        return StoragePart(self, start, numel)

    def tensor(self, dtype: Any, size: Any, stride: Any, offset: Any) -> Any:
        """A tensor over this storage; all of them share its memory."""
        size, stride, offset = check_layout(self.nbytes(), dtype, size, stride, offset)
        from flambeau.frontend import memory

        if self._first is None:
            made = memory.from_buffer(self._data, dtype, size, stride, offset)
            self._first = made if self.device.type == "cpu" else made.to(self.device)
            return self._first
        return memory.alias(self._first, dtype, size, stride, offset)


class StoragePart:
    """A stretch of a storage, which old files name as a storage of its own."""

    def __init__(self, whole: LoadedStorage, start: int, numel: int) -> None:
        if start < 0 or numel < 0 or start + numel > len(whole):
            raise UnpicklingError(f"elements {start} to {start + numel} of {len(whole)}")
        self.dtype = whole.dtype
        self._whole = whole
        self._start = start
        self._numel = numel

    def tensor(self, dtype: Any, size: Any, stride: Any, offset: Any) -> Any:
        """A tensor over this stretch."""
        nbytes = self._numel * self.dtype.itemsize
        size, stride, offset = check_layout(nbytes, dtype, size, stride, offset)
        return self._whole.tensor(dtype, size, stride, offset + self._start)


def check_layout(
    nbytes: int, dtype: Any, size: Any, stride: Any, offset: Any
) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """A layout that a file gives, checked to stay inside a storage of `nbytes` bytes.

    Raises:
        pickle.UnpicklingError: a value of the wrong type or sign, or an element outside.
    """
    size, stride = tuple(size), tuple(stride)
    numbers = (*size, *stride, offset)
    if any(type(n) is not int or not 0 <= n < 2**63 for n in numbers):
        raise UnpicklingError(
            f"a tensor's layout holds something else than a size: {numbers!r:.80}"
        )
    if len(size) != len(stride) or len(size) > MAX_DIMENSIONS:
        raise UnpicklingError(f"a tensor with {len(size)} sizes and {len(stride)} strides")
    available = nbytes // dtype.itemsize
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    empty = 0 in size
    if math.prod(size) >= 2**63 or (offset > available if empty else last >= available):
        raise UnpicklingError(
            f"a tensor of size {list(size)[:8]}, strides {list(stride)[:8]} and offset {offset} "
            f"reaches beyond its storage of {available} elements"
        )
    return size, stride, offset


def to_native_order(data: np.ndarray[Any, Any], dtype: Any, order: str) -> np.ndarray[Any, Any]:
    """The bytes of a storage that was written in `order` (`"little"` or `"big"`)."""
    if order == sys.byteorder or unit(dtype) == 1:
        return data
    return data.view(f"u{unit(dtype)}").byteswap().view(np.uint8)


def parameter(tensor: Any, requires_grad: bool) -> Any:
    return torch.nn.Parameter(tensor, requires_grad)
