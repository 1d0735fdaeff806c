"""`map_location`: which device a storage goes to that a file says was somewhere."""

from __future__ import annotations

from typing import Any

import flambeau as torch
from flambeau.serialization.tensors import LoadedStorage


def place(storage: LoadedStorage, location: str, map_location: Any) -> LoadedStorage:
    """The storage, on the device that `map_location` gives it.

    Args:
        location: where it was when it was saved (`"cpu"`, `"cuda:0"`).
        map_location: None (where it was), a device or its name (for everything), a dict from
            location to location, or a function of storage and location that gives a storage.

    Raises:
        RuntimeError: there is no such device here.
    """
    if map_location is None:
        storage.device = _available(location)
    elif isinstance(map_location, dict):
        storage.device = _available(map_location.get(location, location))
    elif isinstance(map_location, (str, torch.device)):
        storage.device = _available(map_location)
    elif callable(map_location):
        placed = map_location(storage, location)
        if placed is None:
            storage.device = _available(location)
        else:
            storage.device = _available(placed.device)
    else:
        raise TypeError(
            "map_location is a device, its name, a dict or a function, "
            f"not {type(map_location).__name__}"
        )
    return storage


def _available(device: Any) -> Any:
    found = torch.device(device)
    backend = getattr(torch, found.type, None)
    if found.type in ("cpu", "meta"):
        return found
    if backend is None or not backend.is_available():
        raise RuntimeError(
            f"Attempting to deserialize an object on {str(found)!r}, but there is no such device "
            "here. Load it with torch.load(..., map_location=torch.device('cpu')) to put "
            "everything on the CPU."
        )
    return found
