"""`torch.profiler`: profiles by steps of a training loop."""

from __future__ import annotations

from flambeau.autograd.profiler import record_function
from flambeau.errors import refusing

from .profiler import (
    ProfilerAction,
    ProfilerActivity,
    profile,
    schedule,
    supported_activities,
    tensorboard_trace_handler,
)

__all__ = ["ProfilerAction", "ProfilerActivity", "kineto_available", "profile", "record_function",
           "schedule", "supported_activities", "tensorboard_trace_handler"]  # fmt: skip


def kineto_available() -> bool:
    """Whether PyTorch's tracing library Kineto is there: no."""
    return False


__getattr__ = refusing(__name__)
