"""`Compare`: measurements side by side."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .measurement import Measurement, select_unit, trim_sigfig


class Compare:
    """A table: a row for each sub-label (and number of threads), a column for each description."""

    def __init__(self, results: list[Measurement]) -> None:
        self._results = list(results)
        self._trim = self._colour = self._highlight = False

    def extend_results(self, results: Iterable[Any]) -> None:
        """Add measurements."""
        for each in results:
            if not isinstance(each, Measurement):
                raise ValueError(f"Expected an instance of `Measurement`, got {type(each)} instead.")
            self._results.append(each)

    def trim_significant_figures(self) -> None:
        """Show no more digits than the spread leaves meaningful."""
        self._trim = True

    def colorize(self, rowwise: bool = False) -> None:
        """Accepted: the table is plain text."""
        self._colour = True

    def highlight_warnings(self) -> None:
        """Mark times whose spread is large."""
        self._highlight = True

    def print(self) -> None:
        """Print the tables."""
        print(str(self))

    def __str__(self) -> str:
        merged = Measurement.merge(self._results)
        groups: dict[Any, list[Measurement]] = {}
        for each in merged:
            groups.setdefault(each.task_spec.label or each.task_spec.stmt, []).append(each)
        return "\n".join(self._table(str(label), group) for label, group in groups.items())

    def _table(self, label: str, group: list[Measurement]) -> str:
        columns = list(dict.fromkeys(m.task_spec.description or "" for m in group))
        unit, scale = select_unit(min(m.median for m in group))
        rows: dict[tuple[int, str], dict[str, str]] = {}
        for m in group:
            spec = m.task_spec
            key = (spec.num_threads, spec.sub_label or spec.stmt)
            rows.setdefault(key, {})[spec.description or ""] = self._cell(m, scale)
        lines = [["", *columns]]
        threads = None
        for (count, name), cells in sorted(rows.items(), key=lambda item: item[0][0]):
            if count != threads:
                threads = count
                lines.append([f"{count} threads:", *[""] * len(columns)])
            lines.append([f"      {name}", *(cells.get(c, "") for c in columns)])
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        text = ["  |  ".join(c.ljust(w) if i == 0 else c.rjust(w)
                             for i, (c, w) in enumerate(zip(line, widths))) for line in lines]  # fmt: skip
        width = max(map(len, text))
        head = f"[{f' {label} '.center(width - 2, '-')}]"
        english = {"s": "seconds (s)", "ms": "milliseconds (ms)", "us": "microseconds (us)",
                   "ns": "nanoseconds (ns)"}[unit]  # fmt: skip
        return "\n".join([head, *text, "", f"Times are in {english}.", ""])

    def _cell(self, m: Measurement, scale: float) -> str:
        value = m.median / scale
        if self._trim:
            value = trim_sigfig(value, m.significant_figures)
        mark = "!" if self._highlight and m.has_warnings else ""
        return f"{mark}{value:.1f}" if value >= 1 else f"{mark}{value:.3g}"
