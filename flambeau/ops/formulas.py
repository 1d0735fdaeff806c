"""Pieces that the rows of several families share: conjugates in derivatives, usual samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core import dtypes
from ..core.aval import Aval
from .rules import elementwise, pointwise
from .table import Spec, call

Samples = Callable[[Any], list[tuple[tuple[Any, ...], dict[str, Any]]]]


def conj(x: Any) -> Any:
    """The conjugate of a tensor or number, which a complex derivative is multiplied with; what is
    real is returned as it is."""
    if isinstance(x, complex):
        return x.conjugate()
    return call.conj(x) if getattr(x, "is_complex", bool)() else x


def zeros(grad: Any) -> Any:
    """The derivative of what is constant between its steps."""
    return call.zeros_like(grad)


def one(*params: Any, **domain: Any) -> Samples:
    """Samples of a row with one tensor: filled, 0-d, empty, non-contiguous."""
    return lambda m: [
        ((m(*shape, **domain), *params), {}) for shape in ((2, 3), (), (0, 2))
    ] + [((m(3, 2, **domain).t(), *params), {})]


def analytic(*params: Any, **domain: Any) -> Samples:
    """Samples of a row that takes complex numbers as well."""
    real = one(*params, **domain)
    return lambda m: [*real(m), ((m.complex(2), *params), {})]


def two(**domain: Any) -> Samples:
    """Samples of a row with two tensors: equal shapes, broadcast, 0-d, empty."""
    return lambda m: [
        ((m(*a, **domain), m(*b, **domain)), {})
        for a, b in (((2, 3), (2, 3)), ((2, 1), (3,)), ((), (2,)), ((0, 2), (2,)))
    ]


def two_or_number(number: float = 2.5, **domain: Any) -> Samples:
    """Samples of a row whose second operand may be a number."""
    pairs = two(**domain)
    return lambda m: [*pairs(m), ((m(3, **domain), number), {})]


_floats = pointwise(allow="f")
_pair = pointwise()


@elementwise
def float_only(x: Aval, *params: Any) -> Spec:
    """The rule of one floating tensor and parameters."""
    return _floats(x)


@elementwise
def with_gradient(grad: Aval, x: Aval, *params: Any) -> Spec:
    """The rule of a row `<name>_backward`: a gradient, what it is the gradient of, parameters."""
    return _pair(grad, x)


def refusing(kinds: str, error: type[Exception], text: str, result: str = "same") -> Any:
    """A pointwise rule that refuses categories (letters b, i, f, c) with PyTorch's own error."""
    inner = pointwise(result)

    def rule(*args: Any) -> Spec:
        for a in args:
            d = a.dtype if isinstance(a, Aval) else dtypes.of_scalar(a)
            if "bifc"[d.category] in kinds:
                raise error(text)
        return inner(*args)

    return elementwise(rule)
