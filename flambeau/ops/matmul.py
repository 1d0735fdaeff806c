"""Matrix products: everything that contracts a dimension."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes, layout
from ..core.aval import Aval, aval
from .rules import matching
from .table import Spec, call, row


def _adjoint(x: Any) -> Any:
    """The conjugate transpose of the last two dimensions."""
    turned = x.transpose(-2, -1)
    return call.conj(turned) if x.is_complex() else turned


def _conj(x: Any) -> Any:
    return call.conj(x) if x.is_complex() else x


def _need(x: Aval, ndim: int, name: str) -> None:
    if x.ndim != ndim:
        raise RuntimeError(
            f"{name} must be a {('vector', 'matrix', '3D tensor')[ndim - 1]}, got a {x.ndim}D tensor "
            f"of shape {list(x.shape)}"
        )


def _mm_rule(a: Aval, b: Aval) -> Spec:
    _need(a, 2, "self")
    _need(b, 2, "mat2")
    dt = matching(a, b)
    if a.shape[1] != b.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} and "
            f"{b.shape[0]}x{b.shape[1]})"
        )
    return Spec(aval((a.shape[0], b.shape[1]), dt, a.device))


row(
    "mm(Tensor input, Tensor mat2) -> Tensor", rule=_mm_rule, numpy=np.matmul, forms="fmo",
    grads={"input": lambda grad, mat2: grad.mm(_adjoint(mat2)),
           "mat2": lambda grad, input: _adjoint(input).mm(grad)},
    samples=lambda m: [((m(2, 3), m(3, 4)), {}), ((m(3, 2).t(), m(3, 1)), {}), ((m(0, 3), m(3, 2)), {})],
    doc="The product of two matrices.",
)  # fmt: skip


def _bmm_rule(a: Aval, b: Aval) -> Spec:
    _need(a, 3, "batch1")
    _need(b, 3, "batch2")
    dt = matching(a, b)
    if a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: "
            f"[{a.shape[0]}, {a.shape[2]}] but got: [{b.shape[0]}, {b.shape[1]}]."
        )
    return Spec(aval((a.shape[0], a.shape[1], b.shape[2]), dt, a.device))


row(
    "bmm(Tensor input, Tensor mat2) -> Tensor", rule=_bmm_rule, numpy=np.matmul, forms="fmo",
    grads={"input": lambda grad, mat2: grad.bmm(_adjoint(mat2)),
           "mat2": lambda grad, input: _adjoint(input).bmm(grad)},
    samples=lambda m: [((m(2, 2, 3), m(2, 3, 2)), {}), ((m(2, 3, 2).transpose(1, 2), m(2, 3, 1)), {})],
    doc="The products of matrices in a batch.",
)  # fmt: skip


def _mv_rule(a: Aval, v: Aval) -> Spec:
    if a.ndim != 2 or v.ndim != 1:
        raise RuntimeError(
            f"vector + matrix @ vector expected, got {a.ndim}, {v.ndim} dimensions"
        )
    dt = matching(a, v)
    if a.shape[1] != v.shape[0]:
        raise RuntimeError(
            f"size mismatch, got input ({a.shape[0]}), mat ({a.shape[0]}x{a.shape[1]}), "
            f"vec ({v.shape[0]})"
        )
    return Spec(aval((a.shape[0],), dt, a.device))


row(
    "mv(Tensor input, Tensor vec) -> Tensor", rule=_mv_rule, numpy=np.matmul, forms="fmo",
    grads={"input": lambda grad, vec: grad.unsqueeze(1) * _conj(vec),
           "vec": lambda grad, input: _adjoint(input).mv(grad)},
    samples=lambda m: [((m(2, 3), m(3)), {})],
    doc="A matrix times a vector.",
)  # fmt: skip


def _dot_rule(a: Aval, b: Aval) -> Spec:
    if a.ndim != 1 or b.ndim != 1:
        raise RuntimeError(
            f"1D tensors expected, but got {a.ndim}D and {b.ndim}D tensors"
        )
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"dot : expected both vectors to have same dtype, but found {a.dtype.legacy} and "
            f"{b.dtype.legacy}"
        )
    if a.shape != b.shape:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor {list(a.shape)} and src {list(b.shape)} to "
            "have the same number of elements"
        )
    return Spec(aval((), a.dtype, a.device))


row(
    "dot(Tensor input, Tensor tensor) -> Tensor", rule=_dot_rule, numpy=np.dot, forms="fmo",
    grads={"input": lambda grad, tensor: grad * _conj(tensor),
           "tensor": lambda grad, input: grad * _conj(input)},
    samples=lambda m: [((m(3), m(3)), {}), ((m(0), m(0)), {})],
    doc="The sum of products of two vectors.",
)  # fmt: skip


def _addmm_rule(c: Aval, a: Aval, b: Aval, beta: type, alpha: type) -> Spec:
    found = _mm_rule(a, b)
    matching(c, a)
    if layout.broadcast(c.shape, found.aval.shape) != found.aval.shape:
        raise RuntimeError(
            f"The expanded size of the tensor {list(found.aval.shape)} doesn't fit the added input "
            f"of shape {list(c.shape)}"
        )
    return found


def _addmm(c: Any, a: Any, b: Any, beta: Any, alpha: Any) -> Any:
    out = np.matmul(a, b)
    if alpha != 1:
        out = out * alpha
    if beta == 0:
        return out
    return out + (c if beta == 1 else c * beta)


row(
    "addmm(Tensor input, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
    rule=_addmm_rule, numpy=_addmm, forms="fmio",
    grads={"input": lambda grad, beta: grad if beta == 1 else grad * beta,
           "mat1": lambda grad, mat2, alpha: _scale(grad.mm(_adjoint(mat2)), alpha),
           "mat2": lambda grad, mat1, alpha: _scale(_adjoint(mat1).mm(grad), alpha)},
    samples=lambda m: [((m(4), m(2, 3), m(3, 4)), {}), ((m(2, 4), m(2, 3), m(3, 4)), {"beta": 2, "alpha": 0.5})],
    doc="beta * input + alpha * (mat1 @ mat2).",
)  # fmt: skip


def _scale(x: Any, alpha: Any) -> Any:
    return x if alpha == 1 else x * alpha


def _addmv(input: Any, mat: Any, vec: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """beta * input + alpha * (mat @ vec)."""
    return input * beta + mat.mv(vec) * alpha


row("addmv(Tensor input, Tensor mat, Tensor vec) -> Tensor", body=_addmv, forms="fmio",
    samples=lambda m: [((m(2), m(2, 3), m(3)), {"alpha": 2})], doc="See body.")  # fmt: skip


def _baddbmm(input: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """beta * input + alpha * (batch1 @ batch2), over a batch."""
    return input * beta + batch1.bmm(batch2) * alpha


row("baddbmm(Tensor input, Tensor batch1, Tensor batch2) -> Tensor", body=_baddbmm, forms="fmio",
    samples=lambda m: [((m(2, 2, 2), m(2, 2, 3), m(2, 3, 2)), {"beta": 2})], doc="See body.")  # fmt: skip


def _addbmm(input: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """beta * input + alpha * the sum of batch1 @ batch2 over the batch."""
    return input * beta + batch1.bmm(batch2).sum(0) * alpha


row("addbmm(Tensor input, Tensor batch1, Tensor batch2) -> Tensor", body=_addbmm, forms="fmio",
    samples=lambda m: [((m(2, 2), m(2, 2, 3), m(2, 3, 2)), {})], doc="See body.")  # fmt: skip


def _outer(input: Any, vec2: Any) -> Any:
    """The matrix of all products of two vectors."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise RuntimeError(
            f"outer: Expected 1-D arguments, but got {input.ndim}-D and {vec2.ndim}-D"
        )
    return input.unsqueeze(1) * vec2


row("outer(Tensor input, Tensor vec2) -> Tensor", body=_outer, forms="fmo", alias=("ger",),
    samples=lambda m: [((m(2), m(3)), {})], doc="See body.")  # fmt: skip


def _addr(input: Any, vec1: Any, vec2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """beta * input + alpha * outer(vec1, vec2)."""
    return input * beta + _outer(vec1, vec2) * alpha


row("addr(Tensor input, Tensor vec1, Tensor vec2) -> Tensor", body=_addr, forms="fmio",
    samples=lambda m: [((m(2, 3), m(2), m(3)), {"alpha": 2})], doc="See body.")  # fmt: skip


def _matmul(input: Any, other: Any) -> Any:
    """The matrix product with broadcasting over leading dimensions; vectors are rows on the left
    and columns on the right."""
    if not (hasattr(other, "ndim") and hasattr(other, "is_complex")):
        raise TypeError(
            f"matmul(): argument 'other' (position 2) must be Tensor, not {type(other).__name__}"
        )
    a, b = input.ndim, other.ndim
    if not a or not b:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {a}D and {b}D"
        )
    if a == 2 and b == 2:
        return input.mm(other)
    if a == 1 and b == 1:
        return input.dot(other)
    if a == 2 and b == 1:
        return input.mv(other)
    if a == 1 and b == 2:
        return input.unsqueeze(0).mm(other).squeeze(0)
    if b <= 2:  # fold the batch into rows
        if b == 1:
            flat = input.reshape(_count(input.shape[:-1]), input.shape[-1]).mv(other)
            return flat.reshape(input.shape[:-1])
        flat = input.reshape(_count(input.shape[:-1]), input.shape[-1]).mm(other)
        return flat.reshape((*input.shape[:-1], other.shape[-1]))
    left = input.unsqueeze(0) if a == 1 else input
    return _batched(left, other, a == 1)


def _batched(left: Any, right: Any, vector: bool) -> Any:
    if left.shape[-1] != right.shape[-2]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied: {list(left.shape)} and "
            f"{list(right.shape)} (the last size of the first must be the last but one of the "
            "second)"
        )
    lead = layout.broadcast(tuple(left.shape[:-2]), tuple(right.shape[:-2]))
    n, k, m = left.shape[-2], left.shape[-1], right.shape[-1]
    x = left.expand((*lead, n, k)).reshape(-1 if k and n else _count(lead), n, k)
    y = right.expand((*lead, k, m)).reshape(-1 if k and m else _count(lead), k, m)
    out = x.bmm(y).reshape((*lead, n, m))
    return out.squeeze(-2) if vector else out


def _count(shape: tuple[int, ...]) -> int:
    n = 1
    for s in shape:
        n *= s
    return n


row("matmul(Tensor input, Tensor other) -> Tensor", body=_matmul, forms="fmo",
    samples=lambda m: [((m(2, 3), m(3, 2)), {}), ((m(3), m(3)), {}), ((m(2, 3), m(3)), {}),
                       ((m(3), m(3, 2)), {}), ((m(2, 1, 2, 3), m(3, 3, 2)), {}), ((m(2, 2, 3), m(3, 2)), {})],
    doc="See body.")  # fmt: skip


def _linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """input @ weight.T + bias; input (*, in), weight (out, in) or (in,), bias (out,)."""
    if weight.ndim == 1:
        out = _matmul(input, weight)
        return out if bias is None else out + bias
    turned = weight.t()
    if input.ndim == 2:
        return input.mm(turned) if bias is None else call.addmm(bias, input, turned)
    if input.ndim == 1:
        out = input.unsqueeze(0)
        out = out.mm(turned) if bias is None else call.addmm(bias, out, turned)
        return out.squeeze(0)
    flat = input.reshape(_count(input.shape[:-1]), input.shape[-1])
    out = flat.mm(turned) if bias is None else call.addmm(bias, flat, turned)
    return out.reshape((*input.shape[:-1], weight.shape[0]))


row("linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor", body=_linear, where="nn",
    samples=lambda m: [((m(2, 3), m(4, 3), m(4)), {}), ((m(2, 2, 3), m(4, 3)), {}), ((m(3), m(4, 3), m(4)), {})],
    doc="See body.")  # fmt: skip

_ = dtypes
