"""Runs the calls of `cases` with any library that has PyTorch's interface."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np


class Maker:
    """Makes inputs, the same ones for every library."""

    def __init__(self, library: Any, grad: bool = True) -> None:
        self.library = library
        self.grad = grad
        self.made: list[Any] = []
        self.numbers = np.random.default_rng(7)

    def f(self, *shape: int, grad: bool = True, dtype: str = "float64") -> Any:
        """Normal numbers."""
        return self._tensor(self.numbers.standard_normal(shape).astype(dtype), grad)

    def p(self, *shape: int, grad: bool = True, dtype: str = "float64") -> Any:
        """Numbers between 0.05 and 0.95."""
        return self._tensor(self.numbers.uniform(0.05, 0.95, shape).astype(dtype), grad)

    def i(self, high: int, *shape: int) -> Any:
        """Integers from 0 to `high` - 1."""
        return self._tensor(np.asarray(self.numbers.integers(0, high, shape)), False)

    def sign(self, *shape: int) -> Any:
        """1 and -1."""
        return self._tensor(self.numbers.choice([-1.0, 1.0], shape), False)

    def t(self, values: Any, dtype: str | None = None) -> Any:
        """The given values."""
        return self._tensor(np.asarray(values, dtype=dtype), False)

    def _tensor(self, array: Any, grad: bool) -> Any:
        made = self.library.tensor(array)
        if grad and self.grad:
            made.requires_grad_(True)
        self.made.append(made)
        return made


def evaluate(library: Any, text: str, maker: Maker | None = None) -> Any:
    """The value of an expression over `torch`, `nn`, `F`, `init` and the makers."""
    nn = library.nn
    names: dict[str, Any] = {"torch": library, "nn": nn, "F": nn.functional, "init": nn.init}
    names["e"] = library.empty
    if maker is not None:
        names.update(f=maker.f, p=maker.p, i=maker.i, t=maker.t, sign=maker.sign)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(text, names)


def flat(result: Any) -> list[Any]:
    """The tensors in a result, in order."""
    if isinstance(result, (tuple, list)):
        return [tensor for each in result for tensor in flat(each)]
    return [result] if hasattr(result, "requires_grad") else []


def array(tensor: Any) -> np.ndarray:
    return np.asarray(tensor.detach().numpy())


def backward(library: Any, outputs: list[Any]) -> None:
    """Backward from a weighted sum of all differentiable outputs."""
    total = None
    for k, each in enumerate(outputs):
        if each.requires_grad and each.is_floating_point():
            weights = np.cos(np.arange(max(each.numel(), 1)) + k)[: each.numel()]
            weight = library.tensor(weights.astype(array(each).dtype)).reshape(tuple(each.shape))
            part = (each * weight).sum()
            total = part if total is None else total + part
    if total is not None:
        total.backward()


def build(library: Any, case: str) -> Any:
    """The layer of a case, with seed 0."""
    library.manual_seed(0)
    return evaluate(library, case.split(" | ")[0].lstrip("~"), Maker(library, grad=False))


def run_module(library: Any, case: str) -> dict[str, Any]:
    """Outputs, gradients and buffers of a layer in float64."""
    module = build(library, case).double()
    maker = Maker(library)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outputs = flat(module(*evaluate(library, f"({case.split(' | ')[1]},)", maker)))
    backward(library, outputs)
    return {
        "outputs": outputs,
        "gradients": [each.grad for each in (*maker.made, *module.parameters())],
        "buffers": list(module.buffers()),
    }


def run_function(library: Any, case: str) -> dict[str, Any]:
    """Outputs and gradients of a function, and its arguments afterwards."""
    maker = Maker(library)
    outputs = flat(evaluate(library, case, maker))
    backward(library, outputs)
    return {
        "outputs": outputs,
        "gradients": [each.grad for each in maker.made],
        "arguments": list(maker.made),
    }


def digest(tensor: Any) -> Any:
    """A tensor in a few numbers: its dtype, shape, sum, a weighted sum, and its ends."""
    if tensor is None:
        return None
    a = array(tensor)
    dtype, shape = str(a.dtype), list(a.shape)
    values = a.astype("float64").reshape(-1)
    if values.size == 0:
        return [dtype, shape]
    mixed = float((values * np.cos(np.arange(values.size))).sum())
    numbers = [float(values.sum()), mixed, float(values[0]), float(values[-1])]
    return [dtype, shape, *(float(f"{number:.9g}") for number in numbers)]


def near(found: Any, stored: Any, tolerance: float = 1e-6) -> bool:
    """Whether two digests say the same."""
    if found is None or stored is None:
        return found is stored
    if found[:2] != stored[:2]:
        return False
    return bool(np.allclose(found[2:], stored[2:], rtol=tolerance, atol=tolerance, equal_nan=True))
