"""Batching rules of rows that broadcast their inputs and work element by element."""

from __future__ import annotations

from typing import Any

from ...ops import signature
from ...ops.table import call
from .calls import Arg, Call, rule, shaped

NAMES = """
relu threshold_backward threshold hardtanh hardtanh_backward hardsigmoid hardswish hardswish_backward
softshrink hardshrink shrink_backward leaky_relu leaky_relu_backward elu
elu_backward celu add sub rsub mul neg addcmul addcdiv lerp_number lerp_tensor where_chosen clamp_numbers
clamp_low clamp_high clamp_tensors clamp_min clamp_max eq ne lt le gt ge maximum minimum fmax fmin
heaviside isclose conjugated real_part imag_part complex polar angle true_divide div_rounded floor_divide
remainder fmod reciprocal sqrt rsqrt pow_number pow_tensors pow_base ldexp gcd lcm drawn exp exp2 expm1
log log1p log2 log10 logaddexp logaddexp2 xlogy tanh tanh_backward sigmoid sigmoid_backward logit
logical_not logical_and logical_or logical_xor bitwise_not bitwise_and bitwise_or bitwise_xor
bitwise_left_shift bitwise_right_shift to_dtype clone zero abs sign sgn signbit copysign floor ceil trunc
round frac deg2rad rad2deg isnan isinf isfinite isposinf isneginf isreal nan_replaced polygamma_of gelu
gelu_backward silu silu_backward mish mish_backward softplus softplus_backward logsigmoid erf erfc erfcx
erfinv lgamma digamma sin cos tan asin acos atan atan2 sinh cosh asinh acosh atanh hypot sinc igamma
igammac zeta nextafter frexp i0 i0e i1 i1e ndtri log_ndtr
""".split()
"""Rows added later whose shape rule is `rules.pointwise` are found without being named here."""


@rule(*NAMES)
def elementwise(c: Call) -> Any:
    """The batch becomes one more dimension to broadcast. Numbers of dimensions decide in PyTorch's
    type promotion, so the casts are those of the row's rule for one sample."""
    ndim = max([x.ndim for x in c.tensors])
    kept = [a.name in c.row.keeps for a in signature.parse(c.row.schema).inputs]
    inputs = []
    for x, keep in zip(c.args, kept, strict=True):
        if isinstance(x, Arg):
            x = x.aligned(ndim)
            if c.cast is not None and not keep and x._aval.dtype is not c.cast:
                x = call.to_dtype(x, c.cast)
        inputs.append(x)
    return shaped(c, c.run(inputs))


@rule("prelu_kernel", "rrelu_with_noise")
def alike(c: Call) -> Any:
    """Where the first input has the shape of the result."""
    ndim = max([x.ndim for x in c.tensors])
    return shaped(c, c.run(c.map(lambda x: x.spread(ndim, c.size))))


@rule("copy_same")
def copy_same(c: Call) -> Any:
    target, source = c.args
    return c.run([target.full(c.size), source.aligned(target.ndim)])


@rule("fill")
def fill(c: Call) -> Any:
    target, value = c.args
    if not isinstance(value, Arg) or not value.batched:
        return c.run([target.full(c.size), value.value if isinstance(value, Arg) else value])
    spread = value.aligned(target.ndim).to(c.out.dtype)
    return call.clone(call.expand(spread, c.size, *target.shape))


@rule("masked_fill")
def masked_fill(c: Call) -> Any:
    x, mask, value = c.args
    ndim = max(x.ndim, mask.ndim)
    if isinstance(value, Arg) and not value.batched:
        value = value.value
    if not isinstance(value, Arg):
        return shaped(c, c.run([x.aligned(ndim), mask.aligned(ndim), value]))
    chosen = value.aligned(ndim).to(c.out.dtype)
    return shaped(c, call.where_chosen(mask.aligned(ndim), chosen, x.aligned(ndim)))


@rule("mse_loss", "smooth_l1", "huber", "binary_cross_entropy", "binary_cross_entropy_with_logits")
def elementwise_loss(c: Call) -> Any:
    """Losses of single elements, reduced over each sample."""
    ndim = max([x.ndim for x in c.tensors])
    inputs = c.map(lambda x: x.spread(ndim, c.size))
    at = c.names.index("reduction")
    reduction = c.params[at]
    params = (*c.params[:at], "none", *c.params[at + 1 :])
    found = c.run(inputs, params)
    if reduction in ("mean", "sum") and found._aval.ndim > 1:
        dims = tuple(range(1, found._aval.ndim))
        found = found.mean(dims) if reduction == "mean" else found.sum(dims)
    return shaped(c, found)
