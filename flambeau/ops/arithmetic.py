"""Addition, multiplication, powers: the arithmetic that everything else is written with."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval
from .formulas import conj
from .rules import common_dtype, pointwise
from .table import Spec, row


def _no_bool_subtract(*args: Any) -> Spec:
    kinds = [a.dtype if isinstance(a, Aval) else dtypes.of_scalar(a) for a in args[:2]]
    if any(k is dtypes.bool_ for k in kinds):
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying "
            "to invert a mask, use the `~` or `logical_not()` operator instead."
        )
    return scaled(*args)


def scaled(a: Any, b: Any, alpha: type) -> Spec:
    """Pointwise over two operands; the multiplier must fit the result's dtype."""
    spec = pointwise(operands=2)(a, b)
    dt = common_dtype((a, b))
    if alpha is float and dt.category < dtypes.FLOAT:
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    if alpha is bool and dt is not dtypes.bool_:
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    return spec


def _plus(a: Any, b: Any, alpha: Any) -> Any:
    if alpha is not True and alpha == 1:
        return np.add(a, b)
    return np.add(a, np.multiply(b, alpha))


def _minus(a: Any, b: Any, alpha: Any) -> Any:
    if alpha == 1:
        return np.subtract(a, b)
    return np.subtract(a, np.multiply(b, alpha))


def _times_alpha(grad: Any, alpha: Any) -> Any:
    return grad if alpha == 1 else grad * alpha


row(
    "add(Operand input, Operand other, *, Scalar alpha=1) -> Tensor",
    rule=scaled, numpy=_plus, forms="fmio",
    grads={"input": lambda grad: grad,
           "other": lambda grad, alpha: _times_alpha(grad, alpha)},
    samples=lambda m: [((m(3), m(3)), {}), ((m(2, 1), m(3)), {"alpha": 2}), ((m(3), 2.5), {}), ((m(), m(2)), {})],
    doc="input + alpha * other.",
)  # fmt: skip

row(
    "sub(Operand input, Operand other, *, Scalar alpha=1) -> Tensor",
    rule=_no_bool_subtract, numpy=_minus, forms="fmio", alias=("subtract",),
    grads={"input": lambda grad: grad,
           "other": lambda grad, alpha: -_times_alpha(grad, alpha)},
    samples=lambda m: [((m(3), m(3)), {}), ((m(2, 1), m(3)), {"alpha": 2}), ((m(3), 2.5), {})],
    doc="input - alpha * other.",
)  # fmt: skip

row(
    "rsub(Tensor input, Operand other, *, Scalar alpha=1) -> Tensor",
    rule=_no_bool_subtract, numpy=lambda a, b, alpha: _minus(b, a, alpha), node="RsubBackward1",
    grads={"input": lambda grad, alpha: -_times_alpha(grad, alpha),
           "other": lambda grad: grad},
    samples=lambda m: [((m(3), m(3)), {}), ((m(2, 3), 2.0), {"alpha": 3})],
    doc="other - alpha * input.",
)  # fmt: skip

row(
    "mul(Operand input, Operand other) -> Tensor",
    rule=pointwise(), numpy=np.multiply, forms="fmio", alias=("multiply",),
    grads={"input": lambda grad, other: grad * conj(other),
           "other": lambda grad, input: grad * conj(input)},
    samples=lambda m: [((m(3), m(3)), {}), ((m(2, 1), m(3)), {}), ((m(3), 2), {}), ((m(), m(2, 0)), {})],
    doc="input * other.",
)  # fmt: skip


row(
    "neg(Tensor input) -> Tensor",
    rule=lambda x: _negatable(x), numpy=np.negative, forms="fmio", alias=("negative",),
    grads={"input": lambda grad: -grad},
    samples=lambda m: [((m(2, 3),), {}), ((m(),), {}), ((m(0),), {})],
    doc="-input.",
)  # fmt: skip


def _negatable(x: Aval) -> Spec:
    if x.dtype is dtypes.bool_:
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to "
            "invert a mask, use the `~` or `logical_not()` operator instead."
        )
    return Spec(x)
