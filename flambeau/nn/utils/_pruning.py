"""How a module's tensor comes to be pruned: the mask, the hook, and several methods on one tensor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import flambeau as torch

Tensor = torch.Tensor


class BasePruningMethod(ABC):
    """A way to choose what to prune. A subclass writes `compute_mask`.

    `PRUNING_TYPE` says what it chooses among, where the tensor has been pruned before: the
    elements left ("unstructured"), the channels left ("structured"), or everything ("global").
    """

    _tensor_name: str
    PRUNING_TYPE: str

    def __call__(self, module: Any, inputs: Any) -> None:
        """Before `forward`: compute the pruned tensor."""
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask for a tensor of importances `t`, given the mask so far."""

    def apply_mask(self, module: Any) -> Tensor:
        """The pruned tensor: the original times the mask."""
        name = getattr(self, "_tensor_name", None)
        if name is None:
            raise AssertionError(f"Module {module} has to be pruned")
        mask, orig = getattr(module, f"{name}_mask"), getattr(module, f"{name}_orig")
        return mask.to(dtype=orig.dtype) * orig

    @classmethod
    def apply(
        cls, module: Any, name: str, *args: Any, importance_scores: Tensor | None = None,
        **kwargs: Any,
    ) -> Any:  # fmt: skip
        """Prune the tensor `name` of `module` with `cls(*args, **kwargs)`, after what has pruned
        it already. `importance_scores` decide instead of the values, and have their shape."""
        old = hook_of(module, name)
        method = cls(*args, **kwargs)
        method._tensor_name = name
        if old is not None:
            container = PruningContainer(*(old if isinstance(old, PruningContainer) else [old]))
            container.add_pruning_method(method)
        orig = getattr(module, name)
        if importance_scores is not None and importance_scores.shape != orig.shape:
            raise AssertionError(
                f"importance_scores should have the same shape as parameter {name} of {module}, "
                f"got {importance_scores.shape} vs {orig.shape}"
            )
        scores = orig if importance_scores is None else importance_scores
        chosen: Any = method if old is None else container
        if old is None:
            default_mask = torch.ones_like(orig).detach()
        else:
            default_mask = getattr(module, f"{name}_mask").detach().clone()
        # First the mask, then the module: an error leaves it as it was.
        mask = chosen.compute_mask(scores, default_mask)
        if old is None:
            module.register_parameter(f"{name}_orig", orig)
            del module._parameters[name]
        else:
            drop_hook(module, name)
        module.register_buffer(f"{name}_mask", mask)
        setattr(module, name, chosen.apply_mask(module))
        module.register_forward_pre_hook(chosen)
        return chosen

    def prune(
        self, t: Tensor, default_mask: Tensor | None = None,
        importance_scores: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """A pruned copy of a tensor that belongs to no module."""
        if importance_scores is not None and importance_scores.shape != t.shape:
            raise AssertionError(
                "importance_scores should have the same shape as tensor t, got "
                f"{importance_scores.shape} vs {t.shape}"
            )
        scores = t if importance_scores is None else importance_scores
        mask = torch.ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(scores, default_mask=mask)

    def remove(self, module: Any) -> None:
        """Make the pruned tensor an ordinary parameter; pruned elements stay zero."""
        name = getattr(self, "_tensor_name", None)
        if name is None:
            raise AssertionError(f"Module {module} has to be pruned before pruning can be removed")
        weight = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        orig = module._parameters[f"{name}_orig"]
        orig.data = weight.detach()
        del module._parameters[f"{name}_orig"]
        del module._buffers[f"{name}_mask"]
        setattr(module, name, orig)


def hook_of(module: Any, name: str) -> Any:
    """What prunes the tensor `name` of a module; None if nothing does."""
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            return hook
    return None


def drop_hook(module: Any, name: str) -> None:
    """Take it away from the module."""
    for k, hook in list(module._forward_pre_hooks.items()):
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            del module._forward_pre_hooks[k]


class PruningContainer(BasePruningMethod):
    """Several methods that have pruned one tensor, one after the other."""

    def __init__(self, *args: Any) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        for method in args:
            if not self._pruning_methods:
                if isinstance(method, BasePruningMethod):
                    self._tensor_name = method._tensor_name
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod | None) -> None:
        """Put a method behind the others. `ValueError` if it prunes another tensor."""
        if method is not None and not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if method is None:
            return
        if method._tensor_name != self._tensor_name:
            raise ValueError(
                "Can only add pruning methods acting on the parameter named "
                f"'{self._tensor_name}' to PruningContainer {self}. Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Any:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: Any) -> Any:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask of the last method among what `default_mask` leaves, and that mask."""
        method = self._pruning_methods[-1]
        mask = default_mask.to(dtype=t.dtype)
        where = _left(method, mask)
        new = mask.clone()
        new[where] = method.compute_mask(t[where], default_mask=mask[where]).to(mask.dtype)
        return new


def _left(method: BasePruningMethod, mask: Tensor) -> Any:
    """The index of what a method may still prune."""
    kind = method.PRUNING_TYPE
    if kind == "unstructured":
        return mask == 1
    if kind == "global":
        return (slice(None),) * mask.dim()
    if kind != "structured":
        raise ValueError(f"Unrecognized PRUNING_TYPE {kind}")
    if not hasattr(method, "dim"):
        raise AttributeError(
            'Pruning methods of PRUNING_TYPE "structured" need to have the attribute `dim` defined.'
        )
    dims = mask.dim()
    if not -dims <= method.dim < dims:
        raise IndexError(f"Index is out of bounds for tensor with dimensions {dims}")
    dim = method.dim % dims
    others = tuple(d for d in range(dims) if d != dim)
    kept = mask.sum(dim=others) != 0
    return (slice(None),) * dim + (kept,)
