"""`torch.backends.mha`: attention is composed of operations."""

from __future__ import annotations

from flambeau.errors import refusing

_fast_path = True


def get_fastpath_enabled() -> bool:
    """Whether the encoder layers may take PyTorch's fast path: what was set; there is one path."""
    return _fast_path


def set_fastpath_enabled(value: bool) -> None:
    """Accepted; see `get_fastpath_enabled`."""
    global _fast_path
    _fast_path = bool(value)


__getattr__ = refusing(__name__)
