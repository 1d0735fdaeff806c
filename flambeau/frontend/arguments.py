"""Conversion and checking of arguments, off the hot path: what PyTorch accepts and refuses."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..autograd.wrapped import Intercept
from ..core import dtypes
from ..core.aval import MOST_DIMENSIONS, Aval
from ..core.dtypes import dtype
from ..errors import users_line
from ..ops import signature
from ..ops.table import Row
from .overriding import Overriding, overrides

_PY_DTYPES = {float: dtypes.float32, int: dtypes.int64, bool: dtypes.bool_}


def _bad(row: Row, name: str, wanted: str, got: Any) -> Exception:
    if hasattr(type(got), "__torch_function__") and overrides(got):
        return Overriding()
    args = signature.parse(row.schema).arguments
    position = next((i for i, a in enumerate(args) if a.name == name), 0)
    return TypeError(
        f"{row.name}(): argument '{name}' (position {position + 1}) must be {wanted}, "
        f"not {type(got).__name__} (signature: {row.schema})"
    )


LEAST, MOST = -(1 << 63), (1 << 64) - 1
"""The whole numbers that a number given at run time may be."""
_INT64 = (1 << 63) - 1


def too_big(row: Row, name: str) -> None:
    """A number that no dtype has."""
    raise OverflowError(
        f"{row.called}(): argument '{name}': int too big to convert, numbers are from -2**63 to 2**64 - 1"
    )


class TensorItems(Intercept):
    """A tuple of integers holds tensors of one: the call is made again with the numbers."""

    def __init__(self) -> None:
        super().__init__(None)

    def __str__(self) -> str:
        return "a tensor stands among the integers of a tuple"


def check_params(row: Row, called: str, operands: Any) -> None:
    """What is looked at only where an operation's parameters are new: refuse numbers beyond 64 bits
    (ValueError for a number, TypeError within a tuple) and tuples of something else than integers.
    TensorItems for tensors among them."""
    params = signature.parse(row.schema).params
    for a, x in zip(reversed(params), reversed(operands)):
        if x.__class__ is int and not LEAST <= x <= _INT64:
            raise ValueError(f"{called}(): Overflow when unpacking long long: {x}")
        if x.__class__ is tuple:
            for position, item in enumerate(x, 1):
                _check_item(called, a.name, a.type.startswith("int"), position, item)
            if a.type.startswith("int") and any(hasattr(item, "_aval") for item in x):
                raise TensorItems


def check_complex(row: Row, called: str, operands: Any, result: Any) -> None:
    """Refuse a complex number beside operands whose result is real."""
    if complex in operands and isinstance(result, Aval) and not result.dtype.is_complex:
        for a, kind in zip(signature.parse(row.schema).inputs, operands):
            if a.type == "Scalar" and kind is complex:
                raise RuntimeError(
                    f"{called}(): argument '{a.name}': value cannot be converted to type "
                    f"{result.dtype} without overflow: it is complex"
                )


def _check_item(called: str, name: str, whole: bool, position: int, item: Any) -> None:
    """Refuse an item of a tuple that is beyond 64 bits or, where they are to be `whole` numbers, none."""
    if whole:
        try:
            item = operator.index(None if item.__class__ is bool else item)  # type: ignore[arg-type]
        except (TypeError, ValueError, RuntimeError):
            raise TypeError(
                f"{called}(): argument '{name}' must be tuple of ints, but found element of type "
                f"{type(item).__name__} at pos {position}"
            ) from None
    if item.__class__ is int and not LEAST <= item <= _INT64:
        raise TypeError(
            f"{called}(): argument '{name}' failed to unpack the number at pos {position}: "
            f"Overflow when unpacking long long: {item}"
        )


def need_tensor(row: Row, name: str, x: Any) -> Any:
    """A required tensor, if it is none."""
    if isinstance(getattr(x, "_aval", None), Aval):
        return x
    raise _bad(row, name, "Tensor", x)


def need_operand(row: Row, name: str, x: Any) -> tuple[Any, Any]:
    """A tensor or a number: returns it and its aval or type."""
    if isinstance(x, (bool, int, float, complex)):
        kind: Any = bool if isinstance(x, bool) else next(
            k for k in (int, float, complex) if isinstance(x, k)
        )
        return (x if x.__class__ is kind else kind(x)), kind
    if isinstance(x, np.generic):
        return need_operand(row, name, x.item())
    if isinstance(x, np.ndarray):
        from .creation import from_numpy

        t = from_numpy(x)
        return t, t._aval
    if hasattr(x, "__torch_scalar__"):
        return need_operand(row, name, x.__torch_scalar__())
    raise _bad(row, name, "Tensor or number", x)


def need_scalar(row: Row, name: str, x: Any) -> Any:
    """A number that is given at run time."""
    if isinstance(x, (bool, int, float, complex)):
        return x
    if isinstance(x, (np.number, np.bool_)):
        return x.item()
    if isinstance(getattr(x, "_aval", None), Aval) and x._aval.numel == 1:
        return x.item()
    raise _bad(row, name, "Number", x)


def old_order(row: Row, *given: Any) -> tuple[Any, ...]:
    """PyTorch 0.3's add(input, alpha, other): what comes behind input, the multiplier first."""
    _warn_old(row, f"(input, {row.multiplier}, ...)", f"(input, ..., {row.multiplier}=...)")
    return (need_scalar(row, row.multiplier, given[0]), *given[1:])


def oldest_order(row: Row, given: tuple[Any, ...], second: Any) -> tuple[Any, ...]:
    """PyTorch 0.3's addmm(beta, input, alpha, mat1, mat2), and what its method left out: the
    tensors, then both multipliers. The second one may be missing."""
    tensors = [x for x in given if isinstance(getattr(x, "_aval", None), Aval)]
    numbers = [x for x in given if x.__class__ in _NUMBER_CLASSES]
    if len(tensors) != 3 or len(tensors) + len(numbers) != len(given) or len(numbers) > 2:
        raise TypeError(
            f"{row.name}() takes 3 positional arguments but {len(given)} were given "
            f"(signature: {row.schema})"
        )
    beta, alpha = row.multiplier.split()
    _warn_old(row, f"({beta}, input, {alpha}, ...)", f"(input, ..., {beta}=..., {alpha}=...)")
    return (*tensors, numbers[0], numbers[1] if len(numbers) == 2 else second)


_NUMBER_CLASSES = (int, float, bool, complex)


def _warn_old(row: Row, old: str, new: str) -> None:
    import warnings

    warnings.warn(
        f"{row.name}{old} is PyTorch 0.3's order of arguments; write {row.name}{new}",
        DeprecationWarning,
        stacklevel=users_line(),
    )


def need_list(row: Row, name: str, x: Any) -> Any:
    """A list of tensors from what was given for one."""
    if isinstance(getattr(x, "_aval", None), Aval) or isinstance(x, (str, bytes, dict)):
        raise _bad(row, name, "tuple of Tensors", x)
    try:
        items = list(x)
    except TypeError:
        raise _bad(row, name, "tuple of Tensors", x) from None
    return items


def check_list(row: Row, name: str, items: Any) -> None:
    """Say which element of a list is no tensor."""
    for i, item in enumerate(items):
        if not isinstance(getattr(item, "_aval", None), Aval):
            if overrides(item):
                raise Overriding
            raise TypeError(
                f"{row.name}(): expected Tensor as element {i} in argument '{name}', "
                f"but got {type(item).__name__}"
            )


def to_int(row: Row, name: str, x: Any) -> int:
    """An integer argument; floats and strings are refused, as PyTorch does."""
    if isinstance(x, bool) and row.name not in ("full",):
        return int(x)
    try:
        return operator.index(x)
    except TypeError:
        pass
    raise _bad(row, name, "int", x)


def to_index(row: Row, name: str, x: Any) -> int:
    """An integer, or a 0-d tensor that holds one."""
    if hasattr(x, "_aval") and (x.ndim or x.dtype.category != dtypes.INT):
        raise RuntimeError(
            f"{row.name}(): {name} must be an 0-dim integral Tensor, got one of shape "
            f"{list(x.shape)} and dtype {x.dtype}"
        )
    return to_int(row, name, x)


_INT = {int}


def to_ints(row: Row, name: str, x: Any) -> tuple[int, ...]:
    """A tuple of ints, from one int or any sequence of them."""
    if isinstance(x, (tuple, list)) and not {v.__class__ for v in x} - _INT:
        return tuple(x)
    try:
        return (operator.index(x),)
    except TypeError:
        pass
    except (RuntimeError, ValueError):
        raise _bad(row, name, "tuple of ints", x) from None
    several = hasattr(x, "_aval") and (x.ndim != 1 or x.numel() > MOST_DIMENSIONS)
    if several or isinstance(x, (str, bytes, dict)) or not hasattr(x, "__iter__"):
        raise _bad(row, name, "tuple of ints", x)
    out = []
    for i, item in enumerate(x):
        try:
            out.append(operator.index(item))
        except TypeError:
            raise TypeError(
                f"{row.name}(): argument '{name}' must be tuple of ints, but found element of "
                f"type {type(item).__name__} at pos {i}"
            ) from None
    return tuple(out)


def only_ints(row: Row, name: str, x: tuple[Any, ...]) -> tuple[int, ...]:
    """A tuple in which something is not exactly an int, as ints. Truth values are none."""
    for position, item in enumerate(x, 1):
        _check_item(row.called, name, True, position, item)
    return tuple([operator.index(v) for v in x])


def from_varargs(row: Row, name: str, given: tuple[Any, ...], keyword: Any) -> tuple[int, ...]:
    """`view(2, 3)`, `view((2, 3))` and `view(size=(2, 3))` alike."""
    if keyword is not None:
        return to_ints(row, name, keyword)
    if len(given) == 1 and not isinstance(given[0], int):
        return to_ints(row, name, given[0])
    return to_ints(row, name, given)


def missing_argument(row: Row, name: str) -> None:
    """A required argument that was not given, under none of its names."""
    raise TypeError(
        f"{row.called}() missing 1 required positional argument: '{name}' "
        f"(signature: {row.schema})"
    )


def to_bool(row: Row, name: str, x: Any) -> bool:
    if isinstance(x, (bool, np.bool_, int)):
        return bool(x)
    raise _bad(row, name, "bool", x)


def to_float(row: Row, name: str, x: Any) -> float:
    if isinstance(x, (int, float, np.generic)):
        return float(x)
    if isinstance(getattr(x, "_aval", None), Aval) and x._aval.numel == 1:
        return float(x.item())
    raise _bad(row, name, "float", x)


def to_str(row: Row, name: str, x: Any) -> str:
    if isinstance(x, str):
        return x
    raise _bad(row, name, "str", x)


def to_dtype(row: Row, name: str, x: Any) -> dtype:
    if isinstance(x, dtype):
        return x
    if isinstance(x, type) and x in _PY_DTYPES:
        return dtypes.get_default() if x is float else _PY_DTYPES[x]
    raise _bad(row, name, "torch.dtype", x)


def _to_list(row: Row, name: str, x: Any) -> Any:
    items = need_list(row, name, x)
    check_list(row, name, items)
    return items


def check_type(row: Row, argument: signature.Argument, given: Any) -> None:
    """TypeError where an argument is not what a composite's schema says. Where nothing is said,
    anything goes."""
    kind = argument.type.removesuffix("?")
    if (kind != argument.type or argument.default == "None") and given is None:
        return
    convert = _CHECKS.get(kind)
    if convert is not None:
        convert(row, argument.name, given)


def _check_int(row: Row, name: str, x: Any) -> None:
    number = to_int(row, name, x)
    if not LEAST <= number <= _INT64:
        raise ValueError(f"{row.called}(): Overflow when unpacking long long: {number}")


def _check_operand(row: Row, name: str, x: Any) -> None:
    if not hasattr(x, "_aval"):
        need_operand(row, name, x)


def to_number(row: Row, name: str, x: Any) -> Any:
    return need_scalar(row, name, x)


_CHECKS = {
    "Tensor": need_tensor, "Tensor[]": _to_list, "Operand": _check_operand, "Scalar": need_scalar,
    "int": _check_int, "index": to_index, "int[]": to_ints, "bool": to_bool, "float": to_float,
    "str": to_str, "dtype": to_dtype, "number": to_number,
}  # fmt: skip
