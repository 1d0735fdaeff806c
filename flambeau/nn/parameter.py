"""`Parameter` and `Buffer`: the two kinds of tensor that a module keeps for itself."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import flambeau as torch
from flambeau.frontend.overriding import disabled

_disabled = staticmethod(disabled)

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy"]


class Parameter(torch.Tensor):
    """A tensor that becomes one of a module's parameters when it is assigned to an attribute.

    Shares memory with `data` and is a leaf of the graph. Without `data` it is an empty tensor.

    Raises `RuntimeError` if `requires_grad` is asked of an integer or boolean tensor.
    """

    __torch_function__ = _disabled  # an ordinary tensor to all functions

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            data = torch.empty(0)
        elif not isinstance(data, torch.Tensor):
            # PyTorch raises the same type here, from the missing attribute itself.
            raise AttributeError(
                f"Parameter() takes a tensor, got {type(data).__name__}: "
                "write Parameter(torch.tensor(...))"
            )
        return torch.Tensor._make_subclass(cls, data, requires_grad)

    def __repr__(self) -> str:  # type: ignore[override]
        return "Parameter containing:\n" + torch.Tensor.__repr__(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        known = memo.get(id(self))
        if known is not None:
            return known
        result = type(self)(self.detach().clone(), self.requires_grad)
        memo[id(self)] = result
        return result

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        state = self._own_attributes()
        arguments: tuple[Any, ...] = (self.detach(), self.requires_grad, OrderedDict())
        if not state:
            return _rebuild_parameter, arguments
        return _rebuild_parameter_with_state, (*arguments, state)


class Buffer(torch.Tensor):
    """A tensor that becomes one of a module's buffers when it is assigned to an attribute.

    `persistent=False` leaves it out of `state_dict()`.
    """

    persistent: bool
    __torch_function__ = _disabled

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Buffer:
        if data is None:
            data = torch.empty(0)
        buffer = torch.Tensor._make_subclass(cls, data, data.requires_grad)
        buffer.persistent = persistent
        return buffer

    def __init__(self, data: Any = None, *, persistent: bool = True) -> None:
        """Everything happens in `__new__`; this takes the same arguments."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Buffer:
        known = memo.get(id(self))
        if known is not None:
            return known
        result = type(self)(self.detach().clone(), persistent=self.persistent)
        memo[id(self)] = result
        return result

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _rebuild_buffer, (self.detach(), self.persistent)


class _Uninitialized:
    """A tensor of a lazy module that has no shape yet; `materialize` gives it one."""

    _becomes: type

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary parameter or buffer of this shape, not filled."""
        tensor: Any = self
        known = tensor.data.dtype if dtype is None else dtype
        where = tensor.data.device if device is None else device
        tensor.data = torch.empty(shape, dtype=known, device=where)
        tensor.__class__ = self._becomes

    def _refuse(self) -> Any:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer: call the lazy module "
            "once with an input (a dry run) before you look at its parameters' shapes"
        )

    @property
    def shape(self) -> Any:
        return self._refuse()

    def size(self, dim: int | None = None) -> Any:
        return self._refuse()

    def numel(self) -> Any:
        return self._refuse()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            tensor: Any = self
            data = tensor.data
            memo[id(self)] = type(self)(tensor.requires_grad, data.device, data.dtype)  # type: ignore[call-arg]
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        tensor: Any = self
        return type(self), (tensor.requires_grad, tensor.data.device, tensor.data.dtype)


class UninitializedParameter(_Uninitialized, Parameter):  # type: ignore[misc]
    """A parameter of a lazy module that has no shape yet."""

    _becomes = Parameter

    def __new__(
        cls, requires_grad: bool = True, device: Any = None, dtype: Any = None
    ) -> UninitializedParameter:
        data = torch.empty(0, device=device, dtype=dtype)
        return torch.Tensor._make_subclass(cls, data, requires_grad)


class UninitializedBuffer(_Uninitialized, torch.Tensor):  # type: ignore[misc]
    """A buffer of a lazy module that has no shape yet."""

    _becomes = torch.Tensor

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None
    ) -> UninitializedBuffer:
        data = torch.empty(0, device=device, dtype=dtype)
        return torch.Tensor._make_subclass(cls, data, requires_grad)


def is_lazy(param: Any) -> bool:
    """Whether a parameter or buffer has no shape yet."""
    return isinstance(param, _Uninitialized)


def _rebuild_parameter(data: torch.Tensor, requires_grad: bool, hooks: Any) -> Parameter:
    """Unpickle a parameter; `hooks` is always empty and kept for PyTorch's layout."""
    return Parameter(data, requires_grad)


def _rebuild_parameter_with_state(
    data: torch.Tensor, requires_grad: bool, hooks: Any, state: dict[str, Any]
) -> Parameter:
    """Unpickle a parameter that carries attributes of the user's own."""
    parameter = Parameter(data, requires_grad)
    parameter.__dict__.update(state)
    return parameter


def _rebuild_buffer(data: torch.Tensor, persistent: bool) -> Buffer:
    return Buffer(data, persistent=persistent)
