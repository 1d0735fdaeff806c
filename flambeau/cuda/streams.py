"""`torch.cuda.streams`: streams and events.

An operation runs on the stream that was current in its thread when it was recorded: what is pending
runs before another stream becomes the current one, and before an event is recorded or anything waits.
Inside of `torch.cuda.graph` all is recorded in one order: events and waits of streams do nothing there.
"""

from __future__ import annotations

import ctypes
from typing import Any

import flambeau as torch
from flambeau.errors import refusing
from flambeau.runtime import cuda as driver

from ._devices import device as _device
from ._devices import index_of
from ._generic import Event as _AnyEvent
from ._generic import Stream as _AnyStream
from ._needing import needing, require, submit, thread, without

__all__ = ["Event", "ExternalStream", "Stream", "StreamContext", "current_stream", "default_stream",
           "get_stream_from_external", "is_current_stream_capturing", "set_stream", "stream"]  # fmt: skip


class Stream(_AnyStream):
    """A queue of work on a GPU.

    Args:
        device: the GPU, by default the current one.
        priority: lower numbers go first; what is beyond the GPU's range is cut to it.
    """

    _stream: Any

    def __new__(cls, device: Any = None, priority: int = 0, **kwargs: Any) -> Any:
        require()
        made = object.__new__(cls)
        if "stream_id" in kwargs:
            index = kwargs.get("device_index", driver.current_device())
            found = [s for s in driver.known_streams(index) if s.handle == kwargs["stream_id"]]
            made._stream = found[0] if found else driver.external(kwargs["stream_id"], index)
        else:
            made._stream = driver.pooled(index_of(device), priority)
        return made

    @classmethod
    def _of(cls, found: Any) -> Stream:
        made: Stream = object.__new__(Stream)
        made._stream = found
        return made

    @property
    def cuda_stream(self) -> int:
        """The driver's handle; 0 for the default stream."""
        return int(self._stream.handle)

    _as_parameter_ = property(lambda self: ctypes.c_void_p(self._stream.handle))
    stream_id = property(lambda self: self._stream.handle, doc="The handle.")
    device_index = property(lambda self: self._stream.device, doc="The GPU's index.")
    device_type = property(lambda self: 1, doc="1: CUDA.")
    priority = property(lambda self: self._stream.priority, doc="Lower numbers go first.")

    @property
    def device(self) -> Any:
        """The GPU."""
        return torch.device("cuda", self._stream.device)

    @staticmethod
    def priority_range() -> tuple[int, int]:
        """The least and the greatest priority that streams of the current GPU have."""
        require()
        least, greatest = driver.priorities(driver.device())
        return least, greatest

    def synchronize(self) -> None:
        """Wait until everything on the stream is done."""
        submit("Stream.synchronize()", waits=True)
        self._stream.synchronize()

    def query(self) -> bool:
        """Whether everything on the stream is done."""
        submit("Stream.query()", waits=True)
        return bool(self._stream.query())

    def record_event(self, event: Event | None = None) -> Event:
        """Mark the end of what is on the stream with an event, by default a new one."""
        made = Event() if event is None else event
        made.record(self)
        return made

    def wait_event(self, event: Event) -> None:
        """What comes to the stream from now on starts after what the event marks."""
        event.wait(self)

    def wait_stream(self, stream: Stream) -> None:
        """What comes to this stream from now on starts after what is on another one now."""
        if submit("Stream.wait_stream()"):
            self._stream.wait_stream(stream._stream)

    def __cuda_stream__(self) -> tuple[int, int]:
        return (0, self.cuda_stream)

    def __enter__(self) -> Stream:
        contexts = self.__dict__.setdefault("_entered", [])
        contexts.append(StreamContext(self))
        contexts[-1].__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.__dict__["_entered"].pop().__exit__()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self._stream == other._stream

    def __hash__(self) -> int:
        return hash(self._stream)

    def __repr__(self) -> str:
        return f"<torch.cuda.Stream device={self.device} cuda_stream={self.cuda_stream:#x}>"


class ExternalStream(Stream):
    """A stream that something else has made, by its handle. It must live as long as it is used here.

    Args:
        stream_ptr: the handle.
        device: the GPU, by default the current one.
    """

    def __new__(cls, stream_ptr: int, device: Any = None, **kwargs: Any) -> Any:
        require()
        made = object.__new__(cls)
        made._stream = driver.external(stream_ptr, index_of(device))
        return made


class Event(_AnyEvent):
    """A mark in a stream.

    Args:
        enable_timing: whether it notes the time, for `elapsed_time`.
        blocking: whether `synchronize` sleeps instead of asking all the time.
        interprocess: refused: there is none for other processes.
        external: whether it is to be waited for by name in captured graphs; accepted.
    """

    _event: Any

    def __new__(
        cls, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False,
        external: bool = False,
    ) -> Any:  # fmt: skip
        require()
        if interprocess:
            raise NotImplementedError(
                "torch.cuda.Event(interprocess=True): flambeau shares no events between processes"
            )
        made = object.__new__(cls)
        made._event = driver.Event(enable_timing, blocking)
        return made

    def record(self, stream: Stream | None = None) -> None:
        """Mark the end of what is on a stream, by default the current one."""
        if submit("Event.record()"):
            self._event.record(driver.current_stream() if stream is None else stream._stream)

    def wait(self, stream: Stream | None = None) -> None:
        """What comes to a stream (by default the current one) from now on starts after what the event
        marks."""
        if submit("Event.wait()"):
            (driver.current_stream() if stream is None else stream._stream).wait(self._event)

    def query(self) -> bool:
        """Whether what it marks is done; true before it is recorded."""
        submit("Event.query()", waits=True)
        return bool(self._event.query())

    def synchronize(self) -> None:
        """Wait until what it marks is done."""
        submit("Event.synchronize()", waits=True)
        self._event.synchronize()

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from what this event marks to what `end_event` marks.

        Raises:
            ValueError: one of them keeps no times or is not recorded.
            RuntimeError: one of them is not done.
        """
        return float(self._event.elapsed(end_event._event))

    @property
    def cuda_event(self) -> int:
        """The driver's handle; 0 before it is recorded."""
        return int(self._event.handle)

    event_id = property(lambda self: self._event.handle, doc="The handle.")
    _as_parameter_ = property(lambda self: ctypes.c_void_p(self._event.handle))

    @property
    def device(self) -> Any:
        """The GPU whose stream it was recorded on, or None."""
        return torch.device("cuda", self._event.device) if self._event.handle else None

    def ipc_handle(self) -> bytes:
        """NotImplementedError: events are not shared between processes."""
        raise NotImplementedError("Event.ipc_handle(): flambeau shares no events between processes")

    @classmethod
    def from_ipc_handle(cls, device: Any, handle: bytes) -> Event:
        """NotImplementedError: events are not shared between processes."""
        raise NotImplementedError("Event.from_ipc_handle(): flambeau shares no events between processes")

    def __repr__(self) -> str:
        handle = self.cuda_event
        return f"<torch.cuda.Event {handle:#x}>" if handle else "<torch.cuda.Event uninitialized>"


@needing
def current_stream(device: Any = None) -> Stream:
    """The stream that this thread's work on a GPU goes to."""
    return Stream._of(driver.current_stream(index_of(device)))


@needing
def default_stream(device: Any = None) -> Stream:
    """A GPU's default stream."""
    return Stream._of(driver.default_stream(index_of(device)))


@needing
def get_stream_from_external(data_ptr: int, device: Any = None) -> Stream:
    """A stream that something else has made, by its handle."""
    return ExternalStream(data_ptr, device)  # type: ignore[no-any-return]


@without(None)
def set_stream(stream: Stream | None) -> None:
    """Have this thread's work go to a stream, whose GPU becomes the current one. None changes nothing."""
    if stream is None:
        return
    submit("another stream")
    if driver.current_device() != stream._stream.device:
        driver.set_device(stream._stream.device)
    driver.set_current_stream(stream._stream)


class StreamContext:
    """What `stream` gives: within the `with` block this thread's work goes to the stream, and its GPU
    is the current one. Does nothing for None, and where there is no GPU."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream
        self._before: Any = None
        self._device: Any = None

    def __enter__(self) -> None:
        if self.stream is None or not driver.available():
            return
        inner = self.stream._stream
        submit("another stream")
        self._device = _device(inner.device)
        self._device.__enter__()
        self._before = driver.current_stream(inner.device)
        driver.set_current_stream(inner)

    def __exit__(self, *_: object) -> None:
        if self._before is None or not driver.available():
            return
        submit("another stream")
        driver.set_current_stream(self._before)
        self._device.__exit__()
        self._before = self._device = None


def stream(stream: Stream | None) -> StreamContext:
    """`with torch.cuda.stream(s):` has this thread's work go to a stream."""
    return StreamContext(stream)


@without(False)
def is_current_stream_capturing() -> bool:
    """Whether what goes to the current stream is being captured."""
    return thread.graph is not None or bool(driver.current_stream().capturing)


__getattr__ = refusing(__name__)
