"""The tutorial's way from files to training: CIFAR-10, ToTensor, Normalize, batches of 4, two workers.

Both sides read the same files: real ones in `--data FOLDER` (torchvision's layout), else files of the
same form with random pixels. The batches and the losses of both are compared.
"""

from __future__ import annotations

import contextlib
import pickle
import statistics
import tempfile
import time
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .workloads import tutorial_net

BATCHES = 1500
"""That one sample of loading times."""
EPOCH = 50_000 // 4
COMPARED = 8


class Side(NamedTuple):
    """A framework with its data set."""

    name: str
    torch: Any
    data: Any
    augmented: Any


def show(options: Namespace) -> None:
    """Images per second of the loaders, and the time of an epoch with training."""
    with _folder(options.data) as folder:
        ours, theirs = sides = _sides(folder)
        print(f"{'loading':<46}{'flambeau':>16}{'PyTorch':>16}{'times':>8}  (must: 3, aim: 10)")
        for label, pick, size, workers in (
            ("ToTensor, Normalize, batch 4, 2 workers", "data", 4, 2),
            ("the same, batch 64", "data", 64, 2),
            ("the same, batch 4, no workers", "data", 4, 0),
            ("with RandomCrop and RandomHorizontalFlip", "augmented", 4, 2),
        ):
            loaders = [_loader(side, getattr(side, pick), size, workers) for side in sides]
            _compare(sides, loaders)
            count = max(50, BATCHES * 4 // size)
            found: list[list[float]] = [[], []]
            for _ in range(options.samples or 3):
                for loader, times in zip(loaders, found, strict=True):
                    times.append(_images(loader, count) * size)
            a, b = map(statistics.median, found)
            print(f"{label:<46}{a:>10.0f} img/s{b:>10.0f} img/s{a / b:>8.1f}", flush=True)
        print(f"{'training':<46}{'':>32}{'times':>8}  (must: 3, aim: 5)")
        steps = options.steps or EPOCH
        a, b = (_epoch(side, steps) for side in (ours, theirs))
        print(
            f"{f'the CNN, batch 4, 2 workers, {steps} steps':<46}{a[0]:>14.1f} s{b[0]:>14.1f} s"
            f"{b[0] / a[0]:>8.1f}  losses: first {a[1]:.6f} {b[1]:.6f}, mean of the last quarter "
            f"{a[2]:.4f} {b[2]:.4f}",
            flush=True,
        )


@contextlib.contextmanager
def _folder(given: str) -> Iterator[str]:
    """A folder with `cifar-10-batches-py`."""
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory() as folder:
        inner = Path(folder, "cifar-10-batches-py")
        inner.mkdir()
        random = np.random.default_rng(0)
        for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
            labels = random.integers(0, 10, 10_000)
            # A little of the class in each picture, so that there is something to learn.
            pixels = random.integers(0, 206, (10_000, 3072)) + 5 * labels[:, None]
            entry = {"data": pixels.astype(np.uint8), "labels": labels.tolist()}
            (inner / name).write_bytes(pickle.dumps(entry, 2))
        meta = {"label_names": [str(i) for i in range(10)], "num_vis": 3072}
        (inner / "batches.meta").write_bytes(pickle.dumps(meta, 2))
        yield folder


def _sides(folder: str) -> list[Side]:
    import torch

    import flambeau
    import flambeau.vision
    from tests.parity import torchvision_oracle

    theirs = torchvision_oracle.load()
    # The files may be made anew, so that their sums are others than the published ones.
    theirs.datasets.CIFAR10._check_integrity = lambda self: True
    theirs.datasets.cifar.check_integrity = lambda *args: True
    found = []
    for name, lib, vision in (("flambeau", flambeau, flambeau.vision), ("PyTorch", torch, theirs)):
        transforms = vision.transforms
        usual = [transforms.ToTensor(), transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))]
        random = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data, augmented = (
                vision.datasets.CIFAR10(folder, transform=transforms.Compose(steps))
                for steps in (usual, random + usual)
            )
        found.append(Side(name, lib, data, augmented))
    return found


def _loader(side: Side, data: Any, size: int, workers: int) -> Any:
    return side.torch.utils.data.DataLoader(data, size, shuffle=True, num_workers=workers)


def _compare(sides: list[Side], loaders: list[Any]) -> None:
    """Fails unless the first batches of both are equal, bit for bit."""
    batches = []
    for side, loader in zip(sides, loaders, strict=True):
        side.torch.manual_seed(0)
        batches.append([batch for _, batch in zip(range(COMPARED), loader, strict=False)])
    for ours, theirs in zip(*batches, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


def _images(loader: Any, count: int) -> float:
    """Batches a second, from the start of an epoch."""
    start = time.perf_counter()
    for _, (_images, _labels) in zip(range(count), loader, strict=False):
        pass
    return count / (time.perf_counter() - start)


def _epoch(side: Side, steps: int) -> tuple[float, float, float]:
    """Seconds of an epoch in a fresh state, the first loss, and the mean of the last quarter's."""
    torch = side.torch
    torch.manual_seed(0)
    net = tutorial_net(torch, 3)
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
    loader = _loader(side, side.data, 4, 2)
    losses: list[float] = []
    step: Callable[..., Any] = optimizer.step
    start = time.perf_counter()
    for _, (images, labels) in zip(range(steps), loader, strict=False):
        optimizer.zero_grad()
        loss = criterion(net(images), labels)
        loss.backward()
        step()
        losses.append(loss.item())
    seconds = time.perf_counter() - start
    last = losses[-max(1, len(losses) // 4) :]
    return seconds, losses[0], sum(last) / len(last)
