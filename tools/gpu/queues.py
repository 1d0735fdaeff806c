"""Streams that run late: work waits in queues until something waits for it."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

MOST = 4096
"""Items that a queue holds before it begins to run."""


@dataclass
class Work:
    """Something to be done on a stream."""

    name: str
    run: Callable[[], None]
    marker: Marker | None = None
    """What is done when this is."""
    before: list[Marker] = field(default_factory=list)
    """What must be done first."""


class Marker:
    """A place in a stream's queue."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.done = False
        self.time = 0.0


class Graph:
    """What was captured, in an order that does it right."""

    def __init__(self) -> None:
        self.nodes: list[Work] = []
        self.invalid = 0
        """The code of an error that ended the capture."""
        self.streams: list[Queue] = []


class Queue:
    """A stream."""

    numbers = itertools.count()

    def __init__(
        self, device: int, legacy: bool = False, blocking: bool = True, priority: int = 0
    ) -> None:
        self.device = device
        self.legacy = legacy
        self.blocking = blocking
        """Whether it waits for the legacy default stream, and that one for it."""
        self.priority = priority
        self.number = next(self.numbers)
        self.items: deque[Work] = deque()
        self.capture: Graph | None = None
        self.running = False
        self.lock = threading.RLock()

    def submit(self, work: Work) -> None:
        """Put work at the end, or among the nodes of the graph that is captured."""
        if self.capture is not None:
            self.capture.nodes.append(work)
            return
        self.items.append(work)
        if len(self.items) > MOST:
            self.step()

    def mark(self) -> Marker:
        """The end of what is there now."""
        marker = Marker(self)
        if not self.items:
            marker.done, marker.time = True, time.perf_counter()
        else:
            self.items.append(Work("mark", lambda: None, marker))
        return marker

    def step(self) -> None:
        """Do the first thing that is there."""
        work = self.items[0]
        for marker in work.before:
            marker.queue.until(marker)
        if not self.items or self.items[0] is not work:
            return  # done while others were waited for
        self.items.popleft()
        work.run()
        if work.marker is not None:
            work.marker.done, work.marker.time = True, time.perf_counter()

    def until(self, marker: Marker) -> None:
        """Go on until a marker of this queue is done."""
        while not marker.done and self.items:
            self.step()

    def drain(self) -> None:
        while self.items:
            self.step()
