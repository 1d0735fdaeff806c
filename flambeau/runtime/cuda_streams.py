"""Streams, events and graphs of a GPU.

Work on a stream is done in its order. The default is the legacy default stream, as in PyTorch; the
others come from a pool of some thirty a device and priority, are never destroyed, and don't wait for
the default one. An event marks a place in a stream. A graph is work that was submitted to a stream
while that was being captured, and can be launched again as a whole.
"""

from __future__ import annotations

import threading
import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import byref, c_int, c_size_t, c_void_p
from itertools import count
from typing import Any

from ..errors import users_line
from . import cuda_api as api
from .cuda_devices import Device, device, forget_current, uncaptured

NON_BLOCKING = 1
RELAXED = 2
"""While this thread captures it may also ask for memory and load code: the streams that are captured
here see nothing but launches and copies."""
POOL = 32
"""Streams of one priority that a device has at most."""


class Stream:
    """A queue of a device. Not made by hand: see `default_stream`, `pooled` and `external`."""

    __slots__ = ("handle", "owner", "device", "priority", "external", "__weakref__")

    def __init__(self, owner: Device, handle: int, priority: int = 0, external: bool = False) -> None:
        self.handle = handle
        """The driver's `CUstream`; 0 for the legacy default stream."""
        self.owner = owner
        self.device = owner.index
        self.priority = priority
        self.external = external
        """Whether somebody else made it, who may destroy it."""

    def __repr__(self) -> str:
        return f"<Stream {self.handle:#x} of cuda:{self.device}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and (self.handle, self.device) == (other.handle, other.device)

    def __hash__(self) -> int:
        return hash((self.handle, self.device))

    def synchronize(self) -> None:
        """Wait until everything that was submitted is done."""
        self.owner.activate()
        code = api.library().cuStreamSynchronize(self.handle)
        if code:
            api.failed(code, f"waiting for a stream of cuda:{self.device}")

    def query(self) -> bool:
        """Whether everything that was submitted is done."""
        self.owner.activate()
        code = api.library().cuStreamQuery(self.handle)
        if code and code != api.NOT_READY:
            api.failed(code, f"asking a stream of cuda:{self.device}")
        return not code

    def wait(self, event: Event) -> None:
        """What is submitted from now on starts after what the event marks. Returns at once."""
        if event.handle:
            self.owner.activate()
            api.call("cuStreamWaitEvent", self.handle, event.handle, 0)

    def wait_stream(self, other: Stream) -> None:
        """What is submitted from now on starts after what `other` holds now. Returns at once."""
        if self != other:
            self.wait(other.record())

    def record(self, event: Event | None = None) -> Event:
        """An event (by default a new one, without times) that marks the end of what was submitted."""
        made = Event(timing=False) if event is None else event
        made.record(self)
        return made

    @property
    def capturing(self) -> bool:
        """Whether what is submitted is being captured."""
        if not self.handle:
            return False
        self.owner.activate()
        return api.number_of("cuStreamIsCapturing", self.handle) != 0


class Event:
    """A mark in a stream. Before it is recorded it is done."""

    __slots__ = ("handle", "device", "timing", "blocking", "_home")

    def __init__(self, timing: bool = True, blocking: bool = False) -> None:
        """
        Args:
            timing: whether it notes the time, for `elapsed`.
            blocking: whether `synchronize` sleeps instead of looking again and again.
        """
        self.handle = 0
        self.device = -1
        self.timing, self.blocking = timing, blocking
        self._home: list[int] | None = None

    def record(self, stream: Stream) -> None:
        """Mark the end of what was submitted to `stream`."""
        if not self.handle:
            self._make(stream.owner)
        elif self.device != stream.device:
            raise RuntimeError(
                f"Event device cuda:{self.device} does not match recording stream's device "
                f"cuda:{stream.device}."
            )
        stream.owner.activate()
        code = api.library().cuEventRecord(self.handle, stream.handle)
        if code:
            api.failed(code, f"recording an event on cuda:{stream.device}")

    def _make(self, owner: Device) -> None:
        flags = (1 if self.blocking else 0) | (0 if self.timing else 2)
        self._home = _events.setdefault((owner.index, flags), [])
        self.device = owner.index
        try:
            self.handle = self._home.pop()
        except IndexError:
            owner.activate()
            self.handle = api.number_of("cuEventCreate", flags, kind=c_void_p)

    def query(self) -> bool:
        """Whether what it marks is done."""
        if not self.handle:
            return True
        device(self.device).activate()
        code = api.library().cuEventQuery(self.handle)
        if code and code != api.NOT_READY:
            api.failed(code, "asking an event")
        return not code

    def synchronize(self) -> None:
        """Wait until what it marks is done."""
        if self.handle:
            device(self.device).activate()
            api.call("cuEventSynchronize", self.handle, doing="waiting for an event")

    def elapsed(self, end: Event) -> float:
        """Milliseconds between what this event and `end` mark, both of which must be done.

        Raises:
            ValueError: one of them keeps no time.
            RuntimeError: one of them has not been recorded, or is not done.
        """
        if not (self.timing and end.timing):
            raise ValueError(
                "Both events must be created with argument 'enable_timing=True'."
            )
        if not (self.handle and end.handle):
            raise ValueError(
                "Both events must be recorded before calculating elapsed time."
            )
        if not (self.query() and end.query()):
            raise RuntimeError(
                "Both events must be completed before calculating elapsed time: call synchronize() first."
            )
        return api.seconds_of("cuEventElapsedTime", self.handle, end.handle)

    def __del__(self) -> None:
        if self._home is not None:
            self._home.append(self.handle)


class Graph:
    """What `capture` caught."""

    __slots__ = ("stream", "nodes", "_handle", "_made")

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        """Where to submit, while it is captured."""
        self.nodes = 0
        """Kernels, copies and fills that are in it."""
        self._handle = 0
        self._made: Any = None

    def launch(self, stream: Stream) -> None:
        """Submit all that was captured to `stream`."""
        if not self._handle:
            raise RuntimeError("the graph has not been captured")
        stream.owner.activate()
        code = api.library().cuGraphLaunch(self._handle, stream.handle)
        if code:
            api.failed(code, f"launching a graph of {self.nodes} nodes on cuda:{stream.device}")

    def _finish(self, graph: int) -> None:
        try:
            found = c_size_t()
            api.call("cuGraphGetNodes", graph, None, byref(found))
            self.nodes = found.value
            self._handle = api.number_of(
                "cuGraphInstantiateWithFlags", graph, 0, kind=c_void_p,
                doing=f"making a graph of {self.nodes} nodes",
            )  # fmt: skip
            self._made = _state
        finally:
            api.library().cuGraphDestroy(graph)

    def __del__(self) -> None:
        if self._handle and self._made is not None:
            self._made.waste.append((self.stream.owner, self._handle))


@contextmanager
def capture(stream: Stream) -> Iterator[Graph]:
    """What the block submits to the graph's `stream` becomes a graph instead of being done. That is
    `stream` itself, or, since the default stream can't be captured, one beside it.

    Raises:
        Error: something can't be captured, such as waiting for the device. There is no graph then.
    """
    sweep()
    with uncaptured():
        on = stream if stream.handle else _side(stream.owner)
        graph = Graph(on)
        begin(on)
        try:
            yield graph
        except BaseException:
            handle, _ = _end(on)
            if handle:
                api.library().cuGraphDestroy(handle)
            raise
        handle, code = _end(on)
    if code or not handle:
        api.failed(code or 901, "ending a capture")
    graph._finish(handle)


def sweep() -> None:
    """Give the driver back the graphs that nobody refers to. Finalizers, which run in any thread and
    between any two calls, don't. Also while one runs: it is freed when it is done."""
    while _state.waste and api.usable():
        owner, handle = _state.waste.popleft()
        owner.activate()
        api.call("cuGraphExecDestroy", handle)


def begin(stream: Stream) -> None:
    """Begin to capture a stream of the pool."""
    stream.owner.activate()
    api.call("cuStreamBeginCapture_v2", stream.handle, RELAXED, doing="beginning a capture")
    _thread.capturing += 1


def _end(stream: Stream) -> tuple[int, int]:
    _thread.capturing -= 1
    stream.owner.activate()
    found = c_void_p()
    code = api.library().cuStreamEndCapture(stream.handle, byref(found))
    return found.value or 0, code


def capturing() -> bool:
    """Whether this thread captures a stream."""
    return _thread.capturing > 0


class _Thread(threading.local):
    """What is a thread's own."""

    capturing = 0

    def __init__(self) -> None:
        self.current: dict[int, Stream] = {}
        """The devices' current streams, where they are not the default ones."""
        self.sides: dict[int, Stream] = {}
        """Streams to capture on."""


class _State:
    """The streams there are."""

    def __init__(self) -> None:
        self.defaults: dict[int, Stream] = {}
        self.pools: dict[tuple[int, int], list[Stream]] = {}
        self.turns: dict[tuple[int, int], Any] = {}
        self.lock = threading.Lock()
        self.waiting = 0
        self.waste: deque[tuple[Device, int]] = deque()
        """Graphs that nobody refers to."""


_thread = _Thread()
_state = _State()
_events: dict[tuple[int, int], list[int]] = {}
"""Events that nobody uses, by device and flags."""


def _reset() -> None:
    global _thread, _state, _events
    _thread, _state, _events = _Thread(), _State(), {}


api.forget_with(_reset)


def default_stream(index: int | None = None) -> Stream:
    """A device's default stream."""
    owner = device(index)
    return _state.defaults.get(owner.index) or _state.defaults.setdefault(
        owner.index, Stream(owner, 0)
    )


def current_stream(index: int | None = None) -> Stream:
    """The stream that this thread submits a device's work to, by default its default stream."""
    if index is None:
        index = device().index
    return _thread.current.get(index) or default_stream(index)


def set_current_stream(stream: Stream) -> None:
    """Let this thread submit its device's work to another stream."""
    _thread.current[stream.device] = stream


def pooled(index: int | None = None, priority: int = 0) -> Stream:
    """A stream of a device's pool; after `POOL` different ones they come again.

    Args:
        priority: negative numbers go first. What is beyond the device's range is cut to it.
    """
    owner = device(index)
    least, greatest = priorities(owner)
    level = max(min(priority, least), greatest)
    key = (owner.index, level)
    with _state.lock:
        pool = _state.pools.setdefault(key, [])
        turn = next(_state.turns.setdefault(key, count()))
        if turn < POOL:
            pool.append(Stream(owner, _new(owner, level), level))
        return pool[turn % len(pool)]


def _new(owner: Device, priority: int) -> int:
    owner.activate()
    return api.number_of(
        "cuStreamCreateWithPriority", NON_BLOCKING, priority, kind=c_void_p, doing="making a stream"
    )


def external(handle: int, index: int | None = None) -> Stream:
    """A stream that somebody else made and keeps."""
    return Stream(device(index), handle, external=True)


def wait_for(handle: int, index: int | None = None) -> None:
    """The current stream goes on after what a stream of somebody else's (1: the default one) holds now."""
    forget_current()
    mine = current_stream(index)
    if handle not in (mine.handle, mine.handle or 1):
        mine.wait_stream(external(handle, mine.device))


def waited_by(handle: int, index: int | None = None) -> None:
    """A stream of somebody else's (1: the default one) goes on after what the current stream holds now."""
    forget_current()
    mine = current_stream(index)
    if handle not in (mine.handle, mine.handle or 1):
        external(handle, mine.device).wait_stream(mine)


def priorities(owner: Device) -> tuple[int, int]:
    """The least and the greatest priority of a device's streams: the greatest is the lower number."""
    owner.activate()
    least, greatest = c_int(), c_int()
    api.call("cuCtxGetStreamPriorityRange", byref(least), byref(greatest))
    return least.value, greatest.value


def _side(owner: Device) -> Stream:
    """A stream of this thread's own to capture on."""
    found = _thread.sides.get(owner.index)
    if found is None:
        found = _thread.sides[owner.index] = Stream(owner, _new(owner, 0))
    return found


def known_streams(index: int) -> list[Stream]:
    """The streams of a device that there are."""
    with _state.lock:
        pools = [s for (at, _), pool in _state.pools.items() if at == index for s in pool]
    return [default_stream(index), *pools]


# --- who waits ------------------------------------------------------------------------------------


def set_waiting(mode: int) -> None:
    """What is done where something waits for the device to see a result (`noted_wait`): 0 nothing, 1 a
    warning, 2 an error."""
    _state.waiting = mode


def waiting_mode() -> int:
    """What `set_waiting` was given."""
    return _state.waiting


def noted_wait() -> None:
    """Something is about to wait for the device, since its result is looked at.

    Raises:
        RuntimeError: that was not to be.
    """
    if _state.waiting == 1:
        warnings.warn("called a synchronizing CUDA operation", UserWarning, stacklevel=users_line())
    elif _state.waiting == 2:
        raise RuntimeError("called a synchronizing CUDA operation")
