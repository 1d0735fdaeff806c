"""The storage objects that users see: `torch.UntypedStorage`, `TypedStorage`, `FloatStorage` ..."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.dtypes import dtype
from ..errors import users_line
from ..ops.table import call
from . import shared_memory
from .creation import from_numpy
from .memory import alias, expose, pin
from .tensor import Tensor

_CONVERSIONS = {
    "bool": dtypes.bool_, "byte": dtypes.uint8, "char": dtypes.int8, "short": dtypes.int16,
    "int": dtypes.int32, "long": dtypes.int64, "half": dtypes.float16, "float": dtypes.float32,
    "double": dtypes.float64, "bfloat16": dtypes.bfloat16, "complex_float": dtypes.complex64,
    "complex_double": dtypes.complex128,
}  # fmt: skip


def _whole(t: Tensor, dt: dtype) -> Tensor:
    """All of a tensor's storage, flat, out of the graph, as elements of a dtype."""
    room = t._storage.aval.nbytes // dt.itemsize
    whole: Tensor = alias(t, dt, (room,), (1,), 0)
    return whole


def _contents(given: Any, dt: dtype) -> Tensor:
    """A new flat tensor: of a size (its content is anything), or of elements."""
    if isinstance(given, int):
        if given < 0:
            raise RuntimeError(f"Storage size must be non-negative, but got {given}")
        return call.empty((given,), dtype=dt)  # type: ignore[no-any-return]
    return call.tensor(list(given), dtype=dt)  # type: ignore[no-any-return]


class _Common:
    """What storages of bytes and of elements have in common: a flat tensor is their content."""

    _tensor: Tensor
    is_cuda = is_hpu = is_sparse = is_sparse_csr = False
    resizable_error = (
        "resize_(): flambeau's storages keep their size; make a new tensor, or use Tensor.resize_"
    )

    @property
    def _storage(self) -> Any:
        return self._tensor._storage

    @property
    def _cdata(self) -> int:
        return id(self._storage)

    @property
    def device(self) -> Any:
        return self._tensor.device

    @property
    def filename(self) -> str | None:
        """The file that the memory is mapped from, where that is so."""
        return getattr(self, "_filename", None)

    def _as(self, dt: dtype) -> Tensor:
        """The content as a flat tensor of a dtype, over the same memory."""
        return _whole(self._tensor, dt)

    def nbytes(self) -> int:
        return int(self._tensor.nbytes)

    def size(self) -> int:
        return int(self._tensor.numel())

    __len__ = size

    def element_size(self) -> int:
        """Bytes of one element."""
        return int(self._tensor.element_size())

    def data_ptr(self) -> int:
        """The address. From here on the memory stays where it is."""
        return int(self._tensor.data_ptr())

    def tolist(self) -> list[Any]:
        values: list[Any] = self._tensor.tolist()
        return values

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __setitem__(self, index: Any, value: Any) -> None:
        self._tensor[index] = getattr(value, "_tensor", value)

    def _new(self, t: Tensor) -> Any:
        """A storage of this kind over a flat tensor."""
        made = object.__new__(type(self))
        made._tensor = t
        return made

    def clone(self) -> Any:
        """A copy in memory of its own."""
        return self._new(self._tensor.clone())

    __copy__ = clone

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self._new(self._tensor.__deepcopy__(memo))

    def copy_(self, source: Any, non_blocking: bool | None = None) -> Any:
        """Take another storage's elements, as many as there are here."""
        if len(source) != len(self):
            raise RuntimeError(
                f"size mismatch: a storage of {len(self)} elements can't take {len(source)}"
            )
        self._tensor.copy_(source._tensor)
        return self

    def fill_(self, value: Any) -> Any:
        """Set all elements."""
        self._tensor.fill_(value)
        return self

    def cpu(self) -> Any:
        return self

    def to(self, *, device: Any, non_blocking: bool = False) -> Any:
        from ..core.device import usable

        usable(device)
        return self

    def cuda(self, device: Any = None, non_blocking: bool = False) -> Any:
        from ..core.device import usable

        usable("cuda" if device is None else device)
        return self

    def get_device(self) -> int:
        return -1

    def is_pinned(self, device: Any = "cuda") -> bool:
        return False

    def pin_memory(self, device: Any = "cuda") -> Any:
        return self

    def resizable(self) -> bool:
        return False

    def resize_(self, size: int) -> Any:
        """Another size: only the size that it has."""
        if size != self.size():
            raise NotImplementedError(self.resizable_error)
        return self

    def is_shared(self) -> bool:
        """Whether other processes may have this memory."""
        return shared_memory.is_shared(self._storage)

    def share_memory_(self) -> Any:
        """Move the memory to where other processes can have it too."""
        shared_memory.share(self._storage)
        return self

    def _converted(self, dt: dtype) -> TypedStorage:
        return TypedStorage(wrap_storage=UntypedStorage._of(self._tensor.to(dt)), dtype=dt,
                            _internal=True)  # fmt: skip


def _conversion(name: str, dt: dtype) -> Any:
    def convert(self: _Common) -> TypedStorage:
        return self._converted(dt)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"A storage of the elements as {dt}."
    return convert


for _name, _dt in _CONVERSIONS.items():
    setattr(_Common, _name, _conversion(_name, _dt))


class UntypedStorage(_Common):
    """A piece of memory in bytes: `UntypedStorage(n)`, `UntypedStorage([bytes])`, or a tensor's."""

    def __init__(self, given: Any = 0, *, device: Any = None) -> None:
        if isinstance(given, Tensor):
            raise TypeError("UntypedStorage() takes a size or bytes; a tensor has untyped_storage()")
        self._tensor = _contents(given, dtypes.uint8)

    @classmethod
    def _of(cls, t: Tensor) -> UntypedStorage:
        """The storage of a tensor."""
        made = object.__new__(cls)
        made._tensor = _whole(t, dtypes.uint8)
        return made

    @staticmethod
    def from_buffer(buffer: Any, byte_order: str = "native", count: int = -1, offset: int = 0, *,
                    dtype: Any = dtypes.uint8) -> UntypedStorage:  # fmt: skip
        """A storage of a copy of `count` elements (all) of a buffer, from byte `offset`."""
        element = dtype.np.newbyteorder({"little": "<", "big": ">", "native": "="}[byte_order])
        array = np.frombuffer(buffer, element, count, offset).astype(dtype.np)
        made = UntypedStorage(array.nbytes)
        made._tensor.copy_(from_numpy(array.view(np.uint8)))
        return made

    @staticmethod
    def from_file(filename: str | os.PathLike[str], shared: bool = False, size: int = 0) -> UntypedStorage:
        """A file's first `size` bytes as memory. `shared`: writes go into the file, which is made
        or grows as needed; else they stay here."""
        path = os.fspath(filename)
        if shared:
            with open(path, "ab") as file:
                file.truncate(max(size, file.tell()))
        array = np.memmap(path, np.uint8, "r+" if shared else "c", shape=(size,))
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

        return self._converted(type_of(dtype))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and other._storage is self._storage

    def __hash__(self) -> int:
        return hash(id(self._storage))

    def __reduce__(self) -> Any:
        return UntypedStorage, (self.tolist(),)

    def __repr__(self) -> str:
        lines = "".join(f" {byte}\n" for byte in self.tolist())
        return f"{lines}[torch.storage.UntypedStorage(device=cpu) of size {self.nbytes()}]"


def _deprecated() -> None:
    import warnings

    warnings.warn(
        "TypedStorage is deprecated. It will be removed in the future and UntypedStorage will be "
        "the only storage class: write tensor.untyped_storage() instead of tensor.storage()",
        UserWarning,
        stacklevel=users_line(),
    )


class TypedStorage(_Common):
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
            self._tensor = _contents(given, dt)

    @classmethod
    def _of(cls, t: Tensor) -> TypedStorage:
        """The storage of a tensor, in its elements."""
        made = object.__new__(TypedStorage)
        made._tensor = _whole(t, t.dtype)
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
        return self._converted(type_of(dtype))

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
            f"{lines}[torch.storage.TypedStorage(dtype={self.dtype}, device=cpu) of size {len(self)}]"
        )


def _typed(elements: list[Any], dt: dtype) -> TypedStorage:
    return TypedStorage(elements, dtype=dt, _internal=True)


class _LegacyMeta(type):
    """`torch.FloatStorage`: called it makes a TypedStorage, isinstance tests the dtype."""

    _dtype: dtype

    def __call__(cls, *args: Any, wrap_storage: Any = None) -> TypedStorage:
        if len(args) > 1:
            raise TypeError(f"{cls.__name__}() takes a size or elements, not {len(args)} arguments")
        return TypedStorage(*args, wrap_storage=wrap_storage, dtype=cls._dtype)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, TypedStorage) and instance.dtype is cls._dtype

    @property
    def dtype(cls) -> dtype:
        return cls._dtype

    def from_buffer(cls, *args: Any, **kwargs: Any) -> TypedStorage:
        return TypedStorage.from_buffer(*args, dtype=cls._dtype, **kwargs)

    def from_file(cls, filename: Any, shared: bool = False, size: int = 0) -> TypedStorage:
        bytes_ = UntypedStorage.from_file(filename, shared, size * cls._dtype.itemsize)
        return TypedStorage(wrap_storage=bytes_, dtype=cls._dtype, _internal=True)


def _legacy(name: str, dt: dtype) -> Any:
    return _LegacyMeta(name, (), {"_dtype": dt, "__module__": "flambeau"})


_NAMES = {
    "Bool": "bool", "Byte": "byte", "Char": "char", "Short": "short", "Int": "int", "Long": "long",
    "Half": "half", "Float": "float", "Double": "double", "BFloat16": "bfloat16",
    "ComplexFloat": "complex_float", "ComplexDouble": "complex_double",
}  # fmt: skip
for _legacy_name, _python_name in _NAMES.items():
    globals()[f"{_legacy_name}Storage"] = _legacy(f"{_legacy_name}Storage", _CONVERSIONS[_python_name])

for _class in (UntypedStorage, TypedStorage):
    _class.__module__ = "flambeau.storage"
LEGACY_NAMES = tuple(f"{name}Storage" for name in _NAMES)
