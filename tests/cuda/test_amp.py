"""Mixed precision on a simulated GPU: PyTorch's lists for CUDA, and the gradient scaler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import flambeau as torch
import flambeau.nn.functional as F
from flambeau import nn
from tools.gpu import simulated

H, B, S = torch.float16, torch.bfloat16, torch.float32


@pytest.fixture(autouse=True)
def _gpu() -> Iterator[Any]:
    with simulated() as gpu:
        torch.manual_seed(0)
        yield gpu
        torch._flush()


def test_what_is_cast() -> None:
    x, w = torch.rand(4, 4, device="cuda"), torch.rand(4, 4, device="cuda")
    h, t = x.half(), torch.tensor([0, 1, 2, 3], device="cuda")
    with torch.autocast("cuda"):
        assert torch.get_autocast_dtype("cuda") is H and torch.is_autocast_enabled()
        for narrow in (torch.mm(x, w), x @ w, F.linear(x, w), F.conv1d(x[None], w[..., None]),
                       torch.einsum("ij,jk", x, w), F.prelu(x, w[0, :1]), x.mv(w[0])):  # fmt: skip
            assert narrow.dtype is H and narrow.device.type == "cuda"
        for wide in (F.softmax(h, 0), h.exp(), h**2, 2.0**h, 1 / h, h.sum(), h.log_softmax(0), F.softplus(h),
                     F.layer_norm(h, (4,)), F.mse_loss(h, w), F.cross_entropy(h, t), h.cumsum(0),
                     h.norm(), F.gelu(h).sum(1), torch.logsumexp(h, 0), h.rsqrt()):  # fmt: skip
            assert wide.dtype is S
        for kept in (h + h, torch.relu(h), F.gelu(h), torch.tanh(h), h.mean(), h.max(), torch.cat([h, h]),
                     F.dropout(h, 0.5), F.batch_norm(h, None, None, training=True), h.std(),
                     h.sum(dtype=H), F.softmax(h, 0, dtype=H), h.double().exp().half()):  # fmt: skip
            assert kept.dtype is H
        assert torch.dot(h[0], x[0]).dtype is S and torch.dot(h[0], h[1]).dtype is H
        assert torch.addcmul(x, h, h).dtype is S
        assert x.double().exp().dtype is torch.float64
        assert F.scaled_dot_product_attention(x[None], w[None], x[None]).dtype is H
        with torch.autocast("cuda", dtype=B):
            assert (x @ w).dtype is B
        with torch.autocast("cuda", enabled=False):
            assert (x @ w).dtype is S and h.exp().dtype is H
        assert torch.mm(x.cpu(), w.cpu()).dtype is S  # another device
    assert (x @ w).dtype is S and h.exp().dtype is H
    with torch.autocast("cpu", dtype=B):
        assert (x @ w).dtype is S and (x.cpu() @ w.cpu()).dtype is B


def test_both_devices_at_once() -> None:
    x = torch.rand(3, 3, device="cuda")
    with torch.autocast("cpu", dtype=B), torch.autocast("cuda", dtype=H):
        assert (x @ x).dtype is H and (x.cpu() @ x.cpu()).dtype is B
        assert F.softmax(x.half(), 0).dtype is S and F.softmax(x.cpu().bfloat16(), 0).dtype is B


def test_binary_cross_entropy_is_refused() -> None:
    x = torch.rand(4, device="cuda")
    with torch.autocast("cuda"):
        with pytest.raises(RuntimeError, match="BCELoss are unsafe to autocast.\nMany models use a sigmoid"):
            F.binary_cross_entropy(x, x)
        assert F.binary_cross_entropy_with_logits(x.half(), x.half()).dtype is S
        assert F.binary_cross_entropy(x.cpu(), x.cpu()).dtype is S
    F.binary_cross_entropy(x, x)


def test_weights_are_cast_once() -> None:
    x, w = torch.rand(2, 4, device="cuda"), torch.rand(4, 4, device="cuda", requires_grad=True)
    from flambeau.frontend.autocasting import mode

    with torch.autocast("cuda"):
        (F.linear(x, w) + F.linear(x, w)).sum().backward()
        assert len(mode.narrowed) == 1
    assert not mode.narrowed and w.grad.dtype is S


def test_available() -> None:
    assert torch.amp.is_autocast_available("cuda")
    with pytest.warns(UserWarning, match="target dtype is not supported"):
        assert not torch.autocast("cuda", dtype=S)._enabled
    with pytest.warns(FutureWarning, match="torch.cuda.amp.autocast"), torch.cuda.amp.autocast():
        x = torch.rand(2, 2, device="cuda")
        assert (x @ x).dtype is H


class Doubled(torch.autograd.Function):
    seen: list[Any] = []

    @staticmethod
    @torch.amp.custom_fwd(device_type="cuda", cast_inputs=S)
    def forward(ctx: Any, x: Any) -> Any:
        Doubled.seen.append((x.dtype, torch.is_autocast_enabled("cuda")))
        return x * 2

    @staticmethod
    @torch.amp.custom_bwd(device_type="cuda")
    def backward(ctx: Any, grad: Any) -> Any:
        Doubled.seen.append((grad.dtype, torch.is_autocast_enabled("cuda")))
        return grad * 2


def test_functions_of_ones_own() -> None:
    x = torch.ones(3, device="cuda", dtype=H, requires_grad=True)
    with torch.autocast("cuda"):
        y = Doubled.apply(x)
    y.sum().backward()
    assert Doubled.seen == [(S, False), (S, False)] and x.grad.tolist() == [2, 2, 2]


def net() -> tuple[Any, Any, Any]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)).to("cuda")
    return model, torch.randn(16, 3, device="cuda"), torch.randint(0, 2, (16,), device="cuda")


def test_training() -> None:
    model, x, y = net()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cuda", init_scale=1024.0, growth_interval=2)
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        with torch.autocast("cuda"):
            loss = F.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    assert losses == sorted(losses, reverse=True) and scaler.get_scale() == 4096.0
    assert all(p.grad.dtype is S and p.grad.device.type == "cuda" for p in model.parameters())
    plain, x, y = net()
    with torch.autocast("cuda"):
        loss = F.cross_entropy(plain(x), y)
    assert loss.item() == losses[0]


def test_steps_are_left_out() -> None:
    p = torch.ones(2, device="cuda", requires_grad=True)
    optimizer = torch.optim.SGD([p], 1.0)
    scaler = torch.amp.GradScaler(init_scale=8.0)
    assert scaler.is_enabled()
    for grad, want, scale in ((float("inf"), [1.0, 1.0], 4.0), (4.0, [0.0, 0.0], 4.0)):
        p.grad = torch.full((2,), grad, device="cuda")
        scaler.step(optimizer)
        scaler.update()
        assert p.tolist() == want and scaler.get_scale() == scale
    p.grad = torch.full((2,), 4.0, device="cuda")
    scaler.unscale_(optimizer)
    assert p.grad.tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match=r"step\(\) has already been called"):
        scaler.step(optimizer)
    scaler.update()
    state = scaler.state_dict()
    assert state == {"scale": 4.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 2000,
                     "_growth_tracker": 2}  # fmt: skip
    other = torch.amp.GradScaler("cuda")
    other.load_state_dict(state)
    assert other.get_scale() == 4.0
    q = torch.ones(2, device="cuda", dtype=H, requires_grad=True)
    q.grad = torch.ones(2, device="cuda", dtype=H)
    with pytest.raises(ValueError, match="FP16 gradients"):
        scaler.unscale_(torch.optim.SGD([q], 1.0))


def test_one_wait_a_step(_gpu: Any) -> None:
    """Gradients are looked at on the device, all of them together."""
    p = [torch.ones(2, device="cuda", requires_grad=True) for _ in range(5)]
    optimizer = torch.optim.SGD(p, 1.0)
    scaler = torch.amp.GradScaler("cuda")
    for x in p:
        x.grad = torch.ones(2, device="cuda")
    torch.cuda.synchronize()
    before = len([c for c in _gpu.calls if "DtoH" in c.name])
    scaler.step(optimizer)
    scaler.update()
    assert len([c for c in _gpu.calls if "DtoH" in c.name]) - before <= 2  # the answer, and a record of faults


def test_off() -> None:
    scaler = torch.amp.GradScaler("cuda", enabled=False)
    x = torch.ones(2, device="cuda")
    assert scaler.scale(x) is x and scaler.get_scale() == 1.0 and scaler.state_dict() == {}
    scaler.update()
