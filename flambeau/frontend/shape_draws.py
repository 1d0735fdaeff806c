"""Draws that have derivatives by their shape parameters: gamma and Dirichlet numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..graph.trace import state
from ..ops.table import call
from ..runtime.shortage import naming
from .creation import wrap
from .generator import stream_of
from .tensor import Tensor

__all__ = ["_sample_dirichlet", "_standard_gamma"]


def _parameters(name: str, kernel: str, x: Any) -> np.ndarray:
    """The shape parameters as an array; TypeError or NotImplementedError for what they can't be."""
    if not isinstance(x, Tensor):
        raise TypeError(
            f"{name}(): argument 'input' (position 1) must be Tensor, not {type(x).__name__}"
        )
    if x.dtype not in (dtypes.float32, dtypes.float64):
        raise NotImplementedError(
            f"\"{kernel}\" not implemented for '{x.dtype.legacy}': {name}() takes float32 and float64"
        )
    return dtypes.widen(x._array(f"{name}()"), x.dtype)  # type: ignore[no-any-return]


@naming
def _standard_gamma(input: Tensor, generator: Any = None) -> Tensor:
    """Gamma numbers of rate 1 for the shape parameters in `input`, with implicit gradients."""
    alpha = _parameters("_standard_gamma", "gamma_cpu", input)
    where = input._aval.device
    array = stream_of(generator, where).standard_gamma(alpha, input.dtype.name)
    drawn = wrap(np.array(array, order="C"), input.dtype, device=where)
    if not (input.requires_grad and state.grad):
        return drawn
    return call.gamma_drawn(drawn, input)  # type: ignore[no-any-return]


@naming
def _sample_dirichlet(input: Tensor, generator: Any = None) -> Tensor:
    """Shares (..., K) that sum to 1 for the parameters in `input`, (..., K): gamma numbers, drawn in
    double, over their sum; with implicit gradients. They are kept inside of (0, 1)."""
    alpha = _parameters("_sample_dirichlet", "dirichlet", input).astype(np.float64)
    stream = stream_of(generator, input._aval.device)
    gammas = np.maximum(stream.standard_gamma(alpha, "float64"), np.finfo(float).tiny)
    kind = np.float32 if input.dtype is dtypes.float32 else np.float64
    with np.errstate(invalid="ignore"):  # of infinite parameters
        shares = (gammas / gammas.sum(-1, keepdims=True)).astype(kind)
    last = np.nextafter(np.float32(1), np.float32(0))  # the same for both dtypes, as in PyTorch
    shares = np.fmin(np.fmax(shares, np.finfo(kind).tiny), last).astype(kind)
    drawn = wrap(np.array(shares, order="C"), input.dtype, device=input._aval.device)
    if not (input.requires_grad and state.grad):
        return drawn
    return call.dirichlet_drawn(drawn, input, "_DirichletBackward")  # type: ignore[no-any-return]
