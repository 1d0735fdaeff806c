"""Transforms that work on pieces of a tensor along a dimension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flambeau as torch

from . import constraints
from ._transform import Transform
from .utils import _sum_rightmost

Tensor = torch.Tensor


class _PiecesTransform(Transform):
    """Several transforms side by side along dimension `dim`."""

    transforms: list[Transform]
    dim: int

    def _take(self, tseq: Sequence[Transform], dim: int, cache_size: int) -> None:
        if not all(isinstance(t, Transform) for t in tseq):
            raise AssertionError(f"{type(self).__name__}: expected transforms, got {list(tseq)}")
        super().__init__(cache_size=cache_size)
        self.transforms = [t.with_cache(cache_size) if cache_size else t for t in tseq]
        self.dim = dim

    def _need(self, condition: bool, value: Tensor) -> None:
        if not condition:
            raise AssertionError(
                f"{type(self).__name__} along dimension {self.dim} does not fit shape "
                f"{tuple(value.shape)}"
            )

    @property
    def bijective(self) -> bool:  # type: ignore[override]
        return all(t.bijective for t in self.transforms)


class CatTransform(_PiecesTransform):
    """Transforms of pieces of given lengths (1 each) that lie one behind the other along `dim`."""

    def __init__(
        self, tseq: Sequence[Transform], dim: int = 0, lengths: Sequence[int] | None = None,
        cache_size: int = 0,
    ) -> None:  # fmt: skip
        self._take(tseq, dim, cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.transforms):
            raise AssertionError(
                f"CatTransform: {len(self.transforms)} transforms but {len(self.lengths)} lengths"
            )

    @property
    def event_dim(self) -> int:
        return max(t.event_dim for t in self.transforms)

    @property
    def length(self) -> int:
        """The size of dimension `dim`."""
        return sum(self.lengths)

    def with_cache(self, cache_size: int = 1) -> Transform:
        if self._cache_size == cache_size:
            return self
        return CatTransform(self.transforms, self.dim, self.lengths, cache_size)

    def _pieces(self, value: Tensor) -> Any:
        fits = -value.dim() <= self.dim < value.dim() and value.size(self.dim) == self.length
        self._need(fits, value)
        return value.split(self.lengths, self.dim)

    def _call(self, x: Tensor) -> Tensor:
        pieces = zip(self.transforms, self._pieces(x), strict=True)
        return torch.cat([t(piece) for t, piece in pieces], dim=self.dim)

    def _inverse(self, y: Tensor) -> Tensor:
        pieces = zip(self.transforms, self._pieces(y), strict=True)
        return torch.cat([t.inv(piece) for t, piece in pieces], dim=self.dim)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        terms = []
        for t, before, after in zip(self.transforms, self._pieces(x), self._pieces(y), strict=True):
            term = t.log_abs_det_jacobian(before, after)
            terms.append(_sum_rightmost(term, self.event_dim - t.event_dim))
        dim = self.dim - x.dim() if self.dim >= 0 else self.dim
        dim += self.event_dim
        return torch.cat(terms, dim=dim) if dim < 0 else sum(terms)  # type: ignore[return-value]

    @property
    def domain(self) -> Any:  # type: ignore[override]
        return constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths)

    @property
    def codomain(self) -> Any:  # type: ignore[override]
        return constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths)


class StackTransform(_PiecesTransform):
    """A transform for each place of dimension `dim`."""

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, cache_size: int = 0) -> None:
        self._take(tseq, dim, cache_size)

    def with_cache(self, cache_size: int = 1) -> Transform:
        if self._cache_size == cache_size:
            return self
        return StackTransform(self.transforms, self.dim, cache_size)

    def _slice(self, z: Tensor) -> list[Tensor]:
        fits = -z.dim() <= self.dim < z.dim() and z.size(self.dim) == len(self.transforms)
        self._need(fits, z)
        return list(z.unbind(self.dim))

    def _call(self, x: Tensor) -> Tensor:
        pieces = zip(self.transforms, self._slice(x), strict=True)
        return torch.stack([t(piece) for t, piece in pieces], dim=self.dim)

    def _inverse(self, y: Tensor) -> Tensor:
        pieces = zip(self.transforms, self._slice(y), strict=True)
        return torch.stack([t.inv(piece) for t, piece in pieces], dim=self.dim)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        triples = zip(self.transforms, self._slice(x), self._slice(y), strict=True)
        terms = [t.log_abs_det_jacobian(before, after) for t, before, after in triples]
        return torch.stack(terms, dim=self.dim)

    @property
    def domain(self) -> Any:  # type: ignore[override]
        return constraints.stack([t.domain for t in self.transforms], self.dim)

    @property
    def codomain(self) -> Any:  # type: ignore[override]
        return constraints.stack([t.codomain for t in self.transforms], self.dim)
