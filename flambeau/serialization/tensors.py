"""Where serialization meets the tensor core: storages in, storages out, and nothing else."""

from __future__ import annotations

import functools
import math
import sys
from pickle import UnpicklingError
from typing import Any

import numpy as np

import flambeau as torch
from flambeau.errors import brief

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
# PyTorch has no storage classes for the dtypes that came later: their storages are bytes, and the
# tensors over them say their dtype themselves.
UNTYPED = (
    "uint16", "uint32", "uint64", "complex32", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz",
    "float8_e5m2fnuz", "float8_e8m0fnu",
)  # fmt: skip
MAX_DIMENSIONS = 64  # NumPy's limit, as PyTorch's


@functools.cache
def dtypes() -> dict[str, Any]:
    """Every dtype by its name (`"float32"`)."""
    return {name: getattr(torch, name) for name in (*STORAGE_CLASSES, *UNTYPED)}


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


class _Standing(torch.TypedStorage):
    """A storage in a file. It becomes a `torch.TypedStorage` if something is asked of it that only
    those have, which happens where the file keeps it for itself and not for a tensor's sake."""

    def tensor(self, dtype: Any, size: Any, stride: Any, offset: Any) -> Any:
        """A tensor over this storage; all of them share its memory."""
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        if name != "_tensor":
            raise AttributeError(f"'TypedStorage' object has no attribute {name!r}", name=name)
        whole = self.tensor(self.dtype, (len(self),), (1,), 0)
        self.__dict__.clear()
        self.__class__ = torch.TypedStorage
        self._tensor = whole
        return whole


class LoadedStorage(_Standing):
    """A storage that a file names: its dtype, its device and its bytes.

    `map_location` functions receive it; they look at `dtype`, `device` and `nbytes()` and give it
    back, or give nothing.
    """

    dtype: Any = None
    device: Any = None

    def __init__(self, dtype: Any, numel: int, data: np.ndarray[Any, Any]) -> None:
        self.dtype = dtype
        self.device = torch.device("cpu")
        self._numel = numel
        self._data = data
        self._first: Any = None
        self._truth = False

    def __len__(self) -> int:
        return self._numel

    size = __len__

    def nbytes(self) -> int:
        return int(self._data.size)

    def cpu(self) -> LoadedStorage:
        self.device = torch.device("cpu")
        return self

    def cuda(self, device: Any = None, non_blocking: bool = False) -> LoadedStorage:
        self.device = torch.device("cuda" if device is None else f"cuda:{device}")
        return self

    def part(self, start: int, numel: int) -> StoragePart:
        """`numel` elements from `start`, as a storage that lies in this one."""
        return StoragePart(self, start, numel)

    def tensor(self, dtype: Any, size: Any, stride: Any, offset: Any) -> Any:
        size, stride, offset = check_layout(self.nbytes(), dtype, size, stride, offset)
        from flambeau.frontend import memory

        if dtype is torch.bool and not self._truth:
            self._check_truth()
        if self._first is not None:
            return memory.alias(self._first, dtype, size, stride, offset)
        if self.nbytes() % dtype.itemsize:
            # Bytes are left over that are no element: the storage is one of bytes.
            self._first = self._own(torch.uint8, (self.nbytes(),), (1,), 0)
            return memory.alias(self._first, dtype, size, stride, offset)
        self._first = self._own(dtype, size, stride, offset)
        return self._first

    def _check_truth(self) -> None:
        """Truth values are bytes of 0 and 1: loops over them rely on it."""
        if self._data.size and self._data.max() > 1:
            if self.dtype is not torch.bool or self._first is not None:
                raise UnpicklingError("a tensor of torch.bool over bytes that are no truth values")
            self._data = (self._data != 0).view(np.uint8)
        self._truth = True

    def _own(self, dtype: Any, size: Any, stride: Any, offset: Any) -> Any:
        """The first tensor, which takes the bytes over."""
        from flambeau.frontend import memory

        if self.device.type == "cpu":
            return memory.from_buffer(self._data, dtype, size, stride, offset)
        numel = self.nbytes() // dtype.itemsize
        whole = memory.from_buffer(self._data, dtype, (numel,), (1,), 0).to(self.device)
        return memory.alias(whole, dtype, size, stride, offset)


class StoragePart(_Standing):
    """A stretch of a storage, which old files name as a storage of its own."""

    dtype: Any = None

    def __init__(self, whole: LoadedStorage, start: int, numel: int) -> None:
        if start < 0 or numel < 0 or start + numel > len(whole):
            raise UnpicklingError(f"elements {start} to {start + numel} of {len(whole)}")
        self.dtype = whole.dtype
        self._whole = whole
        self._start = start
        self._numel = numel

    def __len__(self) -> int:
        return self._numel

    def tensor(self, dtype: Any, size: Any, stride: Any, offset: Any) -> Any:
        nbytes = self._numel * self.dtype.itemsize
        size, stride, offset = check_layout(nbytes, dtype, size, stride, offset)
        start, left = divmod(self._start * self.dtype.itemsize, dtype.itemsize)
        if left:
            raise UnpicklingError("a tensor that begins in the middle of an element")
        return self._whole.tensor(dtype, size, stride, offset + start)


def check_layout(
    nbytes: int, dtype: Any, size: Any, stride: Any, offset: Any
) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """A layout that a file gives, checked to stay inside a storage of `nbytes` bytes.

    Raises:
        pickle.UnpicklingError: a value of the wrong type or sign, or an element outside.
    """
    if not isinstance(size, (tuple, list)) or not isinstance(stride, (tuple, list)):
        raise UnpicklingError(f"a tensor of size {brief(size)} and strides {brief(stride)}")
    size, stride = tuple(size), tuple(stride)
    if len(size) != len(stride) or len(size) > MAX_DIMENSIONS:
        raise UnpicklingError(f"a tensor with {len(size)} sizes and {len(stride)} strides")
    numbers = (*size, *stride, offset)
    if any(type(n) is not int or not 0 <= n < 2**63 for n in numbers):
        raise UnpicklingError(
            f"a tensor's layout holds something else than a size: {brief(numbers)}"
        )
    available = nbytes // dtype.itemsize
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    empty = 0 in size
    # What is cut out of an empty tensor may begin anywhere, and reads nothing.
    if math.prod(size) >= 2**63 or (offset >= 2**48 if empty else last >= available):
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
