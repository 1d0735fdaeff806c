"""Orthogonal polynomials, by their recurrences (DLMF 18.9). The degree is a tensor or a number, of
which the whole part counts; a negative one gives zero."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import layout
from .formulas import Samples
from .rules import pointwise, with_a_tensor
from .table import row

Array = np.ndarray[Any, Any]
Step = Callable[[Array, Array, Array, int], Array]
Closed = Callable[[Array, Array], Array]
"""A value without recurrence, of arguments and degrees: NaN where it has none."""

_rule = with_a_tensor(pointwise("float", allow="bif"))


def _polynomial(first: Callable[[Array], Array], step: Step, closed: Closed) -> Any:
    """A NumPy reference: degree 1 is `first`, degree k is `step` of those before it."""

    def reference(x: Any, n: Any) -> Array:
        dt = np.result_type(*[v.dtype for v in (x, n) if hasattr(v, "dtype")])
        x, n = (np.array(v, np.float64, order="C") for v in _together(x, n))
        with np.errstate(all="ignore"):
            n = np.where(np.isfinite(n), np.trunc(n), -1)  # as what is no integer is converted in C
            out = np.where(n < 0, 0.0, closed(x, n))
            out[n == 0] = 1
            out[n == 1] = first(x)[n == 1]
            left = np.flatnonzero(np.isnan(out) & (n > 1) & ~np.isnan(x))
            out.reshape(-1)[left] = _recurred(x.reshape(-1)[left], n.reshape(-1)[left], first, step)
        return out.astype(dt)

    return reference


def _together(*arrays: Any) -> list[Array]:
    """Broadcast, whatever the number of dimensions: NumPy's function for it stops at 32."""
    shape = layout.broadcast(*[np.shape(a) for a in arrays])
    return [np.broadcast_to(a, shape) for a in arrays]


HIGHEST = 100_000
"""The degree up to which recurrences go, a second of work: NaN beyond."""


def _recurred(x: Array, n: Array, first: Any, step: Step) -> Array:
    out = np.full_like(x, np.nan)
    before, this = np.ones_like(x), first(x)
    top = n.max(initial=0.0)
    k = 2
    while k <= min(top, HIGHEST) and not np.isnan(this).all():
        before, this = this, step(x, before, this, k)
        out[n == k] = this[n == k]
        k += 1
    return out


def _sign(n: Array) -> Array:
    return np.where(n % 2 == 0, 1.0, -1.0)


def _chebyshev(
    inside: Closed, from_degree: int, at_one: Callable[[Array], Any], at_minus_one: Callable[[Array], Any]
) -> Closed:  # fmt: skip
    """Values at 1 and -1, and by angles between them (18.5.1 to 18.5.4)."""

    def closed(x: Array, n: Array) -> Array:
        between = np.where((np.abs(x) < 1) & (n > from_degree), inside(np.arccos(x), n), np.nan)
        return np.where(x == 1, at_one(n), np.where(x == -1, at_minus_one(n), between))

    return closed


def _double(x: Array, before: Array, this: Array, k: int) -> Array:
    return 2 * x * this - before


_CHEBYSHEV: dict[str, tuple[Callable[[Array], Array], Closed]] = {
    "t": (
        lambda x: x,
        _chebyshev(lambda a, n: np.cos(n * a), 6, np.ones_like, _sign),
    ),
    "u": (
        lambda x: 2 * x,
        _chebyshev(lambda a, n: np.sin((n + 1) * a) / np.sin(a), 8,
                   lambda n: n + 1, lambda n: _sign(n) * (n + 1)),
    ),
    "v": (
        lambda x: 2 * x - 1,
        _chebyshev(lambda a, n: np.cos((n + 0.5) * a) / np.cos(a / 2), 8,
                   np.ones_like, lambda n: _sign(n) * (2 * n + 1)),
    ),
    "w": (
        lambda x: 2 * x + 1,
        _chebyshev(lambda a, n: np.sin((n + 0.5) * a) / np.sin(a / 2), 8,
                   lambda n: 2 * n + 1, _sign),
    ),
}  # fmt: skip


def _none(x: Array, n: Array) -> Array:
    return np.full_like(x, np.nan)


_samples: Samples = lambda m: [  # noqa: E731
    ((m(2, 3), m.int(3, low=-1, high=12).to(m(1).dtype)), {}), ((m(2), 3.0), {}),
    ((0.5, m(2, low=0.0, high=5.0)), {}),
]  # fmt: skip


def _row(name: str, numpy: Any, doc: str) -> None:
    row(f"{name}(Operand input, Operand n) -> Tensor", rule=_rule, numpy=numpy, forms="fo",
        where="special", samples=_samples, doc=doc)  # fmt: skip


def _of_shifted(reference: Any) -> Any:
    return lambda x, n: reference(2 * x - 1, n)


for _kind, (_first, _closed) in _CHEBYSHEV.items():
    _reference = _polynomial(_first, _double, _closed)
    _row(f"chebyshev_polynomial_{_kind}", _reference,
         f"Chebyshev's polynomial {_kind.upper()}n of input.")  # fmt: skip
    _row(f"shifted_chebyshev_polynomial_{_kind}", _of_shifted(_reference),
         f"Chebyshev's polynomial {_kind.upper()}n of 2 * input - 1.")  # fmt: skip

_row("hermite_polynomial_h",
     _polynomial(lambda x: 2 * x, lambda x, p, q, k: 2 * (x * q - (k - 1) * p), _none),
     "Hermite's polynomial of degree n, with weight exp(-x**2).")  # fmt: skip
_row("hermite_polynomial_he",
     _polynomial(lambda x: x, lambda x, p, q, k: x * q - (k - 1) * p, _none),
     "Hermite's polynomial of degree n, with weight exp(-x**2 / 2).")  # fmt: skip
_row("laguerre_polynomial_l",
     _polynomial(lambda x: 1 - x,
                 lambda x, p, q, k: ((2 * k - 1 - x) * q - (k - 1) * p) / k,
                 lambda x, n: np.where(x == 0, 1.0, math.nan)),
     "Laguerre's polynomial of degree n.")  # fmt: skip
_row("legendre_polynomial_p",
     _polynomial(lambda x: x,
                 lambda x, p, q, k: ((2 * k - 1) * x * q - (k - 1) * p) / k,
                 lambda x, n: np.where(x == 1, 1.0, np.where(x == -1, _sign(n), math.nan))),
     "Legendre's polynomial of degree n.")  # fmt: skip
