"""Lowerings of activation functions and their gradients."""

from __future__ import annotations

import math
from typing import Any

from .common import Node, for_floats, is_float, is_int
from .pointwise import sigmoid

# --- cut off ------------------------------------------------------------------------------------


def relu(b: Any, x: Node) -> Node:
    return b.max(x, 0)


def _bound_fits(x: Node, *bounds: Any) -> bool:
    """Whether bounds are numbers of the dtype of x: fractions are compared otherwise."""
    return is_float(x) or (is_int(x) and all(float(v).is_integer() for v in bounds))


def threshold_backward(b: Any, g: Node, x: Node, threshold: Any) -> Node | None:
    return b.select(b.le(x, threshold), 0, g) if _bound_fits(x, threshold) else None


def threshold(b: Any, x: Node, threshold: Any, value: Any) -> Node | None:
    return b.select(b.le(x, threshold), value, x) if _bound_fits(x, threshold, value) else None


def hardtanh(b: Any, x: Node, low: float, high: float) -> Node | None:
    return b.min(b.max(x, low), high) if _bound_fits(x, low, high) else None


def hardtanh_backward(b: Any, g: Node, x: Node, low: float, high: float) -> Node | None:
    outside = b.or_(b.le(x, low), b.ge(x, high))
    return b.select(outside, 0, g) if _bound_fits(x, low, high) else None


def _relu6(b: Any, x: Node) -> Node:
    return b.min(b.max(b.add(x, 3.0), 0.0), 6.0)


def hardsigmoid(b: Any, x: Node) -> Node:
    return b.div(_relu6(b, x), 6.0)


def hardswish(b: Any, x: Node) -> Node:
    return b.div(b.mul(x, _relu6(b, x)), 6.0)


@for_floats
def hardswish_backward(b: Any, g: Node, x: Node) -> Node:
    slope = b.mul(g, b.add(b.div(x, 3.0), 0.5))
    return b.select(b.le(x, -3.0), 0.0, b.select(b.lt(x, 3.0), slope, g))


def _shrunk(b: Any, x: Node, lambd: float) -> Node:
    return b.and_(b.ge(x, -lambd), b.le(x, lambd))


def softshrink(b: Any, x: Node, lambd: float) -> Node:
    low = b.select(b.lt(x, -lambd), b.add(x, lambd), b.select(b.isnan(x), x, 0.0))
    return b.select(b.gt(x, lambd), b.sub(x, lambd), low)


def hardshrink(b: Any, x: Node, lambd: float) -> Node:
    return b.select(_shrunk(b, x, lambd), 0.0, x)


@for_floats
def shrink_backward(b: Any, g: Node, x: Node, lambd: float) -> Node:
    return b.select(_shrunk(b, x, lambd), 0.0, g)


# --- leaky and exponential ----------------------------------------------------------------------


def leaky_relu(b: Any, x: Node, slope: float) -> Node:
    return b.select(b.gt(x, 0.0), x, b.mul(x, slope))


@for_floats
def leaky_relu_backward(b: Any, g: Node, x: Node, slope: float) -> Node:
    return b.select(b.gt(x, 0.0), g, b.mul(g, slope))


def prelu(b: Any, x: Node, weight: Node) -> Node:
    return b.select(b.gt(x, 0.0), x, b.mul(x, weight))


def elu(b: Any, x: Node, alpha: float, scale: float, input_scale: float) -> Node:
    negative = b.expm1(b.mul(b.min(x, 0.0), input_scale))
    return b.select(b.gt(x, 0.0), b.mul(x, scale), b.mul(negative, alpha * scale))


def celu(b: Any, x: Node, alpha: float) -> Node:
    return elu(b, x, alpha, 1.0, 1.0 / alpha)


@for_floats
def elu_backward(
    b: Any, g: Node, x: Node, alpha: float, scale: float, input_scale: float
) -> Node:
    negative = b.exp(b.mul(b.min(x, 0.0), input_scale))
    slope = b.mul(negative, alpha * scale * input_scale)
    return b.mul(g, b.select(b.le(x, 0.0), slope, b.full((), scale, x.dtype)))


# --- GELU ---------------------------------------------------------------------------------------

_K = math.sqrt(2 / math.pi)
_CUBIC = 0.044715


def _normal_cdf(b: Any, x: Node) -> Node:
    return b.mul(b.add(b.erf(b.mul(x, math.sqrt(0.5))), 1.0), 0.5)


def _bent(b: Any, x: Node) -> Node:
    """The tanh in Hendrycks and Gimpel's formula."""
    cube = b.mul(b.mul(x, x), x)
    return b.tanh(b.mul(b.add(x, b.mul(cube, _CUBIC)), _K))


def gelu(b: Any, x: Node, approximate: str) -> Node:
    if approximate == "none":
        return b.mul(x, _normal_cdf(b, x))
    return b.mul(b.mul(x, 0.5), b.add(_bent(b, x), 1.0))


@for_floats
def gelu_backward(b: Any, g: Node, x: Node, approximate: str) -> Node:
    square = b.mul(x, x)
    if approximate == "none":
        density = b.mul(b.exp(b.mul(square, -0.5)), 1 / math.sqrt(2 * math.pi))
        return b.mul(g, b.add(_normal_cdf(b, x), b.mul(x, density)))
    t = _bent(b, x)
    inner = b.mul(b.add(b.mul(square, 3 * _CUBIC), 1.0), _K)
    slope = b.mul(b.mul(b.mul(x, 0.5), b.sub(1.0, b.mul(t, t))), inner)
    return b.mul(g, b.add(b.mul(b.add(t, 1.0), 0.5), slope))


# --- SiLU, Mish, softplus, GLU ------------------------------------------------------------------


def silu(b: Any, x: Node) -> Node:
    return b.mul(x, sigmoid(b, x))


@for_floats
def silu_backward(b: Any, g: Node, x: Node) -> Node:
    s = sigmoid(b, x)
    return b.mul(g, b.mul(s, b.add(b.mul(x, b.sub(1.0, s)), 1.0)))


def _soft(b: Any, x: Node) -> Node:
    """log(1 + exp(-|x|))."""
    return b.log1p(b.exp(b.neg(b.abs(x))))


def _mish_tanh(b: Any, x: Node) -> Node:
    return b.tanh(b.add(b.max(x, 0.0), _soft(b, x)))


def mish(b: Any, x: Node) -> Node:
    return b.mul(x, _mish_tanh(b, x))


@for_floats
def mish_backward(b: Any, g: Node, x: Node) -> Node:
    t = _mish_tanh(b, x)
    slope = b.mul(sigmoid(b, x), b.sub(1.0, b.mul(t, t)))
    return b.mul(g, b.add(t, b.mul(x, slope)))


def softplus(b: Any, x: Node, beta: float, threshold: float) -> Node:
    bent = b.mul(x, beta)
    return b.select(b.gt(bent, threshold), x, b.div(b.log1p(b.exp(bent)), beta))


@for_floats
def softplus_backward(b: Any, g: Node, x: Node, beta: float, threshold: float) -> Node:
    bent = b.mul(x, beta)
    return b.select(b.gt(bent, threshold), g, b.mul(g, sigmoid(b, bent)))


def logsigmoid(b: Any, x: Node) -> Node:
    return b.sub(b.min(x, 0.0), _soft(b, x))


def glu(b: Any, x: Node, dim: int) -> Node:
    from .moves import part

    half = x.shape[dim % x.ndim] // 2
    return b.mul(part(b, x, dim, 0, half), sigmoid(b, part(b, x, dim, half, half)))
