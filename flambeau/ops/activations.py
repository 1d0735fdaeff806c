"""Activation functions of neural networks."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval
from .formulas import one
from .rules import pointwise
from .table import Spec, call, row


def _relu_rule(x: Aval) -> Spec:
    if x.dtype is dtypes.bool_:
        raise RuntimeError("Boolean inputs are not supported")
    return pointwise(allow="if")(x)


row(
    "relu(Tensor input) -> Tensor",
    rule=_relu_rule, numpy=lambda x: np.maximum(x, 0), forms="fmi",
    grads={"input": lambda grad, result: call.threshold_backward(grad, result, 0)},
    samples=one(), doc="max(0, input).",
)  # fmt: skip

row(
    "threshold_backward(Tensor grad_output, Tensor input, number threshold) -> Tensor",
    rule=lambda g, x, threshold: pointwise()(g, x), forms="",
    numpy=lambda g, x, threshold: np.where(x > threshold, g, g.dtype.type(0)),
    grads={"grad_output": lambda grad, input, threshold:
           call.threshold_backward(grad, input, threshold)},
    samples=lambda m: [((m(2, 3), m(2, 3), 0), {})],
    doc="The gradient where input is above the threshold, zero elsewhere.",
)  # fmt: skip
