"""`torch.xpu`: Intel's GPUs, of which flambeau uses none."""

from __future__ import annotations

from typing import Any

from flambeau.errors import refusing
from flambeau.lacking.absent import NOTHING, Absent

default_generators: tuple[Any, ...] = ()
__all__ = ["default_generators"]
__all__ += Absent("xpu", "XPU").install(
    globals(),
    needing="""
    current_device current_stream get_device_capability get_device_name get_device_properties
    get_rng_state initial_seed mem_get_info set_device set_rng_state synchronize
    """,
    giving={**NOTHING, "set_stream": None},
    classes="Event Stream",
    contexts="StreamContext device device_of stream",
)

__getattr__ = refusing(__name__)
