"""Programs on a simulated GPU against the CPU, in both tiers; what the engine does around them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau import config
from flambeau.engine import tiering
from flambeau.errors import InternalError
from flambeau.ops.table import table
from tests.ops.samples import Maker, arrays, function, leaves, replaced
from tools.gpu import simulated

F = torch.nn.functional


@pytest.fixture
def gpu() -> Iterator[Any]:
    with simulated(capability=80, memory=256 << 20) as found:
        yield found


@pytest.fixture(params=["off", "sync"])
def tier(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Operation by operation, or compiled from the first run on."""
    monkeypatch.setattr(config, "compile", request.param)
    return str(request.param)


def last() -> Any:
    """The program that ran last."""
    return tiering.programs()[-1]


SPREAD = (
    "add sub exp erf relu gelu where clamp pow sum mean amax argmax var softmax log_softmax cumsum sort "
    "matmul addmm bmm conv2d linear layer_norm embedding gather index_select scatter_add cat flip roll pad "
    "tril max_pool2d avg_pool2d bernoulli any isnan floor_divide bitwise_and nll_loss topk cholesky"
).split()


@pytest.mark.parametrize("name", [n for n in SPREAD if n in table and table[n].samples is not None])
def test_rows_agree_with_the_cpu(name: str, gpu: Any, tier: str) -> None:
    row = table[name]
    samples: Any = row.samples
    for args, kwargs in samples(Maker())[:3]:
        if any(t.is_complex() for t in leaves([args, kwargs])):
            continue
        torch.manual_seed(0)
        expected = arrays(function(row)(*args, **kwargs))
        there = [t.to("cuda") for t in leaves([args, kwargs])]
        a, k = replaced([args, kwargs], list(there))
        found = function(row)(*a, **k)
        assert all(t.is_cuda for t in leaves(found)) or not there
        for x, y in zip([t.cpu().numpy() for t in leaves(found)], expected, strict=True):
            assert x.shape == y.shape and x.dtype == y.dtype
            np.testing.assert_allclose(x, y, 1e-9, 1e-9)


def test_views_and_writes(gpu: Any, tier: str) -> None:
    x = torch.arange(24.0).reshape(4, 6)
    y = x.cuda()
    for t in (x, y):
        t[1:3, ::2] += 10
        t.T[0] = t[:, 1] * 2
        t[2] = t[0].flip(0)
    for f in (lambda t: t.T @ t, lambda t: t[1:, ::3].sum(0), lambda t: t.unfold(1, 2, 2).amax(-1),
              lambda t: t.reshape(3, 8)[1], lambda t: t.T.contiguous(), lambda t: t[3, 2]):  # fmt: skip
        np.testing.assert_allclose(f(y).cpu().numpy(), f(x).numpy(), 1e-6)
    np.testing.assert_array_equal(y.cpu().numpy(), x.numpy())


def test_one_flush_may_be_of_several_devices(gpu: Any, tier: str) -> None:
    a, b = torch.ones(3), torch.ones(3, device="cuda")
    x, y = a + 1, b + 2
    z = x * 3
    w = y * y
    assert z.tolist() == [6, 6, 6] and w.tolist() == [9, 9, 9]


def test_run_time_numbers_need_no_new_program(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "compile", "off")
    x = torch.arange(12.0, device="cuda").reshape(3, 4)
    torch._flush()
    before = None
    for i in (1, 2, 1):
        assert (x[i] * (i + 0.5)).tolist() == [(4 * i + j) * (i + 0.5) for j in range(4)]
        assert before is None or last() is before
        before = last()


def test_a_constant_that_changes_is_planned_anew(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "compile", "sync")
    x = torch.arange(12.0, device="cuda").reshape(3, 4)
    for i in (0, 1, 2, 1):
        assert (x[i] + 1).tolist() == [4 * i + j + 1 for j in range(4)]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_16_bit_products(dtype: Any, gpu: Any, tier: str) -> None:
    torch.manual_seed(0)
    x, w, b = torch.randn(5, 16), torch.randn(8, 16), torch.randn(8)
    x, w, b = (t.to(dtype) for t in (x, w, b))
    expected = F.relu(F.linear(x, w, b)).float().numpy()
    found = F.relu(F.linear(x.cuda(), w.cuda(), b.cuda())).float().cpu().numpy()
    np.testing.assert_allclose(found, expected, 2e-2, 2e-2)
    if tier == "sync":
        labels = [x.label for s in last().compiled.plan.steps for x in s.launches]
        assert len(labels) == 2, labels  # the product with bias and activation, and the conversion


def test_what_has_no_kernel_runs_through_numpy(gpu: Any, tier: str) -> None:
    x = torch.eye(3, device="cuda") * 4 + 1
    y = torch.linalg.inv(x) * 2
    assert y.is_cuda
    np.testing.assert_allclose(y.cpu().numpy(), np.linalg.inv(x.cpu().numpy()) * 2, 1e-5)
    z = torch.fft.fft(torch.ones(4, device="cuda"))
    assert (z * 2).abs().tolist() == [8, 0, 0, 0]


@pytest.mark.parametrize(
    "index, call",
    [
        (7, lambda x, i: x[i]),
        (-8, lambda x, i: x[i]),
        (7, lambda x, i: torch.index_select(x, 0, i)),
        (7, lambda x, i: F.embedding(i, x)),
        (3, lambda x, i: torch.gather(x, 1, i[:, None])),
        (3, lambda x, i: F.cross_entropy(x[: i.numel()], i)),
    ],
)  # fmt: skip
def test_an_index_out_of_range_is_told_later(index: int, call: Any, gpu: Any, tier: str) -> None:
    x = torch.arange(21.0, device="cuda").reshape(7, 3)
    good = call(x, torch.tensor([0, 1], device="cuda"))
    good.tolist()
    found = call(x, torch.tensor([0, index], device="cuda"))
    torch._flush()
    with pytest.raises(IndexError, match=f"index {index} is out of bounds"):
        found.tolist()
    assert call(x, torch.tensor([0, 1], device="cuda")).tolist() == good.tolist()


def test_memory_that_is_short(tier: str) -> None:
    with simulated(memory=64 << 20):
        x = torch.ones(1 << 20, device="cuda")
        kept = [x + i for i in range(4)]
        torch._flush()
        with pytest.raises(torch.OutOfMemoryError, match=r"CUDA out of memory.*largest result is that of"):
            x.repeat(64).sort()[0][3].item()
        assert [k[0].item() for k in kept] == [1, 2, 3, 4]


def test_inputs_that_die_give_their_memory(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "compile", "sync")
    x = torch.ones(1000, device="cuda")
    torch._flush()
    addresses = set()
    for _ in range(4):
        x.mul_(1.5)
        torch._flush()
        addresses.add(x._storage.value.buffer.address)
    assert len(addresses) == 1 and abs(x[7].item() - 1.5**4) < 1e-6
    y = x.clone()
    before = y[0].item()
    kept = x + 0
    x.add_(1)
    assert kept[0].item() == before and x[0].item() == before + 1


def test_switches_that_plans_depend_on(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "compile", "sync")
    a = torch.ones(32, 32, device="cuda")
    torch._flush()
    (a @ a).tolist()
    first = last().compiled
    (a @ a).tolist()
    assert last().compiled is first
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = not before
    try:
        (a @ a).tolist()
        assert last().compiled is not first
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def test_kernels_are_verified(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 16 bits, with an activation, attention, and what is wrong."""
    from flambeau.engine import verify

    monkeypatch.setattr(config, "compile", "sync")
    monkeypatch.setattr(config, "verify", True)
    before = verify.checked
    x = torch.randn(6, 5, device="cuda")
    F.relu(F.linear(F.softmax(x, 1), x)).tolist()
    y = x.bfloat16()
    F.gelu(y @ y.T).tolist()
    q = torch.randn(1, 2, 16, 16, device="cuda")
    F.scaled_dot_product_attention(q, q, q, is_causal=True).tolist()
    assert verify.checked >= before + 5
    with monkeypatch.context() as wrong:
        wrong.setattr(verify, "difference", lambda *_: "it is wrong")
        with pytest.raises(InternalError, match="differs from its definition"):
            (x.sin() * 7.25).tolist()


def test_what_is_printed_of_a_program(
    gpu: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from flambeau.engine import debug

    monkeypatch.setattr(config, "compile", "sync")
    with debug.level(6):
        (torch.ones(77, device="cuda") * 2.125 - 3.375).tolist()
    told = capsys.readouterr().err
    assert "blocks of" in told and ".visible .entry" in told and "GB/s" in told


def test_what_explain_tells(
    gpu: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from flambeau.engine import explain

    monkeypatch.setattr(config, "compile", "sync")

    def run(_: list[str]) -> int:
        x = torch.ones(5, 5, device="cuda") * 3
        for _i in range(3):
            x = torch.linalg.inv(x @ x.T + torch.eye(5, device="cuda"))
            x.tolist()
        return 0

    assert explain.explain(run, []) == 0
    told = capsys.readouterr().out
    assert "matmul 5x5x5" in told and "through NumPy" in told and "GB/s" in told


def test_copies_between_devices(tier: str) -> None:
    with simulated(count=2, memory=64 << 20):
        x = torch.arange(5.0).to("cuda:0")
        y = (x * 2).to("cuda:1")
        z = y + 1
        assert z.device == torch.device("cuda", 1) and z.tolist() == [1, 3, 5, 7, 9]
        with pytest.raises(RuntimeError, match="same device"):
            x + y
