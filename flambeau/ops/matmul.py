"""Products of matrices and vectors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import layout
from ..core.aval import Aval, aval
from .formulas import conj
from .lowering import contractions as low
from .rules import matching
from .table import Spec, call, row


def adjoint(x: Any) -> Any:
    """The conjugate transpose of the last two dimensions."""
    turned = x.transpose(-2, -1)
    return call.conj(turned) if x.is_complex() else turned


_KINDS = ("vector", "matrix", "3D tensor")


def _need(x: Aval, ndim: int, name: str) -> None:
    if x.ndim != ndim:
        raise RuntimeError(
            f"{name} must be a {_KINDS[ndim - 1]}, got {x.ndim}-D tensor of shape {list(x.shape)}"
        )


def _multiply(a: Aval, b: Aval) -> None:
    if a.shape[-1] != b.shape[-2]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({a.shape[-2]}x{a.shape[-1]} and "
            f"{b.shape[-2]}x{b.shape[-1]})"
        )


def _scale(x: Any, factor: Any) -> Any:
    return x if factor is not True and factor == 1 else x * conj(factor)


def _mm_rule(a: Aval, b: Aval) -> Spec:
    _need(a, 2, "self")
    _need(b, 2, "mat2")
    _multiply(a, b)
    return Spec(aval((a.shape[0], b.shape[1]), matching(a, b), a.device))


row(
    "mm(Tensor input, Tensor mat2) -> Tensor", rule=_mm_rule, numpy=np.matmul, forms="fmo", out="exact",
    lower=low.matmul,
    grads={"input": lambda grad, mat2: grad.mm(adjoint(mat2)),
           "mat2": lambda grad, input: adjoint(input).mm(grad)},
    samples=lambda m: [((m(2, 3), m(3, 4)), {}), ((m(3, 2).t(), m(3, 1)), {}), ((m(0, 3), m(3, 2)), {}), ((m(2, 0), m(0, 2)), {}),
                       ((m.complex(2, 2), m.complex(2, 2)), {})],
    doc="The product of two matrices.",
)  # fmt: skip


def _bmm_rule(a: Aval, b: Aval) -> Spec:
    _need(a, 3, "batch1")
    _need(b, 3, "batch2")
    if a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: "
            f"[{a.shape[0]}, {a.shape[2]}] but got: [{b.shape[0]}, {b.shape[1]}]."
        )
    return Spec(aval((a.shape[0], a.shape[1], b.shape[2]), matching(a, b), a.device))


row(
    "bmm(Tensor input, Tensor mat2) -> Tensor", rule=_bmm_rule, numpy=np.matmul, forms="fmo", out="exact",
    lower=low.matmul,
    grads={"input": lambda grad, mat2: grad.bmm(adjoint(mat2)),
           "mat2": lambda grad, input: adjoint(input).bmm(grad)},
    samples=lambda m: [((m(2, 2, 3), m(2, 3, 2)), {}), ((m(2, 3, 2).transpose(1, 2), m(2, 3, 1)), {}),
                       ((m.complex(1, 2, 2), m.complex(1, 2, 2)), {})],
    doc="The products of matrices in a batch.",
)  # fmt: skip


def _mv_rule(a: Aval, v: Aval) -> Spec:
    if a.ndim != 2 or v.ndim != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got {a.ndim}, {v.ndim} dimensions")
    if a.shape[1] != v.shape[0]:
        raise RuntimeError(
            f"size mismatch, got input ({a.shape[0]}), mat ({a.shape[0]}x{a.shape[1]}), "
            f"vec ({v.shape[0]})"
        )
    return Spec(aval((a.shape[0],), matching(a, v), a.device))


row(
    "mv(Tensor input, Tensor vec) -> Tensor", rule=_mv_rule, numpy=np.matmul, forms="fmo", out="exact",
    lower=low.mv,
    grads={"input": lambda grad, vec: grad.unsqueeze(1) * conj(vec),
           "vec": lambda grad, input: adjoint(input).mv(grad)},
    samples=lambda m: [((m(2, 3), m(3)), {}), ((m.complex(2, 2), m.complex(2)), {})],
    doc="A matrix times a vector.",
)  # fmt: skip


def _dot_rule(a: Aval, b: Aval) -> Spec:
    if a.ndim != 1 or b.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {a.ndim}D and {b.ndim}D tensors")
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"expected both vectors to have same dtype, but found {a.dtype.legacy} and "
            f"{b.dtype.legacy}"
        )
    if a.shape != b.shape:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor {list(a.shape)} and src {list(b.shape)} to "
            "have the same number of elements"
        )
    return Spec(aval((), a.dtype, a.device))


row(
    "dot(Tensor input, Tensor tensor) -> Tensor", rule=_dot_rule, numpy=np.dot, forms="fmo", out="exact",
    lower=low.dot,
    grads={"input": lambda grad, tensor: grad * conj(tensor),
           "tensor": lambda grad, input: grad * conj(input)},
    samples=lambda m: [((m(3), m(3)), {}), ((m(0), m(0)), {}), ((m.complex(2), m.complex(2)), {})],
    doc="The sum of products of two vectors.",
)  # fmt: skip
row(
    "vdot(Tensor input, Tensor other) -> Tensor", rule=_dot_rule, numpy=np.vdot, forms="fmo", out="exact",
    lower=low.dot,
    grads={"input": lambda grad, other: conj(grad) * other,
           "other": lambda grad, input: grad * input},
    samples=lambda m: [((m(3), m(3)), {}), ((m.complex(2), m.complex(2)), {})],
    doc="The sum of products of two vectors, the first conjugated.",
)  # fmt: skip


# --- products added to something ----------------------------------------------------------------


def _added(product: Any) -> Any:
    """The rule of `input + product`, where input broadcasts to the product."""

    def rule(c: Aval, a: Aval, b: Aval, beta: type, alpha: type) -> Spec:
        found = product(a, b).aval
        matching(c, a)
        lead = found.ndim - c.ndim
        if lead < 0 or any(x not in (1, y) for x, y in zip(c.shape, found.shape[lead:], strict=True)):
            raise RuntimeError(
                f"The added input of shape {list(c.shape)} can't be expanded to the product's shape "
                f"{list(found.shape)}"
            )
        for factor in (beta, alpha):
            if factor is complex and not c.dtype.is_complex:
                raise RuntimeError("value cannot be converted to a real type without overflow")
        return Spec(found)

    return rule


def _sum_of(product: Any) -> Any:
    def added(c: Any, a: Any, b: Any, beta: Any, alpha: Any) -> Any:
        out = product(a, b)
        if out.dtype.kind in "biu":
            beta, alpha = int(beta.real), int(alpha.real)
        if alpha != 1:
            out = out * alpha
        if beta == 0:  # what input holds doesn't matter, not even NaN
            return out
        return out + (c if beta == 1 else c * beta)

    return added


row(
    "addmm(Tensor input, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
    rule=_added(_mm_rule), numpy=_sum_of(np.matmul), forms="fmio", out="exact", multiplier="beta alpha",
    lower=low.added(low.matmul),
    grads={"input": lambda grad, beta: _scale(grad, beta),
           "mat1": lambda grad, mat2, alpha: _scale(grad.mm(adjoint(mat2)), alpha),
           "mat2": lambda grad, mat1, alpha: _scale(adjoint(mat1).mm(grad), alpha)},
    samples=lambda m: [((m(4), m(2, 3), m(3, 4)), {}), ((m(2, 4), m(2, 3), m(3, 4)), {"beta": 2, "alpha": 0.5}), ((m(), m(2, 3), m(3, 2)), {})],
    doc="beta * input + alpha * (mat1 @ mat2).",
)  # fmt: skip
row(
    "addmv(Tensor input, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
    rule=_added(_mv_rule), numpy=_sum_of(np.matmul), forms="fmio", out="exact", multiplier="beta alpha",
    lower=low.added(low.mv),
    grads={"input": lambda grad, beta: _scale(grad, beta),
           "mat": lambda grad, vec, alpha: _scale(grad.unsqueeze(1) * conj(vec), alpha),
           "vec": lambda grad, mat, alpha: _scale(adjoint(mat).mv(grad), alpha)},
    samples=lambda m: [((m(2), m(2, 3), m(3)), {"alpha": 2}), ((m(), m(2, 3), m(3)), {})],
    doc="beta * input + alpha * (mat @ vec).",
)  # fmt: skip


def _outer_rule(a: Aval, b: Aval) -> Spec:
    if a.ndim != 1 or b.ndim != 1:
        raise RuntimeError(f"vec1, vec2: Expected 1-D arguments, but got {a.ndim}-D and {b.ndim}-D")
    return Spec(aval((a.shape[0], b.shape[0]), matching(a, b), a.device))


row(
    "addr(Tensor input, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
    rule=_added(_outer_rule), numpy=_sum_of(np.multiply.outer), forms="fmio", multiplier="beta alpha",
    lower=low.added(low.outer),
    grads={"input": lambda grad, beta: _scale(grad, beta),
           "vec1": lambda grad, vec2, alpha: _scale(grad.mv(conj(vec2)), alpha),
           "vec2": lambda grad, vec1, alpha: _scale(grad.t().mv(conj(vec1)), alpha)},
    samples=lambda m: [((m(2, 3), m(2), m(3)), {"alpha": 2}), ((m(3), m(2), m(3)), {"beta": 0.5})],
    doc="beta * input + alpha * outer(vec1, vec2).",
)  # fmt: skip
row(
    "baddbmm(Tensor input, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
    rule=_added(_bmm_rule), numpy=_sum_of(np.matmul), forms="fmio", out="exact", multiplier="beta alpha",
    lower=low.added(low.matmul),
    grads={"input": lambda grad, beta: _scale(grad, beta),
           "batch1": lambda grad, batch2, alpha: _scale(grad.bmm(adjoint(batch2)), alpha),
           "batch2": lambda grad, batch1, alpha: _scale(adjoint(batch1).bmm(grad), alpha)},
    samples=lambda m: [((m(2, 2, 2), m(2, 2, 3), m(2, 3, 2)), {"beta": 2}), ((m(2), m(2, 2, 3), m(2, 3, 2)), {"alpha": 0.5})],
    doc="beta * input + alpha * (batch1 @ batch2), over a batch.",
)  # fmt: skip


def _summed_rule(a: Aval, b: Aval) -> Spec:
    found = _bmm_rule(a, b).aval
    return Spec(found.with_shape(tuple(found.shape[1:])))


def _spread(grad: Any, batch: Any) -> Any:
    """The gradient of a sum over a batch of so many."""
    return grad.expand((batch.shape[0], *grad.shape))


row(
    "addbmm(Tensor input, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
    rule=_added(_summed_rule), numpy=_sum_of(lambda a, b: np.matmul(a, b).sum(0)), forms="fmio", out="exact", multiplier="beta alpha",
    lower=low.added(low.summed_bmm),
    grads={"input": lambda grad, beta: _scale(grad, beta),
           "batch1": lambda grad, batch2, alpha: _scale(_spread(grad, batch2).bmm(adjoint(batch2)), alpha),
           "batch2": lambda grad, batch1, alpha: _scale(adjoint(batch1).bmm(_spread(grad, batch1)), alpha)},
    samples=lambda m: [((m(2, 2), m(2, 2, 3), m(2, 3, 2)), {}), ((m(2), m(2, 2, 3), m(2, 3, 2)), {"beta": 2, "alpha": 0.5})],
    doc="beta * input + alpha * the sum of batch1 @ batch2 over the batch.",
)  # fmt: skip


def _outer(input: Any, vec2: Any) -> Any:
    """The matrix of all products of two vectors."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise RuntimeError(
            f"outer: Expected 1-D arguments, but got {input.ndim}-D and {vec2.ndim}-D"
        )
    return input.unsqueeze(1) * vec2


row("outer(Tensor input, Tensor vec2) -> Tensor", body=_outer, forms="fmo", alias=("ger",),
    samples=lambda m: [((m(2), m(3)), {})], doc="See body.")  # fmt: skip


# --- matmul and linear --------------------------------------------------------------------------


def _matmul(input: Any, other: Any) -> Any:
    """The matrix product with broadcasting over leading dimensions; vectors are rows on the left
    and columns on the right."""
    if not (hasattr(other, "ndim") and hasattr(other, "is_complex")):
        raise TypeError(
            f"matmul(): argument 'other' (position 2) must be Tensor, not {type(other).__name__}"
        )
    a, b = input.ndim, other.ndim
    if a == 2 and b == 2:
        return input.mm(other)
    if not a or not b:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {a}D and {b}D"
        )
    if a == 1 and b == 1:
        return input.dot(other)
    if a == 2 and b == 1:
        return input.mv(other)
    if a == 1 and b == 2:
        return call.unsafe_view(input.unsqueeze(0).mm(other), (other.shape[1],))
    lead = tuple(input.shape[:-1])
    if b == 1:
        return call.unsafe_view(_rows(input).mv(other), lead)
    if b == 2:
        return call.unsafe_view(_rows(input).mm(other), (*lead, other.shape[1]))
    return _batched(input.unsqueeze(0) if a == 1 else input, other, a == 1)


def _rows(x: Any) -> Any:
    """Leading dimensions folded into one."""
    return x.reshape((math.prod(x.shape[:-1]), x.shape[-1]))


def _batched(left: Any, right: Any, vector: bool) -> Any:
    n, k, m = left.shape[-2], left.shape[-1], right.shape[-1]
    if k != right.shape[-2]:
        raise RuntimeError(
            f"matmul(): mat1 and mat2 shapes cannot be multiplied: {list(left.shape)} and "
            f"{list(right.shape)} (the last size of the first must be the last but one of the "
            "second)"
        )
    lead = layout.broadcast(tuple(left.shape[:-2]), tuple(right.shape[:-2]))
    size = math.prod(lead)
    x = left.expand((*lead, n, k)).reshape((size, n, k))
    y = right.expand((*lead, k, m)).reshape((size, k, m))
    return call.unsafe_view(x.bmm(y), (*lead, m) if vector else (*lead, n, m))


row("matmul(Tensor input, Tensor other) -> Tensor", operator="matmul", body=_matmul, forms="fmo", out="exact",
    samples=lambda m: [((m(2, 3), m(3, 2)), {}), ((m(3), m(3)), {}), ((m(2, 3), m(3)), {}),
                       ((m(3), m(3, 2)), {}), ((m(2, 1, 2, 3), m(3, 3, 2)), {}), ((m(2, 2, 3), m(3, 2)), {}),
                       ((m(3), m(2, 3, 2)), {}), ((m(2, 2, 3), m(3)), {}), ((m(0, 2, 3), m(3, 2)), {})],
    doc="See body.")  # fmt: skip


def _linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """input @ weight.T + bias; input (*, in), weight (out, in) or (in,), bias (out,)."""
    n = input.ndim
    if n == 2 and weight.ndim == 2:
        return _times_turned(input, weight, bias)
    if not n or not weight.ndim:
        raise RuntimeError(
            "linear(): both arguments to linear need to be at least 1D, but they are "
            f"{n}D and {weight.ndim}D"
        )
    if weight.ndim == 1:
        if bias is not None:
            raise RuntimeError(
                f"linear(): mat2 must be a matrix, got 1-D weight of shape {list(weight.shape)} "
                "with a bias"
            )
        return _matmul(input, weight)
    flat = input.unsqueeze(0) if n == 1 else _rows(input)
    shape = (*input.shape[:-1], weight.shape[0])
    out = _times_turned(flat, weight, bias)
    return call.unsafe_view(out, shape) if bias is None else out.view(shape)


def _times_turned(input: Any, weight: Any, bias: Any) -> Any:
    out = call.linear_at_once(input, weight, bias)
    if out is not None:
        return out
    turned = weight.t()
    return input.mm(turned) if bias is None else call.addmm(bias, input, turned)


row("linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor", body=_linear, where="nn", forms="fo", out="exact",
    samples=lambda m: [((m(2, 3), m(4, 3), m(4)), {}), ((m(2, 2, 3), m(4, 3)), {}), ((m(3), m(4, 3), m(4)), {}), ((m(2, 3), m(3)), {})],
    doc="See body.")  # fmt: skip
