"""The adaptive softmax for many classes of unequal frequency."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import flambeau as torch

from .. import functional as F
from .container import ModuleList
from .container import Sequential as _Sequential
from .linear import Linear
from .module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]

Tensor = torch.Tensor

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    """A log-softmax over `n_classes` sorted by falling frequency (Grave et al., "Efficient softmax
    approximation for GPUs", 2017), and the mean negative log-likelihood of the targets.

    Classes below `cutoffs[0]` are in the head, which also has an entry for each cluster behind
    it: [cutoffs[0], cutoffs[1]), ... Cluster i works in `in_features // div_value ** (i + 1)`
    dimensions.

    input (N, in_features) or (in_features) and target (N) or () of class numbers give
    `output`, the targets' log-probabilities (N) or (), and `loss`, a 0-d tensor.
    """

    cutoffs: list[int]
    head: Linear
    tail: ModuleList

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        options = {"device": device, "dtype": dtype}
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if (
            cutoffs != sorted(set(cutoffs))
            or cutoffs[0] <= 0
            or cutoffs[-1] > n_classes - 1
            or any(int(c) != c for c in cutoffs)
        ):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an "
                f"increasing order, where each value is between 1 and n_classes-1, got {cutoffs} "
                f"for {n_classes} classes"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, **options)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(self._clusters()):
            hidden = int(in_features // div_value ** (i + 1))
            self.tail.append(
                _Sequential(
                    Linear(in_features, hidden, bias=False, **options),
                    Linear(hidden, high - low, bias=False, **options),
                )
            )

    def _clusters(self) -> list[tuple[int, int]]:
        """The first class of each cluster and the one behind its last."""
        return list(zip(self.cutoffs[:-1], self.cutoffs[1:], strict=True))

    def reset_parameters(self) -> None:
        """Draw new values."""
        self.head.reset_parameters()
        for projection in self.tail:
            for layer in projection:
                layer.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> Any:
        batched = target_.dim() > 0
        self._check(input_, target_, batched)
        input = input_ if batched else input_.unsqueeze(0)
        target = target_ if batched else target_.unsqueeze(0)
        head = F.log_softmax(self.head(input), dim=1)
        output = input.new_zeros(target.size(0))
        # Every cluster computes its own rows only: that is what the method saves.
        known = target < self.shortlist_size
        gather_at = torch.where(known, target, 0)
        for i, (low, high) in enumerate(self._clusters()):
            inside_it = (target >= low) & (target < high)
            rows = inside_it.nonzero().squeeze(1)
            gather_at = torch.where(inside_it, self.shortlist_size + i, gather_at)
            if rows.numel():
                inside = F.log_softmax(self.tail[i](input.index_select(0, rows)), dim=1)
                relative = (target - low).index_select(0, rows)
                chosen = inside.gather(1, relative.unsqueeze(1)).squeeze(1)
                output = output.index_copy(0, rows, chosen)
        output = output + head.gather(1, gather_at.unsqueeze(1)).squeeze(1)
        loss = (-output).mean()
        return _ASMoutput(output if batched else output.squeeze(0), loss)

    def _check(self, input: Tensor, target: Tensor, batched: bool) -> None:
        if batched and target.dim() != 1:
            raise RuntimeError(
                "0D or 1D target tensor expected, multi-target not supported: got "
                f"{list(target.shape)}"
            )
        if batched and input.dim() != 2:
            raise RuntimeError(
                "1D target tensor expects 2D input tensors, but found inputs with size "
                f"{input.size()}"
            )
        if not batched and input.dim() != 1:
            raise RuntimeError(
                "0D target tensor expects 1D input tensors, but found inputs with size "
                f"{input.size()}"
            )
        if batched and input.size(0) != target.size(0):
            raise RuntimeError(
                "Input and target should have the same size in the batch dimension: got "
                f"{input.size(0)} and {target.size(0)}"
            )
        if target.numel() and not 0 <= int(target.min()) <= int(target.max()) < self.n_classes:
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{int(target.min())}, {int(target.max())}] were found. "
            )

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes: (N, in_features) to (N, n_classes)."""
        head = F.log_softmax(self.head(input), dim=1)
        parts = [head[:, : self.shortlist_size]]
        for i, projection in enumerate(self.tail):
            inside = F.log_softmax(projection(input), dim=1)
            parts.append(inside + head[:, self.shortlist_size + i].unsqueeze(1))
        return torch.cat(parts, dim=1)

    def predict(self, input: Tensor) -> Tensor:
        """The likeliest class of each row: (N, in_features) to (N).

        A cluster is looked into only for rows where the head prefers a cluster to every class of
        its own.
        """
        head = self.head(input)
        best = head.argmax(dim=1)
        in_cluster = best >= self.shortlist_size
        if not bool(in_cluster.any()):
            return best
        found = best.clone()
        rows = in_cluster.nonzero().squeeze(1)
        found[rows] = self.log_prob(input.index_select(0, rows)).argmax(dim=1)
        return found
