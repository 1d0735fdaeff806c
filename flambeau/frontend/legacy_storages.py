"""The old storage types: `torch.FloatStorage`, `torch.LongStorage` ..."""

from __future__ import annotations

from typing import Any

from ..core.dtypes import dtype
from .storage_common import CONVERSIONS
from .storages import TypedStorage, UntypedStorage


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
    globals()[f"{_legacy_name}Storage"] = _legacy(f"{_legacy_name}Storage", CONVERSIONS[_python_name])
