"""`torch.Stream` and `torch.Event`: those of whichever accelerator there is, which is CUDA."""

from __future__ import annotations

from typing import Any

import flambeau as torch

__all__ = ["Event", "Stream"]


def _on_cuda(what: str, device: Any) -> None:
    """Refuse devices without streams.

    Raises:
        RuntimeError: there is no accelerator, or the device is none.
    """
    torch.accelerator._cuda()
    if device is not None and torch.device(device).type != "cuda":
        raise RuntimeError(f"torch.{what}: only GPUs have streams and events, got device='{device}'")


class Stream:
    """A queue of work on an accelerator: a `torch.cuda.Stream`.

    Args:
        device: by default the current GPU.
        priority: lower numbers go first.

    Raises:
        RuntimeError: there is no accelerator, or the device is the CPU.
    """

    def __new__(cls, device: Any = None, priority: int = 0, **kwargs: Any) -> Any:
        if cls is not Stream:
            return super().__new__(cls)
        _on_cuda("Stream", device)
        return torch.cuda.Stream(device, priority, **kwargs)


class Event:
    """A mark in a stream: a `torch.cuda.Event`.

    Args:
        device: by default the current GPU. The event belongs to the one that it is recorded on.
        enable_timing: whether it notes the time, for `elapsed_time`.
        blocking: whether `synchronize` sleeps instead of asking all the time.
        interprocess: refused: there is none for other processes.

    Raises:
        RuntimeError: there is no accelerator, or the device is the CPU.
    """

    def __new__(
        cls, device: Any = None, *, enable_timing: bool = False, blocking: bool = False,
        interprocess: bool = False,
    ) -> Any:  # fmt: skip
        _on_cuda("Event", device)
        return torch.cuda.Event(enable_timing, blocking, interprocess)


Stream.__module__ = Event.__module__ = "torch"
