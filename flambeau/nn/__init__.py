"""Neural networks: modules, their parameters, and the functions behind them.

`import flambeau.nn as nn`, `import flambeau.nn.functional as F`.
"""

from __future__ import annotations

from flambeau.errors import refusing

from . import functional, init, modules, parallel, parameter, utils
from .modules import *  # noqa: F403
from .modules.module import Module
from .parallel import DataParallel
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    "Buffer",
    "DataParallel",
    "Module",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "functional",
    "init",
    "modules",
    "parallel",
    "parameter",
    "utils",
]
__all__ += modules.__all__

__getattr__ = refusing(__name__)
