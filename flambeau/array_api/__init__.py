"""The Python array API standard, 2024.12: what `x.__array_namespace__()` gives.

    >>> import flambeau as torch
    >>> xp = torch.ones(3).__array_namespace__()
    >>> xp.sort(xp.asarray([3, 1, 2]), descending=True)
    tensor([3, 2, 1])

The main namespace has the standard's names too. Where PyTorch gives such a name another meaning
(`sort` returns two tensors, `var` divides by N - 1, 0-d tensors promote less), the main namespace has
PyTorch's and this one the standard's. The functions take tensors and Arrays, which are tensors, and
return Arrays. See docs/decisions/0015-array-api.md.
"""

from __future__ import annotations

import flambeau as _torch

from . import functions as _functions
from .array import Array as Array
from .array import arrays as _arrays
from .dtypes import _ALL

__array_api_version__ = "2024.12"

e, inf, nan, pi = _torch.e, _torch.inf, _torch.nan, _torch.pi
newaxis = None

_PLAIN = frozenset(
    ("__array_namespace_info__", "can_cast", "finfo", "iinfo", "isdtype", "result_type")
)

for _name in _functions.__all__:
    _function = getattr(_functions, _name)
    globals()[_name] = _function if _name in _PLAIN else _arrays(_function)
for _dtype in _ALL:
    globals()[_dtype.name] = _dtype

from . import fft as fft  # noqa: E402
from . import linalg as linalg  # noqa: E402

__all__ = [  # noqa: PLE0604
    *_functions.__all__, *(d.name for d in _ALL), "Array", "__array_api_version__", "e", "fft", "inf",
    "linalg", "nan", "newaxis", "pi",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
