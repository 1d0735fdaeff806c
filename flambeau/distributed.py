"""`torch.distributed`, as in a PyTorch that was built without it: not available."""

from __future__ import annotations

from flambeau.errors import refusing

__all__ = ["is_available"]


def is_available() -> bool:
    """Whether several processes can train one model together: not in this version."""
    return False


__getattr__ = refusing(__name__)
