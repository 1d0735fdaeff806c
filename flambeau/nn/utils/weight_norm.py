"""The older `weight_norm`: a weight as length and direction, computed before every forward pass."""

from __future__ import annotations

import warnings
from typing import Any

import flambeau as torch

from ..parameter import Parameter, UninitializedParameter
from ._hooked import ComputedWeight
from ._norms import norm_except_dim

__all__ = ["WeightNorm", "remove_weight_norm", "weight_norm"]

Tensor = torch.Tensor


class WeightNorm(ComputedWeight):
    """The hook that sets a weight to g v / |v|."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name, self.dim = name, -1 if dim is None else dim

    def compute_weight(self, module: Any) -> Tensor:
        """The weight of a module from its magnitude `name_g` and direction `name_v`."""
        g, v = getattr(module, f"{self.name}_g"), getattr(module, f"{self.name}_v")
        return v * (g / norm_except_dim(v, 2, self.dim))

    @staticmethod
    def apply(module: Any, name: str, dim: int | None) -> WeightNorm:
        """Keep a module's weight as length and direction."""
        WeightNorm.refuse_second(module, name, "weight_norm")
        hook = WeightNorm(name, dim)
        weight = getattr(module, name)
        if isinstance(weight, UninitializedParameter):
            raise ValueError(
                "The module passed to `WeightNorm` can't have uninitialized parameters. Make sure "
                "to run the dummy forward before applying weight normalization"
            )
        del module._parameters[name]
        norm = norm_except_dim(weight, 2, hook.dim)
        module.register_parameter(f"{name}_g", Parameter(norm.detach()))
        module.register_parameter(f"{name}_v", Parameter(weight.detach()))
        setattr(module, name, hook.compute_weight(module))
        module.register_forward_pre_hook(hook)
        return hook

    def remove(self, module: Any) -> None:
        """Make the weight an ordinary parameter again."""
        weight = self.compute_weight(module)
        delattr(module, self.name)
        for part in (f"{self.name}_g", f"{self.name}_v"):
            del module._parameters[part]
        setattr(module, self.name, Parameter(weight.detach()))


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Keep a weight as its direction `{name}_v` and its length `{name}_g` along `dim` (Salimans and
    Kingma, "Weight Normalization", 2016). Returns the module.

    RuntimeError if the weight is so kept already.
    """
    warnings.warn(
        "`torch.nn.utils.weight_norm` is deprecated in favor of "
        "`torch.nn.utils.parametrizations.weight_norm`.",
        FutureWarning,
        stacklevel=2,
    )
    WeightNorm.apply(module, name, dim)
    return module


def remove_weight_norm(module: Any, name: str = "weight") -> Any:
    """Make the weight an ordinary parameter again."""
    WeightNorm.taken(module, name, "weight_norm").remove(module)
    return module
