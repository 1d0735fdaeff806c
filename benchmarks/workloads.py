"""The programs that are timed: each is written once and run under both frameworks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Step = Callable[[], Any]
"""Does one step and gives its loss. Its attribute `net` is the network."""


def plain(net: Any) -> Any:
    """The network as it is."""
    return net


class Workload(NamedTuple):
    """A name, how to make a step under a framework, and how many steps one sample times.

    `make` takes the framework and what is done with the network before it is used (`torch.compile`
    in one column of the table)."""

    name: str
    make: Callable[..., Step]
    steps: int
    warmup: int = 3
    must: float = 1.0
    """By how much flambeau is to be faster than PyTorch."""
    aim: float = 1.0


def _with(net: Any, step: Any) -> Step:
    """The step, with the network to look at."""
    step.net = net
    return step  # type: ignore[no-any-return]


def _classifier(torch: Any, net: Any, x: Any, y: Any, optimizer: Any) -> Step:
    criterion = torch.nn.CrossEntropyLoss()

    def step() -> Any:
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return _with(net, step)


def tutorial_net(torch: Any, channels: int) -> Any:
    """The tutorial's network."""
    nn, functional = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(channels, 6, 5)
            self.conv2 = nn.Conv2d(6, 16, 5)
            self.fc1 = nn.Linear(16 * 5 * 5, 120)
            self.fc2 = nn.Linear(120, 84)
            self.fc3 = nn.Linear(84, 10)

        def forward(self, x: Any) -> Any:
            x = functional.max_pool2d(functional.relu(self.conv1(x)), (2, 2))
            x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
            x = x.view(-1, 16 * 5 * 5)
            x = functional.relu(self.fc1(x))
            x = functional.relu(self.fc2(x))
            return self.fc3(x)

    return Net()


def cnn(batch: int) -> Callable[..., Step]:
    def make(torch: Any, wrap: Callable[[Any], Any] = plain) -> Step:
        torch.manual_seed(0)
        net = wrap(tutorial_net(torch, 3))
        x = torch.randn(batch, 3, 32, 32)
        y = torch.randint(0, 10, (batch,))
        return _classifier(torch, net, x, y, torch.optim.SGD(net.parameters(), 0.001, momentum=0.9))

    return make


def mlp(torch: Any, wrap: Callable[[Any], Any] = plain) -> Step:
    torch.manual_seed(0)
    nn = torch.nn
    net = wrap(nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Dropout(0.2), nn.Linear(512, 512), nn.ReLU(),
        nn.Dropout(0.2), nn.Linear(512, 10),
    ))  # fmt: skip
    x = torch.randn(128, 784)
    y = torch.randint(0, 10, (128,))
    return _classifier(torch, net, x, y, torch.optim.Adam(net.parameters(), 1e-3))


def residual_net(torch: Any, stem: list[Any], classes: int) -> Any:
    """ResNet-18 behind a stem of 64 channels."""
    nn, functional = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self, inside: int, outside: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(outside)
            self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(outside)
            self.skip = nn.Sequential()
            if stride != 1 or inside != outside:
                self.skip = nn.Sequential(
                    nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside)
                )

        def forward(self, x: Any) -> Any:
            y = functional.relu(self.bn1(self.conv1(x)))
            return functional.relu(self.bn2(self.conv2(y)) + self.skip(x))

    layers = list(stem)
    width = 64
    for outside, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(width, outside, stride), Block(outside, outside, 1)]
        width = outside
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes)]
    return nn.Sequential(*layers)


def small_resnet(torch: Any) -> Any:
    """With a stem for 32 x 32 images (3x3, stride 1, no pooling)."""
    nn = torch.nn
    stem = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    return residual_net(torch, stem, 10)


def large_resnet(torch: Any) -> Any:
    """With the stem for 224 x 224 images."""
    nn = torch.nn
    stem = [
        nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
    ]  # fmt: skip
    return residual_net(torch, stem, 1000)


def resnet18(net_of: Callable[[Any], Any], batch: int, size: int) -> Callable[..., Step]:
    def make(torch: Any, wrap: Callable[[Any], Any] = plain) -> Step:
        torch.manual_seed(0)
        net = wrap(net_of(torch))
        x = torch.randn(batch, 3, size, size)
        y = torch.randint(0, 10, (batch,))
        return _classifier(torch, net, x, y, torch.optim.SGD(net.parameters(), 0.01, momentum=0.9))

    return make


def inference(torch: Any, wrap: Callable[[Any], Any] = plain) -> Step:
    """ResNet-18 at 224 x 224 looking at one image."""
    torch.manual_seed(0)
    net = wrap(large_resnet(torch).eval())
    x = torch.randn(1, 3, 224, 224)

    def step() -> Any:
        with torch.no_grad():
            return net(x).sum()

    return _with(net, step)


def rnn(torch: Any, wrap: Callable[[Any], Any] = plain) -> Step:
    """A hand-written recurrent network: a Python loop of ten steps at batch 1."""
    torch.manual_seed(0)
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.i2h = nn.Linear(57 + 128, 128)
            self.i2o = nn.Linear(57 + 128, 18)

        def forward(self, line: Any) -> Any:
            hidden = torch.zeros(1, 128)
            out = None
            for letter in line:
                both = torch.cat((letter, hidden), 1)
                hidden = torch.tanh(self.i2h(both))
                out = self.i2o(both)
            return torch.log_softmax(out, 1)

    net = wrap(Net())
    line = torch.randn(10, 1, 57)
    target = torch.tensor([3])
    optimizer = torch.optim.SGD(net.parameters(), 0.005)
    criterion = nn.NLLLoss()

    def step() -> Any:
        optimizer.zero_grad()
        loss = criterion(net(line), target)
        loss.backward()
        optimizer.step()
        return loss

    return _with(net, step)


def lstm(torch: Any, wrap: Callable[[Any], Any] = plain) -> Step:
    """An LSTM of one layer written with operations: 64 steps, batch 16, 128 hidden units."""
    torch.manual_seed(0)
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.from_input = nn.Linear(64, 4 * 128)
            self.from_hidden = nn.Linear(128, 4 * 128)
            self.head = nn.Linear(128, 10)

        def forward(self, x: Any) -> Any:
            h = torch.zeros(x.size(1), 128)
            c = torch.zeros(x.size(1), 128)
            for t in range(x.size(0)):
                gates = self.from_input(x[t]) + self.from_hidden(h)
                i, f, g, o = gates.chunk(4, 1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
            return self.head(h)

    net = wrap(Net())
    x = torch.randn(64, 16, 64)
    y = torch.randint(0, 10, (16,))
    return _classifier(torch, net, x, y, torch.optim.SGD(net.parameters(), 0.01))


def gpt(torch: Any, wrap: Callable[[Any], Any] = plain) -> Step:
    """Four transformer blocks, 192 wide, 6 heads, 128 tokens, batch 8, AdamW."""
    torch.manual_seed(0)
    nn, functional = torch.nn, torch.nn.functional
    width, heads, length, words = 192, 6, 128, 65

    class Block(nn.Module):
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

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(words, width)
            self.places = nn.Embedding(length, width)
            self.blocks = nn.Sequential(*[Block() for _ in range(4)])
            self.norm = nn.LayerNorm(width)
            self.head = nn.Linear(width, words)

        def forward(self, x: Any) -> Any:
            h = self.words(x) + self.places(torch.arange(x.size(1)))
            return self.head(self.norm(self.blocks(h)))

    net = wrap(Net())
    x = torch.randint(0, words, (8, length))
    y = torch.randint(0, words, (8, length))
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3)

    def step() -> Any:
        optimizer.zero_grad()
        loss = functional.cross_entropy(net(x).view(-1, words), y.view(-1))
        loss.backward()
        optimizer.step()
        return loss

    return _with(net, step)


def packed_lstm(torch: Any, wrap: Callable[[Any], Any] = plain) -> Step:
    """nn.LSTM of two layers, both ways, over 16 packed sequences of 12 to 50 steps."""
    torch.manual_seed(0)
    nn = torch.nn
    pack = nn.utils.rnn.pack_padded_sequence

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(200, 64)
            self.lstm = nn.LSTM(64, 96, num_layers=2, bidirectional=True, batch_first=True)
            self.head = nn.Linear(2 * 96, 10)

        def forward(self, x: Any) -> Any:
            _, (h, _) = self.lstm(pack(self.words(x), lengths, batch_first=True, enforce_sorted=False))
            return self.head(torch.cat([h[-2], h[-1]], 1))

    net = wrap(Net())
    x = torch.randint(0, 200, (16, 50))
    lengths = torch.randint(12, 51, (16,))
    lengths[3] = 50
    y = torch.randint(0, 10, (16,))
    return _classifier(torch, net, x, y, torch.optim.SGD(net.parameters(), 0.01))


def transformer(torch: Any, wrap: Callable[[Any], Any] = plain) -> Step:
    """nn.TransformerEncoder: 3 layers, 128 wide, 4 heads, 64 tokens, batch 16, with padding."""
    torch.manual_seed(0)
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(200, 128)
            layer = nn.TransformerEncoderLayer(128, 4, 256, dropout=0.0, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
            self.head = nn.Linear(128, 10)

        def forward(self, x: Any) -> Any:
            return self.head(self.encoder(self.words(x), src_key_padding_mask=padding).mean(1))

    net = wrap(Net())
    x = torch.randint(0, 200, (16, 64))
    padding = torch.arange(64) >= torch.randint(40, 65, (16, 1))
    y = torch.randint(0, 10, (16,))
    return _classifier(torch, net, x, y, torch.optim.Adam(net.parameters(), 1e-3))


WORKLOADS = (
    Workload("tutorial CNN, batch 4", cnn(4), 20, 40, 3, 6),
    Workload("tutorial CNN, batch 64", cnn(64), 5, 15, 2.5, 5),
    Workload("tutorial CNN, batch 256", cnn(256), 2, 10, 2.5, 4),
    Workload("MLP 784-512-512-10, dropout, batch 128, Adam", mlp, 5, 15, 1.3, 2),
    Workload("ResNet-18 (32x32 stem), batch 32", resnet18(small_resnet, 32, 32), 1, 3, 1.3, 2),
    Workload("ResNet-18 at 224x224, batch 4", resnet18(large_resnet, 4, 224), 1, 3, 1.2, 1.8),
    Workload("ResNet-18 at 224x224, inference, batch 1", inference, 3, 6, 1.3, 2),
    Workload("hand-written RNN, 10 steps, batch 1", rnn, 20, 40, 2, 5),
    Workload("LSTM of operations, 64 steps, batch 16", lstm, 2, 8, 1.5, 3),
    Workload("nn.LSTM, packed, 2 layers both ways, batch 16", packed_lstm, 2, 8, 1, 1.5),
    Workload("nn.TransformerEncoder, 3 layers, batch 16", transformer, 2, 8, 1, 1.5),
    Workload("GPT blocks, 4 layers, 192 wide, AdamW", gpt, 2, 8, 1.1, 1.6),
)
