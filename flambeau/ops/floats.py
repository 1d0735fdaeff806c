"""Floating-point numbers taken apart: mantissa and exponent, neighbours, hashes of their bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval, aval
from .formulas import one, zeros
from .rules import common_dtype, common_shape, reduced_shape
from .table import Spec, call, row


def _frexp_rule(x: Aval) -> Spec:
    if not x.dtype.is_floating_point:
        raise RuntimeError(f"torch.frexp() only supports floating-point dtypes, got {x.dtype}")
    return Spec((x, x.with_dtype(dtypes.int32)))


def _frexp(x: np.ndarray) -> tuple[Any, Any]:
    mantissa, exponent = np.frexp(x)
    return mantissa, exponent.astype(np.int32)


row(
    "frexp(Tensor input) -> (mantissa, exponent)", rule=_frexp_rule, numpy=_frexp, forms="fmo",
    out="exact",
    grads={"input": lambda grad, exponent: grad / call.exp2(exponent.to(grad.dtype))},
    samples=one(), doc="input = mantissa * 2 ** exponent with 0.5 <= |mantissa| < 1.",
)  # fmt: skip


def _nextafter_rule(x: Aval, other: Aval) -> Spec:
    dt = common_dtype((x, other))
    if not dt.is_floating_point:
        raise NotImplementedError(f"not implemented for '{dt.legacy}': there is no next one")
    cast = dt if x.dtype is not dt or other.dtype is not dt else None
    return Spec(aval(common_shape((x, other)), dt, x.device), cast)


def _nextafter(x: np.ndarray, y: np.ndarray) -> Any:
    """bfloat16 arrives as bits: those of numbers of one sign are in their order."""
    if x.dtype != np.uint16:
        return np.nextafter(x, y)
    a, b = (dtypes.widen(v, dtypes.bfloat16) for v in np.broadcast_arrays(x, y))
    bits = np.broadcast_to(x, a.shape).astype(np.int32)
    up = (b > a) == (a > 0)
    stepped = np.where(a == 0, np.where(b > 0, 1, 0x8001), bits + np.where(up, 1, -1))
    found = np.where(a == b, np.broadcast_to(y, a.shape), stepped)
    return np.where(np.isnan(a) | np.isnan(b), 0x7FC0, found).astype(np.uint16)


row(
    "nextafter(Tensor input, Tensor other) -> Tensor", rule=_nextafter_rule, numpy=_nextafter,
    forms="fmio", moves=True,
    grads={"input": lambda grad, input, other: grad.masked_fill(input == other, 0), "other": zeros},
    samples=lambda m: [((m(2, 3), m(3)), {}), ((m(), m(2)), {}), ((m(0), m(0)), {})],
    doc="The neighbour of input on the way to other.",
)  # fmt: skip


# --- hashes -----------------------------------------------------------------------------------------


def _hash_rule(x: Aval, dim: Any, keepdim: bool, mode: int) -> Spec:
    if mode != 0:
        raise RuntimeError(f"Unknown hash_tensor mode: {mode}; 0 is the exclusive or")
    if x.dtype.is_complex:
        raise NotImplementedError(f"\"hash_tensor\" not implemented for '{x.dtype.legacy}'")
    if x.numel == 0 and not dim:
        raise RuntimeError(
            "Expected reduction dim to be specified for input.numel() == 0. Specify the reduction "
            "dim with the 'dim' argument."
        )
    shape, _ = reduced_shape(tuple(x.shape), tuple(dim) or None, keepdim)
    return Spec(aval(shape, dtypes.uint64, x.device))


def _hash(x: np.ndarray, dim: Any, keepdim: bool, mode: int) -> Any:
    if x.dtype.kind == "f":
        bits = x.astype(np.float64).view(np.uint64)
    else:
        bits = x.astype(np.int64 if x.dtype.kind == "i" else np.uint64).view(np.uint64)
    axes: Any = tuple(dim) if dim else tuple(range(x.ndim))
    whole: Any = np.bitwise_xor.reduce
    return whole(bits, axis=axes, keepdims=keepdim) if x.ndim else bits


row(
    "hash_tensor(Tensor input, int[] dim=(), *, bool keepdim=False, int mode=0) -> Tensor",
    rule=_hash_rule, numpy=_hash, forms="fmo", out="exact",
    samples=lambda m: [((m(2, 3),), {}), ((m.int(2, 3), 1), {})],
    doc="The exclusive or of all elements' bits, as float64 or 64-bit integers.",
)  # fmt: skip
