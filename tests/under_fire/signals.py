"""KeyboardInterrupt at random moments of training steps: `MODE --tries N [--seed 0]`.

After each one everything can be read, the next step works, and it is the step that a twin with the
same state does: nothing was half-changed. MODE is FLAMBEAU_COMPILE's: background, sync or off.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import signal
import time
from typing import Any

import numpy as np

import flambeau as torch
from flambeau import config, nn
from flambeau.autograd import engine
from flambeau.engine import patience, tiering
from flambeau.graph.trace import state
from flambeau.nn import functional as F  # noqa: N812


class Interrupter:
    """Raises one KeyboardInterrupt, if it is still armed when the time has come."""

    def __init__(self) -> None:
        self.armed = False
        signal.signal(signal.SIGALRM, self.handle)

    def handle(self, *_: Any) -> None:
        if self.armed:
            self.armed = False
            raise KeyboardInterrupt

    def arm(self, seconds: float) -> None:
        self.armed = True
        signal.setitimer(signal.ITIMER_REAL, max(1e-5, seconds))


class Training:
    def __init__(self) -> None:
        torch.manual_seed(0)
        self.net = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 16, bias=False),
            nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 4),
        )  # fmt: skip
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=1e-2)
        self.x, self.y = torch.randn(8, 1, 8, 8), torch.arange(8) % 4

    def step(self, look: bool) -> None:
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.net(self.x), self.y)
        loss.backward()
        self.optimizer.step()
        if look:
            loss.item()

    def content(self) -> dict[str, np.ndarray]:
        found = {k: v.detach().numpy().copy() for k, v in self.net.state_dict().items()}
        for i, moments in self.optimizer.state_dict()["state"].items():
            found |= {f"{k} of {i}": v.numpy().copy() for k, v in moments.items()}
        assert all(np.isfinite(v).all() for v in found.values())
        return found

    def twin(self) -> Training:
        other = Training()
        other.net.load_state_dict(self.net.state_dict())
        other.optimizer.load_state_dict(self.optimizer.state_dict())
        return other


def attempt(
    training: Training, interrupter: Interrupter, seconds: float, looks: list[bool]
) -> bool:
    """Steps until the interrupt, then the check. Gives whether it came."""
    came = False
    try:
        interrupter.arm(seconds)
        for look in looks:
            training.step(look)
        interrupter.armed = False
    except KeyboardInterrupt:
        came = True
    signal.setitimer(signal.ITIMER_REAL, 0)
    state.grad = True  # `with` in Python can't promise it: the signal may come within __exit__
    assert not engine.running.passes and not state.trusted
    training.content()
    twin = training.twin()
    training.step(False)
    twin.step(False)
    a, b = training.content(), twin.content()
    for name in a:
        np.testing.assert_allclose(a[name], b[name], 2e-2, 1e-4, err_msg=name)
    return came


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=("background", "sync", "off"))
    parser.add_argument("--tries", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    faulthandler.enable()
    config.compile, patience.MOST = options.mode, 4
    rng = random.Random(options.seed)
    training, interrupter = Training(), Interrupter()
    spans = []
    for _ in range(12):
        start = time.perf_counter()
        training.step(True)
        spans.append(time.perf_counter() - start)
    came = 0
    for _ in range(options.tries):
        if rng.random() < 0.05:
            tiering.forget()
        looks = [rng.random() < 0.5 for _ in range(3)]
        came += attempt(training, interrupter, rng.random() * 2.2 * sorted(spans)[6], looks)
    print(f"{came} of {options.tries} interrupted")


if __name__ == "__main__":
    main()
