"""Every row that has samples: values, forms, derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau import config
from flambeau.frontend import dispatch
from flambeau.graph.trace import state
from flambeau.ops.table import Row, table

from .samples import Maker, arrays, function, leaves, replaced, rows

ROWS = rows()
DIFFERENTIABLE = [r for r in ROWS if not r.not_differentiable]

LARGE = 12
"""Elements of the inputs beyond which second derivatives are compared in random directions only."""

_NARROW = {torch.float64: torch.float32, torch.complex128: torch.complex64}


def _id(row: Row) -> str:
    return row.name


def _same(a: list[np.ndarray], b: list[np.ndarray], tolerance: float = 0.0) -> None:
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        assert x.shape == y.shape
        if tolerance:
            np.testing.assert_allclose(x, y, tolerance, tolerance)
        else:
            np.testing.assert_array_equal(x, y)


@pytest.fixture(autouse=True)
def _verify(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "check", True)


@pytest.mark.parametrize("row", ROWS, ids=_id)
def test_value_does_not_depend_on_laziness_or_layout(row: Row) -> None:
    for number, (args, kwargs) in enumerate(row.samples(Maker())):
        lazy = arrays(function(row)(*args, **kwargs))
        if row.name == "as_strided":  # looks at the storage, which is another one then
            continue
        strided_args, strided_kwargs = row.samples(Maker(strided=True))[number]
        strided = arrays(function(row)(*strided_args, **strided_kwargs))
        _same(lazy, strided, 1e-12)
        for t in leaves([args, kwargs]):
            t.numpy()
        torch._flush()
        assert not state.nodes
        # Compiled programs may add up a view and a copy of it in another order.
        _same(lazy, arrays(function(row)(*args, **kwargs)), 1e-14)


@pytest.mark.parametrize("row", ROWS, ids=_id)
def test_float32_agrees_with_float64(row: Row) -> None:
    for args, kwargs in row.samples(Maker()):
        exact = arrays(function(row)(*args, **kwargs))
        narrow = [
            t.to(_NARROW.get(t.dtype, t.dtype)) for t in leaves([args, kwargs])
        ]
        a, k = replaced([args, kwargs], narrow)
        if any(x is torch.float64 for x in a) or row.name == "float_power":
            continue
        result = function(row)(*a, **k)
        for t in leaves(result):
            assert t.dtype not in _NARROW
        _same(exact, arrays(result), 2e-4)


@pytest.mark.parametrize("row", [r for r in ROWS if "i" in r.forms.lower()], ids=_id)
def test_in_place_form(row: Row) -> None:
    for args, kwargs in row.samples(Maker()):
        expected = function(row)(*args, **kwargs)
        target = args[0].clone() if isinstance(args[0], torch.Tensor) else None
        if target is None or not isinstance(expected, torch.Tensor):
            continue
        real = target.is_complex() and not expected.is_complex()
        fits = torch.can_cast(expected.dtype, target.dtype) and not real
        if expected.shape != target.shape or not fits:
            with pytest.raises(RuntimeError):
                dispatch.inplace_function(row.name)(target, *args[1:], **kwargs)
            continue
        version = target._version
        result = dispatch.inplace_function(row.name)(target, *args[1:], **kwargs)
        assert result is target and target._version == version + 1
        _same(arrays(target), arrays(expected.to(target.dtype)))


@pytest.mark.parametrize("row", [r for r in ROWS if "o" in r.forms], ids=_id)
def test_out_form(row: Row) -> None:
    for args, kwargs in row.samples(Maker()):
        expected = function(row)(*args, **kwargs)
        parts = leaves(expected)
        outs = [torch.empty(0, dtype=p.dtype) for p in parts]
        single = isinstance(expected, torch.Tensor)
        result = function(row)(*args, **kwargs, out=outs[0] if single else tuple(outs))
        assert leaves(result)[0] is outs[0]
        _same(arrays(outs), arrays(parts))


def _differentiable(row: Row, args: Any, kwargs: Any) -> tuple[Any, list[Any]] | None:
    """The call as a function of its tensors that require grad, or None if there is nothing."""
    chosen = [t for t in leaves([args, kwargs]) if t.requires_grad]
    if not chosen:
        return None

    def call(*tensors: Any) -> Any:
        queue = list(tensors)
        full = [queue.pop(0) if t.requires_grad else t for t in leaves([args, kwargs])]
        a, k = replaced([args, kwargs], full)
        out = function(row)(*a, **k)
        return tuple(t for t in leaves(out) if t.is_floating_point() or t.is_complex())

    outputs = call(*chosen)
    if not any(o.requires_grad for o in outputs):
        return None
    return call, chosen


@pytest.mark.parametrize("row", DIFFERENTIABLE, ids=_id)
def test_first_and_second_derivatives(row: Row) -> None:
    for number, (args, kwargs) in enumerate(row.samples(Maker(grad=True))):
        found = _differentiable(row, args, kwargs)
        if found is None:
            continue
        call, chosen = found
        assert torch.autograd.gradcheck(call, chosen), f"sample {number}"
        large = sum(t.numel() for t in chosen) > LARGE
        checked = torch.autograd.gradgradcheck(call, chosen, atol=1e-4, fast_mode=large)
        assert checked, f"sample {number}"


def test_every_differentiable_row_is_reached() -> None:
    """A row with derivatives has samples, or is a part of one that has (its name says so), or is
    tested with the operation that records it."""
    reached = {r.name for r in ROWS}
    alone = [r.name for r in table.values() if r.grads and r.name not in reached and "f" in r.forms]
    assert alone == []
