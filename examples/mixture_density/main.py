"""A mixture density network: several answers to one question (Bishop, 1994)."""

import argparse
import math

import torch
import torch.nn as nn
from torch.distributions import Categorical, MixtureSameFamily, Normal


class MDN(nn.Module):
    """(N, 1) to a mixture of `components` normal distributions for each."""

    def __init__(self, hidden, components):
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(1, hidden), nn.Tanh())
        self.pi = nn.Linear(hidden, components)
        self.mu = nn.Linear(hidden, components)
        self.log_sigma = nn.Linear(hidden, components)

    def forward(self, x):
        z = self.hidden(x)
        return MixtureSameFamily(
            Categorical(logits=self.pi(z)), Normal(self.mu(z), self.log_sigma(z).exp())
        )


def by_hand(model, x, y):
    """The same negative log-likelihood, written out."""
    z = model.hidden(x)
    log_pi = torch.log_softmax(model.pi(z), dim=-1)
    mu, log_sigma = model.mu(z), model.log_sigma(z)
    log_prob = -0.5 * ((y.unsqueeze(-1) - mu) / log_sigma.exp()) ** 2
    log_prob = log_prob - log_sigma - 0.5 * math.log(2 * math.pi)
    return -torch.logsumexp(log_pi + log_prob, dim=-1).mean()


def main():
    parser = argparse.ArgumentParser(description="Mixture density network")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--hidden", type=int, default=20)
    parser.add_argument("--components", type=int, default=5)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--print-every", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    # An arc that turns back: most x have three y.
    y = torch.rand(args.samples) * 20 - 10
    x = (7 * torch.sin(0.75 * y) + 0.5 * y + torch.randn(args.samples)).unsqueeze(1) / 10
    y = y / 10
    model = MDN(args.hidden, args.components)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    for step in range(args.steps):
        loss = -model(x).log_prob(y).mean()
        check = by_hand(model, x, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (step + 1) % args.print_every == 0:
            print(f"step {step + 1}: loss {loss.item():.5f}, by hand {check.item():.5f}")
    with torch.no_grad():
        mixture = model(torch.tensor([[-0.5], [0.0], [0.5]]))
        print("mean", [round(v, 4) for v in mixture.mean.tolist()])
        print("variance", [round(v, 4) for v in mixture.variance.tolist()])


if __name__ == "__main__":
    main()
