"""Powers and exponentials of matrices, inverses and equations of tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.aval import Aval
from ..core.layout import wrap_dims
from .linalg import need_square
from .matmul import adjoint
from .table import Spec, call, row


def _matrix_power(input: Any, n: int) -> Any:
    """A matrix multiplied with itself n times, by repeated squaring; its inverse for negative n."""
    if not isinstance(n, int):
        raise TypeError(f"matrix_power(): argument 'n' must be int, not {type(n).__name__}")
    if input.ndim < 2 or input.shape[-1] != input.shape[-2]:
        raise RuntimeError(
            "linalg.matrix_power: A must be batches of square matrices, got shape "
            f"{list(input.shape)}"
        )
    if n == 0:
        eye = call.eye(input.shape[-1], dtype=input.dtype)
        return eye.expand(input.shape).clone()
    if n < 0:
        input, n = call.inverse(input), -n
    if n == 1:
        return input.clone()
    out = None
    while True:
        if n & 1:
            out = input if out is None else out @ input
        n >>= 1
        if not n:
            return out
        input = input @ input


row("matrix_power(Tensor input, int n) -> Tensor", body=_matrix_power, forms="fmo",
    samples=lambda m: [((m(2, 2), 3), {}), ((m(2, 2), 0), {}), ((m(2, 2), -2), {}), ((m(2, 2, 2), 1), {})],
    doc="See body.")  # fmt: skip
row("linalg_matrix_power(Tensor A, int n) -> Tensor", body=lambda A, n: _matrix_power(A, n),
    forms="fo", where="linalg", alias=("matrix_power",), samples=lambda m: [((m(2, 2), 2), {})],
    doc="See torch.matrix_power.")  # fmt: skip

_PADE = {
    3: (120.0, 60.0, 12.0, 1.0),
    5: (30240.0, 15120.0, 3360.0, 420.0, 30.0, 1.0),
    7: (17297280.0, 8648640.0, 1995840.0, 277200.0, 25200.0, 1512.0, 56.0, 1.0),
    9: (17643225600.0, 8821612800.0, 2075673600.0, 302702400.0, 30270240.0, 2162160.0, 110880.0,
        3960.0, 90.0, 1.0),
    13: (64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0,
         129060195264000.0, 10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0,
         40840800.0, 960960.0, 16380.0, 182.0, 1.0),
}  # fmt: skip
_REACH = {3: 1.5e-2, 5: 2.5e-1, 7: 9.5e-1, 9: 2.1, 13: 5.4}
"""Padé coefficients, and the norms up to which they are exact to double precision (Higham 2005)."""


def _matrix_exp(x: np.ndarray) -> np.ndarray:
    """Scaling and squaring with Padé approximants (Higham 2005), in double precision."""
    if not x.size:
        return x
    wide = x.astype(np.complex128 if np.iscomplexobj(x) else np.float64)
    size = np.abs(wide).sum(-2).max()
    if not np.isfinite(size):
        return np.full(x.shape, np.nan, x.dtype)
    order = next((k for k in _PADE if size <= _REACH[k]), 13)
    squarings = max(0, math.ceil(math.log2(size / _REACH[13]))) if order == 13 and size else 0
    a = wide / 2.0**squarings
    b = _PADE[order]
    square = a @ a
    power = np.broadcast_to(np.eye(x.shape[-1], dtype=wide.dtype), a.shape)
    even, odd = b[0] * power, b[1] * power
    for k in range(2, len(b), 2):
        power = power @ square
        even = even + b[k] * power
        if k + 1 < len(b):
            odd = odd + b[k + 1] * power
    odd = a @ odd
    out = np.linalg.solve(even - odd, even + odd)
    for _ in range(squarings):
        out = out @ out
    return out.astype(x.dtype)


def _matrix_exp_grad(grad: Any, input: Any) -> Any:
    """The corner of the exponential of [[A^H, grad], [0, A^H]] (Mathias 1996)."""
    n = input.shape[-1]
    turned = adjoint(input)
    upper = call.cat([turned, grad.to(turned.dtype)], -1)
    lower = call.cat([call.zeros_like(turned), turned], -1)
    return call.matrix_exp(call.cat([upper, lower], -2))[..., :n, n:]


def _exp_rule(x: Aval) -> Spec:
    need_square(x)
    return Spec(x)


row(
    "matrix_exp(Tensor input) -> Tensor", rule=_exp_rule, numpy=_matrix_exp,
    node="LinalgMatrixExpBackward0", called="linalg.matrix_exp",
    grads={"input": lambda grad, input: _matrix_exp_grad(grad, input)},
    samples=lambda m: [((m(3, 3),), {}), ((m(2, 2, 2, low=-9.0, high=9.0),), {}), ((m.complex(2, 2),), {})],
    doc="The exponential of square matrices.",
)  # fmt: skip


# --- equations between tensors --------------------------------------------------------------------


def _tensorinv(A: Any, ind: int = 2) -> Any:  # noqa: N803
    """The inverse of A as a map from its dimensions behind `ind` to those in front."""
    if ind <= 0:
        raise RuntimeError(f"linalg.tensorinv: Expected a strictly positive integer for 'ind', got {ind}")
    front, back = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    if math.prod(front) != math.prod(back):
        raise RuntimeError(
            "linalg.tensorinv: Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {math.prod(back)} != {math.prod(front)}"
        )
    n = math.prod(front)
    return call.inverse(A.reshape((n, n))).reshape((*back, *front))


row("linalg_tensorinv(Tensor A, int ind=2) -> Tensor", body=_tensorinv, forms="fo", where="linalg",
    alias=("tensorinv",),
    samples=lambda m: [((m(2, 2, 4),), {}), ((m(3, 3), 1), {})], doc="See body.")  # fmt: skip


def _tensorsolve(A: Any, B: Any, dims: Any = None) -> Any:  # noqa: N803
    """X with tensordot(A, X, X.ndim) = B; `dims` of A are moved to its end first."""
    if dims is not None:
        moved = wrap_dims((dims,) if isinstance(dims, int) else tuple(dims), A.ndim)
        A = A.permute((*(d for d in range(A.ndim) if d not in moved), *moved))  # noqa: N806
    back = tuple(A.shape[B.ndim :])
    if math.prod(A.shape[: B.ndim]) != math.prod(back) or math.prod(back) != B.numel():
        raise RuntimeError(
            "linalg.tensorsolve: Expected self to satisfy the requirement prod(self.shape[other.ndim:])"
            f" == prod(self.shape[:other.ndim]), but got shapes {list(A.shape)} and {list(B.shape)}"
        )
    n = math.prod(back)
    return call.linalg_solve(A.reshape((n, n)), B.reshape(n)).reshape(back)


row("linalg_tensorsolve(Tensor A, Tensor B, any dims=None) -> Tensor", body=_tensorsolve,
    forms="fo", where="linalg", alias=("tensorsolve",),
    samples=lambda m: [((m(2, 3, 6), m(2, 3)), {})], doc="See body.")  # fmt: skip
