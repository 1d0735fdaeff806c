"""Training for long: memory must stay flat."""

from __future__ import annotations

from argparse import Namespace

from .processes import resident
from .workloads import cnn

MB = 1 << 20
LOOKS = 20


def show(options: Namespace) -> None:
    import flambeau

    steps = options.steps or 20_000
    print(f"tutorial CNN, batch 4: memory over {steps} training steps")
    step = cnn(4)(flambeau)
    sizes = []
    for i in range(LOOKS):
        for _ in range(steps // LOOKS):
            loss = step()
        loss.item()
        sizes.append(resident())
        print(f"  after {(i + 1) * (steps // LOOKS):>7} steps: {sizes[-1] / MB:>8.1f} MB", flush=True)
    print(
        f"the last {LOOKS * 3 // 4} looks lie within {(max(sizes[5:]) - min(sizes[5:])) / MB:.1f} MB; "
        f"from the first of them to the last: {(sizes[-1] - sizes[5]) / MB:+.1f} MB"
    )
