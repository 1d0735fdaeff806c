"""`x[...]` and `x[...] = y`: NumPy's forms, as views where they are, as rows where not."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..ops.table import call
from . import inplace
from .tensor import Tensor


def _is_sequence_index(index: Any) -> bool:
    return isinstance(index, (list, range)) or (
        isinstance(index, np.ndarray) and index.ndim > 0
    )


def _items(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)


def _as_index(item: Any) -> Any:
    """An index item as int, slice, None, Ellipsis, bool or an index tensor."""
    if item is None or item is Ellipsis or isinstance(item, (bool, int, slice)):
        return item
    if isinstance(item, Tensor):
        if item._aval.dtype.category == dtypes.INT:
            return int(item.item()) if item.ndim == 0 else item
        if item._aval.dtype is dtypes.bool_:
            return item
        raise IndexError(
            "tensors used as indices must be long, int, byte or bool tensors, "
            f"but got {item._aval.dtype}"
        )
    if isinstance(item, (list, range, np.ndarray, tuple)):
        array = np.asarray(item)
        if array.size == 0 and array.dtype.kind == "f":
            array = array.astype(np.int64)
        if array.dtype.kind not in "iub":
            raise IndexError(
                f"only integers, slices (`:`), ellipsis (`...`), None and long or bool tensors are "
                f"valid indices (got {type(item).__name__} of {array.dtype})"
            )
        if array.ndim == 0:
            return array.item()
        from .creation import wrap

        kind = array if array.dtype == bool else array.astype(np.int64)
        return wrap(np.ascontiguousarray(kind), dtypes.from_numpy(kind.dtype))
    if hasattr(item, "__index__"):
        return item.__index__()
    if isinstance(item, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(item).__name__}': it can't be an index")
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
        f"indices (got {type(item).__name__})"
    )


def _consumes(item: Any) -> int:
    """How many dimensions an item indexes."""
    if item is None or item is Ellipsis or isinstance(item, bool):
        return 0
    if isinstance(item, Tensor) and item._aval.dtype is dtypes.bool_:
        return item.ndim
    return 1


def _bound(value: Any) -> Any:
    if value is None or isinstance(value, int):
        return value
    if hasattr(value, "__index__"):
        return value.__index__()
    raise TypeError("slice indices must be integers or None or have an __index__ method")


def _apply_basic(x: Any, items: list[Any]) -> tuple[Any, list[Any]]:
    """Apply the view parts of an index. Returns the view, and for each of its dimensions an index
    tensor or None, where some were given."""
    used = sum(map(_consumes, items))
    if used > x.ndim:
        raise IndexError(f"too many indices for tensor of dimension {x.ndim}")
    if Ellipsis in [i for i in items if i is Ellipsis]:
        at = next(k for k, i in enumerate(items) if i is Ellipsis)
        fill = [slice(None)] * (x.ndim - used)
        items = [*items[:at], *fill, *(i for i in items[at + 1 :] if i is not Ellipsis)]
    dim = 0
    indices: list[Any] = []
    for item in items:
        if item is None:
            x = x.unsqueeze(dim)
            indices.append(None)
            dim += 1
        elif isinstance(item, bool):
            x = x.unsqueeze(dim)
            indices.append(call.tensor([0] if item else [], dtype=dtypes.int64))
            dim += 1
        elif isinstance(item, int):
            if not -x.shape[dim] <= item < x.shape[dim]:
                raise IndexError(
                    f"index {item} is out of bounds for dimension {dim} with size {x.shape[dim]}"
                )
            x = x.select(dim, item)
        elif isinstance(item, slice):
            start, stop, step = _bound(item.start), _bound(item.stop), _bound(item.step)
            if step is not None and step <= 0:
                raise ValueError("step must be greater than zero")
            if not (start is None and stop is None and step is None):
                x = call.slice(x, dim, start, stop, 1 if step is None else step)
            indices.append(None)
            dim += 1
        elif item._aval.dtype is dtypes.bool_:
            mask = item._array("a boolean index")
            for k, size in enumerate(mask.shape):
                if size != x.shape[dim + k]:
                    raise IndexError(
                        f"The shape of the mask {list(mask.shape)} at index {k} does not match the "
                        f"shape of the indexed tensor {list(x.shape)} at index {dim + k}"
                    )
            from .creation import wrap

            for part in np.nonzero(mask):
                indices.append(wrap(part.astype(np.int64), dtypes.int64))
                dim += 1
        else:
            indices.append(item)
            dim += 1
    return x, indices


def _resolve(x: Any, index: Any) -> tuple[Any, list[Any] | None]:
    items = [_as_index(i) for i in _items(index)]
    view, indices = _apply_basic(x, items)
    while indices and indices[-1] is None:
        indices.pop()
    if not any(i is not None for i in indices):
        return (view if view is not x else x._alias_view()), None
    return view, indices


def getitem(x: Any, index: Any) -> Any:
    """`x[index]`. Basic indices give views; integer and boolean tensors give copies."""
    if index.__class__ is int:
        return call.select(x, 0, index) if x.ndim else _scalar_index(x, index)
    view, indices = _resolve(x, index)
    if indices is None:
        return view
    return call.index(view, indices)


def _scalar_index(x: Any, index: int) -> Any:
    """Indexing a 0-d tensor: PyTorch 0.3's `loss.data[0]` still works on one element."""
    import warnings

    if index != 0:
        raise IndexError(
            f"invalid index {index} of a 0-dim tensor. Use `tensor.item()` to convert a 0-dim "
            "tensor to a number"
        )

    warnings.warn(
        "indexing a 0-d tensor (`loss.data[0]`) is PyTorch 0.3's form; write loss.item()",
        DeprecationWarning,
        stacklevel=4,
    )
    return x


def setitem(x: Any, index: Any, value: Any) -> None:
    """`x[index] = value`, with broadcasting."""
    if x.ndim == 0 and index.__class__ is int:
        view: Any = _scalar_index(x, index)
        indices = None
    else:
        view, indices = _resolve(x, index)
    if isinstance(value, Tensor):
        source = value
    elif isinstance(value, (bool, int, float, complex, np.generic)):
        source = None
    else:
        source = call.tensor(value, dtype=x.dtype if not hasattr(value, "dtype") else None)
    inplace.check_graph(x, "setitem")
    if indices is None:
        if source is None:
            inplace.check_target(view, "setitem")
            view.fill_(value)
        else:
            _copy_into(view, source)
        return
    if source is None:
        source = call.tensor(value, dtype=x.dtype)
    if source is not value or (source.numel() == 1 and _has_mask(index)):
        source = source.to(x.dtype)  # index_put_ itself refuses tensors of another dtype
    while source.ndim and source.shape[0] == 1:
        source = source.squeeze(0)
    view.index_put_(tuple(indices), source)


def _has_mask(index: Any) -> bool:
    return any(isinstance(i, Tensor) and i.dtype is dtypes.bool_ for i in map(_as_index, _items(index)))


def _copy_into(view: Any, source: Any) -> None:
    """Copy with NumPy's leniency: leading dimensions of size one of the source are dropped."""
    while source.ndim > view.ndim and source.shape[0] == 1:
        source = source.squeeze(0)
    view.copy_(source)
