"""What the older `weight_norm` and `spectral_norm` share: a hook before `forward` that computes a
weight from other parameters."""

from __future__ import annotations

from typing import Any

import flambeau as torch

__all__ = ["ComputedWeight"]

Tensor = torch.Tensor


class ComputedWeight:
    """A hook before `forward` that sets the attribute `name` of a module."""

    name: str

    def compute_weight(self, module: Any) -> Tensor:
        """What the attribute is set to."""
        raise NotImplementedError

    def __call__(self, module: Any, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))

    @classmethod
    def find(cls, module: Any, name: str) -> tuple[int, Any] | None:
        """The id of a module's hook of this kind for a name, and the hook."""
        for k, hook in module._forward_pre_hooks.items():
            if isinstance(hook, cls) and hook.name == name:
                return k, hook
        return None

    @classmethod
    def refuse_second(cls, module: Any, name: str, what: str) -> None:
        """RuntimeError if the module has such a hook for the name already."""
        if cls.find(module, name) is not None:
            raise RuntimeError(f"Cannot register two {what} hooks on the same parameter {name}")

    @classmethod
    def taken(cls, module: Any, name: str, what: str) -> Any:
        """Take a hook away, and give it back. ValueError if there is none."""
        found = cls.find(module, name)
        if found is None:
            raise ValueError(f"{what} of '{name}' not found in {module}")
        del module._forward_pre_hooks[found[0]]
        return found[1]
