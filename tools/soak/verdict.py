"""Whether measures are flat: a line is fitted to each over the samples after the warm-up third."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

ALLOWED = {
    "rss_mb": (300.0, 0.25),
    "settled_mb": (16.0, 0.02),
    "blocks_live_mb": (16.0, 0.0),
    "slabs_mb": (8.0, 0.05),
    "descriptors": (2.0, 0.0),
    "threads": (1.0, 0.0),
    "python_threads": (1.0, 0.0),
    "children": (1.0, 0.0),
    "shm": (4.0, 0.0),
    "temporary_files": (3.0, 0.0),
    "maps": (40.0, 0.05),
    "objects": (2000.0, 0.02),
    "blocks_of_python": (20000.0, 0.02),
    "step_ms": (0.3, 0.3),
}
"""What a measure may grow by from the beginning of the fit to its end: so much, or this part of
its mean, whichever is more. Caches (`cache_*`) may grow to their bounds and are only shown."""
LEAST_SAMPLES = 4


@dataclass(frozen=True)
class Trend:
    """A line through a measure's samples."""

    name: str
    first: float
    last: float
    growth: float
    """From the beginning of the fit to its end."""
    error: float
    """Twice the standard error of `growth`."""
    allowed: float

    @property
    def flat(self) -> bool:
        """Whether the growth, less what may be chance, stays within what is allowed."""
        return self.growth - self.error <= self.allowed

    def __str__(self) -> str:
        said = "flat" if self.flat else "GROWS"
        return (
            f"{self.name:18} {said:6} {self.first:12.2f} -> {self.last:12.2f}   "
            f"grows by {self.growth:+.2f} ± {self.error:.2f}, allowed {self.allowed:.2f}"
        )


def trends(samples: list[dict[str, float]]) -> list[Trend]:
    """The trend of each measure; none where there are too few samples."""
    kept = samples[len(samples) // 3 :]
    if len(kept) < LEAST_SAMPLES:
        return []
    at = np.array([each["seconds"] for each in kept])
    found = []
    for name, (most, part) in ALLOWED.items():
        y = np.array([each[name] for each in kept])
        allowed = max(most, part * float(y.mean()))
        found.append(Trend(name, y[0], y[-1], *_growth(at, y), allowed))
    return found


def _growth(at: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """How much the least-squares line rises over the samples, and twice the standard error."""
    x = at - at.mean()
    spread = float((x**2).sum())
    slope = float((x * y).sum()) / spread
    left = y - y.mean() - slope * x
    deviation = float((left**2).sum()) / (len(y) - 2)
    span = float(at[-1] - at[0])
    return slope * span, 2 * span * float(np.sqrt(deviation / spread))


def picture(samples: list[dict[str, float]], path: Path) -> bool:
    """Draw the measures over time; False where matplotlib is missing."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = [name for name in samples[0] if name not in ("seconds", "rounds")]
    figure, axes = pyplot.subplots(len(names), 1, figsize=(9, 1.3 * len(names)), sharex=True)
    minutes = [each["seconds"] / 60 for each in samples]
    for axis, name in zip(axes, names, strict=True):
        axis.plot(minutes, [each[name] for each in samples], ".-")
        axis.set_ylabel(name, rotation=0, ha="right", fontsize=7)
        axis.set_ylim(bottom=0)
    axes[-1].set_xlabel("minutes")
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
    return True
