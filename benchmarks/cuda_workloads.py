"""What is trained on a GPU, for both frameworks: networks, data and a step, made on the CPU from one
seed, so that both start with the same numbers, and then moved.

Nothing drops out: the frameworks draw other random numbers on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .workloads import Step, Workload, plain, tutorial_net

MODES = {"float32": 1e-3, "tf32": 1e-2, "bfloat16": 5e-2}
"""How products are computed, and how far losses may be apart, relative. float32 is the frameworks'
default: TF32 in convolutions, not in matrix products."""


class Network(NamedTuple):
    """A network and how it is trained. `make` gets the framework, and then the size's numbers."""

    name: str
    make: Callable[..., tuple[Any, Callable[[Any], Any], tuple[Any, ...], Callable[..., Any]]]
    """Gives the network; a function of the network that gives the loss, of data; the data; and
    the optimizer, of the parameters."""
    full: tuple[int, ...]
    tiny: tuple[int, ...]
    """The same in seconds on a simulated GPU."""
    small: bool = False
    """Whether launches cost more than what they launch: then replay must win by more."""
    steps: int = 10


def workload(network: Network, mode: str, device: str, tiny: bool = False) -> Workload:
    """A training step on a device, for `measure.compare`. Making one sets the framework's precision."""
    sizes = network.tiny if tiny else network.full

    def make(lib: Any, wrap: Callable[[Any], Any] = plain) -> Step:
        lib.set_float32_matmul_precision("high" if mode == "tf32" else "highest")
        lib.manual_seed(0)
        net, loss_of, data, optimizer_of = network.make(lib, *sizes)
        net = net.to(device)
        data = tuple(x.to(device) for x in data)
        optimizer = optimizer_of(net.parameters())
        called = wrap(net)

        def loss() -> Any:
            if mode != "bfloat16":
                return loss_of(lib, called, *data)
            with lib.autocast(device.partition(":")[0], dtype=lib.bfloat16):
                return loss_of(lib, called, *data)

        def step() -> Any:
            optimizer.zero_grad()
            found = loss()
            found.backward()
            optimizer.step()
            return found

        step.net = net  # type: ignore[attr-defined]
        return step

    name = f"{network.name.format(*sizes)}, {mode}"
    must = 3.0 if network.small else 1.0
    return Workload(name, make, 1 if tiny else network.steps, 3 if tiny else 30, must, max(must, 1.0))


def _classes(lib: Any, net: Any, x: Any, y: Any) -> Any:
    return lib.nn.functional.cross_entropy(net(x), y)


def _sgd(lib: Any) -> Callable[..., Any]:
    return lambda parameters: lib.optim.SGD(parameters, 0.01, momentum=0.9)


# --- images -------------------------------------------------------------------------------------


def _cnn(lib: Any, batch: int) -> Any:
    net = tutorial_net(lib, 3)
    x, y = lib.randn(batch, 3, 32, 32), lib.randint(0, 10, (batch,))
    return net, lambda lib, net, x, y: _classes(lib, net, x, y), (x, y), _sgd(lib)


def resnet(lib: Any, blocks: list[int], deep: bool, width: int, classes: int) -> Any:
    """A residual network for large images (He et al., "Deep residual learning for image recognition",
    2016): `blocks` of each of the stages, of two layers, or of three where it is deep."""
    nn, functional = lib.nn, lib.nn.functional
    grown = 4 if deep else 1

    class Block(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self, inside: int, narrow: int, stride: int) -> None:
            super().__init__()
            outside = narrow * grown
            kinds = [(1, 1), (3, stride), (1, 1)] if deep else [(3, stride), (3, 1)]
            widths = [inside, *[narrow] * (len(kinds) - 1), outside]
            self.convs = nn.ModuleList([
                nn.Conv2d(a, b, k, s, k // 2, bias=False)
                for (k, s), a, b in zip(kinds, widths, widths[1:])
            ])  # fmt: skip
            self.norms = nn.ModuleList([nn.BatchNorm2d(b) for b in widths[1:]])
            self.skip = nn.Sequential()
            if stride != 1 or inside != outside:
                self.skip = nn.Sequential(
                    nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside)
                )

        def forward(self, x: Any) -> Any:
            y = x
            for i, (conv, norm) in enumerate(zip(self.convs, self.norms)):
                y = norm(conv(y if i == 0 else functional.relu(y)))
            return functional.relu(y + self.skip(x))

    layers: list[Any] = [
        nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
    ]  # fmt: skip
    inside = width
    for stage, count in enumerate(blocks):
        for i in range(count):
            narrow = width << stage
            layers.append(Block(inside, narrow, 2 if stage and not i else 1))
            inside = narrow * grown
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inside, classes))


def _resnet(deep: bool) -> Callable[..., Any]:
    def make(lib: Any, batch: int, size: int, width: int, stages: int) -> Any:
        blocks = ([3, 4, 6, 3] if deep else [2, 2, 2, 2]) if stages == 4 else [1] * stages
        net = resnet(lib, blocks, deep, width, 1000 if stages == 4 else 10)
        x, y = lib.randn(batch, 3, size, size), lib.randint(0, 10, (batch,))
        return net, lambda lib, net, x, y: _classes(lib, net, x, y), (x, y), _sgd(lib)

    return make


# --- vectors and words --------------------------------------------------------------------------


def _mlp(lib: Any, batch: int, width: int) -> Any:
    nn = lib.nn
    net = nn.Sequential(
        nn.Linear(784, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)
    )
    x, y = lib.randn(batch, 784), lib.randint(0, 10, (batch,))
    return (
        net, lambda lib, net, x, y: _classes(lib, net, x, y), (x, y),
        lambda parameters: lib.optim.Adam(parameters, 1e-3),
    )  # fmt: skip


def _rnn(lib: Any, length: int, width: int) -> Any:
    nn = lib.nn

    class Net(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.i2h = nn.Linear(57 + width, width)
            self.i2o = nn.Linear(57 + width, 18)

        def forward(self, line: Any) -> Any:
            hidden, out = lib.zeros(1, width, device=line.device), None
            for letter in line:
                both = lib.cat((letter, hidden), 1)
                hidden = lib.tanh(self.i2h(both))
                out = self.i2o(both)
            return lib.log_softmax(out, 1)

    def loss(lib: Any, net: Any, line: Any, target: Any) -> Any:
        return lib.nn.functional.nll_loss(net(line), target)

    data = lib.randn(length, 1, 57), lib.tensor([3])
    return Net(), loss, data, lambda parameters: lib.optim.SGD(parameters, 0.005)


def _gpt(lib: Any, layers: int, width: int, heads: int, length: int, batch: int, words: int) -> Any:
    nn, functional = lib.nn, lib.nn.functional

    class Block(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.norm1 = nn.LayerNorm(width)
            self.qkv = nn.Linear(width, 3 * width)
            self.out = nn.Linear(width, width)
            self.norm2 = nn.LayerNorm(width)
            self.up = nn.Linear(width, 4 * width)
            self.down = nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            b, t, _ = x.shape
            q, k, v = self.qkv(self.norm1(x)).split(width, 2)
            q, k, v = (z.view(b, t, heads, width // heads).transpose(1, 2) for z in (q, k, v))
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(b, t, width))
            return x + self.down(functional.gelu(self.up(self.norm2(x))))

    class Net(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(words, width)
            self.places = nn.Embedding(length, width)
            self.blocks = nn.Sequential(*[Block() for _ in range(layers)])
            self.norm = nn.LayerNorm(width)
            self.head = nn.Linear(width, words, bias=False)

        def forward(self, x: Any) -> Any:
            h = self.words(x) + self.places(lib.arange(x.size(1), device=x.device))
            return self.head(self.norm(self.blocks(h)))

    def loss(lib: Any, net: Any, x: Any, y: Any) -> Any:
        return lib.nn.functional.cross_entropy(net(x).view(-1, words), y.view(-1))

    data = lib.randint(0, words, (batch, length)), lib.randint(0, words, (batch, length))
    return Net(), loss, data, lambda parameters: lib.optim.AdamW(parameters, 3e-4)


NETWORKS = (
    Network("tutorial CNN, batch {0}", _cnn, (4,), (2,), True, 50),
    Network("tutorial CNN, batch {0}", _cnn, (256,), (2,), True, 50),
    Network("MLP 784-{1}-{1}-10, batch {0}, Adam", _mlp, (128, 512), (4, 8), True, 50),
    Network("hand-written RNN, {0} steps, batch 1", _rnn, (10, 128), (2, 8), True, 50),
    Network("ResNet-18 at {1}x{1}, batch {0}", _resnet(False), (64, 224, 64, 4), (2, 16, 4, 1)),
    Network("ResNet-18 at {1}x{1}, batch {0}", _resnet(False), (256, 224, 64, 4), (2, 16, 4, 1), False, 4),
    Network("ResNet-50 at {1}x{1}, batch {0}", _resnet(True), (64, 224, 64, 4), (2, 16, 4, 1), False, 5),
    Network("ResNet-50 at {1}x{1}, batch {0}", _resnet(True), (256, 224, 64, 4), (2, 16, 4, 1), False, 2),
    Network(
        "GPT, {0} layers, {1} wide, {3} tokens, batch {4}, AdamW", _gpt,
        (12, 768, 12, 1024, 8, 50304), (1, 16, 2, 8, 2, 11), False, 4,
    ),
)  # fmt: skip
"""Those that the notes tell of."""
