"""What the optimizers share whose update of an element looks at that element alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import flambeau as torch

from .optimizer import Closure, Group, Optimizer, as_scalar, scalar_dtype


class Bucket:
    """Parameters of a group that are at the same step, hence updated by one operation."""

    __slots__ = ("_arrays", "buffers", "grads", "params", "values")

    def __init__(self, values: tuple[float, ...], buffers: int) -> None:
        self.values = values
        self.params: list[torch.Tensor] = []
        self.grads: list[torch.Tensor] = []
        self.buffers: tuple[list[torch.Tensor], ...] = tuple([] for _ in range(buffers))
        self._arrays: list[list[np.ndarray]] = []

    def add(
        self,
        p: torch.Tensor,
        grad: torch.Tensor,
        buffers: list[torch.Tensor],
        arrays: list[np.ndarray],
    ) -> None:
        self.params.append(p)
        self.grads.append(grad)
        self._arrays.append(arrays)
        for column, buffer in zip(self.buffers, buffers, strict=True):
            column.append(buffer)

    def write(self, *values: float) -> None:
        """Store the scalar states in every parameter's state, once the step is recorded."""
        write_all(self._arrays, values)


def write_all(states: list[list[np.ndarray]], values: tuple[float, ...]) -> None:
    """Give every parameter's scalar states the values."""
    for arrays in states:
        for array, value in zip(arrays, values, strict=True):
            array.fill(value)


class ElementwiseOptimizer(Optimizer):
    """An optimizer that updates group after group, each by few operations over lists of tensors.

    A subclass lists its state and overrides `_update`. Scalar states (the step counter) are 0-d
    tensors as in PyTorch, but are read and written through the memory that they share with
    NumPy: reading them must not flush what is recorded.
    """

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self._shared: dict[int, tuple[torch.Tensor, np.ndarray]] = {}
        self._forget_step()
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._shared = {}
        self._forget_step()
        super().__setstate__(state)

    def step(self, closure: Closure | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: computes the loss anew and returns it; called once, with gradients enabled.

        Returns the closure's loss, or None.
        """
        loss = None
        self._forget_step()
        thread = torch._thread
        before = thread.grad, thread.inference, thread.asked
        # Plain stores instead of context managers: a signal's handler can't come between them, but
        # it can at the head of an __exit__, and then the mode would stay.
        try:
            torch.set_grad_enabled(bool(self.defaults.get("differentiable")))
            if closure is not None:
                with torch.enable_grad():
                    loss = closure()
            thread.unbroken = True
            for group in self.param_groups:
                self._update(group)
        finally:
            thread.grad, thread.inference, thread.asked = before
            thread.unbroken = False
        return loss

    def _forget_step(self) -> None:
        """What it takes to take a step back is known of the last one only."""
        self._counted: list[tuple[list[list[np.ndarray]], tuple[float, ...]]] = []
        self._made: list[tuple[torch.Tensor, str]] = []

    def _take_back(self) -> None:
        params = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        recorded = [torch._before(p) is not None for p in params]
        if any(recorded) and all(recorded):
            buffers = [t for p in params for t in self.state[p].values()]
            torch._take_back([*params, *[t for t in buffers if isinstance(t, torch.Tensor)]])
            for arrays, values in self._counted:
                write_all(arrays, values)
        elif any(recorded) or self._has_written():
            return  # some are computed, the others can be: the step is done
        for p, name in self._made:
            self._shared.pop(id(self.state[p].pop(name)), None)
            if not self.state[p]:
                del self.state[p]

    def _has_written(self) -> bool:
        """Whether the step got as far as to change anything."""
        return any(
            array.item() != value
            for states, values in self._counted
            for arrays in states
            for array, value in zip(arrays, values, strict=True)
        ) or any(self.state[p][name]._version for p, name in self._made)

    def _update(self, group: Group) -> None:
        raise NotImplementedError

    # ---- collecting -------------------------------------------------------------------

    def _gather(self, group: Group) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """The parameters that have a gradient, with it; all are checked before any changes."""
        found = [(p, grad) for p in group["params"] if (grad := p.grad) is not None]
        name = type(self).__name__
        if any([grad.is_sparse for _, grad in found]):
            raise RuntimeError(f"{name} does not support sparse gradients")
        for p, _ in found if group.get("fused") else ():
            if not p.is_floating_point():
                raise RuntimeError(
                    f"{name}: `fused=True` requires all the params to be floating point "
                    f"Tensors, but one of shape {tuple(p.shape)} is {p.dtype}"
                )
        if found and group.get("capturable") and not found[0][0].is_cuda:
            raise AssertionError(
                f"{name}: If capturable=True, params and state_steps must be on a device that "
                f"captures graphs, but they are on {found[0][0].device}"
            )
        return found

    def _buckets(self, group: Group, names: tuple[str, ...]) -> Iterator[Bucket]:
        """The group's parameters by their scalar states, with the buffers called `names`."""
        buckets: dict[tuple[float, ...], Bucket] = {}
        shared, states = self._shared, self.state
        for p, grad in self._gather(group):
            state = states[p]
            arrays = []
            for name in self._scalar_states:
                entry = shared.get(id(state.get(name)))
                arrays.append(
                    self._memory(self._scalar(name, group, p)) if entry is None else entry[1]
                )
            buffers = [self._buffer(name, group, p, state) for name in names]
            values = tuple([array.item() for array in arrays])
            bucket = buckets.get(values)
            if bucket is None:
                bucket = buckets[values] = Bucket(values, len(names))
            bucket.add(p, grad, buffers, arrays)
        self._counted += [(bucket._arrays, bucket.values) for bucket in buckets.values()]
        yield from buckets.values()

    def _memory(self, scalar: torch.Tensor) -> np.ndarray:
        entry = self._shared.get(id(scalar))
        if entry is None:
            # Keeping the tensor beside its memory keeps its id from being used again.
            entry = self._shared[id(scalar)] = (scalar, scalar.numpy())
        return entry[1]

    # ---- state ------------------------------------------------------------------------

    def _scalar(self, name: str, group: Group, p: torch.Tensor) -> torch.Tensor:
        state = self.state[p]
        scalar = state.get(name)
        if scalar is None:
            value = self._first_scalar(name, group)
            dtype = scalar_dtype(bool(group.get("fused")))
            scalar = state[name] = torch.tensor(value, dtype=dtype, device="cpu")
            self._made.append((p, name))
        elif scalar.is_cuda:  # of a checkpoint: counting needs no GPU
            scalar = state[name] = scalar.cpu()
        return scalar

    def _buffer(
        self, name: str, group: Group, p: torch.Tensor, state: dict[str, Any]
    ) -> torch.Tensor:
        buffer = state.get(name)
        if buffer is None:
            buffer = state[name] = self._first_buffer(name, group, p)
            self._made.append((p, name))
        return buffer

    def _first_scalar(self, name: str, group: Group) -> float:
        return 0.0

    def _first_buffer(self, name: str, group: Group, p: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(p)


def learning_rate(group: Group) -> float | torch.Tensor:
    """The group's rate as a number; as a tensor only where a derivative may flow through it."""
    return hyperparameter(group, group["lr"])


def hyperparameter(group: Group, value: float | torch.Tensor) -> float | torch.Tensor:
    """An option that may be a tensor, as a number unless the step itself is differentiated."""
    if value.__class__ is float:
        return value
    value = as_scalar(value)
    if isinstance(value, torch.Tensor) and not group.get("differentiable"):
        return float(value)
    return value


def check_lr(lr: Any) -> None:
    """Refuse a learning rate that is negative, NaN, or a tensor of several elements."""
    if isinstance(lr, torch.Tensor) and lr.numel() != 1:
        raise ValueError(
            f"Tensor lr must be 1-element, but its shape is {tuple(lr.shape)}; "
            "give parameter groups of their own rates instead"
        )
    check_not_negative("learning rate", lr)


def check_not_negative(what: str, value: Any) -> None:
    """Refuse a hyperparameter below zero (or NaN)."""
    if not value >= 0.0:
        raise ValueError(f"Invalid {what}: {value}; it must be at least 0")


def check_betas(betas: tuple[Any, ...]) -> None:
    """Refuse decay rates outside [0, 1)."""
    for i, beta in enumerate(betas[:2]):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}; it must be in [0, 1)")


def check_fused(fused: bool | None, foreach: bool | None, differentiable: bool) -> None:
    """Refuse combinations of the options that choose an implementation."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
