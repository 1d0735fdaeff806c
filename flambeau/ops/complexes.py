"""Complex numbers: conjugates, parts, angles, and their forms as pairs of real numbers.

Where PyTorch gives views of a complex tensor's memory (conj, real, imag, view_as_real,
view_as_complex), these are copies: writing into them does not change the complex tensor.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval, aval
from .formulas import Samples, analytic, conj, one
from .lowering import pointwise as low
from .lowering.common import same as unchanged
from .rules import common_shape, same
from .table import Spec, call, row

row(
    "conjugated(Tensor input) -> Tensor",
    rule=same, numpy=np.conj, forms="", node="Conj",
    lower=unchanged,
    grads={"input": lambda grad: conj(grad)},
    samples=analytic(), doc="The conjugate, in memory of its own.",
)  # fmt: skip


def _conj(input: Any) -> Any:
    """The conjugate. Real tensors are returned as they are; of complex ones it is a copy, where
    PyTorch has a lazy view."""
    return call.conjugated(input) if input.is_complex() else input


def _conj_physical(input: Any) -> Any:
    """The conjugate in memory of its own. Real tensors are returned as they are."""
    return call.conjugated(input) if input.is_complex() else input


row("conj(Tensor input) -> Tensor", body=_conj, samples=analytic(), doc="The conjugate.")
row("conj_physical(Tensor input) -> Tensor", body=_conj_physical, forms="fmio", out="exact", samples=one(),
    doc="The conjugate.")  # fmt: skip
row("resolve_conj(Tensor input) -> Tensor", body=lambda input: input,
    doc="The tensor itself: there are no lazy conjugates.")  # fmt: skip
row("resolve_neg(Tensor input) -> Tensor", body=lambda input: input,
    doc="The tensor itself: there are no lazy negations.")  # fmt: skip
row("is_conj(Tensor input) -> bool", body=lambda input: False, forms="f",
    doc="False: there are no lazy conjugates.")  # fmt: skip
row("is_neg(Tensor input) -> bool", body=lambda input: False,
    doc="False: there are no lazy negations.")  # fmt: skip


def _part(x: Aval) -> Spec:
    return Spec(x.with_dtype(x.dtype.to_real()))


row(
    "real_part(Tensor input) -> Tensor", rule=_part, numpy=np.real, forms="", node="Select",
    lower=unchanged,
    grads={"input": lambda grad, input_dtype: grad.to(input_dtype)},
    doc="real() of a complex tensor.",
)  # fmt: skip

row(
    "imag_part(Tensor input) -> Tensor", rule=_part, numpy=np.imag, forms="", node="Select",
    grads={"input": lambda grad: grad * 1j},
    doc="imag() of a complex tensor.",
)  # fmt: skip


def _real(input: Any) -> Any:
    """The real part. A real tensor is returned as it is; of a complex one it is a copy."""
    return call.real_part(input) if input.is_complex() else input


def _imag(input: Any) -> Any:
    """A copy of the imaginary part. RuntimeError for tensors that are not complex."""
    if not input.is_complex():
        raise RuntimeError(
            f"imag is not implemented for tensors with non-complex dtypes, got {input.dtype}"
        )
    return call.imag_part(input)


row("real(Tensor input) -> Tensor", body=_real, forms="f", samples=analytic(), doc="The real part.")
row("imag(Tensor input) -> Tensor", body=_imag, forms="f",
    samples=lambda m: [((m.complex(2, 3),), {}), ((m.complex(),), {})],
    doc="The imaginary part.")  # fmt: skip


def _as_real_rule(x: Aval) -> Spec:
    if not x.dtype.is_complex:
        raise RuntimeError(f"only supported for complex tensors, got {x.dtype}")
    return Spec(aval((*x.shape, 2), x.dtype.to_real(), x.device))


def _as_complex_rule(x: Aval) -> Spec:
    if x.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(f"only supported for float and double tensors, got {x.dtype}")
    if not x.shape or x.shape[-1] != 2:
        raise RuntimeError(f"Tensor must have a last dimension of size 2, got {list(x.shape)}")
    return Spec(aval(tuple(x.shape[:-1]), x.dtype.to_complex(), x.device))


def _joined(real: Any, imag: Any) -> Any:
    out = np.empty(np.broadcast_shapes(real.shape, imag.shape), np.result_type(real, np.complex64))
    out.real, out.imag = real, imag
    return out


row(
    "view_as_real(Tensor input) -> Tensor",
    rule=_as_real_rule, numpy=lambda x: np.stack((x.real, x.imag), -1),
    grads={"input": lambda grad: call.view_as_complex(grad)},
    samples=lambda m: [((m.complex(2, 3),), {}), ((m.complex(),), {})],
    doc="Complex numbers as pairs (real, imaginary) in a new last dimension: a copy.",
)  # fmt: skip

row(
    "view_as_complex(Tensor input) -> Tensor",
    rule=_as_complex_rule, numpy=lambda x: _joined(x[..., 0], x[..., 1]),
    grads={"input": lambda grad: call.view_as_real(grad)},
    samples=lambda m: [((m(3, 2),), {}), ((m(2),), {}), ((m(0, 2),), {})],
    doc="Pairs in the last dimension as complex numbers: a copy.",
)  # fmt: skip


def _pair_rule(first: Aval, second: Aval) -> Spec:
    for x in (first, second):
        if x.dtype is dtypes.float16:
            raise NotImplementedError("not implemented for float16: there is no complex32")
        if x.dtype not in (dtypes.float32, dtypes.float64):
            raise RuntimeError(
                "Expected both inputs to be Float or Double tensors but got "
                f"{first.dtype} and {second.dtype}"
            )
    if first.dtype is not second.dtype:
        raise RuntimeError(
            f"Expected object of scalar type {first.dtype} but got scalar type {second.dtype} "
            "for second argument"
        )
    return Spec(aval(common_shape((first, second)), first.dtype.to_complex(), first.device))


_PAIRS: Samples = lambda m: [  # noqa: E731
    ((m(2, 3), m(3)), {}), ((m(), m(2)), {}), ((m(0), m(0)), {}),
]

row(
    "complex(Tensor real, Tensor imag) -> Tensor", rule=_pair_rule, numpy=_joined, forms="fo", out="exact",
    grads={"real": lambda grad: call.real(grad), "imag": lambda grad: call.imag(grad)},
    samples=_PAIRS, doc="Complex numbers from their real and imaginary parts.",
)  # fmt: skip

row(
    "polar(Tensor abs, Tensor angle) -> Tensor", rule=_pair_rule, forms="fo",
    numpy=lambda size, angle: _joined(size * np.cos(angle), size * np.sin(angle)),
    grads={"abs": lambda grad, angle:
               call.real(grad) * call.cos(angle) + call.imag(grad) * call.sin(angle),
           "angle": lambda grad, result: call.real(grad * conj(result * 1j))},
    samples=_PAIRS, doc="Complex numbers from their moduli and angles.",
)  # fmt: skip


def _angle_rule(x: Aval) -> Spec:
    dt = dtypes.get_default() if x.dtype.category < dtypes.FLOAT else x.dtype
    return Spec(x.with_dtype(dt.to_real()), dt)


def _angle(x: np.ndarray) -> Any:
    if x.dtype.kind == "c":
        return np.angle(x)
    return np.where(np.isnan(x), x, np.where(x < 0, x.dtype.type(math.pi), x.dtype.type(0)))


def _angle_grad(grad: Any, input: Any) -> Any:
    if not input.is_complex():
        return call.zeros_like(grad)
    square = call.real(input * conj(input))
    return grad * (input * 1j / square).masked_fill(square == 0, 0)


row(
    "angle(Tensor input) -> Tensor", rule=_angle_rule, numpy=_angle, forms="fmo",
    lower=low.angle,
    grads={"input": _angle_grad}, samples=analytic(),
    doc="The angle of a complex number; for real ones 0, or pi where they are negative.",
)  # fmt: skip
