"""Distances between vectors."""

from __future__ import annotations

import flambeau as torch

__all__ = ["cosine_similarity", "pairwise_distance", "pdist"]

Tensor = torch.Tensor


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 . x2 / (max(|x1|, eps) * max(|x2|, eps)) along `dim`."""
    return torch.cosine_similarity(x1, x2, dim, eps)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last dimension."""
    return torch.pairwise_distance(x1, x2, p, eps, keepdim)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-distance of every two rows of (n, d), as the upper triangle in a row."""
    if input.dim() != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.dim()}D")
    n = input.size(0)
    rows, columns = torch.triu_indices(n, n, 1, device=input.device)
    return (input[rows] - input[columns]).norm(p, dim=1)
