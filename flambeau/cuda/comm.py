"""`torch.cuda.comm`: tensors to several GPUs and back, as ordinary copies and sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flambeau as torch
from flambeau.errors import refusing

from ._devices import index_of

__all__ = ["broadcast", "broadcast_coalesced", "gather", "reduce_add", "reduce_add_coalesced",
           "scatter"]  # fmt: skip


def _gpu(device: Any) -> Any:
    return torch.device("cuda", index_of(device))


def broadcast(tensor: Any, devices: Sequence[Any] | None = None, *, out: Sequence[Any] | None = None) -> Any:
    """Copies of a tensor on each of some GPUs, or in the tensors `out`.

    Raises:
        RuntimeError: both are given, or neither.
    """
    if (devices is None) == (out is None):
        raise RuntimeError(
            f"Exactly one of 'devices' and 'out' is needed, but got devices={devices} and out={out}"
        )
    if devices is not None:
        return tuple([tensor.to(_gpu(d)) for d in devices])
    for target in out or ():
        target.copy_(tensor)
    return tuple(out or ())


def broadcast_coalesced(tensors: Sequence[Any], devices: Sequence[Any], buffer_size: int = 10485760) -> Any:
    """Copies of several tensors on each of some GPUs: a list for each GPU."""
    return [[t.to(_gpu(d)) for t in tensors] for d in devices]


def reduce_add(inputs: Sequence[Any], destination: Any = None) -> Any:
    """The sum of tensors of several GPUs, in their order, on one (by default the current one).

    Raises:
        ValueError: their shapes differ.
    """
    if not inputs:
        raise RuntimeError("reduce_add expects at least one tensor")
    where = _gpu(destination)
    shape = inputs[0].shape
    for i, x in enumerate(inputs):
        if x.shape != shape:
            raise ValueError(
                f"input {i} has invalid size: got {tuple(x.shape)}, but expected {tuple(shape)}"
            )
    total = inputs[0].to(where)
    for x in inputs[1:]:
        total = total + x.to(where)
    return total


def reduce_add_coalesced(inputs: Sequence[Sequence[Any]], destination: Any = None,
                         buffer_size: int = 10485760) -> Any:  # fmt: skip
    """The sums of lists of tensors, one list for each GPU, on one GPU."""
    return tuple([reduce_add(group, destination) for group in zip(*inputs, strict=True)])


def scatter(
    tensor: Any, devices: Sequence[Any] | None = None, chunk_sizes: Sequence[int] | None = None,
    dim: int = 0, streams: Any = None, *, out: Sequence[Any] | None = None,
) -> Any:  # fmt: skip
    """Pieces of a tensor along a dimension, each on its GPU, or in the tensors `out`.

    Args:
        chunk_sizes: the pieces' sizes; equal ones by default.

    Raises:
        RuntimeError: devices or sizes beside `out`, or other numbers of both.
    """
    if out is not None:
        if devices is not None or chunk_sizes is not None:
            raise RuntimeError("'devices' and 'chunk_sizes' must not be specified when 'out' is specified")
        parts = torch.split(tensor, [t.size(dim) for t in out], dim)
        for target, part in zip(out, parts, strict=True):
            target.copy_(part)
        return tuple(out)
    places = [_gpu(d) for d in devices] if devices is not None else [
        torch.device("cuda", i) for i in range(torch.cuda.device_count())
    ]
    if chunk_sizes is None:
        parts = torch.chunk(tensor, len(places), dim)
    elif len(chunk_sizes) != len(places):
        raise RuntimeError(f"{len(chunk_sizes)} chunk_sizes for {len(places)} devices")
    else:
        parts = torch.split(tensor, list(chunk_sizes), dim)
    return tuple([part.to(where) for part, where in zip(parts, places)])


def gather(tensors: Sequence[Any], dim: int = 0, destination: Any = None, *, out: Any = None) -> Any:
    """Tensors of several GPUs, one after the other along a dimension, on a device.

    Args:
        destination: a GPU (by default the current one), or "cpu".
        out: a tensor to write to instead.
    """
    if out is not None:
        if destination is not None:
            raise RuntimeError(
                f"'destination' must not be specified when 'out' is specified, but got {destination}"
            )
        return out.copy_(torch.cat([t.to(out.device) for t in tensors], dim))
    cpu = destination == -1 or str(destination) == "cpu"
    where = torch.device("cpu") if cpu else _gpu(destination)
    return torch.cat([t.to(where) for t in tensors], dim)


__getattr__ = refusing(__name__)
