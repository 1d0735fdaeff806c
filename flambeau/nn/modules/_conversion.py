"""Changing every tensor of a module at once: the `to`, `float`, `apply` half of `Module`."""

from __future__ import annotations

import builtins
import warnings
from collections.abc import Callable
from typing import Any

import flambeau as torch

from ..parameter import is_lazy

__all__ = ["ConversionMixin"]


class ConversionMixin:
    """Everything that goes over the parameters and buffers of a module and of its children."""

    _parameters: dict[str, Any]
    _buffers: dict[str, Any]

    def children(self) -> Any:
        raise NotImplementedError

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Any:
        """Put `fn(t)` in the place of every parameter, gradient and buffer `t`.

        Parameters stay the same objects, so that an optimizer that holds them stays right.
        """
        if recurse:
            for module in self.children():
                module._apply(fn)
        future = torch.__future__
        overwrite = (
            future.get_overwrite_module_params_on_conversion()
            and not future.get_swap_module_params_on_conversion()
        )
        for name, parameter in self._parameters.items():
            if parameter is None:
                continue
            if overwrite:
                self._parameters[name] = _overwritten(parameter, fn)
            else:
                _replace_data(parameter, fn)
        for name, buffer in self._buffers.items():
            if is_lazy(buffer):
                buffer.data = fn(buffer.data)
            elif buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def apply(self, fn: Callable[[Any], None]) -> Any:
        """Call `fn(module)` for every module below and then for this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Move or cast in place: `to(device)`, `to(dtype)`, `to(device, dtype)`, `to(tensor)`.

        A dtype concerns only floating-point and complex tensors; one of another kind raises
        `TypeError`.
        """
        device, dtype = _parse_to(args, kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                f"dtype={dtype}"
            )
        if dtype is not None and dtype.is_complex:
            warnings.warn(
                "Complex modules: some layers might not work with complex parameters or buffers.",
                stacklevel=2,
            )

        def convert(tensor: torch.Tensor) -> torch.Tensor:
            cast = dtype is not None and (tensor.is_floating_point() or tensor.is_complex())
            if device is None:
                return tensor.to(dtype) if cast else tensor
            return tensor.to(device, dtype if cast else tensor.dtype)

        return self._apply(convert)

    def type(self, dst_type: Any) -> Any:
        """Cast every parameter and buffer, integer ones too, to `dst_type`."""
        return self._apply(lambda tensor: tensor.type(dst_type))

    def _cast_floats(self, dtype: Any) -> Any:
        return self._apply(lambda t: t.to(dtype) if t.is_floating_point() else t)

    def float(self) -> Any:
        """Cast floating-point parameters and buffers to float32."""
        return self._cast_floats(torch.float32)

    def double(self) -> Any:
        """Cast floating-point parameters and buffers to float64."""
        return self._cast_floats(torch.float64)

    def half(self) -> Any:
        """Cast floating-point parameters and buffers to float16."""
        return self._cast_floats(torch.float16)

    def bfloat16(self) -> Any:
        """Cast floating-point parameters and buffers to bfloat16."""
        return self._cast_floats(torch.bfloat16)

    def cpu(self) -> Any:
        """Move everything to the CPU."""
        return self._apply(lambda tensor: tensor.cpu())

    def cuda(self, device: Any = None) -> Any:
        """Move everything to a CUDA device."""
        return self._apply(lambda tensor: tensor.cuda(device))

    def to_empty(self, *, device: Any, recurse: bool = True) -> Any:
        """Move to `device` without the values, which are undefined then."""
        return self._apply(lambda tensor: torch.empty_like(tensor, device=device), recurse=recurse)

    def share_memory(self) -> Any:
        """Move everything to memory that other processes can map."""
        return self._apply(lambda tensor: tensor.share_memory_())


def _overwritten(parameter: Any, fn: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """A new parameter in the place of one that stays as it is."""
    with torch.no_grad():
        made = torch.nn.Parameter(fn(parameter.detach()), parameter.requires_grad)
        if parameter.grad is not None:
            made.grad = fn(parameter.grad.detach()).requires_grad_(parameter.grad.requires_grad)
    return made


def _replace_data(parameter: Any, fn: Callable[[torch.Tensor], torch.Tensor]) -> None:
    # Not the result of `fn(parameter)` itself: where nothing changes that is the parameter.
    with torch.no_grad():
        parameter.data = fn(parameter.data)
        grad = parameter.grad
        if grad is not None:
            requires_grad = grad.requires_grad
            # Set through None: a gradient may not differ from its parameter even for a moment.
            parameter.grad = None
            parameter.grad = fn(grad.detach()).requires_grad_(requires_grad)


def _parse_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """The device and dtype that the arguments of `to` ask for, None where they don't."""
    known = {"device", "dtype", "non_blocking", "copy", "memory_format", "tensor"}
    unknown = set(kwargs) - known
    if unknown or len(args) > 4:
        raise _invalid_to(args, kwargs)
    device, dtype = kwargs.get("device"), kwargs.get("dtype")
    other = kwargs.get("tensor")
    if args:
        first = args[0]
        if isinstance(first, torch.Tensor):
            other = first
        elif isinstance(first, torch.dtype):
            dtype = first
        elif first is None or isinstance(first, (str, builtins.int, torch.device)):
            device = first
            if len(args) > 1:
                dtype = args[1]
        else:
            raise _invalid_to(args, kwargs)
    if other is not None:
        device, dtype = other.device, other.dtype
    if dtype is not None and not isinstance(dtype, torch.dtype):
        raise _invalid_to(args, kwargs)
    if device is not None and not isinstance(device, torch.device):
        device = torch.device(device)
    return device, dtype


def _invalid_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> TypeError:
    given = [builtins.type(each).__name__ for each in args]
    given += [f"{name}={builtins.type(each).__name__}" for name, each in kwargs.items()]
    return TypeError(
        f"to() received an invalid combination of arguments - got ({', '.join(given)}), but "
        "expected a device and a dtype, a dtype, or a tensor: to('cpu', torch.float64), "
        "to(torch.float16), to(other)"
    )
