"""`Parameter` and `Buffer`: the two kinds of tensor that a module keeps for itself."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import flambeau as torch

__all__ = ["Buffer", "Parameter"]


class Parameter(torch.Tensor):
    """A tensor that becomes one of a module's parameters when it is assigned to an attribute.

    Shares memory with `data` and is a leaf of the graph. Without `data` it is an empty tensor.

    Raises `RuntimeError` if `requires_grad` is asked of an integer or boolean tensor.
    """

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
        state = dict(getattr(self, "__dict__", ()))
        arguments: tuple[Any, ...] = (self.detach(), self.requires_grad, OrderedDict())
        if not state:
            return _rebuild_parameter, arguments
        return _rebuild_parameter_with_state, (*arguments, state)


class Buffer(torch.Tensor):
    """A tensor that becomes one of a module's buffers when it is assigned to an attribute.

    `persistent=False` leaves it out of `state_dict()`.
    """

    persistent: bool

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
