"""Python's operators on tensors: `a + b`, `2 - a`, `a += b`, `a < b`, `~a`.

A row says which operator it is (`operator`) and what its reflected form computes (`reflected`).
A refusal lets Python ask the other operand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core import dtypes
from ..ops.table import Row, call, table
from . import dispatch

COMPARISONS = frozenset(("eq", "ne", "lt", "le", "gt", "ge"))
"""Operators that Python reflects by itself, and that have no in-place form."""

UNARY = frozenset(("neg", "abs"))


def install(cls: Any) -> None:
    """Give the class a method for each operator of the rows."""
    from .tensor import RowMethod

    for name, row in table.items():
        if not row.operator:
            continue
        method = f"__{row.operator}__"
        if row.operator in UNARY:
            setattr(cls, method, RowMethod(method, dispatch.function, name))
            continue
        setattr(cls, method, RowMethod(method, _forward, name))
        if row.operator not in COMPARISONS:
            setattr(cls, f"__r{row.operator}__", _reflected(cls, row))
            setattr(cls, f"__i{row.operator}__", _in_place(cls, row))
    cls.__rdiv__ = cls.__rtruediv__  # Python 2's name
    cls.__invert__ = _inverted
    cls.__pos__ = _same


def _same(self: Any) -> Any:
    return self


def _inverted(self: Any) -> Any:
    if self._aval.dtype.category > dtypes.INT:
        raise TypeError(
            "~ (operator.invert) is only implemented on integer and Boolean-type tensors, "
            f"not on {self._aval.dtype}"
        )
    return call.bitwise_not(self)


def _forward(name: str) -> Callable[..., Any]:
    row = table[name]
    if row.body is None:
        return dispatch.make(row, dunder=True)
    body = dispatch.function(name)

    def refuse(self: Any, other: Any) -> Any:
        if not (hasattr(other, "_aval") or dispatch.is_operand(other)):
            return NotImplemented
        return body(self, other)

    return refuse


def _reflected(cls: Any, row: Row) -> Callable[..., Any]:
    def reflected(self: Any, other: Any) -> Any:
        if not (dispatch.is_operand(other) or isinstance(other, cls)):
            return NotImplemented
        if row.reflected is not None:
            return row.reflected(self, other)
        return dispatch.function(row.name)(other, self)

    return reflected


def _in_place(cls: Any, row: Row) -> Callable[..., Any]:
    def changed(self: Any, other: Any) -> Any:
        if not (isinstance(other, cls) or dispatch.is_operand(other)):
            return NotImplemented
        if "i" not in row.forms.lower():  # as for `@=`: the name is bound to the result
            return getattr(self, f"__{row.operator}__")(other)
        return dispatch.inplace_function(row.name)(self, other)

    return changed

