"""`torch.masked`: reductions and normalizations over the elements where a mask is True.

An element that is masked out counts as the operation's identity: 0 for a sum, 1 for a product, the
lowest number for a maximum. A slice without any element gives the identity, or NaN where there is
none. `mask` is boolean and broadcasts to the input; None means all elements.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau as torch
from flambeau import Tensor
from flambeau.errors import refusing

__all__ = ["amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp",
           "logsumexp", "mean", "median", "norm", "normalize", "prod", "softmax", "softmin", "std",
           "sum", "var"]  # fmt: skip

Dim = int | tuple[int, ...] | None


def _mask_of(input: Tensor, mask: Any, name: str) -> Tensor | None:
    """The mask, broadcast to the input's shape."""
    if mask is None:
        return None
    if not isinstance(mask, Tensor):
        raise TypeError(f"masked.{name}(): mask must be a Tensor or None, not {type(mask).__name__}")
    if mask.dtype is not torch.bool:
        raise TypeError(f"masked.{name}(): mask must be a bool tensor, not {mask.dtype}")
    if mask.ndim > input.ndim:
        raise IndexError(
            f"masked.{name}(): mask of {mask.ndim} dimensions for an input of {input.ndim}: it must "
            "broadcast to the input"
        )
    return mask.broadcast_to(input.shape)


def _filled(input: Tensor, mask: Any, identity: Any, name: str) -> Tensor:
    """The input with the identity where the mask is False."""
    known = _mask_of(input, mask, name)
    if known is None:
        return input
    return torch.where(known, input, torch.full((), identity, dtype=input.dtype, device=input.device))


def _dims(input: Tensor, dim: Dim) -> tuple[int, ...]:
    """Dimensions as numbers from 0, all of them for None or ()."""
    if dim is None or dim == ():
        return tuple(range(input.ndim))
    given = (dim,) if isinstance(dim, int) else tuple(dim)
    rank = max(input.ndim, 1)
    for each in given:
        if not -rank <= each < rank:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-rank}, {rank - 1}], "
                f"but got {each})"
            )
    wrapped = tuple(each % rank for each in given)
    if len(set(wrapped)) < len(wrapped):
        raise RuntimeError(f"dim {given} appears multiple times in the list of dims")
    return tuple(sorted(wrapped)) if input.ndim else ()


def _lowest(dtype: Any) -> Any:
    if dtype is torch.bool:
        return False
    return -torch.inf if dtype.is_floating_point or dtype.is_complex else torch.iinfo(dtype).min


def _highest(dtype: Any) -> Any:
    if dtype is torch.bool:
        return True
    return torch.inf if dtype.is_floating_point or dtype.is_complex else torch.iinfo(dtype).max


def _summed_dtype(input: Tensor, dtype: Any) -> Any:
    """Sums and products of integers are int64, as elsewhere."""
    if dtype is not None:
        return dtype
    small = not (input.dtype.is_floating_point or input.dtype.is_complex)
    return torch.int64 if small else input.dtype


def sum(input: Tensor, dim: Dim = None, *, keepdim: Any = False, dtype: Any = None,
        mask: Any = None) -> Tensor:  # fmt: skip
    """The sum over `dim` of what the mask leaves; 0 where nothing is left."""
    x = _filled(input, mask, 0, "sum").to(_summed_dtype(input, dtype))
    dims = _dims(x, dim)
    return torch.sum(x, dims, bool(keepdim)) if dims else x.clone()


def prod(input: Tensor, dim: Dim = None, *, keepdim: Any = False, dtype: Any = None,
         mask: Any = None) -> Tensor:  # fmt: skip
    """The product over `dim` of what the mask leaves; 1 where nothing is left."""
    x = _filled(input, mask, 1, "prod").to(_summed_dtype(input, dtype))
    dims = _dims(x, dim)
    for each in reversed(dims):
        x = torch.prod(x, each, bool(keepdim))
    return x if dims else x.clone()


def cumsum(input: Tensor, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """The running sum along `dim`; masked-out elements add 0."""
    _dims(input, dim)
    kept = input.dtype if input.dtype != torch.bool else _summed_dtype(input, None)
    return torch.cumsum(_filled(input, mask, 0, "cumsum"), dim, dtype=kept if dtype is None else dtype)


def cumprod(input: Tensor, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """The running product along `dim`; masked-out elements multiply by 1."""
    _dims(input, dim)
    kept = input.dtype if input.dtype != torch.bool else _summed_dtype(input, None)
    return torch.cumprod(_filled(input, mask, 1, "cumprod"), dim, dtype=kept if dtype is None else dtype)


def _extreme(name: str, function: Callable[..., Any], identity: Callable[[Any], Any]) -> Any:
    def extreme(input: Tensor, dim: Dim = None, *, keepdim: Any = False, dtype: Any = None,
                mask: Any = None) -> Tensor:  # fmt: skip
        x = input.to(dtype or input.dtype)
        x = _filled(x, mask, identity(x.dtype), name)
        dims = _dims(x, dim)
        return function(x, dims, bool(keepdim)) if dims else x.clone()

    extreme.__name__ = extreme.__qualname__ = name
    extreme.__doc__ = f"torch.{name} over `dim` of what the mask leaves."
    return extreme


amax = _extreme("amax", torch.amax, _lowest)
amin = _extreme("amin", torch.amin, _highest)


def argmax(input: Tensor, dim: int | None = None, *, keepdim: Any = False, dtype: Any = None,
           mask: Any = None) -> Tensor:  # fmt: skip
    """Where along `dim` the largest element lies that the mask leaves."""
    x = input.to(dtype or input.dtype)
    found = torch.argmax(_filled(x, mask, _lowest(x.dtype), "argmax"), dim, bool(keepdim))
    return found.to(x.dtype)  # as PyTorch has it


def argmin(input: Tensor, dim: int | None = None, *, keepdim: Any = False, dtype: Any = None,
           mask: Any = None) -> Tensor:  # fmt: skip
    """Where along `dim` the smallest element lies that the mask leaves."""
    x = input.to(dtype or input.dtype)
    found = torch.argmin(_filled(x, mask, _highest(x.dtype), "argmin"), dim, bool(keepdim))
    return found.to(x.dtype)  # as PyTorch has it


def _count(input: Tensor, dims: tuple[int, ...], keepdim: bool, mask: Any, name: str) -> Tensor:
    """How many elements the mask leaves in each slice, int64."""
    known = _mask_of(input, mask, name)
    ones = torch.ones_like(input, dtype=torch.int64) if known is None else known.to(torch.int64)
    return torch.sum(ones, dims, keepdim) if dims else ones


def mean(input: Tensor, dim: Dim = None, *, keepdim: Any = False, dtype: Any = None,
         mask: Any = None) -> Tensor:  # fmt: skip
    """The mean over `dim` of what the mask leaves; NaN where nothing is left."""
    target = dtype or input.dtype
    if not (target.is_floating_point or target.is_complex):
        raise TypeError(f"masked.mean(): the result must be floating or complex, not {target}: give dtype=")
    x = input.to(target)
    dims = _dims(x, dim)
    total = sum(x, dim, keepdim=keepdim, mask=mask)
    return total / _count(x, dims, bool(keepdim), mask, "mean")


def median(input: Tensor, dim: int = -1, *, keepdim: Any = False, dtype: Any = None,
           mask: Any = None) -> Tensor:  # fmt: skip
    """The median along `dim` of what the mask leaves (the lower of two); NaN where nothing is."""
    x = input.to(dtype or input.dtype)
    if not x.dtype.is_floating_point:
        raise NotImplementedError(f"masked.median(): floating tensors only, got {x.dtype}")
    if mask is None:
        return torch.median(x, dim, bool(keepdim)).values
    filled = _filled(x, mask, torch.nan, "median")
    return torch.nanmedian(filled, dim, bool(keepdim)).values


def logsumexp(input: Tensor, dim: Dim = None, *, keepdim: Any = False, dtype: Any = None,
              mask: Any = None) -> Tensor:  # fmt: skip
    """log(sum(exp(x))) over `dim` of what the mask leaves; -inf where nothing is left."""
    x = input.to(dtype or input.dtype)
    filled = _filled(x, mask, _lowest(x.dtype), "logsumexp")
    return torch.logsumexp(filled, _dims(x, dim), bool(keepdim)).to(x.dtype)


def logaddexp(input: Tensor, other: Tensor, *, dtype: Any = None, input_mask: Any = None,
              other_mask: Any = None) -> Tensor:  # fmt: skip
    """log(exp(input) + exp(other)), each operand counted where its own mask is True."""
    a, b = input.to(dtype or input.dtype), other.to(dtype or other.dtype)
    low = -torch.inf
    return torch.logaddexp(
        _filled(a, input_mask, low, "logaddexp"), _filled(b, other_mask, low, "logaddexp")
    )


def norm(input: Tensor, ord: Any = 2.0, dim: Dim = None, *, keepdim: Any = False, dtype: Any = None,
         mask: Any = None) -> Tensor:  # fmt: skip
    """The vector norm over `dim` of what the mask leaves."""
    x = input.to(dtype or input.dtype)
    identity = torch.inf if ord == -torch.inf else 0
    filled = _filled(x, mask, identity, "norm")
    return torch.linalg.vector_norm(filled, ord, _dims(x, dim), bool(keepdim))


def var(input: Tensor, dim: Dim = None, unbiased: bool | None = None, *, correction: Any = None,
        keepdim: Any = False, dtype: Any = None, mask: Any = None) -> Tensor:  # fmt: skip
    """The variance over `dim` of what the mask leaves, divided by the count less `correction`."""
    if unbiased is not None and correction is not None:
        raise ValueError("masked.var(): give unbiased or correction, not both")
    taken = int(unbiased) if unbiased is not None else 1 if correction is None else correction
    small = not (input.dtype.is_floating_point or input.dtype.is_complex)
    x = input.to(dtype or (torch.get_default_dtype() if small else input.dtype))
    dims = _dims(x, dim)
    if mask is None and dims:
        return torch.var(x, dims, correction=taken, keepdim=bool(keepdim)).to(x.dtype)
    count = _count(x, dims, True, mask, "var")
    centred = x - sum(x, dims, keepdim=True, mask=mask) / count
    squares = centred * centred.conj()
    total = sum(squares, dims, keepdim=keepdim, mask=mask)
    left = count if keepdim or not dims else count.reshape(total.shape)
    return total / torch.clamp(left - taken, min=0)


def std(input: Tensor, dim: Dim = None, unbiased: bool | None = None, *, correction: Any = None,
        keepdim: Any = False, dtype: Any = None, mask: Any = None) -> Tensor:  # fmt: skip
    """The standard deviation over `dim` of what the mask leaves: the root of `var`."""
    return torch.sqrt(var(input, dim, unbiased, correction=correction, keepdim=keepdim,
                          dtype=dtype, mask=mask))  # fmt: skip


def softmax(input: Tensor, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """Softmax along `dim`; masked-out elements have probability 0."""
    x = input.to(dtype or input.dtype)
    return torch.softmax(_filled(x, mask, _lowest(x.dtype), "softmax"), dim)


def log_softmax(input: Tensor, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """The logarithm of `softmax`."""
    x = input.to(dtype or input.dtype)
    return torch.log_softmax(_filled(x, mask, _lowest(x.dtype), "log_softmax"), dim)


def softmin(input: Tensor, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """Softmax of -input along `dim`; masked-out elements have probability 0."""
    x = input.to(dtype or input.dtype)
    return torch.softmax(-_filled(x, mask, _highest(x.dtype), "softmin"), dim)


def normalize(input: Tensor, ord: Any, dim: int, *, eps: float = 1e-12, dtype: Any = None,
              mask: Any = None) -> Tensor:  # fmt: skip
    """The input divided by its norm along `dim`, at least `eps`; masked-out elements give 0."""
    x = input.to(dtype or input.dtype)
    length = norm(x, ord, dim, keepdim=True, mask=mask)
    if length.is_complex():
        length = length.real
    return _filled(x, mask, 0, "normalize") / torch.maximum(length, torch.full((), eps, dtype=length.dtype, device=length.device))


__getattr__ = refusing(__name__)
