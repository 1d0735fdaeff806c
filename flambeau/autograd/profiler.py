"""`torch.autograd.profiler`: what takes how long.

flambeau records operations and runs them later: an event is a range that the program names
(`record_function`), a run of what was recorded, and within it each operation (`aten::mm`, through
NumPy) or each kernel of the compiled program. Where a range begins and ends while a profiler
listens, what is pending runs, so that each range has the time of its own operations.
"""

from __future__ import annotations

import functools
import os
import time
import warnings
from collections.abc import Callable
from typing import Any

from ..engine import debug, profiling
from ..errors import refusing
from .profiler_util import EventList, FunctionEvent, FunctionEventAvg, events_of

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg", "emit_nvtx", "profile",
           "record_function"]  # fmt: skip


class profile:  # noqa: N801
    """Context manager that notes what runs inside of it.

    Args:
        enabled: False has it do nothing.
        use_cuda, use_device: GPUs, of which there are none: a warning.
        record_shapes: note the shapes of operations' inputs.
        with_flops: count the floating-point operations of kernels.
        profile_memory: accepted with a warning: memory is not tracked.
        with_stack: note the line of the program that had something run.
    """

    def __init__(
        self, enabled: bool = True, *, use_cuda: bool = False, use_device: str | None = None,
        record_shapes: bool = False, with_flops: bool = False, profile_memory: bool = False,
        with_stack: bool = False, with_modules: bool = False, use_kineto: bool = False,
        use_cpu: bool = True, experimental_config: Any = None, acc_events: bool = False,
        custom_trace_id_callback: Any = None,
    ) -> None:  # fmt: skip
        self.enabled, self.entered = enabled, False
        self.record_shapes = record_shapes or with_flops
        self.with_flops, self.with_stack, self.profile_memory = with_flops, with_stack, profile_memory
        self.use_device = None
        if enabled and (use_cuda or use_device not in (None, "cpu")):
            warnings.warn("CUDA is not available, disabling CUDA profiling", stacklevel=2)
        if enabled and profile_memory:
            warnings.warn(
                "profile_memory: flambeau's profiler does not track memory; tracemalloc does",
                stacklevel=2,
            )
        self.function_events: EventList | None = None
        self._recorder = profiling.Recorder()
        self._beginning = 0

    def __enter__(self) -> Any:
        if not self.enabled:
            return None
        if self.entered:
            raise RuntimeError("Profiler context manager is not reentrant")
        if profiling.listening is not None:
            raise RuntimeError("a profiler listens already: end it before another one starts")
        self.entered = True
        self._recorder.start()
        self._beginning = time.perf_counter_ns()
        return self

    def __exit__(self, *_: object) -> None:
        if self.enabled:
            self._recorder.stop()
            self.function_events = events_of(
                self._recorder.events, self._beginning, self.record_shapes, self.with_stack,
                self.with_flops,
            )  # fmt: skip

    def _found(self) -> EventList:
        if self.function_events is None:
            raise RuntimeError("Profiler didn't finish running")
        return self.function_events

    def events(self) -> EventList:
        """All events."""
        return self._found()

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0,
                     group_by_overload_name: bool = False) -> EventList:  # fmt: skip
        """Averages of the events by name."""
        return self._found().key_averages(group_by_input_shape, group_by_stack_n)

    def total_average(self) -> FunctionEventAvg:
        """All events as one."""
        return self._found().total_average()

    @property
    def self_cpu_time_total(self) -> float:
        """The time of all events, in microseconds."""
        return self._found().self_cpu_time_total

    def table(self, *args: Any, **kwargs: Any) -> str:
        """The events as text; see EventList.table."""
        return self._found().table(*args, **kwargs)

    def export_chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Write a file for chrome://tracing."""
        self._found().export_chrome_trace(path)

    def export_stacks(self, path: str | os.PathLike[str], metric: str = "self_cpu_time_total") -> None:
        """Write a file for flame graphs."""
        self._found().export_stacks(path, metric)

    def __repr__(self) -> str:
        return "<unfinished torch.autograd.profile>" if self.function_events is None else self.table()

    __str__ = __repr__


class record_function:  # noqa: N801
    """Names a range of the program for the profiler: context manager and decorator."""

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args
        self._starts: list[int] = []

    def __enter__(self) -> record_function:
        self._starts.append(profiling.begin_range())
        return self

    def __exit__(self, *_: object) -> None:
        profiling.end_range(self.name, self._starts.pop())

    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        def ranged(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name, self.args):
                return func(*args, **kwargs)

        return ranged


class recorded_operations:  # noqa: N801
    """Context manager that shows each operation which is recorded to a function: its name, the
    shapes of its inputs (None for numbers), its parameters and its result's shape."""

    def __init__(self, see: Callable[[str, list[Any], tuple[Any, ...], Any], None]) -> None:
        def seen(value: Any) -> None:
            shapes = [getattr(getattr(x, "aval", None), "shape", None) for x in value.inputs]
            see(value.op.name, shapes, value.params, getattr(value.aval, "shape", None))

        self._seen = seen

    def boundary(self) -> None:
        """Show now what was recorded so far."""
        profiling._flush("operations are counted")

    def __enter__(self) -> recorded_operations:
        self.boundary()
        self._context = debug.profiling()
        self._context.__enter__()
        profiling.counting.append(self._seen)
        return self

    def __exit__(self, *_: object) -> None:
        self.boundary()
        profiling.counting.remove(self._seen)
        self._context.__exit__(None, None, None)


class emit_nvtx:  # noqa: N801
    """Marks for NVIDIA's profiler: RuntimeError where they are switched on, there is no GPU."""

    def __init__(self, enabled: bool = True, record_shapes: bool = False) -> None:
        self.enabled = enabled

    def __enter__(self) -> emit_nvtx:
        if self.enabled:
            raise RuntimeError("NVTX marks need a GPU; use torch.profiler.profile on the CPU")
        return self

    def __exit__(self, *_: object) -> None:
        pass


__getattr__ = refusing(__name__)
