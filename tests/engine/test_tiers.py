"""A sample of every row with its gradients in both tiers, as whole programs: the first in float32,
the second in float64. (Single operations, of all samples: `test_rows_compiled.py`.)"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau import config
from flambeau.engine import tiering
from flambeau.ops.table import Row
from flambeau.runtime import native

from ..ops.samples import Maker, arrays, function, leaves, replaced, rows

pytestmark = pytest.mark.skipif(not native.available(), reason="there is no compiler here")

TOLERANCE = {"float32": 2e-5, "float64": 1e-11}
"""Relative to the largest element: sums are added in another order, functions differ by an ulp."""


@pytest.fixture(autouse=True)
def _checked(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(config, "check", True)
    yield
    tiering.forget()


def outcome(row: Row, number: int, dt: torch.dtype) -> list[np.ndarray] | None:
    """A sample's results and gradients; None where the row refuses the dtype."""
    args, kwargs = row.samples(Maker())[number]
    given = leaves([args, kwargs])
    cast = [t.to(dt).requires_grad_() if t.is_floating_point() else t for t in given]
    a, k = replaced([args, kwargs], cast)
    try:
        out = leaves(function(row)(*a, **k))
    except (RuntimeError, TypeError, ValueError, NotImplementedError):
        return None
    floats = [t for t in out if t.requires_grad and not t.is_complex()]
    if floats:
        with suppress(RuntimeError):  # there is no such derivative
            sum((t * t).sum() for t in floats).backward()
    grads = [t.grad for t in cast if t.is_floating_point() and t.grad is not None]
    return arrays([*out, *grads])


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_both_tiers_agree(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    count = len(row.samples(Maker()))
    for turn, dt in enumerate((torch.float32, torch.float64)):
        number = min(turn, count - 1)
        monkeypatch.setattr(config, "compile", "off")
        want = outcome(row, number, dt)
        monkeypatch.setattr(config, "compile", "sync")
        tiering.forget()
        have = outcome(row, number, dt)
        if want is None or have is None:
            assert want is have
            continue
        for w, h in zip(want, have, strict=True):
            assert w.dtype == h.dtype and w.shape == h.shape
            tolerance = TOLERANCE.get(w.dtype.name, 0.0)
            size = float(np.abs(w[np.isfinite(w)]).max(initial=0.0)) if tolerance else 0.0
            np.testing.assert_allclose(h, w, tolerance, tolerance * size, err_msg=f"sample {number}")
