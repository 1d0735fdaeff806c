"""How many cores this process may use."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path


def usable() -> int:
    """Cores that this process may run on: not the second threads of a core, which share its
    arithmetic units, and no more than a container's quota of processor time."""
    affinity = getattr(os, "sched_getaffinity", None)
    logical = affinity(0) if affinity else set(range(os.cpu_count() or 1))
    cores = {_siblings(n) for n in logical}
    return max(1, min(len(cores), _quota()))


def _siblings(cpu: int) -> str:
    """The logical processors of the same core; the processor itself where that isn't known."""
    with suppress(OSError):
        path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        return path.read_text().strip()
    return str(cpu)


def _quota() -> int:
    """Processors' worth of time that the control group grants (version 2, then version 1)."""
    with suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            return math.ceil(int(quota) / int(period))
    with suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup/cpu")
        quota_us = int((group / "cpu.cfs_quota_us").read_text())
        if quota_us > 0:
            return math.ceil(quota_us / int((group / "cpu.cfs_period_us").read_text()))
    return 1 << 30
