"""Linear maps and lookups: `linear`, `bilinear`, `embedding`, `one_hot`."""

from __future__ import annotations

import warnings

import flambeau as torch

__all__ = ["bilinear", "embedding", "embedding_bag", "linear", "one_hot"]

Tensor = torch.Tensor
_nn = torch._nn


def linear(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, *, out: Tensor | None = None
) -> Tensor:
    """x @ weight.T + bias: (..., in) with weight (out, in) or (in) gives (..., out) or (...)."""
    return _nn.linear(input, weight, bias) if out is None else _nn.linear(input, weight, bias, out=out)


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x1.T @ weight[k] @ x2 + bias[k]: (..., a), (..., b), (out, a, b) give (..., out)."""
    return torch.bilinear(input1, input2, weight, bias)


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of `weight` (n, d) that the integers `input` (...) name: (..., d).

    The row `padding_idx` gets no gradient. Rows longer than `max_norm` are first scaled down to
    it, in `weight` itself.
    """
    if not (isinstance(weight, Tensor) or hasattr(type(weight), "__torch_function__")):
        raise TypeError(
            "embedding(): argument 'weight' (position 2) must be Tensor, not "
            f"{type(weight).__name__}"
        )
    if padding_idx is not None:
        padding_idx = _padding_row(padding_idx, weight.size(0))
    else:
        padding_idx = -1
    if max_norm is not None:
        _renorm_rows(weight, input, max_norm, norm_type)
    return torch.embedding(weight, input, padding_idx, scale_grad_by_freq, sparse)


def _padding_row(padding_idx: int, rows: int) -> int:
    if not -rows <= padding_idx < rows:
        raise AssertionError(
            f"Padding_idx must be within num_embeddings, got {padding_idx} for {rows} rows"
        )
    return padding_idx % rows


def _renorm_rows(weight: Tensor, input: Tensor, max_norm: float, norm_type: float) -> None:
    with torch.no_grad():
        rows = input.reshape(-1).unique()
        chosen = weight[rows]
        norms = chosen.norm(norm_type, dim=1, keepdim=True)
        # The small number is PyTorch's: a row that was scaled is not scaled again.
        scaled = chosen * (max_norm / (norms + 1e-7))
        weight[rows] = torch.where(norms > max_norm, scaled, chosen)


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or maximum of each bag's rows of `weight` (n, d): (bags, d).

    `input` is (bags, length), or flat with `offsets` where each bag begins. Rows `padding_idx`
    don't count; an empty bag gives zeros.
    """
    if weight.dtype == torch.int64 and input.is_floating_point():
        warnings.warn(
            "Argument order of nn.functional.embedding_bag was changed. Usage "
            "`embedding_bag(weight, input, ...)` is deprecated.",
            stacklevel=2,
        )
        weight, input = input, weight
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"mode has to be one of sum, mean or max, got {mode}")
    if per_sample_weights is not None:
        _check_sample_weights(per_sample_weights, input, mode)
    input, bag_of, bags = _bags(input, offsets, include_last_offset)
    if max_norm is not None:
        _renorm_rows(weight, input, max_norm, norm_type)
    rows = torch.embedding(weight, input, -1, scale_grad_by_freq, sparse)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape(-1, 1)
    if padding_idx is not None:
        kept = input != _padding_row(padding_idx, weight.size(0))
        rows, bag_of = rows[kept], bag_of[kept]
    if mode == "max":
        return _bag_max(rows, bag_of, bags)
    total = torch.zeros(bags, weight.size(1), dtype=weight.dtype, device=weight.device).index_add(0, bag_of, rows)
    if mode == "sum":
        return total
    counts = torch.zeros(bags, dtype=weight.dtype, device=weight.device)
    counts = counts.index_add(0, bag_of, torch.ones(rows.size(0), dtype=weight.dtype, device=weight.device))
    return total / counts.clamp(min=1).unsqueeze(1)


def _check_sample_weights(weights: Tensor, input: Tensor, mode: str) -> None:
    if mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported "
            f"for mode='sum' (got mode='{mode}')."
        )
    if weights.size() != input.size():
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({weights.shape}) is not None, then it must "
            f"have the same shape as the input ({input.shape})"
        )


def _bags(
    input: Tensor, offsets: Tensor | None, include_last_offset: bool
) -> tuple[Tensor, Tensor, int]:
    """The indices in one row, the bag of each, and the number of bags."""
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch "
                "of fixed length sequences."
            )
        bags, length = input.shape
        return input.reshape(-1), torch.arange(bags, device=input.device).repeat_interleave(length), bags
    if input.dim() != 1:
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.dim()}"
        )
    if offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    if offsets.dim() != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    starts = offsets.tolist()
    if include_last_offset:
        ends = starts[1:]
        starts = starts[:-1]
    else:
        ends = [*starts[1:], input.size(0)]
    lengths = torch.tensor([end - start for start, end in zip(starts, ends, strict=True)], device=input.device)
    bag_of = torch.arange(len(starts), device=input.device).repeat_interleave(lengths)
    return input[: bag_of.size(0)], bag_of, len(starts)


def _bag_max(rows: Tensor, bag_of: Tensor, bags: int) -> Tensor:
    found = []
    for bag in range(bags):
        chosen = rows[bag_of == bag]
        empty = chosen.size(0) == 0
        found.append(torch.zeros_like(rows[:1]).sum(0) if empty else chosen.max(0)[0])
    return torch.stack(found)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Integers (...) as rows of zeros with one 1: (..., num_classes), by default as many as needed.

    Raises `RuntimeError` for negative integers and for ones beyond `num_classes`.
    """
    return _nn.one_hot(tensor, num_classes)
