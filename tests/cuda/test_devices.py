"""Tensors on a GPU, seen from the front: copies, operands, indexing, what others see of the memory."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from tools.gpu import simulated


@pytest.fixture(scope="module", autouse=True)
def gpu() -> Iterator[Any]:
    with simulated(count=2) as found:
        yield found


def on_gpu(*shape: int) -> Any:
    return torch.arange(int(np.prod(shape)), dtype=torch.float32).reshape(shape).cuda()


# --- copies -----------------------------------------------------------------------------------------


def test_the_tutorials_cuda_section() -> None:
    x, y = torch.rand(5, 3), torch.rand(5, 3)
    assert torch.cuda.is_available()
    a, b = x.cuda(), y.cuda()
    z = a + b
    assert z.is_cuda and torch.equal(z.cpu(), x + y)


def test_where_a_tensor_is() -> None:
    x = torch.ones(2).cuda()
    assert x.device == torch.device("cuda", 0) and x.is_cuda and not x.is_cpu
    assert x.get_device() == 0 and torch.ones(2).get_device() == -1
    assert str(x.device) == "cuda:0" and x.type() == "torch.cuda.FloatTensor"
    assert x.cuda() is x and x.to("cuda:0") is x and x.cpu().cpu().device.type == "cpu"
    y = x.to("cuda:1")
    assert y.device.index == 1 and torch.equal(y.cpu(), x.cpu())
    assert "device='cuda:0'" in repr(x) and "device='cuda:1'" in repr(y)


@pytest.mark.parametrize("make", [
    lambda **k: torch.zeros(2, 3, **k), lambda **k: torch.ones(2, **k),
    lambda **k: torch.full((2, 2), 7, **k), lambda **k: torch.arange(5, **k),
    lambda **k: torch.arange(1.0, 2.0, 0.25, **k), lambda **k: torch.eye(3, **k),
    lambda **k: torch.linspace(0, 1, 5, **k), lambda **k: torch.tensor([1, 2], **k),
    lambda **k: torch.tensor([1.5], dtype=torch.float16, **k), lambda **k: torch.tensor(3, **k),
    lambda **k: torch.arange(5, dtype=torch.bfloat16, **k), lambda **k: torch.zeros(0, 3, **k),
    lambda **k: torch.logspace(0, 2, 3, **k), lambda **k: torch.hann_window(4, **k),
    lambda **k: torch.as_tensor(np.arange(3), **k), lambda **k: torch.empty(2, **k).fill_(2),
    lambda **k: torch.scalar_tensor(2.5, **k),
])  # fmt: skip
def test_creation(make: Any) -> None:
    there, here = make(device="cuda"), make()
    assert there.device == torch.device("cuda:0") and there.dtype == here.dtype
    assert there.cpu().tolist() == here.tolist()


def test_like_and_new() -> None:
    x = on_gpu(2, 3)
    for y in (torch.zeros_like(x), torch.ones_like(x), x.new_zeros(2), x.new_tensor([1.0]),
              x.new_full((2,), 3.0), x.new_ones(1), x.new_empty(1)):  # fmt: skip
        assert y.device == x.device
    assert torch.zeros_like(x, device="cpu").device.type == "cpu"


def test_default_device() -> None:
    with torch.device("cuda"):
        assert torch.zeros(2).is_cuda and torch.tensor([1]).is_cuda
        with torch.device("cpu"):
            assert not torch.zeros(2).is_cuda
    assert not torch.zeros(2).is_cuda
    torch.set_default_device("cuda:1")
    try:
        assert torch.ones(1).device.index == 1 and torch.get_default_device().type == "cuda"
        assert torch.nn.Linear(2, 2).weight.device.index == 1
        x = torch.ones(3, 3, device="cpu")
        assert not torch.nn.functional.cross_entropy(x, torch.zeros(3, dtype=torch.long, device="cpu")).is_cuda
    finally:
        torch.set_default_device(None)
    assert not torch.zeros(2).is_cuda


def test_a_copy_is_of_what_was_there() -> None:
    a = np.ones(4, np.float32)
    x = torch.from_numpy(a)
    y = x.cuda()
    a[:] = 5
    x.add_(1)
    assert y.tolist() == [1.0] * 4
    z = y.cpu()
    y.mul_(3)
    assert z.tolist() == [1.0] * 4 and y.tolist() == [3.0] * 4


def test_numpy_is_refused() -> None:
    with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu"):
        on_gpu(2).numpy()
    with pytest.raises(TypeError, match="can't convert cuda:0"):
        np.asarray(on_gpu(2))
    assert on_gpu(2).numpy(force=True).tolist() == [0, 1]


def test_no_such_device() -> None:
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        torch.ones(1, device="cuda:7")


# --- operands -----------------------------------------------------------------------------------------


def test_operands_on_two_devices() -> None:
    x, y = torch.ones(2, 2), torch.ones(2, 2).cuda()
    with pytest.raises(RuntimeError, match=r"add\(\): Expected all tensors to be on the same device, .*cpu.*cuda:0|cuda:0.*cpu"):
        x + y
    with pytest.raises(RuntimeError, match="same device"):
        torch.cat([x, y])
    with pytest.raises(RuntimeError, match="same device"):
        x.add_(y)
    with pytest.raises(RuntimeError, match="same device"):
        torch.add(y, y, out=torch.empty(2, 2))
    with pytest.raises(RuntimeError, match="same device"):
        y.to("cuda:1") @ y
    with pytest.raises(RuntimeError, match="same device"):
        torch.nn.Linear(2, 2)(y)
    assert torch.equal(x, torch.ones(2, 2))


def test_numbers_may_be_on_the_cpu() -> None:
    y = torch.ones(2, 2).cuda()
    z = y * torch.tensor(2.0) + torch.tensor(1)
    assert z.is_cuda and z.tolist() == [[3.0, 3.0]] * 2
    assert torch.where(y > 0, torch.tensor(1.0), y).tolist() == [[1.0, 1.0]] * 2
    with pytest.raises(RuntimeError, match="same device"):
        torch.tensor(1.0).add_(y[0, 0])


def test_copy_crosses() -> None:
    x, y = torch.zeros(2, 2), on_gpu(2, 2)
    x.copy_(y)
    assert x.tolist() == [[0, 1], [2, 3]]
    y.copy_(torch.ones(2, dtype=torch.int32))
    assert y.tolist() == [[1, 1], [1, 1]]
    y[0] = torch.tensor([5.0, 6.0])
    assert y.tolist() == [[5, 6], [1, 1]]


def test_views_and_writes() -> None:
    x = on_gpu(4, 4)
    y = x.t()[1:3]
    y.zero_()
    x[0, 0] = 9
    x[:, 3] += 1
    want = torch.arange(16.0).reshape(4, 4)
    want.t()[1:3].zero_()
    want[0, 0] = 9
    want[:, 3] += 1
    assert x.tolist() == want.tolist()


def test_indices_from_anywhere() -> None:
    x, want = on_gpu(3, 4), torch.arange(12.0).reshape(3, 4)
    i = torch.tensor([2, 0])
    for index in (i, i.cuda(), [2, 0], np.array([2, 0]), (slice(None), i), x[:, 0] > 3, want[:, 0] > 3):
        host = index.cpu() if isinstance(index, torch.Tensor) else index
        assert x[index].tolist() == want[host].tolist()
    x[i] = 1.0
    want[i] = 1.0
    x[x > 6] = -1
    want[want > 6] = -1
    assert x.tolist() == want.tolist()
    with pytest.raises(RuntimeError, match="indices should be either on cpu or on the same device"):
        x[i.to("cuda:1")]


# --- autograd -----------------------------------------------------------------------------------------


def test_gradients_cross_devices() -> None:
    x = torch.ones(3, requires_grad=True)
    y = (x * 2).cuda()
    assert type(y.grad_fn).__name__ == "ToCopyBackward0"
    (y * y).sum().backward()
    assert x.grad is not None and not x.grad.is_cuda and x.grad.tolist() == [8.0] * 3
    w = torch.ones(3, device="cuda", requires_grad=True)
    (w.cpu() * 3).sum().backward()
    assert w.grad.is_cuda and w.grad.tolist() == [3.0] * 3
    g, = torch.autograd.grad((x.cuda() ** 3).sum(), x, create_graph=True)
    assert torch.autograd.grad(g.sum(), x)[0].tolist() == [6.0] * 3


def test_what_derivatives_make_is_there() -> None:
    x = on_gpu(3, 4).requires_grad_()
    loss = x[1:, ::2].pow(2).sum() + x.max(1)[0].sum() + x.gather(1, torch.zeros(3, 1, dtype=torch.long, device="cuda")).sum()
    loss.backward()
    y = torch.arange(12.0).reshape(3, 4).requires_grad_()
    (y[1:, ::2].pow(2).sum() + y.max(1)[0].sum() + y.gather(1, torch.zeros(3, 1, dtype=torch.long)).sum()).backward()
    assert x.grad.is_cuda and x.grad.tolist() == y.grad.tolist()


def test_a_users_backward_makes_tensors_on_the_cpu() -> None:
    seen = []

    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            seen.append(torch.zeros(1).is_cuda)
            return g * 2

    x = on_gpu(2).requires_grad_()
    Twice.apply(x).sum().backward()
    assert seen == [False] and x.grad.tolist() == [2.0, 2.0]


# --- around -------------------------------------------------------------------------------------------


def test_modules_and_optimizers() -> None:
    torch.manual_seed(0)
    here = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    there = copy.deepcopy(here).cuda()
    assert all(p.is_cuda for p in there.parameters())
    x = torch.randn(5, 3)
    for kind in (torch.optim.SGD, torch.optim.Adam):
        for net, data in ((here, x), (there, x.cuda())):
            optimizer = kind(net.parameters(), 0.1)
            for _ in range(3):
                optimizer.zero_grad()
                net(data).square().mean().backward()
                optimizer.step()
        for p, q in zip(here.parameters(), there.parameters()):
            assert torch.allclose(p, q.cpu(), atol=1e-5)
    state = optimizer.state_dict()["state"][0]
    assert state["exp_avg"].is_cuda and not state["step"].is_cuda
    there.cpu()
    assert not any(p.is_cuda for p in there.parameters())


def test_checkpoints() -> None:
    x = on_gpu(2, 3)
    file = io.BytesIO()
    torch.save({"x": x, "view": x[1], "n": torch.ones(1)}, file)
    for where, kind in ((None, "cuda:0"), ("cpu", "cpu"), ("cuda:1", "cuda:1"), ({"cuda:0": "cuda:1"}, "cuda:1"),
                        (lambda storage, place: storage.cuda(1), "cuda:1")):  # fmt: skip
        file.seek(0)
        found = torch.load(file, map_location=where)
        assert str(found["x"].device) == kind and found["x"].tolist() == x.tolist()
        found["view"].zero_()
        assert found["x"][1].tolist() == [0, 0, 0]
    net = torch.nn.Linear(2, 2)
    net.load_state_dict(torch.nn.Linear(2, 2).cuda().state_dict())
    assert not net.weight.is_cuda


def test_pickle_and_deepcopy() -> None:
    x = on_gpu(3)
    for y in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert y.device == x.device and y.tolist() == x.tolist()


def test_storages() -> None:
    x = on_gpu(4)
    storage = x.untyped_storage()
    assert storage.is_cuda and storage.nbytes() == 16 and str(storage.device) == "cuda:0"
    assert not storage.cpu().is_cuda and storage.cpu().tolist() == torch.arange(4.0).untyped_storage().tolist()
    x.resize_(6)
    assert x.is_cuda and x[:4].tolist() == [0, 1, 2, 3]


def test_pinned_memory() -> None:
    x = torch.arange(5.0)
    y = x.pin_memory()
    assert y.is_pinned() and not x.is_pinned() and y.tolist() == x.tolist()
    assert y.cuda(non_blocking=True).tolist() == x.tolist()
    with pytest.raises(RuntimeError, match="cannot pin"):
        on_gpu(2).pin_memory()
    data = torch.utils.data.TensorDataset(torch.arange(6.0), torch.arange(6))
    for xs, ys in torch.utils.data.DataLoader(data, 3, pin_memory=True):
        assert xs.is_pinned() and ys.is_pinned()


# --- memory that others see -----------------------------------------------------------------------------


def test_addresses_stay() -> None:
    x = on_gpu(4)
    at = x.data_ptr()
    assert x[1:].data_ptr() == at + 4
    x.add_(1)
    x[2] = 7
    assert x.data_ptr() == at and x.tolist() == [1, 2, 7, 4]


def test_cuda_array_interface() -> None:
    x = on_gpu(3, 4)
    said = x.t().__cuda_array_interface__
    assert said["shape"] == (4, 3) and said["typestr"] == "<f4" and said["strides"] == (4, 16)
    assert said["version"] == 3 and said["stream"] == 1

    class Array:
        __cuda_array_interface__ = x.__cuda_array_interface__

    y = torch.as_tensor(Array(), device="cuda")
    assert y.device == x.device and y.tolist() == x.tolist()
    y.zero_()
    assert x.sum().item() == 0
    assert not hasattr(torch.ones(1), "__cuda_array_interface__")
    with pytest.raises(RuntimeError, match="requires grad"):
        on_gpu(1).requires_grad_().__cuda_array_interface__  # noqa: B018


def test_dlpack() -> None:
    x = on_gpu(2, 3)
    assert x.__dlpack_device__() == (2, 0)
    y = torch.from_dlpack(x)
    y[0] = 5
    assert x.tolist() == [[5, 5, 5], [3, 4, 5]] and y.data_ptr() == x.data_ptr()
    z = torch.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(x.t().to(torch.float64)))
    assert z.dtype == torch.float64 and z.tolist() == x.t().tolist()
    x.__dlpack__()  # never read
    copied = torch.from_dlpack(x, copy=True)
    copied.zero_()
    assert x[1, 1].item() == 4
