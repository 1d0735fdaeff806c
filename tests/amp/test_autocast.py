"""`autocast` on the CPU."""

from __future__ import annotations

import inspect
import threading

import pytest

import flambeau as torch
import flambeau.nn.functional as F
from flambeau import nn

B, S = torch.bfloat16, torch.float32


def on(**options: object) -> torch.autocast:
    return torch.autocast("cpu", dtype=B, **options)


def test_what_is_cast() -> None:
    x, w = torch.rand(4, 4), torch.rand(4, 4)
    with on():
        assert torch.mm(x, w).dtype is (x @ w).dtype is x.matmul(w).dtype is B
        assert F.linear(x, w).dtype is F.conv1d(x[None], w[..., None]).dtype is B
        assert (x + w).dtype is S and torch.relu(x).dtype is S and F.softmax(x.bfloat16(), 0).dtype is B
        assert F.mse_loss(x.bfloat16(), w).dtype is F.cross_entropy(x.bfloat16(), w).dtype is S
        assert torch.cat([x, w.bfloat16()]).dtype is S
        assert torch.cat([x.bfloat16(), w.bfloat16()]).dtype is B
        assert F.pad(x[None].bfloat16(), (1, 1), "reflect").dtype is S
        assert F.pad(x.bfloat16(), (1, 1)).dtype is B
        assert torch.mm(x.double(), w.double()).dtype is torch.float64
        out = torch.zeros(4, 4)
        assert torch.mm(x, w, out=out) is out
    assert torch.mm(x, w).dtype is S


def test_a_training_step() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    x, y = torch.randn(8, 3), torch.tensor([0, 1] * 4)
    plain = F.cross_entropy(net(x), y)
    plain.backward()
    expected = [p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    with on():
        loss = F.cross_entropy(net(x), y)
    loss.backward()
    assert abs(loss.item() - plain.item()) < 0.01 and loss.item() != plain.item()
    for p, e in zip(net.parameters(), expected):
        assert p.grad.dtype is S and torch.allclose(p.grad, e, atol=0.01)


def test_nesting_and_decorating() -> None:
    x = torch.rand(2, 2)
    with on():
        with torch.autocast("cpu", enabled=False):
            assert torch.mm(x, x).dtype is S
        assert torch.mm(x, x).dtype is B
        with torch.autocast("cpu", dtype=torch.float16):
            assert torch.mm(x, x).dtype is torch.float16
        assert torch.get_autocast_dtype("cpu") is B and torch.is_autocast_enabled("cpu")
        assert not torch.is_autocast_enabled()
    assert not torch.is_autocast_cpu_enabled()
    assert on()(lambda: torch.mm(x, x).dtype)() is B
    with pytest.raises(ZeroDivisionError), on():
        1 / 0  # noqa: B018
    assert torch.mm(x, x).dtype is S


def test_it_is_a_threads_own() -> None:
    found = []
    with on():
        thread = threading.Thread(target=lambda: found.append(torch.mm(torch.ones(1, 1), torch.ones(1, 1)).dtype))
        thread.start()
        thread.join()
    assert found == [S]


def test_parameters_are_cast_once() -> None:
    from flambeau.frontend import autocasting

    w = nn.Parameter(torch.rand(3, 3))
    x = torch.rand(3, 3)
    with on():
        torch.mm(x, w)
        torch.mm(x, w)
        assert len(autocasting.mode.narrowed) == 1
        with torch.no_grad():
            w.fill_(1)
        assert torch.mm(torch.eye(3), w).float().eq(1).all()
        with torch.no_grad():
            assert not torch.mm(x, w).requires_grad
        assert torch.mm(x, w).requires_grad
    assert not autocasting.mode.narrowed
    with on(cache_enabled=False):
        torch.mm(x, w)
        assert not autocasting.mode.narrowed


def test_without_a_gpu() -> None:
    with pytest.warns(UserWarning, match="CUDA is not available. Disabling autocast."), torch.autocast("cuda"):
        assert torch.mm(torch.ones(1, 1), torch.ones(1, 1)).dtype is S
    with pytest.warns(UserWarning, match="target dtype is not supported"):
        torch.autocast("cpu", dtype=torch.float32)
    assert torch.amp.is_autocast_available("cpu") and not torch.amp.is_autocast_available("cuda")


def test_custom_functions() -> None:
    class Product(torch.autograd.Function):
        @staticmethod
        @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
        def forward(ctx, x, y):  # type: ignore[no-untyped-def]
            ctx.save_for_backward(x, y)
            return torch.mm(x, y)

        @staticmethod
        @torch.amp.custom_bwd(device_type="cpu")
        def backward(ctx, grad):  # type: ignore[no-untyped-def]
            x, y = ctx.saved_tensors
            return torch.mm(grad, y.t()), torch.mm(x.t(), grad)

    x = torch.rand(2, 2, requires_grad=True)
    with on():
        result = Product.apply(x, x.bfloat16())
        assert result.dtype is S
    result.sum().backward()
    assert x.grad is not None and x.grad.dtype is S


def test_recurrent_layers() -> None:
    x = torch.rand(3, 2, 4)
    with on():
        assert nn.LSTM(4, 5)(x)[0].dtype is B
        assert nn.GRU(4, 5)(x)[0].dtype is S


def test_functions_keep_their_signature() -> None:
    before = inspect.signature(torch.addmm)
    with torch.autocast("cpu"):
        assert inspect.signature(torch.addmm) == before
