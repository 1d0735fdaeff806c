"""Launches, ready to be submitted: one by one, and as CUDA graphs.

Our kernels read their addresses from the run's table, so a graph of them is good for every run. A
library's call has its addresses in it: graphs with one are kept by these addresses, which come again
when the allocator gives the same blocks to each step.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from ..errors import AcceleratorError
from ..runtime import cuda, cuda_api

KEPT = 4
"""Graphs of one segment that are kept, the least recently used go."""
SEEN = 64
"""Sets of addresses that are remembered to have been seen once."""
TRIES = 3
"""A capture may also be spoilt by whoever else uses the device in this process."""


class Native:
    """A launch of one of our kernels."""

    __slots__ = ("function", "grid", "block", "shared", "prepared")

    def __init__(self, function: Any, grid: Any, block: Any, shared: int, prepared: Any) -> None:
        self.function, self.grid, self.block = function, grid, block
        self.shared, self.prepared = shared, prepared

    def run(self, words: Any, stream: Any) -> None:
        cuda.launch(self.function, self.grid, self.block, self.shared, stream, self.prepared)


class Library:
    """A call of a library."""

    __slots__ = ("prepared", "args")

    def __init__(self, prepared: Any, args: tuple[tuple[int, int], ...]) -> None:
        self.prepared = prepared
        self.args = args
        """Slot of the table and offset in bytes of each buffer."""

    def addresses(self, words: Any) -> list[int]:
        return [int(words[slot]) + offset for slot, offset in self.args]

    def run(self, words: Any, stream: Any) -> None:
        self.prepared.run(self.addresses(words), stream)


class Graphs:
    """The launches of one segment on one stream."""

    def __init__(self, submissions: Sequence[Any]) -> None:
        self.submissions = submissions
        self.libraries = [x for x in submissions if isinstance(x, Library)]
        self.kept: OrderedDict[Any, Any] = OrderedDict()
        self.seen: OrderedDict[Any, None] = OrderedDict()
        self.refused = 0
        """How often it could not be captured."""

    def direct(self, words: Any, stream: Any) -> None:
        """Submit the launches one by one."""
        for x in self.submissions:
            x.run(words, stream)

    def run(self, words: Any, stream: Any, done: list[int]) -> None:
        """Submit the launches: as a graph, where these have been seen before. Then `done` gets the
        driver's code in the same step of the interpreter, between which no signal's handler runs."""
        key = tuple([a for x in self.libraries for a in x.addresses(words)])
        graph = self.kept.get(key)
        if graph is None:
            if key not in self.seen or self.refused >= TRIES or cuda.capturing():
                self.direct(words, stream)
                self.seen[key] = None
                if len(self.seen) > SEEN:
                    self.seen.popitem(last=False)
                return
            graph = self._captured(key, words, stream)
            if graph is None:
                self.direct(words, stream)
                return
        elif self.libraries:
            self.kept.move_to_end(key)
        stream.owner.activate()
        done.extend(map(cuda_api.library().cuGraphLaunch, (graph._handle,), (stream.handle,)))
        if done[-1]:
            cuda_api.failed(done[-1], f"launching a graph of {graph.nodes} nodes")

    def _captured(self, key: Any, words: Any, stream: Any) -> Any:
        try:
            with cuda.capture(stream) as graph:
                self.direct(words, graph.stream)
        except AcceleratorError:  # also of a library
            if cuda.lost():
                raise
            self.refused += 1
            return None
        self.kept[key] = graph
        if len(self.kept) > KEPT:
            self.kept.popitem(last=False)
        return graph
