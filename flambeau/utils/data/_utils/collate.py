"""From samples to a batch: ``default_collate`` and ``default_convert``."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

import flambeau as torch

CollateFn = Callable[..., Any]
CollateMap = dict[type | tuple[type, ...], CollateFn]

# dtype kinds without a tensor: byte strings, text and objects, which are left alone or refused;
# times and records, which the conversion itself refuses.
_NOT_NUMERIC = "SUO"


def default_convert(data: Any) -> Any:
    """Turns the NumPy arrays and scalars in ``data`` into tensors.

    Containers keep their type, except that a plain tuple becomes a list, as in PyTorch. Anything
    else is returned as it is. A DataLoader without automatic batching uses it as ``collate_fn``.
    """
    if isinstance(data, torch.Tensor):
        return data
    if isinstance(data, np.ndarray):
        return data if data.dtype.kind in _NOT_NUMERIC else torch.as_tensor(data)
    if isinstance(data, np.generic) and not isinstance(data, (np.str_, np.bytes_)):
        return torch.as_tensor(data)
    if isinstance(data, Mapping):
        return _rebuild_mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, tuple):
        converted = [default_convert(item) for item in data]
        return type(data)(*converted) if hasattr(data, "_fields") else converted
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _rebuild_sequence(data, [default_convert(item) for item in data])
    return data


def default_collate(batch: Sequence[Any]) -> Any:
    """Stacks a list of samples into one batch.

    Tensors, NumPy arrays and numbers become one tensor with a new first dimension: n samples of
    shape ``s`` give ``(n, *s)``; Python floats give float64, ints int64. Strings and bytes stay a
    list. Mappings, named tuples and sequences are collated member by member; a plain tuple
    becomes a list. Further types are added in ``default_collate_fn_map``.

    Raises:
        TypeError: samples of a type that can't be batched.
        RuntimeError: tensors of different shapes, or sequences of different lengths.
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def collate(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """``default_collate`` with a table of its own.

    Args:
        batch: samples, all of the first one's kind.
        collate_fn_map: type, or tuple of types, to ``f(batch, *, collate_fn_map)``. The exact type
            is looked for first, then the first entry that the sample is an instance of.
    """
    sample = batch[0]
    kind = type(sample)
    if collate_fn_map is not None:
        if kind in collate_fn_map:
            return collate_fn_map[kind](batch, collate_fn_map=collate_fn_map)
        for types, function in collate_fn_map.items():
            if isinstance(sample, types):
                return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(sample, Mapping):
        columns = {
            key: collate([row[key] for row in batch], collate_fn_map=collate_fn_map)
            for key in sample
        }
        return _rebuild_mapping(sample, columns)
    if isinstance(sample, tuple) and hasattr(sample, "_fields"):
        return kind(*_collate_columns(batch, collate_fn_map))
    if isinstance(sample, Sequence):
        columns_list = _collate_columns(batch, collate_fn_map)
        return columns_list if kind is tuple else _rebuild_sequence(sample, columns_list)
    raise _cannot_batch(kind.__qualname__)


def _collate_columns(batch: Any, collate_fn_map: CollateMap | None) -> list[Any]:
    lengths = set(map(len, batch))
    if len(lengths) > 1:
        raise RuntimeError(
            "default_collate: each sample of the batch must have the same number of elements, "
            f"but their lengths are {list(map(len, batch))}"
        )
    return [collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch, strict=True)]


def _rebuild_mapping(like: Any, items: dict[Any, Any]) -> Any:
    """A mapping of ``like``'s type; a plain dict where that type can't be made from ours."""
    try:
        if isinstance(like, MutableMapping):
            # A copy keeps what the type holds besides its items (a default factory, attributes).
            result = copy.copy(like)
            result.update(items)
            return result
        return type(like)(items)  # type: ignore[call-arg]
    except TypeError:
        return items


def _rebuild_sequence(like: Any, items: list[Any]) -> Any:
    """A sequence of ``like``'s type; a plain list where that can't be made (``range``)."""
    kind = type(like)
    if kind is list or isinstance(like, tuple):
        return items
    try:
        if isinstance(like, MutableSequence):
            result = copy.copy(like)
            for position, item in enumerate(items):
                result[position] = item
            return result
        return kind(items)
    except TypeError:
        return items


def _cannot_batch(what: object) -> TypeError:
    return TypeError(
        "default_collate: a batch can be made of tensors, numpy arrays, numbers, strings, dicts, "
        f"tuples and lists, but found {what}; give the DataLoader a collate_fn for it"
    )


def collate_tensor_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Tensors of one shape: ``torch.stack(batch)``."""
    rows = _as_rows(batch)
    return torch.stack(tuple(batch), 0) if rows is None else rows


def _as_rows(batch: Any) -> Any:
    """Samples that are all rows of one tensor are taken from it in one go; None for others.

    ``return self.images[i]`` is what many datasets do, and reading n views one by one is what
    would cost the most of making their batch.
    """
    tensor_type = torch.Tensor
    first = batch[0]
    base = first._base if type(first) is tensor_type else None
    if base is None or type(base) is not tensor_type or not base.is_contiguous():
        return None
    shape, dtype, start = first.shape, base.dtype, base.storage_offset()
    if base.dim() == 0 or shape != base.shape[1:] or not (size := first.numel()):
        return None
    rows = []
    for view in batch:
        if type(view) is not tensor_type or view.requires_grad or view._base is not base:
            return None
        if view.shape != shape or view.dtype is not dtype or not view.is_contiguous():
            return None
        row, rest = divmod(view.storage_offset() - start, size)
        if rest:
            return None
        rows.append(row)
    return base[torch.from_numpy(np.array(rows))]


def plain_tensors(tensors: Iterable[Any]) -> bool:
    """Whether all are just data: no subclass, nothing that autograd follows."""
    return all(type(t) is torch.Tensor and not t.requires_grad for t in tensors)


def _stack(arrays: Sequence[np.ndarray]) -> np.ndarray | None:
    """``np.stack`` without its cost per array; None where shapes or dtypes differ."""
    first = arrays[0]
    shape, dtype = first.shape, first.dtype
    for array in arrays:
        if array.shape != shape or array.dtype != dtype:
            return None
    if not shape:
        return np.array(arrays, dtype=dtype)
    return np.concatenate(arrays).reshape(len(arrays), *shape)


def collate_numpy_array_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """NumPy arrays of one shape: one tensor."""
    if batch[0].dtype.kind in _NOT_NUMERIC:
        raise _cannot_batch(f"a numpy array of dtype {batch[0].dtype}")
    stacked = None
    if all(isinstance(array, np.ndarray) for array in batch):
        # A table of the caller's own may treat tensors differently.
        if collate_fn_map is None or collate_fn_map.get(torch.Tensor) is collate_tensor_fn:
            stacked = _stack(batch)
    if stacked is not None:
        return torch.from_numpy(stacked)
    tensors = [torch.as_tensor(array) for array in batch]
    return collate(tensors, collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """NumPy numbers: one 1-d tensor of their dtype."""
    return torch.as_tensor(np.array(batch))


def collate_float_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Python floats: float64."""
    return torch.tensor(batch, dtype=torch.float64)


def collate_int_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Python ints (int64) and bools."""
    return torch.tensor(batch)


def collate_str_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Text and bytes stay as they are."""
    return batch


default_collate_fn_map: CollateMap = {
    torch.Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}
_USUAL = dict(default_collate_fn_map)


def is_usual() -> bool:
    """Whether the table is as the library has it."""
    return default_collate_fn_map == _USUAL
