"""`weight_norm` and `spectral_norm`: a weight that is computed from other parameters before every
forward pass."""

from __future__ import annotations

import warnings
from typing import Any

import flambeau as torch
from flambeau.errors import refusing

from ..parameter import Parameter

__all__ = ["remove_spectral_norm", "remove_weight_norm", "spectral_norm", "weight_norm"]

Tensor = torch.Tensor


class _Reparametrized:
    """A hook before `forward` that sets the attribute `name` of a module."""

    name: str

    def weight(self, module: Any) -> Tensor:
        """What the attribute is set to."""
        raise NotImplementedError

    def __call__(self, module: Any, inputs: Any) -> None:
        setattr(module, self.name, self.weight(module))


def _hook_of(module: Any, kind: type, name: str) -> tuple[int, Any] | None:
    """The id of a module's hook of a kind for a name, and the hook."""
    for k, hook in module._forward_pre_hooks.items():
        if isinstance(hook, kind) and hook.name == name:  # type: ignore[attr-defined]
            return k, hook
    return None


def _refuse_second(module: Any, kind: type, name: str, what: str) -> None:
    if _hook_of(module, kind, name) is not None:
        raise RuntimeError(f"Cannot register two {what} hooks on the same parameter {name}")


def _removed(module: Any, kind: type, name: str, what: str) -> Any:
    """Take a hook away, and give it back. ValueError if there is none."""
    found = _hook_of(module, kind, name)
    if found is None:
        raise ValueError(f"{what} of {name!r} not found in {module}")
    del module._forward_pre_hooks[found[0]]
    return found[1]


# --- weight norm ------------------------------------------------------------------------------


def _norm(v: Tensor, dim: int | None) -> Tensor:
    """The norms of v's slices along `dim`, as v broadcasts with; of all of v with None or -1."""
    if dim is None or dim == -1:
        return v.norm()
    others = tuple(d for d in range(v.dim()) if d != dim % v.dim())
    return torch.linalg.vector_norm(v, 2, others, keepdim=True)


class _WeightNorm(_Reparametrized):
    def __init__(self, name: str, dim: int | None) -> None:
        self.name, self.dim = name, dim

    def weight(self, module: Any) -> Tensor:
        g, v = getattr(module, f"{self.name}_g"), getattr(module, f"{self.name}_v")
        return v * (g / _norm(v, self.dim))


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
    _refuse_second(module, _WeightNorm, name, "weight_norm")
    hook = _WeightNorm(name, dim)
    weight = getattr(module, name)
    del module._parameters[name]
    module.register_parameter(f"{name}_g", Parameter(_norm(weight, dim).detach()))
    module.register_parameter(f"{name}_v", Parameter(weight.detach()))
    setattr(module, name, hook.weight(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: Any, name: str = "weight") -> Any:
    """Make the weight an ordinary parameter again."""
    hook = _removed(module, _WeightNorm, name, "weight_norm")
    weight = hook.weight(module)
    delattr(module, name)
    for part in (f"{name}_g", f"{name}_v"):
        del module._parameters[part]
    setattr(module, name, Parameter(weight.detach()))
    return module


# --- spectral norm ----------------------------------------------------------------------------


class _SpectralNorm(_Reparametrized):
    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but "
                f"got n_power_iterations={n_power_iterations}"
            )
        self.name, self.dim, self.eps = name, dim, eps
        self.n_power_iterations = n_power_iterations

    def matrix(self, weight: Tensor) -> Tensor:
        """The weight as a matrix with `dim` first."""
        if self.dim:
            weight = weight.movedim(self.dim, 0)
        return weight.reshape(weight.size(0), -1)

    def weight(self, module: Any, iterate: bool | None = None) -> Tensor:
        """The weight over its largest singular value; in training the estimate is improved first."""
        weight = getattr(module, f"{self.name}_orig")
        u, v = getattr(module, f"{self.name}_u"), getattr(module, f"{self.name}_v")
        matrix = self.matrix(weight)
        if module.training if iterate is None else iterate:
            with torch.no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(self._unit(torch.mv(matrix.t(), u)))
                    u.copy_(self._unit(torch.mv(matrix, v)))
            # Backward needs these values, and the next iteration writes the buffers.
            u, v = u.clone(), v.clone()
        return weight / torch.dot(u, torch.mv(matrix, v))

    def _unit(self, x: Tensor) -> Tensor:
        return torch.nn.functional.normalize(x, dim=0, eps=self.eps)


def spectral_norm(
    module: Any, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12,
    dim: int | None = None,
) -> Any:  # fmt: skip
    """Divide a weight by its largest singular value, estimated by power iteration (Miyato et al.,
    "Spectral Normalization for GANs", 2018). Returns the module.

    The weight itself is the parameter `{name}_orig`. `dim` is that of the outputs: 0, and 1 for
    transposed convolutions. RuntimeError if the weight is so divided already.
    """
    _refuse_second(module, _SpectralNorm, name, "spectral_norm")
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    hook = _SpectralNorm(name, n_power_iterations, dim, eps)
    weight = module._parameters[name]
    if weight is None:
        raise ValueError(f"`spectral_norm` cannot be applied as parameter `{name}` is None")
    with torch.no_grad():
        height, width = hook.matrix(weight).shape
        u = hook._unit(weight.new_empty(height).normal_(0, 1))
        v = hook._unit(weight.new_empty(width).normal_(0, 1))
    del module._parameters[name]
    module.register_parameter(f"{name}_orig", weight)
    # As an attribute that is no parameter; the hook replaces it.
    setattr(module, name, weight.detach())
    module.register_buffer(f"{name}_u", u)
    module.register_buffer(f"{name}_v", v)
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: Any, name: str = "weight") -> Any:
    """Make the divided weight an ordinary parameter."""
    hook = _removed(module, _SpectralNorm, name, "spectral_norm")
    with torch.no_grad():
        weight = hook.weight(module, iterate=False)
    delattr(module, name)
    for part in (f"{name}_u", f"{name}_v"):
        delattr(module, part)
    delattr(module, f"{name}_orig")
    module.register_parameter(name, Parameter(weight.detach()))
    return module


__getattr__ = refusing(__name__)
