"""FLAMBEAU_VERIFY: right kernels pass, the first wrong one is named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau import config, nn
from flambeau.engine import tiering, verify
from flambeau.errors import InternalError
from flambeau.graph import elementwise
from flambeau.runtime import native

pytestmark = pytest.mark.skipif(not native.available(), reason="there is no compiler here")


@pytest.fixture(autouse=True)
def _verifying(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(config, "compile", "sync")
    monkeypatch.setattr(config, "verify", True)
    tiering.forget()
    yield
    tiering.forget()


def step(dtype: Any = torch.float32) -> float:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 5))
    net.to(dtype)
    optimizer = torch.optim.Adam(net.parameters())
    loss = torch.tensor(0.0)
    for _ in range(2):
        optimizer.zero_grad()
        x = torch.randn(4, 1, 8, 8, dtype=dtype)
        loss = nn.functional.cross_entropy(net(x), torch.tensor([0, 1, 2, 3]))
        loss.backward()
        optimizer.step()
    return loss.item()


def test_right_kernels_pass() -> None:
    before = verify.checked
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        assert np.isfinite(step(dtype))
    assert verify.checked > before + 30
    assert not verify.skipped


def test_the_first_wrong_kernel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy's tanh, made wrong, stands for a kernel that is."""
    x = torch.linspace(-1, 1, 7)
    monkeypatch.setitem(elementwise.POINTWISE, "tanh", lambda x: np.tanh(x) * x.dtype.type(1.001))
    (x * 2).tolist()
    with pytest.raises(InternalError, match=r"differs from its definition.*tanh") as caught:
        (x.exp().sum() * x.tanh()).tolist()
    assert "6 of 7 elements" in str(caught.value)


def test_results_in_the_memory_of_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.ones(1000)
    torch._flush()
    for _ in range(3):
        x.mul_(2).add_(1)
        torch._flush()
    assert x[0].item() == 15
