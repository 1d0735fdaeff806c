"""Batches as bytes: tensors cross processes as NumPy arrays.

Pickle's protocol 5 leaves the large buffers out, so that they can go through shared memory. What
is sent is always computed: ``numpy()`` observes a tensor.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np

import flambeau as torch

from . import segments

# Smaller buffers are copied into the pickle: below this size a segment's bookkeeping costs more
# than the copies through the socket do.
LARGE = 1 << 15


def encode(batch: Any) -> tuple[bytes, list[memoryview]]:
    """The pickle of ``batch``, and the large buffers that it leaves out."""
    buffers: list[memoryview] = []

    def keep_inside(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < LARGE or not segments.SUPPORTED:
            return True
        buffers.append(raw)
        return False

    file = io.BytesIO()
    _Pickler(file, 5, buffer_callback=keep_inside).dump(batch)
    return file.getvalue(), buffers


def encode_whole(obj: Any) -> bytes:
    """The pickle of ``obj``, complete."""
    file = io.BytesIO()
    _Pickler(file, 5).dump(obj)
    return file.getvalue()


def decode(body: bytes, buffers: Sequence[np.ndarray] = ()) -> Any:
    """The batch again; its arrays own the memory of ``buffers``."""
    return pickle.loads(body, buffers=buffers)


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is torch.Tensor:
            return _rebuild_tensor, _parts_of(obj)
        if isinstance(obj, torch.Tensor) and type(obj) is torch.nn.Parameter:
            return _rebuild_parameter, _parts_of(obj)
        return NotImplemented


def _parts_of(tensor: Any) -> tuple[Any, ...]:
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            f"a tensor of shape {tuple(tensor.shape)} with grad_fn={tensor.grad_fn} can't leave "
            "the worker process, because the graph behind it would stay there; return "
            "tensor.detach() from the dataset or collate_fn"
        )
    values, dtype = tensor.detach(), None
    try:
        array = values.numpy()
    except TypeError:  # a dtype that NumPy lacks goes as the integers of its bits
        dtype = str(values.dtype).rpartition(".")[2]
        array = values.view(getattr(torch, f"int{8 * values.element_size()}")).numpy()
    expanded = None
    if not array.flags.c_contiguous:
        if 0 in array.strides:  # what `expand` repeats goes once
            expanded = array.shape
            array = array[tuple(slice(None if step else 1) for step in array.strides)]
        array = array.copy(order="C")
    buffer = pickle.PickleBuffer(array)
    return buffer, array.dtype.str, array.shape, dtype, expanded, tensor.requires_grad


def _rebuild_tensor(
    buffer: Any,
    array_dtype: str,
    shape: tuple[int, ...],
    dtype: str | None,
    expanded: tuple[int, ...] | None,
    requires_grad: bool,
) -> Any:
    if isinstance(buffer, np.ndarray):
        array = buffer.view(array_dtype).reshape(shape)
    else:
        # Bytes of the pickle: a copy is memory that the tensor owns and may write.
        array = np.frombuffer(buffer, array_dtype).reshape(shape).copy()
    tensor = torch.from_numpy(array)
    if dtype is not None:
        tensor = tensor.view(getattr(torch, dtype))
    if expanded is not None:
        tensor = tensor.expand(expanded)
    return tensor.requires_grad_() if requires_grad else tensor


def _rebuild_parameter(*parts: Any) -> Any:
    """What `_parts_of` tells of a parameter."""
    values: Any = (*parts[:-1], False)
    return torch.nn.Parameter(_rebuild_tensor(*values), parts[-1])
