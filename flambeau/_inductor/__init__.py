"""`torch._inductor`: PyTorch's compiler, of which flambeau has its switches only."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from flambeau.errors import refusing


def __getattr__(name: str) -> Any:
    if name == "config":
        return import_module(f"{__name__}.config")
    return _refuse(name)


def list_mode_options(mode: str | None = None, dynamic: bool | None = None) -> dict[str, Any]:
    """What the modes of `torch.compile` set: nothing here."""
    modes: dict[str, Any] = dict.fromkeys(
        ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"), {}
    )
    return dict(modes[mode]) if mode else modes


def list_options() -> list[str]:
    """The names of the switches."""
    from . import config

    return sorted(name for name in vars(config) if name.islower() and not name.startswith("_"))


_refuse = refusing(__name__)
