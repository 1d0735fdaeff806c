"""The storage objects that users see."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.aval import aval
from .memory import expose, pin


class UntypedStorage:
    """A tensor's memory in bytes."""

    def __init__(self, tensor: Any) -> None:
        self._storage = tensor._storage

    def nbytes(self) -> int:
        return int(self._storage.aval.numel * self._storage.aval.dtype.itemsize)

    size = nbytes
    __len__ = nbytes

    @property
    def _cdata(self) -> int:
        return id(self._storage)

    @property
    def device(self) -> Any:
        return self._storage.aval.device

    def data_ptr(self) -> int:
        return int(pin(self._storage).ctypes.data)

    def __getitem__(self, index: Any) -> Any:
        found = expose(self._storage).view(np.uint8)[index]
        return int(found) if np.ndim(found) == 0 else found

    def tolist(self) -> list[int]:
        values: list[int] = expose(self._storage).view(np.uint8).tolist()
        return values

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and other._storage is self._storage

    def __hash__(self) -> int:
        return hash(id(self._storage))

    def __repr__(self) -> str:
        return f"torch.storage.UntypedStorage of size {self.nbytes()}"


class TypedStorage(UntypedStorage):
    """A tensor's memory in elements."""

    def __init__(self, tensor: Any) -> None:
        super().__init__(tensor)
        a = aval((tensor._storage.aval.numel,), tensor._storage.aval.dtype)
        t = tensor._alias()
        t._aval, t._strides, t._offset = a, (1,), 0
        t._plain = tensor._storage.aval.shape == a.shape
        self._tensor = t

    @property
    def dtype(self) -> Any:
        return self._storage.aval.dtype

    def size(self) -> int:
        return int(self._storage.aval.numel)

    __len__ = size

    def element_size(self) -> int:
        return int(self._storage.aval.dtype.itemsize)

    def untyped(self) -> UntypedStorage:
        return UntypedStorage(self._tensor)

    def __getitem__(self, index: Any) -> Any:
        found = self._tensor[index]
        return found.item() if found.ndim == 0 else found

    def __setitem__(self, index: Any, value: Any) -> None:
        self._tensor[index] = value

    def __iter__(self) -> Any:
        return iter(self._tensor.tolist())

    def tolist(self) -> list[Any]:
        values: list[Any] = self._tensor.tolist()
        return values

    def __repr__(self) -> str:
        lines = "\n".join(f" {v}" for v in self.tolist())
        return f"{lines}\n[torch.storage.TypedStorage(dtype={self.dtype}, device=cpu) of size {len(self)}]"
