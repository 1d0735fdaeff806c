"""Parametrizations to use: `orthogonal`, `spectral_norm`, `weight_norm`."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

import flambeau as torch

from .. import functional as F
from ..modules.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..modules.module import Module
from . import parametrize
from ._norms import norm_except_dim

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

Tensor = torch.Tensor


def _tensor_of(module: Module, name: str) -> Tensor:
    """The module's tensor of that name. ValueError if there is none."""
    found = getattr(module, name, None)
    if not isinstance(found, torch.Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return found


# --- orthogonal ----------------------------------------------------------------------------------


class _OrthMaps(Enum):
    matrix_exp = auto()
    cayley = auto()
    householder = auto()


class _Orthogonal(Module):
    """A matrix of any kind to one with orthonormal columns (or rows, if it is wide).

    With a `base` the result is base @ map(x): optimization goes on from any matrix (Lezcano-Casado,
    "Trivializations for Gradient-Based Optimization on Manifolds", 2019).
    """

    base: Tensor

    def __init__(
        self, weight: Tensor, orthogonal_map: _OrthMaps, *, use_trivialization: bool = True
    ) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == _OrthMaps.householder:
            raise ValueError(
                "The householder parametrization does not support complex tensors: take "
                "'matrix_exp' or 'cayley'"
            )
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:  # noqa: N803
        wide = X.size(-2) < X.size(-1)
        x = X.mT if wide else X
        q = self._reflected(x) if self._by_reflections() else self._rotated(x)
        if hasattr(self, "base"):
            q = self.base @ q
        return q.mT if wide else q

    def _by_reflections(self) -> bool:
        return self.orthogonal_map == _OrthMaps.householder

    def _rotated(self, x: Tensor) -> Tensor:
        """exp(A), or Cayley's (I - A / 2)^-1 (I + A / 2), A skew, from x's lower half."""
        n, k = x.shape[-2:]
        a = x.tril()
        if n != k:
            a = torch.cat([a, a.new_zeros((*a.shape[:-2], n, n - k))], -1)
        a = a - a.mH
        if self.orthogonal_map == _OrthMaps.matrix_exp:
            q = torch.matrix_exp(a)
        else:
            identity = torch.eye(n, dtype=a.dtype, device=a.device)
            q = torch.linalg.solve(identity - 0.5 * a, identity + 0.5 * a)
        return q[..., :k] if n != k else q

    def _reflected(self, x: Tensor) -> Tensor:
        """The product of the Householder reflections that x's columns below the diagonal give;
        the diagonal, of 1 and -1, says with which sign a column is taken."""
        a = x.tril(-1)
        tau = 2.0 / (1.0 + (a * a).sum(-2))
        q = torch.linalg.householder_product(a, tau)
        return q * x.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)

    def right_inverse(self, Q: Tensor) -> Tensor:  # noqa: N803
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of "
                f"shape {Q.shape}."
            )
        wide = Q.size(-2) < Q.size(-1)
        q = Q.mT if wide else Q
        if not hasattr(self, "base"):
            return self._reflections_of(q, wide)
        n, k = q.shape[-2:]
        if n != k:
            rest = torch.randn((*q.shape[:-2], n, n - k), dtype=q.dtype, device=q.device)
            self.base = _make_orthogonal(torch.cat([q, rest], -1))
        else:
            self.base = q.clone() if _is_orthogonal(q) else _make_orthogonal(q)
        # This is what every one of the maps takes to the identity's columns.
        start = torch.zeros_like(Q)
        start.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        return start

    def _reflections_of(self, q: Tensor, wide: bool) -> Tensor:
        if not self._by_reflections():
            raise NotImplementedError(
                "It is not possible to assign to the matrix exponential or the Cayley "
                "parametrizations when use_trivialization=False."
            )
        a, tau = torch.geqrf(q)
        diagonal = a.diagonal(dim1=-2, dim2=-1)
        # A tau of 0 is no reflection, where the map makes one: the sign makes up for it.
        diagonal.copy_(torch.where(tau == 0, -diagonal.sign(), diagonal.sign()))
        return a.mT if wide else a


def _make_orthogonal(a: Tensor) -> Tensor:
    """The Q of the QR decomposition whose R has a positive diagonal."""
    q, r = torch.linalg.qr(a)
    return q * r.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


def _is_orthogonal(q: Tensor, eps: float | None = None) -> bool:
    n, k = q.shape[-2:]
    if eps is None:
        eps = 10.0 * n * torch.finfo(q.dtype).eps
    identity = torch.eye(k, dtype=q.dtype, device=q.device).expand((*q.shape[:-2], k, k))
    return torch.allclose(q.mH @ q, identity, atol=eps)


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """Keep a weight orthogonal: Q with Q^H Q = I, or Q Q^H = I if it is wide. Returns the module.

    `orthogonal_map` is "matrix_exp" (by default for square and complex ones), "cayley" or
    "householder". Without `use_trivialization` the first two cannot be assigned to.

    Raises `ValueError` for what is no matrix, and for an unknown map.
    """
    weight = _tensor_of(module, name)
    if weight.ndim < 2:
        raise ValueError(
            "Expected a matrix or batch of matrices. "
            f"Got a tensor of {weight.ndim} dimensions."
        )
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in _OrthMaps.__members__:
        raise ValueError(
            'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: '
            f"{orthogonal_map}"
        )
    chosen = _OrthMaps[orthogonal_map]
    orth = _Orthogonal(weight, chosen, use_trivialization=use_trivialization)
    parametrize.register_parametrization(module, name, orth, unsafe=True)
    return module


# --- weight norm ---------------------------------------------------------------------------------


class _WeightNorm(Module):
    """Length and direction to the weight: g v / |v|."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_v * (weight_g / norm_except_dim(weight_v, 2, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Keep a weight as its length `original0` along `dim` and its direction `original1`
    (Salimans and Kingma, "Weight Normalization", 2016). Returns the module.

    State dicts of the older `torch.nn.utils.weight_norm` load.
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(state_dict: Any, prefix: str, *_: Any) -> None:
        old = [f"{prefix}{name}_{part}" for part in "gv"]
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                new = f"{prefix}parametrizations.{name}.original{i}"
                state_dict[new] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(rename)
    return module


# --- spectral norm -------------------------------------------------------------------------------


class _SpectralNorm(Module):
    """A weight over its largest singular value, which power iteration estimates (Miyato et al.,
    "Spectral Normalization for GANs", 2018)."""

    _u: Tensor
    _v: Tensor

    def __init__(
        self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        super().__init__()
        ndim = weight.ndim
        if not -ndim <= dim < ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but "
                f"got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % ndim
        self.eps = eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = self._reshape_weight_to_matrix(weight).detach()
            u, v = (matrix.new_empty(size).normal_(0, 1) for size in matrix.shape)
            self.register_buffer("_u", F.normalize(u, dim=0, eps=eps))
            self.register_buffer("_v", F.normalize(v, dim=0, eps=eps))
            # A good estimate to begin with, so that the first steps are not off.
            self._power_method(matrix, 15)

    def _reshape_weight_to_matrix(self, weight: Tensor) -> Tensor:
        return weight.movedim(self.dim, 0).flatten(1)

    def _power_method(self, weight_mat: Tensor, n_power_iterations: int) -> None:
        with torch.no_grad():
            for _ in range(n_power_iterations):
                u = torch.mv(weight_mat, self._v)
                self._u.copy_(F.normalize(u, dim=0, eps=self.eps))
                v = torch.mv(weight_mat.mH, self._u)
                self._v.copy_(F.normalize(v, dim=0, eps=self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = self._reshape_weight_to_matrix(weight)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        # Backward needs these values, and the next call writes the buffers.
        u, v = self._u.clone(), self._v.clone()
        return weight / torch.vdot(u, torch.mv(matrix, v))

    def right_inverse(self, value: Tensor) -> Tensor:
        # Scaling is lost on what has been divided by its norm.
        return value


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divide a weight by its largest singular value, estimated anew at each use in training.
    Returns the module.

    `dim` is that of the outputs: 0, and 1 for transposed convolutions.
    """
    weight = _tensor_of(module, name)
    if dim is None:
        transposed = (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)
        dim = 1 if isinstance(module, transposed) else 0
    norm = _SpectralNorm(weight, n_power_iterations, dim, eps)
    parametrize.register_parametrization(module, name, norm)
    return module
