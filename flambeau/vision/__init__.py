"""Data sets, transforms and models for pictures, laid out as torchvision lays them out.

The submodules load when they are first named, and Pillow only when a picture is: importing
`flambeau.vision` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flambeau.errors import missing, shown

if TYPE_CHECKING:
    from . import datasets, io, models, ops, transforms, tv_tensors, utils

__all__ = [
    "datasets",
    "disable_beta_transforms_warning",
    "get_image_backend",
    "get_video_backend",
    "io",
    "models",
    "ops",
    "set_image_backend",
    "set_video_backend",
    "transforms",
    "tv_tensors",
    "utils",
]

# Scripts compare this with torchvision's releases: it names the release whose interface is
# followed, and the local part says who speaks.
__version__ = "0.28.0+flambeau"

_SUBMODULES = ("datasets", "io", "models", "ops", "transforms", "tv_tensors", "utils")


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    return missing(__name__, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_SUBMODULES])


def get_image_backend() -> str:
    """Returns the name of the package that opens picture files: always "PIL"."""
    return "PIL"


def set_image_backend(backend: str) -> None:
    """Accepts "PIL", the only backend there is; anything else is a ValueError."""
    if backend != "PIL":
        raise ValueError(
            f"Invalid backend {shown(backend)}: flambeau.vision opens images with 'PIL' only"
        )


def get_video_backend() -> str:
    """Returns what torchvision returns: "pyav". No videos are read here."""
    return "pyav"


def set_video_backend(backend: str) -> None:
    """Does nothing: no videos are read here."""


def disable_beta_transforms_warning() -> None:
    """Does nothing: the second generation of transforms has long ceased to warn."""
