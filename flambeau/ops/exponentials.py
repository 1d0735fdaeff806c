"""Exponentials, logarithms, and the two functions made of them: sigmoid and tanh."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .formulas import analytic, conj
from .lowering import pointwise as low
from .lowering.common import primitive
from .rules import pointwise, with_a_tensor
from .table import call, row

# --- exponentials and logarithms ----------------------------------------------------------------

row(
    "exp(Tensor input) -> Tensor",
    rule=pointwise("float"), numpy=np.exp, forms="fmio",
    lower=primitive("exp"),
    grads={"input": lambda grad, result: grad * conj(result)},
    samples=analytic(), doc="e to the power of input.",
)  # fmt: skip

row(
    "exp2(Tensor input) -> Tensor",
    rule=pointwise("float"), numpy=np.exp2, forms="fmio", alias=("special.exp2",), node="Exp2Backward0",
    lower=primitive("exp2"),
    grads={"input": lambda grad, result: grad * conj(result) * math.log(2)},
    samples=analytic(), doc="2 to the power of input.",
)  # fmt: skip

row(
    "expm1(Tensor input) -> Tensor",
    rule=pointwise("float"), numpy=np.expm1, forms="fmio", alias=("special.expm1",), node="Expm1Backward0",
    lower=primitive("expm1"),
    grads={"input": lambda grad, result: grad * (conj(result) + 1)},
    samples=analytic(), doc="exp(input) - 1, exact for small numbers.",
)  # fmt: skip

row(
    "log(Tensor input) -> Tensor",
    rule=pointwise("float"), numpy=np.log, forms="fmio",
    lower=primitive("log"),
    grads={"input": lambda grad, input: grad / conj(input)},
    samples=analytic(low=0.5, high=3.0), doc="The natural logarithm.",
)  # fmt: skip

row(
    "log1p(Tensor input) -> Tensor",
    rule=pointwise("float"), numpy=np.log1p, forms="fmio", alias=("special.log1p",), node="Log1P",
    lower=primitive("log1p"),
    grads={"input": lambda grad, input: grad / (conj(input) + 1)},
    samples=analytic(low=-0.5, high=3.0), doc="log(1 + input), exact for small numbers.",
)  # fmt: skip

row(
    "log2(Tensor input) -> Tensor",
    rule=pointwise("float"), numpy=np.log2, forms="fmio", node="Log2Backward0",
    lower=primitive("log2"),
    grads={"input": lambda grad, input: grad / (conj(input) * math.log(2))},
    samples=analytic(low=0.5, high=3.0), doc="The logarithm to base 2.",
)  # fmt: skip

row(
    "log10(Tensor input) -> Tensor",
    rule=pointwise("float"), numpy=np.log10, forms="fmio", node="Log10Backward0",
    lower=primitive("log10"),
    grads={"input": lambda grad, input: grad / (conj(input) * math.log(10))},
    samples=analytic(low=0.5, high=3.0), doc="The logarithm to base 10.",
)  # fmt: skip


def logaddexp(a: Any, b: Any) -> Any:
    if not np.iscomplexobj(a):
        return np.logaddexp(a, b)
    # Beside the larger one: its imaginary part is not wrapped to (-pi, pi].
    first = a.real >= b.real
    large, small = np.where(first, a, b), np.where(first, b, a)
    infinite = np.isinf(a.real) & (a.real == b.real)  # their difference would be NaN
    return np.where(infinite, large, large + np.log1p(np.exp(small - large)))


def _logaddexp_grad(grad: Any, input: Any, other: Any) -> Any:
    return grad / conj(call.exp(other - input) + 1)


row(
    "logaddexp(Tensor input, Tensor other) -> Tensor",
    rule=pointwise(allow="fc"), forms="fmo", numpy=logaddexp,
    lower=low.logaddexp,
    grads={"input": _logaddexp_grad,
           "other": lambda grad, input, other: _logaddexp_grad(grad, other, input)},
    samples=lambda m: [((m(2, 3), m(3)), {}), ((m(), m(2)), {}), ((m(0), m(0)), {})],
    doc="log(exp(input) + exp(other)) without overflow.",
)  # fmt: skip


def _logaddexp2_grad(grad: Any, input: Any, other: Any) -> Any:
    return grad / (call.exp2(other - input) + 1)


row(
    "logaddexp2(Tensor input, Tensor other) -> Tensor",
    rule=pointwise(allow="f"), numpy=np.logaddexp2, forms="fmo", node="Logaddexp2Backward0",
    lower=low.logaddexp2,
    grads={"input": _logaddexp2_grad,
           "other": lambda grad, input, other: _logaddexp2_grad(grad, other, input)},
    samples=lambda m: [((m(2, 3), m(3)), {}), ((m(), m(2)), {}), ((m(0), m(0)), {})],
    doc="log2(2 ** input + 2 ** other) without overflow.",
)  # fmt: skip


def _xlogy(x: Any, y: Any) -> Any:
    out = np.multiply(x, np.log(y))
    return np.where(np.equal(x, 0) & ~np.isnan(y), out.dtype.type(0), out)


row(
    "xlogy(Operand input, Operand other) -> Tensor",
    rule=with_a_tensor(pointwise("float", allow="bif")), numpy=_xlogy, forms="fmio", alias=("special.xlogy",),
    number_node="XlogyBackward2",
    lower=low.xlogy,
    grads={"input": lambda grad, input, other: grad * _log_or_zero(input, other),
           "other": lambda grad, input, other: grad * input / other},
    samples=lambda m: [
        ((m(2, 3), m(3, low=0.5, high=2.0)), {}), ((2.0, m(3, low=0.5, high=2.0)), {}),
        ((m(2), 3.0), {}),
    ],
    doc="input * log(other), and zero where input is zero.",
)  # fmt: skip


def _log_or_zero(input: Any, other: Any) -> Any:
    """log(other), and zero where 0 * log(0) counts as zero."""
    other = other if hasattr(other, "log") else call.full((), other, dtype=input.dtype)
    return call.log(other).masked_fill((input == 0) & (other <= 0), 0)


# --- sigmoid and tanh ---------------------------------------------------------------------------

row(
    "tanh(Tensor input) -> Tensor",
    rule=pointwise("float"), numpy=np.tanh, forms="fmio",
    lower=primitive("tanh"),
    grads={"input": lambda grad, result: call.tanh_backward(grad, result)},
    samples=analytic(), doc="The hyperbolic tangent.",
)  # fmt: skip

row(
    "tanh_backward(Tensor grad_output, Tensor output) -> Tensor",
    rule=pointwise(), numpy=lambda g, y: g * (1 - np.conj(y * y)), forms="",
    lower=low.tanh_backward,
    grads={"grad_output": lambda grad, output: call.tanh_backward(grad, conj(output)),
           "output": lambda grad, grad_output, output:
               conj(grad) * grad_output * conj(output) * -2},
    samples=lambda m: [((m(2, 3), m(2, 3)), {})],
    doc="The gradient of tanh from its result.",
)  # fmt: skip


def _sigmoid(x: np.ndarray) -> Any:
    y = np.exp(-x)
    y += 1
    return np.divide(1, y, out=y) if y.ndim else 1 / y


row(
    "sigmoid(Tensor input) -> Tensor",
    rule=pointwise("float"), numpy=_sigmoid, forms="fmio", alias=("special.expit",),
    lower=low.sigmoid,
    grads={"input": lambda grad, result: call.sigmoid_backward(grad, result)},
    samples=analytic(), doc="1 / (1 + exp(-input)).",
)  # fmt: skip

row(
    "sigmoid_backward(Tensor grad_output, Tensor output) -> Tensor",
    rule=pointwise(), numpy=lambda g, y: g * np.conj((1 - y) * y), forms="",
    lower=low.sigmoid_backward,
    grads={"grad_output": lambda grad, output: call.sigmoid_backward(grad, conj(output)),
           "output": lambda grad, grad_output, output:
               conj(grad) * grad_output * (1 - conj(output) * 2)},
    samples=lambda m: [((m(2, 3), m(2, 3)), {})],
    doc="The gradient of sigmoid from its result.",
)  # fmt: skip


def _logit(x: np.ndarray, eps: Any) -> Any:
    if eps is not None:
        x = np.clip(x, eps, 1 - eps)
    return np.log(x / (1 - x))


def _logit_grad(grad: Any, input: Any, eps: Any) -> Any:
    low, high, outside = (0, 1, math.nan) if eps is None else (eps, 1 - eps, 0)
    inside = (input >= low) & (input <= high)
    return call.where_chosen(inside, grad / (input * (1 - input)), outside)


row(
    "logit(Tensor input, float? eps=None) -> Tensor",
    rule=lambda x, eps: pointwise("float", allow="bif")(x), numpy=_logit, forms="fmio", alias=("special.logit",),
    lower=low.logit,
    grads={"input": _logit_grad},
    samples=lambda m: [
        ((m(2, 3, low=0.1, high=0.9),), {}), ((m(3, low=0.0, high=1.0), 0.15), {}), ((m(0),), {}),
    ],
    doc="log(input / (1 - input)), with input cut to [eps, 1 - eps] if eps is given.",
)  # fmt: skip
