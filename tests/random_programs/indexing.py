"""The oracle's gathers and scatters, indexing and assignment, and the methods of its tensors.

All of them read or write a list of flat positions, which NumPy works out from an array that holds
every element's own position.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.random_programs import layout
from tests.random_programs.operations import cumsum, matmul, pointwise, reduction, softmax
from tests.random_programs.rows import POINTWISE, REDUCTIONS
from tests.random_programs.tape import Undefined
from tests.random_programs.tensor import (
    Link,
    Tensor,
    admit,
    attach,
    check_write,
    fresh,
    needs_graph,
    save,
    write,
)
from tests.random_programs.views import (
    chunk,
    clone,
    contiguous,
    diagonal,
    expand,
    flatten,
    narrow,
    permute,
    reshape,
    select,
    split,
    squeeze,
    t_,
    to,
    transpose,
    true_dim,
    unbind,
    unfold,
    unsqueeze,
    view,
)

Index = Any


def take(t: Tensor, positions: np.ndarray) -> Tensor:
    """The elements at flat positions. PyTorch saves the indices, so a graph runs once."""
    values, slots = t.array.reshape(-1)[positions], t.slots.reshape(-1)[positions]
    result = fresh(values)
    result.loose = sum(size > 1 for size in result.shape) > 1
    return attach(result, [Link(t, slots, None, 1.0)], saves=True)


def put(
    t: Tensor, positions: np.ndarray, source: Any, accumulate: bool = False, graph: bool = True
) -> Tensor:
    """Write to flat positions; `source` is a tensor or a number that broadcasts to them."""
    sources = [source] if isinstance(source, Tensor) else []
    check_write(t, sources, detected=False)
    if not accumulate and np.unique(positions).size != positions.size:
        raise Undefined("two writes to one place")
    values = source.array if isinstance(source, Tensor) else np.asarray(source)
    values = np.broadcast_to(admit(values, t.dtype), positions.shape)
    flat = t.array.reshape(-1).copy()
    if accumulate:
        if t.dtype.kind == "b":
            raise Undefined("accumulation of bool")
        np.add.at(flat, positions, values)
    else:
        flat[positions] = values
    links = []
    if sources and sources[0].requires_grad:
        inputs = np.broadcast_to(sources[0].slots, positions.shape)
        links.append(Link(sources[0], inputs, positions, 1.0))
    if accumulate and t.requires_grad:
        links.append(Link(t, t.slots.copy(), None, 1.0))
    written = np.zeros(t.numel(), dtype=bool)
    written[positions] = True
    mask = None if accumulate else written.reshape(t.shape)
    # A sum passes gradients on without the indices: PyTorch keeps them, one need not.
    saves = None if accumulate and not any(s.requires_grad for s in sources) else True
    return write(t, flat.reshape(t.shape), links, saves=saves, written=mask)


def _places(t: Tensor) -> np.ndarray:
    return np.arange(t.numel()).reshape(t.shape)


def _check_index(index: Tensor, size: int) -> np.ndarray:
    if index.dtype.kind != "i":
        raise Undefined("an index of another dtype")
    if np.any((index.array < 0) | (index.array >= size)):
        raise Undefined("an index out of range")
    return index.array


def index_select(t: Tensor, dim: int, index: Tensor) -> Tensor:
    dim = true_dim(t, dim)
    if not t.shape or index.ndim > 1:
        raise Undefined("index_select of a number")
    where = _check_index(index, t.shape[dim]).reshape(-1)
    return take(t, np.take(_places(t), where, dim))


def _along(t: Tensor, dim: int, index: Tensor) -> np.ndarray:
    dim = layout.wrap_dim(dim, t.ndim)
    if index.dtype != np.int64 or t.ndim != index.ndim:
        raise Undefined("an index of another dtype or number of dimensions")
    if any(a > b for d, (a, b) in enumerate(zip(index.shape, t.shape, strict=True)) if d != dim):
        raise Undefined("an index larger than the tensor")
    if not t.shape:
        return np.zeros((), dtype=np.int64)
    where = _check_index(index, t.shape[dim])
    grid: list[np.ndarray] = list(np.indices(where.shape, sparse=True))
    grid[dim] = where
    return _places(t)[tuple(grid)]


def gather(t: Tensor, dim: int, index: Tensor) -> Tensor:
    result = take(t, _along(t, dim, index))
    if result.family.node is not None:
        result.family.node.saved = (save(t, strict=False), save(index, strict=False))
    return result


def scatter_(t: Tensor, dim: int, index: Tensor, source: Any, accumulate: bool = False) -> Tensor:
    if isinstance(source, Tensor):
        if source.shape != index.shape or source.dtype != t.dtype:
            raise Undefined("scatter of a source of another shape or dtype")
    check_write(t, [index], detected=False)
    return put(t, _along(t, dim, index), source, accumulate)


def scatter_add_(t: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    return scatter_(t, dim, index, source, accumulate=True)


def index_add_(t: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    return _index_write(t, dim, index, source, accumulate=True)


def index_copy_(t: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    return _index_write(t, dim, index, source, accumulate=False)


def _index_write(t: Tensor, dim: int, index: Tensor, source: Tensor, accumulate: bool) -> Tensor:
    dim = layout.wrap_dim(dim, t.ndim)
    if not t.shape or index.ndim != 1 or index.dtype != np.int64:
        raise Undefined("an index write to a number")
    where = np.take(_places(t), _check_index(index, t.shape[dim]), dim)
    if source.dtype != t.dtype:
        raise RuntimeError("oracle: the source's dtype differs")
    if where.shape != source.shape:
        raise Undefined("a source of another shape")
    check_write(t, [index], detected=False)
    return put(t, where, source, accumulate)


def masked_fill_(t: Tensor, mask: Tensor, value: Any) -> Tensor:
    if mask.dtype.kind != "b":
        raise RuntimeError("oracle: the mask must be bool")
    if layout.broadcast(t.shape, mask.shape) != t.shape:
        raise RuntimeError("oracle: the mask is larger than the tensor")
    check_write(t, [mask], detected=False)
    marked = np.broadcast_to(mask.array, t.shape)
    return put(t, _places(t)[marked], value)


def masked_fill(t: Tensor, mask: Tensor, value: Any) -> Tensor:
    if mask.dtype.kind != "b":
        raise RuntimeError("oracle: the mask must be bool")
    shape = layout.broadcast(t.shape, mask.shape)
    marked = np.broadcast_to(mask.array, shape)
    values = np.where(marked, admit(value, t.dtype), t.array)
    link = Link(t, np.broadcast_to(t.slots, shape), None, ~marked)
    return attach(fresh(values, [t, mask]), [link], saves=True)


# Indexing


def _basic(t: Tensor, index: Index, hidden: bool) -> tuple[Tensor, list[Tensor | None]]:
    """The view that the ints, slices, None and Ellipsis of an index make, and its tensors by the
    view's dimension. As in PyTorch, ints select before tensors gather."""
    items = list(index) if isinstance(index, tuple) else [index]
    used = sum(
        item.ndim if isinstance(item, Tensor) and item.dtype.kind == "b" else 1
        for item in items
        if item is not None and item is not Ellipsis
    )
    if used > t.ndim:
        raise IndexError(f"oracle: too many indices for {t.ndim} dimensions")
    if not any(item is Ellipsis for item in items):
        items.append(Ellipsis)
    shape: list[int] = []
    strides: list[int] = []
    offset = t.offset
    tensors: list[Tensor | None] = []
    dim = 0
    for item in items:
        if item is None:
            shape, strides, tensors = [*shape, 1], [*strides, 1], [*tensors, None]
            continue
        if item is Ellipsis:
            count = t.ndim - used
        elif isinstance(item, Tensor):
            count = item.ndim if item.dtype.kind == "b" else 1
        else:
            count = 1
        sizes, steps = t.shape[dim : dim + count], t.strides[dim : dim + count]
        dim += count
        if item is Ellipsis:
            shape, strides, tensors = [*shape, *sizes], [*strides, *steps], tensors + [None] * count
        elif isinstance(item, Tensor):
            shape, strides = [*shape, *sizes], [*strides, *steps]
            tensors += [item] + [None] * (count - 1)
        elif isinstance(item, slice):
            if item.step is not None and item.step <= 0:
                raise ValueError("oracle: step must be greater than zero")
            start, stop, step = item.indices(sizes[0])
            offset += start * steps[0] if stop > start else 0
            shape.append(max(-(-(stop - start) // step), 0))
            strides.append(steps[0] * step)
            tensors.append(None)
        else:
            if not -sizes[0] <= item < sizes[0]:
                raise IndexError(f"oracle: index {item} is out of bounds")
            offset += item % sizes[0] * steps[0]
    return t._view(shape, strides, offset, hidden=hidden), tensors


def _advanced(t: Tensor, tensors: list[Tensor | None]) -> np.ndarray:
    """Flat positions in a view of what its index tensors pick."""
    index: list[Any] = []
    skip = 0
    for dim, item in enumerate(tensors):
        if skip:
            skip -= 1
        elif item is None:
            index.append(slice(None))
        elif item.dtype.kind == "b":
            masked = t.shape[dim : dim + item.ndim]
            if item.shape != masked:
                raise IndexError(f"oracle: the mask {item.shape} doesn't match {masked}")
            index.append(item.array)
            skip = item.ndim - 1
        elif item.dtype.kind in "iu" and item.dtype != np.uint8:
            size = t.shape[dim]
            if np.any((item.array < -size) | (item.array >= size)):
                raise IndexError(f"oracle: an index is out of bounds for size {size}")
            index.append(item.array)
        else:
            raise IndexError(f"oracle: tensors of {item.dtype} can't index")
    try:
        return _places(t)[tuple(index)]
    except IndexError as problem:
        raise IndexError("oracle: the index tensors don't broadcast") from problem


def getitem(t: Tensor, index: Index) -> Tensor:
    tensors = [i for i in (index if isinstance(index, tuple) else (index,)) if type(i) is Tensor]
    if any(not item.shape for item in tensors):
        raise Undefined("an index tensor without dimensions")
    seen, where = _basic(t, index, hidden=bool(tensors))
    if tensors:
        return take(seen, _advanced(seen, where))
    seen.origin = (t, index)
    return seen


def setitem(t: Tensor, index: Index, value: Any) -> None:
    tensors = [i for i in (index if isinstance(index, tuple) else (index,)) if type(i) is Tensor]
    if any(not item.shape for item in tensors):
        raise Undefined("an index tensor without dimensions")
    seen, where = _basic(t, index, hidden=True)
    seen.restricted = t.restricted
    if not tensors:
        # An index that takes everything may be left out, and then nothing is saved.
        saves = None if (seen.shape, seen.strides) == (t.shape, t.strides) else False
        if isinstance(value, Tensor):
            again = value.origin is not None and value.origin[0] is t and value.origin[1] == index
            copy_(seen, value if again else _fit(value, seen.shape), saves, check=not again)
        else:
            check_write(seen, [])
            write(seen, value, saves=saves)
        return
    positions = _advanced(seen, where)
    if isinstance(value, Tensor):
        if value.dtype != t.dtype:
            if tensors[0].dtype.kind == "b":
                raise Undefined("a mask and a value of another dtype")
            raise RuntimeError("oracle: the value's dtype differs")
        check_write(seen, [value], detected=False)
        value = _fit(value, positions.shape)
    check_write(seen, tensors, detected=False)
    put(seen, positions, value)


def _fit(value: Tensor, shape: layout.Shape) -> Tensor:
    """Leading dimensions of size 1 are dropped from what is assigned, the rest broadcasts."""
    extra = value.ndim - len(shape)
    if extra > 0 and all(size == 1 for size in value.shape[:extra]):
        value = value._view(value.shape[extra:], value.strides[extra:], hidden=True)
    return value if value.shape == shape else expand(value, *shape, hidden=True)


def index_put_(
    t: Tensor, indices: tuple[Tensor, ...], value: Tensor, accumulate: bool = False
) -> Tensor:
    seen, where = _basic(t, indices, hidden=True)
    positions = _advanced(seen, where)
    if value.dtype != t.dtype:
        raise RuntimeError("oracle: index_put_ of another dtype")
    if value.ndim > positions.ndim:
        raise Undefined("index_put_ of more dimensions")
    check_write(t, indices, detected=False)
    layout.expand_strides(value.shape, value.strides, positions.shape)
    return put(t, positions, value, accumulate)


# Writes


def copy_(t: Tensor, source: Tensor, saves: bool | None = False, check: bool = True) -> Tensor:
    if layout.broadcast(t.shape, source.shape) != t.shape or source.ndim > t.ndim:
        raise RuntimeError(f"oracle: can't copy {source.shape} to {t.shape}")
    if source.storage is t.storage and layout.is_repeated(t.shape, t.strides):
        raise Undefined("a copy onto itself, which PyTorch leaves out")
    if check:
        check_write(t, [source])
    links = []
    if source.requires_grad:
        links.append(Link(source, np.broadcast_to(source.slots, t.shape).copy(), None, 1.0))
    return write(t, source.array.copy(), links, saves=saves)


def fill_(t: Tensor, value: Any) -> Tensor:
    where = t.addresses()
    if needs_graph([t]) and np.unique(where).size < where.size:
        raise Undefined("a derivative that PyTorch lacks")
    return write(t, value)


def zero_(t: Tensor) -> Tensor:
    return fill_(t, 0)


def extreme(name: str, t: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """`max(dim)` and `min(dim)`: values and indices, of the first where several are equal."""
    indices = reduction("arg" + name, t, dim, keepdim)
    where = indices if keepdim or not t.shape else unsqueeze(indices, dim)
    values = gather(t, dim, where)
    if values.family.node is not None:
        values.family.node.saved = (save(indices, strict=False),)
    result = values if keepdim or not t.shape else squeeze_fresh(values, dim)
    result.loose = indices.loose = not t.is_contiguous()
    return result, indices


def squeeze_fresh(t: Tensor, dim: int) -> Tensor:
    """Drop a dimension of size 1 from a result that nobody has seen yet."""
    dim = layout.wrap_dim(dim, t.ndim)
    t.shape = t.shape[:dim] + t.shape[dim + 1 :]
    t.strides = layout.contiguous_strides(t.shape)
    return t


# The methods of `Tensor`


def _method(name: str, **fixed: Any) -> Callable[..., Tensor]:
    def method(self: Tensor, *operands: Any) -> Tensor:
        return pointwise(name, self, *operands, **fixed)

    return method


def _install() -> None:
    for name in POINTWISE:
        setattr(Tensor, name, _method(name))
        setattr(Tensor, name + "_", _method(name, inplace=True))
    for name in REDUCTIONS:
        setattr(
            Tensor,
            name,
            lambda self, dim=None, keepdim=False, name=name: reduction(name, self, dim, keepdim),
        )
    for name in ("max", "min"):
        setattr(Tensor, name, lambda self, dim, name=name: extreme(name, self, dim))
    for function in METHODS:
        setattr(Tensor, function.__name__, function)
    for symbol, name in OPERATORS.items():
        setattr(Tensor, f"__{symbol}__", _method(name))
        if symbol in REFLECTED:
            setattr(Tensor, f"__r{symbol}__", lambda a, b, name=name: pointwise(name, b, a))
            setattr(Tensor, f"__i{symbol}__", _method(name, inplace=True))
    special: dict[str, Any] = {
        "t": t_,
        "__matmul__": matmul,
        "__getitem__": getitem,
        "__setitem__": setitem,
    }
    for name, method in special.items():
        setattr(Tensor, name, method)


METHODS = (
    select, narrow, permute, transpose, unsqueeze, squeeze, expand, view, reshape, flatten,
    diagonal, unfold, split, chunk, unbind, clone, contiguous, to, cumsum, softmax, matmul,
    gather, index_select, scatter_, scatter_add_, index_add_, index_copy_, masked_fill_,
    masked_fill, index_put_, copy_, fill_, zero_,
)  # fmt: skip
REFLECTED = ("add", "sub", "mul", "truediv")
OPERATORS = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "pow": "pow", "neg": "neg",
    "eq": "eq", "ne": "ne", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge",
    "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor", "invert": "bitwise_not",
    "mod": "remainder", "floordiv": "floor_divide",
}  # fmt: skip
_install()
