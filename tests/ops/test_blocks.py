"""Sliding blocks, and maxima put back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.nn import functional as F


def test_blocks_are_columns() -> None:
    image = torch.arange(12.0).reshape(1, 1, 3, 4).requires_grad_()
    columns = F.unfold(image, 2)
    assert columns.grad_fn.name() == "Im2ColBackward0"
    assert columns[0, :, 0].tolist() == [0, 1, 4, 5] and columns.shape == (1, 4, 6)
    assert torch.equal(F.unfold(image[0], 2), columns[0])


def test_fold_counts_the_blocks_of_a_place() -> None:
    columns = torch.ones(1, 4, 6, requires_grad=True)
    image = F.fold(columns, (3, 4), 2)
    assert image.grad_fn.name() == "Col2ImBackward0"
    assert image[0, 0].tolist() == [[1, 2, 2, 1], [2, 4, 4, 2], [1, 2, 2, 1]]
    image.sum().backward()
    assert torch.equal(columns.grad, torch.ones(1, 4, 6))
    assert image.is_contiguous() and not image._is_view()


def test_padding_stride_and_dilation() -> None:
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64)
    w = torch.randn(4, 3, 2, 3, dtype=torch.float64)
    options = {"padding": (1, 0), "stride": (2, 1), "dilation": (1, 2)}
    columns = F.unfold(x, (2, 3), **options)
    wanted = F.conv2d(x, w, **options)
    found = (w.reshape(4, -1) @ columns).reshape(wanted.shape)
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), 1e-12, 1e-12)


def test_maxima_put_back() -> None:
    x = torch.randn(1, 2, 4, 4).requires_grad_()
    pooled, places = F.max_pool2d(x, 2, return_indices=True)
    back = F.max_unpool2d(pooled, places, 2)
    assert back.grad_fn.name() == "MaxUnpool2DBackward0"
    assert torch.equal(F.max_pool2d(back.abs(), 2), pooled.abs())
    back.sum().backward()
    assert x.grad.sum() == pooled.numel()
    again = torch.ops.aten.max_pool2d_with_indices_backward(
        torch.ones_like(pooled), x, 2, 2, 0, 1, False, places
    )
    assert torch.equal(x.grad, again)


def test_what_does_not_fit() -> None:
    with pytest.raises(RuntimeError, match="no block"):
        F.unfold(torch.ones(1, 1, 2, 2), 3)
    with pytest.raises(RuntimeError, match="fold: output_size"):
        F.fold(torch.ones(1, 4, 5), (3, 4), 2)
    with pytest.raises(RuntimeError, match="Expected shape of indices"):
        F.max_unpool2d(torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 2, dtype=torch.int64), 2)


@pytest.mark.parametrize(
    ("kernel", "error"),
    [({"a": 1}, TypeError), ("ab", TypeError), (2.0, TypeError), (True, TypeError),
     ([2, 2, 2], RuntimeError), ([2], RuntimeError), ([], RuntimeError)],
)  # fmt: skip
def test_kernels_that_are_no_pair(kernel: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="kernel_size"):
        F.unfold(torch.ones(1, 2, 4, 5), kernel)
