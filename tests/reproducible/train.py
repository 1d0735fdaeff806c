"""Trains the tutorial's network in this process and prints a digest of every bit of it.

    python -m tests.reproducible.train [--steps 60] [--threads 2] [--workers 0] [--delay 0.1]
        [--strict] [--odd 0] [--most 100]

`--delay`: the compiler sleeps at random for up to so many seconds before each program, as on a
machine that has other work. `--most`: the interpreter's runs, at most. `--odd`: inputs begin so many bytes beyond an aligned address.
`test_reproducible.py` runs it under many circumstances, and wants one digest.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import time
from typing import Any

import numpy as np

import flambeau as torch
from flambeau import nn
from flambeau.engine import patience, tiering
from flambeau.nn import functional as F  # noqa: N812
from flambeau.utils.data import DataLoader, TensorDataset


def network() -> nn.Module:
    """(n, 3, 16, 16) → (n, 10): the tutorial's layers, on smaller images, and a dropout."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.BatchNorm2d(6), nn.Flatten(),
        nn.Linear(6 * 6 * 6, 64), nn.GELU(), nn.Dropout(0.25), nn.Linear(64, 10),
    )  # fmt: skip


def images(count: int, odd: int) -> torch.Tensor:
    """(count, 3, 16, 16), `odd` bytes beyond an aligned address."""
    nbytes = count * 3 * 16 * 16 * 4
    memory = np.zeros(nbytes + odd + 64, np.uint8)
    start = -memory.ctypes.data % 64 + odd
    array = memory[start : start + nbytes].view(np.float32).reshape(count, 3, 16, 16)
    array[...] = np.random.default_rng(0).standard_normal(array.shape)
    return torch.from_numpy(array)


def slow_compiler(seconds: float) -> None:
    """Let the compiler sleep at random before each program."""
    make = tiering._make

    def late(*args: Any) -> None:
        time.sleep(random.random() * seconds)
        make(*args)

    tiering._make = late


def train(steps: int, workers: int, odd: int) -> str:
    """A digest of the losses, parameters, buffers and the optimizer's state after so many steps."""
    torch.manual_seed(0)
    net = network()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    data = TensorDataset(images(256, odd), torch.arange(256) % 10)
    loader = DataLoader(data, batch_size=8, shuffle=True, num_workers=workers, drop_last=True)
    digest = hashlib.sha256()
    done = 0
    while done < steps:
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            digest.update(loss.detach().numpy().tobytes())
            done += 1
            if done == steps:
                break
    for t in net.state_dict().values():
        digest.update(t.numpy().tobytes())
    for state in optimizer.state_dict()["state"].values():
        for t in state.values():
            digest.update(t.numpy().tobytes())
    return digest.hexdigest()[:16]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--odd", type=int, default=0)
    parser.add_argument("--most", type=int, default=patience.MOST)
    parser.add_argument("--strict", action="store_true")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.delay:
        slow_compiler(options.delay)
    patience.MOST = options.most
    torch.use_deterministic_algorithms(options.strict)
    found = train(options.steps, options.workers, options.odd)
    tiers = [p.state for p in tiering.programs()]
    print(found, sum(s == "compiled" for s in tiers), "of", len(tiers), "programs compiled")


if __name__ == "__main__":
    main()
