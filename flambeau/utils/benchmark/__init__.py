"""`torch.utils.benchmark`: how long statements take, measured with care."""

from __future__ import annotations

from flambeau.errors import refusing

from .compare import Compare
from .measurement import Measurement, TaskSpec, select_unit, trim_sigfig, unit_to_english
from .timer import Timer, timer

__all__ = ["Compare", "Measurement", "TaskSpec", "Timer", "select_unit", "timer", "trim_sigfig",
           "unit_to_english"]  # fmt: skip

__getattr__ = refusing(__name__)
