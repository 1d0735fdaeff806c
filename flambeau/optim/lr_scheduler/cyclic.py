"""Schedulers that let the rate rise and fall, and the momentum fall and rise. Step them after each
batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import FunctionType
from typing import Any

from flambeau.errors import shown

from ..optimizer import Group, Optimizer
from .base import LRScheduler, check_optimizer, per_group, set_value


def _check_momentum(optimizer: Optimizer) -> bool:
    """Whether the momentum is `betas[0]`; refuses optimizers that have none."""
    if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
        raise ValueError(
            "optimizer must support momentum or beta1 with `cycle_momentum` option enabled; "
            f"{type(optimizer).__name__} does not, so give cycle_momentum=False"
        )
    return "betas" in optimizer.defaults


def _set_momentum(group: Group, value: float, in_betas: bool) -> None:
    if in_betas:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


class CyclicLR(LRScheduler):
    """Lets the rate go up and down between `base_lr` and `max_lr` (Smith, "Cyclical Learning Rates
    for Training Neural Networks", 2017).

    Args:
        base_lr, max_lr: bounds of the rate, one for all groups or a list.
        step_size_up, step_size_down: batches of the rise, and of the fall (None: as many).
        mode: "triangular"; "triangular2", where each cycle is half as high; "exp_range", where the
            height falls by `gamma` each batch.
        scale_fn, scale_mode: a function that replaces the mode's, of the number of the cycle
            ("cycle") or batch ("iterations").
        cycle_momentum: let the momentum (or `betas[0]`) go the other way, between `max_momentum`
            and `base_momentum`.

    Raises:
        TypeError: not an optimizer.
        ValueError: an unknown mode, a list of another length than the groups, or `cycle_momentum`
            with an optimizer that has no momentum.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        base_lrs = per_group("base_lr", optimizer, base_lr)
        self.max_lrs = per_group("max_lr", optimizer, max_lr)
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError(f"mode {shown(mode)} is invalid and scale_fn is None")
        down = step_size_up if step_size_down is None else step_size_down
        self.total_size = float(step_size_up) + float(down)
        self.step_ratio = float(step_size_up) / self.total_size
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = _check_momentum(optimizer)
            self.base_momentums = per_group("base_momentum", optimizer, base_momentum)
            self.max_momentums = per_group("max_momentum", optimizer, max_momentum)
        if last_epoch == -1:
            self._start_groups(base_lrs)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def _start_groups(self, base_lrs: list[Any]) -> None:
        for i, group in enumerate(self.optimizer.param_groups):
            set_value(group, "lr", base_lrs[i])
            if self.cycle_momentum:
                _set_momentum(group, self.max_momentums[i], self.use_beta1)
                group["max_momentum"] = self.max_momentums[i]
                group["base_momentum"] = self.base_momentums[i]

    def scale_fn(self, x: float) -> float:
        """The height of a cycle, as a fraction, by the number of the cycle or batch."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular2":
            return float(1 / (2.0 ** (x - 1)))
        if self.mode == "exp_range":
            return float(self.gamma**x)
        return 1.0

    def get_lr(self) -> list[Any]:
        """The rates; sets the momentums on the way."""
        self._warn_outside_step()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        if x <= self.step_ratio:
            height = x / self.step_ratio
        else:
            height = (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            bounds = zip(self.base_momentums, self.max_momentums, strict=True)
            for group, (low, high) in zip(self.optimizer.param_groups, bounds, strict=True):
                _set_momentum(group, high - (high - low) * height * scale, self.use_beta1)
        return [
            low + (high - low) * height * scale
            for low, high in zip(self.base_lrs, self.max_lrs, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        """As of any scheduler; of a custom `scale_fn` the attributes, if it is an object."""
        state = super().state_dict()
        function = state["_scale_fn_custom"]
        plain = function is None or isinstance(function, FunctionType)
        state["_scale_fn_custom"] = None if plain else vars(function).copy()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave; a custom `scale_fn` stays the one given here."""
        saved = dict(state_dict)
        attributes = saved.pop("_scale_fn_custom", None)
        super().load_state_dict(saved)
        if attributes is not None:
            vars(self._scale_fn_custom).update(attributes)


class OneCycleLR(LRScheduler):
    """Lets the rate rise to `max_lr` and fall far below its start, once (Smith and Topin,
    "Super-Convergence", 2018).

    Args:
        max_lr: the highest rate, one for all groups or a list.
        total_steps: batches in all; or `epochs` and `steps_per_epoch`.
        pct_start: fraction of the batches in which the rate rises.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: let the momentum (or `betas[0]`) go the other way, between `max_momentum`
            and `base_momentum`.
        div_factor: the rate starts at `max_lr / div_factor`.
        final_div_factor: and ends at the start divided by this.
        three_phase: fall to the start as fast as it rose, and only then to the end.

    Raises:
        TypeError: not an optimizer.
        ValueError: an argument out of range, a list of another length than the groups,
            `cycle_momentum` with an optimizer that has no momentum, or more steps than
            `total_steps`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        self.total_steps = _total_steps(total_steps, epochs, steps_per_epoch)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._schedule_phases = _phases(self.total_steps, pct_start, three_phase)
        self._anneal_func_type = anneal_strategy
        max_lrs = per_group("max_lr", optimizer, max_lr)
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = _check_momentum(optimizer)
            max_momentums = per_group("max_momentum", optimizer, max_momentum)
            base_momentums = per_group("base_momentum", optimizer, base_momentum)
        if last_epoch == -1:
            for i, group in enumerate(optimizer.param_groups):
                group["initial_lr"] = max_lrs[i] / div_factor
                group["max_lr"] = max_lrs[i]
                group["min_lr"] = group["initial_lr"] / final_div_factor
                if cycle_momentum:
                    _set_momentum(group, max_momentums[i], self.use_beta1)
                    group["max_momentum"] = max_momentums[i]
                    group["base_momentum"] = base_momentums[i]
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates; sets the momentums on the way."""
        self._warn_outside_step()
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"Tried to step {self.last_epoch} times. The specified number of total steps is "
                f"{self.total_steps}"
            )
        start = 0.0
        for phase in self._schedule_phases:
            end = phase["end_step"]
            if self.last_epoch <= end or phase is self._schedule_phases[-1]:
                break
            start = end
        done = (self.last_epoch - start) / (end - start)
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._anneal(group[phase["start_lr"]], group[phase["end_lr"]], done))
            if self.cycle_momentum:
                first, last = group[phase["start_momentum"]], group[phase["end_momentum"]]
                _set_momentum(group, self._anneal(first, last, done), self.use_beta1)
        return rates

    def _anneal(self, start: Any, end: Any, done: float) -> Any:
        if self._anneal_func_type == "cos":
            return end + (start - end) / 2.0 * (math.cos(math.pi * done) + 1)
        return (end - start) * done + start


def _total_steps(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    if total_steps is not None:
        return _positive("total_steps", total_steps)
    if epochs is None or steps_per_epoch is None:
        raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
    return _positive("epochs", epochs) * _positive("steps_per_epoch", steps_per_epoch)


def _positive(name: str, value: int) -> int:
    if not isinstance(value, int) or value <= 0:
        raise ValueError(f"Expected positive integer {name}, but got {value}")
    return value


def _phases(total: int, pct_start: float, three_phase: bool) -> list[dict[str, Any]]:
    """The stretches of a cycle: the step at which each ends, and which of a group's entries its
    rate and momentum start and end at."""
    rise = (float(pct_start * total) - 1, "initial_lr", "max_lr", "max_momentum", "base_momentum")
    last = total - 1
    if three_phase:
        back = float(2 * pct_start * total) - 2
        phases = [
            rise,
            (back, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
            (last, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
        ]
    else:
        phases = [rise, (last, "max_lr", "min_lr", "base_momentum", "max_momentum")]
    keys = ("end_step", "start_lr", "end_lr", "start_momentum", "end_momentum")
    return [dict(zip(keys, phase, strict=True)) for phase in phases]
