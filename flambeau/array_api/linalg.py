"""The linear algebra extension: see `linalg_functions` for what each does."""

from __future__ import annotations

from . import linalg_functions as _functions
from .array import arrays as _arrays

__all__ = list(_functions.__all__)  # noqa: PLE0605

globals().update({name: _arrays(getattr(_functions, name)) for name in __all__})


def __dir__() -> list[str]:
    return sorted(__all__)
