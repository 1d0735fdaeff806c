"""Training steps of the tutorial's network, and what they leave behind."""

from __future__ import annotations

from typing import Any

import flambeau as torch
from flambeau import nn
from flambeau.nn import functional as F

OPTIMIZERS = {
    "sgd": lambda params: torch.optim.SGD(params, lr=0.01, momentum=0.9),
    "adam": lambda params: torch.optim.Adam(params, lr=0.01),
}


class Net(nn.Module):
    """The network of PyTorch's tutorial on CIFAR-10."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: Any) -> Any:
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


class Training:
    """A network, an optimizer and a batch, always the same."""

    def __init__(self, optimizer: str) -> None:
        torch.manual_seed(0)
        self.net = Net()
        self.optimizer = OPTIMIZERS[optimizer](self.net.parameters())
        self.images = torch.randn(4, 3, 32, 32)
        self.labels = torch.tensor([1, 7, 3, 0])

    def step(self) -> float:
        """One step, from the noise that is added to the batch to the loss that is looked at."""
        self.optimizer.zero_grad()
        noise = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
        loss = F.cross_entropy(self.net(self.images + 0.01 * noise), self.labels)
        loss.backward()
        self.optimizer.step()
        return float(loss.item())

    def state(self) -> dict[str, Any]:
        """Copies of the parameters and the optimizer's tensors, by name, as arrays."""
        found = {f"net.{k}": v.numpy().copy() for k, v in self.net.state_dict().items()}
        for i, p in enumerate(self.net.parameters()):
            for name, value in self.optimizer.state.get(p, {}).items():
                if value is not None:
                    found[f"optimizer.{i}.{name}"] = value.numpy().copy()
        return found
