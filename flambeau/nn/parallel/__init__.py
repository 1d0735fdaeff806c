"""Running a module on several devices.

Here there is one: `DataParallel` and `DistributedDataParallel` pass through, and the steps that it consists of work with
lists of devices that are all the CPU.
"""

from __future__ import annotations

from flambeau.errors import refusing

from .data_parallel import DataParallel, data_parallel
from .distributed import DistributedDataParallel
from .parallel_apply import parallel_apply
from .replicate import replicate
from .scatter_gather import gather, scatter

__all__ = [
    "DataParallel",
    "DistributedDataParallel",
    "data_parallel",
    "gather",
    "parallel_apply",
    "replicate",
    "scatter",
]

__getattr__ = refusing(__name__)
