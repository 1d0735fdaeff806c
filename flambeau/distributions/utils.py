"""What distributions share: broadcasting of parameters, probabilities and logits, lazy attributes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from numbers import Number
from typing import Any, Generic, TypeVar, overload

import flambeau as torch

__all__ = [
    "broadcast_all",
    "clamp_probs",
    "lazy_property",
    "logits_to_probs",
    "probs_to_logits",
    "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]

Tensor = torch.Tensor
T = TypeVar("T")
R = TypeVar("R")

euler_constant = 0.57721566490153286060
"""The Euler-Mascheroni constant."""


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Tensors of one shape from tensors and numbers.

    Numbers take the dtype and the device of the first tensor, or the defaults. ValueError for anything
    else.
    """
    for value in values:
        if not isinstance(value, (Tensor, Number)):
            raise ValueError(
                "broadcast_all(): expected numbers and tensors, got "
                + ", ".join(type(v).__name__ for v in values)
            )
    first = next((v for v in values if isinstance(v, Tensor)), None)
    dtype, where = (torch.get_default_dtype(), None) if first is None else (first.dtype, first.device)
    made = [v if isinstance(v, Tensor) else torch.tensor(v, dtype=dtype, device=where) for v in values]
    return tuple(torch.broadcast_tensors(*made))


def _standard_normal(shape: Any, dtype: Any, device: Any) -> Tensor:
    """Draws from the standard normal distribution."""
    return torch.randn(shape, dtype=dtype, device=device)


def _sum_rightmost(value: Any, dim: int) -> Any:
    """The sum over the last `dim` dimensions; numbers and dim 0 come back as they are."""
    if dim == 0 or not isinstance(value, Tensor):
        return value
    return value.flatten(-dim).sum(-1)


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Probabilities: the sigmoid of log-odds, or the softmax of the last dimension."""
    return torch.sigmoid(logits) if is_binary else torch.softmax(logits, dim=-1)


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities moved into [eps, 1 - eps], eps being the dtype's."""
    eps = torch.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """The inverse of `logits_to_probs`, finite: probabilities are clamped first."""
    clamped = clamp_probs(probs)
    logs = torch.log(clamped)
    return logs - torch.log1p(-clamped) if is_binary else logs


class lazy_property(Generic[T, R]):  # noqa: N801
    """A method that becomes an attribute of the instance when it is first read.

    Gradients are recorded even where grad mode is off, since the value is kept.
    """

    def __init__(self, wrapped: Callable[[T], R]) -> None:
        self.wrapped = wrapped
        functools.update_wrapper(self, wrapped)  # type: ignore[arg-type]

    @overload
    def __get__(self, instance: None, obj_type: Any = None) -> _lazy_property_and_property[T, R]: ...

    @overload
    def __get__(self, instance: T, obj_type: Any = None) -> R: ...

    def __get__(self, instance: Any, obj_type: Any = None) -> Any:
        if instance is None:
            return _lazy_property_and_property(self.wrapped)
        with torch.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


class _lazy_property_and_property(lazy_property[T, R], property):  # noqa: N801
    """What a class gives for its lazy property: a property to those who document it."""

    def __init__(self, wrapped: Callable[[T], R]) -> None:
        property.__init__(self, wrapped)


def _lower_mask(n: int, diag: int, device: Any) -> Tensor:
    """(n, n): which entries of a matrix lie on or below diagonal `diag`."""
    columns = torch.arange(n, device=device)
    return columns < columns.view(-1, 1) + (diag + 1)


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The entries on and below a diagonal, row by row: (..., n, n) gives (..., count).

    ValueError where `diag` is outside [-n, n).
    """
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"tril_matrix_to_vec(): diag={diag} is outside [{-n}, {n - 1}]")
    return mat[..., _lower_mask(n, diag, mat.device)]


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """The inverse of `tril_matrix_to_vec`, zeros above: (..., count) gives (..., n, n).

    ValueError where no n has so many entries.
    """
    count, shift = vec.shape[-1], 1 + 2 * diag
    # n (n + 1) / 2 + n diag, less the corner that is cut off: solved for n.
    root = (shift**2 + 8 * count + 4 * abs(diag) * (diag + 1)) ** 0.5
    size = (root - shift) / 2
    n = round(size)
    if abs(size - n) > torch.finfo(vec.dtype).eps:
        raise ValueError(
            f"vec_to_tril_matrix(): no lower triangle up to diagonal {diag} has {count} entries"
        )
    mat = torch.zeros(vec.shape[:-1] + (n, n), dtype=vec.dtype, device=vec.device)
    mat[..., _lower_mask(n, diag, vec.device)] = vec
    return mat


def _one_of(name: str, **given: Any) -> None:
    """ValueError unless exactly one of the arguments is there."""
    if sum(v is not None for v in given.values()) != 1:
        listed = " or ".join(f"`{k}`" for k in given)
        raise ValueError(f"{name}: exactly one of {listed} must be given")
