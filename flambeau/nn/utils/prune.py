"""Pruning: a parameter times a mask of zeros and ones.

`module.weight` becomes `weight_orig * weight_mask`, computed before every forward pass; the first
is the parameter, the second a buffer. Pruning again combines the masks; `remove` makes the pruned
values permanent.
"""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import flambeau as torch

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
Amount = Any  # int: how many; float in [0, 1]: which part


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
        old = _hook_of(module, name)
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
            _drop_hook(module, name)
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


def _hook_of(module: Any, name: str) -> Any:
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            return hook
    return None


def _drop_hook(module: Any, name: str) -> None:
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


# --- the methods ---------------------------------------------------------------------------------


class Identity(BasePruningMethod):
    """Prunes nothing, and makes the mask."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask

    @classmethod
    def apply(cls, module: Any, name: str) -> Any:  # type: ignore[override]
        """See `identity`."""
        return super().apply(module, name)


class RandomUnstructured(BasePruningMethod):
    """Prunes elements drawn at random."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount: Amount) -> None:
        _validate_pruning_amount_init(amount)
        self.amount = amount

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        count = _count(self.amount, t.nelement())
        mask = default_mask.clone()
        if count:
            drawn = torch.rand_like(t)
            mask.view(-1)[torch.topk(drawn.view(-1), k=count).indices] = 0
        return mask

    @classmethod
    def apply(cls, module: Any, name: str, amount: Amount) -> Any:  # type: ignore[override]
        """See `random_unstructured`."""
        return super().apply(module, name, amount=amount)


class L1Unstructured(BasePruningMethod):
    """Prunes the elements of least absolute value."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount: Amount) -> None:
        _validate_pruning_amount_init(amount)
        self.amount = amount

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        count = _count(self.amount, t.nelement())
        mask = default_mask.clone()
        if count:
            least = torch.topk(torch.abs(t).reshape(-1), k=count, largest=False)
            mask.view(-1)[least.indices] = 0
        return mask

    @classmethod
    def apply(  # type: ignore[override]
        cls, module: Any, name: str, amount: Amount, importance_scores: Tensor | None = None
    ) -> Any:
        """See `l1_unstructured`."""
        return super().apply(module, name, amount=amount, importance_scores=importance_scores)


class _Structured(BasePruningMethod):
    """Prunes whole slices along `dim`."""

    PRUNING_TYPE = "structured"
    amount: Amount
    dim: int

    def _scores(self, t: Tensor) -> Tensor:
        """How important each slice along `dim` is."""
        raise NotImplementedError

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if t.dim() <= 1:
            raise ValueError(
                "Structured pruning can only be applied to multidimensional tensors. Found tensor "
                f"of shape {t.shape} with {t.dim()} dims"
            )
        if not -t.dim() <= self.dim < t.dim():
            raise IndexError(f"Invalid index {self.dim} for tensor of size {t.shape}")
        size = t.shape[self.dim]
        count = _count(self.amount, size)
        if not count:
            return default_mask
        kept = torch.topk(self._scores(t), k=size - count, largest=True).indices
        mask = torch.zeros_like(t)
        where: list[Any] = [slice(None)] * t.dim()
        where[self.dim] = kept
        mask[tuple(where)] = 1
        return mask * default_mask.to(dtype=mask.dtype)


class RandomStructured(_Structured):
    """Prunes slices drawn at random."""

    def __init__(self, amount: Amount, dim: int = -1) -> None:
        _validate_pruning_amount_init(amount)
        self.amount = amount
        self.dim = dim

    def _scores(self, t: Tensor) -> Tensor:
        return torch.rand(t.shape[self.dim])

    @classmethod
    def apply(cls, module: Any, name: str, amount: Amount, dim: int = -1) -> Any:  # type: ignore[override]
        """See `random_structured`."""
        return super().apply(module, name, amount=amount, dim=dim)


class LnStructured(_Structured):
    """Prunes the slices of least n-norm."""

    def __init__(self, amount: Amount, n: Any, dim: int = -1) -> None:
        _validate_pruning_amount_init(amount)
        self.amount = amount
        self.n = n
        self.dim = dim

    def _scores(self, t: Tensor) -> Tensor:
        others = tuple(d for d in range(t.dim()) if d != self.dim % t.dim())
        return torch.norm(t, p=self.n, dim=others)

    @classmethod
    def apply(  # type: ignore[override]
        cls, module: Any, name: str, amount: Amount, n: Any, dim: int,
        importance_scores: Tensor | None = None,
    ) -> Any:  # fmt: skip
        """See `ln_structured`."""
        return super().apply(
            module, name, amount=amount, n=n, dim=dim, importance_scores=importance_scores
        )


class CustomFromMask(BasePruningMethod):
    """Prunes where a given mask is zero."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"default_mask shape {default_mask.shape} must match self.mask shape "
                f"{self.mask.shape}"
            )
        return default_mask * self.mask.to(dtype=default_mask.dtype)

    @classmethod
    def apply(cls, module: Any, name: str, mask: Tensor) -> Any:  # type: ignore[override]
        """See `custom_from_mask`."""
        return super().apply(module, name, mask=mask)


# --- as functions --------------------------------------------------------------------------------


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
    hook = _hook_of(module, name)
    if hook is None:
        raise ValueError(
            f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed"
        )
    hook.remove(module)
    _drop_hook(module, name)
    return module


def is_pruned(module: Any) -> bool:
    """Whether a tensor of the module or of one below it is pruned."""
    return any(
        isinstance(hook, BasePruningMethod)
        for each in module.modules()
        for hook in each._forward_pre_hooks.values()
    )


# --- amounts -------------------------------------------------------------------------------------


def _validate_pruning_amount_init(amount: Amount) -> None:
    """Refuse what is neither a count nor a part."""
    if not isinstance(amount, numbers.Real):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    integral = isinstance(amount, numbers.Integral)
    if (integral and amount < 0) or (not integral and not 0.0 <= float(amount) <= 1.0):
        raise ValueError(
            f"amount={amount} should either be a float in the range [0, 1] or a non-negative "
            "integer"
        )


def _count(amount: Amount, size: int) -> int:
    """How many of `size` an amount means. `ValueError` if there are not as many."""
    if not isinstance(amount, numbers.Integral):
        return round(amount * size)
    if int(amount) > size:
        raise ValueError(
            f"amount={amount} should be smaller than the number of parameters to prune={size}"
        )
    return int(amount)
