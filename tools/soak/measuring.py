"""What is measured of the process, from the system's own tables and the library's."""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import flambeau as torch
from flambeau import config, nn, optim
from flambeau.engine import flush, tiering
from flambeau.runtime import blocks, pool, recycled

CACHES = {
    "avals": ("core.aval", "_interned", "_LIMIT", 4000),
    "keys": ("graph.program", "_keys", "_LIMIT", 200),
    "tokens": ("graph.program", "_tokens", None, 0),
    "plans": ("graph.program", "_plans", None, 0),
    "programs": ("engine.tiering", "_programs", None, 0),
    "kernels": ("runtime.kernel_cache", "_loaded", "KEEP", 80),
    "scripts": ("autograd.replay", "_scripts", "_LIMIT", 100),
    "rows": ("frontend.indexing", "_rows", "_LIMIT", 500),
    "linears": ("frontend.linear", "_plans", "_LIMIT", 100),
    "groups": ("frontend.multitensor", "_plans", "_LIMIT", 100),
    "memos": ("frontend.dispatch", "_pick_tokens", "_MEMO_LIMIT", 300),
}
"""Where each cache is, where its bound, and the bound that the soak sets, so that it is met."""
PROGRAMS = 60


def _module(name: str) -> Any:
    return importlib.import_module(f"flambeau.{name}")


def lower_bounds() -> None:
    """Make the caches so small that the soak fills them many times over."""
    config.program_cache_size = PROGRAMS
    for module, _, bound, value in CACHES.values():
        if bound is not None:
            assert hasattr(_module(module), bound), f"{module}.{bound} has another name now"
            setattr(_module(module), bound, value)


def cache_sizes() -> dict[str, int]:
    """The number of entries of each cache."""
    return {name: len(getattr(_module(m), found)) for name, (m, found, _, _) in CACHES.items()}


def trim() -> None:
    """Give back what nobody uses, so that what is left is held by somebody."""
    gc.collect()
    flush.flush("the soak measures")  # else thousands of pending values that nobody wants remain
    tiering.wait_for_compiler()
    pool.synchronize()
    gc.collect()
    blocks.release()
    recycled.release()
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "malloc_trim"):
            libc.malloc_trim(0)


def _megabytes_resident() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _children() -> int:
    found = 0
    for task in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{task}/children", encoding="ascii") as file:
                found += len(file.read().split())
        except OSError:
            continue
    return found


def _count(folder: str) -> int:
    return len(os.listdir(folder)) if os.path.isdir(folder) else 0


class Resident:
    """A network that lives all the time and always does the same, to see how long that takes."""

    def __init__(self) -> None:
        self.net = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 10))
        self.optimizer = optim.SGD(self.net.parameters(), lr=1e-3, momentum=0.9)
        self.x, self.y = torch.randn(16, 32), torch.randint(0, 10, (16,))

    def milliseconds(self, count: int = 40) -> float:
        """The least processor time of a step."""
        least = float("inf")
        for _ in range(count):
            start = time.process_time()
            self.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.net(self.x), self.y)
            loss.backward()
            self.optimizer.step()
            loss.item()
            least = min(least, time.process_time() - start)
        return least * 1000


def sample(resident: Resident | None = None) -> dict[str, float]:
    """All measures now, memory before and after what is free was given back."""
    before = _megabytes_resident()
    step = {} if resident is None else {"step_ms": resident.milliseconds()}
    trim()
    memory = blocks.stats()
    return {
        "rss_mb": before,
        "settled_mb": _megabytes_resident(),
        "blocks_live_mb": memory["live"] / 2**20,
        "slabs_mb": memory["slabs"] / 2**20,
        "descriptors": _count("/proc/self/fd") - 1,
        "threads": _count("/proc/self/task"),
        "python_threads": threading.active_count(),
        "children": _children(),
        "shm": _count("/dev/shm"),
        "temporary_files": _count(tempfile.gettempdir()),
        "maps": len(Path("/proc/self/maps").read_bytes().splitlines()),
        "objects": len(gc.get_objects()),
        "blocks_of_python": sys.getallocatedblocks(),
        **{f"cache_{name}": size for name, size in cache_sizes().items()},
        **step,
    }
