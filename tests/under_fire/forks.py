"""Forks while other threads train and compile: `--runs N`. Parent, child and grandchild compute,
train, load with workers, and end."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
import traceback

import numpy as np

import flambeau as torch
from flambeau.engine import patience
from flambeau.utils.data import DataLoader, TensorDataset

from .training import train

LIMIT = 60.0
"""Seconds that a child may take."""


def same(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, 1e-3, 1e-4)


def inside(depth: int, expected: list[np.ndarray]) -> None:
    """What a child does."""
    same(train(3, 12), expected)
    if depth:
        forked(depth - 1, expected, hard=True)
    data = TensorDataset(torch.arange(20.0).reshape(10, 2))
    assert sum(x.sum().item() for (x,) in DataLoader(data, batch_size=2, num_workers=1)) == 190


def forked(depth: int, expected: list[np.ndarray], hard: bool) -> None:
    """A child with something pending; it ends by `_exit` (hard) or as programs end."""
    pending = (torch.ones(300, 300) @ torch.ones(300, 300)).sum()
    pid = os.fork()
    if not pid:
        try:
            assert pending.item() == 27e6
            inside(depth, expected)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        if hard:
            os._exit(0)
        sys.exit(0)
    end = time.monotonic() + LIMIT
    while not (found := os.waitpid(pid, os.WNOHANG))[0]:
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
    assert found[1] == 0, "the child hung or failed"
    assert pending.item() == 27e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=4)
    options = parser.parse_args()
    sys.setswitchinterval(1e-5)
    patience.MOST = 5
    torch.set_num_threads(2)
    expected = train(3, 12)
    stop = threading.Event()

    def busy(seed: int) -> None:
        while not stop.is_set():
            train(seed, 5)

    others = [threading.Thread(target=busy, args=(k,), daemon=True) for k in range(2)]
    for each in others:
        each.start()
    for i in range(options.runs):
        forked(i % 2, expected, hard=i % 3 == 0)
        same(train(3, 12), expected)
    stop.set()
    for each in others:
        each.join()
    print("done")


if __name__ == "__main__":
    main()
