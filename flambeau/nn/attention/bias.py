"""Causal masks for queries and keys of different lengths."""

from __future__ import annotations

import warnings
from enum import IntEnum
from typing import Any

import flambeau as torch
from flambeau.errors import shown

__all__ = ["CausalBias", "CausalVariant", "causal_lower_right", "causal_upper_left"]

Tensor = torch.Tensor


class CausalVariant(IntEnum):
    """In which corner of the (L, S) matrix the diagonal of a causal mask ends."""

    UPPER_LEFT = 1
    LOWER_RIGHT = 2


class CausalBias(torch.Tensor):
    """A causal mask (seq_len_q, seq_len_kv), True where attention may go.

    For `scaled_dot_product_attention`'s `attn_mask`. With `UPPER_LEFT` query i sees keys up to i;
    with `LOWER_RIGHT` the last query sees them all, as in decoding with a cache.
    """

    variant: CausalVariant
    seq_len_q: int
    seq_len_kv: int

    def __new__(cls, variant: CausalVariant, seq_len_q: int, seq_len_kv: int) -> CausalBias:
        if not isinstance(variant, CausalVariant):
            raise AssertionError(
                f"CausalBias: variant must be a CausalVariant, got {shown(variant)}"
            )
        lower = variant == CausalVariant.LOWER_RIGHT
        if lower and seq_len_q > seq_len_kv:
            warnings.warn(
                "Lower right causal bias will produce NaNs in the output when seq_len_q > "
                "seq_len_kv!",
                stacklevel=3,
            )
        full = torch.ones(seq_len_q, seq_len_kv, dtype=torch.bool)
        mask = full.tril(seq_len_kv - seq_len_q if lower else 0)
        made: Any = torch.Tensor._make_subclass(cls, mask, False)
        made.variant, made.seq_len_q, made.seq_len_kv = variant, seq_len_q, seq_len_kv
        return made  # type: ignore[no-any-return]

    def __init__(self, variant: CausalVariant, seq_len_q: int, seq_len_kv: int) -> None:
        """Everything happens in `__new__`; this takes the same arguments."""

    def _materialize(self, device: Any = None) -> Tensor:
        plain = self.detach().as_subclass(torch.Tensor)
        return plain if device is None else plain.to(device)

    def __repr__(self) -> str:  # type: ignore[override]
        return repr(self._materialize())


def causal_upper_left(*size: int) -> CausalBias:
    """The mask (L, S) that lets query i see keys up to i."""
    return _made(CausalVariant.UPPER_LEFT, size)


def causal_lower_right(*size: int) -> CausalBias:
    """The mask (L, S) that lets query i see keys up to S - L + i."""
    return _made(CausalVariant.LOWER_RIGHT, size)


def _made(variant: CausalVariant, size: tuple[int, ...]) -> CausalBias:
    if len(size) != 2:
        raise AssertionError(
            f"causal_{variant.name.lower()}: only 2D tensors are supported, but got {list(size)}"
        )
    return CausalBias(variant, *size)
