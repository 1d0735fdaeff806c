"""`profile` with a schedule: which steps of a loop are recorded, and what happens to the result."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from flambeau.autograd import profiler as _profiler


class ProfilerAction(Enum):
    """What is done in a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


class ProfilerActivity(Enum):
    """What can be profiled: here the CPU."""

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3
    HPU = 4
    PrivateUse1 = 5


def supported_activities() -> set[ProfilerActivity]:
    """What can be profiled."""
    return {ProfilerActivity.CPU}


def schedule(*, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0,
             skip_first_wait: int = 0) -> Callable[[int], ProfilerAction]:  # fmt: skip
    """Steps in rounds: leave out `wait`, run `warmup` unrecorded, record `active`.

    There are `repeat` rounds (0: without end), after `skip_first` steps. `skip_first_wait` other
    than 0 has the first round begin without its wait.
    """
    if wait < 0 or warmup < 0 or active <= 0 or repeat < 0 or skip_first < 0:
        raise AssertionError(
            "Invalid profiler schedule arguments. Ensure wait >= 0, warmup >= 0, active > 0, "
            "repeat >= 0 and skip_first >= 0."
        )
    length = wait + warmup + active

    def action(step: int) -> ProfilerAction:
        if step < 0:
            raise AssertionError(f"Step must be non-negative. Got {step}.")
        step -= skip_first
        if step < 0:
            return ProfilerAction.NONE
        if skip_first_wait:
            step += wait
        if repeat and step // length >= repeat:
            return ProfilerAction.NONE
        at = step % length
        if at < wait:
            return ProfilerAction.NONE
        if at < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if at < length - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def _always(_: int) -> ProfilerAction:
    return ProfilerAction.RECORD


def tensorboard_trace_handler(dir_name: str, worker_name: str | None = None,
                              use_gzip: bool = False) -> Callable[[Any], None]:  # fmt: skip
    """An `on_trace_ready` that writes each trace into a folder, as TensorBoard's plugin and
    chrome://tracing read it."""
    worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"

    def handler(prof: Any) -> None:
        os.makedirs(dir_name, exist_ok=True)
        name = f"{worker}.{time.time_ns()}.pt.trace.json{'.gz' if use_gzip else ''}"
        prof.export_chrome_trace(os.path.join(dir_name, name))

    return handler


class profile:  # noqa: N801
    """Context manager that notes what runs: `with profile() as p: ...; p.step()`.

    Args:
        activities: what to note: the CPU.
        schedule: which steps to record, a function of the step's number; all where it is left out.
        on_trace_ready: called with this at the end of each round of the schedule.
        record_shapes, with_stack, with_flops, profile_memory: see `torch.autograd.profiler.profile`.
    """

    def __init__(
        self, *, activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[Any], Any] | None = None, record_shapes: bool = False,
        profile_memory: bool = False, with_stack: bool = False, with_flops: bool = False,
        with_modules: bool = False, experimental_config: Any = None,
        execution_trace_observer: Any = None, acc_events: bool = False, use_cuda: bool | None = None,
        custom_trace_id_callback: Any = None, post_processing_timeout_s: float | None = None,
    ) -> None:  # fmt: skip
        self.activities = set(activities) if activities else supported_activities()
        self.record_shapes, self.with_stack, self.with_flops = record_shapes, with_stack, with_flops
        self.profile_memory, self.with_modules = profile_memory, with_modules
        self.schedule = schedule or _always
        self.record_steps = schedule is not None
        self.on_trace_ready = on_trace_ready
        self.step_num = 0
        self.current_action = self.schedule(0)
        self.profiler: Any = None
        self._step: Any = None
        self._metadata: dict[str, Any] = {}
        self._use_cuda = bool(use_cuda) or ProfilerActivity.CUDA in self.activities

    # --- steps ------------------------------------------------------------------------------

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin with the first step."""
        self._begin(self.current_action)

    def stop(self) -> None:
        """End; what has been recorded is ready."""
        if self._recording():
            self._end()

    def step(self) -> None:
        """The next step of the loop begins."""
        before = self.current_action
        self._leave_step()
        self.step_num += 1
        self.current_action = self.schedule(self.step_num)
        if before is ProfilerAction.RECORD_AND_SAVE:
            self._end()
        self._begin(self.current_action)

    def _recording(self) -> bool:
        return self.profiler is not None and self.profiler.function_events is None

    def _begin(self, action: ProfilerAction) -> None:
        if action in (ProfilerAction.NONE, ProfilerAction.WARMUP):
            if self._recording():
                self._end()
            return
        if not self._recording():
            self.profiler = _profiler.profile(
                use_cuda=self._use_cuda, record_shapes=self.record_shapes,
                with_flops=self.with_flops, profile_memory=self.profile_memory,
                with_stack=self.with_stack,
            )  # fmt: skip
            self.profiler.__enter__()
        if self.record_steps:
            self._step = _profiler.record_function(f"ProfilerStep#{self.step_num}")
            self._step.__enter__()

    def _leave_step(self) -> None:
        if self._step is not None:
            self._step.__exit__(None, None, None)
            self._step = None

    def _end(self) -> None:
        self._leave_step()
        self.profiler.__exit__(None, None, None)
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    # --- results ----------------------------------------------------------------------------

    def _ready(self) -> Any:
        if self.profiler is None:
            raise AssertionError("Profiler must be initialized before its results are asked for")
        return self.profiler

    def events(self) -> Any:
        """All events."""
        return self._ready().events()

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0,
                     group_by_overload_name: bool = False) -> Any:  # fmt: skip
        """Averages of the events by name: an EventList, whose `table` is text."""
        return self._ready().key_averages(group_by_input_shape, group_by_stack_n)

    def export_chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Write a file for chrome://tracing and Perfetto, packed where its name ends in .gz."""
        name = os.fspath(path)
        if not name.endswith(".gz"):
            self._ready().export_chrome_trace(name)
            return
        import gzip
        import tempfile

        with tempfile.NamedTemporaryFile(suffix=".json") as plain:
            self._ready().export_chrome_trace(plain.name)
            with gzip.open(name, "wb") as packed:
                packed.write(plain.read())

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Write a file for flame graphs; needs `with_stack`."""
        self._ready().export_stacks(path, metric)

    def export_memory_timeline(self, path: str, device: str | None = None) -> None:
        """NotImplementedError: memory is not tracked."""
        raise NotImplementedError(
            "export_memory_timeline(): flambeau's profiler does not track memory; tracemalloc does"
        )

    def add_metadata(self, key: str, value: str) -> None:
        """Note something of the run."""
        self._metadata[key] = value

    def add_metadata_json(self, key: str, value: str) -> None:
        """Note something of the run, in JSON."""
        self._metadata[key] = json.loads(value)

    preset_metadata_json = add_metadata_json
