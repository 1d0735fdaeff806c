"""What the storage objects that users see have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..core import dtypes
from ..core.device import usable
from ..core.dtypes import dtype
from ..ops.table import call
from . import shared_memory
from .memory import alias
from .tensor import Tensor

if TYPE_CHECKING:
    from .storages import TypedStorage

CONVERSIONS = {
    "bool": dtypes.bool_, "byte": dtypes.uint8, "char": dtypes.int8, "short": dtypes.int16,
    "int": dtypes.int32, "long": dtypes.int64, "half": dtypes.float16, "float": dtypes.float32,
    "double": dtypes.float64, "bfloat16": dtypes.bfloat16, "complex_float": dtypes.complex64,
    "complex_double": dtypes.complex128,
}  # fmt: skip


def whole(t: Tensor, dt: dtype) -> Tensor:
    """All of a tensor's storage, flat, out of the graph, as elements of a dtype."""
    room = t._storage.aval.nbytes // dt.itemsize
    whole: Tensor = alias(t, dt, (room,), (1,), 0)
    return whole


def contents(given: Any, dt: dtype, device: Any = None) -> Tensor:
    """A new flat tensor: of a size (its content is anything), or of elements."""
    if isinstance(given, int):
        if given < 0:
            raise RuntimeError(f"Storage size must be non-negative, but got {given}")
        return call.empty((given,), dtype=dt, device=device)  # type: ignore[no-any-return]
    return call.tensor(list(given), dtype=dt, device=device)  # type: ignore[no-any-return]


class Common:
    """What storages of bytes and of elements have in common: a flat tensor is their content."""

    _tensor: Tensor
    is_hpu = is_sparse = is_sparse_csr = False
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
    def is_cuda(self) -> bool:
        return self._tensor.is_cuda

    @property
    def filename(self) -> str | None:
        """The file that the memory is mapped from, where that is so."""
        return getattr(self, "_filename", None)

    def _as(self, dt: dtype) -> Tensor:
        """The content as a flat tensor of a dtype, over the same memory."""
        return whole(self._tensor, dt)

    def nbytes(self) -> int:
        """Bytes of memory."""
        return int(self._tensor.nbytes)

    def size(self) -> int:
        """How many elements."""
        return int(self._tensor.numel())

    __len__ = size

    def element_size(self) -> int:
        """Bytes of one element."""
        return int(self._tensor.element_size())

    def data_ptr(self) -> int:
        """The address. From here on the memory stays where it is."""
        return int(self._tensor.data_ptr())

    def tolist(self) -> list[Any]:
        """The elements as Python numbers."""
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

    def _there(self, t: Tensor) -> Any:
        return self if t is self._tensor else self._new(t)

    def cpu(self) -> Any:
        """The storage on the CPU: itself if it is there."""
        return self._there(self._tensor.cpu())

    def to(self, *, device: Any, non_blocking: bool = False) -> Any:
        """The storage on a device: itself if it is there."""
        return self._there(self._tensor.to(usable(device)))

    def cuda(self, device: Any = None, non_blocking: bool = False) -> Any:
        """The storage on a GPU: itself if it is there."""
        return self._there(self._tensor.cuda(device))

    def get_device(self) -> int:
        return self._tensor.get_device()

    def is_pinned(self, device: Any = "cuda") -> bool:
        return self._tensor.is_pinned()

    def pin_memory(self, device: Any = "cuda") -> Any:
        """The content in page-locked memory."""
        return self._there(self._tensor.pin_memory())

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
        from .storages import TypedStorage

        return TypedStorage._of(self._tensor.to(dt))


def _conversion(name: str, dt: dtype) -> Any:
    def convert(self: Common) -> TypedStorage:
        return self._converted(dt)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"A storage of the elements as {dt}."
    return convert


for _name, _dt in CONVERSIONS.items():
    setattr(Common, _name, _conversion(_name, _dt))
