"""`torch.mps`: Apple's GPUs, of which flambeau uses none."""

from __future__ import annotations

from flambeau.errors import refusing
from flambeau.lacking.absent import Absent

__all__ = Absent("mps", "MPS").install(
    globals(),
    needing="""
    compile_shader get_rng_state load_metallib recommended_max_memory set_per_process_memory_fraction
    set_rng_state synchronize
    """,
    giving={
        "is_available": False, "device_count": 0, "manual_seed": None, "seed": None,
        "empty_cache": None, "current_allocated_memory": 0, "driver_allocated_memory": 0,
    },  # fmt: skip
    classes="Event",
)

__getattr__ = refusing(__name__)
