"""What PyTorch's layers use among themselves, for layers that others wrote from their sources."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import flambeau as torch
from flambeau.errors import shown

from ..modules.utils import _pair, _single, _triple
from .linears import linear

__all__ = ["_in_projection", "_in_projection_packed", "_mha_shape_check", "_none_or_dtype",
           "_pair", "_single", "_triple", "_verify_batch_size"]  # fmt: skip

Tensor = torch.Tensor


def _none_or_dtype(input: Tensor | None) -> Any:
    """The dtype of a mask, if there is one."""
    if input is not None and not isinstance(input, Tensor):
        raise RuntimeError(
            f"input to _none_or_dtype() must be None or a Tensor, not {shown(input)}"
        )
    return None if input is None else input.dtype


def _in_projection_packed(
    q: Tensor, k: Tensor, v: Tensor, w: Tensor, b: Tensor | None = None
) -> list[Tensor]:
    """Query, key and value (..., E) through the three parts of one weight (3E, E) and bias."""
    if q is k is v:
        return list(linear(q, w, b).chunk(3, dim=-1))
    biases = (None,) * 3 if b is None else b.chunk(3)
    return [linear(x, part, bias) for x, part, bias in zip((q, k, v), w.chunk(3), biases)]


def _in_projection(
    q: Tensor, k: Tensor, v: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor,
    b_q: Tensor | None = None, b_k: Tensor | None = None, b_v: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Query, key and value, each through a weight (E, features) of its own."""
    return linear(q, w_q, b_q), linear(k, w_k, b_k), linear(v, w_v, b_v)


def _mha_shape_check(
    query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None,
    attn_mask: Tensor | None, num_heads: int,
) -> bool:  # fmt: skip
    """Whether the query (L, N, E) has a batch dimension; AssertionError for what does not fit."""
    if query.dim() not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {query.dim()}-D query"
        )
    batched = query.dim() == 3
    if key.dim() != query.dim() or value.dim() != query.dim():
        raise AssertionError(
            f"For {query.dim()}-D query, expected key and value to be {query.dim()}-D but found "
            f"{key.dim()}-D and {value.dim()}-D"
        )
    if key_padding_mask is not None and key_padding_mask.dim() != 1 + batched:
        raise AssertionError(
            f"For {query.dim()}-D query, expected key_padding_mask to be None or {1 + batched}-D "
            f"but found {key_padding_mask.dim()}-D"
        )
    if attn_mask is not None:
        if attn_mask.dim() not in (2, 3):
            raise AssertionError(f"expected attn_mask to be None, 2-D or 3-D but found {attn_mask.dim()}-D")
        if not batched and attn_mask.dim() == 3:
            want = (num_heads, query.shape[0], key.shape[0])
            if tuple(attn_mask.shape) != want:
                raise AssertionError(f"Expected attn_mask shape to be {want} but got {tuple(attn_mask.shape)}")
    return batched


def _verify_batch_size(size: Sequence[int]) -> None:
    """ValueError where a batch norm in training would see one value per channel."""
    if size[0] * math.prod(size[2:]) == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {list(size)}"
        )
