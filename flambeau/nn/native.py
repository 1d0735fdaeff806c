"""Functions of the `torch` namespace that `torch.nn.functional` has too, with the arguments that
PyTorch's C++ gives them: reductions and modes are numbers."""

from __future__ import annotations

from typing import Any

import flambeau as torch
from flambeau.errors import shown

from . import functional as F

Tensor = torch.Tensor

_REDUCTIONS = ("none", "mean", "sum")


def _reduction(name: str, number: Any) -> str:
    """The reduction that a number stands for. ValueError for others."""
    if isinstance(number, bool) or number not in (0, 1, 2):
        raise ValueError(
            f"{name}(): {shown(number)} is not a valid value for reduction: 0 is none, 1 mean, 2 "
            "sum"
        )
    return _REDUCTIONS[number]


# --- losses -----------------------------------------------------------------------------------


def ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: int = 0,
    reduction: int = 1, zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """See F.ctc_loss."""
    how = _reduction("ctc_loss", reduction)
    return F.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, how, zero_infinity)


def kl_div(input: Tensor, target: Tensor, reduction: int = 1, *, log_target: bool = False) -> Tensor:
    """See F.kl_div."""
    return torch._nn.kl_div(input, target, _reduction("kl_div", reduction), log_target)  # type: ignore[no-any-return]


def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, pos_weight: Tensor | None = None,
    reduction: int = 1,
) -> Tensor:  # fmt: skip
    """See F.binary_cross_entropy_with_logits."""
    how = _reduction("binary_cross_entropy_with_logits", reduction)
    return F.binary_cross_entropy_with_logits(
        input, target, weight, pos_weight=pos_weight, reduction=how
    )


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 1
) -> Tensor:
    """See F.cosine_embedding_loss."""
    how = _reduction("cosine_embedding_loss", reduction)
    return F.cosine_embedding_loss(input1, input2, target, margin, reduction=how)


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, reduction: int = 1
) -> Tensor:
    """See F.hinge_embedding_loss."""
    how = _reduction("hinge_embedding_loss", reduction)
    return F.hinge_embedding_loss(input, target, margin, reduction=how)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 1
) -> Tensor:
    """See F.margin_ranking_loss."""
    how = _reduction("margin_ranking_loss", reduction)
    return F.margin_ranking_loss(input1, input2, target, margin, reduction=how)


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float, reduction: int
) -> Tensor:
    """See F.poisson_nll_loss."""
    how = _reduction("poisson_nll_loss", reduction)
    return F.poisson_nll_loss(input, target, log_input, full, eps=eps, reduction=how)


def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2.0,
    eps: float = 1e-6, swap: bool = False, reduction: int = 1,
) -> Tensor:  # fmt: skip
    """See F.triplet_margin_loss."""
    how = _reduction("triplet_margin_loss", reduction)
    return F.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, reduction=how)


# --- embeddings -------------------------------------------------------------------------------


def embedding_renorm_(
    input: Tensor, indices: Tensor, max_norm: float, norm_type: float
) -> Tensor:
    """Scale the rows of `input` that `indices` name, and that are longer, down to `max_norm`, in
    place."""
    if indices.dtype not in (torch.int32, torch.int64):
        raise RuntimeError(
            f"embedding_renorm_(): expected indices of dtype int32 or int64, got {indices.dtype}"
        )
    with torch.no_grad():
        rows = indices.reshape(-1).unique()
        chosen = input[rows]
        norms = chosen.norm(norm_type, dim=1, keepdim=True)
        input[rows] = torch.where(norms > max_norm, chosen * (max_norm / (norms + 1e-7)), chosen)
    return input


def embedding_bag(
    weight: Tensor, indices: Tensor, offsets: Tensor, scale_grad_by_freq: bool = False,
    mode: int = 0, sparse: bool = False, per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False, padding_idx: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """F.embedding_bag() with `mode` 0 (sum), 1 (mean) or 2 (max); also each index's bag, each bag's
    size, and for the maximum the rows that it came from, as PyTorch's own backward pass needs
    them."""
    if mode not in (0, 1, 2):
        raise ValueError(f"embedding_bag(): mode has to be 0 (sum), 1 (mean) or 2 (max), got {mode}")
    name = ("sum", "mean", "max")[mode]
    out = F.embedding_bag(
        indices, weight, offsets, scale_grad_by_freq=scale_grad_by_freq, mode=name, sparse=sparse,
        per_sample_weights=per_sample_weights, include_last_offset=include_last_offset,
        padding_idx=padding_idx,
    )  # fmt: skip
    starts = offsets[:-1] if include_last_offset else offsets
    places = torch.arange(indices.numel(), dtype=offsets.dtype, device=offsets.device)
    bag_of = torch.searchsorted(starts.contiguous(), places, right=True) - 1
    kept = torch.ones_like(bag_of) if padding_idx is None else (indices != padding_idx).to(bag_of.dtype)
    sizes = bag_of.new_zeros(starts.numel()).index_add(0, bag_of, kept)
    to_index = indices.dtype
    return out, bag_of.to(to_index), sizes.to(to_index), _largest(weight, indices, bag_of, sizes, mode)


def _largest(weight: Tensor, indices: Tensor, bag_of: Tensor, sizes: Tensor, mode: int) -> Tensor:
    """The row that each bag's maximum is from, by column; for other modes the sizes."""
    if mode != 2:
        return sizes.to(indices.dtype)
    found = indices.new_zeros(sizes.numel(), weight.size(1))
    with torch.no_grad():
        for bag in range(sizes.numel()):
            rows = indices[bag_of == bag]
            if rows.numel():
                found[bag] = rows[weight[rows].argmax(0)]
    return found


# --- grids ------------------------------------------------------------------------------------

_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """F.grid_sample() with the numbers of its modes."""
    if interpolation_mode not in (0, 1, 2):
        raise ValueError(f"grid_sampler(): interpolation_mode is 0 to 2, got {interpolation_mode}")
    if padding_mode not in (0, 1, 2):
        raise ValueError(f"grid_sampler(): padding_mode is 0 to 2, got {padding_mode}")
    return F.grid_sample(
        input, grid, _MODES[interpolation_mode], _PADDINGS[padding_mode], align_corners
    )


def grid_sampler_2d(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """grid_sampler() of (N, C, H, W)."""
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


def grid_sampler_3d(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """grid_sampler() of (N, C, D, H, W)."""
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


def affine_grid_generator(theta: Tensor, size: Any, align_corners: bool) -> Tensor:
    """See F.affine_grid."""
    return F.affine_grid(theta, list(size), align_corners)


# --- pooling and convolution ------------------------------------------------------------------


def adaptive_max_pool1d(input: Tensor, output_size: Any) -> Any:
    """See F.adaptive_max_pool1d; also where each maximum was."""
    return F.adaptive_max_pool1d_with_indices(input, output_size)


def max_pool1d_with_indices(
    input: Tensor, kernel_size: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False,
) -> Any:  # fmt: skip
    """See F.max_pool1d; also where each maximum was."""
    stride = stride if isinstance(stride, int) or len(stride) else kernel_size
    return F.max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)


def convolution(
    input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any,
    transposed: bool, output_padding: Any, groups: int,
) -> Tensor:  # fmt: skip
    """The convolution of any number of dimensions, or its transpose; see F.conv2d."""
    n = weight.dim() - 2
    if n not in (1, 2, 3):
        raise RuntimeError(
            f"convolution(): expected a weight of 3 to 5 dimensions, got shape {list(weight.shape)}"
        )
    lists = [tuple(v) if len(v) == n else tuple(v) * n for v in (stride, padding, dilation)]
    function: Any
    if transposed:
        function = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[n - 1]
        more = tuple(output_padding) if len(output_padding) == n else tuple(output_padding) * n
        return function(input, weight, bias, lists[0], lists[1], more, groups, lists[2])  # type: ignore[no-any-return]
    function = (F.conv1d, F.conv2d, F.conv3d)[n - 1]
    return function(input, weight, bias, *lists, groups)  # type: ignore[no-any-return]


def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """The one-dimensional convolution of (time, batch, channels) with (width, in, out): (time,
    batch, out)."""
    for name, x, n in (("input", input, 3), ("weight", weight, 3), ("bias", bias, 1)):
        if x.dim() != n:
            raise RuntimeError(
                f"conv_tbc(): {name} must have {n} dimension{'s' * (n > 1)}, got {x.dim()}"
            )
    if input.size(2) != weight.size(1):
        raise RuntimeError(
            f"conv_tbc(): input has {input.size(2)} channels, weight takes {weight.size(1)}"
        )
    if bias.size(0) != weight.size(2):
        raise RuntimeError(
            f"conv_tbc(): bias has {bias.size(0)} elements, weight gives {weight.size(2)} channels"
        )
    out = F.conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad)
    return out.permute(2, 0, 1)


# --- normalisation and the like ---------------------------------------------------------------


def native_channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """See torch.channel_shuffle."""
    return torch.channel_shuffle(input, groups)  # type: ignore[no-any-return]


def native_dropout(input: Tensor, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
    """Dropout, and the mask of what was kept."""
    if train is False or not input.numel():
        return input.clone(), torch.ones_like(input, dtype=torch.bool)
    if not 0 <= p <= 1:
        raise RuntimeError(f"native_dropout(): p has to be between 0 and 1, but got {p}")
    kept = torch.bernoulli(torch.full_like(input, 1 - p))
    return input * (kept / (1 - p) if p < 1 else kept), kept.bool()


def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:  # noqa: A002
    """The norms over all dimensions but one, which keep their places; -1 leaves out none."""
    if dim == -1:
        return v.norm(pow)
    axes = tuple(d for d in range(v.dim()) if d != dim % v.dim())
    return torch.linalg.vector_norm(v, pow, axes, keepdim=True) if axes else v.abs()  # type: ignore[no-any-return]
