"""Small programs that took the compiler to its corners."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau import config
from flambeau.engine import flush, tiering
from flambeau.runtime import native

pytestmark = pytest.mark.skipif(not native.available(), reason="there is no compiler here")

PROGRAMS: list[Callable[[], Any]] = []


def program(f: Callable[[], Any]) -> Callable[[], Any]:
    PROGRAMS.append(f)
    return f


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(config, "check", True)
    tiering.forget()
    yield
    tiering.forget()


@program
def masks_of_several_dimensions() -> Any:
    """Their places come from NumPy as columns of one array."""
    x = torch.arange(8.0).view(1, 2, 2, 2)
    return torch.minimum(x, x)[torch.tensor([[[False, True], [True, True]]])]


@program
def an_element_of_what_is_the_same_everywhere() -> Any:
    return torch.ones(2)[torch.tensor([True, False])].sign()


@program
def writes_onto_one_element() -> Any:
    x = torch.zeros(3, 2)
    x.expand(4, 3, 2).fill_(5.0)
    x[:, :1].expand(3, 2)[:, 1].copy_(torch.arange(3.0))
    return x


@program
def a_write_of_what_the_same_memory_holds() -> Any:
    x = torch.arange(6.0) + 1
    torch._flush()
    i = int(x[1].item())
    x[i : i + 2] = x[i + 2 : i + 4]
    return x


@program
def a_path_out_of_a_group_and_back() -> Any:
    x = torch.linspace(-2, 2, 24).view(3, 2, 4).requires_grad_()
    y = (x.abs() + 0.5).log()
    y[torch.tensor([1, -3]), -2::2, 3:4:3].sum().backward()
    return torch.cat([y.detach().reshape(-1), x.grad.reshape(-1)])


@program
def normalised_over_the_batch_with_running_statistics() -> Any:
    """A constant that a later stage asks for first."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.BatchNorm1d(9), torch.nn.GELU(), torch.nn.LayerNorm(9))
    net(torch.randn(5, 9)).square().sum().backward()
    return torch.cat([p.grad for p in net.parameters()] + list(net.buffers())[:2])


@program
def numbers_in_sixteen_bits() -> Any:
    x = torch.linspace(-2, 2, 40).bfloat16()
    return torch.cat([torch.zeros_like(x), x.diag_embed().sum(0), x * 0.3]).float()


@program
def a_long_sum_down_columns() -> Any:
    return torch.full((200_000, 3), 0.1).sum(0)


@pytest.mark.parametrize("run", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("fusion", [True, False], ids=["fused", "single"])
def test_the_tiers_agree(run: Any, fusion: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "compile", "off")
    want = run().detach().numpy()
    monkeypatch.setattr(config, "compile", "sync")
    monkeypatch.setattr(config, "fusion", fusion)
    have = run().detach().numpy()
    np.testing.assert_allclose(have, want, 1e-5, 1e-5)
    assert any(p.state == "compiled" for p in tiering.programs())


def test_complex_numbers_are_interpreted() -> None:
    config.compile, before = "sync", config.compile
    try:
        z = torch.complex(torch.ones(2), torch.ones(2)) * 2
        assert z.abs().sum().item() == pytest.approx(2 * 8**0.5)
        assert {p.state for p in tiering.programs()} == {"not compiled: it has complex numbers"}
    finally:
        config.compile = before


def test_the_memory_of_others_is_let_go() -> None:
    """A program that has run does not keep the arrays that it read."""
    for _ in range(4):
        outside = np.ones(1000, np.float32)
        (torch.from_numpy(outside) * 2 + 1).sum().item()
        tiering.wait_for_compiler()
    freed = []

    class Told(np.ndarray):
        def __del__(self) -> None:
            freed.append(True)

    for _ in range(3):
        base = np.ones(1000, np.float32).view(Told)
        x = torch.from_numpy(np.asarray(base))
        y = (x * 2 + 1).sum()
        flush.flush("not looked at")
        del base, x
    assert y.item() == 3000.0
    assert len(freed) == 3
