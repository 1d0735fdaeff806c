"""Running a module on several devices.

`DataParallel` divides a batch over the GPUs of this machine; on the CPU it and
`DistributedDataParallel` pass through.
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
