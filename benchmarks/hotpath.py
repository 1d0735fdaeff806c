"""What Python costs apart from computing: recording, backward, capture, launch.

Programs are captured but not run: an executable that does nothing hands out arrays that are ready.
All figures are the least of many, in microseconds.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import workloads

now = time.perf_counter
Parts = dict[str, float]


class _Object:
    __slots__ = ("a", "b", "c", "d")

    def __init__(self, a: Any, b: Any, c: Any, d: Any) -> None:
        self.a, self.b, self.c, self.d = a, b, c, d


def pace(repeats: int = 200) -> float:
    """Nanoseconds that this machine takes now to make a small object: tells busy moments from quiet
    ones, and machines from each other."""
    start = now()
    for _ in range(repeats):
        _Object(1, 2, 3, 4)
    return (now() - start) / repeats * 1e9


@contextlib.contextmanager
def nothing_runs() -> Iterator[None]:
    """Let programs be captured and looked up, but give them results without running."""
    from flambeau.engine import tiering

    ready: dict[int, tuple[Any, list[Any]]] = {}

    def run(program: Any, captured: Any, observed: bool = False) -> str:
        found = ready.get(id(program))
        if found is None:
            avals = {ins.target: ins.aval for ins in program.instructions}
            arrays = [np.zeros(avals[o].shape, avals[o].dtype.np) for o in program.outputs]
            found = ready[id(program)] = (program, arrays)
        for value, array in zip(captured.results, found[1], strict=True):
            value.buffer = array
        return "nothing"

    kept = tiering.run
    tiering.run = run
    try:
        yield
    finally:
        tiering.run = kept


class _Timed:
    """Notes how long the calls of a module's function take together."""

    def __init__(self, module: Any, name: str) -> None:
        self.module, self.name, self.inner = module, name, getattr(module, name)
        self.spent = 0.0

    def __call__(self, *args: Any) -> Any:
        start = now()
        try:
            return self.inner(*args)
        finally:
            self.spent += now() - start

    def __enter__(self) -> _Timed:
        setattr(self.module, self.name, self)
        return self

    def __exit__(self, *_: object) -> None:
        setattr(self.module, self.name, self.inner)


def least(sample: Callable[[], Parts], seconds: float) -> Parts:
    """The least of each part over samples."""
    for _ in range(12):
        found = sample()
    end = now() + seconds
    while now() < end:
        for name, spent in sample().items():
            found[name] = min(found[name], spent)
    return found


def operations(torch: Any, seconds: float) -> Parts:
    """Single calls, each recorded many times in a row."""
    from flambeau.graph.trace import state

    nn, functional = torch.nn, torch.nn.functional
    x, rows = torch.ones(10, 10), torch.ones(4000, 3)
    w = nn.Parameter(torch.ones(10, 10))
    h, image = w * x, nn.Parameter(torch.ones(2, 3, 8, 8)) * 1
    linear, convolution, identity = nn.Linear(10, 10), nn.Conv2d(3, 4, 3), nn.Identity()
    array, places = np.ones((4, 3), np.float32), iter(range(10**9))
    torch._flush()
    cases: dict[str, Callable[[], Any]] = {
        "x + x": lambda: x + x, "h * h, with its node": lambda: h * h,
        "relu, with its node": lambda: functional.relu(h), "w.t(), with its node": lambda: w.t(),
        "x[i], i new": lambda: rows[next(places) % 4000], "from_numpy": lambda: torch.from_numpy(array),
        "nn.Identity()(x)": lambda: identity(x), "nn.Linear()(h)": lambda: linear(h),
        "nn.Conv2d()(h)": lambda: convolution(image),
        "max_pool2d(h, 2)": lambda: functional.max_pool2d(image, 2),
    }  # fmt: skip
    repeats = 40

    def sample() -> Parts:
        found = {}
        for name, call in cases.items():
            start = now()
            for _ in range(repeats):
                call()
            found[name] = (now() - start) / repeats
            state.nodes.clear()
        return found

    return least(sample, seconds)


def step_parts(torch: Any, make: Callable[[Any], Any], seconds: float) -> Parts:
    """The parts of a training step of a network, as `workloads` has it."""
    from flambeau.engine import flush

    net, loss_of, x, y, optimizer = _classifier_parts(torch, make)

    def sample() -> Parts:
        with _Timed(flush, "capture") as capture, _Timed(flush, "run") as running:
            times = [now()]
            optimizer.zero_grad()
            times.append(now())
            out = net(x)
            times.append(now())
            loss = loss_of(out, y)
            times.append(now())
            loss.backward()
            times.append(now())
            optimizer.step()
            times.append(now())
        zero, forward, loss_time, backward, step = np.diff(times)
        return {
            "zero_grad": zero, "forward": forward, "loss": loss_time, "backward": backward,
            "optimizer.step, recording": step - running.spent, "capture and key": capture.spent,
            "look-up and launch": running.spent - capture.spent, "whole step": times[-1] - times[0],
        }  # fmt: skip

    return least(sample, seconds)


def _classifier_parts(torch: Any, make: Callable[[Any], Any]) -> Any:
    """What a workload's step is made of."""
    found: list[Any] = []
    kept = workloads._classifier

    def classifier(torch: Any, net: Any, x: Any, y: Any, optimizer: Any) -> Any:
        found.extend((net, torch.nn.CrossEntropyLoss(), x, y, optimizer))

    workloads._classifier = classifier
    try:
        make(torch)
    finally:
        workloads._classifier = kept
    return found


def whole_step(torch: Any, make: Callable[[Any], Callable[[], Any]], seconds: float) -> Parts:
    """A step as one figure."""
    step = make(torch)

    def sample() -> Parts:
        start = now()
        step()
        return {"whole step": now() - start}

    return least(sample, seconds)


def report(torch: Any, seconds: float = 3.0) -> None:
    """Print the budget."""
    quiet = min(pace() for _ in range(200))
    with nothing_runs():
        tables = {
            "recording one call": operations(torch, seconds),
            "tutorial CNN, batch 4": step_parts(torch, workloads.cnn(4), seconds),
            "hand-written RNN, 10 steps": whole_step(torch, workloads.rnn, seconds),
        }
    print(f"\nPython apart from computing (making a small object takes {quiet:.0f} ns now)")
    for title, parts in tables.items():
        print(title)
        for name, spent in parts.items():
            print(f"  {name:<46}{spent * 1e6:>8.1f} us")


def show(options: Any) -> None:
    """As a part of the benchmarks."""
    import flambeau

    report(flambeau)
