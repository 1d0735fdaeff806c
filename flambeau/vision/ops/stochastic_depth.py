"""Dropping whole branches (Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016)."""

from __future__ import annotations

import flambeau as torch
from flambeau import nn

__all__ = ["StochasticDepth", "stochastic_depth"]


def stochastic_depth(
    input: torch.Tensor, p: float, mode: str, training: bool = True
) -> torch.Tensor:
    """Zeroes `input`, or some of its samples, with probability `p`; scales the rest by 1/(1-p).

    Args:
        input: (N, ...).
        p: the probability, in [0, 1].
        mode: "batch" decides once, "row" for each of the N samples.
        training: False returns `input`.

    Raises:
        ValueError: a `p` or `mode` that is none of these.
    """
    if p < 0.0 or p > 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}")
    if mode not in ("batch", "row"):
        raise ValueError(f"mode has to be either 'batch' or 'row', but got {mode}")
    if not training or p == 0.0:
        return input
    survival = 1.0 - p
    samples = input.shape[0] if mode == "row" else 1
    size = [samples] + [1] * (input.ndim - 1)
    noise = torch.empty(size, dtype=input.dtype, device=input.device).bernoulli_(survival)
    if survival > 0.0:
        noise.div_(survival)
    return input * noise


class StochasticDepth(nn.Module):
    """See `stochastic_depth`."""

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        self.p = p
        self.mode = mode

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Returns `input`, in training with samples dropped."""
        return stochastic_depth(input, self.p, self.mode, self.training)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, mode={self.mode})"
