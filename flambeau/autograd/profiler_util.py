"""Profiled events, averages over them, and their table."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..errors import shown


def _time_text(us: float) -> str:
    """Microseconds for people."""
    if us >= 1e6:
        return f"{us / 1e6:.3f}s"
    return f"{us / 1e3:.3f}ms" if us >= 1e3 else f"{us:.3f}us"


class Interval:
    """From `start` to `end`, in microseconds from the profile's beginning."""

    def __init__(self, start: float, end: float) -> None:
        self.start, self.end = start, end

    def elapsed_us(self) -> float:
        """How long it is."""
        return self.end - self.start


class _Times:
    """What single events and averages answer alike. Times are in microseconds, the device's 0."""

    key: str
    count: int
    cpu_time_total: float
    self_cpu_time_total: float
    is_legacy = is_async = is_remote = False
    cpu_memory_usage = self_cpu_memory_usage = device_memory_usage = self_device_memory_usage = 0
    device_time = device_time_total = self_device_time_total = 0.0
    cuda_time = cuda_time_total = self_cuda_time_total = 0.0
    node_id = -1
    use_device = None
    overload_name = ""

    @property
    def cpu_time(self) -> float:
        """The time of one call."""
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def cpu_time_str(self) -> str:
        return _time_text(self.cpu_time)

    @property
    def cpu_time_total_str(self) -> str:
        return _time_text(self.cpu_time_total)

    @property
    def self_cpu_time_total_str(self) -> str:
        return _time_text(self.self_cpu_time_total)


class FunctionEvent(_Times):
    """One event: a range that the user named, a flush, an operation or a kernel."""

    count = 1

    def __init__(self, id: int, name: str, kind: str, thread: int, start_us: float, end_us: float,
                 input_shapes: Any = (), stack: Any = (), flops: int = 0) -> None:  # fmt: skip
        self.id, self.name, self.kind, self.thread = id, name, kind, thread
        self.key = self.trace_name = name
        self.time_range = Interval(start_us, end_us)
        self.input_shapes = [list(shape) for shape in input_shapes]
        self.stack, self.flops = list(stack), flops
        self.cpu_parent: FunctionEvent | None = None
        self.cpu_children: list[FunctionEvent] = []
        self.is_user_annotation = kind == "user"

    @property
    def cpu_time_total(self) -> float:  # type: ignore[override]
        return self.time_range.elapsed_us()

    @property
    def self_cpu_time_total(self) -> float:  # type: ignore[override]
        """The time that is none of its children's."""
        return self.cpu_time_total - sum(child.cpu_time_total for child in self.cpu_children)

    def __repr__(self) -> str:
        return (
            f"<FunctionEvent id={self.id} name={self.name} cpu_time={self.cpu_time_str} "
            f"thread={self.thread} input_shapes={self.input_shapes}>"
        )


class FunctionEventAvg(_Times):
    """Events of one name, summed up."""

    def __init__(self) -> None:
        self.key = ""
        self.count = self.flops = 0
        self.cpu_time_total = self.self_cpu_time_total = 0.0
        self.input_shapes: Any = None
        self.stack: list[str] = []
        self.cpu_children: list[FunctionEvent] = []
        self.cpu_parent: Any = None
        self.is_user_annotation = False

    def add(self, other: FunctionEvent | FunctionEventAvg) -> FunctionEventAvg:
        """Count an event, or the events of another average, in."""
        if not self.key:
            self.key, self.input_shapes, self.stack = other.key, other.input_shapes, other.stack
            self.is_user_annotation = other.is_user_annotation
        self.count += other.count
        self.flops += other.flops
        self.cpu_time_total += other.cpu_time_total
        self.self_cpu_time_total += other.self_cpu_time_total
        return self

    __iadd__ = add

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} "
            f"cpu_time={self.cpu_time_str} input_shapes={self.input_shapes or ''}>"
        )


class EventList(list[Any]):
    """Events, or averages of them."""

    def nest(self) -> EventList:
        """Find each event's parent: the shortest of its thread that it lies in."""
        self.sort(key=lambda e: (e.time_range.start, -e.time_range.end))
        open_in: dict[int, list[FunctionEvent]] = {}
        for event in self:
            stack = open_in.setdefault(event.thread, [])
            while stack and stack[-1].time_range.end < event.time_range.end:
                stack.pop()
            if stack:
                event.cpu_parent = stack[-1]
                stack[-1].cpu_children.append(event)
            stack.append(event)
        return self

    @property
    def self_cpu_time_total(self) -> float:
        """The time of all events, each moment once."""
        return sum(event.self_cpu_time_total for event in self)

    def key_averages(self, group_by_input_shapes: bool = False, group_by_stack_n: int = 0,
                     group_by_overload_name: bool = False) -> EventList:  # fmt: skip
        """Averages by name, and where asked for by shapes and by lines too."""
        groups: dict[Any, FunctionEventAvg] = {}
        for event in self:
            shapes = str(event.input_shapes) if group_by_input_shapes else ""
            key = (event.key, shapes, tuple(event.stack[:group_by_stack_n]))
            groups.setdefault(key, FunctionEventAvg()).add(event)
        for average in groups.values():
            average.stack = average.stack[:group_by_stack_n]
            if not group_by_input_shapes:
                average.input_shapes = ""
        return EventList(groups.values())

    def total_average(self) -> FunctionEventAvg:
        """All events as one."""
        total = FunctionEventAvg()
        for event in self:
            total.add(event)
        total.key = "Total"
        return total

    def table(self, sort_by: str | None = None, row_limit: int = 100,
              max_src_column_width: int = 75, max_name_column_width: int = 55,
              max_shapes_column_width: int = 80, header: str | None = None,
              top_level_events_only: bool = False, time_unit: str | None = None) -> str:  # fmt: skip
        """The events as text, one a line; `sort_by` names an attribute, largest first."""
        rows = [e for e in self if not (top_level_events_only and e.cpu_parent is not None)]
        if sort_by is not None:
            name = sort_by.replace("cuda", "device")
            if rows and not hasattr(rows[0], name):
                raise AttributeError(f"table(): events have no {shown(sort_by)} to be sorted by")
            rows.sort(key=lambda e: getattr(e, name), reverse=True)
        total = self.self_cpu_time_total
        columns = list(_columns(rows, total, max_name_column_width, max_shapes_column_width,
                                max_src_column_width))  # fmt: skip
        cells = [[title for title, _ in columns]]
        cells += [[cell(row) for _, cell in columns] for row in rows[: max(row_limit, 0)]]
        widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
        rule = "  ".join("-" * width for width in widths)
        lines = ["  ".join(c.rjust(w) for c, w in zip(line, widths)) for line in cells]
        text = [rule, lines[0], rule, *lines[1:], rule, f"Self CPU time total: {_time_text(total)}"]
        if header is not None:
            text.insert(0, header)
        return "\n".join(text) + "\n"

    __str__ = table  # type: ignore[assignment]

    def export_chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Write the events as a file for chrome://tracing and Perfetto."""
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"schemaVersion": 1, "traceEvents": [_traced(e) for e in self]}, file)

    def export_stacks(self, path: str | os.PathLike[str], metric: str = "self_cpu_time_total") -> None:
        """Write the user's lines with their microseconds, as flame graphs read them."""
        with open(path, "w", encoding="utf-8") as file:
            for event in self:
                value = int(getattr(event, metric))
                if event.stack and value > 0:
                    file.write(";".join(reversed(event.stack)) + f" {value}\n")


def _columns(rows: list[Any], total: float, name_width: int, shapes_width: int,
             source_width: int) -> Iterator[tuple[str, Callable[[Any], str]]]:  # fmt: skip
    """The titles of a table's columns, and what is in them."""

    def share(us: float) -> str:
        return f"{100 * us / total:.2f}%" if total else "0.00%"

    def short(text: str, width: int) -> str:
        return text if width is None or len(text) <= width else text[: width - 3] + "..."

    yield "Name", lambda e: short(e.key, name_width)
    yield "Self CPU %", lambda e: share(e.self_cpu_time_total)
    yield "Self CPU", lambda e: e.self_cpu_time_total_str
    yield "CPU total %", lambda e: share(e.cpu_time_total)
    yield "CPU total", lambda e: e.cpu_time_total_str
    yield "CPU time avg", lambda e: e.cpu_time_str
    yield "# of Calls", lambda e: str(e.count)
    if any(e.flops for e in rows):
        yield "Total MFLOPs", lambda e: f"{e.flops / 1e6:.3f}" if e.flops else "--"
    if any(e.input_shapes for e in rows):
        yield "Input Shapes", lambda e: short(str(e.input_shapes or "[]"), shapes_width)
    if any(e.stack for e in rows):
        yield "Source Location", lambda e: short(e.stack[0] if e.stack else "", source_width)


def _traced(event: Any) -> dict[str, Any]:
    """An event in the trace event format (complete events, "X")."""
    kinds = {"user": "user_annotation", "operation": "cpu_op", "kernel": "kernel"}
    return {
        "ph": "X", "name": event.name, "cat": kinds.get(event.kind, "cpu_op"),
        "ts": event.time_range.start, "dur": event.time_range.elapsed_us(), "pid": os.getpid(),
        "tid": event.thread,
        "args": {"Input Dims": event.input_shapes, "Call stack": event.stack, "flops": event.flops},
    }  # fmt: skip


_ATEN = {"true_divide": "div"}
"""Rows whose operation has another name among PyTorch's events."""


def events_of(found: Iterable[Any], beginning: int, shapes: bool, lines: bool, flops: bool) -> EventList:
    """What the engine's recorder has collected, as events."""
    names = {"user": "{}", "flush": "flambeau::run ({})", "operation": "aten::{}", "kernel": "{}"}
    made = [
        FunctionEvent(
            i, names[e.kind].format(_ATEN.get(e.name, e.name)), e.kind, e.thread, (e.start - beginning) / 1e3,
            (e.end - beginning) / 1e3, e.shapes if shapes else (),
            (e.line,) if lines and e.line else (), e.flops if flops else 0,
        )
        for i, e in enumerate(found)
    ]  # fmt: skip
    return EventList(made).nest()
