"""L-BFGS."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import flambeau as torch
from flambeau.errors import shown

from ._elementwise import check_lr
from ._line_search import Point, strong_wolfe
from .optimizer import Optimizer

if TYPE_CHECKING:
    from flambeau import Tensor

    from .optimizer import Closure, ParamsT

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """Limited-memory BFGS (Liu and Nocedal, "On the limited memory BFGS method for large scale
    optimization", 1989), after Schmidt's minFunc.

    Each `step(closure)` runs up to `max_iter` iterations, and evaluates the closure as often as
    they need. All parameters are one vector: groups with options of their own are refused.

    Args:
        params: parameters, or `(name, parameter)` pairs.
        lr: length of a step where there is no line search, and the first one to try where there
            is.
        max_iter: iterations a step.
        max_eval: evaluations a step; `max_iter * 5 // 4` if None.
        tolerance_grad: stop where no element of the gradient is larger.
        tolerance_change: stop where neither loss nor parameters change by more.
        history_size: how many past changes make up the curvature estimate.
        line_search_fn: None or "strong_wolfe".

    Raises:
        ValueError: a negative rate, or several parameter groups.
        RuntimeError: at `step`, an unknown line search.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError(
                "LBFGS doesn't support per-parameter options (parameter groups), but got "
                f"{len(self.param_groups)} groups"
            )

    @property
    def _params(self) -> list[Tensor]:
        params: list[Tensor] = self.param_groups[0]["params"]
        return params

    def step(self, closure: Closure) -> Any:  # type: ignore[override]
        """Run up to `max_iter` iterations.

        Args:
            closure: clears the gradients, computes the loss, calls `backward`, returns the loss.

        Returns the loss before the first iteration.
        """
        with torch.no_grad():
            return self._minimize(torch.enable_grad()(closure))

    def _minimize(self, closure: Closure) -> Any:
        group = self.param_groups[0]
        search = group["line_search_fn"]
        if search not in (None, "strong_wolfe"):
            raise RuntimeError(
                f"only 'strong_wolfe' is supported as line_search_fn, not {shown(search)}"
            )
        lr, change = float(group["lr"]), group["tolerance_change"]
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        first_loss = closure()
        loss, grad = float(first_loss), self._flat_grad()
        state["func_evals"] += 1
        evaluations = 1
        if _largest(grad) <= group["tolerance_grad"]:
            return first_loss
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            direction = self._direction(state, grad, group["history_size"])
            t = lr * min(1.0, 1.0 / float(grad.abs().sum())) if state["n_iter"] == 1 else lr
            slope = float(grad.dot(direction))
            state.update(d=direction, t=t, prev_flat_grad=grad, prev_loss=loss)
            if slope > -change:
                break
            here = Point(0.0, loss, grad, slope)
            last = iteration == group["max_iter"]
            if search is None:
                point, used = self._plain_step(closure, here, t, direction, evaluate=not last)
            else:
                limit = group["max_eval"] - evaluations
                point, used = self._line_search(closure, here, t, direction, change, limit)
            moved = abs(point.loss - loss)
            loss, grad, state["t"] = point.loss, point.grad, point.t
            evaluations += used
            state["func_evals"] += used
            if (
                last
                or evaluations >= group["max_eval"]
                or _largest(grad) <= group["tolerance_grad"]
                or _largest(direction) * abs(point.t) <= change
                or moved < change
            ):
                break
        return first_loss

    def _direction(self, state: dict[str, Any], grad: Tensor, history: int) -> Tensor:
        """Take the last change into the history, and apply the inverse Hessian that it implies to
        the negative gradient: the two-loop recursion (Nocedal and Wright, algorithm 7.4)."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
            return -grad
        gradients, steps, inverses = state["old_dirs"], state["old_stps"], state["ro"]
        y = grad - state["prev_flat_grad"]
        s = state["d"] * float(state["t"])
        curvature = float(y.dot(s))
        if curvature > 1e-10:
            if len(gradients) == history:
                for past in (gradients, steps, inverses):
                    past.pop(0)
            gradients.append(y)
            steps.append(s)
            inverses.append(1.0 / curvature)
            state["H_diag"] = curvature / float(y.dot(y))

        weights = []
        q = -grad
        for y, s, inverse in zip(gradients[::-1], steps[::-1], inverses[::-1], strict=True):
            weights.append(float(s.dot(q)) * float(inverse))
            q = q - y * weights[-1]
        q = q * float(state["H_diag"])
        for y, s, inverse, weight in zip(gradients, steps, inverses, weights[::-1], strict=True):
            q = q + s * (weight - float(y.dot(q)) * float(inverse))
        return q

    def _plain_step(
        self, closure: Closure, here: Point, t: float, direction: Tensor, evaluate: bool
    ) -> tuple[Point, int]:
        self._move([p.clone() for p in self._params], t, direction)
        if not evaluate:
            return Point(t, here.loss, here.grad, here.slope), 0
        return self._evaluate(closure, t, direction), 1

    def _line_search(
        self,
        closure: Closure,
        here: Point,
        t: float,
        direction: Tensor,
        tolerance_change: float,
        max_iterations: int,
    ) -> tuple[Point, int]:
        origin = [p.clone() for p in self._params]

        def evaluate(t: float) -> Point:
            self._move(origin, t, direction)
            return self._evaluate(closure, t, direction)

        try:
            point, evaluations = strong_wolfe(
                evaluate,
                here,
                t,
                _largest(direction),
                tolerance_change=tolerance_change,
                max_iterations=max_iterations,
            )
        except BaseException:
            self._move(origin, 0.0, direction)
            raise
        self._move(origin, point.t, direction)
        return point, evaluations

    def _evaluate(self, closure: Callable[[], Any], t: float, direction: Tensor) -> Point:
        loss = float(closure())
        grad = self._flat_grad()
        return Point(t, loss, grad, float(grad.dot(direction)))

    # ---- all parameters as one vector of real numbers ---------------------------------------

    def _flat_grad(self) -> Tensor:
        pieces = []
        for p in self._params:
            grad = torch.zeros_like(p) if p.grad is None else p.grad
            if grad.is_sparse:
                raise RuntimeError("LBFGS does not support sparse gradients")
            pieces.append(_real(grad).reshape(-1))
        return torch.cat(pieces, 0)

    def _move(self, origin: list[Tensor], t: float, direction: Tensor) -> None:
        """Put the parameters `t` along the direction from where they were."""
        offset = 0
        for p, start in zip(self._params, origin, strict=True):
            start = _real(start)
            size = start.numel()
            moved = start + direction[offset : offset + size].reshape(start.shape) * t
            p.copy_(torch.view_as_complex(moved) if p.is_complex() else moved)
            offset += size


def _real(t: Tensor) -> Tensor:
    return torch.view_as_real(t) if t.is_complex() else t


def _largest(t: Tensor) -> float:
    return float(t.abs().max())
