"""Scaled dot-product attention."""

from __future__ import annotations

import math
from typing import Any

from ..core import dtypes
from .table import call, row


def _check(query: Any, key: Any, value: Any) -> None:
    for name, t in (("query", query), ("key", key), ("value", value)):
        if t.ndim < 2:
            raise RuntimeError(
                "scaled_dot_product_attention: Expected query, key, and value to all be at least 2 "
                f"dimensional, but got {name} of shape {list(t.shape)}"
            )
        if t.dtype is not query.dtype:
            raise RuntimeError(
                "scaled_dot_product_attention: Expected query, key, and value to have the same "
                f"dtype, but got query.dtype: {query.dtype} and {name}.dtype: {t.dtype}"
            )


def _mask(query: Any, key: Any, attn_mask: Any, is_causal: bool) -> Any:
    if not is_causal:
        return attn_mask
    if attn_mask is not None:
        raise RuntimeError(
            "scaled_dot_product_attention: Explicit attn_mask should not be set when "
            "is_causal=True"
        )
    return call.ones((query.shape[-2], key.shape[-2]), dtype=dtypes.bool_).tril()


def _attention(
    query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: Any = None, enable_gqa: bool = False,
) -> Any:  # fmt: skip
    """softmax(Q K^T * scale + mask) V over (*, L, E), (*, S, E), (*, S, Ev) (Vaswani et al. 2017).
    A boolean mask is true where attention may go; a query that may go nowhere gets zeros.
    enable_gqa: several heads of the query (dimension -3) share one of key and value."""
    _check(query, key, value)
    kept = query.dtype
    order = _order(query, key, value, attn_mask, dropout_p)
    if kept.is_narrow:  # the scores would lose what decides between keys
        query, key, value = (t.to(dtypes.float32) for t in (query, key, value))
    mask = _mask(query, key, attn_mask, is_causal)
    if enable_gqa:
        key, value = (
            t.repeat_interleave(query.shape[-3] // t.shape[-3], -3) for t in (key, value)
        )
    size = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query * size) @ key.transpose(-2, -1)
    if mask is None:
        weights = call.softmax(scores, -1)
    elif mask.dtype is dtypes.bool_:
        weights = call.softmax(scores.masked_fill(~mask, -math.inf), -1)
        if not is_causal:
            weights = weights.masked_fill(~mask.any(-1, True), 0)
    else:
        scores = scores + mask
        nowhere = (scores == -math.inf).all(-1, True)
        weights = call.softmax(scores, -1).masked_fill(nowhere, 0)
    if dropout_p:
        weights = call.dropout(weights, dropout_p, True)
    out = weights @ value
    if order is not None:
        out = out.permute(order).contiguous().permute(*(order.index(i) for i in range(4)))
    return out.to(kept) if kept.is_narrow else out


def _order(query: Any, key: Any, value: Any, attn_mask: Any, dropout_p: float) -> Any:
    """The order of dimensions, as `permute` takes it, in which PyTorch's fused kernel for the CPU lays
    out its result: the query's, so that heads split off by `.view().transpose(1, 2)` can be joined
    by `.transpose(1, 2).view()`. None where that is row-major, and where that kernel doesn't run."""
    if query.ndim != 4 or dropout_p or query.shape[-1] != value.shape[-1]:
        return None
    if attn_mask is not None and (attn_mask.ndim not in (2, 4) or attn_mask.requires_grad):
        return None
    strides = query.stride()
    if 0 in strides or query.shape[0] != key.shape[0] or any(
        t.stride(-1) != 1 for t in (query, key, value)
    ):
        return None
    order = (*sorted(range(3), key=lambda i: -strides[i]), 3)
    return None if order == (0, 1, 2, 3) else order


row("scaled_dot_product_attention(Tensor query, Tensor key, Tensor value) -> Tensor",
    body=_attention, where="nn", forms="f",
    samples=lambda m: [((m(2, 3, 4), m(2, 3, 4), m(2, 3, 2)), {}), ((m(3, 2), m(3, 2), m(3, 2)), {"is_causal": True}),
                       ((m(2, 3), m(2, 3), m(2, 3), call.tensor([[True, False], [False, False]])), {}),
                       ((m(1, 4, 2, 2), m(1, 2, 2, 2), m(1, 2, 2, 2)), {"enable_gqa": True})],
    doc="See body.")  # fmt: skip
