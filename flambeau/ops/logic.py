"""Logical and bitwise operations, and shifts."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from .formulas import Samples
from .lowering import pointwise as low
from .lowering.common import primitive
from .rules import common_shape, pointwise, with_a_tensor
from .table import Spec, row

_BOTH: Samples = lambda m: [  # noqa: E731
    ((m.bool(2, 3), m.bool(3)), {}), ((m.int(2, 1), m.int(3)), {}), ((m.int(0), m.int()), {}),
]  # fmt: skip
_ONE: Samples = lambda m: [  # noqa: E731
    ((m.bool(2, 3),), {}), ((m.int(3),), {}), ((m.int(0),), {}),
]


_bits = with_a_tensor(pointwise(allow="bi"))


def _truth(*operands: Any) -> Spec:
    """Every dtype is taken as it is: numbers other than zero are true."""
    from ..core.aval import aval

    return Spec(aval(common_shape(operands), dtypes.bool_))


row(
    "logical_not(Tensor input) -> Tensor", rule=_truth, numpy=np.logical_not, forms="fmio",
    lower=low.logical("not"),
    samples=_ONE, doc="Whether each element is zero.",
)  # fmt: skip

row(
    "logical_and(Tensor input, Tensor other) -> Tensor", rule=_truth, numpy=np.logical_and,
    forms="fmio", samples=_BOTH, doc="Whether both elements differ from zero.",
    lower=low.logical("and"),
)  # fmt: skip

row(
    "logical_or(Tensor input, Tensor other) -> Tensor", rule=_truth, numpy=np.logical_or,
    forms="fmio", samples=_BOTH, doc="Whether one of the elements or both differ from zero.",
    lower=low.logical("or"),
)  # fmt: skip

row(
    "logical_xor(Tensor input, Tensor other) -> Tensor", rule=_truth, numpy=np.logical_xor,
    forms="fmio", samples=_BOTH, doc="Whether exactly one of the elements differs from zero.",
    lower=low.logical("xor"),
)  # fmt: skip

row(
    "bitwise_not(Tensor input) -> Tensor", rule=pointwise(allow="bi"), numpy=np.invert,
    forms="fmio", out="exact", samples=_ONE, doc="Every bit inverted; the opposite for booleans.",
    lower=low.bitwise_not,
)  # fmt: skip

row(
    "bitwise_and(Operand input, Operand other) -> Tensor", operator="and", rule=_bits,
    numpy=np.bitwise_and, forms="fmio", samples=_BOTH, doc="Bits set in both.",
    lower=primitive("and"),
)  # fmt: skip

row(
    "bitwise_or(Operand input, Operand other) -> Tensor", operator="or", rule=_bits,
    numpy=np.bitwise_or, forms="fmio", samples=_BOTH, doc="Bits set in one or both.",
    lower=primitive("or"),
)  # fmt: skip

row(
    "bitwise_xor(Operand input, Operand other) -> Tensor", operator="xor", rule=_bits,
    numpy=np.bitwise_xor, forms="fmio", samples=_BOTH, doc="Bits set in exactly one.",
    lower=primitive("xor"),
)  # fmt: skip

_SHIFTED: Samples = lambda m: [  # noqa: E731
    ((m.int(2, 3), m.int(3)), {}), ((m.int(3), 2), {}), ((m.int(0), 1), {}),
]

row(
    "bitwise_left_shift(Operand input, Operand other) -> Tensor", operator="lshift",
    rule=with_a_tensor(pointwise(allow="i")),
    numpy=np.left_shift, forms="fmio", samples=_SHIFTED,
    lower=low.left_shift,
    doc="input * 2 ** other; zero where other is negative or as large as the number of bits.",
)  # fmt: skip

row(
    "bitwise_right_shift(Operand input, Operand other) -> Tensor", operator="rshift",
    rule=with_a_tensor(pointwise(allow="i")),
    numpy=np.right_shift, forms="fmio", samples=_SHIFTED,
    lower=low.right_shift,
    doc="input // 2 ** other; all sign bits where other is negative or too large.",
)  # fmt: skip
