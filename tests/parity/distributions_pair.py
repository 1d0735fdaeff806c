"""What the tests of distributions share: expressions evaluated in both libraries."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import torch

import flambeau

LIBRARIES = (torch, flambeau)

_rng = np.random.default_rng(0)
_NUMBERS = {
    "r": _rng.normal(0, 1, 64), "p": _rng.uniform(0.3, 3.0, 64), "q": _rng.uniform(0.5, 4.0, 64),
    "u": _rng.uniform(0.05, 0.95, 64), "m": _rng.normal(0, 1, 64), "l": _rng.normal(0, 0.5, 64),
}  # fmt: skip


class Names(dict[str, Any]):
    """The names of an expression: of distributions, and tensors like `r23`, leaves of shape (2, 3)."""

    def __init__(self, library: Any) -> None:
        super().__init__(T=library, D=library.distributions, t=library.tensor, math=math)
        self.library, self.leaves = library, []  # type: ignore[var-annotated]

    def __missing__(self, name: str) -> Any:
        found = getattr(self.library.distributions, name, None)
        if found is None and name in self.library.distributions.constraints.__all__:
            found = getattr(self.library.distributions.constraints, name)
        if found is None:
            kind, shape = name[0], tuple(int(d) for d in name[1:])
            found = self.library.tensor(_array(kind, shape).tolist()).requires_grad_()
            self.leaves.append(found)
        self[name] = found
        return found


def _array(kind: str, shape: tuple[int, ...]) -> np.ndarray:
    if kind == "s":
        half = _NUMBERS["m"][: math.prod(shape)].reshape(shape)
        return half @ half.swapaxes(-1, -2) + np.eye(shape[-1])
    values = _NUMBERS[kind][: math.prod(shape)].reshape(shape)
    if kind == "l":
        return np.tril(values, -1) + np.eye(shape[-1]) * 1.5
    return values


def expressions(block: str) -> list[str]:
    return [line.strip() for line in block.splitlines() if line.strip()]


def plain(value: Any) -> Any:
    if isinstance(value, (torch.Tensor, flambeau.Tensor)):
        return np.array(value.detach().numpy())
    return value


def tried(function: Any) -> Any:
    """What a function gives, or the type of what it raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function()
    except (ValueError, TypeError, RuntimeError, AttributeError, IndexError) as error:
        return type(error)


def same(what: str, have: Any, want: Any, tolerance: float = 2e-5) -> None:
    a, b = plain(have), plain(want)
    if isinstance(b, np.ndarray):
        assert isinstance(a, np.ndarray), f"{what}: {have!r}, PyTorch {want!r}"
        assert a.dtype == b.dtype and a.shape == b.shape, f"{what}: {a.dtype}{a.shape}, {b.dtype}{b.shape}"
        np.testing.assert_allclose(a, b, tolerance, tolerance, err_msg=what)
    else:
        assert a == b or repr(a) == repr(b).replace("torch.", "flambeau."), f"{what}: {a!r}, PyTorch {b!r}"


def _gradients(value: Any, leaves: list[Any]) -> list[Any] | None:
    """Those of all finite elements, weighted by their places."""
    if not isinstance(value, (torch.Tensor, flambeau.Tensor)) or not value.requires_grad:
        return None
    library = torch if isinstance(value, torch.Tensor) else flambeau
    weights = np.where(np.isfinite(plain(value)), np.cos(np.arange(value.numel())).reshape(value.shape), 0)
    weights = library.tensor(weights.tolist(), dtype=value.dtype)
    return list(library.autograd.grad(value, leaves, weights, allow_unused=True, retain_graph=True))


def compare_gradients(what: str, have: Any, want: Any, ours: Any, theirs: Any, tolerance: float) -> None:
    b = tried(lambda: _gradients(want, theirs))
    a = tried(lambda: _gradients(have, ours))
    if isinstance(b, type):  # Wishart draws, which ours have
        return
    assert (a is None) == (b is None), f"{what}: requires grad {a is not None}, PyTorch {b is not None}"
    for x, y in zip(a or (), b or ()):
        x = np.zeros_like(plain(y)) if x is None and y is not None and not plain(y).any() else x
        y = np.zeros_like(plain(x)) if y is None and x is not None and not plain(x).any() else y
        assert (x is None) == (y is None), f"{what}: {x}, PyTorch {y}"
        if x is not None and np.isfinite(plain(y)).all():
            np.testing.assert_allclose(plain(x), plain(y), tolerance, tolerance, err_msg=what)
