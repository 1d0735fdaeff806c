"""Addition, multiplication, powers: the arithmetic that everything else is written with."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval, aval
from .formulas import analytic, conj
from .lowering import pointwise as low
from .lowering.common import primitive
from .rules import common_dtype, common_shape, matching, pointwise
from .table import Spec, call, row


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
        raise RuntimeError(
            "For integral input tensors, argument alpha must not be a floating point number."
        )
    if alpha is bool and dt is not dtypes.bool_:
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    return spec


def _times(b: Any, alpha: Any, like: Any) -> Any:
    """b * alpha; two whole numbers may give more than 64 bits: rounded or wrapped, as `like` is."""
    if b.__class__ is int and alpha.__class__ is int and not -(1 << 63) <= b * alpha < 1 << 63:
        if like.dtype.kind in "fc":
            return float(b * alpha)
        return np.array(b * alpha & (1 << 64) - 1, np.uint64).astype(like.dtype)
    return np.multiply(b, alpha)


def _plus(a: Any, b: Any, alpha: Any) -> Any:
    if alpha is not True and alpha == 1:
        return np.add(a, b)
    return np.add(a, _times(b, alpha, a))


def _minus(a: Any, b: Any, alpha: Any) -> Any:
    if alpha == 1:
        return np.subtract(a, b)
    return np.subtract(a, _times(b, alpha, a))


def _times_alpha(grad: Any, alpha: Any) -> Any:
    return grad if alpha == 1 else grad * alpha


row(
    "add(Operand input, Operand other, *, Scalar alpha=1) -> Tensor", operator="add",
    reflected=lambda self, other: call.add(self, other),
    rule=scaled, numpy=_plus, forms="fmio", multiplier="alpha",
    lower=low.add,
    grads={"input": lambda grad: grad,
           "other": lambda grad, alpha: _times_alpha(grad, conj(alpha))},
    samples=lambda m: [
        ((m(3), m(3)), {}), ((m(2, 1), m(3)), {"alpha": 2}), ((m(3), 2.5), {}), ((m(), m(2)), {}),
        ((m(2), m.complex(2)), {"alpha": 1j}),
    ],
    doc="input + alpha * other.",
)  # fmt: skip

row(
    "sub(Operand input, Operand other, *, Scalar alpha=1) -> Tensor", operator="sub",
    reflected=lambda self, other: call.rsub(self, other),
    rule=_no_bool_subtract, numpy=_minus, forms="fmio", alias=("subtract",), multiplier="alpha",
    lower=low.sub,
    grads={"input": lambda grad: grad,
           "other": lambda grad, alpha: -_times_alpha(grad, conj(alpha))},
    samples=lambda m: [((m(3), m(3)), {}), ((m(2, 1), m(3)), {"alpha": 2}), ((m(3), 2.5), {})],
    doc="input - alpha * other.",
)  # fmt: skip

row(
    "rsub(Tensor input, Operand other, *, Scalar alpha=1) -> Tensor",
    rule=_no_bool_subtract, numpy=lambda a, b, alpha: _minus(b, a, alpha),
    number_node="RsubBackward1",
    lower=lambda b, x, y, alpha: low.sub(b, y, x, alpha),
    grads={"input": lambda grad, alpha: -_times_alpha(grad, conj(alpha)),
           "other": lambda grad: grad},
    samples=lambda m: [((m(3), m(3)), {}), ((m(2, 3), 2.0), {"alpha": 3})],
    doc="other - alpha * input.",
)  # fmt: skip

row(
    "mul(Operand input, Operand other) -> Tensor", operator="mul",
    reflected=lambda self, other: call.mul(self, other),
    rule=pointwise(), numpy=np.multiply, forms="fmio", alias=("multiply",),
    lower=low.arithmetic("mul"),
    grads={"input": lambda grad, other: grad * conj(other),
           "other": lambda grad, input: grad * conj(input)},
    samples=lambda m: [
        ((m(3), m(3)), {}), ((m(2, 1), m(3)), {}), ((m(3), 2), {}), ((m(), m(2, 0)), {}),
        ((m(2), m.complex(2)), {}), ((m.complex(2), 2j), {}),
    ],
    doc="input * other.",
)  # fmt: skip


row(
    "neg(Tensor input) -> Tensor", operator="neg",
    rule=lambda x: _negatable(x), numpy=np.negative, forms="fmio", out="exact", alias=("negative",),
    lower=primitive("neg"),
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


def _square(input: Any) -> Any:
    """input * input."""
    return call.pow_number(input, 2)


row("square(Tensor input) -> Tensor", body=_square, forms="fmio", samples=analytic(),
    doc="The square.")  # fmt: skip


# --- fused forms --------------------------------------------------------------------------------


def _addcmul(x: Any, a: Any, b: Any, value: Any) -> Any:
    product = np.multiply(a, b)
    return np.add(x, product if value == 1 else np.multiply(product, _like(value, product)))


def _like(value: Any, array: Any) -> Any:
    """A multiplier in the dtype of a result: fractions of integers are cut off, as in C."""
    return int(value) if array.dtype.kind in "iu" else value


row(
    "addcmul(Tensor input, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
    rule=pointwise(operands=3), numpy=_addcmul, forms="fmio", multiplier="value",
    lower=low.addcmul,
    grads={"input": lambda grad: grad,
           "tensor1": lambda grad, tensor2, value: grad * conj(_times_alpha(tensor2, value)),
           "tensor2": lambda grad, tensor1, value: grad * conj(_times_alpha(tensor1, value))},
    samples=lambda m: [
        ((m(2, 3), m(2, 1), m(3)), {"value": 0.5}), ((m(3), m(3), m()), {}),
        ((m(0), m(0), m()), {}), ((m.complex(2), m.complex(2), m.complex(2)), {"value": 1j}),
    ],
    doc="input + value * tensor1 * tensor2.",
)  # fmt: skip


def _addcdiv_rule(x: Aval, a: Aval, b: Aval, value: type) -> Spec:
    if a.dtype.category < dtypes.FLOAT and b.dtype.category < dtypes.FLOAT:
        raise RuntimeError(
            f"Integer division with addcdiv is not supported ({a.dtype} / {b.dtype}): write "
            "input + value * torch.trunc(tensor1 / tensor2).to(input.dtype), or divide floats"
        )
    return pointwise(operands=3)(x, a, b, value)


def _addcdiv(x: Any, a: Any, b: Any, value: Any) -> Any:
    quotient = np.true_divide(a, b)
    return np.add(x, quotient if value == 1 else np.multiply(quotient, value))


row(
    "addcdiv(Tensor input, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
    rule=_addcdiv_rule, numpy=_addcdiv, forms="fmio", multiplier="value",
    lower=low.addcdiv,
    grads={"input": lambda grad: grad,
           "tensor1": lambda grad, tensor2, value: grad * conj(value / tensor2),
           "tensor2": lambda grad, tensor1, tensor2, value:
               -grad * conj(_times_alpha(tensor1, value) / (tensor2 * tensor2))},
    samples=lambda m: [
        ((m(2, 3), m(2, 1), m(3, low=0.5, high=2.0)), {"value": 0.5}),
        ((m(3), m(3), m(low=0.5, high=2.0)), {}),
    ],
    doc="input + value * tensor1 / tensor2.",
)  # fmt: skip


def _lerp_rule(start: Aval, end: Aval, weight: Any) -> Spec:
    dt = matching(start, end)
    if dt.category < dtypes.FLOAT:
        raise NotImplementedError(f"not implemented for {dt}: floating tensors only")
    if isinstance(weight, Aval) and weight.ndim:
        matching(start, weight)
    return Spec(aval(common_shape((start, end, weight)), dt, start.device), dt)


def _lerp(start: Any, end: Any, weight: Any) -> Any:
    # From the nearer end, so that weights 0 and 1 give the ends exactly.
    difference = end - start
    near = np.less(np.abs(weight), 0.5)
    if near.ndim == 0:
        return start + weight * difference if near else end - difference * (1 - weight)
    return np.where(near, start + weight * difference, end - difference * (1 - weight))


def _rest(weight: Any) -> Any:
    return 1 - conj(weight)


row(
    "lerp_number(Tensor input, Tensor end, Scalar weight) -> Tensor",
    rule=_lerp_rule, numpy=_lerp, forms="", node="LerpBackward0",
    lower=low.lerp,
    grads={"input": lambda grad, weight: grad * _rest(weight),
           "end": lambda grad, weight: grad * conj(weight)},
    samples=lambda m: [((m(2, 3), m(3), 0.3), {}), ((m(2), m(), 0.9), {})],
    doc="lerp() with a number as weight.",
)  # fmt: skip

row(
    "lerp_tensor(Tensor input, Tensor end, Tensor weight) -> Tensor",
    rule=_lerp_rule, numpy=_lerp, forms="", node="LerpBackward1",
    lower=low.lerp,
    grads={"input": lambda grad, weight: grad * _rest(weight),
           "end": lambda grad, weight: grad * conj(weight),
           "weight": lambda grad, input, end: grad * conj(end - input)},
    samples=lambda m: [((m(2, 3), m(3), m(2, 1)), {}), ((m(2), m(2), m()), {})],
    doc="lerp() with a tensor as weight.",
)  # fmt: skip


def _lerp_body(input: Any, end: Any, weight: Any) -> Any:
    """input + weight * (end - input): the weight is a number or a tensor.

    RuntimeError if the dtypes differ.
    """
    if hasattr(weight, "is_complex"):
        return call.lerp_tensor(input, end, weight)
    return call.lerp_number(input, end, weight)


row("lerp(Tensor input, Tensor end, Operand weight) -> Tensor", body=_lerp_body, forms="fmio",
    samples=lambda m: [((m(2, 3), m(3), 0.3), {}), ((m(2), m(2), m(2)), {})],
    doc="A place on the way from input to end.")  # fmt: skip
