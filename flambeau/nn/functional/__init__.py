"""The functions behind the layers: `import flambeau.nn.functional as F`.

They are the operations of the op table with PyTorch's signatures, its checks and its old
arguments. What the table lacks is composed of it here.
"""

from __future__ import annotations

import importlib
from typing import Any

import flambeau as torch
from flambeau.errors import refusing

# No file here may have the name of a function: importing `functional/linear.py` later would
# put the module in the place of `F.linear`.
from .activation import *  # noqa: F403
from .attention import *  # noqa: F403
from .attention import canonical_mask as _canonical_mask  # noqa: F401
from .conv import *  # noqa: F403
from .ctc import *  # noqa: F403
from .distance import *  # noqa: F403
from .dropouts import *  # noqa: F403
from .fractional import *  # noqa: F403
from .linear_loss import *  # noqa: F403
from .linears import *  # noqa: F403
from .loss import *  # noqa: F403
from .margin_loss import *  # noqa: F403
from .normalization import *  # noqa: F403
from .pooling import *  # noqa: F403
from .resize import *  # noqa: F403
from .sampling import *  # noqa: F403
from .vision import *  # noqa: F403

GRID_SAMPLE_INTERPOLATION_MODES = {"bilinear": 0, "nearest": 1, "bicubic": 2}
GRID_SAMPLE_PADDING_MODES = {"zeros": 0, "border": 1, "reflection": 2}

_lacking = refusing(__name__)


def __getattr__(name: str) -> Any:
    # PyTorch's file imports these under these names, and older programs use them from here.
    if name in ("_Reduction", "grad"):
        file = "_reduction" if name == "_Reduction" else name
        return importlib.import_module(f"flambeau.nn.{file}")
    if name.startswith("_"):
        inner = importlib.import_module("._inner", __name__)
        if name in inner.__all__:
            return getattr(inner, name)
    if name in ("Tensor", "conv_tbc"):
        return getattr(torch, name)
    return _lacking(name)
