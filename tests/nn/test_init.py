"""Initialisers: what they promise. Their numbers are in test_stored.py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.nn import init


def test_spread() -> None:
    torch.manual_seed(0)
    t = torch.empty(200, 300)
    for call, std in (
        (init.xavier_uniform_, math.sqrt(2 / 500)),
        (init.xavier_normal_, math.sqrt(2 / 500)),
        (init.kaiming_uniform_, math.sqrt(2 / 300)),
        (init.kaiming_normal_, math.sqrt(2 / 300)),
    ):
        assert call(t) is t
        assert float(t.numpy().std()) == pytest.approx(std, rel=0.02)


@pytest.mark.parametrize("bounds", [(-2.0, 2.0), (-0.1, 0.2), (1.5, 3.0)])
def test_truncated_normal(bounds: tuple[float, float]) -> None:
    """The mean of a truncated normal: (pdf(a) - pdf(b)) / (cdf(b) - cdf(a))."""
    torch.manual_seed(0)
    a, b = bounds
    t = init.trunc_normal_(torch.empty(20000), a=a, b=b).numpy()
    assert a <= t.min() and t.max() <= b
    pdf = [math.exp(-x * x / 2) / math.sqrt(2 * math.pi) for x in bounds]
    cdf = [0.5 * (1 + math.erf(x / math.sqrt(2))) for x in bounds]
    assert float(t.mean()) == pytest.approx((pdf[0] - pdf[1]) / (cdf[1] - cdf[0]), abs=0.02)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 2, 3)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    q = init.orthogonal_(torch.empty(*shape), gain=2).numpy().reshape(shape[0], -1)
    if q.shape[0] > q.shape[1]:
        q = q.T
    np.testing.assert_allclose(q @ q.T, 4 * np.eye(len(q)), atol=1e-5)


def test_dirac_passes_its_input_on() -> None:
    x = torch.randn(1, 3, 7)
    weight = init.dirac_(torch.empty(3, 3, 3))
    found = torch.nn.functional.conv1d(x, weight, padding=1)
    np.testing.assert_allclose(found.numpy(), x.numpy())


def test_sparse() -> None:
    t = init.sparse_(torch.empty(10, 4), 0.35).numpy()
    assert ((t == 0).sum(0) == 4).all()


def test_on_parameters() -> None:
    p = torch.nn.Parameter(torch.empty(3, 3))
    assert init.eye_(p) is p and p.requires_grad and p.is_leaf


@pytest.mark.parametrize("name", ["uniform", "constant", "kaiming_normal", "orthogonal"])
def test_old_names_warn(name: str) -> None:
    extra: tuple[Any, ...] = (1.0,) if name == "constant" else ()
    with pytest.warns(FutureWarning, match=name):
        getattr(init, name)(torch.empty(2, 2), *extra)


@pytest.mark.parametrize(
    "call",
    [
        lambda: init.eye_(torch.empty(3)),
        lambda: init.dirac_(torch.empty(3, 3)),
        lambda: init.xavier_uniform_(torch.empty(3)),
        lambda: init.kaiming_uniform_(torch.empty(3, 3), mode="other"),
        lambda: init.calculate_gain("other"),
        lambda: init.orthogonal_(torch.empty(3)),
    ],
)
def test_wrong(call: Any) -> None:
    with pytest.raises(ValueError):
        call()
