"""Copies of a module for several devices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .scatter_gather import device_of

__all__ = ["replicate"]


def replicate(network: Any, devices: Sequence[Any], detach: bool = False) -> list[Any]:
    """A copy of the module for each device, whose parameters are functions of the original's: a
    backward pass through the copies adds up in the original, unless `detach`."""
    return [_replica(network, device_of(device), detach, {}) for device in devices]


def _replica(module: Any, device: Any, detach: bool, made: dict[int, Any]) -> Any:
    if id(module) in made:
        return made[id(module)]
    replica = made[id(module)] = module._replicate_for_data_parallel()
    for name, child in module._modules.items():
        replica._modules[name] = child and _replica(child, device, detach, made)
    for name, parameter in module._parameters.items():
        if parameter is None:
            replica._parameters[name] = None
        else:
            value = parameter.detach() if detach else parameter.view_as(parameter)
            # As an attribute: a replica has no parameters of its own.
            setattr(replica, name, value.to(device))
    for name, buffer in module._buffers.items():
        replica._buffers[name] = None if buffer is None else buffer.to(device)
    return replica
