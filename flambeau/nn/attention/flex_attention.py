"""Attention whose scores and mask are functions of the position.

`score_mod(score, batch, head, q_idx, kv_idx)` and `mask_mod(batch, head, q_idx, kv_idx)` are
written for one score. They are called once, with index tensors that broadcast against each other,
(B, 1, 1, 1), (1, H, 1, 1), (1, 1, L, 1) and (1, 1, 1, S): arithmetic, comparisons, and lookups in
tensors mean the same then.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import flambeau as torch

from ._block_mask import BlockMask

__all__ = [
    "AuxOutput",
    "AuxRequest",
    "BlockMask",
    "and_masks",
    "create_block_mask",
    "create_mask",
    "flex_attention",
    "noop_mask",
    "or_masks",
]

Tensor = torch.Tensor
Mod = Callable[..., Tensor]


class AuxRequest(NamedTuple):
    """What `flex_attention` is to give beside its result."""

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """What `flex_attention` gave beside its result: log-sum-exp and maximum of the scores, each
    (B, H, L)."""

    lse: Tensor | None = None
    max_scores: Tensor | None = None


def noop_mask(batch: Tensor, head: Tensor, token_q: Tensor, token_kv: Tensor) -> Tensor:
    """The mask that hides nothing."""
    return batch.new_ones(size=(), dtype=torch.bool, device=batch.device)


def _noop_mask(*positions: Tensor) -> Tensor:
    return noop_mask(*positions)


def or_masks(*mask_mods: Mod) -> Mod:
    """The function that is True where one of several is."""
    _check_callable(mask_mods)

    def either(b: Tensor, h: Tensor, q_idx: Tensor, kv_idx: Tensor) -> Tensor:
        result = b.new_zeros((), dtype=torch.bool)
        for mask in mask_mods:
            result = result | mask(b, h, q_idx, kv_idx)
        return result

    return either


def and_masks(*mask_mods: Mod) -> Mod:
    """The function that is True where all of several are."""
    _check_callable(mask_mods)

    def both(b: Tensor, h: Tensor, q_idx: Tensor, kv_idx: Tensor) -> Tensor:
        result = b.new_ones((), dtype=torch.bool)
        for mask in mask_mods:
            result = result & mask(b, h, q_idx, kv_idx)
        return result

    return both


def _check_callable(mask_mods: tuple[Any, ...]) -> None:
    if not all(callable(each) for each in mask_mods):
        raise RuntimeError(f"All inputs should be callable mask_mods: {mask_mods}")


# --- from functions to tensors -------------------------------------------------------------------


def _positions(batch: int, heads: int, length: int, keys: int, device: Any) -> list[Tensor]:
    """Index tensors for the four dimensions, which broadcast against each other."""
    sizes = (batch, heads, length, keys)
    shapes = [tuple(n if d == e else 1 for e in range(4)) for d, n in enumerate(sizes)]
    return [
        torch.arange(n, device=device).reshape(shape)
        for n, shape in zip(sizes, shapes, strict=True)
    ]


def _expanded(found: Any, shape: tuple[int, ...], what: str) -> Tensor:
    try:
        return found.expand(shape)
    except (AttributeError, RuntimeError):
        given = list(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
        raise ValueError(
            f"{what} has to give one number for each score, which for index tensors that broadcast "
            f"to {list(shape)} is a tensor of that shape, but it gave {given}: look values up with "
            "all indices at once, table[b, q_idx] rather than table[b][q_idx]"
        ) from None


def _masked(mask_mod: Mod, shape: tuple[int, ...], device: Any = None) -> Tensor:
    found = mask_mod(*_positions(*shape, device))  # type: ignore[call-arg,arg-type]
    return _expanded(found, shape, "mask_mod")


def create_mask(
    mod_fn: Mod, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: Any = None  # noqa: N803
) -> Tensor:
    """The mask (B, H, Q_LEN, KV_LEN) of a mask_mod, or of a score_mod: where that does not make
    minus infinity of 0."""
    shape = (B or 1, H or 1, Q_LEN, KV_LEN)
    if _takes_score(mod_fn):
        scores = torch.zeros(shape, device=device)
        found = mod_fn(scores, *_positions(*shape, device))
        return _expanded(found, shape, "score_mod") != float("-inf")
    return _masked(mod_fn, shape, device).contiguous()


def _takes_score(mod_fn: Any) -> bool:
    """Whether a function is a score_mod: it then has five parameters, not four."""
    import inspect

    count = sum(
        p.default is inspect.Parameter.empty
        for p in inspect.signature(mod_fn).parameters.values()
        if p.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    )
    if count not in (4, 5):
        raise AssertionError(
            f"a mask_mod has 4 positional parameters and a score_mod 5, but {mod_fn} has {count}"
        )
    return count == 5


def create_block_mask(
    mask_mod: Mod,
    B: int | None,  # noqa: N803
    H: int | None,  # noqa: N803
    Q_LEN: int,  # noqa: N803
    KV_LEN: int,  # noqa: N803
    device: Any = None,
    BLOCK_SIZE: int | tuple[int, int] = 128,  # noqa: N803
    _compile: bool = False,
    separate_full_blocks: bool = True,
    compute_dq_write_order: bool = False,
    dq_kv_order: bool = True,
) -> BlockMask:
    """The blocks in which a mask_mod lets anything through, for `flex_attention`.

    None for B or H: the mask is the same for all.
    """
    if _takes_score(mask_mod):
        raise AssertionError(
            f"create-block_mask requires a mask_mod function of 4 arguments! Got {mask_mod}"
        )
    shape = (B or 1, H or 1, Q_LEN, KV_LEN)
    mask = _masked(mask_mod, shape, device)
    return BlockMask._of(mask, mask_mod, BLOCK_SIZE, separate_full_blocks)


# --- the attention -------------------------------------------------------------------------------


def flex_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score_mod: Mod | None = None,
    block_mask: BlockMask | None = None,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_lse: bool = False,
    kernel_options: Any = None,
    *,
    return_aux: AuxRequest | None = None,
) -> Any:
    """softmax(score_mod(query @ key.T * scale)) @ value, where `block_mask` lets through.

    query (B, Hq, L, E), key (B, Hk, S, E) and value (B, Hk, S, V) give (B, Hq, L, V); a row that
    sees nothing gives zeros. `enable_gqa` lets Hq be a multiple of Hk. With `return_aux`, or the
    older `return_lse`, a second result.

    Raises `ValueError` for shapes that don't fit.
    """
    _check(query, key, value, enable_gqa)
    batch, heads, length, width = query.shape
    keys = key.size(-2)
    if enable_gqa and key.size(1) != heads:
        repeats = heads // key.size(1)
        key, value = key.repeat_interleave(repeats, 1), value.repeat_interleave(repeats, 1)
    scale = 1.0 / math.sqrt(width) if scale is None else scale
    scores = query @ key.transpose(-2, -1) * scale
    shape = (max(batch, key.size(0)), heads, length, keys)
    scores = scores.expand(shape)
    at = _positions(*shape, query.device)
    if score_mod is not None:
        scores = _expanded(score_mod(scores, *at), shape, "score_mod").to(query.dtype)
    if block_mask is not None:
        mask = block_mask._visible(length, keys, at)
        scores = scores.masked_fill(~mask, float("-inf"))
    largest = scores.max(-1).values
    finite = torch.where(largest == float("-inf"), 0.0, largest)
    weights = (scores - finite.detach().unsqueeze(-1)).exp()
    total = weights.sum(-1, keepdim=True)
    output = (weights / torch.where(total == 0, 1.0, total)) @ value
    if not return_lse and return_aux is None:
        return output
    lse = total.squeeze(-1).log() + finite
    if return_aux is None:
        return output, lse
    return output, AuxOutput(
        lse if return_aux.lse else None, largest if return_aux.max_scores else None
    )


def _check(query: Tensor, key: Tensor, value: Tensor, enable_gqa: bool) -> None:
    name = "flex_attention"
    if any(t.dim() != 4 for t in (query, key, value)):
        raise NotImplementedError(
            f"{name}: NYI: query, key, and value must be 4D tensors, but got "
            f"{[list(t.shape) for t in (query, key, value)]}"
        )
    if query.dtype != key.dtype or query.dtype != value.dtype:
        raise ValueError(
            f"{name}: Expected query, key, and value to have the same dtype, but got "
            f"{query.dtype}, {key.dtype} and {value.dtype}"
        )
    if query.size(-1) != key.size(-1):
        raise ValueError(
            f"{name}: Expect query and key/value to have the same embedding dimension but got "
            f"E={query.size(-1)} and E={key.size(-1)}."
        )
    if not enable_gqa and query.size(1) != key.size(1):
        raise ValueError(
            f"{name}: Expect query and key/value to have the same number of heads but got "
            f"Hq={query.size(1)} and Hkv={key.size(1)}. Try setting enable_gqa=True for GQA."
        )
    if enable_gqa and query.size(1) % key.size(1):
        raise ValueError(
            f"{name}: Expect number of query heads to be a multiple of kv heads for GQA but got "
            f"Hq={query.size(1)} and Hkv={key.size(1)}."
        )
