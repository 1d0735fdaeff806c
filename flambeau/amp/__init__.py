"""`torch.amp`: mixed precision. Programs that leave it switched off run; CPU autocast is missing."""

from __future__ import annotations

from flambeau.errors import refusing

from .autocast_mode import autocast, custom_bwd, custom_fwd, is_autocast_available
from .grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

__getattr__ = refusing(__name__)
