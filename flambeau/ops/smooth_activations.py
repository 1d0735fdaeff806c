"""Smooth activation functions: GELU, SiLU, Mish, softplus and their kin. Each has a row
`<name>_backward`, whose own derivative is the function's second one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import layout
from ..core.aval import Aval
from ..errors import shown
from .formulas import Samples, analytic, conj, float_only, one, with_gradient
from .lowering import activations as low
from .rules import pointwise
from .special_functions import erf_fast
from .table import Spec, call, row

_SLOPES: Samples = lambda m: [((m(2, 3), m(2, 3)), {}), ((m(), m()), {})]  # noqa: E731


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.divide(1, 1 + np.exp(-x))


# --- GELU ---------------------------------------------------------------------------------------

_K = math.sqrt(2 / math.pi)
_CUBIC = 0.044715


def _gelu_rule(x: Aval, approximate: str) -> Spec:
    if approximate not in ("none", "tanh"):
        raise RuntimeError(
            f"approximate argument must be either none or tanh, got {shown(approximate)}"
        )
    return float_only(x)


def _normal_cdf(x: np.ndarray) -> np.ndarray:
    out = erf_fast(x * x.dtype.type(math.sqrt(0.5)))
    out += 1
    out *= x.dtype.type(0.5)
    return out


def _gelu(x: np.ndarray, approximate: str) -> Any:
    if approximate == "none":
        return x * _normal_cdf(x)
    return 0.5 * x * (1 + np.tanh(_K * (x + _CUBIC * (x * x * x))))


def _gelu_slope(g: np.ndarray, x: np.ndarray, approximate: str) -> Any:
    if approximate == "none":
        density = np.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))
        return g * (_normal_cdf(x) + x * density)
    square = x * x
    t = np.tanh(_K * (x + _CUBIC * (square * x)))
    inner = _K * (1 + 3 * _CUBIC * square)
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner)


def _gelu_second(grad: Any, grad_output: Any, input: Any, approximate: str) -> Any:
    square = input * input
    if approximate == "none":
        second = call.exp(square * -0.5) * (2 - square) * (1 / math.sqrt(2 * math.pi))
        return grad * grad_output * second
    t = call.tanh((input + square * input * _CUBIC) * _K)
    inner = square * (3 * _CUBIC * _K) + _K
    slope = 1 - t * t
    bend = input * (6 * _CUBIC * _K) - t * (inner * inner) * 2
    return grad * grad_output * slope * (inner + input * bend * 0.5)


row(
    "gelu(Tensor input, str approximate='none') -> Tensor",
    rule=_gelu_rule, forms="fio", out="exact", where="nn", numpy=_gelu,
    lower=low.gelu,
    grads={"input": lambda grad, input, approximate: call.gelu_backward(grad, input, approximate)},
    samples=lambda m: [*one()(m), ((m(2, 3), "tanh"), {})],
    doc="input * P(X <= input) for normal X; approximate='tanh' is Hendrycks and Gimpel's formula.",
)  # fmt: skip

row(
    "gelu_backward(Tensor grad_output, Tensor input, str approximate) -> Tensor",
    rule=with_gradient, forms="", numpy=_gelu_slope,
    lower=low.gelu_backward,
    grads={"grad_output": lambda grad, input, approximate:
               call.gelu_backward(grad, input, approximate),
           "input": _gelu_second},
    samples=lambda m: [((m(2, 3), m(2, 3), "none"), {}), ((m(2, 3), m(2, 3), "tanh"), {})],
    doc="The gradient of gelu.",
)  # fmt: skip


# --- SiLU and Mish ------------------------------------------------------------------------------


def _silu_slope(g: np.ndarray, x: np.ndarray) -> Any:
    s = _sigmoid(x)
    return g * np.conj(s * (1 + x * (1 - s)))


def _silu_second(grad: Any, grad_output: Any, input: Any) -> Any:
    s = call.sigmoid(input)
    return conj(grad) * grad_output * conj(s * (1 - s) * (input * (1 - s * 2) + 2))


row(
    "silu(Tensor input) -> Tensor",
    rule=pointwise(allow="fc"), forms="fio", where="nn", numpy=lambda x: x * _sigmoid(x),
    lower=low.silu,
    grads={"input": lambda grad, input: call.silu_backward(grad, input)},
    samples=analytic(), doc="input * sigmoid(input).",
)  # fmt: skip

row(
    "silu_backward(Tensor grad_output, Tensor input) -> Tensor",
    rule=with_gradient, forms="", numpy=_silu_slope,
    lower=low.silu_backward,
    grads={"grad_output": lambda grad, input: call.silu_backward(grad, conj(input)),
           "input": _silu_second},
    samples=_SLOPES, doc="The gradient of silu.",
)  # fmt: skip


def _softplus_of(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _mish_slope(g: np.ndarray, x: np.ndarray) -> Any:
    t = np.tanh(_softplus_of(x))
    return g * (t + x * (_sigmoid(x) * (1 - t * t)))


def _mish_second(grad: Any, grad_output: Any, input: Any) -> Any:
    t = call.tanh(call.softplus(input))
    s = call.sigmoid(input)
    slope = s * (1 - t * t)
    return grad * grad_output * (slope * (input * (1 - s - t * s * 2) + 2))


row(
    "mish(Tensor input) -> Tensor",
    rule=float_only, forms="fio", where="nn", numpy=lambda x: x * np.tanh(_softplus_of(x)),
    lower=low.mish,
    grads={"input": lambda grad, input: call.mish_backward(grad, input)},
    samples=one(), doc="input * tanh(softplus(input)).",
)  # fmt: skip

row(
    "mish_backward(Tensor grad_output, Tensor input) -> Tensor",
    rule=with_gradient, forms="", numpy=_mish_slope,
    lower=low.mish_backward,
    grads={"grad_output": lambda grad, input: call.mish_backward(grad, input),
           "input": _mish_second},
    samples=_SLOPES, doc="The gradient of mish.",
)  # fmt: skip


# --- softplus and logsigmoid --------------------------------------------------------------------


def _softplus(x: np.ndarray, beta: float, threshold: float) -> Any:
    scaled = x * beta
    return np.where(scaled > threshold, x, np.log1p(np.exp(scaled)) / beta)


def _softplus_slope(g: np.ndarray, x: np.ndarray, beta: float, threshold: float) -> Any:
    scaled = x * beta
    return np.where(scaled > threshold, g, g * _sigmoid(scaled))


def _softplus_second(
    grad: Any, grad_output: Any, input: Any, beta: float, threshold: float
) -> Any:
    scaled = input * beta
    s = call.sigmoid(scaled)
    bend = grad * grad_output * (s * (1 - s) * beta)
    return bend.masked_fill(scaled > threshold, 0)


row(
    "softplus(Tensor input, float beta=1.0, float threshold=20.0) -> Tensor",
    rule=float_only, forms="fo", out="exact", where="nn", numpy=_softplus,
    lower=low.softplus,
    grads={"input": lambda grad, input, beta, threshold:
           call.softplus_backward(grad, input, beta, threshold)},
    samples=lambda m: [*one()(m), ((m(2, 3), 2.0, 1.0), {})],
    doc="log(1 + exp(beta * input)) / beta; input where beta * input is above the threshold.",
)  # fmt: skip

row(
    "softplus_backward(Tensor grad_output, Tensor input, float beta, float threshold) -> Tensor",
    rule=with_gradient, forms="", numpy=_softplus_slope,
    lower=low.softplus_backward,
    grads={"grad_output": lambda grad, input, beta, threshold:
               call.softplus_backward(grad, input, beta, threshold),
           "input": _softplus_second},
    samples=lambda m: [((m(2, 3), m(2, 3), 2.0, 1.0), {})],
    doc="The gradient of softplus.",
)  # fmt: skip

row(
    "logsigmoid(Tensor input) -> Tensor",
    rule=float_only, forms="fo", out="exact", where="nn", node="LogSigmoid",
    numpy=lambda x: np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))),
    lower=low.logsigmoid,
    grads={"input": lambda grad, input: grad * call.sigmoid(-input)},
    samples=one(), doc="log(sigmoid(input)), stable for large negative numbers.",
)  # fmt: skip

row("softsign(Tensor input) -> Tensor", where="nn", forms="f", samples=one(),
    body=lambda input: input / (call.abs(input) + 1), doc="input / (1 + |input|).")  # fmt: skip

row("tanhshrink(Tensor input) -> Tensor", where="nn", forms="f", samples=one(),
    body=lambda input: input - call.tanh(input), doc="input - tanh(input).")  # fmt: skip


# --- GLU ----------------------------------------------------------------------------------------


def _glu_rule(x: Aval, dim: int) -> Spec:
    if x.ndim == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    d = layout.wrap_dim(dim, x.ndim)
    if x.shape[d] % 2:
        raise RuntimeError(
            f"Halving dimension must be even, but dimension {d} of {list(x.shape)} is size "
            f"{x.shape[d]}"
        )
    shape = tuple(s // 2 if i == d else s for i, s in enumerate(x.shape))
    return Spec(float_only(x).aval.with_shape(shape))


def _glu(x: np.ndarray, dim: int) -> Any:
    first, second = np.split(x, 2, dim)
    return first * _sigmoid(second)


def _glu_grad(grad: Any, input: Any, dim: int) -> Any:
    half = input.shape[dim] // 2
    first, gate = input.narrow(dim, 0, half), call.sigmoid(input.narrow(dim, half, half))
    return call.cat((grad * gate, grad * first * gate * (1 - gate)), dim)


row(
    "glu(Tensor input, int dim=-1) -> Tensor",
    rule=_glu_rule, forms="fo", where="nn", numpy=_glu, grads={"input": _glu_grad},
    lower=low.glu,
    samples=lambda m: [((m(2, 4),), {}), ((m(4, 3), 0), {}), ((m(0, 2),), {})],
    doc="The first half along `dim` times the sigmoid of the second.",
)  # fmt: skip
