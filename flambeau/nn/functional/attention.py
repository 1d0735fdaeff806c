"""Attention: the scaled dot product, and the multi-head form in one function."""

from __future__ import annotations

import math
import warnings
from typing import Any

import flambeau as torch
from flambeau.errors import users_line

from .dropouts import dropout
from .linears import linear

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]

Tensor = torch.Tensor


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query @ key.T * scale + mask) @ value (Vaswani et al., 2017).

    (..., L, E), (..., S, E), (..., S, V) give (..., L, V). A boolean mask (..., L, S) is True
    where attention may go, a float mask is added. `is_causal` lets position i see up to i.
    """
    return torch._nn.scaled_dot_product_attention(
        query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa
    )


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """`nn.MultiheadAttention` as a function: (L, N, E), (S, N, E), (S, N, E) or without N.

    Returns the output and, with `need_weights`, the attention (N, L, S), averaged over the heads
    by default.
    """
    batched = query.dim() == 3
    _check_dimensions(query, key, value, embed_dim_to_check, num_heads)
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint: pass "
            "Transformer.generate_square_subsequent_mask(L)"
        )
    if not batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    length, batch, width = query.shape
    weights = (q_proj_weight, k_proj_weight, v_proj_weight)
    if use_separate_proj_weight:
        q, k, v = _projected_apart(query, key, value, weights, in_proj_bias)
    else:
        q, k, v = _projected(query, key, value, in_proj_weight, in_proj_bias)
    mask = _mask_of(attn_mask, key_padding_mask, q.dtype, batch, num_heads)
    if bias_k is not None and bias_v is not None:
        k = torch.cat([k, bias_k.repeat(1, batch, 1)])
        v = torch.cat([v, bias_v.repeat(1, batch, 1)])
        mask = _wider(mask)
    q, k, v = (_heads(each, num_heads) for each in (q, k, v))
    k = k if static_k is None else _static(static_k, batch, num_heads)
    v = v if static_v is None else _static(static_v, batch, num_heads)
    if add_zero_attn:
        zero = torch.zeros(batch, num_heads, 1, width // num_heads, dtype=k.dtype, device=k.device)
        k, v = torch.cat([k, zero], 2), torch.cat([v, zero], 2)
        mask = _wider(mask)
    scores = (q * (1.0 / math.sqrt(width // num_heads))) @ k.transpose(-2, -1)
    if mask is not None:
        scores = scores + mask
    attention = torch.softmax(scores, -1)
    if dropout_p > 0.0 and training:
        attention = dropout(attention, dropout_p)
    joined = (attention @ v).permute(2, 0, 1, 3).reshape(length, batch, width)
    output = linear(joined, out_proj_weight, out_proj_bias)
    if not batched:
        output = output.squeeze(1)
    if not need_weights:
        return output, None
    shown = attention.mean(1) if average_attn_weights else attention
    return output, shown if batched else shown.squeeze(0)


def _check_dimensions(query: Tensor, key: Tensor, value: Tensor, width: int, heads: int) -> None:
    dim = query.dim()
    if dim not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {dim}-D query tensor"
        )
    if key.dim() != dim or value.dim() != dim:
        raise AssertionError(
            f"For {dim}-D query, expected key and value to be {dim}-D but found {key.dim()}-D and "
            f"{value.dim()}-D tensors respectively"
        )
    if query.size(-1) != width:
        raise AssertionError(
            f"was expecting embedding dimension of {width}, but got {query.size(-1)}"
        )
    if width % heads:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {heads}")
    if tuple(key.shape[:-1]) != tuple(value.shape[:-1]):
        raise AssertionError(
            f"key's sequence and batch dims {tuple(key.shape[:-1])} do not match value's "
            f"{tuple(value.shape[:-1])}"
        )


def _projected(query: Tensor, key: Tensor, value: Tensor, weight: Any, bias: Any) -> Any:
    if weight is None:
        raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
    if query is key and key is value:
        return linear(query, weight, bias).chunk(3, -1)
    biases = (None,) * 3 if bias is None else bias.chunk(3)
    inputs = (query, key, value)
    return [linear(x, w, b) for x, w, b in zip(inputs, weight.chunk(3), biases, strict=True)]


def _projected_apart(query: Tensor, key: Tensor, value: Tensor, weights: Any, bias: Any) -> Any:
    biases = (None,) * 3 if bias is None else bias.chunk(3)
    for name, weight in zip("qkv", weights, strict=True):
        if weight is None:
            raise AssertionError(f"use_separate_proj_weight is True but {name}_proj_weight is None")
    inputs = (query, key, value)
    return [linear(x, w, b) for x, w, b in zip(inputs, weights, biases, strict=True)]


def _heads(x: Tensor, heads: int) -> Tensor:
    """(L, N, E) to (N, heads, L, E / heads)."""
    length, batch, width = x.shape
    return x.reshape(length, batch, heads, width // heads).permute(1, 2, 0, 3)


def _static(x: Tensor, batch: int, heads: int) -> Tensor:
    return x.reshape(batch, heads, x.size(1), x.size(2))


def canonical_mask(
    mask: Tensor | None, mask_name: str, other_type: Any, other_name: str, target_type: Any,
    check_other: bool = True,
) -> Tensor | None:  # fmt: skip
    """A boolean mask as zeros and minus infinity; a float one as it is. Warns where another mask
    has another dtype."""
    if mask is None:
        return None
    boolean = mask.dtype == torch.bool
    if not boolean and not mask.is_floating_point():
        raise AssertionError(f"only bool and floating types of {mask_name} are supported")
    if check_other and other_type is not None and mask.dtype != other_type:
        warnings.warn(
            f"Support for mismatched {mask_name} and {other_name} is deprecated. Use same type for "
            f"both instead: they are {mask.dtype} and {other_type}.",
            stacklevel=users_line(),
        )
    if boolean:
        return torch.zeros(mask.shape, dtype=target_type, device=mask.device).masked_fill(
            mask, float("-inf")
        )
    return mask


def _mask_of(attn_mask: Any, padding: Any, dtype: Any, batch: int, heads: int) -> Tensor | None:
    """Both masks added, broadcast to (N, heads, L, S)."""
    mask = canonical_mask(attn_mask, "attn_mask", None, "", dtype)
    if mask is not None:
        if mask.dim() == 3:
            mask = mask.reshape(batch, heads, mask.size(1), mask.size(2))
        elif mask.dim() != 2:
            raise RuntimeError(f"attn_mask's dimension {mask.dim()} is not supported")
    other = None if attn_mask is None else attn_mask.dtype
    padding = canonical_mask(padding, "key_padding_mask", other, "attn_mask", dtype)
    if padding is not None:
        padding = padding.reshape(batch, 1, 1, padding.size(1))
        mask = padding if mask is None else mask + padding
    return mask


def _wider(mask: Tensor | None) -> Tensor | None:
    """The mask with one more key, that every query may look at."""
    return None if mask is None else torch._nn.pad(mask, (0, 1), "constant", 0)
