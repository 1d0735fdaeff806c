"""The few names of `torch._C`, PyTorch's compiled part, that programs use."""

from __future__ import annotations

from .errors import refusing
from .frontend.overriding import DisableTorchFunction, DisableTorchFunctionSubclass
from .frontend.overriding import disabled as _disabled_torch_function_impl

__all__ = ["DisableTorchFunction", "DisableTorchFunctionSubclass", "_disabled_torch_function_impl"]

__getattr__ = refusing(__name__)
