"""Pointwise rows beside PyTorch: values, dtypes, gradients, node names, refusals, for all dtypes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.parity.ops_pair import check

INF, NAN = np.inf, np.nan
FLOATS = ["float16", "bfloat16", "float32", "float64"]
INTS = ["uint8", "int8", "int16", "int32", "int64"]
ALL = ["bool", *INTS, *FLOATS, "complex64", "complex128"]

SPECIAL = np.array([
    0.0, -0.0, 1, -1, 0.5, -0.5, 0.25, 2, -2, 3.3, -3.3, 10, -10, 30, 1.4, INF, -INF,
])  # fmt: skip
ORDINARY = np.array([[0.3, -0.7, 1.2], [2.5, -1.6, 0.01]])
COMPLEX = np.array([1 + 2j, -1 + 0.5j, 0.3 - 0.2j, -2j, 3 + 0j, 0.5 + 0.1j])

UNARY = """
abs absolute sign sgn exp exp2 expm1 log log1p log2 log10 sin cos tan asin acos atan arcsin arccos
arctan sinh cosh tanh asinh acosh atanh arcsinh erf erfc erfinv lgamma digamma sigmoid logit square
positive floor ceil round trunc fix frac neg negative reciprocal sqrt rsqrt signbit isnan isinf
isfinite isposinf isneginf isreal sinc deg2rad rad2deg relu selu celu angle real imag conj
logical_not bitwise_not hardshrink nan_to_num
""".split()

BINARY = """
add sub subtract mul multiply div true_divide divide floor_divide remainder fmod pow float_power eq
ne lt le gt ge not_equal less greater_equal maximum minimum fmax fmin atan2 arctan2 hypot copysign
heaviside logaddexp logaddexp2 xlogy ldexp gcd lcm bitwise_and bitwise_or bitwise_xor
bitwise_left_shift bitwise_right_shift logical_and logical_or logical_xor clamp_min clamp_max isclose
equal allclose complex rsub
""".split()


def one(dtype: str) -> list[np.ndarray]:
    if dtype.startswith("c"):
        return [COMPLEX]
    if dtype in FLOATS:
        return [SPECIAL, ORDINARY]
    return [np.array([0, 1, 2, 5, 100] if dtype in ("bool", "uint8") else [0, 1, -1, 5, -7, 100])]


def two(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    if dtype == "bool":
        return np.array([0, 1, 1, 0, 1, 1]), np.array([1, 1, 0, 1, 1, 0])
    if dtype == "uint8":
        return np.array([0, 1, 7, 200, 13, 255]), np.array([1, 2, 3, 7, 5, 4])
    if dtype.startswith("i"):
        return np.array([0, 1, -1, 5, -7, 100, 13]), np.array([1, 2, -3, 7, 3, -5, 5])
    if dtype.startswith("c"):
        return COMPLEX, COMPLEX[::-1].copy()
    return ORDINARY, np.array([0.8, -1.3, 2.2])


def expected_to_differ(name: str, dtype: str) -> bool:
    """What PyTorch itself does not do alike, or less exactly."""
    return (
        (name == "digamma" and dtype == "float64")  # its trigamma has nine digits
        or (name == "nan_to_num" and dtype.startswith("c"))  # refuses the gradient
        or (name == "complex" and dtype == "float16")  # gives the dtype complex32
        or (name in ("round", "sign") and dtype.startswith("c"))  # the array API standard's
    )


@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str) -> None:
    for dtype in ALL:
        for data in one(dtype):
            if name in ("logit", "digamma") and data is SPECIAL:
                data = np.abs(data[2:]) + 0.1  # PyTorch's gradients at the poles are chance
            problem = check(lambda T, x: getattr(T, name)(x), [data], [dtype], tolerance=2)
            assert not problem or expected_to_differ(name, dtype), f"{dtype}: {problem}"


@pytest.mark.parametrize("name", BINARY)
def test_binary(name: str) -> None:
    for dtype in ALL:
        a, b = two(dtype)
        calls: list[tuple[list[Any], list[Any]]] = [
            ([a, b], [dtype, dtype]), ([a, 2], [dtype, None]), ([a, 2.5], [dtype, None]),
            ([3, b], [None, dtype]),
        ]  # fmt: skip
        if dtype not in ("float16", "bfloat16"):
            calls.append(([a, 1 + 2j], [dtype, None]))
        for data, dtypes in calls:
            problem = check(
                lambda T, x, y: getattr(T, name)(x, y), data, dtypes, node=False, tolerance=2
            )
            assert not problem or expected_to_differ(name, dtype), f"{dtypes}: {problem}"


NUMBERS = [0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 3.0, INF, -INF, NAN]


@pytest.mark.parametrize("name", [n for n in BINARY if n not in ("copysign", "complex")])
def test_binary_of_special_numbers(name: str) -> None:
    a = np.array([x for x in NUMBERS for _ in NUMBERS])
    b = np.array([y for _ in NUMBERS for y in NUMBERS])
    for dtype in ("float32", "float64"):
        problem = check(
            lambda T, x, y: getattr(T, name)(x, y), [a, b], [dtype, dtype], node=False, tolerance=2
        )
        assert not problem, f"{dtype}: {problem}"


@pytest.mark.parametrize("name", ["add", "mul", "div", "floor_divide", "pow", "lt", "maximum"])
def test_promotion(name: str) -> None:
    for first in ("bool", "uint8", "int64", "float16", "bfloat16", "float32", "float64"):
        for second in ("bool", "int8", "int32", "float16", "float64", "complex64"):
            if first == "float16" and second == "complex64":
                continue  # complex32
            ones = np.array([1, 1])
            for data in ([ones, ones], [ones, np.array(1)], [np.array(1), ones]):
                problem = check(
                    lambda T, x, y: getattr(T, name)(x, y), data, [first, second], node=False
                )
                assert not problem, f"{first}, {second}: {problem}"


EXPRESSIONS: dict[str, Callable[..., Any]] = {
    "clamp": lambda T, x: T.clamp(x, -0.5, 1), "clamp min": lambda T, x: x.clamp(min=0.25),
    "clamp max": lambda T, x: x.clamp(max=0.25), "crossed": lambda T, x: x.clamp(1, -1),
    "clamp tensors": lambda T, x: x.clamp(x * 0.5, x + 1), "clip": lambda T, x: T.clip(x, 0),
    "decimals": lambda T, x: T.round(x, decimals=2).detach(), "x ** 2": lambda T, x: x**2,
    "x ** 3": lambda T, x: x**3, "x ** 0": lambda T, x: x**0, "x ** 1": lambda T, x: x**1,
    "2 ** x": lambda T, x: 2**x, "2 / x": lambda T, x: 2 / x, "2 - x": lambda T, x: 2 - x,
    "2 // x": lambda T, x: (2 // x).detach(), "2 % x": lambda T, x: (2 % x).detach(),
    "floor": lambda T, x: T.div(x, 0.3, rounding_mode="floor"),
    "trunc": lambda T, x: T.div(x, 0.3, rounding_mode="trunc"),
    "x % 0.7": lambda T, x: (x % 0.7).detach(), "fmod": lambda T, x: T.fmod(x, 0.7).detach(),
    "where": lambda T, x: T.where(x > 0, x, 0), "x.where": lambda T, x: x.where(x > 0.1, -1),
    "masked_fill": lambda T, x: x.masked_fill(x > 0, 2.5), "add_": lambda T, x: (x * 1).add_(x),
    "sin_": lambda T, x: (x * 1).sin_(), "exp_": lambda T, x: (x * 1).exp_(),
    "pow_": lambda T, x: (x * 1).pow_(2), "div_": lambda T, x: (x * 1).div_(3.0),
    "clamp_": lambda T, x: (x * 1).clamp_(-0.5, 0.5), "eq_": lambda T, x: x.detach().clone().eq_(1),
    "masked_fill_": lambda T, x: (x * 1).masked_fill_(x > 0, 2.5),
    "isclose": lambda T, x: T.isclose(x, x + 1e-9, equal_nan=True),
    "addcmul": lambda T, x: T.addcmul(x, x, x + 3, value=-2),
    "addcdiv": lambda T, x: T.addcdiv(x, x, x + 5, value=2),
    "lerp": lambda T, x: T.lerp(x, x * 2, 0.3), "lerp tensor": lambda T, x: T.lerp(x, x * 2, x),
    "polar": lambda T, x: T.polar(x.abs() + 1, x), "view_as_real": lambda T, x: T.view_as_real(x),
    "polygamma": lambda T, x: (x.abs() + 1).polygamma(2).detach(),
    "logit": lambda T, x: T.logit(x, 0.1), "float_power": lambda T, x: T.float_power(2, x),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(EXPRESSIONS))
def test_expressions(name: str) -> None:
    for dtype in ("float64", "float32", "float16", "bfloat16", "int64", "bool", "complex64"):
        data = two("int64")[0] if dtype == "int64" else one(dtype)[-1]
        problem = check(EXPRESSIONS[name], [data], [dtype], tolerance=3)
        assert not problem, f"{dtype}: {problem}"


def test_signs_of_zeros() -> None:
    a = np.array([0.0, -0.0, 6.0, -6.0, 7.0, -7.0])
    for text in ("add", "mul", "div", "remainder", "fmod", "floor_divide", "copysign"):
        for b in (3.0, -3.0):
            problem = check(
                lambda T, x, y, text=text: getattr(T, text)(x, y), [a, b], ["float64", None],
                grad=False, signs=True,
            )  # fmt: skip
            assert not problem, f"{text} {b}: {problem}"
