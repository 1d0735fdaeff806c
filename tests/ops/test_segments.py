"""Reductions of stretches and of indexed rows, and their neighbours: nonzero_static, histogram, histogramdd."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import flambeau as torch


@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "min"])
@pytest.mark.parametrize("initial", [None, 2.0])
def test_segment_reduce(reduce: str, initial: float | None) -> None:
    x = np.random.default_rng(0).standard_normal((6, 2))
    lengths = [1, 0, 3, 2]
    have = torch.segment_reduce(torch.tensor(x), reduce, lengths=torch.tensor(lengths), initial=initial)
    empty = {"sum": 0.0, "prod": 1.0, "mean": np.nan, "amax": -np.inf, "min": np.inf}[reduce]
    whole = {"sum": np.sum, "prod": np.prod, "mean": np.sum, "amax": np.max, "min": np.min}[reduce]
    start = 0
    for i, n in enumerate(lengths):
        part = x[start : start + n]
        start += n
        if initial is not None:
            part = np.concatenate([np.full((1, 2), initial), part])
        want = whole(part, 0) / (max(n, 1) if reduce == "mean" else 1) if len(part) else np.full(2, empty)
        np.testing.assert_allclose(have[i].numpy(), want)
    offsets = torch.tensor([0, 1, 1, 4, 6])
    torch.testing.assert_close(
        torch.segment_reduce(torch.tensor(x), reduce, offsets=offsets, initial=initial), have, equal_nan=True
    )


def test_segment_reduce_along_another_dimension() -> None:
    x = torch.arange(8.0).view(2, 4)
    lengths = torch.tensor([[1, 3], [2, 2]])
    assert torch.segment_reduce(x, "sum", lengths=lengths, axis=1).tolist() == [[0, 6], [9, 13]]
    with pytest.raises(RuntimeError, match="sum to"):
        torch.segment_reduce(x, "sum", lengths=lengths - 1, axis=1, unsafe=False)
    assert torch.segment_reduce(x[0], "sum", lengths=torch.tensor([1, 2]), unsafe=True).tolist() == [0, 3]
    for options, kind in (({}, RuntimeError), ({"indices": lengths}, RuntimeError),
                          ({"lengths": lengths.float()}, NotImplementedError)):  # fmt: skip
        with pytest.raises(kind, match="segment_reduce"):
            torch.segment_reduce(x, "sum", **options)


@pytest.mark.parametrize("reduce", ["prod", "mean", "amax", "amin"])
def test_index_reduce(reduce: str) -> None:
    x, src = np.random.default_rng(0).standard_normal((2, 3, 4))
    index = torch.tensor([0, 2, 0])
    function = {"prod": np.prod, "mean": np.mean, "amax": np.max, "amin": np.min}[reduce]
    for own in (True, False):
        have = torch.tensor(x).index_reduce(0, index, torch.tensor(src), reduce, include_self=own)
        rows = [x[:1]] * own
        np.testing.assert_allclose(have[0].numpy(), function(np.concatenate([*rows, src[[0, 2]]]), 0))
        np.testing.assert_array_equal(have[1].numpy(), x[1])


@pytest.mark.parametrize(
    ("args", "kind", "text"),
    [
        ((0, torch.tensor([0]), torch.ones(1, 2), "sum"), RuntimeError, "prod, mean, amax or amin"),
        ((0, torch.tensor([0, 1]), torch.ones(1, 2), "prod"), RuntimeError, "Number of indices"),
        ((0, torch.tensor([0.0]), torch.ones(1, 2), "prod"), RuntimeError, "int32/int64"),
        ((0, torch.tensor([0]), torch.ones(1, 2).double(), "prod"), RuntimeError, "same scalar type"),
        ((0, torch.tensor([5]), torch.ones(1, 2), "prod"), IndexError, "index"),
    ],
)
def test_bad_index_reduce(args: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        torch.ones(2, 2).index_reduce(*args)


def test_nonzero_static() -> None:
    x = torch.tensor([[1, 0], [2, 3]])
    assert torch.nonzero_static(x, size=2).tolist() == [[0, 0], [1, 0]]
    assert torch.nonzero_static(x, size=4, fill_value=9).tolist()[3] == [9, 9]
    assert x[0, 0].nonzero_static(size=2).shape == (2, 0)
    with pytest.raises(RuntimeError, match="non-negative"):
        torch.nonzero_static(x, size=-1)


def test_histogram_has_a_hundred_bins() -> None:
    counts, edges = torch.histogram(torch.arange(6.0))
    assert counts.shape == (100,) and edges.shape == (101,)
    assert counts.sum() == 6 and edges[[0, -1]].tolist() == [0.0, 5.0]


def test_histogramdd() -> None:
    x = np.random.default_rng(0).standard_normal((50, 2))
    weight = np.random.default_rng(1).uniform(size=50)
    for density in (False, True):
        hist, edges = torch.histogramdd(torch.tensor(x), [3, 4], weight=torch.tensor(weight), density=density)
        want, want_edges = np.histogramdd(x, [3, 4], weights=weight, density=density)
        np.testing.assert_allclose(hist.numpy(), want)
        for a, b in zip(edges, want_edges, strict=True):
            np.testing.assert_allclose(a.numpy(), b)
    own = (torch.tensor([-1.0, 0.0, 2.0]).double(), torch.tensor([-1.0, 1.0]).double())
    want = np.histogramdd(x, [e.numpy() for e in own])[0]
    np.testing.assert_allclose(torch.histogramdd(torch.tensor(x), own).hist.numpy(), want)
    limits = torch.histogramdd(torch.tensor(x), 2, range=[-1.0, 1.0, 0.0, 2.0]).hist
    np.testing.assert_allclose(limits.numpy(), np.histogramdd(x, 2, ((-1, 1), (0, 2)))[0])
    for args in ((torch.tensor(x[:, 0]), 2), (torch.tensor(x), [2]), (torch.tensor(x), own[:1])):
        with pytest.raises(RuntimeError, match="histogramdd"):
            torch.histogramdd(*args)
