"""Discrete Fourier transforms: the three that exist. `torch.fft` is made of them
(`fourier_functions.py`).

A transform is unnormalised, divided by the number of points n ("n") or by its root ("root").
Forward ones have exp(-2 pi i j k / n), the others exp(2 pi i j k / n).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval, aval
from .table import Spec, call, row

_FORWARD = {"none": "backward", "n": "forward", "root": "ortho"}
_INVERSE = {"none": "forward", "n": "backward", "root": "ortho"}
"""NumPy's name of a normalisation, which says in which direction one divides."""


def _complex_rule(x: Aval, dim: Any, norm: str, forward: bool) -> Spec:
    return Spec(x)


def _complex(x: np.ndarray, dim: Any, norm: str, forward: bool) -> Any:
    if not dim:
        return x
    if forward:
        return np.fft.fftn(x, axes=dim, norm=_FORWARD[norm])  # type: ignore[arg-type]
    return np.fft.ifftn(x, axes=dim, norm=_INVERSE[norm])  # type: ignore[arg-type]


row(
    "fft_c2c(Tensor input, int[] dim, str norm, bool forward) -> Tensor",
    rule=_complex_rule, numpy=_complex, forms="", node="FftC2C",
    grads={"input": lambda grad, dim, norm, forward: call.fft_c2c(grad, dim, norm, not forward)},
    samples=lambda m: [((m.complex(3, 4), (0, 1), "root", True), {}),
                       ((m.complex(5), (0,), "n", False), {})],
    doc="From complex numbers to complex numbers.",
)  # fmt: skip


def _onesided(size: int) -> int:
    return size // 2 + 1


def _from_real_rule(x: Aval, dim: Any, norm: str, onesided: bool) -> Spec:
    shape = list(x.shape)
    if onesided:
        shape[dim[-1]] = _onesided(shape[dim[-1]])
    return Spec(aval(tuple(shape), x.dtype.to_complex(), x.device))


def _from_real(x: np.ndarray, dim: Any, norm: str, onesided: bool) -> Any:
    transform = np.fft.rfftn if onesided else np.fft.fftn
    return transform(x, axes=dim, norm=_FORWARD[norm])  # type: ignore[arg-type]


def _from_real_grad(grad: Any, size: int, dim: Any, norm: str, onesided: bool) -> Any:
    """The half that was not computed counts as zero."""
    if onesided:
        last = dim[-1]
        missing = size - grad.shape[last]
        pad = [0, 0] * (grad.ndim - 1 - last) + [0, missing]
        grad = call.constant_pad_nd(grad, pad, 0)
    return call.real(call.fft_c2c(grad, dim, norm, False))


row(
    "fft_r2c(Tensor input, int[] dim, str norm, bool onesided) -> Tensor",
    rule=_from_real_rule, numpy=_from_real, forms="", node="FftR2C",
    grads={"input": lambda grad, input_shape, dim, norm, onesided:
           _from_real_grad(grad, input_shape[dim[-1]], dim, norm, onesided)},
    samples=lambda m: [((m(3, 4), (0, 1), "root", True), {}), ((m(5), (0,), "n", True), {}),
                       ((m(2, 3), (0,), "none", False), {})],
    doc="From real numbers, forward. Of the last dimension in `dim` only the first half and one "
    "(`onesided`): the rest are their conjugates.",
)  # fmt: skip


def _to_real_rule(x: Aval, dim: Any, norm: str, last_size: int) -> Spec:
    shape = list(x.shape)
    shape[dim[-1]] = last_size
    return Spec(aval(tuple(shape), x.dtype.to_real(), x.device))


def _to_real(x: np.ndarray, dim: Any, norm: str, last_size: int) -> Any:
    sizes = [*(x.shape[d] for d in dim[:-1]), last_size]
    return np.fft.irfftn(x, sizes, dim, _INVERSE[norm])  # type: ignore[arg-type]


def _to_real_grad(grad: Any, dim: Any, norm: str) -> Any:
    """What stands for two conjugates has the gradient twice."""
    last = dim[-1]
    found = call.fft_r2c(grad, dim, norm, True)
    size, half = grad.shape[last], found.shape[last]
    weights = call.ones((half,), dtype=grad.dtype)
    weights[1 : size - half + 1] = 2
    return found * weights.reshape((half,) + (1,) * (grad.ndim - 1 - last))


row(
    "fft_c2r(Tensor input, int[] dim, str norm, int last_size) -> Tensor",
    rule=_to_real_rule, numpy=_to_real, forms="", node="FftC2R",
    grads={"input": lambda grad, dim, norm: _to_real_grad(grad, dim, norm)},
    samples=lambda m: [((m.complex(3, 3), (0, 1), "root", 4), {}), ((m.complex(3), (0,), "n", 5), {})],
    doc="To `last_size` real numbers, not forward, from the first half of a spectrum whose other "
    "half are its conjugates.",
)  # fmt: skip


def fft_dtype(x: Any, complex_: bool) -> Any:
    """A tensor in the dtype that its transform is computed in. RuntimeError for 16-bit floats."""
    dt = x.dtype
    if dt.category < dtypes.FLOAT:
        dt = dtypes.get_default()
    if dt.is_narrow:
        raise RuntimeError(f"Unsupported dtype {dt.legacy}: use float32 or float64")
    if complex_:
        dt = dt.to_complex()
    return x if x.dtype is dt else x.to(dt)
