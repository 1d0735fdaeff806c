"""Operations that PyTorch has for its own derivatives and libraries, under their names with a line
in front: programs that were written with its internals call them."""

from __future__ import annotations

import math
from typing import Any

from ..errors import shown
from .table import call, row


def _softmax_backward_data(grad_output: Any, output: Any, dim: int, input_dtype: Any) -> Any:
    """The gradient of softmax from its result, in the dtype of its input."""
    return call.softmax_backward(grad_output, output, dim).to(input_dtype)


row("_softmax_backward_data(Tensor grad_output, Tensor output, int dim, dtype input_dtype) -> Tensor",
    body=_softmax_backward_data, forms="f", doc="See body.")  # fmt: skip


def _log_softmax_backward_data(grad_output: Any, output: Any, dim: int, input_dtype: Any) -> Any:
    """The gradient of log_softmax from its result, in the dtype of its input."""
    return call.log_softmax_backward(grad_output, output, dim).to(input_dtype)


row("_log_softmax_backward_data(Tensor grad_output, Tensor output, int dim, dtype input_dtype) -> Tensor",
    body=_log_softmax_backward_data, forms="f", doc="See body.")  # fmt: skip


def _safe_softmax(input: Any, dim: int, dtype: Any = None) -> Any:
    """softmax, but zeros where all of a slice is -inf."""
    empty = (input == -math.inf).all(dim, keepdim=True)
    finite = call.masked_fill(input, empty, 0)  # NaN would come back in the gradient
    return call.masked_fill(call.softmax(finite, dim, dtype), empty, 0)


row("_safe_softmax(Tensor input, int dim, dtype? dtype=None) -> Tensor", body=_safe_softmax,
    node="SafeSoftmax", grads={"input": lambda grad, result, dim: call.softmax_backward(grad, result, dim)},
    samples=lambda m: [((m(2, 3), 1), {}), ((m(2, 2), 0), {})],
    forms="f", doc="See body.")  # fmt: skip

row("native_dropout_backward(Tensor grad_output, Tensor mask, float scale) -> Tensor",
    body=lambda grad_output, mask, scale: grad_output * mask.to(grad_output.dtype) * scale,
    grads={"grad_output": lambda grad, mask, scale: grad * mask.to(grad.dtype) * scale},
    samples=lambda m: [((m(2, 3), m.bool(2, 3), 2.0), {})],
    forms="f", doc="The gradient of native_dropout.")  # fmt: skip


def _within(indices: Any, shape: Any) -> list[Any]:
    """Indices, those out of bounds moved to the nearest end."""
    if not all(i is None or hasattr(i, "_aval") for i in indices):
        raise TypeError(f"expected a list of index tensors, got {shown(indices)}")
    return [None if i is None else i.clamp(-n, n - 1) for i, n in zip(indices, shape)]


def _unsafe_masked_index(input: Any, mask: Any, indices: Any, fill: Any) -> Any:
    """input[indices] where the mask holds, else `fill`; indices there may be out of bounds."""
    found = input[tuple(_within(indices, input.shape))]
    return call.masked_fill(found, mask.logical_not(), fill)


def _unsafe_masked_index_put_accumulate(input: Any, mask: Any, indices: Any, values: Any) -> Any:
    """input with the values added at the indices where the mask holds."""
    kept = call.masked_fill(values, mask.logical_not(), 0)
    return call.index_put(input, _within(indices, input.shape), kept, accumulate=True)


row("_unsafe_masked_index(Tensor input, Tensor mask, any indices, Scalar fill) -> Tensor",
    body=_unsafe_masked_index, forms="f", doc="See body.")  # fmt: skip
row("_unsafe_masked_index_put_accumulate(Tensor input, Tensor mask, any indices, Tensor values) -> Tensor",
    body=_unsafe_masked_index_put_accumulate, forms="f", doc="See body.")  # fmt: skip


def _chunk_cat(tensors: Any, dim: int, num_chunks: int) -> Any:
    """Each tensor cut into chunks along `dim` (with zeros added to make them equal), the chunks
    flattened from `dim` on, and joined chunk by chunk."""
    if num_chunks < 1:
        raise RuntimeError(f"_chunk_cat(): expected num_chunks > 0, got {num_chunks}")
    if not tensors:
        raise RuntimeError("_chunk_cat(): expected a non-empty list of tensors")
    parts = []
    for t in tensors:
        if t.ndim == 0 or not t.numel():
            raise RuntimeError(
                f"_chunk_cat(): expected tensors that are neither 0-d nor empty, got {list(t.shape)}"
            )
        d = dim % t.ndim
        if d != dim % tensors[0].ndim:
            raise RuntimeError("_chunk_cat(): a negative dim asks for tensors of one rank")
        size = -(-t.shape[d] // num_chunks) * num_chunks
        if size != t.shape[d]:
            missing = (*t.shape[:d], size - t.shape[d], *t.shape[d + 1 :])
            t = call.cat([t, call.zeros(missing, dtype=t.dtype)], d)
        parts.append(t.reshape((*t.shape[:d], num_chunks, -1)))
    return call.cat(parts, dim % tensors[0].ndim + 1)


row("_chunk_cat(Tensor[] tensors, int dim, int num_chunks) -> Tensor", body=_chunk_cat, forms="fo",
    doc="See body.")  # fmt: skip


def _max_pool_backward(
    grad_output: Any, input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool, indices: Any,
) -> Any:  # fmt: skip
    """The gradient of max_pool2d_with_indices: each window's, at the place that `indices` names."""
    lead = input.shape[:-2]
    size = math.prod(input.shape[-2:])
    flat = call.zeros((*lead, size), dtype=grad_output.dtype)
    count = math.prod(grad_output.shape[-2:])
    places, given = indices.reshape((*lead, count)), grad_output.reshape((*lead, count))
    return flat.scatter_add(-1, places, given).reshape(input.shape)


def _at_maxima(grad: Any, shape: Any, indices: Any) -> Any:
    flat = indices.reshape((*indices.shape[:-2], -1))
    return grad.reshape((*grad.shape[:-2], -1)).gather(-1, flat).reshape(tuple(shape))


row("max_pool2d_with_indices_backward(Tensor grad_output, Tensor input, any kernel_size, any stride, "
    "any padding, any dilation, bool ceil_mode, Tensor indices) -> Tensor", body=_max_pool_backward,
    where="nn", forms="f", node="MaxPool2DWithIndicesBackward",
    grads={"grad_output": lambda grad, grad_output_shape, indices: _at_maxima(grad, grad_output_shape, indices),
           "input": lambda grad, input_shape: call.zeros(tuple(input_shape), dtype=grad.dtype)},
    samples=lambda m: [
        ((m(1, 2, 2, 2), m(1, 2, 4, 4), (2, 2), (2, 2), (0, 0), (1, 1), False, m.int(1, 2, 2, 2, high=16)), {})],
    doc="See body.")  # fmt: skip
