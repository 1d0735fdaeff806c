"""The globals that hold no code: Python's own containers, and NumPy's arrays and scalars."""

from __future__ import annotations

import math
import re
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from pickle import UnpicklingError
from typing import Any

import numpy as np

from flambeau.errors import brief
from flambeau.serialization.pickle_reader import Known

_DTYPE = re.compile(
    r"[<>=|]?(b1|\?|i[1248]|u[1248]|f[248]|c8|c16|[bBhHiIlLqQefdFD]|[SU][1-9]\d{0,6})"
)
_DIMENSIONS = 64  # NumPy's limit
_FACTORIES = (list, dict, set, tuple, int, float, str, bool, OrderedDict)


def _plain(kind: type, *accepted: type) -> Callable[..., Any]:
    """A constructor of `kind` from nothing or from one argument of the accepted types."""

    def construct(*args: Any) -> Any:
        if len(args) > 1 or (args and type(args[0]) not in accepted):
            raise UnpicklingError(f"{kind.__name__} can't be made from what the file gives it")
        return kind(*args)

    return construct


def _complex(real: float = 0.0, imag: float = 0.0) -> complex:
    return complex(float(real), float(imag))


def _bytearray(*args: Any) -> bytearray:
    if args and isinstance(args[0], str):
        return bytearray(_encode(*args))
    made: bytearray = _plain(bytearray, bytes, bytearray)(*args)
    return made


def _encode(text: str, encoding: str = "utf-8", *_errors: str) -> bytes:
    """`_codecs.encode`, with which protocols 0 to 2 write bytes."""
    if type(text) is not str or encoding not in ("latin1", "latin-1", "utf-8", "ascii"):
        raise UnpicklingError("bytes are written as text in an encoding that nobody uses")
    return text.encode(encoding)


def _ordered_dict(items: Any = ()) -> OrderedDict[Any, Any]:
    if isinstance(items, dict):
        return OrderedDict(dict.items(items))
    if type(items) not in (list, tuple) or any(not _is_pair(pair) for pair in items):
        raise UnpicklingError(f"a dict of {brief(items)}, which are no pairs")
    return OrderedDict(items)


def _is_pair(pair: Any) -> bool:
    return type(pair) in (list, tuple) and len(pair) == 2


def _keys(args: tuple[Any, ...]) -> Iterator[Any]:
    """What the items of the constructors' arguments make keys or members."""
    for items in args:
        if isinstance(items, dict):
            yield from dict.keys(items)
        elif type(items) in (list, tuple):
            for item in items:
                yield item[0] if _is_pair(item) else item


def _members(args: tuple[Any, ...]) -> Iterator[Any]:
    for items in args:
        if type(items) in (list, tuple):
            yield from items


def _slice(*args: Any) -> slice:
    # Of whole numbers only: slices of slices are freed by a recursion without a guard.
    if not 1 <= len(args) <= 3 or any(n is not None and type(n) is not int for n in args):
        raise UnpicklingError(f"a slice of {brief(args)}")
    return slice(*args)


def _range(*args: Any) -> range:
    if not 1 <= len(args) <= 3 or any(type(n) is not int or abs(n) >= 2**63 for n in args):
        raise UnpicklingError(f"a range of {brief(args)}")
    return range(*args)


def _default_dict(factory: Any = None, items: Any = ()) -> defaultdict[Any, Any]:
    if factory is not None and not any(factory is allowed for allowed in _FACTORIES):
        raise UnpicklingError("a defaultdict whose factory is not a plain type")
    return defaultdict(factory, _ordered_dict(items))


def set_attributes(target: Any, state: Any) -> None:
    """Set the attributes a file may set: new ones that hide nothing (`_metadata` and so on)."""
    if type(state) is not dict:
        raise UnpicklingError(f"the state of {type(target).__name__} is not a dict")
    for name, value in state.items():
        private = type(name) is not str or name.startswith("__")
        if private or hasattr(type(target), name) or name in target.__dict__:
            raise UnpicklingError(f"the file sets {brief(name)} of {type(target).__name__}")
        target.__dict__[name] = value


# --------------------------------------------------------------------- NumPy


def _as_bytes(data: Any) -> bytes:
    if isinstance(data, (bytes, bytearray)):
        return bytes(data)
    if isinstance(data, str):
        return data.encode("latin1")
    raise UnpicklingError(f"an array's data are {type(data).__name__}, not bytes")


def _as_text(text: Any) -> str:
    if type(text) is bytes:
        return text.decode("ascii")
    if type(text) is not str:
        raise UnpicklingError(f"{brief(text)} where a dtype's code or byte order should be")
    return text


def _dtype(code: Any, *_align_and_copy: Any) -> np.dtype[Any]:
    text = _as_text(code)
    if not _DTYPE.fullmatch(text):
        raise UnpicklingError(
            f"an array of dtype {text[:40]!r}: only numbers, truth values and strings are read"
        )
    # A copy, since BUILD sets the byte order in place and NumPy's own dtypes are shared.
    return np.dtype(text, False, True)


def _set_dtype_state(dtype: np.dtype[Any], state: Any) -> None:
    if type(state) is not tuple or len(state) < 8 or any(state[i] is not None for i in (3, 4)):
        raise UnpicklingError("a dtype with fields: only plain dtypes are read")
    order, size = _as_text(state[1]), state[5]
    if (
        order not in ("<", ">", "=", "|")
        or state[2] is not None
        or size not in (-1, dtype.itemsize)
    ):
        raise UnpicklingError("a dtype whose state does not belong to it")
    flexible = dtype.kind in "SU"
    sizes = (dtype.itemsize, dtype.alignment) if flexible else (-1, -1)
    dtype.__setstate__((3, order, None, None, None, *sizes, 0))  # type: ignore[attr-defined]


def _reconstruct(kind: Any, _shape: Any = (0,), _code: Any = b"b") -> np.ndarray[Any, Any]:
    if kind is not np.ndarray:
        raise UnpicklingError("an array of a class other than numpy.ndarray")
    return np.empty(0, np.int8)


def _checked_shape(shape: Any, dtype: Any, data: bytes) -> tuple[int, ...]:
    if not isinstance(dtype, np.dtype) or dtype.hasobject:
        raise UnpicklingError("an array without a plain dtype")
    if type(shape) is int:
        shape = (shape,)
    if type(shape) is not tuple or len(shape) > _DIMENSIONS:
        raise UnpicklingError(f"{brief(shape)} is no shape")
    if any(type(n) is not int or not 0 <= n < 2**63 for n in shape):
        raise UnpicklingError(f"{brief(shape)} is no shape")
    if math.prod(shape) * dtype.itemsize != len(data):
        raise UnpicklingError(
            f"an array of shape {brief(shape)} and dtype {dtype} does not take {len(data)} bytes"
        )
    return shape


def _set_array_state(array: np.ndarray[Any, Any], state: Any) -> None:
    if array.shape != (0,) or array.dtype != np.int8:
        raise UnpicklingError("the file sets the state of an array that is complete")
    shape, dtype, fortran, data = state[-4:]
    raw = _as_bytes(data)
    shape = _checked_shape(shape, dtype, raw)
    # NumPy keeps a large bytes object as the array's memory: give it one that is nobody else's.
    own = bytes(bytearray(raw)) if raw is data else raw
    whole: Any = (1, shape, dtype, bool(fortran), own)
    array.__setstate__(whole)


def _from_buffer(data: Any, dtype: Any, shape: Any, order: str = "C") -> np.ndarray[Any, Any]:
    raw = bytearray(_as_bytes(data))
    shape = _checked_shape(shape, dtype, bytes(raw))
    flat = np.frombuffer(raw, dtype) if raw else np.empty(0, dtype)
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _scalar(dtype: Any, data: Any) -> Any:
    raw = _as_bytes(data)
    _checked_shape((), dtype, raw)
    return np.frombuffer(raw, dtype)[0]


def _constructor(
    value: Any,
    construct: Callable[..., Any] | None = None,
    keys: Callable[[tuple[Any, ...]], Iterator[Any]] | None = None,
) -> Known:
    return Known(value, construct or value, keys=keys)


def _numpy_globals() -> dict[str, Known]:
    table = {"numpy.ndarray": Known(np.ndarray), "numpy.dtype": _constructor(np.dtype, _dtype)}
    for core in ("numpy.core", "numpy._core"):
        table[f"{core}.multiarray._reconstruct"] = _constructor(_reconstruct)
        table[f"{core}.multiarray.scalar"] = _constructor(_scalar)
        table[f"{core}.numeric._frombuffer"] = _constructor(_from_buffer)
    for code in "?bBhHiIlLqQefdFD":
        name = type(np.dtype(code)).__name__  # numpy.dtypes.Float32DType and so on
        table[f"numpy.dtypes.{name}"] = Known(type(np.dtype(code)))
    return table


PLAIN_GLOBALS: dict[str, Known] = {
    "collections.OrderedDict": _constructor(OrderedDict, _ordered_dict, _keys),
    "collections.defaultdict": _constructor(defaultdict, _default_dict, _keys),
    "collections.Counter": _constructor(Counter, _plain(Counter, dict), _keys),
    "builtins.set": _constructor(set, _plain(set, list, tuple), _members),
    "builtins.frozenset": _constructor(frozenset, _plain(frozenset, list, tuple), _members),
    "builtins.list": _constructor(list, _plain(list, list, tuple)),
    "builtins.tuple": _constructor(tuple, _plain(tuple, list, tuple)),
    "builtins.dict": _constructor(dict, _plain(dict)),
    "builtins.bytes": _constructor(bytes, _plain(bytes)),
    "builtins.bytearray": _constructor(bytearray, _bytearray),
    "builtins.complex": _constructor(complex, _complex),
    "builtins.slice": _constructor(slice, _slice),
    "builtins.range": _constructor(range, _range),
    **{f"builtins.{kind.__name__}": Known(kind) for kind in (int, float, str, bool, object)},
    "_codecs.encode": _constructor(_encode),
    **_numpy_globals(),
}
"""What every reader knows, by `"module.name"`."""

PLAIN_BUILDERS: dict[type, Callable[[Any, Any], None]] = {
    OrderedDict: set_attributes,
    np.ndarray: _set_array_state,
    **{type(np.dtype(code)): _set_dtype_state for code in "?bBhHiIlLqQefdFDSU"},
}
