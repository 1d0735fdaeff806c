"""A training program of which the tests kill runs: python resumable_training.py FOLDER WORKERS KILL.

It trains with everything random there is, and prints at its end a digest of all that it has. KILL
is the number of the step after which it dies by SIGKILL, -1 for never.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

import flambeau as torch
from flambeau import nn
from flambeau.utils.data import DataLoader, Dataset
from flambeau.utils.resume import Resumable


class Noisy(Dataset[Any]):
    """Samples with random changes from three generators."""

    def __len__(self) -> int:
        return 30

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.full((6,), float(index)) / 30 + torch.rand(6) * random.random()
        return x + float(np.random.rand()), torch.tensor([float(index % 3)])


def digest(*parts: Any) -> str:
    """Of everything in state dicts, to the last bit."""
    found = hashlib.sha256()

    def walk(obj: Any) -> None:
        if isinstance(obj, torch.Tensor):
            found.update(obj.detach().numpy().tobytes())
        elif isinstance(obj, dict):
            walk([list(obj), list(obj.values())])
        elif isinstance(obj, (list, tuple)):
            for item in obj:
                walk(item)
        else:
            found.update(repr(obj).encode())

    walk([part.state_dict() for part in parts])
    return found.hexdigest()


def main(folder: Path, workers: int, kill: int) -> None:
    torch.manual_seed(5)
    random.seed(6)
    np.random.seed(7)
    net = nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1)
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.7)
    loader = DataLoader(Noisy(), batch_size=4, shuffle=True, num_workers=workers)
    history: list[float] = []
    run = Resumable(
        folder / "run.pt", keep=2, step=0, history=history, own=np.random.default_rng(8),
        model=net, optimizer=optimizer, scheduler=scheduler, loader=loader,
    )  # fmt: skip
    run.resume()
    for _epoch in run.epochs(3):
        for x, y in loader:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(net(x + run._parts["own"].normal()), y)
            loss.backward()
            optimizer.step()
            history.append(loss.item())
            run.step += 1
            if run.step % 5 == 0:
                run.save()
            if run.step == kill:
                os.kill(os.getpid(), signal.SIGKILL)
        scheduler.step()
        run.save()
    print(digest(net, optimizer, scheduler), run.step, [f"{loss:.9g}" for loss in history],
          random.random(), np.random.rand(), torch.rand(1).item())  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
