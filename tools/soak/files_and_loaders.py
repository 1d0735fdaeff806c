"""What the soak does with files and loaders. Each function takes a `random.Random`."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import flambeau as torch
from flambeau.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset
from flambeau.utils.tensorboard import SummaryWriter

from .learning import OPTIMIZERS, make_cnn, make_mlp, steps


def save_and_load(random: Random) -> None:
    """A checkpoint in a random form, saved over the last one, loaded in a random way."""
    net, shape = random.choice((make_mlp, make_cnn))(random)
    optimizer = random.choice(list(OPTIMIZERS.values()))(net.parameters())
    steps(net, optimizer, shape, 4, 2)
    state: Any = {"model": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    form = random.choice(("zip", "zip", "legacy", "safetensors", "memory", "whole"))
    path = (
        Path(tempfile.gettempdir()) / f"{form}.{'safetensors' if form == 'safetensors' else 'pt'}"
    )
    if form == "memory":
        file = io.BytesIO()
        torch.save(state, file)
        file.seek(0)
        found = torch.load(file)
    elif form == "whole":
        torch.save(net, path)
        found = {"model": torch.load(path, weights_only=False).state_dict()}
    elif form == "safetensors":
        torch.save(net.state_dict(), path)
        found = {"model": torch.load(path)}
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")
        found = torch.load(path, mmap=form == "zip" and random.random() < 0.5)
        optimizer.load_state_dict(found["optimizer"])
    for name, tensor in net.state_dict().items():
        assert torch.equal(found["model"][name], tensor), name
    net.load_state_dict(found["model"])
    if random.random() < 0.3:
        torch.save(found["model"], path)  # over the file that it may be mapped from
    steps(net, optimizer, shape, 4, 1)


def bad_files(random: Random) -> None:
    """Saves and loads that fail."""
    folder = Path(tempfile.gettempdir())
    path = folder / "broken.pt"
    torch.save({"a": torch.ones(100)}, path)
    data = bytearray(path.read_bytes())
    if random.random() < 0.5:
        del data[random.randrange(len(data)) :]
    else:
        for _ in range(5):
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    path.write_bytes(data)
    for work in (
        lambda: torch.load(path),
        lambda: torch.save({"a": torch.ones(100), "b": lambda: 1}, path),
        lambda: torch.save(torch.ones(3), folder / "missing" / "a.pt"),
        lambda: torch.save(
            torch.ones(30000), "/dev/full" if os.path.exists("/dev/full") else folder
        ),
    ):
        try:
            work()
        except Exception:
            continue


class Squares(Dataset):
    """Numbers and their squares. What asks for sample `bad` gets an error."""

    def __init__(self, n: int, bad: int = -1) -> None:
        self.n, self.bad = n, bad

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> tuple[torch.Tensor, float]:
        if index == self.bad:
            raise ValueError(f"sample {index}")
        return torch.full((3, 4), float(index)), float(index) ** 2


class Stream(IterableDataset):
    def __iter__(self) -> Iterator[np.ndarray]:
        for i in range(20):
            yield np.full(5, i)


def loaders(random: Random) -> None:
    """Loaders without workers, to the end and abandoned, with errors in them."""
    n = random.randrange(1, 60)
    held = TensorDataset(torch.randn(n, 3, 4), torch.arange(n))
    for dataset in (held, Squares(n), Squares(n, bad=n // 2), Stream()):
        stream = isinstance(dataset, Stream)
        loader = DataLoader(dataset, random.choice((1, 4, 7)), shuffle=not stream)
        _use(loader, random)


def worker_loaders(random: Random) -> None:
    """One loader with worker processes: to the end, abandoned, twice, failing."""
    workers = random.choice((1, 2))
    dataset = random.choice((Squares(16), Squares(16), Squares(16, bad=7), Stream()))
    loader = DataLoader(
        dataset, 4, num_workers=workers, timeout=60, persistent_workers=random.random() < 0.5,
        multiprocessing_context="spawn" if random.random() < 0.03 else None,
    )  # fmt: skip
    for _ in range(random.choice((1, 2))):
        _use(loader, random)


def _use(loader: DataLoader, random: Random) -> None:
    most = random.choice((1, 2, 1000))
    try:
        for number, _ in enumerate(loader):
            if number >= most:
                break
    except ValueError as error:
        assert "sample" in str(error), error


def logging(random: Random) -> None:
    """A TensorBoard writer that is opened, written to, and closed or dropped."""
    with tempfile.TemporaryDirectory() as folder:
        writer = SummaryWriter(folder)
        for step in range(random.randrange(5)):
            writer.add_scalar("loss", 1.0 / (step + 1), step)
        writer.add_histogram("x", torch.randn(50), 0)
        if random.random() < 0.7:
            writer.close()
