"""The steps of the optimizers: one operation updates all parameters of a group.

Each row has a formula for one parameter, which serves two ways: as the NumPy reference, and
written in tensor operations where a step is itself differentiated. A formula gets a namespace
(NumPy, or the tensor operations), then a tuple each of

    tensors  the parameter, its gradient, its buffers
    scalars  run-time numbers: rates and corrections, computed once for all parameters
    flags    static switches

and returns the new parameter and buffers. `tensors` of the row is the parameters, then all
gradients, then the buffers role by role; `roles` says how many of these lists there are. The
results are in the same order, without the gradients.

Roundings follow the order of PyTorch's single-tensor code, to within a unit in the last place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.aval import Aval
from .lowering.optimizers import step
from .table import Spec, row

Formula = Callable[[Any, tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]], tuple[Any, ...]]

formulas: dict[str, Formula] = {}
"""The formula of each row, by the row's name."""


def _step(schema: str, formula: Formula, doc: str) -> None:
    """Add the row of a formula."""
    name = schema.partition("(")[0]
    scalars = schema.count("Scalar ")

    def reference(values: list[Any], roles: int, *flags: bool) -> tuple[Any, ...]:
        end = len(values) - scalars
        count = end // roles
        numbers = tuple(values[end:])
        found = [formula(np, tuple(values[i:end:count]), numbers, flags) for i in range(count)]
        return tuple(part for parts in zip(*found, strict=True) for part in parts)

    formulas[name] = formula
    why = "a step that is differentiated is written in tensor operations"
    row(
        schema, rule=_rule, numpy=reference, forms="", doc=doc, not_differentiable=why,
        lower=step(formula, scalars),
    )  # fmt: skip


def _rule(tensors: tuple[Aval, ...], *others: Any) -> Spec:
    """Every list has a tensor of each parameter's shape and dtype."""
    roles = next(x for x in others if x.__class__ is int)
    count = len(tensors) // roles
    params = tensors[:count]
    for i, x in enumerate(tensors):
        p = params[i % count]
        if x is not p and (x.shape != p.shape or x.dtype is not p.dtype):
            kind = "gradient" if i < 2 * count else "optimizer's state"
            raise RuntimeError(
                f"parameter {i % count} is {p}, but its {kind} is {x}: they must have the same "
                "shape and dtype"
            )
    return Spec(params + tensors[2 * count :])


def _descent(p: Any, g: Any, weight_decay: Any, decays: bool, maximize: bool) -> Any:
    """The gradient to descend, with the derivative of an L2 penalty on the parameter."""
    if maximize:
        g = -g
    return g + p * weight_decay if decays else g


def _moments(mean: Any, square: Any, g: Any, rest1: Any, beta2: Any, rest2: Any) -> tuple[Any, Any]:
    """Running means of the gradient and of its square; `rest` is what is left of a decay to 1."""
    return mean + (g - mean) * rest1, square * beta2 + g * rest2 * g


def _sgd(m: Any, tensors: Any, scalars: Any, flags: Any) -> tuple[Any, ...]:
    p, g, *buffer = tensors
    lr, momentum, share, weight_decay = scalars
    decays, dampened, nesterov, maximize = flags
    g = _descent(p, g, weight_decay, decays, maximize)
    if not buffer:
        return (p - g * lr,)
    new = buffer[0] * momentum + (g * share if dampened else g)
    if nesterov:
        g = g + new * momentum
    return p - (g if nesterov else new) * lr, new


_step(
    "sgd_step(Tensor[] tensors, Scalar lr, Scalar momentum, Scalar share, Scalar weight_decay, "
    "int roles, bool decays, bool dampened, bool nesterov, bool maximize) -> (_new)",
    _sgd,
    "Stochastic gradient descent; with a buffer, momentum, and optionally Nesterov's form of it "
    "(Sutskever et al., 'On the importance of initialization and momentum in deep learning', "
    "2013, except that the rate multiplies the buffer rather than what goes into it).",
)


def _adam(m: Any, tensors: Any, scalars: Any, flags: Any) -> tuple[Any, ...]:
    p, g, mean, square, *top = tensors
    step_size, root_correction, rest1, beta2, rest2, eps, decay = scalars
    decays, decoupled, maximize = flags
    g = _descent(p, g, decay, decays and not decoupled, maximize)
    if decays and decoupled:
        p = p * decay
    mean, square = _moments(mean, square, g, rest1, beta2, rest2)
    if top:
        top = [m.maximum(top[0], square)]
    denominator = m.sqrt(top[0] if top else square) / root_correction + eps
    return p - mean * step_size / denominator, mean, square, *top


_step(
    "adam_step(Tensor[] tensors, Scalar step_size, Scalar root_correction, Scalar rest1, "
    "Scalar beta2, Scalar rest2, Scalar eps, Scalar decay, "
    "int roles, bool decays, bool decoupled, bool maximize) -> (_new)",
    _adam,
    "Adam (Kingma and Ba, 'Adam: A Method for Stochastic Optimization', 2015); decoupled, AdamW "
    "(Loshchilov and Hutter, 'Decoupled Weight Decay Regularization', 2019), where `decay` is the "
    "factor of the parameter; with a third buffer, AMSGrad (Reddi et al., 'On the Convergence of "
    "Adam and Beyond', 2018).",
)


def _rmsprop(m: Any, tensors: Any, scalars: Any, flags: Any) -> tuple[Any, ...]:
    p, g, square, *buffers = tensors
    lr, alpha, rest, eps, momentum, weight_decay = scalars
    decays, centered, maximize = flags
    g = _descent(p, g, weight_decay, decays, maximize)
    square = square * alpha + g * rest * g
    spread = square
    if centered:
        mean = buffers[-1] = buffers[-1] + (g - buffers[-1]) * rest
        spread = square - mean * mean
    change = g / (m.sqrt(spread) + eps)
    if len(buffers) > centered:
        change = buffers[0] = buffers[0] * momentum + change
    return p - change * lr, square, *buffers


_step(
    "rmsprop_step(Tensor[] tensors, Scalar lr, Scalar alpha, Scalar rest, Scalar eps, "
    "Scalar momentum, Scalar weight_decay, "
    "int roles, bool decays, bool centered, bool maximize) -> (_new)",
    _rmsprop,
    "RMSprop (Hinton, lecture 6e of 'Neural Networks for Machine Learning', 2012). Buffers are the "
    "mean square, then the momentum, then if centered the mean (Graves, 'Generating Sequences "
    "With Recurrent Neural Networks', 2013).",
)


def _adagrad(m: Any, tensors: Any, scalars: Any, flags: Any) -> tuple[Any, ...]:
    p, g, total = tensors
    rate, eps, weight_decay = scalars
    g = _descent(p, g, weight_decay, *flags)
    total = total + g * g
    return p - g * rate / (m.sqrt(total) + eps), total


_step(
    "adagrad_step(Tensor[] tensors, Scalar rate, Scalar eps, Scalar weight_decay, "
    "int roles, bool decays, bool maximize) -> (_new)",
    _adagrad,
    "Adagrad (Duchi et al., 'Adaptive Subgradient Methods for Online Learning and Stochastic "
    "Optimization', 2011).",
)


def _adadelta(m: Any, tensors: Any, scalars: Any, flags: Any) -> tuple[Any, ...]:
    p, g, square, moved = tensors
    lr, rho, rest, eps, weight_decay = scalars
    g = _descent(p, g, weight_decay, *flags)
    square = square * rho + g * rest * g
    delta = m.sqrt(moved + eps) / m.sqrt(square + eps) * g
    return p - delta * lr, square, moved * rho + delta * rest * delta


_step(
    "adadelta_step(Tensor[] tensors, Scalar lr, Scalar rho, Scalar rest, Scalar eps, "
    "Scalar weight_decay, int roles, bool decays, bool maximize) -> (_new)",
    _adadelta,
    "Adadelta (Zeiler, 'ADADELTA: An Adaptive Learning Rate Method', 2012).",
)


def _adamax(m: Any, tensors: Any, scalars: Any, flags: Any) -> tuple[Any, ...]:
    p, g, mean, norm = tensors
    rate, rest1, beta2, eps, weight_decay = scalars
    g = _descent(p, g, weight_decay, *flags)
    mean = mean + (g - mean) * rest1
    norm = m.maximum(norm * beta2, m.abs(g) + eps)
    return p - mean * rate / norm, mean, norm


_step(
    "adamax_step(Tensor[] tensors, Scalar rate, Scalar rest1, Scalar beta2, Scalar eps, "
    "Scalar weight_decay, int roles, bool decays, bool maximize) -> (_new)",
    _adamax,
    "Adamax, Adam with the infinity norm (Kingma and Ba, 2015, section 7.1).",
)


def _nadam(m: Any, tensors: Any, scalars: Any, flags: Any) -> tuple[Any, ...]:
    p, g, mean, square = tensors
    grad_rate, mean_rate, rest1, beta2, rest2, correction, eps, decay = scalars
    decays, decoupled, maximize = flags
    g = _descent(p, g, decay, decays and not decoupled, maximize)
    if decays and decoupled:
        p = p * decay
    mean, square = _moments(mean, square, g, rest1, beta2, rest2)
    denominator = m.sqrt(square / correction) + eps
    p = p - g * grad_rate / denominator
    return p - mean * mean_rate / denominator, mean, square


_step(
    "nadam_step(Tensor[] tensors, Scalar grad_rate, Scalar mean_rate, Scalar rest1, "
    "Scalar beta2, Scalar rest2, Scalar correction, Scalar eps, Scalar decay, "
    "int roles, bool decays, bool decoupled, bool maximize) -> (_new)",
    _nadam,
    "NAdam (Dozat, 'Incorporating Nesterov Momentum into Adam', 2016).",
)


def _radam(m: Any, tensors: Any, scalars: Any, flags: Any) -> tuple[Any, ...]:
    p, g, mean, square = tensors
    step_size, scale, rest1, beta2, rest2, eps, decay = scalars
    decays, decoupled, rectified, maximize = flags
    g = _descent(p, g, decay, decays and not decoupled, maximize)
    if decays and decoupled:
        p = p * decay
    mean, square = _moments(mean, square, g, rest1, beta2, rest2)
    change = mean * step_size
    if rectified:
        change = change * (scale / (m.sqrt(square) + eps))
    return p - change, mean, square


_step(
    "radam_step(Tensor[] tensors, Scalar step_size, Scalar scale, Scalar rest1, Scalar beta2, "
    "Scalar rest2, Scalar eps, Scalar decay, "
    "int roles, bool decays, bool decoupled, bool rectified, bool maximize) -> (_new)",
    _radam,
    "RAdam (Liu et al., 'On the Variance of the Adaptive Learning Rate and Beyond', 2020): while "
    "the variance of the second moment is intractable (the first few steps), momentum alone.",
)


def _rprop(m: Any, tensors: Any, scalars: Any, flags: Any) -> tuple[Any, ...]:
    p, g, last, size = tensors
    smallest, largest, eta_minus, eta_plus = scalars
    (maximize,) = flags
    if maximize:
        g = -g
    agreement = g * last
    turned = agreement < 0
    size = m.where(turned, size * eta_minus, m.where(agreement > 0, size * eta_plus, size))
    size = m.where(size < smallest, smallest, m.where(size > largest, largest, size))
    g = m.where(turned, 0.0, g)
    return p - m.sign(g) * size, g, size


_step(
    "rprop_step(Tensor[] tensors, Scalar smallest, Scalar largest, Scalar eta_minus, "
    "Scalar eta_plus, int roles, bool maximize) -> (_new)",
    _rprop,
    "Rprop (Riedmiller and Braun, 'A Direct Adaptive Method for Faster Backpropagation Learning', "
    "1993), in the form that forgets a gradient whose sign has just turned.",
)


def _asgd(m: Any, tensors: Any, scalars: Any, flags: Any) -> tuple[Any, ...]:
    p, g, average = tensors
    eta, shrink, mu, weight_decay = scalars
    decays, averages, maximize = flags
    g = _descent(p, g, weight_decay, decays, maximize)
    p = p * shrink - g * eta
    return p, average + (p - average) * mu if averages else p


_step(
    "asgd_step(Tensor[] tensors, Scalar eta, Scalar shrink, Scalar mu, Scalar weight_decay, "
    "int roles, bool decays, bool averages, bool maximize) -> (_new)",
    _asgd,
    "Averaged SGD (Polyak and Juditsky, 'Acceleration of Stochastic Approximation by Averaging', "
    "1992).",
)
