"""`torch.backends.mkldnn`: oneDNN is not used."""

from __future__ import annotations

from flambeau.errors import refusing

from ._switches import Messages, functions_of

VERBOSE_OFF, VERBOSE_ON, VERBOSE_ON_CREATION = 0, 1, 2
enabled = True
deterministic = False
allow_tf32 = True
fp32_precision = "none"


def is_available() -> bool:
    return False


def is_acl_available() -> bool:
    """Whether Arm's compute library is used: no."""
    return False


class verbose(Messages):  # noqa: N801
    """Context manager for the library's own messages: there are none."""

    def __init__(self, level: int) -> None:
        self.level = level


flags, set_flags = functions_of(globals())

__getattr__ = refusing(__name__)
