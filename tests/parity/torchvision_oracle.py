"""torchvision as the measure, where it is installed.

Its wheels are built for GPUs: on a CPU build of PyTorch its C++ part does not load, and importing it
fails where it registers that part's operations. Left out, everything written in Python works.
"""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import Any

import pytest
import torch

_REGISTERING = ("register_fake", "register_autograd", "register_kernel")


def load() -> ModuleType:
    """Returns torchvision, or skips the tests of the module that asks."""
    kept = {name: getattr(torch.library, name) for name in _REGISTERING}
    try:
        for name in _REGISTERING:
            setattr(torch.library, name, _nothing)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pytest.importorskip("torchvision", exc_type=Exception)
    finally:
        for name, function in kept.items():
            setattr(torch.library, name, function)


def _nothing(*args: Any, **kwargs: Any) -> Any:
    return lambda function: function
