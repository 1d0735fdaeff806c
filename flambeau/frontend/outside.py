"""A tensor's ways to the outside: Python's numbers and lists, NumPy, DLPack, storages."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import dtypes
from ..core.device import CPU
from ..errors import shown, users_line
from ..graph.trace import state
from ..runtime import shortage
from .memory import array_of, expose, pin, window

_warned = False

_MANY = 1 << 20
"""Elements from which on `tolist` asks for room first."""


def _room_for_lists(shape: tuple[int, ...]) -> None:
    """OutOfMemoryError where the nested lists alone, without numbers, would be too much: also those
    of no element, or of one that is repeated."""
    nbytes, lists = 0, 1
    for n in shape:
        nbytes += lists * (56 + 8 * n)
        lists *= n
    shortage.room(nbytes, "tolist", shape)


def _leaves_the_graph() -> None:
    """Warn, once a process as PyTorch does, that a number has no gradient."""
    global _warned
    from .around import is_warn_always_enabled

    if not _warned or is_warn_always_enabled():
        _warned = True
        warnings.warn(
            "Converting a tensor with requires_grad=True to a scalar may lead to unexpected "
            "behavior.\nConsider using tensor.detach() first, or item().",
            stacklevel=users_line(),
        )


class Outside:
    """What gives a tensor's content away. Reading flushes what is pending; handing out the memory
    itself makes the storage shared, or keeps it where it is."""

    if TYPE_CHECKING:  # it is part of Tensor

        def __getattr__(self, name: str) -> Any: ...

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """A NumPy array over the same memory: each side sees the other's writes."""
        if self._aval.device is not CPU:
            if force:
                return self.detach().cpu().numpy()
            raise TypeError(
                f"can't convert {self._aval.device} device type tensor to numpy. Use Tensor.cpu() to "
                "copy the tensor to host memory first."
            )
        if force:
            return self.detach().numpy().copy() if self._rg is True else self.detach().numpy()
        if self.requires_grad:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() "
                "instead."
            )
        if self._aval.dtype.is_opaque:
            raise TypeError(
                f"Got unsupported ScalarType {self._aval.dtype.legacy}: NumPy has none; use "
                f".{'cfloat' if self.is_complex() else 'float'}().numpy()"
            )
        state.looks += 1
        expose(self._storage)
        return window(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        if dtype is not None and array.dtype != np.dtype(dtype):
            return array.astype(dtype)
        return array.copy() if copy else array

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        from .creation import from_numpy

        return from_numpy(np.asarray(array))

    def _array(self, reason: str) -> np.ndarray:
        """The content, to be looked at only."""
        state.looks += 1
        return array_of(self, reason)

    def item(self) -> Any:
        """The one element as a Python number."""
        if self._aval.numel != 1:
            raise RuntimeError(
                f"a Tensor with {self._aval.numel} elements cannot be converted to Scalar "
                f"(shape {list(self.shape)})"
            )
        array = self._array("item()")
        return dtypes.widen(array, self._aval.dtype).item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers; a number for a 0-d tensor."""
        if not 0 < self._aval.numel < _MANY:
            _room_for_lists(self._aval.shape)
        return dtypes.widen(self._array("tolist()"), self._aval.dtype).tolist()

    def __bool__(self) -> bool:
        if self._aval.numel != 1:
            if self._aval.numel == 0:
                raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
            raise RuntimeError(
                "Boolean value of Tensor with more than one value is ambiguous "
                f"(shape {list(self.shape)}); use any() or all()"
            )
        return bool(self._array("bool()").item())

    def _number(self) -> Any:
        """The one element, for Python's conversions."""
        if self._aval.numel != 1:
            raise ValueError(
                "only one element tensors can be converted to Python scalars, not shape "
                f"{list(self.shape)}"
            )
        return self.item()

    def __float__(self) -> float:
        if state.grad and self.requires_grad:
            _leaves_the_graph()
        return float(self._number())

    def __int__(self) -> int:
        return int(self._number())

    def __complex__(self) -> complex:
        if state.grad and self.requires_grad:
            _leaves_the_graph()
        return complex(self._number())

    def __index__(self) -> int:
        if self._aval.dtype.category > dtypes.INT or self._aval.numel != 1:
            raise TypeError(
                "only integer tensors of a single element can be converted to an index "
                f"(got {self._aval.dtype} of shape {list(self.shape)})"
            )
        return int(self.item())

    def data_ptr(self) -> int:
        """The address of the first element, 0 where there is none. From here on the memory stays
        where it is."""
        if not self._aval.numel:
            return 0
        if self._aval.device is not CPU:
            from .cuda_arrays import address

            return address(self)
        buffer = pin(self._storage)
        return int(buffer.ctypes.data + self._offset * self._aval.dtype.itemsize)

    def untyped_storage(self: Any) -> Any:
        """The memory in bytes."""
        from .storages import UntypedStorage

        return UntypedStorage._of(self)

    def storage(self) -> Any:
        """The memory in elements: the old form of untyped_storage()."""
        from .storages import _deprecated

        _deprecated()
        return self._typed_storage()

    def _typed_storage(self: Any) -> Any:
        from .storages import TypedStorage

        return TypedStorage._of(self)

    def record_stream(self, stream: Any) -> None:
        """Say that a stream uses the memory, which is not given to others before it has come there.
        RuntimeError on the CPU."""
        if self._aval.device is CPU:
            raise RuntimeError("record_stream(): the tensor is on the CPU, which has no streams")
        from .cuda_arrays import compute
        from .memory import read

        compute(read(self)).used_by(stream._stream)

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None,
        copy: bool | None = None,
    ) -> Any:  # fmt: skip
        """A DLPack capsule over the memory (over a copy, where `copy` is true).

        `max_version`: the newest version that the consumer reads; None is one before 1.0.
        BufferError for tensors that require gradients, and for other devices than this one's.
        """
        from .dlpack import export

        state.looks += 1
        return export(self, stream, max_version, dl_device, copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        index = self._aval.device.index
        return (1, 0) if index is None else (2, index)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """The memory of a tensor on a GPU, for CuPy, Numba and others (version 3 of the protocol).
        AttributeError on the CPU, RuntimeError for tensors that require gradients."""
        from .cuda_arrays import interface

        return interface(self)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """The namespace of the Python array API standard. ValueError for versions it lacks."""
        from importlib import import_module

        if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
            raise ValueError(f"array API version {shown(api_version)}: flambeau follows 2024.12")
        return import_module("flambeau.array_api")

    def to_sparse(self, sparse_dim: int | None = None, *, layout: Any = None) -> Any:
        """The elements that are not zero, as a sparse tensor; see `torch.sparse`."""
        from importlib import import_module

        return import_module("flambeau.sparse").to_sparse(self, sparse_dim, layout=layout)

    to_sparse_coo = to_sparse

    def to_device(self, device: Any, /, *, stream: Any = None) -> Any:
        """The tensor on a device, as the array API standard calls `to(device)`."""
        if stream is not None and self._aval.device is CPU:
            raise ValueError(f"to_device(): the CPU has no streams, got {shown(stream)}")
        return self.to(device)
