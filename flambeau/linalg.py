"""`torch.linalg`: linear algebra. Its functions are rows of the op table; see ops/linalg.py,
ops/decompositions.py, ops/norms.py and ops/contractions.py."""

from __future__ import annotations

from typing import Any

import flambeau as torch

from .errors import missing
from .ops.linalg import LinAlgError

__all__ = ["LinAlgError", "det", "diagonal", "matmul", "matrix_exp"]


def det(A: Any, *, out: Any = None) -> Any:  # noqa: N803
    """The determinant of square matrices."""
    return torch.det(A, out=out)


def matmul(input: Any, other: Any) -> Any:
    """See torch.matmul."""
    return torch.matmul(input, other)


def matrix_exp(A: Any) -> Any:  # noqa: N803
    """The exponential of square matrices."""
    return torch.matrix_exp(A)


def diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:  # noqa: N803
    """The diagonals of matrices, by default in the last two dimensions."""
    return torch.diagonal(A, offset, dim1, dim2)


_STANDARD = ("matrix_transpose", "outer", "tensordot", "trace")
"""The array API standard's names in this namespace that PyTorch lacks."""


def __getattr__(name: str) -> Any:
    try:
        found = getattr(torch._linalg, name)
    except AttributeError:
        if name not in _STANDARD:
            return missing(__name__, name)
        from .array_api import linalg_functions

        found = getattr(linalg_functions, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*__all__, *(n for n in dir(torch._linalg) if not n.startswith("linalg_"))})
