"""A normalizing flow of affine couplings learns two moons (Dinh et al., 2016)."""

import argparse
import math

import torch
from torch import nn
from torch.distributions import MultivariateNormal


def moons(count, noise=0.05):
    """Points (N, 2) on two half circles that reach into each other."""
    angle = torch.rand(count) * math.pi
    upper = torch.arange(count) % 2 == 0
    x = torch.where(upper, angle.cos(), 1 - angle.cos())
    y = torch.where(upper, angle.sin(), 0.5 - angle.sin())
    return torch.stack([x, y], dim=1) + noise * torch.randn(count, 2)


class Coupling(nn.Module):
    """One half of the coordinates scales and shifts the other half."""

    def __init__(self, mask, hidden):
        super().__init__()
        self.register_buffer("mask", torch.tensor(mask, dtype=torch.float32))
        self.scale = self.net(hidden, nn.Tanh())
        self.shift = self.net(hidden, nn.Identity())

    @staticmethod
    def net(hidden, last):
        return nn.Sequential(
            nn.Linear(2, hidden), nn.LeakyReLU(), nn.Linear(hidden, hidden), nn.LeakyReLU(),
            nn.Linear(hidden, 2), last,
        )  # fmt: skip

    def forward(self, x):
        """To the base distribution, with the logarithm of the determinant."""
        kept = x * self.mask
        scale, shift = self.scale(kept) * (1 - self.mask), self.shift(kept) * (1 - self.mask)
        return kept + (1 - self.mask) * (x - shift) * torch.exp(-scale), -scale.sum(dim=1)

    def inverse(self, z):
        kept = z * self.mask
        scale, shift = self.scale(kept) * (1 - self.mask), self.shift(kept) * (1 - self.mask)
        return kept + (1 - self.mask) * (z * torch.exp(scale) + shift)


class Flow(nn.Module):
    def __init__(self, layers, hidden):
        super().__init__()
        masks = [[0.0, 1.0] if i % 2 == 0 else [1.0, 0.0] for i in range(layers)]
        self.couplings = nn.ModuleList(Coupling(mask, hidden) for mask in masks)
        self.base = MultivariateNormal(torch.zeros(2), torch.eye(2))

    def log_prob(self, x):
        total = x.new_zeros(x.shape[0])
        for coupling in reversed(self.couplings):
            x, log_det = coupling(x)
            total += log_det
        return self.base.log_prob(x) + total

    @torch.no_grad()
    def sample(self, count):
        z = self.base.sample((count,))
        for coupling in self.couplings:
            z = coupling.inverse(z)
        return z


def main():
    parser = argparse.ArgumentParser(description="Normalizing flow")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--print-every", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    flow = Flow(args.layers, args.hidden)
    optimizer = torch.optim.Adam(flow.parameters(), lr=args.lr)
    for step in range(1, args.steps + 1):
        loss = -flow.log_prob(moons(args.batch_size)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % args.print_every == 0:
            print(f"step {step}: loss {loss.item():.5f}")
    points = flow.sample(500)
    print("samples: mean", [round(v, 3) for v in points.mean(0).tolist()],
          "std", [round(v, 3) for v in points.std(0).tolist()])  # fmt: skip


if __name__ == "__main__":
    main()
