"""A small training that the scripts here interrupt, fork and run side by side."""

from __future__ import annotations

import numpy as np

import flambeau as torch
from flambeau import nn
from flambeau.nn import functional as F  # noqa: N812


def network(generator: torch.Generator) -> nn.Module:
    """(n, 8) → (n, 4)"""
    net = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4))
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.3)
    return net


def train(seed: int, steps: int) -> list[np.ndarray]:
    """The parameters after so many steps. Everything random is the seed's."""
    generator = torch.Generator().manual_seed(seed)
    net = network(generator)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for i in range(steps):
        x = torch.randn(6, 8, generator=generator)
        y = torch.randint(0, 4, (6,), generator=generator)
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        if (i + seed) % 3 == 0:
            loss.item()
    return [p.detach().numpy().copy() for p in net.parameters()]
