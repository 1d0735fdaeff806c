"""`torch.backends.mkl`: Intel's MKL is not used."""

from __future__ import annotations

from flambeau.errors import refusing

from ._switches import Messages

VERBOSE_OFF, VERBOSE_ON = 0, 1


def is_available() -> bool:
    return False


class verbose(Messages):  # noqa: N801
    """Context manager for the library's own messages: there are none."""

    def __init__(self, enable: int) -> None:
        self.enable = enable


__getattr__ = refusing(__name__)
