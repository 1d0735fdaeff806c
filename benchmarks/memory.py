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
        done = (i + 1) * (steps // LOOKS)
        print(f"  after {done:>7} steps: {sizes[-1] / MB:>8.1f} MB", flush=True)
    late = sizes[LOOKS // 4 :]
    print(
        f"the last {len(late)} looks lie within {(max(late) - min(late)) / MB:.1f} MB; from the "
        f"first of them to the last: {(late[-1] - late[0]) / MB:+.1f} MB"
    )
