"""`torch.xpu`: Intel's GPUs, of which flambeau uses none."""

from __future__ import annotations

from typing import Any

from flambeau.errors import refusing
from flambeau.lacking.absent import ACCELERATOR, Absent

default_generators: tuple[Any, ...] = ()
__all__ = ["default_generators"]
__all__ += Absent("xpu", "XPU").install(globals(), **ACCELERATOR)

__getattr__ = refusing(__name__)
