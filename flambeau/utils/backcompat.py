"""`torch.utils.backcompat`: switches of warnings about PyTorch 0.1's broadcasting and keepdim."""

from __future__ import annotations

from flambeau.errors import refusing


class Warning:  # noqa: A001
    """A switch. Accepted: those old meanings are gone."""

    def __init__(self) -> None:
        self.enabled = False


broadcast_warning = Warning()
keepdim_warning = Warning()

__getattr__ = refusing(__name__)
