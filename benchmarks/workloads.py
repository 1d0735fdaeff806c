"""The programs that are timed: each is written once and run under both frameworks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Workload(NamedTuple):
    """A name, how to make a step under a framework, and how many steps one sample times."""

    name: str
    make: Callable[[Any], Callable[[], Any]]
    steps: int
    warmup: int = 3


def _classifier(torch: Any, net: Any, x: Any, y: Any, optimizer: Any) -> Callable[[], Any]:
    criterion = torch.nn.CrossEntropyLoss()

    def step() -> Any:
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


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


def cnn(batch: int) -> Callable[[Any], Callable[[], Any]]:
    def make(torch: Any) -> Callable[[], Any]:
        torch.manual_seed(0)
        net = tutorial_net(torch, 3)
        x = torch.randn(batch, 3, 32, 32)
        y = torch.randint(0, 10, (batch,))
        return _classifier(torch, net, x, y, torch.optim.SGD(net.parameters(), 0.001, momentum=0.9))

    return make


def mlp(torch: Any) -> Callable[[], Any]:
    torch.manual_seed(0)
    nn = torch.nn
    net = nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Dropout(0.2), nn.Linear(512, 512), nn.ReLU(),
        nn.Dropout(0.2), nn.Linear(512, 10),
    )  # fmt: skip
    x = torch.randn(128, 784)
    y = torch.randint(0, 10, (128,))
    return _classifier(torch, net, x, y, torch.optim.Adam(net.parameters(), 1e-3))


def resnet18(torch: Any) -> Callable[[], Any]:
    """ResNet-18 with a stem for 32 x 32 images (3x3, stride 1, no pooling)."""
    torch.manual_seed(0)
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

    layers: list[Any] = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    width = 64
    for outside, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(width, outside, stride), Block(outside, outside, 1)]
        width = outside
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10)]
    net = nn.Sequential(*layers)
    x = torch.randn(8, 3, 32, 32)
    y = torch.randint(0, 10, (8,))
    return _classifier(torch, net, x, y, torch.optim.SGD(net.parameters(), 0.01, momentum=0.9))


def rnn(torch: Any) -> Callable[[], Any]:
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

    net = Net()
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

    return step


WORKLOADS = (
    Workload("tutorial CNN, batch 4", cnn(4), 20, 10),
    Workload("tutorial CNN, batch 64", cnn(64), 5),
    Workload("tutorial CNN, batch 256", cnn(256), 2),
    Workload("MLP 784-512-512-10, dropout, batch 128, Adam", mlp, 5),
    Workload("hand-written RNN, 10 steps, batch 1", rnn, 20, 10),
    Workload("ResNet-18 (32x32 stem), batch 8", resnet18, 1, 1),
)
