"""A measurement: times of a statement, and what may be said of them."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterable
from typing import Any

_UNITS = {"s": (1.0, "second"), "ms": (1e-3, "millisecond"), "us": (1e-6, "microsecond"),
          "ns": (1e-9, "nanosecond")}  # fmt: skip
_MANY_RUNS = 4
_CONFIDENT = 0.01
_WARN, _WARN_LOUDLY = 0.1, 0.25
"""Spreads between quartiles, relative to the median, from which on the text says so."""


def select_unit(t: float) -> tuple[str, float]:
    """The unit for a time in seconds, and what it is in seconds: 0.002 → ("ms", 0.001)."""
    exponent = int(math.log10(t) // 3) if t > 0 else 0
    unit = {-1: "ms", -2: "us", -3: "ns"}.get(exponent, "s" if exponent > -1 else "ns")
    return unit, _UNITS[unit][0]


def unit_to_english(u: str) -> str:
    """"ms" → "millisecond"."""
    return _UNITS[u][1]


def trim_sigfig(x: float, n: int) -> float:
    """A number with `n` significant digits."""
    if not math.isfinite(x) or x == 0:
        return x
    return round(x, n - 1 - math.floor(math.log10(abs(x))))


@dataclasses.dataclass(init=True, repr=False, eq=True, frozen=True)
class TaskSpec:
    """What was measured."""

    stmt: str
    setup: str
    global_setup: str = ""
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    env: str | None = None
    num_threads: int = 1

    @property
    def title(self) -> str:
        """Its label, or the statement, and the rest."""
        head = self.label or (self.stmt if "\n" not in self.stmt else "[multi-line statement]")
        return head + (f": {self.sub_label}" if self.sub_label else "")

    def summarize(self) -> str:
        """What it is, in lines."""
        lines = [self.title]
        if self.description and self.label:
            lines.append(self.description)
        if self.setup and self.setup != "pass":
            lines.append(f"setup:\n  {self.setup}" if "\n" in self.setup else f"setup: {self.setup}")
        return "\n".join(lines)


class Measurement:
    """Times, in seconds, of runs of `number_per_run` calls each. `times` are those of single calls."""

    def __init__(self, number_per_run: int, raw_times: list[float], task_spec: TaskSpec,
                 metadata: dict[Any, Any] | None = None) -> None:  # fmt: skip
        self.number_per_run, self.raw_times = number_per_run, raw_times
        self.task_spec, self.metadata = task_spec, metadata

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "task_spec":
            raise AttributeError(name)
        return getattr(self.task_spec, name)

    @property
    def times(self) -> list[float]:
        """Seconds a call, each measured block by itself."""
        return [t / self.number_per_run for t in self.raw_times]

    @property
    def mean(self) -> float:
        """The mean of the seconds a call."""
        return statistics.fmean(self.times)

    @property
    def median(self) -> float:
        """The median of the seconds a call."""
        return statistics.median(self.times)

    def _quartiles(self) -> tuple[float, float]:
        times = sorted(self.times)
        if len(times) == 1:
            return times[0], times[0]

        def at(share: float) -> float:
            place = share * (len(times) - 1)
            low = int(place)
            high = min(low + 1, len(times) - 1)
            return times[low] + (place - low) * (times[high] - times[low])

        return at(0.25), at(0.75)

    @property
    def iqr(self) -> float:
        """How far the middle half of the times lies apart."""
        low, high = self._quartiles()
        return high - low

    @property
    def significant_figures(self) -> int:
        """How many digits of the median the spread leaves meaningful (a normal estimate of the
        median's error from the quartiles)."""
        error = 1.645 * self.iqr / 1.349 / math.sqrt(max(len(self.times), 1))
        relative = max(error / self.median if self.median else 0, _CONFIDENT / 10)
        return max(min(1 - math.ceil(math.log10(relative)), 5), 1)

    @property
    def has_warnings(self) -> bool:
        return bool(self._warnings())

    @property
    def title(self) -> str:
        return self.task_spec.title

    def _warnings(self) -> str:
        share = self.iqr / self.median if self.median else 0
        said = (
            f"  WARNING: Interquartile range is {share * 100:.1f}% of the median measurement.\n"
            "           "
        )
        if share > _WARN_LOUDLY:
            return said + "This suggests significant environmental influence."
        if share > _WARN:
            return said + "This could indicate system fluctuation."
        return ""

    def __repr__(self) -> str:
        unit, scale = select_unit(self.median)
        n = len(self.times)
        digits = self.significant_figures

        def shown(t: float) -> str:
            return f"{trim_sigfig(t / scale, max(digits, 3)):g} {unit}"

        lines = [f"<torch.utils.benchmark.utils.common.Measurement object at {hex(id(self))}>",
                 self.task_spec.summarize()]  # fmt: skip
        if n > 1:
            low, high = self._quartiles()
            lines.append(f"  Median: {shown(self.median)}")
            if n >= _MANY_RUNS:
                lines.append(f"  IQR:    {shown(self.iqr)} ({low / scale:.2f} to {high / scale:.2f})")
        else:
            lines.append(f"  {shown(self.median)}")
        threads = self.task_spec.num_threads
        lines.append(
            f"  {n} measurement{'s' * (n > 1)}, {self.number_per_run} runs per measurement, "
            f"{threads} thread{'s' * (threads > 1)}"
        )
        warning = self._warnings()
        return "\n".join([*lines, warning] if warning else lines)

    __str__ = __repr__

    @staticmethod
    def merge(measurements: Iterable[Measurement]) -> list[Measurement]:
        """Measurements of the same thing as one each."""
        groups: dict[TaskSpec, list[Measurement]] = {}
        for each in measurements:
            groups.setdefault(each.task_spec, []).append(each)
        return [
            Measurement(1, [t for m in group for t in m.times], spec)
            for spec, group in groups.items()
        ]
