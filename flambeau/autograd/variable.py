"""`Variable`: PyTorch 0.3's name for a tensor in the graph. Today every tensor is one."""

from __future__ import annotations

import warnings
from typing import Any

from ..frontend.tensor import Tensor
from .node import VOLATILE


class _VariableMeta(type):
    def __instancecheck__(cls, obj: Any) -> bool:
        return isinstance(obj, Tensor)


class Variable(metaclass=_VariableMeta):
    """`Variable(tensor, requires_grad=False, volatile=False)`: the tensor itself, in the graph.

    `volatile=True` keeps every operation on it, and on its results, from building a graph.
    """

    def __new__(
        cls, data: Any = None, requires_grad: bool | None = None, volatile: bool | None = None
    ) -> Any:
        if data is None:
            from ..ops.table import call

            data = call.empty((0,))
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        if requires_grad and volatile:
            raise ValueError("Variable can't be volatile and require_grad at the same time!")
        t = data._alias()
        t._count = None
        if volatile:
            warnings.warn(
                "volatile=True was removed from PyTorch; write `with torch.no_grad():` around the "
                "computation instead",
                DeprecationWarning,
                stacklevel=2,
            )
            t._rg = VOLATILE
        elif requires_grad:
            t.requires_grad = True
        return t
