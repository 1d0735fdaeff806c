"""Functions that PyTorch has removed: each says what to use instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .table import row

_SINCE = "This function was deprecated since version 1.9 and is now removed. "


def _gone(name: str, text: str, needs: int) -> Callable[..., Any]:
    def removed(input: Any, *args: Any, **kwargs: Any) -> Any:
        if len(args) + len(kwargs) < needs:
            raise TypeError(f"{name}() missing 1 required positional argument: 'A'")
        raise RuntimeError(f"{name}(): {_SINCE}{text}")

    return removed


for _name, _text, _needs, _forms in (
    ("eig", "Use torch.linalg.eig(A), which gives complex eigenvalues and vectors.", 0, "fm"),
    ("symeig", "Use torch.linalg.eigh(A, UPLO='U'); note that eigh looks at the lower triangle unless "
     "told otherwise. Eigenvalues alone: torch.linalg.eigvalsh.", 0, "fm"),
    ("lstsq", "torch.lstsq(B, A) is torch.linalg.lstsq(A, B).solution.", 1, "fm"),
    ("solve", "torch.solve(B, A).solution is torch.linalg.solve(A, B); the LU factors are "
     "torch.linalg.lu_factor(A).", 1, "fm"),
    ("matrix_rank", "Use torch.linalg.matrix_rank(A, tol=..., hermitian=...).", 0, "f"),
):  # fmt: skip
    row(f"{_name}(Tensor input) -> Tensor", body=_gone(_name, _text, _needs), forms=_forms,
        doc="Removed from PyTorch: " + _text)  # fmt: skip
