"""How much memory there is: what the machine has, and what it could give now.

The machine, the control group the process is in (Linux, versions 1 and 2: proc(5), cgroups(7), and
the kernel's admin-guide/cgroup-v2), the process's own limit of address space, and the user's
(`config.memory_limit`): the smallest counts. Where nothing can be found out, nothing is limited.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from .. import config

UNLIMITED = (1 << 63) - 1
"""More than any machine has; also the most bytes that sizes are counted in."""

_MEMINFO = Path("/proc/meminfo")
_GROUPS = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")


@cache
def most() -> int:
    """Bytes that one result could take at best, with nothing else in memory."""
    info = _meminfo()
    total = info.get("MemTotal", 0) + info.get("SwapTotal", 0) or _physical()
    bounds = [total, _address_space(), config.memory_limit or UNLIMITED]
    bounds += [limit for limit, _ in _groups()]
    return min(bounds)


def available() -> int:
    """Bytes that the process could still fill now: what is free, what the kernel would give up for
    it (file caches), and swap. Tens of microseconds."""
    info = _meminfo()
    free = info.get("MemAvailable", UNLIMITED) + info.get("SwapFree", 0)
    if config.memory_limit:
        free = min(free, config.memory_limit - resident())
    space = _address_space()
    if space < UNLIMITED:
        free = min(free, space - _own(0))
    return max(0, min([free, *(limit - used for limit, used in _groups())]))


def resident() -> int:
    """Bytes of the process that are in memory; 0 where the system does not say."""
    return _own(1)


def _own(field: int) -> int:
    """A field of statm: the process's whole address space, what is in memory of it."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[field])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _meminfo() -> dict[str, int]:
    """Linux's account of the memory, in bytes; empty elsewhere."""
    found = {}
    for line in _read(_MEMINFO).splitlines():
        name, _, rest = line.partition(":")
        if name in ("MemTotal", "MemAvailable", "SwapTotal", "SwapFree"):
            found[name] = int(rest.split()[0]) << 10
    return found


def _physical() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not a Unix
        return UNLIMITED


def _address_space() -> int:
    try:
        import resource
    except ImportError:  # not a Unix
        return UNLIMITED
    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    return UNLIMITED if soft == resource.RLIM_INFINITY else soft


def _groups() -> list[tuple[int, int]]:
    """For each control group around the process that has a limit: it, and the bytes in use that
    could not be taken back."""
    found = []
    for folder, new in _folders():
        limit, used, inactive = (
            ("memory.max", "memory.current", "inactive_file") if new else
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        )  # fmt: skip
        most = _number(folder / limit)
        if most is None or most >= UNLIMITED >> 1:
            continue  # "max", or version 1's way to say so
        stat = dict(line.split() for line in _read(folder / "memory.stat").splitlines())
        found.append((most, max(0, (_number(folder / used) or 0) - int(stat.get(inactive, 0)))))
    return found


@cache
def _folders() -> list[tuple[Path, bool]]:
    """Where the process's control groups of memory are, from its own outwards, and whether each is of
    version 2. Within a container the outermost is its own, whatever path the kernel names."""
    found: list[tuple[Path, bool]] = []
    for line in _read(_GROUPS).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        new = number == "0" and not controllers
        if not new and "memory" not in controllers.split(","):
            continue
        top = _MOUNT if new else _MOUNT / "memory"
        limit = "memory.max" if new else "memory.limit_in_bytes"
        inner = top / path.lstrip("/")
        around = [inner, *(p for p in inner.parents if p.is_relative_to(top))]
        found += [(folder, new) for folder in around if (folder / limit).exists()]
    return found


def _number(path: Path) -> int | None:
    text = _read(path).strip()
    return int(text) if text.isdigit() else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
