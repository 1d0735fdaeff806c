"""Embedding: rows of a table, and one-hot vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval
from ..core.device import CPU
from ..errors import shape_text
from .indexing import add_at, places
from .lowering import indexing as low
from .table import Spec, call, row


def _rule(w: Aval, i: Aval, padding: int, scale: bool, sparse: bool) -> Spec:
    if w.ndim != 2:
        raise RuntimeError(f"'weight' must be 2-D, got shape {shape_text(w.shape)}")
    if i.dtype is not dtypes.int64 and i.dtype is not dtypes.int32:
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
            f"Long, Int; but got torch.{i.dtype.legacy}Tensor instead (while checking arguments "
            "for embedding)"
        )
    return Spec(w.with_shape((*i.shape, w.shape[1])))


def _check(fetch: Any, w: Aval, i: Aval, *rest: Any) -> None:
    array = fetch(1)
    if array.size and (int(array.min()) < 0 or int(array.max()) >= w.shape[0]):
        raise IndexError(
            f"index out of range in self: indices must be in [0, {w.shape[0] - 1}], got "
            f"{int(array.min())} to {int(array.max())}"
        )


row(
    "embedding(Tensor weight, Tensor indices, int padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False) -> Tensor",
    rule=_rule, forms="f", moves=True, check=_check,
    numpy=lambda w, i, *_: w.take(i, axis=0) if i.size else np.empty((*i.shape, w.shape[1]), w.dtype),
    lower=low.embedding,
    grads={"weight": lambda grad, indices, weight_shape, padding_idx, scale_grad_by_freq:
           call.embedding_backward(grad, indices, weight_shape[0], padding_idx, scale_grad_by_freq)},
    samples=lambda m: [((m(4, 3), m.int(2, 3, high=4)), {}), ((m(4, 2), m.int(high=4)), {})],
    doc="Rows of weight (num, dim) at indices (*): (*, dim).",
)  # fmt: skip


def _backward(g: np.ndarray, i: np.ndarray, num: int, padding: int, scale: bool) -> np.ndarray:
    out = np.zeros((num, g.shape[-1]), g.dtype)
    flat = i.reshape(-1)
    rows = g.reshape(flat.size, g.shape[-1])
    if scale and flat.size:
        rows = rows / np.bincount(flat, minlength=num)[flat][:, None].astype(g.dtype)
    if padding >= 0:
        kept = flat != padding
        flat, rows = flat[kept], rows[kept]
    if rows.size:
        add_at(out, places(out.shape, [flat], (0,)), rows)
    return out


row(
    "embedding_backward(Tensor outer, Tensor indices, int num_weights, int padding_idx, bool scale_grad_by_freq) -> Tensor",
    rule=lambda g, i, num, padding, scale: Spec(g.with_shape((num, g.shape[-1]))),
    numpy=_backward, forms="",
    lower=low.embedding_backward,
    grads={"outer": lambda grad, indices, padding_idx, scale_grad_by_freq:
           _double_backward(grad, indices, padding_idx, scale_grad_by_freq)},
    samples=lambda m: [((m(5, 2), m.int(5, high=4), 4, 1, True), {}), ((m(2, 3, 2), m.int(2, 3, high=4), 4, -1, False), {})],
    doc="Gradient of embedding by its weight.",
)  # fmt: skip


def _double_backward(grad: Any, indices: Any, padding: int, scale: bool) -> Any:
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


def _one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """int64 zeros with a one at each index of a new last dimension."""
    if tensor.dtype is not dtypes.int64:
        raise RuntimeError(
            f"one_hot is only applicable to index tensor of type LongTensor, got {tensor.dtype}"
        )
    if not tensor.numel():
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return call.zeros((*tensor.shape, num_classes), dtype=dtypes.int64)
    n = num_classes
    if n == -1 or tensor._aval.device is CPU:  # a GPU looks at the indices when it writes
        low, high = int(tensor.min()), int(tensor.max())
        if low < 0:
            raise RuntimeError(f"Class values must be non-negative, got {low}.")
        n = high + 1 if n == -1 else n
        if high >= n:
            raise RuntimeError(f"Class values must be smaller than num_classes ({n}), got {high}.")
    base = call.zeros((*tensor.shape, n), dtype=dtypes.int64)
    return base.scatter(-1, tensor.unsqueeze(-1), 1)


row("one_hot(Tensor tensor, int num_classes=-1) -> Tensor", body=_one_hot, where="nn", forms="f",
    doc="See body.")  # fmt: skip
