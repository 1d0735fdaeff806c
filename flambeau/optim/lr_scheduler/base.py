"""The base of the learning-rate schedulers."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import flambeau as torch
from flambeau.errors import users_line

from ..optimizer import Group, Optimizer, as_scalar

if TYPE_CHECKING:
    from flambeau import Tensor

Rate = float


def takes_verbose(init: Any) -> Any:
    """`init` that also takes the old last argument `verbose`, with a warning."""
    places = init.__code__.co_argcount - 1

    @functools.wraps(init)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
        if len(args) == places + 1:
            *args, verbose = args  # type: ignore[assignment]
            warn_verbose(verbose)
        elif "verbose" in kwargs:
            warn_verbose(kwargs.pop("verbose"))
        init(self, *args, **kwargs)

    return wrapped


def warn_verbose(verbose: Any) -> None:
    """Warn of the old argument, where it asks for what is no more."""
    if verbose not in (False, "deprecated"):
        warnings.warn(
            "Schedulers no longer print: the argument `verbose` of PyTorch before 2.7 has no "
            "effect. Print scheduler.get_last_lr() instead.",
            FutureWarning,
            stacklevel=users_line(),
        )


class LRScheduler:
    """Sets the learning rate of each parameter group, epoch by epoch.

    A subclass overrides `get_lr`, which computes the rates of epoch `last_epoch` from those of the
    epoch before (the chainable form: other schedulers may have changed them too). If it also has
    `_get_closed_form_lr`, which computes them from `base_lrs` alone, then `step(epoch)` uses that.

    Args:
        optimizer: whose groups' `lr` to set. The rates they have now are kept as `initial_lr`.
        last_epoch: -1 to start anew; another number to go on after that epoch, which needs
            `initial_lr` in each group, as a loaded state dict has it.

    Raises:
        TypeError: not an optimizer.
        KeyError: going on, and a group has no `initial_lr`.
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # What users write takes the arguments that they gave it.
        if "__init__" in cls.__dict__ and cls.__module__.startswith(__package__):
            cls.__init__ = takes_verbose(cls.__init__)  # type: ignore[method-assign]

    @takes_verbose
    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming "
                    f"scheduler with last_epoch = {last_epoch}: load the optimizer's state dict "
                    "first, or leave last_epoch at -1 to start anew"
                )
        self.base_lrs: list[Any] = group_values(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        self._track_optimizer()
        self._initial_step()

    def _track_optimizer(self) -> None:
        """Have the optimizer note that it has stepped, for the warning about the order."""
        notes = vars(self.optimizer)
        if notes.get("_opt_called") is None:
            notes["_opt_called"] = False
            notes["_tracked_step"] = notes.get("step")

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_last_lr(self) -> list[Any]:
        """The rates that were set last, one a group."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """The rates for epoch `last_epoch`. For `step` to call; ask `get_last_lr` instead."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_lr()")

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next epoch, or (deprecated) to the one given."""
        if self._step_count == 1:
            self._check_order()
        self._step_count += 1
        if epoch is not None:
            warn_epoch()
        self._update_lr(epoch)

    def _check_order(self) -> None:
        notes = vars(self.optimizer)
        if notes.get("step") is not notes.get("_tracked_step"):
            warnings.warn(
                "Seems like `optimizer.step()` has been overridden after learning rate scheduler "
                "initialization. Please, make sure to call `optimizer.step()` before "
                "`lr_scheduler.step()`.",
                UserWarning,
                stacklevel=3,
            )
        elif not notes.get("_opt_called"):
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. Call them in "
                "the opposite order: `optimizer.step()` before `lr_scheduler.step()`; else the "
                "first value of the learning rate schedule is skipped.",
                UserWarning,
                stacklevel=3,
            )

    def _update_lr(self, epoch: int | None = None) -> None:
        with self._computing():
            if epoch is None:
                self.last_epoch += 1
                rates = self.get_lr()
            else:
                self.last_epoch = epoch
                closed_form = getattr(self, "_get_closed_form_lr", self.get_lr)
                rates = closed_form()
        self._assign(rates)

    def _assign(self, rates: list[Any]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            set_value(group, "lr", rate)
        self._last_lr: list[Any] = group_values(self.optimizer, "lr")

    @contextmanager
    def _computing(self) -> Iterator[None]:
        self._get_lr_called_within_step = True
        try:
            yield
        finally:
            self._get_lr_called_within_step = False

    def _warn_outside_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use "
                "`get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )

    def _unchanged(self) -> list[Any]:
        return group_values(self.optimizer, "lr")

    def _scaled(self, factor: float) -> list[Any]:
        """Each group's present rate, times a factor."""
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, as a dict; functions that it was given are left out."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave. The optimizer's rates are in its own state dict.

        Raises `TypeError` for what is no dict.
        """
        if not isinstance(state_dict, dict):
            raise TypeError(f"load_state_dict(): expected a dict, not {type(state_dict)}")
        self.__dict__.update(state_dict)


class _LRScheduler(LRScheduler):
    """The name that `LRScheduler` had before PyTorch 2.0; programs still derive from it."""


def check_optimizer(optimizer: Any) -> None:
    """Refuse what is no optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def warn_epoch() -> None:
    """Warn of an epoch given to `step`."""
    warnings.warn(
        "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated "
        "where possible. Please use `scheduler.step()` to step the scheduler. With an epoch, the "
        "closed form is used instead of the chainable form, where there is one.",
        UserWarning,
        stacklevel=3,
    )


def copied(value: float | Tensor) -> float | Tensor:
    """A number, or a copy of a tensor."""
    return value.clone() if isinstance(value, torch.Tensor) else value


def group_values(optimizer: Optimizer, key: str) -> list[Any]:
    """An option of all groups."""
    return [copied(group[key]) for group in optimizer.param_groups]


def set_value(group: Group, key: str, value: float | Tensor) -> None:
    """Set a group's option; one that is a tensor stays that tensor."""
    if isinstance(group[key], torch.Tensor):
        group[key].fill_(as_scalar(value))
    else:
        group[key] = value


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """A value for each group, given as one for all or as a list.

    Raises:
        ValueError: a list of another length.
    """
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [copied(value) for _ in range(count)]
    check_count(name, value, count)
    return [copied(v) for v in value]


def check_count(name: str, values: Sequence[Any], count: int) -> None:
    """Refuse a list that does not have an entry for each group."""
    if len(values) != count:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has "
            f"{len(values)} values, param_groups has {count}."
        )
