"""From a plan to native code: its kernels compiled, its launches laid out for the driver.

Launches between two calls make a segment, one program of the driver. A step's launches are divided
over threads where their work is worth it.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any, NamedTuple

from .. import config
from ..codegen import kernel as kernels
from ..codegen.plan import Call, Plan, Step
from ..runtime import kernel_cache, pool

PARALLEL_NS = 15_000.0
"""Estimated nanoseconds of work from which a launch is divided over threads. Dividing costs some 2 µs
when the threads are awake; but a thread that waits for work spins, on the core on which Python
records the next step: small programs are best left to one thread."""

CHAIN_BYTES = 512e3
"""What kernels that share a step may read and write on a piece of its tasks: so much stays in the
second-level cache from one kernel to the next."""

FLOPS_PER_NS, NEAR_BYTES_PER_NS, FAR_BYTES_PER_NS = 80.0, 40.0, 12.0
"""A guess of one core's speed, for that estimate alone."""
NEAR = 1e6
"""Bytes of a launch up to which they are likely to be in the second-level cache."""


class Segment(NamedTuple):
    """Launches between two calls, as the driver wants them."""

    native: Any
    """A pool.Program."""
    steps: tuple[Step, ...]
    seconds: list[float]
    """The shortest time of each step that was seen, where runs are timed."""


class Linked(NamedTuple):
    """A plan's native code."""

    segments: list[Segment | Call]
    """What runs, in order."""
    addresses: dict[str, int]
    """Where each kernel is, by its key."""
    kept: list[Any]
    """What must live as long as the segments."""


def link(plan: Plan, threads: int) -> Linked:
    """Compile the kernels that are not known, and make the segments and the calls between them."""
    kernels_of_plan = [x.kernel for s in plan.steps for x in s.launches]
    addresses = kernel_cache.addresses(kernels_of_plan, _target())
    segments: list[Segment | Call] = []
    kept: list[Any] = []
    pending: list[Step] = []
    for s in plan.steps:
        if s.call is None:
            pending.append(s)
            continue
        segments += _closed(pending, addresses, threads, kept)
        segments.append(s.call)
        pending = []
    segments += _closed(pending, addresses, threads, kept)
    return Linked(segments, addresses, kept)


def _closed(
    steps: list[Step], addresses: dict[str, int], threads: int, kept: list[Any]
) -> list[Segment]:
    """The steps since the last call as a segment, if there are any."""
    if not steps:
        return []
    records = []
    for s in steps:
        chained = []
        for x in s.launches:
            words = x.words()
            args = (ctypes.c_int64 * max(len(words), 1))(*words)
            kept.append(args)
            chained.append((addresses[repr(x.kernel.key)], ctypes.addressof(args)))
        first = s.launches[0]
        grain = max(x.grain for x in s.launches)
        each = sum(x.bytes for x in s.launches) / max(first.tasks, 1)
        most = max(1, int(CHAIN_BYTES / max(each, 1.0))) if len(chained) > 1 else 0
        records.append(
            pool.Record(tuple(chained), first.tasks, min(grain, most or grain), most, divided(s))
        )
    made = Segment(pool.Program(records, threads), tuple(steps), [math.inf] * len(steps))
    if config.profile:
        made.native.profile()
    return [made]


def estimate(x: kernels.Launch) -> float:
    """Nanoseconds of one core's work, roughly."""
    rate = NEAR_BYTES_PER_NS if x.bytes < NEAR else FAR_BYTES_PER_NS
    return max(x.flops / FLOPS_PER_NS, x.bytes / rate)


def divided(step: Step) -> bool:
    """Whether a step's tasks are shared among threads."""
    return step.launches[0].tasks > 1 and sum(map(estimate, step.launches)) > PARALLEL_NS


def _target() -> kernels.Target:
    from ..runtime import native

    return kernels.Target(*native.host())
