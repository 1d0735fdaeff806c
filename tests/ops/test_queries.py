"""Questions about a tensor."""

from __future__ import annotations

import flambeau as torch


def test_queries() -> None:
    x = torch.zeros(2, 3)
    assert x.is_same_size(torch.ones(2, 3)) and not torch.is_same_size(x, x.t())
    assert x.t().dim_order() == (1, 0) and x.dense_dim() == 2 and x.sparse_dim() == 0
    assert x.to_dense() is x
    assert torch.tensor([1]).is_nonzero() and not torch.tensor(0.0).is_nonzero()
    assert x.new_empty_strided((2, 3), (1, 2), dtype=torch.int8).stride() == (1, 2)
