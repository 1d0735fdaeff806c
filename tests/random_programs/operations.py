"""The oracle's arithmetic: promotion, pointwise rows, reductions, contractions, joining."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from tests.random_programs import layout
from tests.random_programs.rows import OUT, POINTWISE, REDUCTIONS, REFUSES_BOOL
from tests.random_programs.tape import Saved, Undefined
from tests.random_programs.tensor import (
    CATEGORY,
    Link,
    Tensor,
    admit,
    attach,
    check_write,
    fresh,
    needs_graph,
    save,
    write,
)
from tests.random_programs.views import true_dim

DEFAULT_FLOAT = np.dtype(np.float32)


# Dtypes


def promote(a: np.dtype, b: np.dtype) -> np.dtype:
    if CATEGORY[a.kind] != CATEGORY[b.kind]:
        return a if CATEGORY[a.kind] > CATEGORY[b.kind] else b
    return np.promote_types(a, b)


def result_type(operands: Sequence[Any]) -> np.dtype:
    """PyTorch's promotion: tensors with dimensions first, then 0-d tensors, then numbers.

    A lower priority counts only where its category is higher.
    """
    levels: list[np.dtype | None] = [None, None, None]
    for operand in operands:
        if isinstance(operand, Tensor):
            level, dtype = (0 if operand.shape else 1), operand.dtype
        else:
            level = 2
            scalar = {bool: np.dtype(bool), int: np.dtype(np.int64)}
            dtype = scalar.get(type(operand), DEFAULT_FLOAT)
        before = levels[level]
        levels[level] = dtype if before is None else promote(before, dtype)
    result = None
    for candidate in levels:
        if candidate is None:
            continue
        if result is None:
            result = candidate
        elif CATEGORY[candidate.kind] > CATEGORY[result.kind]:
            result = candidate
    assert result is not None
    return result


def _check_cast(source: np.dtype, target: np.dtype) -> None:
    if CATEGORY[source.kind] > CATEGORY[target.kind]:
        raise RuntimeError(f"oracle: {source} can't be cast to {target}")


# Pointwise


def _categories(name: str, dtype: np.dtype) -> None:
    if "bif"[CATEGORY[dtype.kind]] not in POINTWISE[name].takes:
        if name in REFUSES_BOOL:
            raise RuntimeError(f"oracle: {name} of bool")
        raise Undefined(f"{name} of {dtype}")


def pointwise(
    name: str, *operands: Any, out: Tensor | None = None, inplace: bool = False
) -> Tensor:
    """Run one row of `POINTWISE`: a new tensor, or a write to `out` or to the first operand."""
    row = POINTWISE[name]
    target = operands[0] if inplace else out
    tensors = [operand for operand in operands if isinstance(operand, Tensor)]
    typed = operands[1:] if name == "where" else operands
    dtype = result_type([operand for operand in typed if operand is not None])
    if name in REFUSES_BOOL and any(t.dtype.kind == "b" for t in tensors):
        raise RuntimeError(f"oracle: {name} of bool")
    if row.result == "floating" and dtype.kind != "f":
        dtype = DEFAULT_FLOAT
    _categories(name, dtype)
    result_dtype = np.dtype(bool) if row.result == "bool" else dtype
    shape = layout.broadcast(*(t.shape for t in tensors))
    if target is not None:
        _check_target(target, shape, result_dtype, tensors, inplace)
    arrays = [_cast(name, position, operand, dtype) for position, operand in enumerate(operands)]
    if row.guard is not None:
        row.guard(*arrays)
    with np.errstate(all="ignore"):
        values = np.broadcast_to(admit(row.value(*arrays), result_dtype), shape)
    links, saved, saves, save_result = [], [], False, False
    for position, partial in enumerate(row.partials):
        operand = operands[position]
        if partial is None or not isinstance(operand, Tensor) or not operand.requires_grad:
            continue
        with np.errstate(all="ignore"):
            partials = partial(*arrays, values)
        links.append(Link(operand, np.broadcast_to(operand.slots, shape), None, partials))
        kept, result_too = _saves(operands, row.saves[position], inplace)
        saved += kept
        save_result |= result_too
        saves |= bool(row.saves[position])
    if not all(np.all(np.isfinite(link.partials)) for link in links):
        raise Undefined("a derivative that isn't finite")
    if target is None:
        return attach(fresh(values, tensors), links, saved, saves, save_result)
    return write(target, values, links, saved, saves, save_result)


def _cast(name: str, position: int, operand: Any, dtype: np.dtype) -> Any:
    if isinstance(operand, Tensor):
        if name == "where" and position == 0:
            return operand.array
        return operand.array.astype(dtype)
    if operand is None or name == "pow":
        return operand
    return np.asarray(operand).astype(dtype)


def _saves(
    operands: Sequence[Any], wanted: Sequence[int], inplace: bool
) -> tuple[list[Saved], bool]:
    kept = []
    for position in wanted:
        if position == OUT or (inplace and position == 0):
            continue  # an operation in place keeps a copy of what it overwrites
        if isinstance(operands[position], Tensor):
            # A number divided by a tensor is a product with its reciprocal, which is saved.
            kept.append(save(operands[position], isinstance(operands[0], Tensor)))
    return kept, OUT in wanted


def _check_target(
    target: Tensor,
    shape: layout.Shape,
    dtype: np.dtype,
    operands: Sequence[Tensor],
    inplace: bool,
    detected: bool = True,
) -> None:
    """What PyTorch asks of `out=` and of an operation in place, before anything runs."""
    if not inplace and (needs_graph([*operands, target])):
        raise RuntimeError("oracle: out= does not support automatic differentiation")
    if target.shape != shape:
        if not inplace:
            raise Undefined("out= of another shape")
        raise RuntimeError(f"oracle: {target.shape} doesn't match the broadcast shape {shape}")
    if not inplace and len(operands) == 1 and dtype != target.dtype:
        raise Undefined("out= of another dtype, for one operand")
    _check_cast(dtype, target.dtype)
    check_write(target, operands, detected)


# Reductions


def _dims(t: Tensor, dim: Any) -> list[int]:
    if dim is None or dim == ():
        return list(range(t.ndim))
    dims = [layout.wrap_dim(d, t.ndim) for d in (dim if isinstance(dim, tuple) else (dim,))]
    if len(set(dims)) < len(dims):
        raise RuntimeError("oracle: a dimension appears twice")
    return dims if t.shape else []


def reduction(
    name: str, t: Tensor, dim: Any = None, keepdim: bool = False, out: Tensor | None = None
) -> Tensor:
    """Run one row of `REDUCTIONS` over some dimensions, all of them by default."""
    row = REDUCTIONS[name]
    dims = _dims(t, dim)
    if "bif"[t.category] not in row.takes:
        if name == "mean":
            raise RuntimeError("oracle: mean of integers")
        raise Undefined(f"{name} of {t.dtype}")
    rest = [d for d in range(t.ndim) if d not in dims]
    kept = tuple(t.shape[d] for d in rest)
    count = prod(t.shape[d] for d in dims)
    if 0 in t.shape and not row.empty:
        raise Undefined("a reduction over nothing")
    order = [*rest, *dims]
    rows = t.array.transpose(order).reshape(prod(kept), count)
    if row.guard is not None:
        row.guard(rows)
    values = row.value(rows)
    dtype = {"bool": np.dtype(bool), "index": np.dtype(np.int64)}.get(row.result, t.dtype)
    if row.result == "sum" and t.category < 2:
        dtype = np.dtype(np.int64)
    shape = tuple(1 if d in dims else t.shape[d] for d in range(t.ndim)) if keepdim else kept
    if out is not None:
        if out.dtype != dtype or (row.result == "index"):
            raise Undefined("a reduction into another dtype")
        _check_target(out, shape, dtype, [t], inplace=False, detected=False)
        return write(out, values.reshape(shape))
    result = fresh(admit(values, dtype).reshape(shape), [t])
    if row.partial is None or not t.requires_grad:
        return result
    slots = t.slots.transpose(order).reshape(len(rows), count)
    outputs = np.arange(len(rows))[:, None]
    partials = row.partial(rows, values)
    saved = [save(t)] if 0 in row.saves else []
    link = Link(t, slots, outputs, partials)
    attach(result, [link], saved, bool(row.saves), OUT in row.saves)
    if name == "prod" and result.family.node is not None:  # one can do without the result
        loosened = [kept._replace(strict=False) for kept in result.family.node.saved]
        result.family.node.saved = tuple(loosened)
    return result


def cumsum(t: Tensor, dim: int) -> Tensor:
    dim = true_dim(t, dim)
    dtype = t.dtype if t.category == 2 else np.dtype(np.int64)
    result = fresh(admit(t.array.cumsum(dim, dtype=dtype), dtype), [t])
    size = t.shape[dim]
    earlier = np.tril(np.ones((size, size)))  # [output, input]
    places = np.moveaxis(np.arange(t.numel()).reshape(t.shape), dim, -1)
    inputs = np.moveaxis(t.slots, dim, -1)
    link = Link(t, inputs[..., None, :], places[..., :, None], earlier)
    return attach(result, [link])


def softmax(t: Tensor, dim: int) -> Tensor:
    dim = true_dim(t, dim)
    if t.category != 2 or 0 in t.shape or not t.shape:
        raise Undefined("softmax of integers, of nothing or of a number")
    exponentials = np.exp(t.array - t.array.max(dim, keepdims=True))
    values = exponentials / exponentials.sum(dim, keepdims=True)
    places = np.moveaxis(np.arange(t.numel()).reshape(t.shape), dim, -1)
    inputs = np.moveaxis(t.slots, dim, -1)
    rows = np.moveaxis(values, dim, -1).astype(np.float64)
    partials = rows[..., :, None] * (np.eye(t.shape[dim]) - rows[..., None, :])
    link = Link(t, inputs[..., None, :], places[..., :, None], partials)
    return attach(fresh(values, [t]), [link], saves=True, save_result=True)


# Contraction and joining


def matmul(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """As `torch.matmul`, for every number of dimensions."""
    if a.dtype != b.dtype:
        raise RuntimeError("oracle: matmul of different dtypes")
    if a.dtype.kind == "b" or not a.shape or not b.shape:
        raise (Undefined("matmul of bool") if a.shape and b.shape else RuntimeError("oracle: 0-d"))
    left = a.array if a.ndim > 1 else a.array[None]
    right = b.array if b.ndim > 1 else b.array[:, None]
    if left.shape[-1] != right.shape[-2]:
        raise RuntimeError(f"oracle: matmul of {a.shape} and {b.shape}")
    batch = layout.broadcast(left.shape[:-2], right.shape[:-2])
    rows, columns = left.shape[-2], right.shape[-1]
    full = np.matmul(left, right)
    shape = batch + (rows,) * (a.ndim > 1) + (columns,) * (b.ndim > 1)
    if out is not None:
        if out.dtype != a.dtype:
            raise Undefined("matmul into another dtype")
        _check_target(out, shape, a.dtype, [a, b], inplace=False, detected=False)
        return write(out, full.reshape(shape))
    result = fresh(admit(full, a.dtype).reshape(shape), [a, b])
    result.loose_version = a.ndim != 2 or b.ndim != 2
    places = np.arange(full.size).reshape(full.shape)[..., :, None, :]
    left_slots = a.slots.reshape(left.shape)[..., :, :, None]
    right_slots = b.slots.reshape(right.shape)[..., None, :, :]
    strict = a.ndim <= 2 and b.ndim <= 2  # batches may be copied before they are multiplied
    links, saved = [], []
    if a.requires_grad:
        links.append(Link(a, left_slots, places, right[..., None, :, :]))
        saved.append(save(b, strict))
    if b.requires_grad:
        links.append(Link(b, right_slots, places, left[..., :, :, None]))
        saved.append(save(a, strict))
    return attach(result, links, saved, saves=True)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    if any(not t.shape for t in tensors):
        raise RuntimeError("oracle: cat of 0-d tensors")
    if any(t.shape == (0,) for t in tensors) and len({t.ndim for t in tensors}) > 1:
        raise Undefined("cat with a legacy empty tensor")
    dim = layout.wrap_dim(dim, tensors[0].ndim)
    others = {t.shape[:dim] + t.shape[dim + 1 :] for t in tensors}
    if len(others) > 1 or len({t.ndim for t in tensors}) > 1:
        raise RuntimeError("oracle: cat of differing shapes")
    dtype = tensors[0].dtype
    for t in tensors:
        dtype = promote(dtype, t.dtype)
    values = np.concatenate([admit(t.array, dtype) for t in tensors], dim)
    places = np.split(
        np.arange(values.size).reshape(values.shape),
        np.cumsum([t.shape[dim] for t in tensors])[:-1],
        dim,
    )
    links = [Link(t, t.slots, place, 1.0) for t, place in zip(tensors, places, strict=True)]
    result = fresh(values, tensors)
    result.loose |= result.ndim > 3  # it may follow the inputs' memory format (channels last)
    return attach(result, links)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    if len({t.shape for t in tensors}) > 1:
        raise RuntimeError("oracle: stack of differing shapes")
    dim = layout.wrap_dim(dim, tensors[0].ndim + 1)
    shape = tensors[0].shape
    hidden = [
        t._view(
            (*shape[:dim], 1, *shape[dim:]),
            (*t.strides[:dim], 1, *t.strides[dim:]),
            hidden=True,
        )
        for t in tensors
    ]
    return cat(hidden, dim)
