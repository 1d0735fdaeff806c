"""Every switch of flambeau. Each is an environment variable read once, at import."""

from __future__ import annotations

import os


def _int(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.lstrip("-").isdigit() else default


max_pending_nodes: int = _int("FLAMBEAU_MAX_PENDING", 1024)
"""FLAMBEAU_MAX_PENDING: how many operations are recorded at most before they run. 1 runs each
operation at its call."""

max_pending_bytes: int = _int("FLAMBEAU_MAX_PENDING_BYTES", 256 << 20)
"""FLAMBEAU_MAX_PENDING_BYTES: how many bytes of large pending results make the trace run."""

debug: int = _int("FLAMBEAU_DEBUG", 0)
"""FLAMBEAU_DEBUG: 1 prints each flush with its reason, 2 also the program it captured."""

check: bool = _int("FLAMBEAU_CHECK", 0) != 0
"""FLAMBEAU_CHECK=1: verify the shape and dtype of every result of the interpreter."""

program_cache_size: int = _int("FLAMBEAU_PROGRAM_CACHE", 512)
"""FLAMBEAU_PROGRAM_CACHE: how many captured programs are kept, the least recently used go."""

MAIN = "FLAMBEAU_MAIN"
"""FLAMBEAU_MAIN: set by `python -m flambeau run` for the processes that the program spawns; says
what the program is. Not for users."""
