"""`torch.backends.opt_einsum`: einsum finds its order itself."""

from __future__ import annotations

from flambeau.errors import refusing

enabled = True
strategy = "auto"


def is_available() -> bool:
    return False


__getattr__ = refusing(__name__)
