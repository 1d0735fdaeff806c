"""Names that PyTorch keeps in another file of `nn.modules` than flambeau does.

Programs import classes from where PyTorch defines them: `from torch.nn.modules.conv import
LazyConv2d`. Where our files are cut differently, each name is shown in PyTorch's file too.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["fill"]

PLACES = {
    "activation": "_attention: MultiheadAttention NonDynamicallyQuantizableLinear",
    "batchnorm": "lazy: LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d",
    "container": "_parameter_containers: ParameterDict ParameterList",
    "conv": "lazy: LazyConv1d LazyConv2d LazyConv3d LazyConvTranspose1d LazyConvTranspose2d "
            "LazyConvTranspose3d",
    "instancenorm": "lazy: LazyInstanceNorm1d LazyInstanceNorm2d LazyInstanceNorm3d",
    "linear": "lazy: LazyLinear; _attention: NonDynamicallyQuantizableLinear",
    "loss": "_linear_loss: LinearCrossEntropyLoss",
    "module": "_hooks: BackwardHook RemovableHandle _global_backward_hooks "
              "_global_backward_pre_hooks _global_buffer_registration_hooks _global_forward_hooks "
              "_global_forward_hooks_always_called _global_forward_hooks_with_kwargs "
              "_global_forward_pre_hooks _global_module_registration_hooks "
              "_global_parameter_registration_hooks; _state_dict: _EXTRA_STATE_KEY_SUFFIX",
    "pooling": "_fractional: FractionalMaxPool2d FractionalMaxPool3d",
}  # fmt: skip


def fill() -> None:
    """Show the names. Called once, when all files are there."""
    for place, sources in PLACES.items():
        shown: Any = importlib.import_module(f".{place}", __package__)
        for source in sources.split(";"):
            file, _, names = source.partition(":")
            held = importlib.import_module(f".{file.strip()}", __package__)
            for name in names.split():
                setattr(shown, name, getattr(held, name))
