"""All functions of the array API standard, over tensors."""

from __future__ import annotations

from . import creation, dtypes, elementwise, manipulation, products, reductions, searching

FAMILIES = (creation, dtypes, elementwise, manipulation, products, reductions, searching)

for _family in FAMILIES:
    globals().update({name: getattr(_family, name) for name in _family.__all__})

__all__ = sorted(name for family in FAMILIES for name in family.__all__)  # noqa: PLE0605
