"""Pruning: a parameter times a mask of zeros and ones.

`module.weight` becomes `weight_orig * weight_mask`, computed before every forward pass; the first
is the parameter, the second a buffer. Pruning again combines the masks; `remove` makes the pruned
values permanent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import flambeau as torch

from ._pruning import BasePruningMethod, PruningContainer, drop_hook, hook_of
from ._pruning_methods import (
    Amount,
    CustomFromMask,
    Identity,
    L1Unstructured,
    LnStructured,
    RandomStructured,
    RandomUnstructured,
)

__all__ = [
    "BasePruningMethod",
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "PruningContainer",
    "RandomStructured",
    "RandomUnstructured",
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]

Tensor = torch.Tensor

# A pruned module that is saved names its method by this module.
for _class in (
    BasePruningMethod, CustomFromMask, Identity, L1Unstructured, LnStructured, PruningContainer,
    RandomStructured, RandomUnstructured,
):  # fmt: skip
    _class.__module__ = __name__


def identity(module: Any, name: str) -> Any:
    """Give the tensor a mask that prunes nothing. Returns the module, as all functions here do."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Any, name: str, amount: Amount) -> Any:
    """Prune elements at random: `amount` is how many, or as a float in [0, 1] which part of
    those that are left."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(
    module: Any, name: str, amount: Amount, importance_scores: Tensor | None = None
) -> Any:
    """Prune the elements of least absolute value."""
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module: Any, name: str, amount: Amount, dim: int) -> Any:
    """Prune slices along `dim` at random."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Any, name: str, amount: Amount, n: Any, dim: int,
    importance_scores: Tensor | None = None,
) -> Any:  # fmt: skip
    """Prune the slices along `dim` of least n-norm."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Any, name: str, mask: Tensor) -> Any:
    """Prune where `mask` is zero."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Any, pruning_method: Any, importance_scores: Any = None, **kwargs: Any
) -> None:
    """Prune several tensors, (module, name) pairs, as if they were one.

    `importance_scores` is a dict from such pairs to tensors. Raises `TypeError` for a method that
    is not "unstructured".
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    pairs = list(parameters)
    scores = {} if importance_scores is None else importance_scores
    if not isinstance(scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    importances = [scores.get((m, name), getattr(m, name)).reshape(-1) for m, name in pairs]
    masks = [
        getattr(m, f"{name}_mask", torch.ones_like(getattr(m, name))).reshape(-1)
        for m, name in pairs
    ]
    together = torch.cat(importances)
    container = PruningContainer()
    container._tensor_name = "temp"
    method = pruning_method(**kwargs)
    method._tensor_name = "temp"
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{pruning_method} of type {method.PRUNING_TYPE}"
        )
    container.add_pruning_method(method)
    final = container.compute_mask(together, torch.cat(masks))
    start = 0
    for module, name in pairs:
        param = getattr(module, name)
        size = param.numel()
        custom_from_mask(module, name, mask=final[start : start + size].view_as(param))
        start += size


def remove(module: Any, name: str) -> Any:
    """Make the pruned values permanent, and the tensor an ordinary parameter. `ValueError` if it
    is not pruned."""
    hook = hook_of(module, name)
    if hook is None:
        raise ValueError(
            f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed"
        )
    hook.remove(module)
    drop_hook(module, name)
    return module


def is_pruned(module: Any) -> bool:
    """Whether a tensor of the module or of one below it is pruned."""
    return any(
        isinstance(hook, BasePruningMethod)
        for each in module.modules()
        for hook in each._forward_pre_hooks.values()
    )
