"""`torch.backends.mkldnn`: oneDNN is not used."""

from __future__ import annotations

from flambeau.errors import refusing

enabled = True
deterministic = False


def is_available() -> bool:
    return False


__getattr__ = refusing(__name__)
