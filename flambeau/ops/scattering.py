"""Scattering: elements replaced or increased along a dimension, by place, or under a mask."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtypes, layout
from ..core.aval import Aval
from ..errors import shape_text, shown
from .gathering import (
    check_along,
    check_flat,
    check_range,
    need_integers,
    places_along,
    same_dimensions,
    size_along,
)
from .indexing import add_at, places
from .lowering import indexing as low
from .lowering import sorting as order
from .lowering.common import widened
from .table import Spec, call, row

# --- scatter ------------------------------------------------------------------------------------


def _scatter_rule(x: Aval, i: Aval, src: Any, dim: int, *rest: Any) -> Spec:
    d = same_dimensions(x, i, dim)
    if not isinstance(src, Aval):
        return Spec(x)
    if max(src.ndim, 1) != max(i.ndim, 1) and i.numel:
        raise RuntimeError(
            "Index tensor must have the same number of dimensions as src tensor: "
            f"{shape_text(i.shape)} and {shape_text(src.shape)}"
        )
    if i.numel and any(a > b for a, b in zip(i.shape, src.shape, strict=False)):
        raise RuntimeError(
            f"Expected index {shape_text(i.shape)} to be no larger than self "
            f"{shape_text(x.shape)} apart from dimension {d} and to be no larger than src "
            f"{shape_text(src.shape)}"
        )
    if src.dtype is not x.dtype:
        raise RuntimeError(
            f"Expected self.dtype to be equal to src.dtype, but got {x.dtype} and {src.dtype}"
        )
    return Spec(x)


def _cut(src: Any, index: np.ndarray) -> Any:
    """The part of a source that an index covers."""
    if np.ndim(src) == 0 or src.shape == index.shape:
        return src
    return src[tuple(slice(0, n) for n in index.shape)] if index.ndim else src.reshape(-1)[0]


def _scatter(
    x: np.ndarray, index: np.ndarray, src: Any, dim: int, reduce: str = ""
) -> np.ndarray:
    out = x.copy(order="C")
    if not index.size:
        return out
    flat, where = out.reshape(-1), places_along(x.shape, index, dim)
    values = _cut(src, index)
    if reduce == "add":
        add_at(out, where, values)
    elif reduce == "multiply":
        np.multiply.at(flat, where, values)
    else:
        flat[where] = values
    return out


def _grown(grad: Any, shape: Any) -> Any:
    """Zeros behind, where the source was larger than the index."""
    pad: list[int] = []
    for have, want in zip(reversed(grad.shape), reversed(shape), strict=False):
        pad += [0, want - have]
    return call.constant_pad_from(grad, 0, tuple(pad)) if any(pad) else grad


def _scatter_check(fetch: Any, x: Aval, i: Aval, src: Any, dim: int, *rest: Any) -> None:
    check_along(fetch, x, i, dim)


_SCATTER = {"rule": _scatter_rule, "numpy": _scatter, "check": _scatter_check, "called": "scatter"}

row(
    "scatter_src(Tensor input, Tensor index, Tensor src, int dim) -> Tensor", **_SCATTER,
    moves=True, forms="", node="ScatterBackward0",
    lower=widened(low.scatter),
    grads={"input": lambda grad, index, dim: call.scatter_value(grad, index, 0, dim),
           "src": lambda grad, index, src_shape, dim: _grown(grad.gather(dim, index), src_shape)},
    doc="input with src at places along a dimension; see torch.scatter.",
)  # fmt: skip

row(
    "scatter_value(Tensor input, Tensor index, Scalar value, int dim) -> Tensor", **_SCATTER,
    forms="", node="ScatterBackward1",
    lower=low.scatter,
    grads={"input": lambda grad, index, dim: call.scatter_value(grad, index, 0, dim)},
    doc="input with a number at places along a dimension; see torch.scatter.",
)  # fmt: skip

row(
    "scatter_by(Tensor input, Tensor index, Operand src, int dim, str reduce) -> Tensor", **_SCATTER,
    forms="", node="NotImplemented",
    lower=low.scatter_by,
    not_differentiable="use scatter_add, or scatter_reduce with 'prod'",
    doc="input with src added or multiplied at places; see torch.scatter.",
)  # fmt: skip


def _scatter_body(
    input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: Any = None
) -> Any:
    """input with input[index[i][j]][j] = src[i][j] for dim 0, and so on; src a tensor or number.
    reduce: 'add' or 'multiply' instead of replacing."""
    given = src if src is not None else value
    if given is None:
        raise TypeError("scatter() missing required argument 'src' or 'value'")
    if not isinstance(given, (bool, int, float, complex)) and not hasattr(given, "_aval"):
        raise TypeError(
            f"scatter(): argument 'src' (position 4) must be Tensor or Number, not "
            f"{type(given).__name__}"
        )
    if reduce is None:
        return (call.scatter_src if hasattr(given, "_aval") else call.scatter_value)(
            input, index, given, dim
        )
    if reduce not in ("add", "multiply"):
        raise RuntimeError(f"reduce argument must be either add or multiply, got {shown(reduce)}")
    if isinstance(given, float) and input.dtype.category < dtypes.FLOAT:
        given = int(given)
    return call.scatter_by(input, index, given, dim, reduce)


row("scatter(Tensor input, int dim, Tensor index, Operand src) -> Tensor", body=_scatter_body,
    forms="fmio", out="exact",
    samples=lambda m: [((m(3, 2), 0, m.int(1, 2, high=3), m(1, 2)), {}), ((m(3), 0, m.int(1, high=3), 2.0), {}),
                       ((m(2, 3).t(), 1, m.int(2, 1, high=2), m(3, 2)), {}), ((m(), 0, m.int(high=1), m()), {})],
    doc="See body.")  # fmt: skip

row(
    "scatter_add(Tensor input, int dim, Tensor index, Tensor src) -> Tensor",
    rule=_scatter_rule, check=_scatter_check, forms="fmio", out="exact",
    numpy=lambda x, index, src, dim: _scatter(x, index, src, dim, "add"),
    lower=low.scatter_add,
    grads={"input": lambda grad: grad,
           "src": lambda grad, index, src_shape, dim: _grown(grad.gather(dim, index), src_shape)},
    samples=lambda m: [((m(3, 2), 0, m.int(4, 2, high=3), m(4, 2)), {}), ((m(2, 3), 1, m.int(2, 4, high=3), m(2, 5)), {}),
                       ((m(2, 3).t(), 0, m.int(2, 2, high=3), m(2, 2)), {}), ((m(), 0, m.int(2, high=1), m(2)), {})],
    doc="input with src added at places along a dimension, repeated places summed.",
)  # fmt: skip

# --- scatter_reduce -----------------------------------------------------------------------------

_START = {"sum": 0, "mean": 0, "prod": 1}


def _reduce_rule(
    x: Aval, i: Aval, src: Aval, dim: int, reduce: str, include_self: bool
) -> Spec:
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    if x.dtype.is_complex and reduce in ("amax", "amin"):
        raise NotImplementedError(f"{reduce} is not implemented for {x.dtype}")
    return _scatter_rule(x, i, src, dim)


def _start(dt: np.dtype[Any], reduce: str) -> Any:
    """What a place begins with when its own element does not count."""
    if reduce in _START:
        return _START[reduce]
    low = reduce == "amax"
    if dt.kind == "f":
        return -np.inf if low else np.inf
    if dt.kind == "b":
        return not low
    return np.iinfo(dt).min if low else np.iinfo(dt).max


def _scatter_reduce(
    x: np.ndarray, index: np.ndarray, src: np.ndarray, dim: int, reduce: str, include_self: bool
) -> np.ndarray:
    out = x.copy(order="C")
    if not index.size:
        return out
    flat, where = out.reshape(-1), places_along(x.shape, index, dim)
    values = _cut(src, index)
    if not include_self:
        flat[where] = _start(x.dtype, reduce)
    if reduce in ("sum", "mean"):
        add_at(out, where, values)
    else:
        ufunc = {"prod": np.multiply, "amax": np.maximum, "amin": np.minimum}[reduce]
        ufunc.at(flat, where, values)
    if reduce == "mean":
        counts = np.bincount(where.reshape(-1), minlength=flat.size) + include_self
        np.maximum(counts, 1, out=counts)
        flat[...] = flat / counts if x.dtype.kind in "fc" else np.floor_divide(flat, counts)
    return out


def _reduce_grads(
    grad: Any, input: Any, index: Any, src: Any, result: Any, dim: int, reduce: str,
    include_self: bool,
) -> Any:  # fmt: skip
    """Gradients by input and by the part of src that index covers."""
    part = src[tuple(slice(0, n) for n in index.shape)]
    zeros = call.zeros_like(input)
    if reduce == "sum":
        to_input, to_src = grad, grad.gather(dim, index)
    elif reduce == "mean":
        count = zeros.scatter_add(dim, index, call.ones_like(part)) + int(include_self)
        to_input = grad / count.masked_fill(count == 0, 1)
        to_src = to_input.gather(dim, index)
    elif reduce == "prod":
        to_input, to_src = _product_grads(grad, input, index, part, result, dim, include_self)
    else:  # the largest share the gradient evenly
        own, other = input == result, part == result.gather(dim, index)
        shares = own.to(grad.dtype) if include_self else zeros
        shares = shares.scatter_add(dim, index, other.to(grad.dtype))
        each = grad / shares.masked_fill(shares == 0, 1)
        to_input, to_src = each * own, each.gather(dim, index) * other
        if include_self:
            untouched = call.scatter_value(call.ones_like(input), index, 0, dim) != 0
            return call.where(untouched, grad, to_input), _grown(to_src, tuple(src.shape))
    if not include_self:
        to_input = call.scatter_value(to_input if reduce in ("sum", "mean") else grad, index, 0, dim)
    return to_input, _grown(to_src, tuple(src.shape))


def _product_grads(
    grad: Any, input: Any, index: Any, part: Any, result: Any, dim: int, include_self: bool
) -> Any:
    """A factor's gradient is the product of the others, also where the factor is zero."""
    others = call.scatter_reduce(
        call.ones_like(input), dim, index, part, "prod", include_self=True
    )
    to_input = grad * others
    zero = part == 0
    zeros = call.zeros_like(input).scatter_add(dim, index, zero.to(part.dtype)).gather(dim, index)
    alone = zero & (zeros == 1)
    without = call.scatter_reduce(
        input, dim, index, part.masked_fill(alone, 1), "prod", include_self=include_self
    )
    usual = (grad * result).gather(dim, index) / part.masked_fill(zero, 1)
    return to_input, call.where(alone, (grad * without).gather(dim, index), usual)


row(
    "scatter_reduce(Tensor input, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True) -> Tensor",
    rule=_reduce_rule, numpy=_scatter_reduce, forms="fmio", out="exact",
    check=lambda fetch, x, i, src, dim, reduce, include_self: check_along(fetch, x, i, dim),
    lower=low.scatter_reduce,
    grads={("input", "src"): lambda grad, input, index, src, result, dim, reduce, include_self:
           _reduce_grads(grad, input, index, src, result, dim, reduce, include_self)},
    samples=lambda m: [((m(3, 2), 0, m.int(4, 2, high=3), m(4, 2), how), {"include_self": own})
                       for how in ("sum", "prod", "mean", "amax", "amin") for own in (True, False)],
    doc="input with src summed, multiplied, averaged, or the extremes taken at places; include_self: input's own element counts.",
)  # fmt: skip

# --- along a dimension --------------------------------------------------------------------------


def _rows_shape(x: Aval, i: Aval, src: Aval, dim: int) -> None:
    need_integers(i)
    if src.dtype is not x.dtype:
        raise RuntimeError(
            f"self ({x.dtype.legacy}) and source ({src.dtype.legacy}) must have the same scalar type"
        )
    d = layout.wrap_dim(dim, x.ndim)
    want = (*x.shape[:d], i.numel, *x.shape[d + 1 :]) if x.ndim else ()
    single = x.ndim == 1 and i.numel == 1 and src.ndim == 0
    if tuple(src.shape) != want and not single:
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. "
            f"Got self.shape = {shape_text(x.shape)} source.shape = {shape_text(src.shape)} for "
            f"{i.numel} indices of dimension {d}"
        )


def _index_add_rule(x: Aval, i: Aval, src: Aval, alpha: Any, dim: int) -> Spec:
    if i.ndim > 1:
        raise IndexError(
            f"Index is supposed to be a vector, but has {i.ndim} dimensions: {shape_text(i.shape)}"
        )
    _rows_shape(x, i, src, dim)
    return Spec(x)


def _index_add_check(fetch: Any, x: Aval, i: Aval, src: Aval, alpha: Any, dim: int) -> None:
    if x.ndim > 1:  # PyTorch raises another type there
        check_along(fetch, x, i, dim)
    else:
        check_range(fetch(1), size_along(x, dim), dim)


def _index_add(
    x: np.ndarray, index: np.ndarray, src: np.ndarray, alpha: Any, dim: int
) -> np.ndarray:
    out = x.copy(order="C")
    values = src if alpha == 1 else src * x.dtype.type(alpha)
    if not x.ndim:
        return out + values.sum(dtype=x.dtype)
    if out.size and index.size:
        add_at(out, places(x.shape, [index.reshape(-1)], (dim % x.ndim,)), values)
    return out


row(
    "index_add(Tensor input, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor",
    rule=_index_add_rule, numpy=_index_add, forms="fmio", out="exact",
    check=_index_add_check,
    lower=low.index_add,
    grads={"input": lambda grad: grad,
           "source": lambda grad, index, alpha, dim, source_shape:
               grad.index_select(dim, index).reshape(tuple(source_shape)) * alpha},
    samples=lambda m: [((m(3, 2), 0, m.int(4, high=3), m(4, 2)), {}), ((m(2, 3), 1, m.int(2, high=3), m(2, 2)), {"alpha": 2}),
                       ((m(2, 3).t(), -1, m.int(3, high=2), m(3, 3)), {}), ((m(3), 0, m.int(1, high=3), m()), {})],
    doc="input with alpha times the rows of source added at indices of a dimension.",
)  # fmt: skip


def _index_copy_rule(x: Aval, i: Aval, src: Aval, dim: int) -> Spec:
    d = layout.wrap_dim(dim, x.ndim)
    if i.ndim > 1:
        raise IndexError(
            f"Index should have dimension 1 or 0 (got {i.ndim}): {shape_text(i.shape)}"
        )
    if i.dtype is not dtypes.int64:
        raise RuntimeError(f"Expected a long tensor for index, but got {i.dtype.legacy}")
    if src.dtype is not x.dtype:
        raise RuntimeError(
            f"self and source expected to have the same dtype, but got {x.dtype} and {src.dtype}"
        )
    if not src.ndim:
        if i.numel != 1:
            raise IndexError(
                f"When source is scalar, index should have one element (got {i.numel})"
            )
    elif src.ndim != x.ndim and x.ndim:
        raise IndexError(
            "When source and destination are not scalars, their dimensionality must match. "
            f"Source dimensionality ({src.ndim}), destination dimensionality ({x.ndim})"
        )
    lead = (*x.shape[:d], *x.shape[d + 1 :])
    if src.ndim and lead != (*src.shape[:d], *src.shape[d + 1 :]) or not src.ndim and lead:
        raise RuntimeError(
            "Source/destination tensor must have same slice shapes. Destination "
            f"{shape_text(x.shape)} at dimension {d} and source {shape_text(src.shape)}"
        )
    if src.ndim and i.numel != src.shape[d]:
        raise IndexError(
            f"Number of indices ({i.numel}) should be equal to source.size(dim) ({src.shape[d]})"
        )
    return Spec(x)


def _place_rows(x: np.ndarray, index: np.ndarray, src: Any, dim: int) -> np.ndarray:
    out = x.copy(order="C")
    if not x.ndim:
        if index.size:
            out[...] = src if np.ndim(src) == 0 else src.reshape(-1)[-1]
        return out
    where = [slice(None)] * x.ndim
    where[dim] = index.reshape(-1)  # type: ignore[call-overload]
    out[tuple(where)] = src
    return out


row(
    "index_copy(Tensor input, int dim, Tensor index, Tensor source) -> Tensor",
    rule=_index_copy_rule, numpy=_place_rows, moves=True, forms="fmio", out="exact",
    check=lambda fetch, x, i, s, dim: check_range(fetch(1), size_along(x, dim), dim),
    lower=low.index_copy,
    grads={"input": lambda grad, index, dim: call.index_fill(grad, dim, index, 0),
           "source": lambda grad, index, dim, source_shape:
               grad.index_select(dim, index).reshape(tuple(source_shape))},
    samples=lambda m: [((m(3, 2), 0, m.int(1, high=3), m(1, 2)), {}), ((m(2, 3).t(), 1, m.int(1, high=2), m(3, 1)), {}), ((m(3), 0, m.int(1, high=3), m()), {})],
    doc="input with rows of source copied to indices of a dimension.",
)  # fmt: skip


def _index_fill_rule(x: Aval, i: Aval, value: Any, dim: int) -> Spec:
    if i.dtype is not dtypes.int64:
        raise IndexError(f"Expected dtype int64 for index, but got {i.dtype}")
    if isinstance(value, Aval) and value.ndim:
        raise RuntimeError(
            "only supports a 0-dimensional value tensor, but got tensor with "
            f"{value.ndim} dimension(s)"
        )
    layout.wrap_dim(dim, x.ndim)
    if i.ndim > 1:
        raise IndexError(
            f"Index has to be a vector/scalar, but has {i.ndim} dimensions: {shape_text(i.shape)}"
        )
    if value is complex and not x.dtype.is_complex:
        raise RuntimeError(
            f"Converting complex scalar to a non-complex type is not supported ({x.dtype})"
        )
    return Spec(x, x.dtype)


def _index_fill_check(fetch: Any, x: Aval, i: Aval, value: Any, dim: int) -> None:
    check_range(fetch(1), size_along(x, dim), dim, negative=True)


_FILL = {"rule": _index_fill_rule, "numpy": _place_rows, "check": _index_fill_check, "keeps": ("index",),
         "called": "index_fill", "forms": ""}  # fmt: skip

row(
    "index_fill_number(Tensor input, Tensor index, Scalar value, int dim) -> Tensor",
    **_FILL, node="IndexFillBackward0",
    lower=low.index_fill,
    grads={"input": lambda grad, index, dim: call.index_fill(grad, dim, index, 0)},
    doc="input with indices of a dimension set to a number.",
)  # fmt: skip

def _filled(grad: Any, dim: int, index: Any) -> Any:
    return call.index_fill(call.zeros(tuple(grad.shape), dtype=dtypes.bool_), dim, index, True)


row(
    "index_fill_tensor(Tensor input, Tensor index, Tensor value, int dim) -> Tensor",
    **_FILL, node="IndexFillBackward1",
    lower=low.index_fill,
    grads={"input": lambda grad, index, dim: call.index_fill(grad, dim, index, 0),
           "value": lambda grad, index, dim:
               call.where_chosen(_filled(grad, dim, index), grad, 0).sum()},
    doc="input with indices of a dimension set to a 0-d tensor.",
)  # fmt: skip


def _index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """input with indices of a dimension set to a number or 0-d tensor."""
    if isinstance(value, float) and not input.dtype.is_differentiable and not math.isfinite(value):
        raise RuntimeError(
            f"index_fill(): value {value} cannot be converted to type {input.dtype} without overflow"
        )
    kind = call.index_fill_tensor if hasattr(value, "_aval") else call.index_fill_number
    return kind(input, index, value, dim)


row("index_fill(Tensor input, int dim, Tensor index, Operand value) -> Tensor", body=_index_fill,
    forms="fmi",
    samples=lambda m: [((m(3, 2), 0, m.int(1, high=3), 2.0), {}), ((m(3, 2), 1, m.int(1, high=2), m()), {}), ((m(2, 3).t(), 0, m.int(high=3), 1.0), {})],
    doc="See body.")  # fmt: skip

# --- by place -----------------------------------------------------------------------------------


def _put_rule(x: Aval, i: Aval, src: Aval, accumulate: bool) -> Spec:
    if i.dtype is not dtypes.int64:
        raise RuntimeError(f"Expected a long tensor for index, but got {i.dtype.legacy}")
    if src.dtype is not x.dtype:
        raise RuntimeError(
            "self and source expected to have the same dtype, but got self.dtype = "
            f"{x.dtype.legacy} and source.dtype = {src.dtype.legacy}"
        )
    if i.numel != src.numel:
        raise IndexError(
            "Expected source and index to have the same number of elements, but got "
            f"source.numel() = {src.numel}, index.numel() = {i.numel}"
        )
    if not x.numel and i.numel:
        raise IndexError("Tried to put elements into an empty tensor")
    return Spec(x)


def _put(x: np.ndarray, index: np.ndarray, src: np.ndarray, accumulate: bool) -> np.ndarray:
    out = x.copy(order="C")
    where = index.reshape(-1)
    if accumulate:
        add_at(out, where, src.reshape(-1))
    else:
        out.reshape(-1)[where] = src.reshape(-1)
    return out


row(
    "put(Tensor input, Tensor index, Tensor source, bool accumulate=False) -> Tensor",
    rule=_put_rule, numpy=_put, forms="fmi",
    check=lambda fetch, x, i, source, accumulate: check_flat(fetch, x, i),
    lower=low.put,
    grads={"input": lambda grad, index, source_shape, accumulate: grad if accumulate else
               call.put(grad, index, call.zeros(source_shape, dtype=grad.dtype)),
           "source": lambda grad, index, source_shape: grad.take(index).reshape(tuple(source_shape))},
    samples=lambda m: [((m(3, 2), m.int(2, high=6), m(2)), {"accumulate": True}), ((m(2, 3).t(), m.int(1, low=-6, high=0), m(1, 1)), {})],
    doc="input with elements of the flattened view set to (or increased by) source.",
)  # fmt: skip

# --- under a mask -------------------------------------------------------------------------------


def _masked_scatter_rule(x: Aval, mask: Aval, src: Aval) -> Spec:
    if src.dtype is not x.dtype:
        raise RuntimeError(
            "expected self and source to have same dtypes but got "
            f"{x.dtype.legacy} and {src.dtype.legacy}"
        )
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(f"masked_scatter_ only supports boolean masks, but got {mask.dtype}")
    return Spec(x.with_shape(layout.broadcast(tuple(x.shape), tuple(mask.shape))))


def _masked_scatter_check(fetch: Any, x: Aval, mask: Aval, src: Aval) -> None:
    shape = layout.broadcast(tuple(x.shape), tuple(mask.shape))
    count = int(np.count_nonzero(np.broadcast_to(fetch(1), shape)))
    if count > src.numel:
        raise RuntimeError(
            f"Number of elements of source < number of ones in mask: {src.numel} < {count}"
        )


def _masked_scatter(x: np.ndarray, mask: np.ndarray, src: np.ndarray) -> np.ndarray:
    shape = np.broadcast_shapes(x.shape, mask.shape)
    out = np.array(np.broadcast_to(x, shape))
    where = np.broadcast_to(mask, shape)
    out[where] = src.reshape(-1)[: np.count_nonzero(where)]
    return out


row(
    "masked_scatter(Tensor input, Tensor mask, Tensor source) -> Tensor",
    rule=_masked_scatter_rule, numpy=_masked_scatter, moves=True, forms="fmi",
    lower=order.masked_scatter,
    check=_masked_scatter_check,
    grads={"input": lambda grad, mask: grad.masked_fill(mask, 0),
           "source": lambda grad, mask, source_shape:
               call.masked_scatter_backward(grad, mask, source_shape)},
    samples=lambda m: [((m(3, 2), m.bool(3, 2), m(6)), {}), ((m(2), m.bool(3, 1), m(2, 4)), {})],
    doc="input with its elements under mask replaced by the first elements of source, in order.",
)  # fmt: skip


def _collected(g: np.ndarray, mask: np.ndarray, shape: Any) -> np.ndarray:
    out = np.zeros(shape, g.dtype)
    found = g[np.broadcast_to(mask, g.shape)]
    out.reshape(-1)[: found.size] = found
    return out


row(
    "masked_scatter_backward(Tensor outer, Tensor mask, int[] shape) -> Tensor",
    rule=lambda g, mask, shape: Spec(g.with_shape(tuple(shape))), numpy=_collected, moves=True,
    forms="", lower=order.masked_scatter_backward,
    grads={"outer": lambda grad, mask, outer_shape: call.masked_scatter(
        call.zeros(outer_shape, dtype=grad.dtype), mask, grad)},
    doc="The elements under a mask, in order, with zeros behind.",
)  # fmt: skip

