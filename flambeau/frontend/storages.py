"""The storage objects that users see: `torch.UntypedStorage` and `torch.TypedStorage`."""

from __future__ import annotations

import operator
import os
import warnings
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.dtypes import dtype
from ..errors import shown, users_line
from . import shared_memory
from .creation import from_numpy
from .mapped import map_file
from .memory import expose, pin
from .storage_common import Common, contents, whole
from .tensor import Tensor

_DTYPE = dtype  # where a parameter has its name


class UntypedStorage(Common):
    """A piece of memory in bytes: `UntypedStorage(n)`, `UntypedStorage([bytes])`, or a tensor's."""

    def __init__(self, given: Any = 0, *, device: Any = None) -> None:
        if isinstance(given, Tensor):
            raise TypeError("UntypedStorage() takes a size or bytes; a tensor has untyped_storage()")
        self._tensor = contents(given, dtypes.uint8, device)

    @classmethod
    def _of(cls, t: Tensor) -> UntypedStorage:
        """The storage of a tensor."""
        made = object.__new__(cls)
        made._tensor = whole(t, dtypes.uint8)
        return made

    @staticmethod
    def from_buffer(buffer: Any, byte_order: str = "native", count: int = -1, offset: int = 0, *,
                    dtype: Any = dtypes.uint8) -> UntypedStorage:  # fmt: skip
        """A storage of a copy of `count` elements (all) of a buffer, from byte `offset`."""
        if dtype.__class__ is not _DTYPE:
            raise TypeError(
                f"from_buffer(): argument 'dtype' must be torch.dtype, not {shown(dtype):.60}"
            )
        order = {"little": "<", "big": ">", "native": "="}.get(byte_order)
        if order is None:
            raise ValueError(
                "from_buffer(): byte_order must be 'native', 'little' or 'big', not "
                f"{shown(byte_order):.60}"
            )
        room = max(operator.index(count), operator.index(offset))
        if room > memoryview(buffer).nbytes or offset < 0:
            raise ValueError(
                f"from_buffer(): a buffer of {memoryview(buffer).nbytes} bytes does not have {count} "
                f"elements of {dtype} from byte {offset}"
            )
        element = dtype.np.newbyteorder(order)
        array = np.frombuffer(buffer, element, count, offset).astype(dtype.np)
        made = UntypedStorage(array.nbytes)
        made._tensor.copy_(from_numpy(array.view(np.uint8)))
        return made

    @staticmethod
    def from_file(filename: str | os.PathLike[str], shared: bool = False, size: int = 0) -> UntypedStorage:
        """A file's first `size` bytes as memory. `shared`: writes go into the file, which is made
        or grows as needed; else they stay here. RuntimeError where it can't be opened or is too short."""
        path = os.fspath(filename)
        array = map_file(path, bool(shared), operator.index(size), dtypes.uint8)
        made = object.__new__(UntypedStorage)
        made._tensor = from_numpy(array)
        made._filename = path  # type: ignore[attr-defined]
        pin(made._storage)
        return made

    def _share_fd_cpu_(self) -> tuple[int, int]:
        """The descriptor of the file in memory that other processes can map, and its size."""
        found = shared_memory.share(self._storage)
        return found.file, found.nbytes

    @staticmethod
    def _new_shared_fd_cpu(file: int, nbytes: int) -> UntypedStorage:
        """The storage of a descriptor that another process sent, which is taken over."""
        t = object.__new__(Tensor)
        t._storage = shared_memory.open_storage(file, nbytes)
        t._aval = t._storage.aval
        return UntypedStorage._of(t)

    def untyped(self) -> UntypedStorage:
        return self

    @property
    def dtype(self) -> Any:
        raise AttributeError("'UntypedStorage' object has no attribute 'dtype': it is bytes", name="dtype")

    def __getitem__(self, index: Any) -> Any:
        found = self._tensor[index]
        return self._new(found) if isinstance(index, slice) else found.item()

    def new(self) -> UntypedStorage:
        """An empty storage."""
        return UntypedStorage(0)

    def byteswap(self, dtype: Any) -> None:
        """Turn the bytes of each element around."""
        expose(self._storage).view(dtype.np).byteswap(inplace=True)

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        """The type's name."""
        if dtype is None:
            return "torch.storage.UntypedStorage"
        from .legacy import type_of

        return self._converted(type_of(dtype)[-1])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and other._storage is self._storage

    def __hash__(self) -> int:
        return hash(id(self._storage))

    def __reduce__(self) -> Any:
        return UntypedStorage, (self.tolist(),)

    def __repr__(self) -> str:
        lines = "".join(f" {byte}\n" for byte in self.tolist())
        return f"{lines}[torch.storage.UntypedStorage(device={self.device}) of size {self.nbytes()}]"


def _deprecated() -> None:
    warnings.warn(
        "TypedStorage is deprecated. It will be removed in the future and UntypedStorage will be "
        "the only storage class: write tensor.untyped_storage() instead of tensor.storage()",
        UserWarning,
        stacklevel=users_line(),
    )


class TypedStorage(Common):
    """A piece of memory in elements: `TypedStorage(n, dtype=...)`, or `tensor.storage()`."""

    def __init__(self, given: Any = 0, *, wrap_storage: Any = None, dtype: Any = None,
                 device: Any = None, _internal: bool = False) -> None:  # fmt: skip
        if not _internal:
            _deprecated()
        dt = dtypes.get_default() if dtype is None else dtype
        if isinstance(wrap_storage, UntypedStorage):
            self._tensor = wrap_storage._as(dt)
        elif wrap_storage is not None:
            raise TypeError(f"Argument 'wrap_storage' must be UntypedStorage, but got {type(wrap_storage)}")
        else:
            self._tensor = contents(given, dt)

    @classmethod
    def _of(cls, t: Tensor) -> TypedStorage:
        """The storage of a tensor, in its elements."""
        made = object.__new__(TypedStorage)
        made._tensor = whole(t, t.dtype)
        return made

    @property
    def dtype(self) -> Any:
        return self._tensor.dtype

    def untyped(self) -> UntypedStorage:
        """The same memory in bytes."""
        return UntypedStorage._of(self._tensor)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            raise RuntimeError("slices are only supported in UntypedStorage.__getitem__")
        return self._tensor[index].item()

    @classmethod
    def from_buffer(cls, *args: Any, dtype: Any = None, device: Any = None, **kwargs: Any) -> TypedStorage:
        """See UntypedStorage.from_buffer."""
        bytes_ = UntypedStorage.from_buffer(*args, dtype=dtype or cls._legacy_dtype(), **kwargs)
        return TypedStorage(wrap_storage=bytes_, dtype=dtype or cls._legacy_dtype(), _internal=True)

    @classmethod
    def from_file(cls, filename: Any, shared: bool = False, size: int = 0) -> TypedStorage:
        """See UntypedStorage.from_file; `size` in elements."""
        dt = cls._legacy_dtype()
        bytes_ = UntypedStorage.from_file(filename, shared, size * dt.itemsize)
        return TypedStorage(wrap_storage=bytes_, dtype=dt, _internal=True)

    @classmethod
    def _legacy_dtype(cls) -> Any:
        return dtypes.get_default()

    def new(self) -> TypedStorage:
        """An empty storage of this dtype."""
        return TypedStorage(0, dtype=self.dtype, _internal=True)

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        """The type's name (`torch.FloatStorage`), or the elements in another dtype."""
        from .legacy import type_of

        if dtype is None:
            return f"torch.{self.dtype.legacy}Storage"
        return self._converted(type_of(dtype)[-1])

    def pickle_storage_type(self) -> str:
        return f"{self.dtype.legacy}Storage"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypedStorage) and other._storage is self._storage

    def __hash__(self) -> int:
        return hash(id(self._storage))

    def __reduce__(self) -> Any:
        return _typed, (self.tolist(), self.dtype)

    def __repr__(self) -> str:
        lines = "".join(f" {v}\n" for v in self.tolist())
        return (
            f"{lines}[torch.storage.TypedStorage(dtype={self.dtype}, device={self.device}) of size {len(self)}]"
        )


def _typed(elements: list[Any], dt: dtype) -> TypedStorage:
    return TypedStorage(elements, dtype=dt, _internal=True)


for _class in (UntypedStorage, TypedStorage):
    _class.__module__ = "flambeau.storage"
