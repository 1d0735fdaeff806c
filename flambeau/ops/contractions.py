"""Products over chosen dimensions: inner, tensordot, kron, einsum, chains, cross products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtypes, layout
from ..core.aval import Aval, aval
from ..core.layout import wrap_dim
from .formulas import conj
from .joins import several
from .lowering import sorting as order
from .rules import matching
from .table import Spec, call, row


def _dims_of(dims: Any, a: Any, b: Any) -> tuple[list[int], list[int]]:
    """The contracted dimensions of both, from `2` or `([0, 1], [1, 0])`."""
    if hasattr(dims, "tolist"):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(
                f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims} for {a.ndim}-D and "
                f"{b.ndim}-D tensors"
            )
        return list(range(a.ndim - dims, a.ndim)), list(range(dims))
    left, right = ([d] if isinstance(d, int) else list(d) for d in dims)
    if len(left) != len(right):
        raise RuntimeError(
            f"tensordot: both dimension lists should have same length, got {left} and {right}"
        )
    return list(layout.wrap_dims(left, a.ndim)), list(layout.wrap_dims(right, b.ndim))


def _tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """Contraction over dimensions: the last `dims` of a with the first of b, or two lists."""
    left, right = _dims_of(dims, a, b)
    for i, j in zip(left, right, strict=True):
        if a.shape[i] == b.shape[j]:
            continue
        if a.shape[i] == 1:  # one side is broadcast: sum the other first
            b = b.sum(j, True, dtype=b.dtype)
        elif b.shape[j] == 1:
            a = a.sum(i, True, dtype=a.dtype)
        else:
            raise RuntimeError(
                f"tensordot: contracted dimensions need to match, but first has size {a.shape[i]} "
                f"in dim {i} and second has size {b.shape[j]} in dim {j}"
            )
    rest_a = [d for d in range(a.ndim) if d not in left]
    rest_b = [d for d in range(b.ndim) if d not in right]
    k = math.prod(a.shape[d] for d in left)
    shape = (*(a.shape[d] for d in rest_a), *(b.shape[d] for d in rest_b))
    x = a.permute((*rest_a, *left)).reshape(math.prod(a.shape[d] for d in rest_a), k)
    y = b.permute((*right, *rest_b)).reshape(k, math.prod(b.shape[d] for d in rest_b))
    return x.mm(y).reshape(shape)


row("tensordot(Tensor a, Tensor b, any dims=2) -> Tensor", body=_tensordot, forms="fo", out="exact",
    samples=lambda m: [((m(2, 3), m(3, 2), 1), {}), ((m(2, 3), m(2, 4), ([0], [0])), {}), ((m(2), m(2), 0), {})],
    doc="See body.")  # fmt: skip


def _inner(input: Any, other: Any) -> Any:
    """Sums of products over the last dimensions of both; a number scales."""
    if not input.ndim or not other.ndim:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input.shape)} and {list(other.shape)}"
        )
    return _tensordot(input, other, ([-1], [-1]))


row("inner(Tensor input, Tensor other) -> Tensor", body=_inner, forms="fmo", out="exact",
    samples=lambda m: [((m(3), m(3)), {}), ((m(2, 3), m(4, 3)), {}), ((m(), m(2)), {})],
    doc="See body.")  # fmt: skip


def _kron(input: Any, other: Any) -> Any:
    """Each element of input replaced by its product with all of other (Kronecker)."""
    n = max(input.ndim, other.ndim)
    a = (1,) * (n - input.ndim) + tuple(input.shape)
    b = (1,) * (n - other.ndim) + tuple(other.shape)
    left = input.reshape(tuple(s for size in a for s in (size, 1)))
    right = other.reshape(tuple(s for size in b for s in (1, size)))
    return call.unsafe_view(left * right, tuple(x * y for x, y in zip(a, b, strict=True)))


row("kron(Tensor input, Tensor other) -> Tensor", body=_kron, forms="fmo",
    samples=lambda m: [((m(2, 2), m(2, 3)), {}), ((m(2), m(2, 2)), {}), ((m(), m(2)), {})],
    doc="See body.")  # fmt: skip


# --- chains -------------------------------------------------------------------------------------


def _order_of(sizes: list[int]) -> list[list[int]]:
    """Where to split each stretch of a chain of matrices (sizes[i] x sizes[i + 1]) so that the
    fewest multiplications are needed (Cormen et al., Introduction to Algorithms, 15.2)."""
    n = len(sizes) - 1
    cost = [[0] * n for _ in range(n)]
    split = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            choices = [
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            ]
            cost[i][j], split[i][j] = min(choices)
    return split


def _multi_dot(tensors: Any) -> Any:
    """The product of several matrices in the cheapest order; the first and last may be vectors."""
    items = several("linalg.multi_dot", (tensors,))
    if len(items) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(items)}")
    for i, t in enumerate(items):
        ends = i in (0, len(items) - 1)
        if not (t.ndim == 2 or (ends and t.ndim == 1)):
            raise RuntimeError(
                f"multi_dot(): tensor {i} must be 2D{' or 1D' if ends else ''} but got {t.ndim}D"
            )
    first, last = items[0].ndim == 1, items[-1].ndim == 1
    chain = list(items)
    if first:
        chain[0] = chain[0].unsqueeze(0)
    if last:
        chain[-1] = chain[-1].unsqueeze(1)
    for i, (x, y) in enumerate(zip(chain, chain[1:], strict=False)):
        if x.shape[1] != y.shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(items[i].shape)} and "
                f"{list(items[i + 1].shape)} cannot be multiplied"
            )
    split = _order_of([chain[0].shape[0], *(t.shape[1] for t in chain)])

    def product(i: int, j: int) -> Any:
        if i == j:
            return chain[i]
        k = split[i][j]
        return product(i, k).mm(product(k + 1, j))

    out = product(0, len(chain) - 1)
    return out.reshape((*out.shape[first : 2 - last],))


row("linalg_multi_dot(Tensor[] tensors) -> Tensor", body=_multi_dot, forms="fo", out="exact", where="linalg",
    alias=("multi_dot",),
    samples=lambda m: [(([m(2, 3), m(3, 4), m(4, 2)],), {}), (([m(3), m(3, 2), m(2)],), {})],
    doc="See body.")  # fmt: skip
row("chain_matmul(any matrices) -> Tensor", forms="f",
    body=lambda *matrices: matrices[0] if len(matrices) == 1 else _multi_dot(list(matrices)),
    samples=lambda m: [((m(2, 3), m(3, 4), m(4, 2)), {})],
    doc="The product of several matrices in the cheapest order.")  # fmt: skip


# --- einsum -------------------------------------------------------------------------------------


def _einsum(equation: Any, *operands: Any) -> Any:
    """Sums of products named by letters: `einsum("bij,bjk->bik", a, b)`; "..." broadcasts. Also in
    the form `einsum(a, [0, 1], b, [1, 2], [0, 2])`."""
    if not isinstance(equation, str):
        equation, operands = _from_lists((equation, *operands))
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    if not operands:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one "
            "operand and its subscripts list"
        )
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise RuntimeError(
            f"einsum(): the equation {equation!r} names {len(terms)} operands, but "
            f"{len(operands)} were given"
        )
    spare = [chr(c) for c in range(0x3B1, 0x3B1 + 64)]  # letters that no equation may use
    terms, dots = _expand_dots(terms, operands, spare, equation)
    right = _output(terms, dots, right if arrow else None, equation)
    sizes = _letter_sizes(terms, operands, equation)
    for i, c in enumerate(right):
        if c not in sizes:
            raise RuntimeError(
                f"einsum(): output subscript {c} does not appear in the equation {equation!r} for "
                "any input operand"
            )
        if c in right[:i]:
            raise RuntimeError(
                f"einsum(): output subscript {c} appears more than once in the output of "
                f"{equation!r}"
            )
    current, x = _diagonals(terms[0], operands[0])
    for i, (term, operand) in enumerate(zip(terms[1:], operands[1:], strict=True), 1):
        later = set("".join(terms[i + 1 :])) | set(right)
        current, x = _contract(current, x, *_diagonals(term, operand), later)
    gone = tuple(i for i, c in enumerate(current) if c not in right)
    if gone:
        x = x.sum(gone)
        current = "".join(c for c in current if c in right)
    return x.permute(tuple(current.index(c) for c in right)) if right != current else x


def _from_lists(given: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """The equation of the form with lists of numbers."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

    def term(numbers: Any) -> str:
        for n in numbers:
            if n is not Ellipsis and not 0 <= n < len(alphabet):
                raise ValueError(f"einsum(): subscripts must be in [0, 52), got {n}")
        return "".join("..." if n is Ellipsis else alphabet[n] for n in numbers)

    operands, lists = given[0:-1:2] if len(given) % 2 else given[0::2], given[1::2]
    equation = ",".join(term(numbers) for numbers in lists)
    if len(given) % 2:
        equation += "->" + term(given[-1])
    return equation, operands


def _expand_dots(
    terms: list[str], operands: Any, spare: list[str], equation: str
) -> tuple[list[str], str]:
    """Letters for "...", the same for all operands, counted from the last dimension."""
    for i, o in enumerate(operands):
        if not hasattr(o, "_aval"):
            raise TypeError(
                f"einsum(): expected Tensor as element {i} of the operands, but got {type(o).__name__}"
            )
    widest = max(
        (o.ndim - len(t) + 3 for t, o in zip(terms, operands, strict=True) if "..." in t), default=0
    )
    letters = "".join(spare[: max(widest, 0)])
    out = []
    for t, o in zip(terms, operands, strict=True):
        if "..." in t:
            n = o.ndim - len(t) + 3
            t = t.replace("...", letters[len(letters) - n :] if n > 0 else "", 1)
        if len(t) != o.ndim:
            raise RuntimeError(
                f"einsum(): the number of subscripts in {equation!r} ({len(t)}) does not match the "
                f"number of dimensions ({o.ndim}) of an operand of shape {list(o.shape)}"
            )
        for c in t:
            if not (c.isascii() and c.isalpha()) and c not in letters:
                raise RuntimeError(f"einsum(): invalid subscript given: {c!r} in {equation!r}")
        out.append(t)
    return out, letters


def _output(terms: list[str], dots: str, right: str | None, equation: str) -> str:
    """The letters of the result: given, or those that occur once, in order of the alphabet."""
    if right is None:
        letters = sorted({c for t in terms for c in t if c not in dots})
        return dots + "".join(c for c in letters if sum(t.count(c) for t in terms) == 1)
    out = right.replace("...", dots, 1)
    for c in out:
        if not (c.isascii() and c.isalpha()) and c not in dots:
            raise RuntimeError(f"einsum(): invalid subscript given: {c!r} in {equation!r}")
    return out


def _letter_sizes(terms: list[str], operands: Any, equation: str) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for t, o in zip(terms, operands, strict=True):
        for c, s in zip(t, o.shape, strict=True):
            known = sizes.setdefault(c, s)
            if known == 1:
                sizes[c] = s
            elif s not in (1, known):
                raise RuntimeError(
                    f"einsum(): subscript {c} has size {s} for an operand which does not broadcast "
                    f"with previously seen size {known} in {equation!r}"
                )
    return sizes


def _diagonals(term: str, x: Any) -> tuple[str, Any]:
    """Repeated letters of one operand: the diagonal."""
    while len(set(term)) < len(term):
        c = next(c for c in term if term.count(c) > 1)
        i = term.index(c)
        j = term.index(c, i + 1)
        x = x.diagonal(0, i, j)
        term = "".join(t for k, t in enumerate(term) if k not in (i, j)) + c
    return term, x


def _summed(term: str, x: Any, gone: set[str]) -> tuple[str, Any]:
    """A term without the letters that nothing else needs."""
    dims = tuple(i for i, c in enumerate(term) if c in gone)
    return ("".join(c for c in term if c not in gone), x.sum(dims, dtype=x.dtype)) if dims else (term, x)


def _contract(a: str, x: Any, b: str, y: Any, later: set[str]) -> tuple[str, Any]:
    """One pairwise step: sum what only one side has, then a batched matrix product, or an
    elementwise one where nothing is summed. A letter of size one on one side is broadcast."""
    narrow_a = {c for c, s in zip(a, x.shape, strict=True) if s == 1}
    narrow_b = {c for c, s in zip(b, y.shape, strict=True) if s == 1}
    shared = set(a) & set(b)
    a, x = _summed(a, x, {c for c in a if c not in later and (c not in shared or c in narrow_b)})
    b, y = _summed(b, y, {c for c in b if c not in later and (c not in shared or c in narrow_a)})
    summed = [c for c in a if c in b and c not in later]
    both = [c for c in a if c in b and c in later]
    only_a, only_b = [c for c in a if c not in b], [c for c in b if c not in a]
    letters = (*both, *only_a, *only_b)
    if not summed:
        left = x.permute(tuple(a.index(c) for c in (*both, *only_a)))
        right = y.permute(tuple(b.index(c) for c in (*both, *only_b)))
        left = left.reshape((*left.shape, *[1] * len(only_b)))
        n = len(both)
        right = right.reshape((*right.shape[:n], *[1] * len(only_a), *right.shape[n:]))
        return "".join(letters), left * right
    sizes = {c: s for c, s in (*zip(a, x.shape, strict=True), *zip(b, y.shape, strict=True)) if s != 1}
    x = x.expand(tuple(sizes.get(c, 1) if c in both else s for c, s in zip(a, x.shape, strict=True)))
    y = y.expand(tuple(sizes.get(c, 1) if c in both else s for c, s in zip(b, y.shape, strict=True)))

    def size(cs: list[str]) -> int:
        return math.prod(sizes.get(c, 1) for c in cs)

    left = x.permute(tuple(a.index(c) for c in (*both, *only_a, *summed)))
    right = y.permute(tuple(b.index(c) for c in (*both, *summed, *only_b)))
    out = left.reshape((size(both), size(only_a), size(summed))).bmm(
        right.reshape((size(both), size(summed), size(only_b)))
    )
    return "".join(letters), out.reshape(tuple(sizes.get(c, 1) for c in letters))


row("einsum(any equation, any operands) -> Tensor", body=_einsum, forms="f",
    samples=lambda m: [(("ij,jk->ik", m(2, 3), m(3, 2)), {}), (("bij,bjk", m(2, 2, 3), m(2, 3, 2)), {}),
                       (("ii->i", m(3, 3)), {}), (("...i,i->...", m(2, 2, 3), m(3)), {}),
                       (("ij,ij->", m(2, 1), m(2, 3)), {}), (("i,j->ij", m(2), m(3)), {})],
    doc="See body.")  # fmt: skip


def _bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """y_k = x1^T W_k x2 + b_k; weight (out, in1, in2)."""
    if input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(
            f"bilinear(): input batch dimensions do not match: {list(input1.shape)} and "
            f"{list(input2.shape)}"
        )
    if input1.shape[-1] != weight.shape[1] or input2.shape[-1] != weight.shape[2]:
        raise RuntimeError(
            f"bilinear(): input sizes {input1.shape[-1]} and {input2.shape[-1]} do not match "
            f"weight of shape {list(weight.shape)}"
        )
    lead = tuple(input1.shape[:-1])
    rows = math.prod(lead)
    out, n, k = weight.shape
    a, b = input1.reshape((rows, n)), input2.reshape((rows, k))
    mixed = a.mm(weight.permute(1, 0, 2).reshape((n, out * k))).reshape((rows, out, k))
    y = (mixed * b.unsqueeze(1)).sum(-1, dtype=mixed.dtype).reshape((*lead, out))
    return y if bias is None else y + bias


row("bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) -> Tensor",
    body=_bilinear, forms="f",
    samples=lambda m: [((m(2, 3), m(2, 2), m(4, 3, 2), m(4)), {})], doc="See body.")  # fmt: skip


# --- products of vectors along a dimension ------------------------------------------------------


def _cross_rule(a: Aval, b: Aval, dim: int) -> Spec:
    if a.ndim != b.ndim:
        raise RuntimeError(
            f"inputs must have the same number of dimensions, got {list(a.shape)} and "
            f"{list(b.shape)}"
        )
    d = wrap_dim(dim, a.ndim)
    if a.shape[d] != 3 or b.shape[d] != 3:
        raise RuntimeError(
            f"inputs dimension {dim} must have length 3. Got {a.shape[d]} and {b.shape[d]}"
        )
    shape = layout.broadcast(tuple(a.shape), tuple(b.shape))
    dt = matching(a, b)
    if dt.category == dtypes.BOOL:
        raise NotImplementedError("\"cross\" not implemented for 'Bool'")
    return Spec(aval(shape, dt, a.device))


row(
    "linalg_cross(Tensor input, Tensor other, *, int dim=-1) -> Tensor", rule=_cross_rule,
    numpy=lambda a, b, dim: np.cross(*np.broadcast_arrays(a, b), axis=dim), forms="fo",  # type: ignore[call-overload]
    lower=order.cross,
    where="linalg", alias=("cross",), called="linalg.cross",
    grads={"input": lambda grad, other, dim: call.linalg_cross(conj(other).expand(grad.shape), grad, dim=dim),
           "other": lambda grad, input, dim: call.linalg_cross(grad, conj(input).expand(grad.shape), dim=dim)},
    samples=lambda m: [((m(2, 3), m(2, 3)), {}), ((m(3, 2), m(3, 1)), {"dim": 0}), ((m.complex(3), m.complex(3)), {})],
    doc="The vector product along a dimension of size 3.",
)  # fmt: skip


def _cross(input: Any, other: Any, dim: Any = None) -> Any:
    """The vector product along a dimension of size 3: by default the first of that size."""
    if dim is None:
        if 3 not in input.shape:
            raise RuntimeError(
                f"cross(): no dimension of size 3 in input of shape {list(input.shape)}"
            )
        dim = tuple(input.shape).index(3)
    return call.linalg_cross(input, other, dim=dim)


row("cross(Tensor input, Tensor other, int? dim=None) -> Tensor", body=_cross, forms="fmo", out="exact",
    samples=lambda m: [((m(2, 3), m(2, 3), 1), {}), ((m(3, 2), m(3, 2)), {})], doc="See body.")  # fmt: skip



def _vecdot(x: Any, y: Any, *, dim: int = -1) -> Any:
    """Sums of products along a dimension, the first factor conjugated."""
    for t in (x, y):
        if t.dtype.category < dtypes.FLOAT:
            raise RuntimeError(
                "linalg.vecdot: Expected a floating point or complex tensor as input. Got "
                f"{t.dtype.legacy}"
            )
    return (conj(x) * y).sum(dim)


row("linalg_vecdot(Tensor x, Tensor y, *, int dim=-1) -> Tensor", forms="fo", where="linalg",
    alias=("vecdot",), body=_vecdot,
    samples=lambda m: [((m(2, 3), m(2, 3)), {}), ((m.complex(2), m.complex(2)), {})],
    doc="See body.")  # fmt: skip
