"""Gathering and scattering along a dimension by index tensors, and embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes, layout
from ..core.aval import Aval, aval
from .indexing import add_at, places
from .table import Spec, call, row


def need_index(i: Aval, name: str = "index") -> None:
    """Index tensors are int64 (or int32)."""
    if i.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(f"expected dtype int64 or int32 for {name}, but got {i.dtype}")


def check_range(array: np.ndarray, size: int, what: str, negative: bool = False) -> None:
    """IndexError where an index is outside of `size`."""
    if not array.size:
        return
    low, high = int(array.min()), int(array.max())
    if high >= size or low < (-size if negative else 0):
        wrong = high if high >= size else low
        raise IndexError(f"index {wrong} is out of bounds for {what} with size {size}")


def _along_rule(x: Aval, i: Aval, dim: int) -> int:
    if i.dtype is not dtypes.int64 and i.dtype is not dtypes.int32:
        raise RuntimeError(f"Expected dtype int64 for index, but got {i.dtype}")
    d = layout.wrap_dim(dim, x.ndim)
    if max(x.ndim, 1) != max(i.ndim, 1) and i.numel:
        raise RuntimeError(
            f"Index tensor must have the same number of dimensions as input tensor: {i.ndim} "
            f"{list(i.shape)} and {x.ndim} {list(x.shape)}"
        )
    for k in range(min(x.ndim, i.ndim)):
        if k != d and i.shape[k] > x.shape[k]:
            raise RuntimeError(
                f"Size does not match at dimension {k} expected index {list(i.shape)} to be no "
                f"larger than self {list(x.shape)} apart from dimension {d}"
            )
    return d


def _grid(index: np.ndarray, dim: int) -> tuple[Any, ...]:
    """The full index of each element of `index`: itself along `dim`, its own place elsewhere."""
    return tuple(
        index if k == dim else np.arange(n).reshape([-1 if j == k else 1 for j in range(index.ndim)])
        for k, n in enumerate(index.shape)
    )


def _gather(x: np.ndarray, index: np.ndarray, dim: int, sparse_grad: bool) -> np.ndarray:
    if not index.ndim or not x.ndim:
        return np.broadcast_to(x.reshape(-1)[:1].reshape(()), index.shape)
    return x[_grid(index, dim % x.ndim)]


def _gather_rule(x: Aval, i: Aval, dim: int, sparse_grad: bool) -> Spec:
    _along_rule(x, i, dim)
    return Spec(x.with_shape(tuple(i.shape)))


def _gather_check(fetch: Any, x: Aval, i: Aval, dim: int, *rest: Any) -> None:
    size = x.shape[dim] if x.ndim else 1
    array = fetch(1)
    if array.size:
        low, high = int(array.min()), int(array.max())
        if low < 0 or high >= size:
            raise RuntimeError(
                f"index {high if high >= size else low} is out of bounds for dimension "
                f"{dim % max(x.ndim, 1)} with size {size}"
            )


row(
    "gather(Tensor input, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor",
    rule=_gather_rule, numpy=_gather, moves=True, forms="fmo", check=_gather_check,
    grads={"input": lambda grad, index, input_shape, dim:
           call.zeros(input_shape, dtype=grad.dtype).scatter_add(dim, index, grad)},
    samples=lambda m: [((m(3, 2), 0, m.int(2, 2, high=3)), {}), ((m(2, 3), -1, m.int(2, 4, high=3)), {}), ((m(), 0, m.int(high=1)), {})],
    doc="out[i][j] = input[index[i][j]][j] for dim 0, and so on.",
)  # fmt: skip


def _scatter_shapes(x: Aval, i: Aval, src: Any, dim: int) -> None:
    d = _along_rule(x, i, dim)
    if isinstance(src, Aval) and i.numel:
        if max(src.ndim, 1) != max(i.ndim, 1):
            raise RuntimeError(
                "Index tensor must have the same number of dimensions as src tensor: "
                f"{list(i.shape)} and {list(src.shape)}"
            )
        for k in range(min(src.ndim, i.ndim)):
            if i.shape[k] > src.shape[k]:
                raise RuntimeError(
                    f"Expected index {list(i.shape)} to be no larger than src {list(src.shape)} "
                    f"(dimension {d} of self {list(x.shape)} apart)"
                )
        if src.dtype is not x.dtype:
            raise RuntimeError(
                f"scatter(): Expected self.dtype to be equal to src.dtype: {x.dtype} and {src.dtype}"
            )


def _scatter_rule(x: Aval, i: Aval, src: Any, dim: int, *rest: Any) -> Spec:
    _scatter_shapes(x, i, src, dim)
    return Spec(x)


def _cut(src: Any, index: np.ndarray) -> Any:
    if np.ndim(src) == 0:
        return src
    return src[tuple(slice(0, n) for n in index.shape)]


def _scatter(x: np.ndarray, index: np.ndarray, src: Any, dim: int, reduce: str) -> np.ndarray:
    out = x.copy(order="C")
    if not index.size:
        return out
    if not x.ndim:
        flat = out.reshape(1)
        where: Any = (index.reshape(-1),)
        values = np.reshape(src, -1)
    else:
        flat, where, values = out, _grid(index, dim % x.ndim), _cut(src, index)
    if reduce == "add":
        np.add.at(flat, where, values)
    elif reduce == "multiply":
        np.multiply.at(flat, where, values)
    else:
        flat[where] = values
    return out


def _grown(g: Any, shape: Any) -> Any:
    """Zeros behind, where the source was larger than the index."""
    pad: list[int] = []
    for have, want in zip(reversed(g.shape), reversed(shape), strict=True):
        pad += [0, want - have]
    return call.constant_pad_from(g, 0, tuple(pad)) if any(pad) else g


def _scatter_check(fetch: Any, x: Aval, i: Aval, src: Any, dim: int, *rest: Any) -> None:
    _gather_check(fetch, x, i, dim)


row(
    "scatter_from(Tensor input, Tensor index, Operand src, int dim, str reduce) -> Tensor",
    rule=_scatter_rule, numpy=_scatter, forms="", node="ScatterBackward0", check=_scatter_check,
    grads={
        "input": lambda grad, index, dim, reduce:
            grad if reduce == "add" else call.scatter_from(grad, index, 0, dim, ""),
        "src": lambda grad, index, src_shape, dim: _grown(grad.gather(dim, index), src_shape),
    },
    doc="input with src at places along a dimension; see torch.scatter.",
)  # fmt: skip


def _scatter_body(
    input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str = ""
) -> Any:
    """input with input[index[i][j]][j] = src[i][j] for dim 0, and so on; src a tensor or number."""
    if reduce not in ("", "add", "multiply", None):
        raise RuntimeError("reduce argument must be either add or multiply.")
    given = src if src is not None else value
    if given is None:
        raise TypeError("scatter() missing required argument 'src' or 'value'")
    if not hasattr(index, "dtype"):
        raise TypeError(
            f"scatter(): argument 'index' (position 3) must be Tensor, not {type(index).__name__}"
        )
    return call.scatter_from(input, index, given, dim, reduce or "")


row("scatter(Tensor input, int dim, Tensor index, Operand src) -> Tensor", body=_scatter_body,
    forms="fmio",
    samples=lambda m: [((m(3, 2), 0, m.int(1, 2, high=3), m(1, 2)), {}), ((m(3), 0, m.int(1, high=3), 2.0), {})],
    doc="See body.")  # fmt: skip


def _scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """input with src added at places along a dimension, repeated places summed."""
    return call.scatter_from(input, index, src, dim, "add")


row("scatter_add(Tensor input, int dim, Tensor index, Tensor src) -> Tensor", body=_scatter_add,
    forms="fmio",
    samples=lambda m: [((m(3, 2), 0, m.int(4, 2, high=3), m(4, 2)), {}), ((m(2, 3), 1, m.int(2, 4, high=3), m(2, 5)), {})],
    doc="See body.")  # fmt: skip


def _select_rule(x: Aval, dim: int, i: Aval) -> Spec:
    if i.ndim > 1:
        raise IndexError("Index is supposed to be a vector")
    if i.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError("Expected dtype int32 or int64 for index")
    d = layout.wrap_dim(dim, x.ndim)
    if not x.ndim:
        return Spec(x)
    return Spec(x.with_shape((*x.shape[:d], i.numel, *x.shape[d + 1 :])))


row(
    "index_select(Tensor input, int dim, Tensor index) -> Tensor",
    rule=lambda x, i, dim: _select_rule(x, dim, i), moves=True, forms="fmo",
    numpy=lambda x, i, dim: x.take(i.reshape(-1), axis=dim) if x.ndim else x,
    check=lambda fetch, x, i, dim: check_range(fetch(1), x.shape[dim] if x.ndim else 1, f"dimension {dim}"),
    grads={"input": lambda grad, index, input_shape, dim:
           call.zeros(input_shape, dtype=grad.dtype).index_add(dim, index, grad)},
    samples=lambda m: [((m(3, 2), 0, m.int(4, high=3)), {}), ((m(2, 3), -1, m.int(2, high=3)), {})],
    doc="Indices of one dimension.",
)  # fmt: skip


def _index_add_rule(x: Aval, i: Aval, src: Aval, alpha: Any, dim: int) -> Spec:
    if i.ndim > 1:
        raise RuntimeError("Index is supposed to be a vector, but got dim: " + str(i.ndim))
    need_index(i)
    if src.dtype is not x.dtype:
        raise RuntimeError(
            f"self ({x.dtype.legacy}) and source ({src.dtype.legacy}) must have the same scalar type"
        )
    if x.ndim:
        d = layout.wrap_dim(dim, x.ndim)
        want = (*x.shape[:d], i.numel, *x.shape[d + 1 :])
        if tuple(src.shape) != want:
            raise RuntimeError(
                f"source tensor shape must match self tensor shape, excluding the specified "
                f"dimension. Got self.shape = {list(x.shape)} source.shape = {list(src.shape)}"
            )
    return Spec(x)


def _index_add(x: np.ndarray, index: np.ndarray, src: np.ndarray, alpha: Any, dim: int) -> np.ndarray:
    out = x.copy(order="C")
    values = src if alpha == 1 else src * x.dtype.type(alpha)
    if not x.ndim:
        return out + values.sum()
    d = dim % x.ndim
    add_at(out, places(x.shape, [index.reshape(-1)], (d,)), values)
    return out


row(
    "index_add_from(Tensor input, Tensor index, Tensor source, Scalar alpha, int dim) -> Tensor",
    rule=_index_add_rule, numpy=_index_add, forms="", node="IndexAddBackward0",
    check=lambda fetch, x, i, s, alpha, dim:
        check_range(fetch(1), x.shape[dim] if x.ndim else 1, f"dimension {dim}"),
    grads={"input": lambda grad: grad,
           "source": lambda grad, index, alpha, dim: grad.index_select(dim, index) * alpha},
    doc="input with rows of source added at indices of a dimension.",
)  # fmt: skip

row("index_add(Tensor input, int dim, Tensor index, Tensor source) -> Tensor", forms="fmio",
    body=lambda input, dim, index, source, *, alpha=1:
        call.index_add_from(input, index, source, alpha, dim),
    samples=lambda m: [((m(3, 2), 0, m.int(4, high=3), m(4, 2)), {}), ((m(2, 3), 1, m.int(2, high=3), m(2, 2)), {"alpha": 2})],
    doc="input with rows of source added at indices of a dimension.")  # fmt: skip


def _place_rule(x: Aval, i: Aval, src: Any, dim: int) -> Spec:
    need_index(i)
    if isinstance(src, Aval) and src.ndim and src.dtype is not x.dtype:
        raise RuntimeError(f"self and source expected to have the same dtype, but got {x.dtype} and {src.dtype}")
    layout.wrap_dim(dim, x.ndim)
    return Spec(x, x.dtype if not isinstance(src, Aval) or not src.ndim else None)


def _place_rows(x: np.ndarray, index: np.ndarray, src: Any, dim: int) -> np.ndarray:
    out = x.copy(order="C")
    if not x.ndim:
        out[...] = src if np.ndim(src) == 0 else src.reshape(-1)[-1]
        return out
    where = [slice(None)] * x.ndim
    where[dim] = index.reshape(-1)
    out[tuple(where)] = src
    return out


row(
    "index_place(Tensor input, Tensor index, Operand source, int dim) -> Tensor",
    rule=_place_rule, numpy=_place_rows, forms="", node="IndexCopyBackward0", keeps=("index",),
    check=lambda fetch, x, i, s, dim:
        check_range(fetch(1), x.shape[dim] if x.ndim else 1, f"dimension {dim}", True),
    grads={"input": lambda grad, index, dim: call.index_place(grad, index, 0, dim),
           "source": lambda grad, index, dim, source_shape: grad.index_select(dim, index)
               if source_shape else grad.index_select(dim, index).sum()},
    doc="input with indices of a dimension replaced.",
)  # fmt: skip

row("index_copy(Tensor input, int dim, Tensor index, Tensor source) -> Tensor", forms="fmio",
    body=lambda input, dim, index, source: call.index_place(input, index, source, dim),
    samples=lambda m: [((m(3, 2), 0, m.int(1, high=3), m(1, 2)), {})],
    doc="input with rows of source copied to indices of a dimension.")  # fmt: skip

row("index_fill(Tensor input, int dim, Tensor index, Operand value) -> Tensor", forms="fmi",
    body=lambda input, dim, index, value: call.index_place(input, index, value, dim),
    samples=lambda m: [((m(3, 2), 0, m.int(1, high=3), 2.0), {}), ((m(3, 2), 1, m.int(1, high=2), m()), {})],
    doc="input with indices of a dimension set to a number.")  # fmt: skip


def _take(input: Any, index: Any) -> Any:
    """Elements of the flattened input."""
    return call.index_at(input.reshape(-1), [index], (0,))


row("take(Tensor input, Tensor index) -> Tensor", body=_take, forms="fmo",
    samples=lambda m: [((m(3, 2), m.int(4, high=6)), {})], doc="See body.")  # fmt: skip


def _take_along_dim(input: Any, indices: Any, dim: Any = None) -> Any:
    """gather() with broadcasting; without dim, of the flattened input."""
    if dim is None:
        return input.reshape(-1).gather(0, indices.reshape(-1))
    d = layout.wrap_dim(dim, input.ndim)
    lead = [s for k, s in enumerate(input.shape) if k != d]
    other = [s for k, s in enumerate(indices.shape) if k != d]
    shape = list(layout.broadcast(tuple(lead), tuple(other)))
    a, b = shape[:], shape[:]
    a.insert(d, input.shape[d])
    b.insert(d, indices.shape[d])
    return input.expand(tuple(a)).gather(d, indices.expand(tuple(b)))


row("take_along_dim(Tensor input, Tensor indices, int? dim=None) -> Tensor", body=_take_along_dim,
    forms="fmo", samples=lambda m: [((m(3, 2), m.int(1, 2, high=3), 0), {})], doc="See body.")  # fmt: skip


def _put(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """input with elements of the flattened view set to (or increased by) source."""
    flat = call.index_put_at(
        input.reshape(-1), source.reshape(-1), [index.reshape(-1)], (0,), accumulate
    )
    return flat.reshape(input.shape)


row("put(Tensor input, Tensor index, Tensor source, bool accumulate=False) -> Tensor", body=_put,
    forms="fmi", samples=lambda m: [((m(3, 2), m.int(2, high=6), m(2)), {"accumulate": True})],
    doc="See body.")  # fmt: skip


def _embedding_rule(w: Aval, i: Aval, padding: int, scale: bool, sparse: bool) -> Spec:
    if w.ndim != 2:
        raise RuntimeError(f"'weight' must be 2-D, got shape {list(w.shape)}")
    if i.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
            f"Long, Int; but got torch.{i.dtype.legacy}Tensor instead (while checking arguments "
            "for embedding)"
        )
    return Spec(aval((*i.shape, w.shape[1]), w.dtype, w.device))


def _embedding_check(fetch: Any, w: Aval, i: Aval, *rest: Any) -> None:
    array = fetch(1)
    if array.size and (int(array.min()) < 0 or int(array.max()) >= w.shape[0]):
        raise IndexError(
            f"index out of range in self: indices must be in [0, {w.shape[0] - 1}], got "
            f"{int(array.min())} to {int(array.max())}"
        )


row(
    "embedding(Tensor weight, Tensor indices, int padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False) -> Tensor",
    rule=_embedding_rule, forms="f", moves=True, check=_embedding_check,
    numpy=lambda w, i, *_: w.take(i, axis=0),
    grads={"weight": lambda grad, indices, weight_shape, padding_idx, scale_grad_by_freq:
           call.embedding_backward(grad, indices, weight_shape[0], padding_idx, scale_grad_by_freq)},
    samples=lambda m: [((m(4, 3), m.int(2, 3, high=4)), {}), ((m(4, 2), m.int(high=4)), {})],
    doc="Rows of weight (num, dim) at indices (*): (*, dim).",
)  # fmt: skip


def _embedding_backward(g: np.ndarray, i: np.ndarray, num: int, padding: int, scale: bool) -> Any:
    out = np.zeros((num, g.shape[-1]), g.dtype)
    flat = i.reshape(-1)
    rows = g.reshape(flat.size, g.shape[-1])
    if scale and flat.size:
        rows = rows / np.bincount(flat, minlength=num)[flat][:, None].astype(g.dtype)
    if padding >= 0:
        kept = flat != padding
        flat, rows = flat[kept], rows[kept]
    add_at(out, places(out.shape, [flat], (0,)), rows)
    return out


row(
    "embedding_backward(Tensor outer, Tensor indices, int num_weights, int padding_idx, bool scale_grad_by_freq) -> Tensor",
    rule=lambda g, i, num, padding, scale: Spec(g.with_shape((num, g.shape[-1]))),
    numpy=_embedding_backward, forms="",
    grads={"outer": lambda grad, indices, padding_idx, scale_grad_by_freq:
           _embedding_double(grad, indices, padding_idx, scale_grad_by_freq)},
    doc="Gradient of embedding by its weight.",
)  # fmt: skip


def _embedding_double(grad: Any, indices: Any, padding: int, scale: bool) -> Any:
    out = call.embedding(grad, indices)
    if scale:
        flat = indices.reshape(-1)
        counts = call.zeros((grad.shape[0],), dtype=grad.dtype).index_add(
            0, flat, call.ones((flat.numel(),), dtype=grad.dtype)
        )
        out = out / counts.index_select(0, flat).reshape((*indices.shape, 1))
    if padding >= 0:
        out = out * (indices != padding).unsqueeze(-1).to(grad.dtype)
    return out


def _masked_select(input: Any, mask: Any) -> Any:
    """The elements where mask (broadcast with input) is true, as a vector."""
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(
            f"masked_select: expected BoolTensor for mask, but got {mask.dtype}"
        )
    shape = layout.broadcast(tuple(input.shape), tuple(mask.shape))
    x = input.expand(shape).reshape(-1)
    (where,) = call.nonzero(mask.expand(shape).reshape(-1)).unbind(1)
    return call.index_at(x, [where], (0,))


row("masked_select(Tensor input, Tensor mask) -> Tensor", body=_masked_select, forms="fmo",
    samples=lambda m: [((m(3, 2), m.bool(3, 2)), {}), ((m(3, 2), m.bool(2)), {})], doc="See body.")  # fmt: skip


def _masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """input with its elements under mask replaced by the first elements of source, in order."""
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(f"masked_scatter: expected BoolTensor for mask, but got {mask.dtype}")
    shape = layout.broadcast(tuple(input.shape), tuple(mask.shape))
    where = call.nonzero(mask.expand(shape).reshape(-1)).reshape(-1)
    n = where.shape[0]
    if n > source.numel():
        raise RuntimeError(
            "masked_scatter: expected self and source to have same dtypes and source to have at "
            f"least {n} elements, but it has {source.numel()}"
        )
    values = source.reshape(-1).narrow(0, 0, n)
    flat = call.index_put_at(input.expand(shape).reshape(-1), values, [where], (0,), False)
    return flat.reshape(shape)


row("masked_scatter(Tensor input, Tensor mask, Tensor source) -> Tensor", body=_masked_scatter,
    forms="fmi", samples=lambda m: [((m(3, 2), m.bool(3, 2), m(6)), {})], doc="See body.")  # fmt: skip


def _one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """int64 zeros with a one at each index of a new last dimension."""
    if tensor.dtype is not dtypes.int64:
        raise RuntimeError(
            f"one_hot is only applicable to index tensor of type LongTensor, got {tensor.dtype}"
        )
    if not tensor.numel():
        if num_classes <= 0:
            raise RuntimeError(
                "Can not infer total number of classes from empty tensor."
            )
        return call.zeros((*tensor.shape, num_classes), dtype=dtypes.int64)
    low, high = int(tensor.min()), int(tensor.max())
    if low < 0:
        raise RuntimeError(f"Class values must be non-negative, got {low}.")
    n = high + 1 if num_classes == -1 else num_classes
    if high >= n:
        raise RuntimeError(f"Class values must be smaller than num_classes ({n}), got {high}.")
    base = call.zeros((*tensor.shape, n), dtype=dtypes.int64)
    return base.scatter(-1, tensor.unsqueeze(-1), 1)


row("one_hot(Tensor tensor, int num_classes=-1) -> Tensor", body=_one_hot, where="nn", forms="f",
    doc="See body.")  # fmt: skip
