"""A tensor in other types and on other devices, and new tensors of its type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core import dtypes
from ..core.device import CPU, usable
from ..core.device import device as Device
from ..core.dtypes import dtype
from ..ops.table import call


class Conversions:
    """`to`, `type`, `float` ... give the tensor itself where nothing changes; `new_zeros` ... have
    its dtype unless another one is given."""

    if TYPE_CHECKING:  # it is part of Tensor

        def __getattr__(self, name: str) -> Any: ...

    def to(self: Any, *args: Any, **kwargs: Any) -> Any:
        """`to(dtype)`, `to(device)`, `to(device, dtype)`, `to(other)`; the tensor itself where
        nothing changes. A copy to a GPU is not waited for; one from a GPU is, unless `non_blocking`
        is true (then `torch.cuda.synchronize()` has to come before the content is looked at by
        other means than this tensor).

        Raises:
            RuntimeError, AssertionError: there is no such device.
        """
        where, dt, copy = _parse_to(args, kwargs)
        if where is not None and where is not self._aval.device:
            return _to_device(self, where, dt)
        if dt is None or dt is self._aval.dtype:
            return self.clone() if copy else self
        return call.to_dtype(self, dt)

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        """The type's name (`torch.FloatTensor`), or the tensor in another type."""
        from .legacy import type_name, type_of

        if dtype is None:
            return type_name(self._aval.dtype, self._aval.device)
        return self.to(*type_of(dtype))

    def type_as(self, other: Any) -> Any:
        """The tensor in the dtype of another, on its device."""
        if not hasattr(other, "_aval"):
            raise TypeError(f"type_as(): argument 'other' must be Tensor, not {type(other).__name__}")
        return self.to(other._aval.device, other._aval.dtype)

    def new_tensor(self, data: Any, *, dtype: Any = None, device: Any = None,
                   requires_grad: bool = False) -> Any:  # fmt: skip
        """A tensor of `data` with this tensor's dtype, on its device."""
        t = call.tensor(data, dtype=dtype or self._aval.dtype, device=device or self._aval.device)
        return t.requires_grad_() if requires_grad else t

    def new_full(self, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None,
                 requires_grad: bool = False) -> Any:  # fmt: skip
        """A tensor of one number with this tensor's dtype, on its device."""
        return call.full(size, fill_value, dtype=dtype or self._aval.dtype,
                         device=device or self._aval.device, requires_grad=requires_grad)  # fmt: skip

    def new_zeros(self, *size: Any, dtype: Any = None, device: Any = None, **kwargs: Any) -> Any:
        """Zeros with this tensor's dtype, on its device."""
        return call.zeros(*size, dtype=dtype or self._aval.dtype, device=device or self._aval.device, **kwargs)

    def new_ones(self, *size: Any, dtype: Any = None, device: Any = None, **kwargs: Any) -> Any:
        """Ones with this tensor's dtype, on its device."""
        return call.ones(*size, dtype=dtype or self._aval.dtype, device=device or self._aval.device, **kwargs)

    def new_empty(self, *size: Any, dtype: Any = None, device: Any = None, **kwargs: Any) -> Any:
        """A tensor of this dtype, on this device, whose content is anything."""
        return call.empty(*size, dtype=dtype or self._aval.dtype, device=device or self._aval.device, **kwargs)

    def new(self, *args: Any) -> Any:
        """PyTorch 0.3: a tensor of this type, of sizes or data, on this device."""
        from .legacy import legacy_tensor
        from .tensor import Tensor

        return legacy_tensor(Tensor, self._aval.dtype, *args).to(self._aval.device)

    def cpu(self, memory_format: Any = None) -> Any:
        """The tensor on the CPU: itself if it is there."""
        return self if self._aval.device is CPU else _to_device(self, CPU)

    def cuda(self, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Any:
        """The tensor on a GPU, the current one if none is named: itself if it is there. The copy is
        not waited for.

        Raises:
            AssertionError: there is no CUDA.
            RuntimeError: there is no such GPU.
        """
        where = usable("cuda" if device is None else device)
        if where is CPU:
            raise ValueError(f"Expected a cuda device, but got: {where}")
        return self if self._aval.device is where else _to_device(self, where)

    def pin_memory(self, device: Any = None) -> Any:
        """The content in page-locked memory of the CPU, from which copies to a GPU are faster and run
        beside the program. The tensor itself where there is no GPU, or it is pinned."""
        from .placing import is_pinned, pinned

        if self._aval.device is not CPU:
            raise RuntimeError(
                f"cannot pin '{self.type()}': only dense CPU tensors can be pinned; it is on "
                f"{self._aval.device}"
            )
        return self if is_pinned(self) else pinned(self)


def _cast(name: str, target: dtype) -> Any:
    def cast(self: Any, memory_format: Any = None) -> Any:
        return self if self._aval.dtype is target else call.to_dtype(self, target)

    cast.__name__ = cast.__qualname__ = name
    cast.__doc__ = f"The tensor as {target}; itself if it is that already."
    return cast


for _name, _target in {
    **dtypes.ALIASES, "bool": dtypes.bool_, "bfloat16": dtypes.bfloat16, "byte": dtypes.uint8,
    "char": dtypes.int8,
}.items():  # fmt: skip
    setattr(Conversions, _name, _cast(_name, _target))


def _to_device(t: Any, where: Device, dt: Any = None) -> Any:
    """A tensor on another device, and as another dtype: that is done where it is less to copy."""
    from .placing import to_device

    if dt is None or dt is t._aval.dtype:
        return to_device(t, where)
    if dt.itemsize < t._aval.dtype.itemsize:
        return to_device(call.to_dtype(t, dt), where)
    return call.to_dtype(to_device(t, where), dt)


def _parse_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, bool]:
    """The device, dtype and copy flag that `to(...)` was given; devices are checked."""
    from .creation import Tensor, check_dtype

    dt = kwargs.pop("dtype", None)
    where = kwargs.pop("device", None)
    copy = bool(kwargs.pop("copy", False))
    other = kwargs.pop("other", None)
    kwargs.pop("non_blocking", None)
    kwargs.pop("memory_format", None)
    if kwargs:
        raise TypeError(f"to() got an unexpected keyword argument '{next(iter(kwargs))}'")
    flags = 0
    for a in args:
        if isinstance(a, dtype):
            dt = a
        elif isinstance(a, Tensor):
            other = a
        elif isinstance(a, bool):
            flags += 1
            copy = a if flags == 2 else copy
        elif isinstance(a, (str, Device, int)):
            where = a
        elif a in (float, bool):
            dt = dtypes.of_scalar(a)
        elif a is not None:
            raise TypeError(
                f"to() received an invalid combination of arguments: got ({type(a).__name__}), "
                "expected a dtype, a device or a tensor"
            )
    if other is not None:
        dt, where = other._aval.dtype, other._aval.device
    return where if where is None else usable(where), check_dtype("to", dt), copy
