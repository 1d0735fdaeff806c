"""`torch.backends.kleidiai`: KleidiAI is not used."""

from __future__ import annotations

from flambeau.errors import refusing


def is_available() -> bool:
    return False


__getattr__ = refusing(__name__)
