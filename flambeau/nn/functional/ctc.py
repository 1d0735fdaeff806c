"""The loss of unaligned sequences."""

from __future__ import annotations

from typing import Any

import flambeau as torch

from ._common import check_reduction

__all__ = ["ctc_loss"]

Tensor = torch.Tensor


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log P(targets | log_probs), summed over all alignments (Graves et al., 2006).

    `log_probs` is (T, N, C) or (T, C), `targets` (N, S) or all of them in a row. "mean" divides
    each sample by the length of its target first. A target that cannot fit gives inf, or 0 with
    `zero_infinity`.
    """
    check_reduction("ctc_loss", reduction)
    batched = log_probs.dim() == 3
    if not batched:
        log_probs = log_probs.unsqueeze(1)
    steps, count, classes = log_probs.shape
    if not 0 <= blank < classes:
        raise RuntimeError(f"ctc_loss: blank must be in label range [0, {classes}), got {blank}")
    input_length = _lengths(input_lengths, count, "input_lengths")
    target_length = _lengths(target_lengths, count, "target_lengths")
    if max(input_length, default=0) > steps:
        raise RuntimeError(
            f"ctc_loss: input_lengths {input_length} are longer than log_probs ({steps} steps)"
        )
    room = targets.shape[-1] if targets.dim() else 0
    longest = max(target_length, default=0)
    if longest > room or targets.dim() == 1 and sum(target_length) > room:
        raise RuntimeError(
            f"ctc_loss: target_lengths {target_length} do not fit targets of shape "
            f"{list(targets.shape)}"
        )
    labels = _extended(targets, target_length, blank)
    loss = _negative_log_likelihood(log_probs, labels, input_length, target_length, blank)
    if zero_infinity:
        loss = torch.where(loss == float("inf"), torch.zeros_like(loss), loss)
    if reduction == "mean":
        lengths = torch.tensor(target_length, dtype=loss.dtype, device=loss.device).clamp(min=1)
        return (loss / lengths).mean()
    if reduction == "sum":
        return loss.sum()
    return loss if batched else loss.squeeze(0)


def _lengths(given: Any, count: int, name: str) -> list[int]:
    if isinstance(given, torch.Tensor) and (given.is_floating_point() or given.is_complex()):
        raise RuntimeError(f"ctc_loss: {name} must be integral, got {given.dtype}")
    values = given.reshape(-1).tolist() if isinstance(given, torch.Tensor) else given
    values = [values] if isinstance(values, int) else values
    if len(values) == count:
        values = [int(each) for each in values]
    else:
        raise RuntimeError(
            f"ctc_loss: {name} must be of size batch_size ({count}), got {len(values)}"
        )
    if min(values, default=0) < 0:
        raise RuntimeError(f"ctc_loss: {name} must not be negative, got {values}")
    return values


def _extended(targets: Tensor, lengths: list[int], blank: int) -> list[list[int]]:
    """Each target with blanks between, before and behind, all filled up to the same length."""
    if targets.dim() == 2:
        rows = [row[:n] for row, n in zip(targets.tolist(), lengths, strict=True)]
    else:
        flat = targets.tolist()
        rows, start = [], 0
        for n in lengths:
            rows.append(flat[start : start + n])
            start += n
    width = 2 * max(lengths, default=0) + 1
    extended = []
    for row in rows:
        states = [blank] * width
        states[1 : 2 * len(row) : 2] = row
        extended.append(states)
    return extended


def _negative_log_likelihood(
    log_probs: Tensor,
    labels: list[list[int]],
    input_length: list[int],
    target_length: list[int],
    blank: int,
) -> Tensor:
    """The loss of each sample, (N)."""
    steps, count, _ = log_probs.shape
    index = torch.tensor(labels, dtype=torch.int64, device=log_probs.device).reshape(count, -1)
    width = index.size(1)
    emitted = log_probs.gather(2, index.unsqueeze(0).expand(steps, count, width))
    skips = [
        [i >= 2 and row[i] != blank and row[i] != row[i - 2] for i in range(width)]
        for row in labels
    ]
    where = log_probs.device
    may_skip = torch.tensor(skips, dtype=torch.bool, device=where).reshape(count, width)
    lengths, ends = (torch.tensor(n, device=where) for n in (input_length, target_length))
    return torch._sequences.ctc_likelihood(emitted, may_skip, lengths, ends)
