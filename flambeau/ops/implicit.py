"""Draws with implicit derivatives: gamma and Dirichlet numbers by their shape parameters."""

from __future__ import annotations

from typing import Any

from . import implicit_kernels as kernels
from .rules import pointwise
from .table import Spec, call, row

_floats = pointwise(allow="f")


def _samples(*highs: float) -> Any:
    return lambda m: [(tuple(m(*s, low=0.1, high=h) for h in highs), {}) for s in ((2, 3), (), (0,))]


row(
    "_standard_gamma_grad(Tensor input, Tensor output) -> Tensor", rule=_floats, forms="f",
    numpy=kernels.standard_gamma_grad, samples=_samples(3.0, 3.0),
    not_differentiable="it is a derivative itself, and PyTorch has none of it",
    doc="How gamma numbers `output` of rate 1 move with their shape parameters `input`.",
)  # fmt: skip

row(
    "_dirichlet_grad(Tensor x, Tensor alpha, Tensor total) -> Tensor", rule=_floats, forms="f",
    numpy=kernels.dirichlet_grad,
    samples=lambda m: [
        ((m(*s, low=0.1, high=0.9), m(*s, low=0.2, high=2.0), m(*s, low=2.5, high=5.0)), {})
        for s in ((2, 3), (), (0,))
    ],
    not_differentiable="it is a derivative itself, and PyTorch has none of it",
    doc="How shares x move with their parameters alpha, of the sum total, over 1 - x.",
)  # fmt: skip


def _dirichlet(grad: Any, result: Any, alpha: Any) -> Any:
    """A share that grows takes from the others in proportion."""
    slope = call._dirichlet_grad(result, alpha, alpha.sum(-1, True).expand_as(alpha))
    return slope * (grad - (result * grad).sum(-1, True))


row(
    "gamma_drawn(Tensor values, Tensor alpha) -> Tensor", node="StandardGamma", forms="",
    rule=lambda values, alpha: Spec(values), numpy=lambda values, alpha: values, moves=True,
    lower=lambda b, values, alpha: values,
    grads={"alpha": lambda grad, result, alpha: grad * call._standard_gamma_grad(alpha, result)},
    doc="Numbers that were drawn with the shape parameters `alpha`.",
)  # fmt: skip

row(
    "dirichlet_drawn(Tensor values, Tensor alpha, str called) -> Tensor", forms="",
    rule=lambda values, alpha, called: Spec(values), node=lambda called: called,
    numpy=lambda values, alpha, called: values, moves=True,
    lower=lambda b, values, alpha, called: values, grads={"alpha": _dirichlet},
    doc="Shares that were drawn with the parameters `alpha`.",
)  # fmt: skip
