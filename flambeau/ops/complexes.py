"""Complex numbers: conjugates, parts, angles, and their forms as pairs of real numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .formulas import one
from .rules import same
from .table import Spec, call, row

row(
    "conj_physical(Tensor input) -> Tensor",
    rule=same, numpy=np.conj, forms="fmio",
    grads={"input": lambda grad: call.conj_physical(grad)},
    samples=one(), doc="The conjugate, in memory of its own.",
)  # fmt: skip


def _conj(input: Any) -> Any:
    """The conjugate. Real tensors are returned as they are; of complex ones it is a copy, where
    PyTorch has a lazy view."""
    return call.conj_physical(input) if input.is_complex() else input


row("conj(Tensor input) -> Tensor", body=_conj, samples=one(), doc="The conjugate.")
