"""The values that the array API standard prescribes for NaN, infinities and signed zeros."""

from __future__ import annotations

import cmath
import itertools
import math
from typing import Any

import pytest

import flambeau.array_api as xp

INF, NAN, PI = math.inf, math.nan, math.pi

SAME = {
    "abs": [(-0.0, 0.0), (-INF, INF), (NAN, NAN)],
    "acos": [(1.0, 0.0), (1.5, NAN), (-1.5, NAN), (NAN, NAN)],
    "acosh": [(1.0, 0.0), (0.5, NAN), (INF, INF), (NAN, NAN)],
    "asin": [(0.0, 0.0), (-0.0, -0.0), (1.5, NAN), (NAN, NAN)],
    "asinh": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -INF), (NAN, NAN)],
    "atan": [(0.0, 0.0), (-0.0, -0.0), (INF, PI / 2), (-INF, -PI / 2), (NAN, NAN)],
    "atanh": [(0.0, 0.0), (-0.0, -0.0), (1.0, INF), (-1.0, -INF), (1.5, NAN), (NAN, NAN)],
    "ceil": [(0.0, 0.0), (-0.0, -0.0), (-0.5, -0.0), (INF, INF), (-INF, -INF), (NAN, NAN)],
    "cos": [(0.0, 1.0), (-0.0, 1.0), (INF, NAN), (-INF, NAN), (NAN, NAN)],
    "cosh": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, INF), (NAN, NAN)],
    "exp": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (NAN, NAN)],
    "expm1": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -1.0), (NAN, NAN)],
    "floor": [(0.0, 0.0), (-0.0, -0.0), (0.5, 0.0), (INF, INF), (-INF, -INF), (NAN, NAN)],
    "isfinite": [(INF, False), (-INF, False), (NAN, False), (-0.0, True)],
    "isinf": [(INF, True), (-INF, True), (NAN, False)],
    "isnan": [(INF, False), (NAN, True)],
    "log": [(-1.0, NAN), (0.0, -INF), (-0.0, -INF), (1.0, 0.0), (INF, INF), (NAN, NAN)],
    "log10": [(-1.0, NAN), (0.0, -INF), (-0.0, -INF), (1.0, 0.0), (INF, INF), (NAN, NAN)],
    "log1p": [(-1.5, NAN), (-1.0, -INF), (0.0, 0.0), (-0.0, -0.0), (INF, INF), (NAN, NAN)],
    "log2": [(-1.0, NAN), (0.0, -INF), (-0.0, -INF), (1.0, 0.0), (INF, INF), (NAN, NAN)],
    "negative": [(0.0, -0.0), (-0.0, 0.0), (INF, -INF), (NAN, NAN)],
    "reciprocal": [(0.0, INF), (-0.0, -INF), (INF, 0.0), (-INF, -0.0), (NAN, NAN)],
    "round": [(0.0, 0.0), (-0.0, -0.0), (0.5, 0.0), (-0.5, -0.0), (1.5, 2.0), (2.5, 2.0),
              (INF, INF), (-INF, -INF), (NAN, NAN)],
    "sign": [(0.0, 0.0), (-0.0, 0.0), (3.0, 1.0), (-INF, -1.0), (NAN, NAN)],
    "signbit": [(0.0, False), (-0.0, True), (INF, False), (-INF, True), (-1.0, True), (NAN, False)],
    "sin": [(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN), (NAN, NAN)],
    "sinh": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -INF), (NAN, NAN)],
    "sqrt": [(-1.0, NAN), (0.0, 0.0), (-0.0, -0.0), (INF, INF), (NAN, NAN)],
    "square": [(-0.0, 0.0), (-INF, INF), (NAN, NAN)],
    "tan": [(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN), (NAN, NAN)],
    "tanh": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (NAN, NAN)],
    "trunc": [(0.0, 0.0), (-0.0, -0.0), (0.5, 0.0), (-0.5, -0.0), (INF, INF), (NAN, NAN)],
}  # fmt: skip

PAIRS = {
    "add": [(INF, -INF, NAN), (-INF, INF, NAN), (INF, INF, INF), (INF, 3.0, INF), (3.0, -INF, -INF),
            (-0.0, -0.0, -0.0), (-0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (3.0, -3.0, 0.0), (-0.0, 2.0, 2.0)],
    "atan2": [(NAN, 1.0, NAN), (1.0, NAN, NAN), (1.0, 0.0, PI / 2), (1.0, -0.0, PI / 2),
              (0.0, 1.0, 0.0), (0.0, 0.0, 0.0), (0.0, -0.0, PI), (0.0, -1.0, PI), (-0.0, 1.0, -0.0),
              (-0.0, 0.0, -0.0), (-0.0, -0.0, -PI), (-0.0, -1.0, -PI), (-1.0, 0.0, -PI / 2),
              (2.0, INF, 0.0), (2.0, -INF, PI), (-2.0, INF, -0.0), (-2.0, -INF, -PI),
              (INF, 2.0, PI / 2), (-INF, 2.0, -PI / 2), (INF, INF, PI / 4), (INF, -INF, 3 * PI / 4),
              (-INF, INF, -PI / 4), (-INF, -INF, -3 * PI / 4)],
    "copysign": [(1.0, -0.0, -1.0), (-1.0, 0.0, 1.0), (2.0, -3.0, -2.0), (-2.0, 3.0, 2.0)],
    "divide": [(INF, INF, NAN), (0.0, 0.0, NAN), (-0.0, 0.0, NAN), (0.0, 2.0, 0.0), (-0.0, 2.0, -0.0),
               (0.0, -2.0, -0.0), (2.0, 0.0, INF), (2.0, -0.0, -INF), (-2.0, 0.0, -INF),
               (INF, 2.0, INF), (INF, -2.0, -INF), (2.0, INF, 0.0), (2.0, -INF, -0.0),
               (-2.0, INF, -0.0)],
    "floor_divide": [(INF, INF, NAN), (0.0, 0.0, NAN), (0.0, 2.0, 0.0), (-0.0, 2.0, -0.0),
                     (0.0, -2.0, -0.0), (-0.0, -2.0, 0.0), (2.0, 0.0, INF), (2.0, -0.0, -INF),
                     (-2.0, 0.0, -INF), (-2.0, -0.0, INF), (INF, 2.0, INF), (INF, -2.0, -INF),
                     (-INF, 2.0, -INF), (-INF, -2.0, INF), (2.0, INF, 0.0), (2.0, -INF, -1.0),
                     (-2.0, INF, -1.0), (-2.0, -INF, 0.0), (7.0, 2.0, 3.0), (-7.0, 2.0, -4.0)],
    "hypot": [(INF, NAN, INF), (NAN, -INF, INF), (NAN, 1.0, NAN), (3.0, 4.0, 5.0)],
    "logaddexp": [(NAN, 1.0, NAN), (1.0, NAN, NAN), (INF, 1.0, INF), (1.0, INF, INF)],
    "maximum": [(NAN, 1.0, NAN), (1.0, NAN, NAN), (INF, 1.0, INF)],
    "minimum": [(NAN, 1.0, NAN), (1.0, NAN, NAN), (-INF, 1.0, -INF)],
    "multiply": [(INF, 0.0, NAN), (0.0, -INF, NAN), (INF, INF, INF), (INF, -INF, -INF),
                 (INF, -2.0, -INF), (-0.0, 2.0, -0.0)],
    "nextafter": [(NAN, 1.0, NAN), (1.0, NAN, NAN), (0.0, -0.0, -0.0), (-0.0, 0.0, 0.0)],
    "pow": [(2.0, NAN, NAN), (1.0, NAN, 1.0), (NAN, 0.0, 1.0), (NAN, -0.0, 1.0), (NAN, 2.0, NAN),
            (2.0, INF, INF), (2.0, -INF, 0.0), (-2.0, INF, INF), (1.0, INF, 1.0), (-1.0, INF, 1.0),
            (-1.0, -INF, 1.0), (0.5, INF, 0.0), (0.5, -INF, INF), (INF, 2.0, INF), (INF, -2.0, 0.0),
            (-INF, 3.0, -INF), (-INF, 2.0, INF), (-INF, 2.5, INF), (-INF, -3.0, -0.0),
            (-INF, -2.0, 0.0), (0.0, 2.0, 0.0), (0.0, -2.0, INF), (-0.0, 3.0, -0.0),
            (-0.0, 2.0, 0.0), (-0.0, -3.0, -INF), (-0.0, -2.0, INF), (-2.0, 0.5, NAN),
            (3.0, 0.0, 1.0)],
    "remainder": [(NAN, 1.0, NAN), (1.0, NAN, NAN), (INF, INF, NAN), (INF, 2.0, NAN), (0.0, 0.0, NAN),
                  (0.0, 2.0, 0.0), (-0.0, 2.0, 0.0), (0.0, -2.0, -0.0), (-0.0, -2.0, -0.0),
                  (2.0, 0.0, NAN), (2.0, -0.0, NAN), (2.0, INF, 2.0), (2.0, -INF, -INF),
                  (-2.0, INF, INF), (-2.0, -INF, -2.0), (4.0, -2.0, -0.0), (-4.0, 2.0, 0.0),
                  (-3.0, 2.0, 1.0), (3.0, -2.0, -1.0)],
    "subtract": [(INF, INF, NAN), (INF, -INF, INF), (0.0, 0.0, 0.0), (-0.0, 0.0, -0.0)],
}  # fmt: skip


def equal(got: Any, want: Any, tolerance: float = 1e-6) -> bool:
    """Equal numbers, zeros with their signs, NaN to NaN."""
    if isinstance(want, bool):
        return got is want
    if math.isnan(want) or math.isnan(got):
        return math.isnan(want) and math.isnan(got)
    if want == 0 or math.isinf(want) or math.isinf(got):
        return got == want and math.copysign(1, got) == math.copysign(1, want)
    return math.isclose(got, want, rel_tol=tolerance)


@pytest.mark.parametrize("dtype", [xp.float32, xp.float64], ids=str)
@pytest.mark.parametrize("name", SAME)
def test_of_one_number(name: str, dtype: Any) -> None:
    cases = SAME[name]
    found = getattr(xp, name)(xp.asarray([x for x, _ in cases], dtype=dtype)).tolist()
    for (x, want), got in zip(cases, found, strict=True):
        assert equal(got, want), f"{name}({x}) = {got}, not {want}"


@pytest.mark.parametrize("dtype", [xp.float32, xp.float64], ids=str)
@pytest.mark.parametrize("name", PAIRS)
def test_of_two_numbers(name: str, dtype: Any) -> None:
    cases = PAIRS[name]
    a, b = (xp.asarray([c[i] for c in cases], dtype=dtype) for i in (0, 1))
    found = getattr(xp, name)(a, b).tolist()
    for (x, y, want), got in zip(cases, found, strict=True):
        assert equal(got, want), f"{name}({x}, {y}) = {got}, not {want}"


NUMBERS = (0.0, -0.0, 1.0, -1.0, 2.5, -2.5, INF, -INF, NAN)
OPEN = {
    "acos": lambda z: math.isinf(z.real) and math.isnan(z.imag),
    "asin": lambda z: math.isinf(z.real) and math.isnan(z.imag),
    "sin": lambda z: math.isnan(z.real) and math.isinf(z.imag),
    "acosh": lambda z: z.real == 0 and math.isnan(z.imag),
    "tan": lambda z: math.isnan(z.real) and z.imag == 0,
    "tanh": lambda z: z.real == 0 and math.isnan(z.imag),
}
"""Where a sign is left open, or Python's cmath follows another edition of C than the standard."""


@pytest.mark.parametrize("dtype", [xp.complex64, xp.complex128], ids=str)
@pytest.mark.parametrize(
    "name",
    ["acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "exp", "log", "log10", "sin",
     "sinh", "sqrt", "tan", "tanh"],
)  # fmt: skip
def test_complex_functions_are_those_of_c(name: str, dtype: Any) -> None:
    """Python's cmath has C's special values too, but where it raises."""
    for z in (complex(a, b) for a, b in itertools.product(NUMBERS, NUMBERS)):
        if name in OPEN and OPEN[name](z):
            continue
        try:
            want = getattr(cmath, name)(z)
        except (ValueError, OverflowError):
            continue
        (got,) = getattr(xp, name)(xp.asarray([z], dtype=dtype)).tolist()
        fits = [equal(p, q) or abs(p - q) < 2e-6 for p, q in
                ((got.real, want.real), (got.imag, want.imag))]  # fmt: skip
        assert all(fits), f"{name}({z}) = {got}, not {want}"


COMPLEX = {
    "expm1": [(complex(0, 0), complex(0, 0)), (complex(2, INF), complex(NAN, NAN)),
              (complex(INF, 0), complex(INF, 0)), (complex(-INF, NAN), complex(-1, 0)),
              (complex(NAN, 0), complex(NAN, 0)), (complex(NAN, 2), complex(NAN, NAN)),
              (complex(-INF, 2), complex(-1, 0))],
    "log1p": [(complex(-1, 0), complex(-INF, 0)), (complex(2, INF), complex(INF, PI / 2)),
              (complex(2, NAN), complex(NAN, NAN)), (complex(-INF, 2), complex(INF, PI)),
              (complex(INF, 2), complex(INF, 0)), (complex(-INF, INF), complex(INF, 3 * PI / 4)),
              (complex(INF, INF), complex(INF, PI / 4)), (complex(INF, NAN), complex(INF, NAN)),
              (complex(NAN, 2), complex(NAN, NAN)), (complex(NAN, INF), complex(INF, NAN))],
    "abs": [(complex(INF, NAN), INF), (complex(NAN, -INF), INF), (complex(NAN, 1), NAN),
            (complex(3, 4), 5.0)],
    "sign": [(complex(0, 0), complex(0, 0)), (complex(3, 4), complex(0.6, 0.8))],
    "isfinite": [(complex(1, INF), False), (complex(NAN, 1), False), (complex(1, 1), True)],
    "isinf": [(complex(NAN, INF), True), (complex(NAN, 1), False)],
    "isnan": [(complex(NAN, INF), True), (complex(1, INF), False)],
    "round": [(complex(0.5, 1.5), complex(0, 2))],
}  # fmt: skip


@pytest.mark.parametrize("name", COMPLEX)
def test_of_one_complex_number(name: str) -> None:
    for z, want in COMPLEX[name]:
        (got,) = getattr(xp, name)(xp.asarray([z], dtype=xp.complex128)).tolist()
        if isinstance(want, complex):
            fits = equal(got.real, want.real) and (equal(got.imag, want.imag) or want.imag == got.imag)
        else:
            fits = equal(got, want)
        assert fits, f"{name}({z}) = {got}, not {want}"


def test_reductions_of_nothing_and_of_nan() -> None:
    none = xp.zeros((0,))
    assert xp.sum(none) == 0 and xp.prod(none) == 1
    assert xp.all(none) and not xp.any(none)
    some = xp.asarray([1.0, NAN, 2.0])
    for name in ("max", "min", "sum", "prod", "mean", "std", "var"):
        assert xp.isnan(getattr(xp, name)(some)), name
    assert xp.isnan(xp.mean(none)) and xp.isnan(xp.var(xp.ones(1), correction=1))
