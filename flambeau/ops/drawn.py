"""Random numbers in the graph: PyTorch gives draws a node, and what they are drawn with zeros."""

from __future__ import annotations

from .formulas import zeros
from .table import Spec, row

row(
    "drawn(Tensor values, Tensor? first, Tensor? second, str called) -> Tensor",
    rule=lambda values, first, second, called: Spec(values), forms="",
    numpy=lambda values, first, second, called: values, moves=True, node=lambda called: called,
    lower=lambda b, values, first, second, called: values,
    grads={"first": zeros, "second": zeros},
    doc="Numbers that were drawn with the parameters `first` and `second`.",
)  # fmt: skip
