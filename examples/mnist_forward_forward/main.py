"""The forward-forward algorithm (Hinton, 2022): each layer learns by itself, nothing goes backward.

A picture with its right label painted into it is to give a layer large activities, one with a
wrong label small ones.
"""

import argparse
import os

import torch
import torch.nn as nn
from torch.optim import Adam
from torch.utils.data import DataLoader
from torchvision.datasets import MNIST
from torchvision.transforms import Compose, Lambda, Normalize, ToTensor

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data")


def paint_label(pictures, labels):
    """The first ten pixels become the label: all 0 but one at the largest value there is."""
    painted = pictures.clone()
    painted[:, :10] *= 0.0
    painted[range(pictures.shape[0]), labels] = pictures.max()
    return painted


def wrong_labels(labels):
    """For each a label that is not its own."""
    return (labels + torch.randint(1, 10, labels.shape, device=labels.device)) % 10


class Layer(nn.Linear):
    """A linear layer with an optimizer of its own."""

    def __init__(self, fan_in, fan_out, lr, threshold):
        super().__init__(fan_in, fan_out)
        self.relu = torch.nn.ReLU()
        self.threshold = threshold
        self.opt = Adam(self.parameters(), lr=lr)

    def forward(self, x):
        direction = x / (x.norm(2, 1, keepdim=True) + 1e-4)
        return self.relu(torch.mm(direction, self.weight.T) + self.bias.unsqueeze(0))

    def learn(self, positive, negative, steps):
        """Raise the goodness of `positive`, lower that of `negative`; returns outputs, losses."""
        losses = []
        for _ in range(steps):
            good = self.forward(positive).pow(2).mean(1)
            bad = self.forward(negative).pow(2).mean(1)
            margin = torch.cat([self.threshold - good, bad - self.threshold])
            loss = torch.log(1 + torch.exp(margin)).mean()
            self.opt.zero_grad()
            loss.backward()
            self.opt.step()
            losses.append(loss.item())
        return self.forward(positive).detach(), self.forward(negative).detach(), losses


class Net(torch.nn.Module):
    def __init__(self, sizes, lr, threshold):
        super().__init__()
        self.layers = [Layer(a, b, lr, threshold) for a, b in zip(sizes[:-1], sizes[1:])]

    @torch.no_grad()
    def predict(self, x):
        """The label that gives the layers the largest goodness together."""
        goodness = []
        for label in range(10):
            h = paint_label(x, torch.full((len(x),), label))
            total = 0
            for layer in self.layers:
                h = layer(h)
                total = total + h.pow(2).mean(1)
            goodness.append(total.unsqueeze(1))
        return torch.cat(goodness, 1).argmax(1)

    def learn(self, positive, negative, steps):
        for number, layer in enumerate(self.layers):
            positive, negative, losses = layer.learn(positive, negative, steps)
            print(f"layer {number}: loss {losses[0]:.5f} -> {losses[-1]:.5f}")


def main():
    parser = argparse.ArgumentParser(description="Forward-forward on MNIST")
    parser.add_argument("--data", default=DATA, help="folder with MNIST/raw (examples/make_data.py)")
    parser.add_argument("--train-size", type=int, default=2000)
    parser.add_argument("--test-size", type=int, default=500)
    parser.add_argument("--hidden", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=200, help="steps of each layer")
    parser.add_argument("--lr", type=float, default=0.03)
    parser.add_argument("--threshold", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    transform = Compose([ToTensor(), Normalize((0.1307,), (0.3081,)), Lambda(torch.flatten)])
    train_set = MNIST(args.data, train=True, download=True, transform=transform)
    test_set = MNIST(args.data, train=False, download=True, transform=transform)
    x, y = next(iter(DataLoader(train_set, batch_size=args.train_size, shuffle=True)))
    x_test, y_test = next(iter(DataLoader(test_set, batch_size=args.test_size)))

    net = Net([784, args.hidden, args.hidden], args.lr, args.threshold)
    net.learn(paint_label(x, y), paint_label(x, wrong_labels(y)), args.epochs)
    print("train error:", round(1.0 - net.predict(x).eq(y).float().mean().item(), 4))
    print("test error:", round(1.0 - net.predict(x_test).eq(y_test).float().mean().item(), 4))


if __name__ == "__main__":
    main()
