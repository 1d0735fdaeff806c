"""Complex numbers: conjugates, parts, angles, and their forms as pairs of real numbers.

real, imag, view_as_real and view_as_complex are views of the tensor's memory, as in PyTorch. conj
is not: where PyTorch has a lazy view, this is a copy, and writing into it changes nothing else.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval, aval
from ..core.dtypes import dtype
from ..core.layout import Ints
from .formulas import Samples, analytic, conj, one
from .lowering import pointwise as low
from .lowering.common import same as unchanged
from .rules import common_shape, same
from .table import Layout, Spec, call, row

for _name, _node in (("conjugated", "Conj"), ("conjugated_physically", "ConjPhysical")):
    row(
        f"{_name}(Tensor input) -> Tensor",
        rule=same, numpy=np.conj, forms="", node=_node,
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
    return call.conjugated_physically(input) if input.is_complex() else input


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


def _real(input: Any) -> Any:
    """The real part: a view of the memory of a complex tensor; a real one is returned as it is."""
    return call.select(call.view_as_real(input), -1, 0) if input.is_complex() else input


def _imag(input: Any) -> Any:
    """A view of the imaginary part. RuntimeError for tensors that are not complex."""
    if not input.is_complex():
        raise RuntimeError(
            f"imag is not implemented for tensors with non-complex dtypes, got {input.dtype}"
        )
    return call.select(call.view_as_real(input), -1, 1)


row("real(Tensor input) -> Tensor", body=_real, forms="f", samples=analytic(), doc="The real part.")
row("imag(Tensor input) -> Tensor", body=_imag, forms="f",
    samples=lambda m: [((m.complex(2, 3),), {}), ((m.complex(),), {})],
    doc="The imaginary part.")  # fmt: skip


def _real_of(d: dtype) -> dtype:
    if not d.is_complex:
        raise RuntimeError(f"view_as_real is only supported for complex tensors, got {d}")
    return d.to_real()


def _complex_of(d: dtype) -> dtype:
    if d not in (dtypes.float16, dtypes.float32, dtypes.float64):
        raise RuntimeError(
            f"view_as_complex is only supported for half, float and double tensors, got {d}"
        )
    return d.to_complex()


def _as_real(shape: Ints, strides: Ints, offset: int) -> Layout:
    return Layout((*shape, 2), (*[2 * s for s in strides], 1), 2 * offset)


def _as_complex(shape: Ints, strides: Ints, offset: int) -> Layout:
    if not shape or shape[-1] != 2:
        raise RuntimeError(f"Tensor must have a last dimension of size 2, got {list(shape)}")
    if strides[-1] != 1:
        raise RuntimeError(f"Tensor must have a last dimension with stride 1, got {list(strides)}")
    if any(s % 2 for s in strides[:-1]):
        raise RuntimeError(
            "Tensor must have a stride divisible by 2 for all but last dimension, got "
            f"{list(strides)}"
        )
    if offset % 2:
        raise RuntimeError(f"Tensor must have a storage_offset divisible by 2, got {offset}")
    return Layout(shape[:-1], tuple(s // 2 for s in strides[:-1]), offset // 2)


def _joined(real: Any, imag: Any) -> Any:
    out = np.empty(np.broadcast_shapes(real.shape, imag.shape), np.result_type(real, np.complex64))
    out.real, out.imag = real, imag
    return out


row(
    "view_as_real(Tensor input) -> Tensor", view=_as_real, recast=_real_of, forms="f",
    grads={"input": lambda grad: call.view_as_complex(grad.contiguous())},
    samples=lambda m: [((m.complex(2, 3),), {}), ((m.complex(),), {})],
    doc="The memory of complex numbers as pairs (real, imaginary) in a new last dimension.",
)  # fmt: skip

row(
    "view_as_complex(Tensor input) -> Tensor", view=_as_complex, recast=_complex_of, forms="f",
    grads={"input": lambda grad: call.view_as_real(grad)},
    samples=lambda m: [((m(*shape).contiguous(),), {}) for shape in ((3, 2), (2,))],
    doc="The memory of pairs in the last dimension as complex numbers.",
)  # fmt: skip


def _pair_rule(first: Aval, second: Aval) -> Spec:
    for x in (first, second):
        if x.dtype not in (dtypes.float16, dtypes.float32, dtypes.float64):
            raise RuntimeError(
                "Expected both inputs to be Half, Float or Double tensors but got "
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

_POLAR: Samples = lambda m: [  # noqa: E731
    ((m(2, 3, low=0.5, high=2.0), m(3)), {}), ((m(low=0.5, high=2.0), m(2)), {}), ((m(0), m(0)), {}),
]

row(
    "complex(Tensor real, Tensor imag) -> Tensor", rule=_pair_rule, numpy=_joined, forms="fo", out="exact",
    grads={"real": lambda grad: call.real(grad), "imag": lambda grad: call.imag(grad)},
    samples=_PAIRS, doc="Complex numbers from their real and imaginary parts.",
)  # fmt: skip

def _polar_rule(size: Aval, angle: Aval) -> Spec:
    if size.dtype is dtypes.float16:
        raise NotImplementedError('"polar_cpu" not implemented for \'Half\'')
    return _pair_rule(size, angle)


row(
    "polar(Tensor abs, Tensor angle) -> Tensor", rule=_polar_rule, forms="fo",
    numpy=lambda size, angle: _joined(size * np.cos(angle), size * np.sin(angle)),
    grads={"abs": lambda grad, result: call.real(grad * conj(call.sgn(result))),
           "angle": lambda grad, result: call.real(grad * conj(result * 1j))},
    samples=_POLAR, doc="Complex numbers from their moduli and angles.",
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
