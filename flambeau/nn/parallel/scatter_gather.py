"""Cutting the arguments of a call into a part for each device, and joining results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flambeau as torch

__all__ = ["gather", "is_namedtuple", "scatter", "scatter_kwargs"]


def is_namedtuple(obj: Any) -> bool:
    """Whether something is a named tuple."""
    return isinstance(obj, tuple) and hasattr(obj, "_fields") and hasattr(obj, "_asdict")


def device_of(target: Any) -> torch.device:
    """A device from a device, its name, or the number of a GPU."""
    return torch.device("cuda", target) if isinstance(target, int) else torch.device(target)


def scatter(inputs: Any, target_gpus: Sequence[Any], dim: int = 0) -> Any:
    """A list with a part of `inputs` for each device: tensors are cut along `dim` in as many equal
    parts, in tuples, lists and dicts too; anything else goes to every device.

    There are fewer parts than devices where a tensor is too short.
    """
    devices = [device_of(target) for target in target_gpus]

    def parts(obj: Any) -> list[Any]:
        if isinstance(obj, torch.Tensor):
            cut = obj.chunk(len(devices), dim)
            return [part.to(device) for part, device in zip(cut, devices, strict=False)]
        if is_namedtuple(obj):
            return [type(obj)(*each) for each in zip(*map(parts, obj), strict=False)]
        if isinstance(obj, tuple) and obj:
            return list(zip(*map(parts, obj), strict=False))
        if isinstance(obj, list) and obj:
            return [list(each) for each in zip(*map(parts, obj), strict=False)]
        if isinstance(obj, dict) and obj:
            values = zip(*map(parts, obj.values()), strict=False)
            return [type(obj)(zip(obj, each, strict=True)) for each in values]
        return [obj] * len(devices)

    return parts(inputs)


def scatter_kwargs(
    inputs: tuple[Any, ...], kwargs: dict[str, Any] | None, target_gpus: Sequence[Any], dim: int = 0
) -> tuple[tuple[Any, ...], tuple[dict[str, Any], ...]]:
    """`scatter` of positional and keyword arguments, as many parts of the one as of the other."""
    args = scatter(inputs, target_gpus, dim) if inputs else []
    named = scatter(kwargs, target_gpus, dim) if kwargs else []
    longest = max(len(args), len(named))
    args = [*args, *[()] * (longest - len(args))]
    named = [*named, *[{}] * (longest - len(named))]
    return tuple(args), tuple(named)


def gather(outputs: Any, target_device: Any, dim: int = 0) -> Any:
    """The parts' results joined: tensors concatenated along `dim` on the device, in tuples, lists
    and dicts too. 0-d tensors become a vector."""
    device = torch.device("cpu") if target_device == "cpu" else device_of(target_device)
    first = outputs[0]
    if isinstance(first, torch.Tensor):
        moved = [each.to(device) for each in outputs]
        if all(each.dim() == 0 for each in moved) and dim == 0:
            moved = [each.view(1) for each in moved]
        return torch.cat(moved, dim)
    if first is None:
        return None
    if isinstance(first, dict):
        if not all(len(each) == len(first) for each in outputs):
            raise ValueError("All dicts must have the same number of keys")
        return type(first)((k, gather([each[k] for each in outputs], device, dim)) for k in first)
    joined = [gather(list(each), device, dim) for each in zip(*outputs, strict=True)]
    return type(first)(*joined) if is_namedtuple(first) else type(first)(joined)
