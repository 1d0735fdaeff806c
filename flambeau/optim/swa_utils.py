"""Averages of a model's parameters along its training.

Stochastic weight averaging: Izmailov et al., "Averaging Weights Leads to Wider Optima and Better
Generalization" (2018). Exponential moving averages: Polyak and Juditsky (1992).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import flambeau as torch
from flambeau.nn import Module

from .lr_scheduler.base import LRScheduler, per_group
from .optimizer import Optimizer

if TYPE_CHECKING:
    from flambeau import Tensor

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

Average = Callable[[Any, Any, Any], Any]
MultiAverage = Callable[[Sequence[Any], Sequence[Any], Any], None]


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """The exponential moving average of one parameter, for `AveragedModel(avg_fn=...)`.

    Raises:
        ValueError: `decay` outside [0, 1].
    """
    _check_decay(decay)

    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        with torch.no_grad():
            return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAverage:
    """The exponential moving average of all parameters, in place, for
    `AveragedModel(multi_avg_fn=...)`.

    Raises:
        ValueError: `decay` outside [0, 1].
    """
    average = get_ema_avg_fn(decay)

    def ema_update(
        ema_param_list: Sequence[Tensor], current_param_list: Sequence[Tensor], num_averaged: Any
    ) -> None:
        with torch.no_grad():
            for mean, current in zip(ema_param_list, current_param_list, strict=True):
                mean.copy_(average(mean, current, num_averaged))

    return ema_update


def get_swa_avg_fn() -> Average:
    """The equal average of one parameter, for `AveragedModel(avg_fn=...)`."""

    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        with torch.no_grad():
            return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def get_swa_multi_avg_fn() -> MultiAverage:
    """The equal average of all parameters, in place, for `AveragedModel(multi_avg_fn=...)`."""
    average = get_swa_avg_fn()

    def swa_update(
        averaged_param_list: Sequence[Tensor],
        current_param_list: Sequence[Tensor],
        num_averaged: Any,
    ) -> None:
        with torch.no_grad():
            for mean, current in zip(averaged_param_list, current_param_list, strict=True):
                mean.copy_(average(mean, current, num_averaged))

    return swa_update


class AveragedModel(Module):
    """A copy of a model that holds the average of its parameters; `update_parameters(model)` takes
    a further point in, and calling it runs the averaged model.

    Args:
        model: what to average; the copy starts as it is now.
        device: where to keep the copy.
        avg_fn: `avg_fn(averaged, current, count)` gives a parameter's new average; equal weights
            if neither this nor `multi_avg_fn` is given.
        multi_avg_fn: the same in place, over lists of all parameters.
        use_buffers: average the buffers (running statistics) too, rather than copying them.

    Raises:
        AssertionError: both functions given.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: MultiAverage | None = None,
        use_buffers: bool = False,
    ) -> None:
        from copy import deepcopy

        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", torch.tensor(0, dtype=torch.long, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the parameters that `model` has now into the average."""
        means = [t.detach() for t in self._averaged(self.module)]
        points = [
            t.detach().to(mean.device) for t, mean in zip(self._averaged(model), means, strict=True)
        ]
        count = int(self.n_averaged)
        with torch.no_grad():
            if count == 0:
                for mean, point in zip(means, points, strict=True):
                    mean.copy_(point)
            elif self.avg_fn is not None:
                for mean, point in zip(means, points, strict=True):
                    mean.copy_(self.avg_fn(mean, point, self.n_averaged))
            else:
                self._average_by_dtype(means, points)
            if not self.use_buffers:
                for mine, theirs in zip(self.module.buffers(), model.buffers(), strict=True):
                    mine.copy_(theirs.detach().to(mine.device))
            self.n_averaged += 1

    def _averaged(self, model: Module) -> list[Tensor]:
        if self.use_buffers:
            return list(chain(model.parameters(), model.buffers()))
        return list(model.parameters())

    def _average_by_dtype(self, means: list[Tensor], points: list[Tensor]) -> None:
        average = self.multi_avg_fn or get_swa_multi_avg_fn()
        for dtype in dict.fromkeys(mean.dtype for mean in means):
            chosen = [i for i, mean in enumerate(means) if mean.dtype == dtype]
            average([means[i] for i in chosen], [points[i] for i in chosen], self.n_averaged)


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of the batch normalizations anew, over all data.

    Args:
        loader: batches; of a list or tuple the first entry is the input.
        model: what to run. Its mode and its layers' momenta are as before afterwards.
        device: where to move the input to.
    """
    from flambeau.nn.modules.batchnorm import _BatchNorm

    layers = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    was_training = model.training
    try:
        model.train()
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None
        with torch.no_grad():
            for batch in loader:
                data = batch[0] if isinstance(batch, (list, tuple)) else batch
                model(data if device is None else data.to(device))
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        model.train(was_training)


class SWALR(LRScheduler):
    """Moves the rate to `swa_lr` within `anneal_epochs` epochs and keeps it there.

    Args:
        swa_lr: the last rate, one for all groups or a list.
        anneal_epochs: 0 to set it at once.
        anneal_strategy: "cos" or "linear".

    Raises:
        ValueError: an argument out of range, or a list of another length than the groups.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        rates = per_group("swa_lr", optimizer, swa_lr)
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """How much of the rate is `swa_lr` after a number of steps."""
        done = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return (1 - math.cos(math.pi * done)) / 2 if self._anneal_strategy == "cos" else done

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        rates = []
        for group in self.optimizer.param_groups:
            target = group["swa_lr"]
            start = target if before == 1 else (group["lr"] - before * target) / (1 - before)
            rates.append(target * now + start * (1 - now))
        return rates
