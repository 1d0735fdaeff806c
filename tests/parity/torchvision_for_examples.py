"""`import torchvision` under PyTorch: the real one where it is, else flambeau's vision on torch."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def torchvision() -> Iterator[None]:
    """Let programs import torchvision for the length of a with statement."""
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError):
        pass
    else:
        yield
        return
    from tests.parity import vision_on_torch

    vision_on_torch.load()
    own = vision_on_torch.NAME
    stand_ins = {
        "torchvision" + name[len(own) :]: module
        for name, module in sys.modules.items()
        if name == own or name.startswith(own + ".")
    }
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            sys.modules.pop(name, None)
