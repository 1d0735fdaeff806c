"""SparseAdam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flambeau as torch

from . import _functional
from ._elementwise import check_betas
from .optimizer import Closure, Optimizer

if TYPE_CHECKING:
    from flambeau import Tensor

    from .optimizer import ParamsT

__all__ = ["SparseAdam"]


class SparseAdam(Optimizer):
    """Adam that updates moments and parameters only in the rows that a step's gradient names.

    For embeddings with `sparse=True`. The rows are read off sparse gradients. Those that flambeau's
    embeddings give are dense, and the rows are those that have an element that is not zero: the
    same, unless a row is looked up and its gradient is exactly zero.

    Args:
        params: parameters, `(name, parameter)` pairs, or dicts that make parameter groups.
        lr: learning rate, a number or a tensor of one element.
        betas: decay rates of the two moments.
        eps: added to the denominator.
        maximize: climb instead of descending.

    Raises:
        ValueError: a hyperparameter out of range, or complex parameters.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, torch.Tensor) and lr.numel() != 1:
            raise ValueError(f"Tensor lr must be 1-element, but its shape is {tuple(lr.shape)}")
        if not lr > 0.0:
            raise ValueError(f"Invalid learning rate: {lr}; it must be above 0")
        if not eps > 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}; it must be above 0")
        check_betas(betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        complex_params = [
            [i, j]
            for i, group in enumerate(self.param_groups)
            for j, p in enumerate(group["params"])
            if p.is_complex()
        ]
        if complex_params:
            raise ValueError(
                f"Complex params at indices {complex_params}: SparseAdam does not support complex "
                "parameters"
            )

    def step(self, closure: Closure | None = None) -> Any:
        """Update every parameter that has a gradient. Returns the closure's loss, or None."""
        loss = None
        with torch.no_grad():
            if closure is not None:
                with torch.enable_grad():
                    loss = closure()
            for group in self.param_groups:
                found = [p for p in group["params"] if p.grad is not None]
                states = [self._begun(p) for p in found]
                _functional.sparse_adam(
                    found,
                    [p.grad for p in found],
                    [state["exp_avg"] for state in states],
                    [state["exp_avg_sq"] for state in states],
                    [state["step"] for state in states],
                    eps=group["eps"],
                    beta1=group["betas"][0],
                    beta2=group["betas"][1],
                    lr=float(group["lr"]),
                    maximize=group.get("maximize", False),
                )
        return loss

    def _begun(self, p: Tensor) -> dict[str, Any]:
        """A parameter's state, with this step counted."""
        state = self.state[p]
        if not state:
            state.update(step=0, exp_avg=torch.zeros_like(p), exp_avg_sq=torch.zeros_like(p))
        state["step"] += 1
        return state
