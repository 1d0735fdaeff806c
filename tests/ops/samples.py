"""Sample calls of the op table's rows: the maker that rows ask for tensors, and what to do with
the samples."""

from __future__ import annotations

from typing import Any

import numpy as np

import flambeau as torch
from flambeau.frontend import dispatch
from flambeau.ops.table import Row, table


class Maker:
    """Makes a sample's tensors: float64, values well apart from each other and from zero, so that
    finite differences do not step over a kink. `grad` makes them require grad; `strided` makes
    them views of a larger storage."""

    def __init__(self, seed: int = 0, *, grad: bool = False, strided: bool = False) -> None:
        self.rng = np.random.default_rng(seed)
        self.grad = grad
        self.strided = strided

    def __call__(self, *shape: int, low: float = -2.0, high: float = 2.0) -> Any:
        n = int(np.prod(shape))
        steps = np.linspace(low, high, n + 2)[1:-1] if n else np.zeros(0)
        width = (high - low) / (n + 1)
        values = self.rng.permutation(steps) + self.rng.uniform(-0.2, 0.2, n) * width
        if low < 0 < high:
            values = values + np.where(np.abs(values) < 0.02, 0.05, 0.0)
        return self._made(np.asarray(values).reshape(shape), self.grad)

    def int(self, *shape: int, low: int = 0, high: int = 10) -> Any:
        return self._made(self.rng.integers(low, high, shape), False)

    def bool(self, *shape: int) -> Any:
        return self._made(self.rng.integers(0, 2, shape).astype(bool), False)

    def complex(self, *shape: int) -> Any:
        parts = self.rng.uniform(0.5, 2, (2, *shape)) * self.rng.choice([-1, 1], (2, *shape))
        return self._made(parts[0] + 1j * parts[1], self.grad)

    def _made(self, values: Any, grad: bool) -> Any:
        values = np.asarray(values)
        if self.strided and values.ndim:
            room = torch.tensor(np.zeros((*values.shape[:-1], values.shape[-1] * 2), values.dtype))
            t = room[..., ::2]
            t.copy_(torch.tensor(values))
        else:
            t = torch.tensor(values)
        return t.requires_grad_() if grad else t


def rows() -> list[Row]:
    """The rows that have samples."""
    return [r for r in table.values() if r.samples is not None]


def function(row: Row) -> Any:
    """The row's function, whatever its namespace."""
    return dispatch.function(row.name)


def leaves(value: Any) -> list[Any]:
    """The tensors in arguments or results, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [t for item in value for t in leaves(item)]
    if isinstance(value, dict):
        return [t for item in value.values() for t in leaves(item)]
    return []


def replaced(value: Any, tensors: list[Any]) -> Any:
    """The same structure with its tensors taken from the front of `tensors`."""
    if isinstance(value, torch.Tensor):
        return tensors.pop(0)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*[replaced(item, tensors) for item in value])
    if isinstance(value, (list, tuple)):
        return type(value)(replaced(item, tensors) for item in value)
    if isinstance(value, dict):
        return {k: replaced(v, tensors) for k, v in value.items()}
    return value


def arrays(value: Any) -> list[np.ndarray]:
    """The contents of a result's tensors."""
    return [np.array(t.detach().numpy()) for t in leaves(value)]
