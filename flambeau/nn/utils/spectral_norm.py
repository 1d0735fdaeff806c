"""The older `spectral_norm`: a weight over its largest singular value, computed before every
forward pass."""

from __future__ import annotations

from typing import Any

import flambeau as torch

from ..modules.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..parameter import Parameter
from ._hooked import ComputedWeight

__all__ = ["SpectralNorm", "remove_spectral_norm", "spectral_norm"]

Tensor = torch.Tensor


class SpectralNorm(ComputedWeight):
    """The hook that divides a weight by its largest singular value."""

    _version: int = 1

    def __init__(
        self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but "
                f"got n_power_iterations={n_power_iterations}"
            )
        self.name, self.dim, self.eps = name, dim, eps
        self.n_power_iterations = n_power_iterations

    def reshape_weight_to_matrix(self, weight: Tensor) -> Tensor:
        """The weight as a matrix with `dim` first."""
        if self.dim:
            weight = weight.movedim(self.dim, 0)
        return weight.reshape(weight.size(0), -1)

    def compute_weight(self, module: Any, do_power_iteration: bool | None = None) -> Tensor:
        """The weight over its largest singular value; training improves the estimate."""
        weight = getattr(module, f"{self.name}_orig")
        u, v = getattr(module, f"{self.name}_u"), getattr(module, f"{self.name}_v")
        matrix = self.reshape_weight_to_matrix(weight)
        if module.training if do_power_iteration is None else do_power_iteration:
            with torch.no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(self._unit(torch.mv(matrix.t(), u)))
                    u.copy_(self._unit(torch.mv(matrix, v)))
            # Backward needs these values, and the next iteration writes the buffers.
            u, v = u.clone(), v.clone()
        return weight / torch.dot(u, torch.mv(matrix, v))

    def _unit(self, x: Tensor) -> Tensor:
        return torch.nn.functional.normalize(x, dim=0, eps=self.eps)

    @staticmethod
    def apply(
        module: Any, name: str, n_power_iterations: int, dim: int, eps: float
    ) -> SpectralNorm:
        """Divide a module's weight by its largest singular value."""
        SpectralNorm.refuse_second(module, name, "spectral_norm")
        hook = SpectralNorm(name, n_power_iterations, dim, eps)
        weight = module._parameters[name]
        if weight is None:
            raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
        with torch.no_grad():
            height, width = hook.reshape_weight_to_matrix(weight).shape
            u = hook._unit(weight.new_empty(height).normal_(0, 1))
            v = hook._unit(weight.new_empty(width).normal_(0, 1))
        del module._parameters[name]
        module.register_parameter(f"{name}_orig", weight)
        # As an attribute that is no parameter; the hook replaces it.
        setattr(module, name, weight.detach())
        module.register_buffer(f"{name}_u", u)
        module.register_buffer(f"{name}_v", v)
        module.register_forward_pre_hook(hook)
        module._register_state_dict_hook(_Saved(hook))
        module._register_load_state_dict_pre_hook(_Loaded(hook))
        return hook

    def remove(self, module: Any) -> None:
        """Make the divided weight an ordinary parameter."""
        with torch.no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for part in ("", "_u", "_v", "_orig"):
            delattr(module, self.name + part)
        module.register_parameter(self.name, Parameter(weight.detach()))
        for hooks in (module._state_dict_hooks, module._load_state_dict_pre_hooks):
            for k, hook in list(hooks.items()):
                if getattr(getattr(hook, "hook", hook), "fn", None) is self:
                    del hooks[k]


class _Saved:
    """A hook after saving that notes the version of what is saved."""

    def __init__(self, fn: SpectralNorm) -> None:
        self.fn = fn

    def __call__(self, module: Any, state: Any, prefix: str, local_metadata: Any) -> None:
        versions = local_metadata.setdefault("spectral_norm", {})
        key = f"{self.fn.name}.version"
        if key in versions:
            raise RuntimeError(f"Unexpected key in metadata['spectral_norm']: {key}")
        versions[key] = self.fn._version


class _Loaded:
    """A hook before loading that adds the right vector, which PyTorch did not save before 1.0."""

    def __init__(self, fn: SpectralNorm) -> None:
        self.fn = fn

    def __call__(self, state: Any, prefix: str, local_metadata: Any, *_: Any) -> None:
        key = prefix + self.fn.name
        if f"{key}_v" in state or not {key, f"{key}_orig", f"{key}_u"} <= set(state):
            return
        with torch.no_grad():
            weight, u = state[f"{key}_orig"], state[f"{key}_u"]
            sigma = float((weight / state.pop(key)).mean())
            matrix = self.fn.reshape_weight_to_matrix(weight)
            v = torch.mv(torch.linalg.pinv(matrix), u)
            state[f"{key}_v"] = v * (sigma / torch.dot(u, torch.mv(matrix, v)))


def spectral_norm(
    module: Any,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Any:
    """Divide a weight by its largest singular value, estimated by power iteration (Miyato et al.,
    "Spectral Normalization for GANs", 2018). Returns the module.

    The weight itself is the parameter `{name}_orig`. `dim` is that of the outputs: 0, and 1 for
    transposed convolutions. RuntimeError if the weight is so divided already.
    """
    if dim is None:
        transposed = (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)
        dim = 1 if isinstance(module, transposed) else 0
    SpectralNorm.apply(module, name, n_power_iterations, dim, eps)
    return module


def remove_spectral_norm(module: Any, name: str = "weight") -> Any:
    """Make the divided weight an ordinary parameter."""
    SpectralNorm.taken(module, name, "spectral_norm").remove(module)
    return module
