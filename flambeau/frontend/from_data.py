"""Reads Python data: numbers, nested sequences, arrays, tensors among them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import MOST_DIMENSIONS
from ..core.dtypes import dtype
from ..errors import shown
from ..runtime.shortage import possible
from .tensor import Tensor

SCALARS = frozenset((bool, int, float, complex))
_WHOLE = frozenset((bool, int))
_EXPECTED = "expected numbers, nested sequences of numbers, arrays or tensors"


def read_data(data: Any, wanted: dtype | None = None) -> tuple[np.ndarray, dtype]:
    """Python data as an array, and the dtype that PyTorch infers for it.

    ValueError for ragged sequences and integers beyond 64 bits, TypeError and RuntimeError for
    what is no number. `wanted` is the dtype that was asked for, which decides whether the numbers
    fit: RuntimeError where they don't.
    """
    if isinstance(data, np.ndarray):
        return data, dtypes.from_numpy(data.dtype)
    if isinstance(data, np.generic):
        array, found = np.asarray(data), dtypes.from_numpy(data.dtype)
    elif type(data) in SCALARS:
        array, found = _array(data, wanted, type(data) is int), dtypes.of_scalar(type(data))
    elif is_sequence(data):
        kinds: set[Any] = set()
        odd = _collect(data, kinds)
        if odd is not None:
            raise _no_dtype(data, odd)
        plain = data if kinds.isdisjoint((Tensor, _OTHER)) else _as_lists(data)
        kinds.discard(_OTHER)
        array = _array(plain, wanted, bool(kinds) and kinds <= _WHOLE)
        found = _promoted(kinds - {Tensor})
    elif isinstance(data, (bool, int, float, complex)):  # a subclass of one
        return read_data(next(k for k in (bool, int, float, complex) if isinstance(data, k))(data), wanted)  # type: ignore[arg-type]
    elif hasattr(data, "__array__"):
        return read_data(np.asarray(data), wanted)
    else:
        raise _no_dtype(data, type(data).__name__)
    _check_fit(array, wanted)
    return array, found


def is_sequence(x: Any) -> bool:
    return isinstance(x, (list, tuple, range, bytearray, memoryview)) or (
        hasattr(x, "__len__")
        and hasattr(x, "__getitem__")
        and not isinstance(x, (str, bytes, dict, Tensor, np.ndarray, np.generic))
        and not hasattr(x, "__array__")
    )


_MANY = 1 << 24
_SEQUENCES = (list, tuple, range, bytearray)
_OTHER = object()
"""Among kinds: sequences of other types than these."""


def _items(data: Any) -> Any:
    """What is in a sequence. Of one of the user's, as many as its length says: its iteration need
    not end."""
    if isinstance(data, _SEQUENCES):
        return data
    return data.tolist() if isinstance(data, memoryview) else [data[i] for i in range(len(data))]


def _lengths(data: Any) -> list[int]:
    """The lengths of nested sequences by the first of each. ValueError where they nest too deep, and
    OutOfMemoryError where so many numbers can't be."""
    lengths: list[int] = []
    while is_sequence(data):
        if len(lengths) == MOST_DIMENSIONS:
            kind = type(data).__name__
            raise ValueError(f"too many dimensions '{kind}': {MOST_DIMENSIONS} at most")
        if isinstance(data, memoryview):
            lengths += data.shape or ()
            break
        lengths.append(len(data))
        if not lengths[-1]:
            break
        data = data[0]
    if math.prod(lengths) > _MANY:
        possible(math.prod(lengths), "tensor", lengths)
    return lengths + list(data.shape) if isinstance(data, np.ndarray) else lengths


def _collect(data: Any, kinds: set[Any]) -> str | None:
    """Add the types of the numbers in nested sequences to `kinds`: Python's types, dtypes, Tensor
    where one is among them and _OTHER where a sequence is of another type than Python's. Gives the
    name of a type that is no number's. ValueError and TypeError as for `_ragged`."""
    if type(data) in (list, tuple):
        here = set(map(type, data))
        if here <= SCALARS:
            kinds |= here
            return None
    return _collect_in(data, kinds, _lengths(data), 0)


def _collect_in(data: Any, kinds: set[Any], lengths: list[int], depth: int) -> str | None:
    """The same at a depth. No sequence is walked before its length is known to be right, so that the
    walk is no longer than the tensor is large."""
    if depth >= len(lengths):
        return _deeper(data, depth)
    if len(data) != lengths[depth]:
        raise _unequal(lengths[depth], depth, len(data))
    if not isinstance(data, _SEQUENCES):
        kinds.add(_OTHER)
        data = _items(data)
    here = set(map(type, data))
    if here <= SCALARS:
        kinds |= here
        return None
    for item in data:
        kind = type(item)
        if kind in SCALARS:
            kinds.add(kind)
        elif isinstance(item, Tensor):
            if item.numel() != 1:
                kind = TypeError if item.dtype.category < dtypes.FLOAT else ValueError
                raise kind(
                    "only one element tensors can be converted to Python scalars, not shape "
                    f"{list(item.shape)}: use torch.stack() to join tensors"
                )
            kinds.update((item.dtype, Tensor))
        elif isinstance(item, (np.generic, np.ndarray)) and item.dtype.kind in "biufc":
            kinds.add(dtypes.from_numpy(item.dtype))
        elif is_sequence(item):
            odd = _collect_in(item, kinds, lengths, depth + 1)
            if odd is not None:
                return odd
        else:
            return kind.__name__
    return None


def _promoted(kinds: set[Any]) -> dtype:
    """The dtype that holds all of these types."""
    found: dtype | None = None
    for kind in kinds:
        d = kind if isinstance(kind, dtype) else dtypes.of_scalar(kind)
        found = d if found is None else dtypes.promote(found, d)
    return found or dtypes.get_default()


def _as_lists(data: Any) -> Any:
    """Nested sequences as lists, with one-element tensors replaced by their numbers."""
    return [
        x.item() if isinstance(x, Tensor) else _as_lists(x) if is_sequence(x) else x
        for x in _items(data)
    ]


def _array(data: Any, wanted: dtype | None, whole: bool) -> np.ndarray:
    """The numbers as an array. `whole`: they are integers."""
    try:
        array = np.array(data)
    except ValueError as error:
        raise _ragged(data) from error
    large = array.dtype == object or array.dtype.kind == "u" and array.dtype.itemsize == 8
    if large or array.dtype.kind == "f" and whole:  # NumPy makes floats of what int64 can't hold
        if wanted is dtypes.uint64:
            return _unsigned(np.array(data, object))
        if wanted is not None and wanted.is_differentiable:
            return np.array(data, wanted.compute)
        raise ValueError("Overflow when unpacking long long: an integer is out of int64's range")
    return array


def _unsigned(numbers: np.ndarray) -> np.ndarray:
    """Integers beyond int64 as uint64; negative ones wrap."""
    for extreme in (numbers.min(), numbers.max()):
        dtypes.check_number(extreme, dtypes.uint64)
    return np.asarray(numbers % 2**64, np.uint64)


def _deeper(data: Any, depth: int) -> str | None:
    """What is wrong with a sequence where the first of its depth is a number: TypeError for that, or
    the name of the type that is no number's in it."""
    first = data[0] if len(data) else None
    if isinstance(first, (str, bytes)):
        return type(first).__name__
    raise TypeError(
        f"expected a number at depth {depth}, but got {type(data).__name__}: {_EXPECTED}"
    )


def _unequal(expected: int, depth: int, found: int) -> ValueError:
    return ValueError(f"expected sequence of length {expected} at dim {depth} (got {found})")


def _ragged(data: Any) -> Exception:
    """What is wrong with sequences of unequal length: the first that differs from those before."""
    lengths = []
    at = data
    while is_sequence(at) or isinstance(at, np.ndarray) and at.ndim:
        lengths.append(len(at))
        if not len(at):
            break
        at = at[0]

    def find(item: Any, depth: int) -> Exception | None:
        if depth == len(lengths):
            if is_sequence(item):
                return TypeError(
                    f"expected a number at depth {depth}, but got {type(item).__name__}: {_EXPECTED}"
                )
            return None
        if not (is_sequence(item) or isinstance(item, np.ndarray)):
            return TypeError(f"not a sequence: {shown(item)} beside sequences at depth {depth}")
        if len(item) != lengths[depth]:
            return _unequal(lengths[depth], depth, len(item))
        return next(filter(None, (find(x, depth + 1) for x in item)), None)

    return find(data, 0) or ValueError("expected sequences of equal length at every level")


def _no_dtype(data: Any, kind: str) -> Exception:
    """The error for data of a type that no dtype holds."""
    if kind in ("str", "bytes"):
        first = data
        while is_sequence(first) and len(first):
            first = first[0]
        if first is not data and isinstance(first, (str, bytes)):
            return ValueError(f"too many dimensions '{kind}': {_EXPECTED}")
        return TypeError(f"new(): invalid data type '{kind}': {_EXPECTED}")
    return RuntimeError(f"Could not infer dtype of {kind}: {_EXPECTED}")


def _check_fit(array: np.ndarray, wanted: dtype | None) -> None:
    """Whether the wanted dtype holds all the numbers."""
    if wanted is None or not array.size:
        return
    if array.dtype.kind == "c" and wanted.category < dtypes.COMPLEX:
        raise TypeError(f"must be real number, not complex, for a tensor of {wanted}")
    if wanted.category == dtypes.INT:
        for extreme in (array.min(), array.max()):
            dtypes.check_number(extreme.item(), wanted)
