"""What the soak does with networks and tensors. Each function takes a `random.Random`."""

from __future__ import annotations

import copy
import gc
import threading
from random import Random
from typing import Any

import numpy as np

import flambeau as torch
from flambeau import nn, optim
from flambeau.nn import functional as F
from flambeau.utils.checkpoint import checkpoint

OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.01, momentum=0.9),
    "Adam": lambda p: optim.Adam(p, lr=0.001),
    "AdamW": lambda p: optim.AdamW(p, lr=0.001, amsgrad=True),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.001),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.01),
    "NAdam": lambda p: optim.NAdam(p, lr=0.001),
}


class Recurrent(nn.Module):
    """A recurrent layer and a linear one: (batch, time, 5) to (batch, 4)."""

    def __init__(self, kind: str, width: int) -> None:
        super().__init__()
        self.layer = getattr(nn, kind)(5, width, batch_first=True)
        self.head = nn.Linear(width, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layer(x)[0][:, -1])


def make_mlp(random: Random) -> tuple[nn.Module, tuple[int, ...]]:
    wide, features = random.choice((8, 16, 24, 64)), random.choice((3, 10, 20))
    layers: list[nn.Module] = [nn.Linear(features, wide)]
    for _ in range(random.randrange(3)):
        layers += [random.choice((nn.ReLU, nn.GELU, nn.Tanh))(), nn.Linear(wide, wide)]
    return nn.Sequential(*layers, nn.Dropout(0.1), nn.Linear(wide, 4)), (features,)


def make_cnn(random: Random) -> tuple[nn.Module, tuple[int, ...]]:
    channels, side = random.choice((3, 4, 8)), random.choice((8, 12, 16))
    net = nn.Sequential(
        nn.Conv2d(3, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(channels, 2 * channels, random.choice((1, 3))), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * channels, 4),
    )  # fmt: skip
    return net, (3, side, side)


def make_rnn(random: Random) -> tuple[nn.Module, tuple[int, ...]]:
    net = Recurrent(random.choice(("RNN", "LSTM", "GRU")), random.choice((4, 8)))
    return net, (random.randrange(2, 8), 5)


def train(random: Random) -> None:
    """A new network of a random kind and size, a few steps with a random optimizer."""
    net, shape = random.choice((make_mlp, make_cnn, make_rnn))(random)
    optimizer = random.choice(list(OPTIMIZERS.values()))(net.parameters())
    scheduler = optim.lr_scheduler.StepLR(optimizer, 2)
    steps(net, optimizer, shape, random.choice((1, 4, 7, 32)), random.randrange(2, 7))
    scheduler.step()
    net.eval()
    with torch.no_grad():
        assert net(torch.randn(3, *shape)).argmax(1).shape == (3,)


def steps(net: nn.Module, optimizer: Any, shape: tuple[int, ...], batch: int, count: int) -> None:
    """Training steps on random data. The loss has to stay finite."""
    for _ in range(count):
        x, y = torch.randn(batch, *shape), torch.randint(0, 4, (batch,))
        if batch == 1:
            net.eval()  # batch norm has nothing to average over
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
    assert np.isfinite(loss.item())


_UNARY = [torch.sin, torch.exp, torch.tanh, torch.sigmoid, torch.relu, torch.abs, torch.neg]
_BINARY = [torch.add, torch.mul, torch.sub, torch.maximum]


def fresh_graph(random: Random) -> None:
    """A graph whose structure and shapes have hardly been there before, forward and backward."""
    shape = tuple(random.randrange(1, 9) for _ in range(random.randrange(1, 4)))
    leaves = [torch.randn(shape, requires_grad=True) for _ in range(2)]
    for _ in range(random.choice((1, 1, 3))):  # once: interpreted; more: compiled too
        values = list(leaves)
        state = Random(random.random())
        for _ in range(state.randrange(3, 25)):
            if state.random() < 0.5:
                values.append(state.choice(_UNARY)(state.choice(values)).clamp(-5, 5))
            else:
                made = state.choice(_BINARY)(state.choice(values), state.choice(values))
                values.append(made.clamp(-5, 5))  # squares of squares overflow
            if state.random() < 0.1:
                values.append(values[-1].sum(0, keepdim=True).expand(shape))
        (values[-1].sum() + sum(leaf.sum() for leaf in leaves)).backward()
    assert leaves[0].grad is not None and leaves[0].grad.isfinite().all()


def dropped_work(random: Random) -> None:
    """Operations that nobody looks at, and a backward pass that doesn't come."""
    x = torch.randn(random.randrange(1, 500), requires_grad=True)
    for _ in range(random.randrange(1, 300)):
        x = x * 1.01 + 1
    if random.random() < 0.3:
        x.sum().backward()


def deep_graph(random: Random) -> None:
    """Thousands of operations in one backward pass."""
    x = torch.ones(3, requires_grad=True)
    y = x
    for _ in range(random.choice((1000, 5000, 20000))):
        y = y + 1
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [1.0, 1.0, 1.0]


def big_tensors(random: Random) -> None:
    """Tens of megabytes that come and go."""
    n = random.randrange(1 << 20, 1 << 24)
    x = torch.ones(n)
    y = (x * 2 + 1).sum()
    assert abs(y.item() / n - 3.0) < 1e-4
    del x
    assert torch.zeros(n // 2).view(-1).add_(1).mean().item() == 1.0


def views_and_exchange(random: Random) -> None:
    """Views, writes through them, NumPy's memory, DLPack both ways."""
    rows, columns = random.randrange(2, 40), random.randrange(2, 40)
    base = torch.zeros(rows, columns)
    base[::2].add_(1)
    base.t()[0] = 5
    outside = base.numpy()
    outside[0, 0] = 7
    assert base[0, 0].item() == 7
    again = torch.from_dlpack(np.from_dlpack(base))
    again.mul_(2)
    assert outside[0, 0] == 14
    np.from_dlpack(torch.arange(rows))
    torch.utils.dlpack.to_dlpack(base)  # a capsule that nobody opens
    torch.frombuffer(bytearray(8 * rows), dtype=torch.float64).add_(1)
    assert torch.from_numpy(np.arange(columns)).sum().item() == columns * (columns - 1) // 2


class Failing(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x * 2

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        raise ValueError("on purpose")


def errors(random: Random) -> None:
    """Mistakes of many kinds, each of which has to be an exception."""
    x = torch.randn(random.randrange(2, 9), 3, requires_grad=True)
    y = (x * 2).sum()
    y.backward()
    mistakes = [
        lambda: torch.ones(2, 3) @ torch.ones(2, 3),
        lambda: y.backward(),
        lambda: Failing.apply(x).sum().backward(),
        lambda: x.view(-1, 7, 11),
        lambda: x[99],
        lambda: nn.Linear(3, 4)(torch.ones(2, 5)),
        lambda: torch.empty(1 << 50),
        lambda: x.add_(1),
        lambda: torch.tensor([[1.0], [2.0, 3.0]]),
    ]
    for mistake in random.sample(mistakes, 4):
        try:
            mistake()
        except (RuntimeError, ValueError, IndexError, MemoryError):
            continue
        raise AssertionError("no error")


def threads(random: Random) -> None:
    """Three threads that train at once."""
    failed: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            train(Random(seed))
        except BaseException as error:
            failed.append(error)

    started = [threading.Thread(target=work, args=(random.randrange(50),)) for _ in range(3)]
    for one in started:
        one.start()
    for one in started:
        one.join()
    if failed:
        raise failed[0]


def machinery(random: Random) -> None:
    """Hooks, second derivatives, vmap and forward mode, checkpointing, copies, `compile`."""
    net, shape = make_mlp(random)
    handle = net.register_forward_hook(lambda module, args, out: out * 1)
    x = torch.randn(4, *shape, requires_grad=True)
    (grad,) = torch.autograd.grad(net(x).pow(2).sum(), x, create_graph=True)
    grad.register_hook(lambda g: g * 2)
    grad.sum().backward()
    checkpoint(net, x, use_reentrant=False).sum().backward()
    handle.remove()
    twin = copy.deepcopy(net)
    twin.load_state_dict(net.state_dict())
    torch.compile(twin)(x).sum().backward()
    torch.func.vmap(torch.sin)(x)
    torch.func.jvp(torch.cos, (x.detach(),), (torch.ones_like(x),))
    torch.func.grad(lambda v: v.tanh().sum())(x.detach())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        net(x).sum().item()
    generator = torch.Generator().manual_seed(random.randrange(99))
    torch.rand(3, generator=generator)


def garbage(random: Random) -> None:
    """Cycles with tensors and networks in them, some of which the collector finds later."""
    net, _ = make_mlp(random)
    net.itself = [net]  # type: ignore[assignment]
    x = torch.randn(1000, requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: (y, g)[1])
    holder: list[Any] = [x, y]
    holder.append(holder)
    if random.random() < 0.2:
        gc.collect()
