"""Elementwise functions of the array API standard, with the values it prescribes for NaN,
infinities and signed zeros."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau as torch

from .dtypes import is_scalar, promoted

Unary = Callable[[Any], torch.Tensor]
Binary = Callable[[Any, Any], torch.Tensor]

UNARY: dict[str, Any] = dict.fromkeys(
    ("abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "conj", "cos", "cosh", "exp",
     "floor", "isfinite", "isinf", "isnan", "log", "log1p", "log2", "log10", "logical_not",
     "positive", "real", "reciprocal", "signbit", "sin", "sinh", "sqrt", "square", "tan", "tanh",
     "trunc")
)  # fmt: skip
"""Functions of one array; None where torch's own of that name is meant."""
BINARY: dict[str, Any] = {
    **dict.fromkeys(
        ("add", "atan2", "bitwise_and", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift",
         "bitwise_xor", "copysign", "divide", "greater", "greater_equal", "hypot", "less",
         "less_equal", "logaddexp", "logical_and", "logical_or", "logical_xor", "maximum", "minimum",
         "multiply", "nextafter", "not_equal", "pow", "subtract")
    ),
    "equal": torch.eq,
}  # fmt: skip
"""Functions of two arrays, which have one dtype by then."""


def _bitwise_invert(x: Any) -> torch.Tensor:
    """Each bit turned."""
    return torch.bitwise_not(x)


def _imag(x: Any) -> torch.Tensor:
    """The imaginary part; zeros for real numbers."""
    return torch.imag(x) if x.is_complex() else torch.zeros_like(x)


def _expm1(x: Any) -> torch.Tensor:
    """exp(x) - 1, exact for small x."""
    found = torch.expm1(x)
    if not x.is_complex():
        return found
    return torch.where(torch.isfinite(x), found, torch.sub(torch.exp(x), 1))


def _negative(x: Any) -> torch.Tensor:
    """-x."""
    return torch.neg(x)


def _round(x: Any) -> torch.Tensor:
    """Rounded to the nearest integer, halves to the even one; of complex numbers both parts."""
    if x.is_complex():
        return torch.complex(torch.round(torch.real(x)), torch.round(torch.imag(x)))
    return torch.round(x)


def _sign(x: Any) -> torch.Tensor:
    """-1, 0 or 1, and NaN of NaN; a complex number is divided by its modulus."""
    found = torch.sgn(x)
    if x.dtype.is_floating_point or x.is_complex():
        return torch.where(torch.isnan(x), x, found)
    return found


def _nonzero_divisor(function: Binary, a: Any, b: Any) -> torch.Tensor:
    """A division of integers, for which torch raises where `b` is zero: 0 there, as in NumPy."""
    zero = torch.eq(b, 0)
    found = function(a, torch.where(zero, torch.ones_like(b), b))
    return torch.where(zero, torch.zeros_like(found), found)


def _floor_divide(a: Any, b: Any) -> torch.Tensor:
    """The quotient rounded down; infinite where the dividend alone is. Integers by zero are 0."""
    if not a.dtype.is_floating_point:
        return _nonzero_divisor(torch.floor_divide, a, b)
    found = torch.floor_divide(a, b)
    return torch.where(torch.isinf(a) & torch.isfinite(b), torch.divide(a, b), found)


def _remainder(a: Any, b: Any) -> torch.Tensor:
    """What is left of a // b, zeros too with the sign of b. Integers by zero leave 0."""
    if not a.dtype.is_floating_point:
        return _nonzero_divisor(torch.remainder, a, b)
    found = torch.remainder(a, b)
    return torch.where(found == 0, torch.copysign(found, b), found)


UNARY |= {
    "bitwise_invert": _bitwise_invert, "expm1": _expm1, "imag": _imag, "negative": _negative, "round": _round,
    "sign": _sign,
}  # fmt: skip
BINARY |= {"floor_divide": _floor_divide, "remainder": _remainder}


def clip(x: Any, /, min: Any = None, max: Any = None) -> torch.Tensor:
    """`x` held between min and max (numbers, arrays, None for no bound), in the dtype of x."""
    out = x
    for bound, cut in ((min, torch.maximum), (max, torch.minimum)):
        if bound is not None:
            out = cut(*promoted((out, bound)))
    return torch.clone(x) if out is x else out.to(x.dtype)


def _unary(name: str, given: Unary | None) -> Unary:
    function = given or getattr(torch, name)

    def elementwise(x: Any, /) -> torch.Tensor:
        return function(x)  # type: ignore[no-any-return]

    return _described(elementwise, name, function)


def _binary(name: str, given: Binary | None) -> Binary:
    function = given or getattr(torch, name)

    def elementwise(x1: Any, x2: Any, /) -> torch.Tensor:
        if is_scalar(x1) and is_scalar(x2):
            raise TypeError(f"{name}(): one of the two arguments must be an array")
        return function(*promoted((x1, x2)))  # type: ignore[no-any-return]

    return _described(elementwise, name, function)


def _described(made: Any, name: str, function: Any) -> Any:
    text = (function.__doc__ or "").rpartition("\n\n")[2]
    made.__name__ = made.__qualname__ = name
    made.__doc__ = f"{text} Operands are promoted by the array API standard's rules."
    return made


globals().update({name: _unary(name, f) for name, f in UNARY.items()})
globals().update({name: _binary(name, f) for name, f in BINARY.items()})
__all__ = sorted((*UNARY, *BINARY, "clip"))  # noqa: PLE0605
