"""Functions of single elements: exponentials, logarithms, rounding, signs."""

from __future__ import annotations

from typing import Any

import numpy as np

from .formulas import conj, one
from .rules import pointwise
from .table import Spec, call, row

row(
    "abs(Tensor input) -> Tensor",
    rule=pointwise("real", allow="ifc"), numpy=np.abs, forms="fmio", alias=("absolute",),
    grads={"input": lambda grad, input: grad * call.sgn(input)},
    samples=one(), doc="The absolute value; of complex numbers the modulus, a real number.",
)  # fmt: skip


def _zeros(grad: Any) -> Any:
    return call.zeros_like(grad)


def _sign(x: np.ndarray) -> Any:
    return x if x.dtype == np.bool_ else np.sign(x)


row(
    "sign(Tensor input) -> Tensor",
    rule=pointwise(allow="bif"), numpy=_sign, forms="fmio",
    grads={"input": _zeros},
    samples=one(), doc="-1, 0 or 1. For complex numbers there is sgn().",
)  # fmt: skip


def _sgn(x: np.ndarray) -> Any:
    return np.sign(x) if x.dtype.kind != "b" else x


def _sgn_grad(grad: Any, input: Any, result: Any) -> Any:
    if not input.is_complex():
        return call.zeros_like(grad)
    size = input.abs()
    slope = (grad - result * result * conj(grad)) / (size * 2)
    return slope.masked_fill(size == 0, 0)


row(
    "sgn(Tensor input) -> Tensor",
    rule=pointwise(), numpy=_sgn, forms="fmio", grads={"input": _sgn_grad},
    samples=one(), doc="sign() for every dtype: a complex number divided by its modulus.",
)  # fmt: skip

row(
    "exp(Tensor input) -> Tensor",
    rule=pointwise("float"), numpy=np.exp, forms="fmio",
    grads={"input": lambda grad, result: grad * conj(result)},
    samples=one(), doc="e to the power of input.",
)  # fmt: skip

row(
    "log(Tensor input) -> Tensor",
    rule=pointwise("float"), numpy=np.log, forms="fmio",
    grads={"input": lambda grad, input: grad / conj(input)},
    samples=one(low=0.5, high=3.0), doc="The natural logarithm.",
)  # fmt: skip

row(
    "tanh(Tensor input) -> Tensor",
    rule=pointwise("float"), numpy=np.tanh, forms="fmio",
    grads={"input": lambda grad, result: call.tanh_backward(grad, result)},
    samples=one(), doc="The hyperbolic tangent.",
)  # fmt: skip

row(
    "tanh_backward(Tensor grad_output, Tensor output) -> Tensor",
    rule=pointwise(), numpy=lambda g, y: g * (1 - np.conj(y * y)), forms="",
    grads={"grad_output": lambda grad, output: call.tanh_backward(grad, conj(output)),
           "output": lambda grad, grad_output, output: grad * -2 * conj(grad_output) * conj(output)},
    samples=lambda m: [((m(2, 3), m(2, 3)), {})],
    doc="The gradient of tanh from its result.",
)  # fmt: skip

row(
    "sigmoid(Tensor input) -> Tensor",
    rule=pointwise("float"), numpy=lambda x: 1 / (1 + np.exp(-x)), forms="fmio",
    grads={"input": lambda grad, result: call.sigmoid_backward(grad, result)},
    samples=one(), doc="1 / (1 + exp(-input)).",
)  # fmt: skip

row(
    "sigmoid_backward(Tensor grad_output, Tensor output) -> Tensor",
    rule=pointwise(), numpy=lambda g, y: g * np.conj((1 - y) * y), forms="",
    grads={"grad_output": lambda grad, output: call.sigmoid_backward(grad, conj(output)),
           "output": lambda grad, grad_output, output:
               grad * conj(grad_output) * (1 - 2 * conj(output))},
    samples=lambda m: [((m(2, 3), m(2, 3)), {})],
    doc="The gradient of sigmoid from its result.",
)  # fmt: skip
