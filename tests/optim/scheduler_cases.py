"""Schedulers that the tests run: name → function of the module `lr_scheduler` and an optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

CASES: dict[str, Callable[[Any, Any], Any]] = {
    "step": lambda L, o: L.StepLR(o, 7, 0.5),
    "multistep": lambda L, o: L.MultiStepLR(o, [3, 3, 10, 15], 0.3),
    "constant": lambda L, o: L.ConstantLR(o, 0.25, 9),
    "linear": lambda L, o: L.LinearLR(o, 0.2, 0.7, 12),
    "exponential": lambda L, o: L.ExponentialLR(o, 0.97),
    "polynomial": lambda L, o: L.PolynomialLR(o, 14, 2.0),
    "cosine": lambda L, o: L.CosineAnnealingLR(o, 7, 0.003),
    "restarts": lambda L, o: L.CosineAnnealingWarmRestarts(o, 5, 1, 0.001),
    "longer restarts": lambda L, o: L.CosineAnnealingWarmRestarts(o, 3, 2),
    "triangular": lambda L, o: L.CyclicLR(o, 0.01, 0.2, 7, 4),
    "triangular2": lambda L, o: L.CyclicLR(o, [0.01, 0.02], [0.1, 0.2], 3, mode="triangular2"),
    "exp_range": lambda L, o: L.CyclicLR(o, 0.01, 0.2, 4, mode="exp_range", gamma=0.9),
    "own scale": lambda L, o: L.CyclicLR(
        o, 0.01, 0.2, 4, scale_fn=lambda x: 0.9**x, scale_mode="iterations", cycle_momentum=False
    ),
    "one cycle": lambda L, o: L.OneCycleLR(o, 0.5, total_steps=100),
    "three phases": lambda L, o: L.OneCycleLR(
        o,
        [0.5, 0.6],
        epochs=10,
        steps_per_epoch=10,
        three_phase=True,
        anneal_strategy="linear",
        pct_start=0.1,
    ),
    "lambda": lambda L, o: L.LambdaLR(o, [lambda e: 0.95**e, lambda e: 1 / (1 + e)]),
    "multiplicative": lambda L, o: L.MultiplicativeLR(o, lambda e: 0.95 if e % 2 else 1.0),
    "sequential": lambda L, o: L.SequentialLR(
        o, [L.ConstantLR(o, 0.1, 20), L.ExponentialLR(o, 0.9), L.CosineAnnealingLR(o, 9)], [5, 11]
    ),
    "nested sequential": lambda L, o: L.SequentialLR(
        o,
        [
            L.SequentialLR(o, [L.StepLR(o, 3), L.PolynomialLR(o, 60)], [4]),
            L.LinearLR(o, 0.1, total_iters=5),
        ],
        [8],
    ),
    "warmup and restarts": lambda L, o: L.SequentialLR(
        o, [L.LinearLR(o, 0.1, total_iters=5), L.CosineAnnealingWarmRestarts(o, 7)], [5]
    ),
    "chained": lambda L, o: L.ChainedScheduler([L.ConstantLR(o, 0.1, 8), L.ExponentialLR(o, 0.9)]),
}
