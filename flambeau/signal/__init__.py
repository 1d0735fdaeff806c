"""`torch.signal`: signal processing. There are window functions so far, as in PyTorch."""

from . import windows

__all__ = ["windows"]
