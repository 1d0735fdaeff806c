"""Dtypes of results: operators and functions by the standard's table, 0-d arrays included."""

from __future__ import annotations

import itertools
import operator
from typing import Any

import numpy as np
import pytest

import flambeau as torch
import flambeau.array_api as xp

from . import support

PAIRS = [
    (a, b) for a, b in itertools.product(support.EVERY, support.EVERY)
    if a == b or (a in support.INTEGRAL and b in support.INTEGRAL
                  and not ("uint64" in (a, b) and (a in support.SIGNED or b in support.SIGNED)))
    or (a in support.FLOATING and b in support.FLOATING)
]  # fmt: skip
FUNCTIONS = {
    "add": support.NUMERIC, "bitwise_xor": support.BOOL + support.INTEGRAL, "divide": support.FLOATING,
    "floor_divide": support.INTEGRAL + support.REAL, "maximum": support.INTEGRAL + support.REAL,
    "pow": support.NUMERIC, "remainder": support.INTEGRAL + support.REAL, "hypot": support.REAL,
}  # fmt: skip
OPERATORS = {
    operator.add: support.NUMERIC, operator.sub: support.NUMERIC, operator.mul: support.NUMERIC,
    operator.and_: support.BOOL + support.INTEGRAL, operator.lshift: support.INTEGRAL,
    operator.rshift: support.INTEGRAL, operator.matmul: support.NUMERIC,
}  # fmt: skip


def _wanted(a: str, b: str) -> Any:
    return getattr(xp, np.promote_types(a, b).name)


def _ones(dtype: str, shape: Any) -> Any:
    return xp.ones(shape, dtype=getattr(xp, dtype))


@pytest.mark.parametrize("shapes", [((2,), (2,)), ((), (2,)), ((2,), ()), ((), ())], ids=str)
def test_functions(shapes: Any) -> None:
    for name, allowed in FUNCTIONS.items():
        for a, b in PAIRS:
            if a in allowed and b in allowed:
                found = getattr(xp, name)(_ones(a, shapes[0]), _ones(b, shapes[1]))
                assert found.dtype is _wanted(a, b), (name, a, b)
                assert found.shape == torch.broadcast_shapes(*shapes)


@pytest.mark.parametrize("function", OPERATORS, ids=lambda f: f.__name__)
def test_operators(function: Any) -> None:
    allowed = OPERATORS[function]
    for a, b in PAIRS:
        if a in allowed and b in allowed:
            shapes = [((2,), (2,))] if function is operator.matmul else [((), (2,)), ((2,), ())]
            for left, right in shapes:
                found = function(_ones(a, left), _ones(b, right))
                assert found.dtype is _wanted(a, b), (a, b)
                assert type(found) is xp.Array


def test_comparisons_give_booleans() -> None:
    for a, b in PAIRS:
        assert (_ones(a, ()) == _ones(b, (2,))).tolist() == [True, True]
        assert (_ones(a, (2,)) != _ones(b, ())).dtype is xp.bool
    assert (_ones("int8", ()) <= _ones("uint32", ())).item() is True


@pytest.mark.parametrize("dtype", support.EVERY)
def test_numbers_take_the_dtype_of_the_array(dtype: str) -> None:
    numbers: list[Any] = [True] if dtype == "bool" else [1]
    if dtype in support.FLOATING:
        numbers.append(1.5)
    if dtype in support.COMPLEX:
        numbers.append(1j)
    for x, number in itertools.product((_ones(dtype, ()), _ones(dtype, (2,))), numbers):
        for f in (operator.and_, operator.or_) if dtype == "bool" else (operator.add, operator.mul):
            assert f(x, number).dtype is f(number, x).dtype is x.dtype
        assert xp.result_type(x, number) is x.dtype
        assert xp.equal(x, number).dtype is xp.bool
        assert xp.where(_ones("bool", ()), x, number).dtype is x.dtype


def test_in_place_operators_keep_the_dtype() -> None:
    x = y = _ones("int32", (2,))
    x += _ones("int8", ())
    x *= 3
    assert x is y and x.tolist() == [6, 6] and x.dtype is xp.int32
    with pytest.raises(TypeError, match="__iadd__"):
        x += _ones("int64", ())
    with pytest.raises(TypeError, match="shape"):
        x += _ones("int32", (3, 2))


def test_result_type_and_can_cast() -> None:
    for a, b in PAIRS:
        first, second = getattr(xp, a), getattr(xp, b)
        assert xp.result_type(first, _ones(b, ())) is _wanted(a, b)
        assert xp.can_cast(first, second) is (_wanted(a, b) is second)
    assert not xp.can_cast(xp.int64, xp.uint64) and not xp.can_cast(xp.complex64, xp.float64)
    assert xp.result_type(1.5, xp.int8) is xp.float32
    with pytest.raises(ValueError, match="at least one"):
        xp.result_type()
    with pytest.raises(TypeError, match="str"):
        xp.result_type("float32")
    with pytest.raises(TypeError, match="must be an array"):
        xp.add(1, 2)


def test_kinds() -> None:
    assert xp.isdtype(xp.uint16, "unsigned integer") and xp.isdtype(xp.uint16, "integral")
    assert not xp.isdtype(xp.bool, "numeric") and xp.isdtype(xp.bool, "bool")
    assert xp.isdtype(xp.complex64, ("bool", "complex floating")) and xp.isdtype(xp.int8, xp.int8)
    assert xp.isdtype(torch.bfloat16, "real floating")
    with pytest.raises(ValueError, match="kind"):
        xp.isdtype(xp.int8, "number")


@pytest.mark.parametrize("dtype", support.REAL)
def test_limits_of_floats(dtype: str) -> None:
    found, wanted = xp.finfo(getattr(xp, dtype)), np.finfo(dtype)
    for name in ("bits", "eps", "max", "min", "smallest_normal"):
        assert getattr(found, name) == getattr(wanted, name)
        assert type(getattr(found, name)) is (int if name == "bits" else float)
    assert found.dtype is getattr(xp, dtype)
    assert xp.finfo(xp.complex64).dtype is xp.float32 and xp.finfo(xp.ones(1)).bits == 32


@pytest.mark.parametrize("dtype", support.INTEGRAL)
def test_limits_of_integers(dtype: str) -> None:
    found, wanted = xp.iinfo(getattr(xp, dtype)), np.iinfo(dtype)
    assert (found.bits, found.min, found.max) == (wanted.bits, wanted.min, wanted.max)
    assert found.dtype is getattr(xp, dtype)
