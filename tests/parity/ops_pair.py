"""Runs one expression in PyTorch and in flambeau and compares everything that can be seen of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import flambeau

TOLERANCE = {
    "float16": 1e-3, "bfloat16": 8e-3, "float32": 2e-6, "float64": 2e-13,
    "complex64": 4e-6, "complex128": 4e-13,
}  # fmt: skip


def tensor(library: Any, array: Any, dtype: str, requires_grad: bool = False) -> Any:
    """The array as a tensor of the dtype with this name."""
    t = library.tensor(array.tolist() if array.dtype.kind != "c" else array)
    t = t.reshape(array.shape).to(getattr(library, dtype))
    return t.requires_grad_() if requires_grad and dtype.startswith(("f", "bf", "c")) else t


def plain(t: Any) -> np.ndarray:
    """A tensor's numbers, bfloat16 as float32."""
    t = t.detach()
    if "bfloat16" in str(t.dtype):
        t = t.to((torch if isinstance(t, torch.Tensor) else flambeau).float32)
    if t.is_complex():
        t = t.resolve_conj() + 0
    if "complex32" in str(t.dtype):
        t = t.cfloat()
    return np.array(t.numpy(force=True))


class Outcome:
    """What an expression gave: tensors or plain results, gradients, node names, or an error."""

    def __init__(self, library: Any, expression: Callable[..., Any], inputs: list[Any]) -> None:
        self.error: Exception | None = None
        self.results: list[Any] = []
        self.names: list[Any] = []
        self.grads: list[Any] = []
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = expression(library, *inputs)
            parts = found if isinstance(found, (tuple, list)) else (found,)
            self.results = list(parts)
            for part in parts:
                node = getattr(part, "grad_fn", None)
                self.names.append(node.name() if node is not None else None)
            self._backward(library, inputs)
        except Exception as error:
            self.error = error

    def _backward(self, library: Any, inputs: list[Any]) -> None:
        roots = [p for p in self.results if getattr(p, "requires_grad", False)]
        if not roots:
            return
        seeds = []
        for root in roots:
            weights = np.arange(1, root.numel() + 1).reshape(tuple(root.shape)) * 0.25
            seeds.append(library.tensor(weights.tolist()).reshape(tuple(root.shape)).to(root.dtype))
        try:
            library.autograd.backward(roots, seeds)
        except RuntimeError as error:
            if "is not implemented" in str(error):  # an operation without a derivative
                return
            raise
        self.grads = [getattr(x, "grad", None) for x in inputs]


def differing(
    have: np.ndarray, want: np.ndarray, tolerance: float, signs: bool = False
) -> np.ndarray:
    """Where the numbers differ by more than rounding, or (`signs`) zeros by their sign."""
    with np.errstate(all="ignore"):
        off = ~np.isclose(have, want, rtol=tolerance, atol=tolerance * 0.1, equal_nan=True)
        if signs and have.dtype.kind == "f":
            off |= (have == 0) & (want == 0) & (np.signbit(have) != np.signbit(want))
    return off


def check(
    expression: Callable[..., Any],
    arrays: list[Any],
    dtypes: list[str],
    *,
    grad: bool = True,
    node: bool = True,
    tolerance: float = 1.0,
    signs: bool = False,
) -> str:
    """What differs between the two libraries; empty where nothing does.

    `arrays` has NumPy arrays, made tensors of `dtypes`, and anything else, given as it is.
    `signs`: the signs of zeros in the result count too.
    """
    outcomes = []
    for library in (torch, flambeau):
        inputs = [
            tensor(library, a, d, grad) if isinstance(a, np.ndarray) else a
            for a, d in zip(arrays, dtypes, strict=True)
        ]
        outcomes.append(Outcome(library, expression, inputs))
    want, have = outcomes
    if want.error is not None or have.error is not None:
        return _errors(want.error, have.error)
    for w, h in zip(want.results, have.results, strict=True):
        if not isinstance(w, torch.Tensor):
            if w != h:
                return f"result {h!r}, PyTorch {w!r}"
            continue
        problem = _tensors(w, h, tolerance, signs)
        if problem:
            return f"result: {problem}"
    for w, h in zip(want.grads, have.grads if want.grads else [], strict=True):
        if (w is None) != (h is None):
            return f"gradient {h}, PyTorch {w}"
        problem = _tensors(w, h, tolerance * 4) if w is not None else ""
        if problem:
            return f"gradient: {problem}"
    if node and grad:
        for w, h in zip(want.names, have.names, strict=True):
            if w != h:
                return f"grad_fn {h}, PyTorch {w}"
    return ""


def _tensors(w: Any, h: Any, tolerance: float, signs: bool = False) -> str:
    if str(w.dtype) != str(h.dtype):
        return f"dtype {h.dtype}, PyTorch {w.dtype}"
    if tuple(w.shape) != tuple(h.shape):
        return f"shape {tuple(h.shape)}, PyTorch {tuple(w.shape)}"
    a, b = plain(h), plain(w)
    kind = str(w.dtype).removeprefix("torch.")
    off = differing(a, b, TOLERANCE[kind] * tolerance, signs) if kind in TOLERANCE else a != b
    if not off.any():
        return ""
    return f"{kind} at {np.argwhere(off)[0].tolist()}: {a[off].tolist()}, PyTorch {b[off].tolist()}"


def _errors(want: Exception | None, have: Exception | None) -> str:
    if want is None or have is None:
        return f"{have!r}, PyTorch {want!r}"
    if type(have) is not type(want):
        return f"{type(have).__name__}({have}), PyTorch {type(want).__name__}({want})"
    return ""
