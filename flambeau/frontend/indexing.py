"""`x[...]` and `x[...] = y`: NumPy's forms, as views where they are, as rows where not."""

from __future__ import annotations

import sys
import warnings
from typing import Any, NamedTuple

import numpy as np

from ..autograd.node import joined
from ..autograd.wrapped import Intercept
from ..core import device as devices
from ..core import dtypes
from ..errors import shape_text
from ..ops.indexing import need_mask_shape
from ..ops.table import call
from . import inplace
from .dispatch import inplace_function, placed
from .memory import stride
from .tensor import Tensor

_VALID = "only integers, slices (`:`), ellipsis (`...`), None and long or bool tensors"
_LIMIT = 4096
_LONG_LIST = 32
"""From here on a list is never taken for a tuple."""


class BackwardStep(int):
    """A negative step of a slice that is meant: PyTorch refuses those, the array API has them."""


class _Backwards(ValueError):
    """A slice with a negative step, where a view is needed."""


class Places(NamedTuple):
    """An index: the part of it that is a view, and the tensors that pick from the view."""

    view: Any
    tensors: list[Any]
    """For each dimension of the view an int64 tensor, a mask (for as many dimensions as it has,
    the others of them None), or None for all of it."""

    @property
    def picks(self) -> bool:
        return any(t is not None for t in self.tensors)


# --- what an index may be -----------------------------------------------------------------------


def _items(index: Any) -> tuple[Any, ...]:
    """The parts of an index. A list that holds a slice, None, a list or a tensor is taken for a
    tuple, as NumPy did once and PyTorch still does."""
    if index.__class__ is tuple:
        return index  # type: ignore[no-any-return]
    if isinstance(index, list) and len(index) < _LONG_LIST:
        if any(
            i is None or i is Ellipsis or isinstance(i, (slice, list, tuple, range, Tensor, np.ndarray))
            for i in index
        ):
            _warn(
                "Using a non-tuple sequence for multidimensional indexing is deprecated; use "
                "x[tuple(seq)] instead of x[seq], or x[torch.tensor(seq)] for a tensor of indices.",
                UserWarning,
            )
            return tuple(index)
    return index if isinstance(index, tuple) else (index,)


def _item(item: Any) -> Any:
    """A part of an index as int, slice, None, Ellipsis, bool, an integer tensor or a mask."""
    if item is None or item is Ellipsis or isinstance(item, (bool, slice)):
        return item
    if isinstance(item, Tensor):
        return _tensor_item(item)
    if isinstance(item, np.bool_):
        return bool(item)
    if hasattr(item, "__index__") and not isinstance(item, np.ndarray):
        return _whole(item)
    if isinstance(item, np.ndarray):
        return _array_item(item)
    if isinstance(item, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(item).__name__}': it can't be an index")
    if hasattr(item, "__len__") and hasattr(item, "__getitem__") and not isinstance(item, dict):
        if any(isinstance(i, (str, bytes)) for i in item):
            raise TypeError("new(): invalid data type 'str': an index must be numbers")
        array = np.asarray(call.tensor(list(item)).numpy())
        return _array_item(array if array.size else array.astype(np.int64))
    raise IndexError(f"{_VALID} are valid indices (got {type(item).__name__})")


def _whole(item: Any) -> int:
    number: int = item.__index__()
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"Overflow when unpacking long long: index {number}")
    return number


def _tensor_item(t: Tensor) -> Any:
    kind = t._aval.dtype
    if kind is dtypes.int64 or kind is dtypes.int32:
        return t if t._aval.ndim else int(t.item())
    if kind is dtypes.uint8:
        _warn_bytes()
        t = t.to(dtypes.bool_)
    elif kind is not dtypes.bool_:
        raise IndexError(
            f"tensors used as indices must be long, int, byte or bool tensors, but got {kind}"
        )
    return t if t._aval.ndim else bool(t.item())


def _array_item(array: np.ndarray) -> Any:
    """An array or list: a mask if it is bool (or uint8), else integers; floats are cut off."""
    from .creation import wrap

    if array.dtype == np.uint8:
        _warn_bytes()
        array = array != 0
    if array.dtype.kind not in "biuf":
        raise IndexError(f"{_VALID} are valid indices (got an array of {array.dtype})")
    if array.dtype.kind != "b":
        with np.errstate(invalid="ignore"):
            array = array.astype(np.int64)
    if not array.ndim:
        return array.item()
    return wrap(np.array(array, order="C"), dtypes.from_numpy(array.dtype), device=devices.CPU)


def _warn_bytes() -> None:
    _warn(
        "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.",
        UserWarning,
    )


def _warn(text: str, kind: type[Warning]) -> None:
    """Warn at the line of the user's that indexes."""
    depth, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("flambeau."):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(text, kind, stacklevel=depth)


def _consumed(item: Any) -> int:
    """How many dimensions an item indexes."""
    if item is None or item is Ellipsis or item is True or item is False:
        return 0
    if isinstance(item, Tensor) and item._aval.dtype is dtypes.bool_:
        return item._aval.ndim
    return 1


def _bound(value: Any) -> Any:
    if value is None:
        return value
    if value.__class__ is not int and hasattr(value, "__index__"):
        value = value.__index__()
    if value.__class__ is int:  # what is beyond 64 bits is cut down to them, as in Python
        return value if -sys.maxsize <= value <= sys.maxsize else max(-sys.maxsize, min(value, sys.maxsize))
    raise TypeError("slice indices must be integers or None or have an __index__ method")


# --- finding the place --------------------------------------------------------------------------


def _resolve(x: Any, index: Any, writes: bool = False) -> Places:
    """Apply what makes views, collect what picks. _Backwards where a slice is no view, and `writes`."""
    items = [_item(i) for i in _items(index)]
    used = sum(map(_consumed, items))
    if used > x.ndim:
        raise IndexError(
            f"too many indices for tensor of dimension {x.ndim} (shape {shape_text(x.shape)}, got "
            f"indices for {used})"
        )
    view, dim, true_dim = x, 0, 0
    tensors: list[Any] = []
    rest = x.ndim - used
    for item in items:
        if item is Ellipsis:
            tensors.extend([None] * rest)
            dim, true_dim, rest = dim + rest, true_dim + rest, 0
        elif item is None or item is True or item is False:
            view = view.unsqueeze(dim)
            tensors.append(None if item is None else _bool_index(item))
            dim += 1
        elif item.__class__ is int:
            view = _select(view, dim, item, true_dim)
            true_dim += 1
        elif item.__class__ is slice:
            view = _slice(view, dim, item, writes=writes)
            tensors.append(None)
            dim, true_dim = dim + 1, true_dim + 1
        else:
            n = 1
            if item._aval.dtype is dtypes.bool_:
                n = item._aval.ndim
                need_mask_shape(item._aval.shape, view._aval.shape, dim)
            tensors.extend([item, *[None] * (n - 1)])
            dim, true_dim = dim + n, true_dim + n
    return Places(view, tensors)


def _select(view: Any, dim: int, index: int, true_dim: int) -> Any:
    size = view._aval.shape[dim]
    if not -size <= index < size:
        raise IndexError(
            f"index {index} is out of bounds for dimension {true_dim} with size {size}"
        )
    return call.select(view, dim, index)


def _slice(view: Any, dim: int, s: slice, always: bool = False, writes: bool = False) -> Any:
    start, stop, step = _bound(s.start), _bound(s.stop), _bound(s.step)
    if step is None:
        step = 1
    elif step == 0:
        raise ValueError("slice step cannot be zero")
    elif step < 0:
        if s.step.__class__ is not BackwardStep:
            raise ValueError(f"step must be greater than zero, got {step}: use flip() to reverse")
        if writes:
            raise _Backwards
        return _backwards(view, dim, start, stop, step)
    size = view._aval.shape[dim]
    if not always and step == 1 and not start and (stop is None or stop >= size):
        return view
    return call.slice(view, dim, start, stop, step)


def _backwards(view: Any, dim: int, start: Any, stop: Any, step: int) -> Any:
    """A slice with a negative step: the same elements in rising order, turned round. A copy, since
    strides are never negative."""
    places = range(*slice(start, stop, step).indices(view._aval.shape[dim]))
    first, last = (places[-1], places[0] + 1) if places else (0, 0)
    return call.flip(call.slice(view, dim, first, last, -step), (dim,))


def _bool_index(value: bool) -> Any:
    """A bool adds a dimension and takes all of it, or nothing."""
    return call.tensor([0] if value else [], dtype=dtypes.int64)


def _integers(tensors: list[Any]) -> list[Any]:
    """Masks as the integer tensors of the places where they are true. Of a mask on a GPU only how many
    these are is looked at."""
    from .creation import wrap

    out = list(tensors)
    for i, t in enumerate(tensors):
        if t is not None and t._aval.dtype is dtypes.bool_:
            if t._aval.device is devices.CPU:
                parts = np.nonzero(t._array("a mask is an index"))
                found = [wrap(p.copy(), dtypes.int64, device=devices.CPU) for p in parts]
            else:
                found = list(call.nonzero(t, as_tuple=True))
            out[i : i + len(found)] = found
    return out


def _beside(tensors: list[Any], x: Any) -> list[Any]:
    """Indices on the device of what they index: those on the CPU are copied there.

    Raises:
        RuntimeError: they are on another GPU.
    """
    where = x._aval.device
    if not devices.others or all([t is None or t._aval.device is where for t in tensors]):
        return tensors
    found = [t for t in tensors if t is not None and t._aval.device not in (where, devices.CPU)]
    if found:
        raise RuntimeError(
            "indices should be either on cpu or on the same device as the indexed tensor "
            f"({where}), got {found[0]._aval.device}"
        )
    return [t if t is None else t.to(where) for t in tensors]


# --- reading and writing ------------------------------------------------------------------------


def getitem(x: Any, index: Any) -> Any:
    """`x[index]`. Basic indices give views; integer and boolean tensors give copies."""
    kind = index.__class__
    if kind is int or kind is slice:
        part = _part(x, index)
        if part is not None:
            return part
    if kind is int and -(2**63) <= index < 2**63:
        return _select(x, 0, index, 0) if x._aval.ndim else _old_scalar(x, index)
    if kind is slice and x._aval.ndim:
        return _slice(x, 0, index, always=True)
    places = _resolve(x, index)
    if places.picks:
        listed = _integers(places.tensors)
        listed = _beside(listed, x)
        positions = tuple(i for i, t in enumerate(listed) if t is not None)
        return call.index_at(places.view, [listed[i] for i in positions], positions)
    return places.view if places.view is not x else x._alias_view()


_Rows = tuple[Any, tuple[int, ...], int, bool]
"""What is the same for all parts of one kind of tensor: their aval, their strides, how far one is
from the next, and whether the first is the whole storage."""

_rows: dict[tuple[Any, ...], _Rows] = {}


def _part(x: Any, index: Any) -> Any:
    """`x[i]` and `x[i:j]` outside of graphs, without asking the row: a data set is indexed by ever
    new numbers, for each of which the row's rule would run. None where the row has to be asked."""
    if x._rg or x._count is not None or x._origin is not None or not x._aval.ndim:
        return None
    root = x._view
    if root is not None and joined(x):
        return None
    size = x._aval.shape[0]
    length = -1
    if index.__class__ is slice:
        if index.step is not None and index.step != 1:
            return None
        if not (index.start.__class__ in _PLAIN and index.stop.__class__ in _PLAIN):
            return None
        index, end, _ = index.indices(size)
        length = end - index
        if length <= 0:
            return None
    elif not -size <= index < size:
        return None
    elif index < 0:
        index += size
    key = (x._aval, x._strides, x._storage.aval, length)
    try:
        rows = _rows.get(key)
    except Intercept:
        return None
    if rows is None:
        rows = _rows_of(x, key, length)
    t: Any = object.__new__(Tensor)
    t._storage = storage = x._storage
    t._aval, t._strides, step, first = rows
    t._offset = offset = x._offset + index * step
    t._plain = first and not offset
    t._view = x if root is None else root
    t._seen = storage.version
    return t


_PLAIN = (int, type(None))


def _rows_of(x: Any, key: tuple[Any, ...], length: int) -> _Rows:
    strides = stride(x)
    shape = tuple(x._aval.shape)
    layout: Any = (shape[1:], strides[1:], 0)
    if length >= 0:
        layout = ((length, *shape[1:]), strides, 0)
    aval, out_strides, _, first = placed(x._aval, layout, x._storage.aval)
    if len(_rows) >= _LIMIT:
        _rows.clear()
    found = _rows[key] = (aval, out_strides, strides[0], first)
    return found


def _old_scalar(x: Any, index: int) -> Any:
    """Indexing a 0-d tensor: PyTorch 0.3's `loss.data[0]` still works on one element."""
    if index != 0:
        raise IndexError(
            f"invalid index {index} of a 0-dim tensor. Use `tensor.item()` to convert a 0-dim "
            "tensor to a number"
        )
    _warn(
        "indexing a 0-d tensor (`loss.data[0]`) is PyTorch 0.3's form; write loss.item()",
        DeprecationWarning,
    )
    return x


def setitem(x: Any, index: Any, value: Any) -> None:
    """`x[index] = value`, with broadcasting. The value is a tensor, a number, or what makes one:
    an array or nested lists."""
    value = _value(x, value)
    if index is False:
        return
    inplace.check_graph(x, "setitem")
    if x._aval.ndim == 0 and index.__class__ is int:
        places = Places(_old_scalar(x, index), [])
    else:
        try:
            places = _resolve(x, index, writes=True)
        except _Backwards:
            places = _resolve(x, _element_places(x, index))
            value = value.to(x.dtype) if isinstance(value, Tensor) else value  # as a slice takes it
    if places.picks:
        _put(places, value)
    elif isinstance(value, Tensor):
        places.view.copy_(_without_leading_ones(value, places.view._aval.ndim))
    else:
        inplace.check_target(places.view, "setitem")
        places.view.fill_(value)


def _element_places(x: Any, index: Any) -> tuple[Any, ...]:
    """An index as one tensor of places for each dimension."""
    shape = tuple(x._aval.shape)
    rest = getitem(call.arange(x._aval.numel, device=x._aval.device).reshape(shape), index)
    places = []
    for size in reversed(shape):
        places.append(rest % size if size else rest)
        rest = rest // size if size else rest
    return tuple(reversed(places))


def _value(x: Any, value: Any) -> Any:
    """What is assigned: a tensor, or a number that x's dtype holds."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.generic):
        value = value.item()
    elif hasattr(value, "__torch_scalar__"):
        value = value.__torch_scalar__()
    if isinstance(value, (bool, int, float, complex)):
        dtypes.check_number(value, x.dtype)
        real = isinstance(value, complex) and x.dtype.category in (dtypes.INT, dtypes.FLOAT)
        return value.real if real else value  # type: ignore[union-attr]
    if isinstance(value, (list, tuple, range, np.ndarray)):
        return call.tensor(value, device=x.device).to(x.dtype)
    raise TypeError(
        f"can't assign a {type(value).__name__} to a torch.{x.dtype.legacy}Tensor: a tensor, a "
        "number, an array or lists of numbers would fit"
    )


def _without_leading_ones(source: Any, ndim: int = 0) -> Any:
    """NumPy's leniency: a value may have more dimensions in front, of size one."""
    shape = source._aval.shape
    extra = 0
    while len(shape) - extra > ndim and shape[extra] == 1:
        extra += 1
    return source.reshape(shape[extra:]) if extra else source


def _put(places: Places, value: Any) -> None:
    view, tensors = places.view, places.tensors
    given = [t for t in tensors if t is not None]
    one = not isinstance(value, Tensor) or value._aval.numel == 1
    if one and len(given) == 1 and given[0]._aval.dtype is dtypes.bool_:
        # A mask and one value: no place has to be known, so nothing has to run now.
        if isinstance(value, Tensor):
            value = value.reshape(()).to(view.dtype)
        mask = _lined_up(_beside(given, view)[0], tensors, view._aval.ndim)
        inplace_function("index_put_mask")(view, mask, value)
        return
    if not isinstance(value, Tensor):
        value = call.tensor(value, dtype=view.dtype, device=view.device)
    listed = _beside(_integers(tensors), view)
    positions = tuple(i for i, t in enumerate(listed) if t is not None)
    inplace_function("index_put_at")(
        view, _without_leading_ones(value), [listed[i] for i in positions], positions
    )


def _lined_up(mask: Any, tensors: list[Any], ndim: int) -> Any:
    """A mask with dimensions of size one for those behind it."""
    first = next(i for i, t in enumerate(tensors) if t is not None)
    behind = ndim - first - mask._aval.ndim
    return mask.reshape((*mask.shape, *[1] * behind)) if behind else mask
