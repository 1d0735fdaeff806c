"""The optimizers' steps as functions of lists of tensors, with PyTorch's names and arguments.

Each changes `params`, the lists of state and the counters `state_steps` in place, as the step of
the optimizer of its name does. `foreach`, `capturable`, `differentiable`, `fused` and
`has_complex`, by which PyTorch chooses an implementation, are accepted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import flambeau as torch

from . import _updates
from .optimizer import as_scalar

__all__ = [
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "asgd",
    "nadam",
    "radam",
    "rmsprop",
    "rprop",
    "sgd",
    "sparse_adam",
]

Tensor = torch.Tensor
Tensors = list[Any]
Scalar = Any  # number or tensor of one element


def _at_each_step(
    state_steps: Sequence[Any], *lists: Sequence[Any]
) -> Iterator[tuple[Any, ...]]:
    """Count each step, and give (step, *lists) for the tensors that are at the same one."""
    if not all(isinstance(step, torch.Tensor) for step in state_steps):
        raise RuntimeError(
            "API has changed, `state_steps` argument must contain a list of singleton tensors"
        )
    groups: dict[float, list[int]] = {}
    with torch.no_grad():
        for i, step in enumerate(state_steps):
            step += 1
            groups.setdefault(float(step), []).append(i)
    for value, members in groups.items():
        yield value, *([each[i] for i in members] if each else [] for each in lists)


def _no_scaler(grad_scale: Any, found_inf: Any) -> None:
    if grad_scale is not None or found_inf is not None:
        raise AssertionError(
            "Expected grad_scale and found_inf to be None: GradScaler unscales outside of the step"
        )


def adam(
    params: Tensors, grads: Tensors, exp_avgs: Tensors, exp_avg_sqs: Tensors,
    max_exp_avg_sqs: Tensors, state_steps: Tensors, foreach: bool | None = None,
    capturable: bool = False, differentiable: bool = False, fused: bool | None = None,
    grad_scale: Any = None, found_inf: Any = None, has_complex: bool = False,
    decoupled_weight_decay: bool = False, *, amsgrad: bool, beta1: Scalar, beta2: Scalar,
    lr: Scalar, weight_decay: float, eps: float, maximize: bool,
) -> None:  # fmt: skip
    """The step of `Adam`, and with `decoupled_weight_decay` of `AdamW`."""
    _no_scaler(grad_scale, found_inf)
    lists = (params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs if amsgrad else [])
    for step, *at in _at_each_step(state_steps, *lists):
        _updates.adam(
            *at, step=step, lr=as_scalar(lr), beta1=as_scalar(beta1), beta2=as_scalar(beta2),
            eps=eps, weight_decay=weight_decay, amsgrad=amsgrad,
            decoupled=decoupled_weight_decay, maximize=maximize,
        )  # fmt: skip


def adamw(
    params: Tensors, grads: Tensors, exp_avgs: Tensors, exp_avg_sqs: Tensors,
    max_exp_avg_sqs: Tensors, state_steps: Tensors, foreach: bool | None = None,
    capturable: bool = False, differentiable: bool = False, fused: bool | None = None,
    grad_scale: Any = None, found_inf: Any = None, has_complex: bool = False, *, amsgrad: bool,
    beta1: Scalar, beta2: Scalar, lr: Scalar, weight_decay: float, eps: float, maximize: bool,
) -> None:  # fmt: skip
    """The step of `AdamW`."""
    adam(
        params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps,
        grad_scale=grad_scale, found_inf=found_inf, decoupled_weight_decay=True, amsgrad=amsgrad,
        beta1=beta1, beta2=beta2, lr=lr, weight_decay=weight_decay, eps=eps, maximize=maximize,
    )  # fmt: skip


def sgd(
    params: Tensors, d_p_list: Tensors, momentum_buffer_list: Tensors,
    has_sparse_grad: bool = False, foreach: bool | None = None, fused: bool | None = None,
    grad_scale: Any = None, found_inf: Any = None, *, weight_decay: float, momentum: float,
    lr: Scalar, dampening: float, nesterov: bool, maximize: bool,
) -> None:  # fmt: skip
    """The step of `SGD`. A buffer that is None takes the first gradient whole, and is put into the
    list."""
    _no_scaler(grad_scale, found_inf)
    settings: dict[str, Any] = {
        "lr": as_scalar(lr), "momentum": momentum, "weight_decay": weight_decay,
        "nesterov": nesterov, "maximize": maximize,
    }  # fmt: skip
    if momentum == 0:
        _updates.sgd(params, d_p_list, (), dampening=0.0, **settings)
        return
    fresh = [buffer is None for buffer in momentum_buffer_list]
    for i, p in enumerate(params):
        if fresh[i]:
            momentum_buffer_list[i] = torch.zeros_like(p).detach()
    for first in (True, False):
        at = [i for i, f in enumerate(fresh) if f is first]
        if at:
            chosen = ([each[i] for i in at] for each in (params, d_p_list, momentum_buffer_list))
            _updates.sgd(*chosen, dampening=0.0 if first else dampening, **settings)


def adagrad(
    params: Tensors, grads: Tensors, state_sums: Tensors, state_steps: Tensors,
    fused: bool | None = None, grad_scale: Any = None, found_inf: Any = None,
    has_sparse_grad: bool = False, foreach: bool | None = None, differentiable: bool = False,
    has_complex: bool = False, *, lr: Scalar, weight_decay: float, lr_decay: float, eps: float,
    maximize: bool,
) -> None:  # fmt: skip
    """The step of `Adagrad`."""
    _no_scaler(grad_scale, found_inf)
    for step, *at in _at_each_step(state_steps, params, grads, state_sums):
        _updates.adagrad(
            *at, step=step, lr=as_scalar(lr), lr_decay=lr_decay, eps=eps,
            weight_decay=weight_decay, maximize=maximize,
        )  # fmt: skip


def adadelta(
    params: Tensors, grads: Tensors, square_avgs: Tensors, acc_deltas: Tensors,
    state_steps: Tensors, capturable: bool = False, foreach: bool | None = None,
    differentiable: bool = False, has_complex: bool = False, *, lr: Scalar, rho: float,
    eps: float, weight_decay: float, maximize: bool,
) -> None:  # fmt: skip
    """The step of `Adadelta`."""
    for _, *at in _at_each_step(state_steps, params, grads, square_avgs, acc_deltas):
        _updates.adadelta(
            *at, lr=as_scalar(lr), rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize
        )


def adamax(
    params: Tensors, grads: Tensors, exp_avgs: Tensors, exp_infs: Tensors, state_steps: Tensors,
    foreach: bool | None = None, maximize: bool = False, differentiable: bool = False,
    capturable: bool = False, has_complex: bool = False, *, eps: float, beta1: float,
    beta2: float, lr: Scalar, weight_decay: float,
) -> None:  # fmt: skip
    """The step of `Adamax`."""
    for step, *at in _at_each_step(state_steps, params, grads, exp_avgs, exp_infs):
        _updates.adamax(
            *at, step=step, lr=as_scalar(lr), beta1=beta1, beta2=beta2, eps=eps,
            weight_decay=weight_decay, maximize=maximize,
        )  # fmt: skip


def asgd(
    params: Tensors, grads: Tensors, axs: Tensors, mus: Tensors, etas: Tensors,
    state_steps: Tensors, foreach: bool | None = None, maximize: bool = False,
    differentiable: bool = False, capturable: bool = False, has_complex: bool = False, *,
    lambd: float, lr: Scalar, t0: float, alpha: float, weight_decay: float,
) -> None:  # fmt: skip
    """The step of `ASGD`. `etas` and `mus` hold this step's rates, and get the next one's."""
    for step, *at, mu_s, eta_s in _at_each_step(state_steps, params, grads, axs, mus, etas):
        for p, grad, ax, mu, eta in zip(*at, mu_s, eta_s, strict=True):
            _updates.asgd(
                [p], [grad], [ax], eta=float(eta), mu=float(mu), lambd=lambd,
                weight_decay=weight_decay, maximize=maximize,
            )  # fmt: skip
            with torch.no_grad():
                eta.fill_(float(lr) / (1 + lambd * float(lr) * step) ** alpha)
                mu.fill_(1 / max(1.0, step - t0))


def nadam(
    params: Tensors, grads: Tensors, exp_avgs: Tensors, exp_avg_sqs: Tensors,
    mu_products: Tensors, state_steps: Tensors, decoupled_weight_decay: bool = False,
    foreach: bool | None = None, capturable: bool = False, differentiable: bool = False,
    has_complex: bool = False, maximize: bool = False, *, beta1: float, beta2: float, lr: Scalar,
    weight_decay: float, momentum_decay: float, eps: float,
) -> None:  # fmt: skip
    """The step of `NAdam`."""
    lists = (params, grads, exp_avgs, exp_avg_sqs, mu_products)
    for step, *at, products in _at_each_step(state_steps, *lists):
        mu = beta1 * (1.0 - 0.5 * 0.96 ** (step * momentum_decay))
        mu_next = beta1 * (1.0 - 0.5 * 0.96 ** ((step + 1) * momentum_decay))
        for p, grad, exp_avg, exp_avg_sq, product in zip(*at, products, strict=True):
            with torch.no_grad():
                product *= mu
            _updates.nadam(
                [p], [grad], [exp_avg], [exp_avg_sq], step=step, mu=mu, mu_next=mu_next,
                mu_product=float(product), lr=as_scalar(lr), beta1=beta1, beta2=beta2, eps=eps,
                weight_decay=weight_decay, decoupled=decoupled_weight_decay, maximize=maximize,
            )  # fmt: skip


def radam(
    params: Tensors, grads: Tensors, exp_avgs: Tensors, exp_avg_sqs: Tensors,
    state_steps: Tensors, decoupled_weight_decay: bool = False, foreach: bool | None = None,
    differentiable: bool = False, capturable: bool = False, has_complex: bool = False,
    maximize: bool = False, *, beta1: float, beta2: float, lr: Scalar, weight_decay: float,
    eps: float,
) -> None:  # fmt: skip
    """The step of `RAdam`."""
    for step, *at in _at_each_step(state_steps, params, grads, exp_avgs, exp_avg_sqs):
        _updates.radam(
            *at, step=step, lr=as_scalar(lr), beta1=beta1, beta2=beta2, eps=eps,
            weight_decay=weight_decay, decoupled=decoupled_weight_decay, maximize=maximize,
        )  # fmt: skip


def rmsprop(
    params: Tensors, grads: Tensors, square_avgs: Tensors, grad_avgs: Tensors,
    momentum_buffer_list: Tensors, state_steps: Tensors, foreach: bool | None = None,
    maximize: bool = False, differentiable: bool = False, capturable: bool = False,
    has_complex: bool = False, *, lr: Scalar, alpha: float, eps: float, weight_decay: float,
    momentum: float, centered: bool,
) -> None:  # fmt: skip
    """The step of `RMSprop`."""
    momenta = momentum_buffer_list if momentum > 0 else []
    lists = (params, grads, square_avgs, momenta, grad_avgs if centered else [])
    for _, *at in _at_each_step(state_steps, *lists):
        _updates.rmsprop(
            *at, lr=as_scalar(lr), alpha=alpha, eps=eps, weight_decay=weight_decay,
            momentum=momentum, centered=centered, maximize=maximize,
        )  # fmt: skip


def rprop(
    params: Tensors, grads: Tensors, prevs: Tensors, step_sizes: Tensors, state_steps: Tensors,
    foreach: bool | None = None, capturable: bool = False, maximize: bool = False,
    differentiable: bool = False, has_complex: bool = False, *, step_size_min: float,
    step_size_max: float, etaminus: float, etaplus: float,
) -> None:  # fmt: skip
    """The step of `Rprop`."""
    for _, *at in _at_each_step(state_steps, params, grads, prevs, step_sizes):
        _updates.rprop(
            *at, step_size_min=step_size_min, step_size_max=step_size_max, eta_minus=etaminus,
            eta_plus=etaplus, maximize=maximize,
        )  # fmt: skip


def sparse_adam(
    params: Tensors, grads: Tensors, exp_avgs: Tensors, exp_avg_sqs: Tensors,
    state_steps: list[int], *, eps: float, beta1: float, beta2: float, lr: float, maximize: bool,
) -> None:  # fmt: skip
    """The step of `SparseAdam`: Adam, in the rows that the gradient names. `state_steps` are
    numbers that have been counted already.

    A sparse gradient names the rows of its indices; of a dense one, which flambeau's embeddings
    give, a row is named if one of its elements is not zero.
    """
    for p, grad, exp_avg, exp_avg_sq, step in zip(
        params, grads, exp_avgs, exp_avg_sqs, state_steps, strict=True
    ):
        if not grad.numel():
            continue
        grad, rows = _with_rows(grad)
        grad = -grad if maximize else grad
        exp_avg.add_((grad - exp_avg) * rows, alpha=1 - beta1)
        exp_avg_sq.add_((grad * grad - exp_avg_sq) * rows, alpha=1 - beta2)
        size = lr * math.sqrt(1 - beta2**step) / (1 - beta1**step)
        p.add_(exp_avg / (exp_avg_sq.sqrt() + eps) * rows, alpha=-size)


def _with_rows(grad: Tensor) -> tuple[Tensor, Tensor]:
    """A gradient, dense, and 1 for the rows that it names (0 for the others), to be broadcast."""
    if grad.is_sparse:
        grad = grad.coalesce()
        found: Any = grad.sparse_dim()
        rows = torch.zeros(grad.size()[:found], dtype=grad.dtype, device=grad.device)
        rows[tuple(grad.indices())] = 1
        return grad.to_dense(), rows.reshape((*rows.size(), *(1,) * (grad.dim() - found)))
    named = grad != 0
    if grad.dim() > 1:
        named = named.flatten(1).any(1).reshape((-1,) + (1,) * (grad.dim() - 1))
    return grad, named.to(grad.dtype)
