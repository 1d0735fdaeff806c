"""What an algorithm computes once for all parameters, before its operation is recorded.

Each function takes the parameters, their gradients and their buffers as lists of equal length, and
the hyperparameters as numbers (or as 0-d tensors, where a derivative is to flow through the step).
Parameters and buffers get their new values in place, by one recorded operation: the formulas are
its rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import flambeau as torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flambeau import Tensor

Scalar: TypeAlias = Any
"""A number or a 0-d tensor."""
Tensors: TypeAlias = "Sequence[Tensor]"


def _run(name: str, roles: Sequence[Tensors], scalars: tuple[Scalar, ...], *flags: bool) -> None:
    """Record a step. Numbers become floats, so that the program's key does not depend on them."""
    numbers = tuple([s if s.__class__ is float else _number(s) for s in scalars])
    torch._update_(name, roles, numbers, tuple(map(bool, flags)))


def _number(s: Scalar) -> Scalar:
    return s if isinstance(s, torch.Tensor) else float(s)


def _nonzero(value: Scalar) -> bool:
    return isinstance(value, torch.Tensor) or value != 0


def sgd(
    params: Tensors,
    grads: Tensors,
    momentum_buffers: Tensors,
    *,
    lr: Scalar,
    momentum: float,
    dampening: float,
    weight_decay: Scalar,
    nesterov: bool,
    maximize: bool,
) -> None:
    """Stochastic gradient descent, with momentum in the form of Sutskever et al., "On the
    importance of initialization and momentum in deep learning" (2013), except that the rate
    multiplies the buffer rather than what goes into it. `momentum_buffers` is empty where
    `momentum` is 0.
    """
    roles = [params, grads] if momentum == 0 else [params, grads, momentum_buffers]
    _run(
        "sgd_step",
        roles,
        (lr, momentum, 1 - dampening, weight_decay),
        _nonzero(weight_decay),
        dampening != 0,
        nesterov,
        maximize,
    )


def adam(
    params: Tensors,
    grads: Tensors,
    exp_avgs: Tensors,
    exp_avg_sqs: Tensors,
    max_exp_avg_sqs: Tensors,
    *,
    step: float,
    lr: Scalar,
    beta1: Scalar,
    beta2: Scalar,
    eps: float,
    weight_decay: Scalar,
    amsgrad: bool,
    decoupled: bool,
    maximize: bool,
) -> None:
    """Adam (Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015); with `decoupled`
    AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019); with `amsgrad`
    the variant of Reddi et al., "On the Convergence of Adam and Beyond" (2018), for which
    `max_exp_avg_sqs` is needed (else it is empty). `step` counts from 1.
    """
    roles = [params, grads, exp_avgs, exp_avg_sqs]
    if amsgrad:
        roles.append(max_exp_avg_sqs)
    _run(
        "adam_step",
        roles,
        (
            lr / (1 - beta1**step),
            (1 - beta2**step) ** 0.5,
            1 - beta1,
            beta2,
            1 - beta2,
            eps,
            1 - lr * weight_decay if decoupled else weight_decay,
        ),
        _nonzero(weight_decay),
        decoupled,
        maximize,
    )


def rmsprop(
    params: Tensors,
    grads: Tensors,
    square_avgs: Tensors,
    momentum_buffers: Tensors,
    grad_avgs: Tensors,
    *,
    lr: Scalar,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    centered: bool,
    maximize: bool,
) -> None:
    """RMSprop (Hinton, lecture 6e of "Neural Networks for Machine Learning", 2012); `centered` as
    in Graves, "Generating Sequences With Recurrent Neural Networks" (2013). `momentum_buffers` is
    empty where `momentum` is 0, `grad_avgs` where not `centered`.
    """
    roles = [params, grads, square_avgs]
    if momentum > 0:
        roles.append(momentum_buffers)
    if centered:
        roles.append(grad_avgs)
    scalars = (lr, alpha, 1 - alpha, eps, momentum, weight_decay)
    _run("rmsprop_step", roles, scalars, _nonzero(weight_decay), centered, maximize)


def adagrad(
    params: Tensors,
    grads: Tensors,
    sums: Tensors,
    *,
    step: float,
    lr: Scalar,
    lr_decay: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """Adagrad (Duchi et al., "Adaptive Subgradient Methods for Online Learning and Stochastic
    Optimization", 2011). `step` counts from 1.
    """
    scalars = (lr / (1 + (step - 1) * lr_decay), eps, weight_decay)
    _run("adagrad_step", [params, grads, sums], scalars, _nonzero(weight_decay), maximize)


def adadelta(
    params: Tensors,
    grads: Tensors,
    square_avgs: Tensors,
    acc_deltas: Tensors,
    *,
    lr: Scalar,
    rho: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """Adadelta (Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012)."""
    roles = [params, grads, square_avgs, acc_deltas]
    scalars = (lr, rho, 1 - rho, eps, weight_decay)
    _run("adadelta_step", roles, scalars, _nonzero(weight_decay), maximize)


def adamax(
    params: Tensors,
    grads: Tensors,
    exp_avgs: Tensors,
    exp_infs: Tensors,
    *,
    step: float,
    lr: Scalar,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """Adamax, Adam with the infinity norm (Kingma and Ba, 2015, section 7.1). `step` counts from
    1.
    """
    roles = [params, grads, exp_avgs, exp_infs]
    scalars = (lr / (1 - beta1**step), 1 - beta1, beta2, eps, weight_decay)
    _run("adamax_step", roles, scalars, _nonzero(weight_decay), maximize)


def nadam(
    params: Tensors,
    grads: Tensors,
    exp_avgs: Tensors,
    exp_avg_sqs: Tensors,
    *,
    step: float,
    mu: float,
    mu_next: float,
    mu_product: float,
    lr: Scalar,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    maximize: bool,
) -> None:
    """NAdam (Dozat, "Incorporating Nesterov Momentum into Adam", 2016). `step` counts from 1; `mu`
    and `mu_next` are the momentum of this step and of the next, `mu_product` that of all steps so
    far, this one included.
    """
    scalars = (
        lr * (1.0 - mu) / (1.0 - mu_product),
        lr * mu_next / (1.0 - mu_product * mu_next),
        1 - beta1,
        beta2,
        1 - beta2,
        1 - beta2**step,
        eps,
        1 - lr * weight_decay if decoupled else weight_decay,
    )
    roles = [params, grads, exp_avgs, exp_avg_sqs]
    _run("nadam_step", roles, scalars, _nonzero(weight_decay), decoupled, maximize)


def radam(
    params: Tensors,
    grads: Tensors,
    exp_avgs: Tensors,
    exp_avg_sqs: Tensors,
    *,
    step: float,
    lr: Scalar,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    maximize: bool,
) -> None:
    """RAdam (Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond", 2020): while
    the variance of the second moment is intractable (the first few steps), momentum alone. `step`
    counts from 1.
    """
    correction = 1 - beta2**step
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * step * beta2**step / correction
    rectified = length > 5.0
    scale = 0.0
    if rectified:
        ratio = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
        scale = (correction * ratio) ** 0.5
    scalars = (
        lr / (1 - beta1**step),
        scale,
        1 - beta1,
        beta2,
        1 - beta2,
        eps,
        1 - lr * weight_decay if decoupled else weight_decay,
    )
    roles = [params, grads, exp_avgs, exp_avg_sqs]
    _run("radam_step", roles, scalars, _nonzero(weight_decay), decoupled, rectified, maximize)


def rprop(
    params: Tensors,
    grads: Tensors,
    previous: Tensors,
    step_sizes: Tensors,
    *,
    step_size_min: float,
    step_size_max: float,
    eta_minus: float,
    eta_plus: float,
    maximize: bool,
) -> None:
    """Rprop (Riedmiller and Braun, "A Direct Adaptive Method for Faster Backpropagation Learning",
    1993), in the form that forgets a gradient whose sign has just turned.
    """
    scalars = (step_size_min, step_size_max, eta_minus, eta_plus)
    _run("rprop_step", [params, grads, previous, step_sizes], scalars, maximize)


def asgd(
    params: Tensors,
    grads: Tensors,
    averages: Tensors,
    *,
    eta: float,
    mu: float,
    lambd: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """Averaged SGD (Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging",
    1992). `eta` is the rate of this step, `mu` the weight of the new point in the average.
    """
    scalars = (eta, 1 - lambd * eta, mu, weight_decay)
    _run("asgd_step", [params, grads, averages], scalars, weight_decay != 0, mu != 1, maximize)
