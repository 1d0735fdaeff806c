"""vmap and forward mode of every row that has samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau import func
from flambeau.ops.table import Row

from ..ops.samples import Maker, arrays, function, leaves, replaced, rows

ROWS = [r for r in rows() if r.name not in ("as_strided", "new_empty_strided", "is_set_to")]


def _id(row: Row) -> str:
    return row.name


def _variants(t: Any, count: int) -> Any:
    """Several samples like `t`, stacked in front."""
    if t.is_floating_point() or t.is_complex():
        parts = [t.detach() * (1 - 0.01 * i) for i in range(count)]
    else:
        parts = [t] * count
    return torch.stack(parts)


def _call(row: Row, args: Any, kwargs: Any, tensors: list[Any]) -> Any:
    a, k = replaced([args, kwargs], tensors)
    return tuple(leaves(function(row)(*a, **k)))


@pytest.mark.parametrize("row", ROWS, ids=_id)
def test_vmap_is_a_loop(row: Row) -> None:
    """With a batch in every input, and in the first only, at its end."""
    for args, kwargs in row.samples(Maker()):
        given = leaves([args, kwargs])
        if not given:
            continue
        for only in (None, 0, len(given) - 1) if len(given) > 1 else (None,):
            _check(row, args, kwargs, given, only)


def _check(row: Row, args: Any, kwargs: Any, given: list[Any], only: int | None) -> None:
    batches, dims = [], []
    for i, t in enumerate(given):
        if only is None:
            batches.append(_variants(t, 2))
            dims.append(0)
        elif i == only:
            batches.append(_variants(t, 2).movedim(0, -1))
            dims.append(t.dim())
        else:
            batches.append(t)
            dims.append(None)
    expected = []
    for i in range(2):
        sample = [b if d is None else b.select(d, i) for b, d in zip(batches, dims, strict=True)]
        expected.append(arrays(_call(row, args, kwargs, sample)))
    try:
        found = func.vmap(lambda *ts: _call(row, args, kwargs, list(ts)), tuple(dims))(*batches)
    except RuntimeError as error:
        assert "vmap" in str(error), error
        LOOKED.add(row.name)
        return
    for k, part in enumerate(arrays(found)):
        for i in range(2):
            assert part[i].shape == expected[i][k].shape
            assert part[i].dtype == expected[i][k].dtype
            np.testing.assert_allclose(part[i], expected[i][k], 1e-9, 1e-9)


LOOKED: set[str] = set()


@pytest.mark.parametrize("row", [r for r in ROWS if not r.not_differentiable], ids=_id)
def test_forward_mode_agrees_with_backward(row: Row) -> None:
    """<u, J t> = <J^T u, t>."""
    for args, kwargs in row.samples(Maker(grad=True)):
        given = leaves([args, kwargs])
        places = [i for i, t in enumerate(given) if t.requires_grad]
        if not places:
            continue
        plain = [t.detach() for t in given]

        def call(*moving: Any) -> Any:
            tensors = list(plain)
            for i, t in zip(places, moving, strict=True):
                tensors[i] = t
            found = _call(row, args, kwargs, tensors)
            return tuple(t for t in found if t.is_floating_point() or t.is_complex())

        primals = tuple(plain[i] for i in places)
        torch.manual_seed(0)
        tangents = tuple(torch.randn(t.shape, dtype=t.dtype) for t in primals)
        values, moved = func.jvp(call, primals, tangents)
        outputs, pull = func.vjp(call, *primals)
        for a, b in zip(arrays(values), arrays(outputs), strict=True):
            np.testing.assert_array_equal(a, b)
        weights = tuple(torch.randn(o.shape, dtype=o.dtype) for o in outputs)
        left = sum(_inner(u, t) for u, t in zip(weights, moved, strict=True))
        right = sum(_inner(g, t) for g, t in zip(pull(weights), tangents, strict=True))
        np.testing.assert_allclose(left, right, 1e-6, 1e-8)


def _inner(a: Any, b: Any) -> float:
    return float(np.real(np.vdot(a.detach().numpy(), b.detach().numpy())))
