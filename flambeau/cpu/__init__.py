"""`torch.cpu`: the processor under the names of a GPU's namespace. Nothing has to be waited for."""

from __future__ import annotations

import contextlib
import platform
import sys
from importlib import import_module
from typing import Any

from flambeau import _synchronize
from flambeau.errors import refusing

__all__ = ["Event", "Stream", "StreamContext", "current_device", "current_stream", "device_count",
           "get_capabilities", "is_available", "is_initialized", "set_device", "stream", "synchronize"]  # fmt: skip


class Stream:
    """A stream of work: a program's own order."""

    def __init__(self, priority: int = -1) -> None:
        pass

    def wait_stream(self, stream: Stream) -> None:
        """Nothing has to be waited for."""

    wait_event = record_event = wait_stream

    def synchronize(self) -> None:
        """Nothing has to be waited for."""


class Event:
    """A point in a stream, which is passed."""

    def query(self) -> bool:
        """Whether it is passed."""
        return True

    def record(self, stream: Stream | None = None) -> None:
        """Set it here."""

    def synchronize(self) -> None:
        """Nothing has to be waited for."""

    def wait(self, stream: Stream | None = None) -> None:
        """Nothing has to be waited for."""


_default = Stream()


class StreamContext(contextlib.AbstractContextManager[None]):
    """Work inside of it is the stream's."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream

    def __exit__(self, *_: object) -> None:
        pass


stream = StreamContext


def is_available() -> bool:
    """Whether there is a processor: always."""
    return True


def is_initialized() -> bool:
    """True: a processor needs no start."""
    return True


def device_count() -> int:
    """One."""
    return 1


def current_device() -> str:
    """Always "cpu"."""
    return "cpu"


def set_device(device: Any) -> None:
    """Nothing: there is one."""


def synchronize(device: Any = None) -> None:
    """Run what is recorded, and wait until it has run."""
    _synchronize()


def current_stream(device: Any = None) -> Stream:
    """The one stream."""
    return _default


def get_capabilities() -> dict[str, Any]:
    """What is known of the processor without asking it."""
    return {"architecture": platform.machine(), "byteorder": sys.byteorder}


def __getattr__(name: str) -> Any:
    if name == "amp":
        return import_module(f"{__name__}.amp")
    return _refuse(name)


_refuse = refusing(__name__)
