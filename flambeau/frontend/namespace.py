"""The functions of the `torch` namespace that are no rows, and how rows become its functions."""

from __future__ import annotations

import operator
from typing import Any

from ..core import dtypes
from ..engine.flush import flush as _run_pending
from ..graph.trace import state
from ..ops.table import clear_memos, table
from . import dispatch
from .tensor import Tensor


class layout:
    """How a tensor's elements are stored."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"torch.{self._name}"


strided = layout("strided")
sparse_coo = layout("sparse_coo")


class memory_format:
    """An order of dimensions in memory. flambeau's results are always row-major."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"torch.{self._name}"


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")


def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj: Any) -> bool:
    from .storages import TypedStorage, UntypedStorage

    return isinstance(obj, (TypedStorage, UntypedStorage))


def is_floating_point(input: Tensor) -> bool:
    return input.is_floating_point()


def is_complex(input: Tensor) -> bool:
    return input.is_complex()


def is_nonzero(input: Tensor) -> bool:
    return bool(input)


def is_signed(input: Tensor) -> bool:
    return input.is_signed()


def is_inference(input: Tensor) -> bool:
    return input.is_inference()


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape."""
    return input.shape == other.shape


def detach(input: Tensor) -> Tensor:
    """The same memory, out of the graph."""
    return input.detach()


def detach_(input: Tensor) -> Tensor:
    """Take the tensor itself out of the graph."""
    return input.detach_()  # type: ignore[no-any-return]


def as_strided_(
    input: Tensor, size: Any, stride: Any, storage_offset: int | None = None
) -> Tensor:
    """Let the tensor itself show its storage in another layout, in elements."""
    return input.as_strided_(size, stride, storage_offset)  # type: ignore[attr-defined,no-any-return]


def get_device(input: Tensor) -> int:
    """The GPU's number; -1 for a tensor on the CPU."""
    return input.get_device()


def resize_as_(input: Tensor, the_template: Tensor) -> Tensor:
    """Give `input` the shape of another tensor; see `Tensor.resize_`."""
    return input.resize_as_(the_template)  # type: ignore[no-any-return]


def numel(input: Tensor) -> int:
    """How many elements `input` has."""
    return input.numel()


def get_default_dtype() -> dtypes.dtype:
    """The dtype of new floating tensors."""
    return dtypes.get_default()


def set_default_dtype(d: dtypes.dtype) -> None:
    """Set the dtype of new floating tensors."""
    dtypes.set_default(d)
    clear_memos()


def set_default_tensor_type(t: Any) -> None:
    """The old form of set_default_dtype."""
    from .legacy import type_of

    set_default_dtype(type_of(t)[-1])


def promote_types(type1: dtypes.dtype, type2: dtypes.dtype) -> dtypes.dtype:
    return dtypes.promote(_dtype("promote_types", type1), _dtype("promote_types", type2))


def _dtype(name: str, x: Any) -> dtypes.dtype:
    if isinstance(x, dtypes.dtype):
        return x
    raise TypeError(f"{name}(): expected torch.dtype, not {type(x).__name__}")


def result_type(
    *arrays_and_dtypes: Any, tensor1: Any = None, tensor2: Any = None
) -> dtypes.dtype:
    """The dtype that arithmetic between two tensors or numbers gives. Of dtypes, and of more or
    fewer than two, the array API standard's: see `flambeau.array_api.result_type`."""
    given = (*arrays_and_dtypes, *(x for x in (tensor1, tensor2) if x is not None))
    if len(given) == 2 and not any(isinstance(x, dtypes.dtype) for x in given):
        from ..ops.rules import common_dtype

        return common_dtype(tuple(x._aval if isinstance(x, Tensor) else type(x) for x in given))
    from importlib import import_module

    return import_module("flambeau.array_api.dtypes").result_type(*given)  # type: ignore[no-any-return]


def can_cast(from_: Any, to: dtypes.dtype) -> bool:
    """Whether a dtype (or a tensor's) goes into another one without leaving its kind."""
    source = from_.dtype if isinstance(from_, Tensor) else from_
    return dtypes.can_cast(_dtype("can_cast", source), _dtype("can_cast", to))


def broadcast_shapes(*shapes: Any) -> Any:
    """The shape that all of the shapes broadcast to."""
    from ..core.layout import broadcast
    from ..core.size import Size

    sizes = [(s,) if isinstance(s, int) else tuple(map(operator.index, s)) for s in shapes]
    return Size(broadcast(*sizes))


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """The tensors expanded to their common shape; those that have it already are returned."""
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    for i, t in enumerate(given):
        if not isinstance(t, Tensor):
            raise TypeError(
                f"broadcast_tensors(): expected Tensor as element {i}, but got {type(t).__name__}"
            )
    shape = broadcast_shapes(*[t.shape for t in given])
    return tuple(t if t.shape == shape else t.expand(shape) for t in given)


def flush() -> None:
    """Run what is recorded (the end of an iteration: each is then a program of its own)."""
    if state.nodes:
        _run_pending("an iteration ended")


def row_function(name: str, where: str = "") -> Any:
    """The function of a row in a namespace; AttributeError if there is none."""
    found = _index().get((where, name))
    if found is None:
        raise AttributeError(name)
    row, inplace = found
    return dispatch.inplace_function(row) if inplace else dispatch.function(row)


_functions: dict[tuple[str, str], tuple[str, bool]] = {}


_rows = 0
"""How many rows the index is of: a program may add some."""


def _index() -> dict[tuple[str, str], tuple[str, bool]]:
    global _rows
    if _rows != len(table):
        _rows = len(table)
        _functions.clear()
        for name, row in table.items():
            for known in (name, *row.alias):
                space, dot, short = known.rpartition(".")
                place = (space, short) if dot else (row.where, known)
                if "f" in row.forms:
                    _functions[place] = (name, False)
                if not dot and ("I" in row.forms or ("i" in row.forms and "f" in row.forms)):
                    _functions[row.where, known + "_"] = (name, True)
    return _functions


def row_names(where: str = "") -> list[str]:
    """Names of the functions that rows give a namespace."""
    return [name for space, name in _index() if space == where]


class Namespace:
    """Functions of rows as attributes: `torch._nn.gelu`."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __getattr__(self, name: str) -> Any:
        found = row_function(name, self._where)
        setattr(self, name, found)
        return found

    def __dir__(self) -> list[str]:
        return row_names(self._where)
