"""The norm that weights are kept with."""

from __future__ import annotations

import flambeau as torch

__all__ = ["norm_except_dim"]

Tensor = torch.Tensor


def norm_except_dim(v: Tensor, pow: int = 2, dim: int | None = 0) -> Tensor:
    """The norms of v's slices along `dim`, as v broadcasts with; of all of v with None or -1."""
    if dim is None or dim == -1:
        return v.norm(pow)
    others = tuple(d for d in range(v.dim()) if d != dim % v.dim())
    return torch.linalg.vector_norm(v, pow, others, keepdim=True)
